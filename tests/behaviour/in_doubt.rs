//! Writes in doubt, which must not be made twice.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use pomost_extractor::Scheduling;
use pomost_models::DeadLetterReason;
use serde_json::{Value, json};

use crate::support::{Flow, LOOKUP, Reply, World, outcomes, wait_for_things};

const DELETES: &str = "delete: { request: \"DELETE /things/{$id}\" }";

fn thing(n: u32) -> [Value; 1] {
    [json!({"key": "a", "n": n})]
}

fn idempotent() -> Flow {
    Flow {
        create: "idempotency_header: Idempotency-Key",
        ..Flow::default()
    }
}

/// A world in which `a` was created and the shop lost it then.
async fn world_that_lost_a_thing(flow: Flow) -> (World, crate::support::Rows) {
    let (world, rows) = World::with_rows(thing(1), flow).await;
    world.set_shop_timeout("3s");
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    world.shop.empty();
    world.shop.server.forget_requests();
    rows.set(thing(2));
    (world, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thing_made_again_without_an_answer_is_found_and_not_made_a_third_time() {
    let (world, _) = world_that_lost_a_thing(Flow::with_lookup()).await;
    world.shop.lose_answers("POST", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_making_a_thing_again_looks_before_it_makes_it() {
    let (world, _) = world_that_lost_a_thing(Flow::with_lookup()).await;
    world.shop.lose_answers("POST", 1, Reply::never);
    let running = world.start_to_be_killed(Scheduling::Off).await;
    let run = running.request(None).await;
    wait_for_things(&world.shop, 1).await;
    running.kill().await;
    assert_eq!(outcomes(&world.finish(run).await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thing_made_again_without_an_answer_is_in_doubt_where_nothing_can_tell() {
    let (world, _) = world_that_lost_a_thing(Flow::default()).await;
    world.shop.lose_answers("POST", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert_eq!(world.only_dead().await.reason, DeadLetterReason::InDoubt);
    assert_eq!(world.shop.things().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thing_made_again_without_an_answer_is_repeated_under_the_same_idempotency_key() {
    let (world, rows) = world_that_lost_a_thing(idempotent()).await;
    world.shop.lose_answers("POST", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.things().len()
        ),
        (2, 1)
    );
    rows.set(thing(3));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_look_up_finds_and_the_update_does_not_is_tried_again_later() {
    let (world, rows) = World::with_rows(thing(1), Flow::with_lookup()).await;
    world.sync().await;
    rows.set(thing(2));
    world.shop.fail("PUT", 2, || Reply::json(404, &json!({})));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.server.count_method("GET")
        ),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_waits_until_a_create_in_doubt_has_been_repeated() {
    let (world, rows) = World::with_rows(thing(1), idempotent()).await;
    world.shop.lose_answers("POST", 2, Reply::broken_off);
    let running = world.start().await;
    let first = running.request(None).await;
    wait_for_things(&world.shop, 1).await;
    rows.set(thing(2));
    let second = running.request(None).await;
    assert_eq!(outcomes(&running.ended(first).await), [("created", 1)]);
    assert_eq!(outcomes(&running.ended(second).await), [("updated", 1)]);
    running.stop().await;
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
    assert_eq!(world.shop.server.count_method("POST"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_in_doubt_is_not_repeated_with_other_content() {
    let flow = Flow {
        load: "retry: { attempts: 1 }",
        ..idempotent()
    };
    let (world, rows) = World::with_rows(thing(1), flow).await;
    // The first is not charged: it may be an outage's.
    world.shop.lose_answers("POST", 2, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    rows.set(thing(2));
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letters = world.dead().await;
    assert_eq!(
        letters
            .iter()
            .map(|letter| letter.reason)
            .collect::<Vec<_>>(),
        [DeadLetterReason::Transient, DeadLetterReason::InDoubt]
    );
    assert!(
        letters[1].error.contains("create of other content"),
        "{}",
        letters[1].error
    );
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_made_again_under_another_idempotency_key() {
    let flow = Flow {
        extract: "deleted: .gone",
        load: DELETES,
        ..idempotent()
    };
    let (world, rows) = World::with_rows(thing(1), flow).await;
    for _ in 0..2 {
        assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
        assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
        rows.set([json!({"key": "a", "gone": true})]);
        assert_eq!(outcomes(&world.sync().await), [("deleted", 1)]);
        rows.set(thing(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_destination_lost_is_made_again_under_another_idempotency_key() {
    let (world, rows) = World::with_rows(thing(1), idempotent()).await;
    for n in [1, 2, 1, 2] {
        rows.set(thing(n));
        assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
        assert_eq!(world.shop.things(), [format!(r#"{{"key":"a","n":{n}}}"#)]);
        world.shop.empty();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thing_that_may_have_been_made_again_is_looked_for_before_it_counts_as_deleted() {
    let load = format!("{LOOKUP}\n{DELETES}").leak();
    let flow = Flow {
        extract: "deleted: .gone",
        load,
        ..Flow::default()
    };
    let (world, rows) = world_that_lost_a_thing(flow).await;
    let is_posted = Arc::new(AtomicBool::new(false));
    let posted = is_posted.clone();
    world.shop.lose_answers("POST", 1, move || {
        posted.store(true, Ordering::SeqCst);
        Reply::broken_off()
    });
    world.shop.also_intercept(move |request| {
        let is_refused = request.method == "GET" && is_posted.load(Ordering::SeqCst);
        is_refused.then(|| Reply::json(422, &json!({})))
    });
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert_eq!(world.shop.things().len(), 1);
    world.shop.mend();
    rows.set([json!({"key": "a", "gone": true})]);
    assert_eq!(outcomes(&world.sync().await), [("deleted", 1)]);
    assert!(world.shop.things().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_503_after_a_create_that_took_place_makes_nothing_twice() {
    let (world, _) = World::with_rows(thing(1), Flow::with_lookup()).await;
    world.shop.lose_answers("POST", 1, || {
        Reply::json(503, &json!({ "error": "timed out" }))
    });
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things().len(), 1);
}

/// A deletion is looked up by its row, which differs from the mapped record.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_until_the_create_in_doubt_before_it_has_been_looked_up() {
    let load = format!("{LOOKUP}\n{DELETES}").leak();
    let transform = "map: \"{ key: (.key | downcase), n }\"";
    let flow = Flow {
        extract: "deleted: .gone",
        transform,
        load,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([json!({"key": "A", "n": 1})], flow).await;
    world.shop.lose_answers("POST", 1, Reply::broken_off);
    let running = world.start().await;
    let first = running.request(None).await;
    wait_for_things(&world.shop, 1).await;
    rows.set([json!({"key": "A", "gone": true})]);
    let second = running.request(None).await;
    assert_eq!(outcomes(&running.ended(first).await), [("updated", 1)]);
    assert_eq!(outcomes(&running.ended(second).await), [("deleted", 1)]);
    running.stop().await;
    assert!(world.shop.things().is_empty());
}

/// Replies with these statuses to the first creates, which have no effect.
fn creates_are_answered(world: &World, statuses: impl IntoIterator<Item = u16>) {
    let statuses: Vec<u16> = statuses.into_iter().collect();
    let left = std::sync::Mutex::new(statuses.into_iter());
    world.shop.intercept(move |request| {
        let status = (request.method == "POST")
            .then(|| left.lock().unwrap().next())
            .flatten()?;
        Some(Reply::json(status, &json!({})))
    });
}

/// A server that still works on a request replies with 409 to its repetition, and may fail after
/// all.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_meets_its_first_attempt_is_repeated_until_that_has_ended() {
    let only_creates =
        "create: { request: POST /things, id: .id, idempotency_header: Idempotency-Key }";
    let flows = [
        idempotent(),
        Flow {
            load: LOOKUP,
            ..idempotent()
        },
        Flow {
            writes: only_creates,
            ..Flow::default()
        },
        Flow {
            writes: only_creates,
            load: LOOKUP,
            ..Flow::default()
        },
    ];
    futures_util::future::join_all(flows.map(async |flow| {
        let (world, _) = World::with_rows(thing(1), flow).await;
        creates_are_answered(&world, [500, 409]);
        assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
        assert_eq!(
            (
                world.shop.server.count_method("POST"),
                world.shop.things().len()
            ),
            (3, 1)
        );
        let keys: Vec<_> = world
            .shop
            .server
            .requests()
            .into_iter()
            .filter_map(|mut request| request.headers.remove("idempotency-key"))
            .collect();
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_meets_its_first_attempt_to_the_end_says_so() {
    let flow = Flow {
        load: "retry: { attempts: 2 }",
        ..idempotent()
    };
    let (world, _) = World::with_rows(thing(1), flow).await;
    // The first is not charged: it may be an outage's.
    creates_are_answered(&world, [504, 409, 409]);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(letter.reason, DeadLetterReason::Transient);
    assert!(
        letter
            .error
            .contains("an earlier attempt may still be under way"),
        "{}",
        letter.error
    );
}
