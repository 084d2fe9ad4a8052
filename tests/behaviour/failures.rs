//! A destination that fails, and what it costs.

use std::sync::Mutex;

use pomost_extractor::Scheduling;
use pomost_models::{DeadLetterReason, Stage};
use serde_json::json;

use crate::support::{FakeServer, Flow, Reply, World, outcomes};

fn one_row() -> [serde_json::Value; 1] {
    [json!({"key": "a", "email": "jan@example.com"})]
}

fn failed(status: u16) -> impl Fn() -> Reply {
    move || Reply::json(status, &json!({ "error": "not now" }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_passes_is_tried_again() {
    let (world, _) = World::with_rows(one_row(), Flow::with_lookup()).await;
    world.shop.fail("POST", 1, failed(500));
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(world.shop.things().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_attempts_are_used_up_is_dead() {
    let load = "retry: { attempts: 2 }";
    let (world, _) = World::with_rows(
        one_row(),
        Flow {
            load,
            ..Flow::default()
        },
    )
    .await;
    world.shop.fail("POST", usize::MAX, failed(500));
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(
        (letter.stage, letter.reason, letter.attempts),
        (Stage::Load, DeadLetterReason::Transient, 2)
    );
    // The first is not charged: it may be an outage's.
    assert_eq!(world.shop.server.count_method("POST"), 3);
    let said = "shop: POST /things answered 500 Internal Server Error";
    assert!(letter.error.starts_with(said), "{}", letter.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_destination_refuses_is_dead_at_once_and_quotes_the_answer_masked() {
    let flow = Flow {
        rest: "sensitive: [.email]",
        ..Flow::default()
    };
    let (world, _) = World::with_rows(one_row(), flow).await;
    world.shop.fail("POST", 1, || {
        Reply::json(
            422,
            &json!({ "error": "jan@example.com is taken", "at": "/email" }),
        )
    });
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(
        (letter.reason, letter.attempts),
        (DeadLetterReason::Invalid, 1)
    );
    let said = r#"shop: POST /things answered 422 Unprocessable Entity: {"at":"/email","error":"*** is taken"}"#;
    assert!(same_fields(&letter.error, said), "{}", letter.error);
}

/// JSON objects may order their fields either way.
fn same_fields(one: &str, other: &str) -> bool {
    let sorted = |text: &str| {
        let mut bytes: Vec<u8> = text.into();
        bytes.sort_unstable();
        bytes
    };
    sorted(one) == sorted(other)
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_wait_and_cost_no_attempt() {
    for status in [401, 403, 429, 503] {
        let load = "retry: { attempts: 1 }";
        let (world, _) = World::with_rows(
            one_row(),
            Flow {
                load,
                ..Flow::default()
            },
        )
        .await;
        world.shop.fail("POST", 1, failed(status));
        assert_eq!(outcomes(&world.sync().await), [("created", 1)], "{status}");
        assert_eq!(world.shop.server.count_method("POST"), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_ready_is_waited_for() {
    for status in [401, 429, 500, 503] {
        let asked = Mutex::new(0);
        let source = FakeServer::start(move |_| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            if *asked == 1 {
                failed(status)()
            } else {
                Reply::rows(one_row().to_vec())
            }
        })
        .await;
        let world = World::new(source, Flow::default()).await;
        assert_eq!(outcomes(&world.sync().await), [("created", 1)], "{status}");
        assert_eq!(world.source.count_method("GET"), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_broke_off_is_in_doubt_where_nothing_can_tell() {
    let (world, _) = World::with_rows(one_row(), Flow::default()).await;
    world.shop.fail("POST", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert_eq!(world.only_dead().await.reason, DeadLetterReason::InDoubt);
    assert_eq!(world.shop.server.count_method("POST"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_broke_off_after_it_took_place_is_found_and_not_repeated() {
    let (world, _) = World::with_rows(one_row(), Flow::with_lookup()).await;
    world.shop.put("t0001", json!({"key": "a"}));
    world.shop.fail("POST", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.server.count_method("POST"), 1);
    assert_eq!(world.shop.things().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_broke_off_is_repeated_under_the_same_idempotency_key() {
    let flow = || Flow {
        create: "idempotency_header: Idempotency-Key",
        ..Flow::default()
    };
    let (world, rows) = World::with_rows(one_row(), flow()).await;
    world.shop.fail("POST", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    rows.set([json!({"key": "b", "email": "jan@example.com"})]);
    world.sync().await;
    let keys: Vec<String> = world
        .shop
        .server
        .requests()
        .iter()
        .map(|request| request.headers["idempotency-key"].clone())
        .collect();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_killed_in_the_middle_of_a_create_looks_before_it_creates_again() {
    let (world, _) = World::with_rows(one_row(), Flow::with_lookup()).await;
    world.shop.fail("POST", 1, Reply::never);
    let running = world.start_to_be_killed(Scheduling::Off).await;
    let run = running.request(None).await;
    pomost_tests::eventually(async || match world.shop.server.count_method("POST") {
        0 => Err("nothing was created"),
        _ => Ok(()),
    })
    .await;
    running.kill().await;
    world.shop.put("t0001", json!({"key": "a"}));
    assert_eq!(outcomes(&world.finish(run).await), [("updated", 1)]);
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.server.count_method("GET")
        ),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_created_is_known_even_while_dead_letters_cannot_be_published() {
    let (world, _) =
        World::with_rows([json!({"key": "a"}), json!({"key": "b"})], Flow::default()).await;
    world.shop.intercept(|request| {
        request
            .body
            .contains("\"b\"")
            .then(|| Reply::json(422, &json!({})))
    });
    let run = world.killed_before_its_dead_letters().await;
    assert_eq!(
        outcomes(&world.finish(run).await),
        [("created", 1), ("dead", 1)]
    );
    assert_eq!(world.only_dead().await.reason, DeadLetterReason::Invalid);
    assert_eq!(world.shop.things(), [r#"{"key":"a"}"#]);
}
