//! Malformed messages, and brokers that refuse messages.

use std::{sync::Mutex, time::Duration};

use pomost_broker::{Message, Queue};
use pomost_extractor::Scheduling;
use pomost_models::{
    Batch, DeadLetter, DeadLetterReason, Operation, Record, RunId, Stage, Version,
    batch::BATCH_TYPE, dead_letter::DEAD_LETTERS_TYPE,
};
use pomost_tests::eventually;
use serde_json::{json, value::RawValue};

use crate::support::{Flow, RefusingBroker, RunningServices, World, outcomes};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn message(kind: &str, body: impl Into<Vec<u8>>) -> Message {
    let traceparent = Some(format!("00-{TRACE}-00f067aa0ba902b7-01"));
    Message {
        id: "m".into(),
        kind: kind.into(),
        body: body.into().into(),
        traceparent,
    }
}

fn record(slot: u32, key: &str) -> Record {
    let data = RawValue::from_string(format!(r#"{{"key":"{key}"}}"#)).unwrap();
    Record {
        slot,
        key: key.into(),
        version: Version::new("1"),
        op: Operation::Upsert,
        data,
        source: None,
    }
}

fn batch(records: Vec<Record>) -> Batch {
    Batch {
        size: 2,
        ..Batch::new("things", RunId::generate(), "0.0", records)
    }
}

async fn letters(world: &World, count: usize) -> Vec<DeadLetter> {
    eventually(async || match world.dead().await {
        letters if letters.len() == count => Ok(letters),
        letters => Err(format!("{} letters", letters.len())),
    })
    .await
}

/// The same message may come again after its letter was discarded.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_is_buried_and_its_neighbours_go_on() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    let unreadable = message(BATCH_TYPE, r#"{"email":"bob@example.com""#);
    for (kind, body) in [
        (BATCH_TYPE, &unreadable.body[..]),
        ("pomost.batch.v9", b"{}"),
        ("", b"\xff"),
    ] {
        world
            .publish(
                Queue::work(Stage::Transform, "things"),
                vec![message(kind, body)],
            )
            .await;
    }
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    let running = world.start().await;
    for letter in letters(&world, 3).await {
        assert_eq!(
            (letter.reason, letter.stage),
            (DeadLetterReason::Unreadable, Stage::Transform)
        );
        assert_eq!(
            (letter.flow.as_str(), letter.trace_id()),
            ("things", Some(TRACE))
        );
    }
    assert_eq!(
        world.pomost(&["dead", "discard", "--all"]).await.out,
        "3 dead letters discarded\n"
    );
    world
        .publish(Queue::work(Stage::Transform, "things"), vec![unreadable])
        .await;
    let again = letters(&world, 1).await.remove(0);
    running.stop().await;
    assert!(!again.error.contains("bob@"), "{}", again.error);
    let shown = world.pomost(&["dead", "show", &again.id]).await.out;
    assert!(
        shown.contains(r#""message": "{\"email\":\"bob@example.com\"""#),
        "{shown}"
    );
    world.set_flow(Flow {
        rest: "sensitive: [.email]",
        ..Flow::default()
    });
    let shown = world.pomost(&["dead", "show", &again.id]).await.out;
    assert!(shown.contains(r#""message": "***""#), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_kills_its_workers_becomes_dead_letters_with_its_trace() {
    let (world, running) = after_killing_its_workers(Stage::Load).await;
    running.stop().await;
    let replayed = world.pomost(&["dead", "replay", "--class", "poison"]).await;
    let summary = world.finish(crate::support::replayed_in(&replayed)).await;
    assert_eq!(outcomes(&summary), [("created", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_and_kills_who_asks_about_it_becomes_dead_letters_of_its_stage() {
    let (_, running) = after_killing_its_workers(Stage::Extract).await;
    running.stop().await;
}

/// A world in which a batch of two records has killed the workers of a stage, one after the other,
/// and is dead.
async fn after_killing_its_workers(stage: Stage) -> (World, RunningServices) {
    let (world, _) = World::with_rows([], Flow::default()).await;
    let poison = batch(vec![record(0, "a"), record(1, "b")]);
    let queue = Queue::work(stage, "things");
    world
        .publish(queue.clone(), vec![message(BATCH_TYPE, poison.encode())])
        .await;
    let broker = world.backends().await.broker;
    for _ in 0..=pomost_broker::QueueLimits::default().deliveries {
        let mut consumer = broker.consume(&queue, 1).await.unwrap();
        consumer.next().await.unwrap();
    }
    let running = world.start().await;
    for letter in letters(&world, 2).await {
        assert_eq!(
            (letter.reason, letter.stage),
            (DeadLetterReason::Poison, stage)
        );
        assert_eq!((letter.run, letter.trace_id()), (poison.run, Some(TRACE)));
    }
    (world, running)
}

/// The store would reserve memory for every slot that a letter names.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_names_too_many_slots_is_a_message_that_cannot_be_read() {
    let (world, _) = World::with_rows([], Flow::default()).await;
    let fair = batch(vec![record(0, "a")]);
    let letter = |size: u32, slot: u32| {
        json!([{
            "id": format!("{size}"), "flow": "things", "run": fair.run, "batch": "0.0", "size": size,
            "stage": "load", "reason": "invalid", "error": "no", "attempts": 1,
            "died_at": "2026-01-01T00:00:00Z", "record": record(slot, "a"),
        }])
    };
    for (size, slot) in [(u32::MAX, 0), (2, u32::MAX), (1, 0)] {
        let body = letter(size, slot).to_string();
        world
            .publish(Queue::Dead, vec![message(DEAD_LETTERS_TYPE, body)])
            .await;
    }
    let running = world.start().await;
    let letters = letters(&world, 3).await;
    let count = |reason| {
        letters
            .iter()
            .filter(|letter| letter.reason == reason)
            .count()
    };
    assert_eq!(
        (
            count(DeadLetterReason::Unreadable),
            count(DeadLetterReason::Invalid)
        ),
        (2, 1)
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_handed_back_is_tried_again_with_pauses_that_grow() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    let broker = Mutex::new(None);
    let running = world
        .start_with(Scheduling::Off, |embedded| {
            let refusing = RefusingBroker::to_delay(4, embedded);
            *broker.lock().unwrap() = Some(refusing.clone());
            refusing
        })
        .await;
    let run = running.request(None).await;
    assert_eq!(outcomes(&running.ended(run).await), [("created", 1)]);
    running.stop().await;
    let asked = broker.into_inner().unwrap().unwrap().delays();
    let pauses: Vec<Duration> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(pauses.len(), 4, "{pauses:?}");
    assert!(
        pauses[0] >= Duration::from_millis(100) && pauses[3] >= Duration::from_millis(800),
        "{pauses:?}"
    );
}
