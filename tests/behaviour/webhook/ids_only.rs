//! Deliveries that have only the ids of the records that changed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use pomost_extractor::Scheduling;
use pomost_models::{DeadLetterReason, Stage};
use pomost_store::Outage;
use pomost_tests::eventually;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{WebhookWorld, sender::DeliverySender};
use crate::support::{
    FakeServer, Flow, ReceivedRequest, Reply, Rows, World, outcomes, outcomes_of_deliveries,
    replayed_in, unhurried_limits,
};

const ASKING: &str = "fetch: { request: \"GET /rows/{.id}\" }\nwebhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  records: '.ids[] | { id: . }'";

fn asking() -> Flow {
    Flow {
        extract: ASKING,
        ..Flow::default()
    }
}

/// The id of the thing that a request asks for.
fn asked_id(request: &ReceivedRequest) -> Option<&str> {
    request.path.strip_prefix("/rows/")
}

fn thing(id: &str) -> Reply {
    Reply::json(200, &json!({ "key": id, "n": 1 }))
}

/// A source that gives every thing that it is asked for.
async fn giving() -> FakeServer {
    FakeServer::start(|request| asked_id(request).map_or_else(|| Reply::rows(json!([])), thing))
        .await
}

/// A source that gives the things that it is asked for once the gate is open.
async fn gated(gate: watch::Receiver<bool>) -> FakeServer {
    FakeServer::start(move |request| match asked_id(request) {
        Some(id) => thing(id).behind(gate.clone()),
        None => Reply::rows(json!([])),
    })
    .await
}

