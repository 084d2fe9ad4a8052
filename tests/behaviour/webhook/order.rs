//! Deliveries beside rows that are read.

use std::sync::Arc;

use pomost_tests::eventually;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::{HOOK, WebhookWorld, hooked};
use crate::support::{
    FakeServer, Flow, Reply, World, outcomes, replayed_in, unhurried_limits, wait_for_method,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_and_reading_send_the_same_change_once() {
    let extract = "version: .at\nwebhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  records: .changed[]";
    let hooked = WebhookWorld::start(Flow {
        extract,
        ..Flow::default()
    })
    .await;
    let thing = json!({ "key": "a", "at": "2026-01-01T10:00:00Z", "n": 1 });
    let delivery = json!({ "changed": [thing] }).to_string();
    assert_eq!(hooked.sender.deliver(&[], &delivery).await.status, 200);
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    hooked.rows.set([thing.clone()]);
    let run = hooked.running.request(None).await;
    assert_eq!(
        outcomes(&hooked.running.ended(run).await),
        [("unchanged", 1)]
    );
    hooked
        .rows
        .set([json!({ "key": "a", "at": "2026-01-01T11:00:00Z", "n": 2 })]);
    let run = hooked.running.request(None).await;
    assert_eq!(outcomes(&hooked.running.ended(run).await), [("updated", 1)]);
    assert_eq!(hooked.sender.deliver(&[], &delivery).await.status, 200);
    assert_eq!(hooked.outcomes().await, [("created", 1), ("stale", 1)]);
    hooked.running.stop().await;
}

/// A flow with a webhook that reads everything does so to catch up. All its creates that may be in
/// flight are held, and 59 more wait, when a record is delivered.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_goes_before_what_is_read_to_catch_up() {
    let rows: [Value; 60] = std::array::from_fn(|n| json!({ "key": n.to_string() }));
    let (world, rows) = World::with_rows(rows, hooked()).await;
    let system = world.system("shop");
    world.write("systems/shop.yaml", &format!("{system}concurrency: 2\n"));
    let (open, gate) = watch::channel(false);
    world.shop.intercept(move |request| {
        let created = Reply::json(201, &json!({ "id": "t1" }));
        (!request.body.contains("live")).then(|| created.behind(gate.clone()))
    });
    let running = world.start().await;
    let hooked = WebhookWorld::on(world, rows, running, unhurried_limits()).await;
    let run = hooked.running.request(None).await;
    let shop = &hooked.world.shop.server;
    wait_for_method(shop, "POST", 1).await;
    assert_eq!(
        hooked
            .sender
            .deliver(&[("X-Id", "1")], r#"{"key":"live"}"#)
            .await
            .status,
        200
    );
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    assert_eq!(shop.count_method("POST"), 2);
    open.send(true).unwrap();
    assert_eq!(
        outcomes(&hooked.running.ended(run).await),
        [("created", 60)]
    );
    hooked.running.stop().await;
}

/// A delivery shares the batch of those before it.
#[tokio::test(flavor = "multi_thread")]
async fn every_delivered_change_waits_for_the_earlier_ones_of_its_key() {
    let extract = Box::leak(format!("version: .n\n{HOOK}").into_boxed_str());
    let hooked = WebhookWorld::start(Flow {
        extract,
        load: "order: every",
        ..Flow::default()
    })
    .await;
    let first = json!({ "key": "a", "n": 1 }).to_string();
    let refused = first.clone();
    hooked
        .world
        .shop
        .intercept(move |request| (request.body == refused).then(|| Reply::json(422, &json!({}))));
    for (id, key, n) in [("1", "a", 1), ("2", "b", 1), ("3", "a", 2)] {
        let body = json!({ "key": key, "n": n }).to_string();
        assert_eq!(
            hooked.sender.deliver(&[("X-Id", id)], &body).await.status,
            200
        );
    }
    let store = hooked.world.backends().await.store;
    eventually(
        async || match store.runs(Some("things"), 1).await.unwrap().first() {
            Some(run) if run.blocked_by_dead_letters == 1 && run.counts.waiting == 1 => Ok(()),
            run => Err(format!("{run:?}")),
        },
    )
    .await;
    hooked.world.shop.mend();
    let replayed = hooked.world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&hooked.running.ended(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(
        hooked.outcomes().await,
        [("created", 1), ("updated", 1), ("dead", 1)]
    );
    let sent = hooked
        .world
        .shop
        .server
        .requests()
        .into_iter()
        .filter(|request| request.body.contains("\"a\""));
    let second = json!({ "key": "a", "n": 2 }).to_string();
    assert_eq!(
        sent.map(|request| request.body).collect::<Vec<_>>(),
        [first.clone(), first, second]
    );
    hooked.running.stop().await;
}

/// One record is delivered before a run and two while its first page is on its way; one of these is
/// also on the second page.
#[tokio::test(flavor = "multi_thread")]
async fn without_versions_what_came_last_stays() {
    let (asked, answered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (reached, go_on) = (asked.clone(), answered.clone());
    let source =
        FakeServer::start(
            move |request| match request.query.get("page").map(String::as_str) {
                Some("1") => {
                    reached.notify_one();
                    tokio::task::block_in_place(|| {
                        tokio::runtime::Handle::current().block_on(go_on.notified())
                    });
                    Reply::rows(
                        json!([{ "key": "a", "n": "page 1" }, { "key": "b", "n": "page 1" }]),
                    )
                }
                Some("2") => Reply::rows(json!([{ "key": "c", "n": "page 2" }])),
                _ => Reply::rows(json!([])),
            },
        )
        .await;
    let extract = "paginate: { page: { param: page } }\nwebhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }";
    let hooked = WebhookWorld::between(
        source,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    let deliver = async |key: &str| {
        let body = json!({ "key": key, "n": "delivered" }).to_string();
        assert_eq!(hooked.sender.deliver(&[], &body).await.status, 200);
    };
    deliver("b").await;
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    let run = hooked.running.request(None).await;
    asked.notified().await;
    deliver("a").await;
    deliver("c").await;
    assert_eq!(hooked.outcomes().await, [("created", 3)]);
    answered.notify_one();
    assert_eq!(
        outcomes(&hooked.running.ended(run).await),
        [("updated", 2), ("stale", 1)]
    );
    let things: Vec<Value> = hooked
        .world
        .shop
        .things()
        .iter()
        .map(|thing| serde_json::from_str(thing).unwrap())
        .collect();
    let mut things: Vec<(&str, &str)> = things
        .iter()
        .map(|thing| (thing["key"].as_str().unwrap(), thing["n"].as_str().unwrap()))
        .collect();
    things.sort_unstable();
    assert_eq!(
        things,
        [("a", "delivered"), ("b", "page 1"), ("c", "page 2")]
    );
    hooked.running.stop().await;
}
