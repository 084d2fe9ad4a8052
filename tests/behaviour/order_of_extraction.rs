//! Changes of one key with the same version: the one that was read later is newer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use crate::{
    order::{
        EVERY, LATEST, change, refuse, run_while_the_first_waits, run_with_blocked_records, sent,
    },
    support::{FakeServer, Flow, Reply, Rows, World, outcomes, replayed_in},
};

const DELETES: &str = "delete: { request: \"DELETE /things/{$id}\" }";

/// A change of version 1.
fn of_one_version(n: u32) -> Value {
    json!({ "key": "a", "n": n, "v": 1 })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_equal_versions_the_content_that_was_read_later_stays() {
    let flow = Flow {
        extract: "version: .v",
        ..LATEST
    };
    let (world, rows) = World::with_rows([of_one_version(1)], flow).await;
    let later = run_while_the_first_waits(&world, || rows.set([of_one_version(2)])).await;
    assert_eq!(later, [("created", 1)]);
    assert_eq!(world.shop.things(), [of_one_version(2).to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_again_with_its_version_costs_no_request() {
    let (world, _) = World::with_rows([change("a", 1)], LATEST).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    world.shop.server.forget_requests();
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
    assert!(world.shop.server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_while_a_sweep_deleted_it_does_not_come_back() {
    for extract in [
        "sweep: { max_deletes: 100 }\nversion: .n",
        "sweep: { max_deletes: 100 }",
    ] {
        let flow = Flow {
            extract,
            load: DELETES,
            ..LATEST
        };
        let (world, rows) = World::with_rows([change("a", 1)], flow).await;
        assert_eq!(
            run_while_the_first_waits(&world, || rows.set([])).await,
            [("unchanged", 1)]
        );
        assert!(world.shop.things().is_empty());
    }
}

/// A source may begin to count its versions anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_again_after_a_sweep_is_made_again_whatever_its_version() {
    let flow = Flow {
        extract: "sweep: { max_deletes: 100 }\nversion: .n",
        load: DELETES,
        ..LATEST
    };
    let (world, rows) = World::with_rows([change("a", 5)], flow).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    rows.set([]);
    assert_eq!(outcomes(&world.sync().await), [("deleted", 1)]);
    rows.set([change("a", 1)]);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
}

/// A world whose source lists one row and has no details of it once the flag is set.
async fn world_whose_row_may_be_gone(flow: Flow) -> (World, Arc<AtomicBool>) {
    let (rows, gone) = (Rows::default(), Arc::new(AtomicBool::new(false)));
    rows.set([change("a", 1)]);
    let is_gone = gone.clone();
    let source = FakeServer::start(move |request| match request.path.as_str() {
        "/rows" => rows.reply(),
        _ if is_gone.load(Ordering::Relaxed) => Reply::json(410, &json!({})),
        _ => Reply::json(200, &change("a", 1)),
    })
    .await;
    let extract = "version: .n\nfetch: { request: \"GET /rows/{.key}\" }";
    (World::new(source, Flow { extract, ..flow }).await, gone)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_while_its_row_was_found_to_be_gone_does_not_come_back() {
    let (world, gone) = world_whose_row_may_be_gone(Flow {
        load: DELETES,
        ..LATEST
    })
    .await;
    let later = run_while_the_first_waits(&world, || gone.store(true, Ordering::Relaxed)).await;
    assert_eq!(later, [("unchanged", 1)]);
    assert!(world.shop.things().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_without_a_version_waits_for_the_changes_before_it() {
    let load = format!("order: every\n{DELETES}").leak();
    let (world, gone) = world_whose_row_may_be_gone(Flow { load, ..EVERY }).await;
    refuse(&world, "a", 1);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    gone.store(true, Ordering::Relaxed);
    let (run, waiting, settled) = run_with_blocked_records(&world, None).await;
    assert_eq!((waiting, settled), (1, vec![]));
    world.shop.mend();
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(outcomes(&world.finish(run).await), [("deleted", 1)]);
    assert!(world.shop.things().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_version_are_applied_in_the_order_in_which_they_were_read() {
    let rows = [
        of_one_version(1),
        of_one_version(2),
        json!({ "key": "a", "n": 3, "v": 2 }),
    ];
    let (world, _) = World::with_rows(
        rows,
        Flow {
            extract: "version: .v",
            ..EVERY
        },
    )
    .await;
    let first = of_one_version(1).to_string();
    world
        .shop
        .intercept(move |request| (request.body == first).then(|| Reply::json(422, &json!({}))));
    let (run, waiting, settled) = run_with_blocked_records(&world, None).await;
    assert_eq!((waiting, settled), (2, vec![("dead", 1)]));
    world.shop.mend();
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(
        outcomes(&world.finish(run).await),
        [("updated", 2), ("dead", 1)]
    );
    assert_eq!(sent(&world, "a"), [1, 1, 2, 3]);
}