fn ids(ids: impl IntoIterator<Item = impl Into<Value>>) -> String {
    json!({ "ids": ids.into_iter().map(Into::into).collect::<Vec<Value>>() }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_keys_are_taken_at_once_and_all_their_records_arrive() {
    const KEYS: u32 = 10_000;
    let (open, gate) = watch::channel(false);
    let hooked = WebhookWorld::between(gated(gate).await, asking()).await;
    let answer = hooked.sender.deliver(&[], &ids(0..KEYS)).await;
    assert_eq!((answer.status, answer.status_text()), (200, "taken"));
    assert!(hooked.world.shop.things().is_empty());
    open.send(true).unwrap();
    assert_eq!(hooked.outcomes().await, [("created", u64::from(KEYS))]);
    let things: BTreeSet<String> = hooked.world.shop.things().into_iter().collect();
    assert_eq!(things.len(), KEYS as usize);
    hooked.running.stop().await;
}

/// The source gives nothing before all deliveries are accepted.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_source_refuses_no_delivery() {
    let (open, gate) = watch::channel(false);
    let hooked = WebhookWorld::between(gated(gate).await, asking()).await;
    let deliveries = (0..400).map(|n| (n.to_string(), ids([n.to_string()])));
    let answers = hooked.sender.deliver_at_once(deliveries).await;
    assert_eq!(answers, vec!["taken"; 400]);
    assert!(hooked.world.shop.things().is_empty());
    open.send(true).unwrap();
    assert_eq!(hooked.outcomes().await, [("created", 400)]);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_source_is_down_deliveries_are_taken_and_wait_at_no_cost() {
    let status = Arc::new(AtomicU16::new(500));
    let answer = status.clone();
    let source = FakeServer::start(move |request| {
        match (answer.load(Ordering::SeqCst), asked_id(request)) {
            (200, Some(id)) => thing(id),
            (200, None) => Reply::rows(json!([])),
            (status, _) => Reply::json(status, &json!({})).with("retry-after", "1"),
        }
    })
    .await;
    let flow = Flow {
        load: "retry: { attempts: 1 }",
        ..asking()
    };
    let hooked = WebhookWorld::between(source, flow).await;
    let many: Vec<String> = (0..50).map(|n| format!("first {n}")).collect();
    assert_eq!(hooked.sender.deliver(&[], &ids(many)).await.status, 200);
    let store = hooked.world.backends().await.store;
    eventually(async || {
        match store
            .outages(Outage::FORGOTTEN_AFTER)
            .await
            .unwrap()
            .first()
        {
            Some(outage) if outage.system == "source" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    for n in 0..20 {
        assert_eq!(
            hooked
                .sender
                .deliver(&[], &ids([format!("then {n}")]))
                .await
                .status,
            200
        );
    }
    assert!(hooked.world.shop.things().is_empty());
    let said = hooked.world.pomost(&["status"]).await;
    assert!(said.out.contains(", waits for source since 20"), "{said:?}");
    status.store(200, Ordering::SeqCst);
    assert_eq!(hooked.outcomes().await, [("created", 70)]);
    assert!(hooked.world.dead().await.is_empty());
    hooked.running.stop().await;
}

/// The next process asks for the records that were only delivered.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_to_a_process_that_was_killed_arrives_once() {
    let hangs = Arc::new(AtomicBool::new(true));
    let first = hangs.clone();
    let source = FakeServer::start(move |request| match asked_id(request) {
        Some(_) if first.load(Ordering::SeqCst) => Reply::never(),
        Some(id) => thing(id),
        None => Reply::rows(json!([])),
    })
    .await;
    let world = World::new(source, asking()).await;
    let running = world.start_to_be_killed(Scheduling::Off).await;
    let (address, receiving) = running.receive_webhooks(unhurried_limits()).await;
    let sender = DeliverySender { address };
    assert_eq!(sender.deliver(&[], &ids(["a", "b"])).await.status, 200);
    eventually(async || match world.source.requests().len() {
        2 => Ok(()),
        other => Err(format!("{other} requests")),
    })
    .await;
    receiving.abort();
    running.kill().await;
    hangs.store(false, Ordering::SeqCst);
    let running = world.start().await;
    let store = world.backends().await.store;
    assert_eq!(
        outcomes_of_deliveries(&*store, "things").await,
        [("created", 2)]
    );
    running.stop().await;
    assert_eq!(world.shop.server.count_method("POST"), 2);
}

/// The record is filtered while the flow has no deletions, and deleted once it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_told_row_that_is_gone_is_left_out_or_a_deletion_and_counted() {
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = gone.clone();
    let source = FakeServer::start(move |request| match asked_id(request) {
        Some("a") if is_gone.load(Ordering::SeqCst) => Reply::json(404, &json!({})),
        Some(id) => thing(id),
        None => Reply::rows(json!([])),
    })
    .await;
    let extract = Box::leak(format!("{ASKING}\n  key: .key // .id").into_boxed_str());
    let flow = || Flow {
        extract,
        ..Flow::default()
    };
    let hooked = WebhookWorld::between(source, flow()).await;
    assert_eq!(
        hooked.sender.deliver(&[], &ids(["a", "b"])).await.status,
        200
    );
    assert_eq!(hooked.outcomes().await, [("created", 2)]);
    gone.store(true, Ordering::SeqCst);
    assert_eq!(hooked.sender.deliver(&[], &ids(["a"])).await.status, 200);
    assert_eq!(hooked.outcomes().await, [("created", 2), ("filtered", 1)]);
    assert_eq!(hooked.world.shop.things().len(), 2);
    let WebhookWorld {
        world,
        rows,
        running,
        ..
    } = hooked;
    running.stop().await;
    world.set_flow(Flow {
        load: "delete: { request: \"DELETE /things/{$id}\" }",
        ..flow()
    });
    let running = world.start().await;
    let hooked = WebhookWorld::on(world, rows, running, unhurried_limits()).await;
    assert_eq!(hooked.sender.deliver(&[], &ids(["a"])).await.status, 200);
    assert_eq!(
        hooked.outcomes().await,
        [("created", 2), ("deleted", 1), ("filtered", 1)]
    );
    assert_eq!(hooked.world.shop.things(), [r#"{"key":"b","n":1}"#]);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_refuses_to_say_is_a_dead_letter_of_what_was_told_and_a_replay_asks_again()
{
    let refuses = Arc::new(AtomicBool::new(true));
    let first = refuses.clone();
    let source =
        FakeServer::start(
            move |request| match (asked_id(request), first.load(Ordering::SeqCst)) {
                (Some("a"), true) => Reply::json(422, &json!({ "error": "not so" })),
                (Some(id), _) => thing(id),
                (None, _) => Reply::rows(json!([])),
            },
        )
        .await;
    let hooked = WebhookWorld::between(source, asking()).await;
    assert_eq!(
        hooked.sender.deliver(&[], &ids(["a", "b"])).await.status,
        200
    );
    assert_eq!(hooked.outcomes().await, [("created", 1), ("dead", 1)]);
    let letter = hooked.world.only_dead().await;
    assert_eq!(
        (letter.stage, letter.reason),
        (Stage::Extract, DeadLetterReason::Invalid)
    );
    assert!(
        letter
            .error
            .starts_with("source: GET /rows/{.id} answered 422"),
        "{}",
        letter.error
    );
    assert_eq!(letter.record.unwrap().extracted().get(), r#"{"id":"a"}"#);
    let shown = hooked.world.pomost(&["dead", "show", &letter.id]).await;
    assert!(shown.out.contains(r#""id": "a""#), "{shown:?}");
    refuses.store(false, Ordering::SeqCst);
    let replayed = hooked.world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&hooked.running.ended(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    let things: BTreeSet<String> = hooked.world.shop.things().into_iter().collect();
    assert_eq!(
        things,
        [r#"{"key":"a","n":1}"#, r#"{"key":"b","n":1}"#]
            .map(str::to_owned)
            .into()
    );
    hooked.running.stop().await;
}

/// A new delivery is tried again, although the letter of an earlier one was discarded.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_again_after_its_letter_was_discarded_has_a_letter_again() {
    let source = FakeServer::start(|request| match asked_id(request) {
        Some(_) => Reply::json(422, &json!({})),
        None => Reply::rows(json!([])),
    })
    .await;
    let hooked = WebhookWorld::between(source, asking()).await;
    for dead in 1..=2 {
        assert_eq!(hooked.sender.deliver(&[], &ids(["a"])).await.status, 200);
        assert_eq!(hooked.outcomes().await, [("dead", dead)]);
        hooked.world.only_dead().await;
    }
    hooked.world.pomost(&["dead", "discard", "--all"]).await;
    assert_eq!(hooked.sender.deliver(&[], &ids(["a"])).await.status, 200);
    assert_eq!(hooked.outcomes().await, [("dead", 3)]);
    hooked.world.only_dead().await;
    hooked.running.stop().await;
}

/// The key is read from the response. A value in its place beside the id may be the key of another
/// record.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_what_was_told_has_no_key_that_another_record_could_have() {
    for load in ["", "order: every"] {
        let source = FakeServer::start(|request| match asked_id(request) {
            Some("17") => Reply::json(422, &json!({})),
            Some(id) => thing(id),
            None => Reply::rows(json!([])),
        })
        .await;
        let extract = ASKING.replace(".ids[] | { id: . }", ".told[]").leak();
        let hooked = WebhookWorld::between(
            source,
            Flow {
                extract,
                load,
                ..Flow::default()
            },
        )
        .await;
        let tell = async |id: &str| {
            let told = json!({ "told": [{ "id": id, "key": "5" }] }).to_string();
            assert_eq!(hooked.sender.deliver(&[], &told).await.status, 200);
            hooked.outcomes().await
        };
        assert_eq!(tell("17").await, [("dead", 1)]);
        assert_eq!(tell("5").await, [("created", 1), ("dead", 1)]);
        assert_eq!(hooked.world.only_dead().await.key(), "");
        hooked.running.stop().await;
    }
}

/// A row of the list is not the record.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_listing_that_the_source_refuses_to_say_is_asked_about_again_by_a_replay() {
    let refuses = Arc::new(AtomicBool::new(true));
    let first = refuses.clone();
    let source =
        FakeServer::start(
            move |request| match (asked_id(request), first.load(Ordering::SeqCst)) {
                (Some(_), true) => Reply::json(422, &json!({})),
                (Some(id), false) => thing(id),
                (None, _) => Reply::rows(json!([{ "id": "a", "key": "a" }])),
            },
        )
        .await;
    let extract = "fetch: { request: \"GET /rows/{.id}\" }";
    let world = World::new(
        source,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    refuses.store(false, Ordering::SeqCst);
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_asked_about_again_and_given_up_after_the_attempts() {
    let failures = Arc::new(AtomicUsize::new(0));
    let counted = failures.clone();
    let source = FakeServer::start(move |request| match asked_id(request) {
        Some("never") => Reply::json(500, &json!({})),
        Some("later") if counted.fetch_add(1, Ordering::SeqCst) == 0 => {
            Reply::json(500, &json!({}))
        }
        Some(id) => thing(id),
        None => Reply::rows(json!([])),
    })
    .await;
    let flow = Flow {
        load: "retry: { attempts: 2 }",
        ..asking()
    };
    let hooked = WebhookWorld::between(source, flow).await;
    assert_eq!(
        hooked
            .sender
            .deliver(&[], &ids(["later", "never", "now"]))
            .await
            .status,
        200
    );
    assert_eq!(hooked.outcomes().await, [("created", 2), ("dead", 1)]);
    let letter = hooked.world.only_dead().await;
    assert_eq!(
        (letter.stage, letter.reason, letter.attempts),
        (Stage::Extract, DeadLetterReason::Transient, 2)
    );
    assert_eq!(
        letter.record.unwrap().extracted().get(),
        r#"{"id":"never"}"#
    );
    hooked.running.stop().await;
}

/// The first delivery is asked about again after the second one, and the source gives the latest
/// state then.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_first_and_asked_about_last_is_the_newest() {
    let asked_about = Arc::new(AtomicUsize::new(0));
    let count = asked_about.clone();
    let source = FakeServer::start(move |request| {
        match (asked_id(request), &request.headers.get("x-delivery")) {
            (None, _) => Reply::rows(json!([])),
            (Some(_), delivery)
                if delivery.is_some_and(|id| id == "1") && count.load(Ordering::SeqCst) == 0 =>
            {
                count.fetch_add(1, Ordering::SeqCst);
                Reply::json(500, &json!({}))
            }
            (Some(id), _) => Reply::json(
                200,
                &json!({ "key": id, "n": count.fetch_add(1, Ordering::SeqCst) }),
            ),
        }
    })
    .await;
    let extract =
        "fetch: { request: \"GET /rows/{.id}\", headers: { X-Delivery: '{$headers[\"x-id\"]}' } }\nwebhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  records: '.ids[] | { id: . }'";
    let hooked = WebhookWorld::between(
        source,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(
        hooked
            .sender
            .deliver(&[("X-Id", "1")], &ids(["a"]))
            .await
            .status,
        200
    );
    eventually(async || match asked_about.load(Ordering::SeqCst) {
        0 => Err("it is not asked about"),
        _ => Ok(()),
    })
    .await;
    assert_eq!(
        hooked
            .sender
            .deliver(&[("X-Id", "2")], &ids(["a"]))
            .await
            .status,
        200
    );
    assert_eq!(hooked.outcomes().await, [("created", 1), ("updated", 1)]);
    assert_eq!(hooked.world.shop.things(), [r#"{"key":"a","n":2}"#]);
    hooked.running.stop().await;
}

/// Deliveries share batches, and their records are asked for side by side or one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_that_was_told_is_applied_in_the_order_of_asking() {
    let [_, numbers] = tokio::join!(applied_in_order(16), applied_in_order(1)).into();
    assert!(
        numbers.iter().all(|numbers| numbers.is_sorted()),
        "{numbers:?}"
    );
}

/// The numbers that the source gave for each of two keys, in the order in which they were applied.
async fn applied_in_order(concurrency: usize) -> [Vec<u64>; 2] {
    let asked_about = AtomicUsize::new(0);
    let source = FakeServer::start(move |request| match asked_id(request) {
        None => Reply::rows(json!([])),
        Some(id) => Reply::json(
            200,
            &json!({ "key": id, "n": asked_about.fetch_add(1, Ordering::SeqCst) }),
        ),
    })
    .await;
    let world = World::new(
        source,
        Flow {
            load: "order: every",
            ..asking()
        },
    )
    .await;
    let system = world.system("source");
    world.write(
        "systems/source.yaml",
        &format!("{system}concurrency: {concurrency}\n"),
    );
    let running = world.start().await;
    let hooked = WebhookWorld::on(world, Rows::default(), running, unhurried_limits()).await;
    for _ in 0..20 {
        assert_eq!(
            hooked.sender.deliver(&[], &ids(["a", "b"])).await.status,
            200
        );
    }
    assert_eq!(hooked.outcomes().await, [("created", 2), ("updated", 38)]);
    let sent: Vec<Value> = hooked
        .world
        .shop
        .server
        .requests()
        .iter()
        .filter_map(|request| serde_json::from_str(&request.body).ok())
        .collect();
    hooked.running.stop().await;
    ["a", "b"].map(|key| {
        let of_key = sent.iter().filter(|thing| thing["key"] == key);
        of_key.map(|thing| thing["n"].as_u64().unwrap()).collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_asked_no_faster_than_its_rate() {
    let world = World::new(giving().await, asking()).await;
    let system = format!(
        "system: source\nbase_url: {}\nrate_limit: 20/s\n",
        world.source.url
    );
    world.write("systems/source.yaml", &system);
    let running = world.start().await;
    let hooked = WebhookWorld::on(world, Rows::default(), running, unhurried_limits()).await;
    let began = Instant::now();
    assert_eq!(hooked.sender.deliver(&[], &ids(0..40)).await.status, 200);
    assert_eq!(hooked.outcomes().await, [("created", 40)]);
    assert!(
        began.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        began.elapsed()
    );
    hooked.running.stop().await;
}
