//! The behaviour of every [`Broker`]: one suite, which [`broker_conformance`] runs over each
//! implementation.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeSet, HashSet},
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt;
use pomost_models::{Stage, batch::BATCH_TYPE, dead_letter::DEAD_LETTERS_TYPE};
use tokio::time::{Instant, sleep, timeout};

use crate::{Broker, Consumer, Delivery, Error, Message, Queue, QueueLimits, Result, Route};

/// The time after which something that should happen counts as missing.
pub const EVENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The flow that the suite publishes to.
pub const FLOW: &str = "customers";

/// Queues on some broker that belong to one test.
#[async_trait]
pub trait Fixture: Send + Sync + Sized {
    /// Makes a place for queues that no other test uses.
    async fn start() -> Self;

    /// Opens a broker on that place, as another process would, with the queues of [`FLOW`]
    /// declared.
    async fn broker(&self, limits: QueueLimits) -> Arc<dyn Broker>;

    /// Removes everything.
    async fn clean(self);
}

/// Runs a behaviour on a new fixture and cleans up, also after a panic.
pub async fn prove<F: Fixture>(behaviour: impl AsyncFnOnce(&F)) {
    let fixture = F::start().await;
    let outcome = AssertUnwindSafe(behaviour(&fixture)).catch_unwind().await;
    fixture.clean().await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Makes a test of every behaviour, on a fixture of this type.
#[macro_export]
macro_rules! broker_conformance {
    ($fixture:ty) => {
        $crate::broker_conformance! { $fixture:
            a_message_arrives_whole_and_once_acknowledged_never_again,
            what_a_dropped_consumer_had_not_acknowledged_comes_again_marked_redelivered,
            messages_arrive_in_the_order_in_which_they_were_published,
            a_delayed_message_arrives_whole_after_its_delay,
            a_delayed_message_does_not_hold_back_an_immediate_one,
            a_dead_letter_arrives_and_is_not_poisoned,
            a_message_whose_consumers_keep_dying_becomes_a_poisoned_dead_letter,
            a_full_queue_says_so_and_takes_again_once_drained,
            what_a_source_told_is_taken_however_much_of_it_waits,
            a_queue_that_was_not_declared_is_unroutable,
            a_delay_is_kept_to_the_second,
            declaring_again_changes_nothing,
            no_more_is_taken_than_the_prefetch,
            stop_returns_what_was_taken_and_leaves_the_rest,
            an_acknowledgement_after_the_consumer_is_gone_is_an_error,
            a_thousand_messages_are_confirmed_and_arrive,
            concurrent_consumers_share_the_work_without_duplicates,
            a_cancelled_wait_loses_nothing,
        }
    };
    ($fixture:ty: $($behaviour:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                $crate::conformance::prove::<$fixture>($crate::conformance::$behaviour).await;
            }
        )+
    };
}

/// A message with a trace.
pub fn message(id: impl ToString) -> Message {
    let id = id.to_string();
    Message {
        body: format!("{{\"body of\":\"{id}\"}}").into(),
        kind: BATCH_TYPE.to_owned(),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        id,
    }
}

/// Messages whose ids are their numbers.
pub fn messages(numbers: std::ops::Range<u32>) -> Vec<Message> {
    numbers.map(message).collect()
}

/// The next delivery; a panic where none comes.
pub async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    timeout(EVENT_TIMEOUT, consumer.next())
        .await
        .expect("no delivery came")
        .expect("the consumer ended")
}

/// Acknowledges the next delivery, and returns its id.
pub async fn settle_next(consumer: &mut Box<dyn Consumer>) -> String {
    let delivery = next(consumer).await;
    let id = delivery.message.id.clone();
    delivery.acknowledge().await.unwrap();
    id
}

fn queue() -> Queue {
    Queue::work(Stage::Transform, FLOW)
}

async fn publish(broker: &Arc<dyn Broker>, messages: Vec<Message>) -> Result<()> {
    broker.publish(&Route::to(queue()), messages).await
}

async fn consume(broker: &Arc<dyn Broker>, prefetch: u16) -> Box<dyn Consumer> {
    broker.consume(&queue(), prefetch).await.unwrap()
}

macro_rules! behaviours {
    ($($(#[$doc:meta])* $name:ident($fixture:ident) $body:block)+) => {
        $(
            #[doc = concat!("Behaviour: ", stringify!($name), ".")]
            pub async fn $name($fixture: &impl Fixture) $body
        )+
    };
}

behaviours! {
    a_message_arrives_whole_and_once_acknowledged_never_again(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        publish(&broker, vec![message("first"), message("second")]).await.unwrap();
        let mut consumer = consume(&broker, 1).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message, message("first"));
        assert!(!delivery.redelivered && delivery.poisoned.is_none());
        delivery.acknowledge().await.unwrap();
        drop(consumer);
        assert_eq!(next(&mut consume(&broker, 1).await).await.message.id, "second");
    }

    what_a_dropped_consumer_had_not_acknowledged_comes_again_marked_redelivered(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        publish(&broker, messages(0..3)).await.unwrap();
        let mut consumer = consume(&broker, 10).await;
        settle_next(&mut consumer).await;
        next(&mut consumer).await;
        drop(consumer);
        let delivery = next(&mut consume(&broker, 10).await).await;
        assert_eq!(delivery.message, message(1));
        assert!(delivery.redelivered);
    }

    messages_arrive_in_the_order_in_which_they_were_published(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        publish(&broker, messages(0..50)).await.unwrap();
        publish(&broker, messages(50..100)).await.unwrap();
        let mut consumer = consume(&broker, 10).await;
        for number in 0..100 {
            assert_eq!(settle_next(&mut consumer).await, number.to_string());
        }
    }

    a_delayed_message_arrives_whole_after_its_delay(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        let mut consumer = consume(&broker, 1).await;
        let published = Instant::now();
        broker.publish(&Route::delayed(queue(), 1), vec![message("delayed")]).await.unwrap();
        let delivery = next(&mut consumer).await;
        assert!(published.elapsed() >= Duration::from_millis(990), "after {:?}", published.elapsed());
        assert!(published.elapsed() < Duration::from_secs(4), "after {:?}", published.elapsed());
        assert_eq!(delivery.message, message("delayed"));
        assert!(!delivery.redelivered && delivery.poisoned.is_none());
    }

    a_delayed_message_does_not_hold_back_an_immediate_one(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        let mut consumer = consume(&broker, 1).await;
        broker.publish(&Route::delayed(queue(), 5), vec![message("in five seconds")]).await.unwrap();
        broker.publish(&Route::delayed(queue(), 1), vec![message("in a second")]).await.unwrap();
        publish(&broker, vec![message("now")]).await.unwrap();
        for expected in ["now", "in a second", "in five seconds"] {
            assert_eq!(settle_next(&mut consumer).await, expected);
        }
    }

    a_dead_letter_arrives_and_is_not_poisoned(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        let letter = Message { kind: DEAD_LETTERS_TYPE.to_owned(), ..message("letter") };
        broker.publish(&Route::to(Queue::Dead), vec![letter.clone()]).await.unwrap();
        broker.publish(&Route::delayed(Queue::Dead, 1), vec![letter.clone()]).await.unwrap();
        let mut consumer = broker.consume(&Queue::Dead, 2).await.unwrap();
        for _ in 0..2 {
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.message, letter);
            assert_eq!(delivery.poisoned, None);
        }
    }

    a_message_whose_consumers_keep_dying_becomes_a_poisoned_dead_letter(fixture) {
        let broker = fixture.broker(QueueLimits { deliveries: 2, ..QueueLimits::default() }).await;
        publish(&broker, vec![message("poison")]).await.unwrap();
        for delivered_before in 0..3 {
            let delivery = next(&mut consume(&broker, 1).await).await;
            assert_eq!(delivery.redelivered, delivered_before > 0);
        }
        let delivery = next(&mut broker.consume(&Queue::Dead, 1).await.unwrap()).await;
        assert_eq!(delivery.poisoned, Some(queue()));
        assert_eq!(delivery.message, message("poison"));
        publish(&broker, vec![message("innocent")]).await.unwrap();
        assert_eq!(next(&mut consume(&broker, 1).await).await.message.id, "innocent");
    }

    a_full_queue_says_so_and_takes_again_once_drained(fixture) {
        let broker = fixture.broker(QueueLimits { length: 5, ..QueueLimits::default() }).await;
        let taken = fill(&broker).await;
        assert!((5..10).contains(&taken), "{taken} messages");
        let later = Route::delayed(queue(), 3600);
        broker.publish(&later, messages(0..20)).await.expect("what is to be delayed is always taken");
        let mut consumer = consume(&broker, 1).await;
        for number in 0..taken {
            assert_eq!(settle_next(&mut consumer).await, number.to_string());
        }
        timeout(EVENT_TIMEOUT, publish_when_there_is_room(&broker)).await.expect("it stayed full");
        assert_eq!(settle_next(&mut consumer).await, "late");
    }

    what_a_source_told_is_taken_however_much_of_it_waits(fixture) {
        let broker = fixture.broker(QueueLimits { length: 5, ..QueueLimits::default() }).await;
        let told = Queue::work(Stage::Extract, FLOW);
        for number in 0..20 {
            broker.publish(&Route::to(told.clone()), vec![message(number)]).await.unwrap();
        }
        let mut consumer = broker.consume(&told, 1).await.unwrap();
        for number in 0..20 {
            assert_eq!(settle_next(&mut consumer).await, number.to_string());
        }
    }

    a_queue_that_was_not_declared_is_unroutable(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        let nowhere = Queue::work(Stage::Load, "nowhere");
        let published = broker.publish(&Route::to(nowhere.clone()), messages(0..3)).await;
        assert!(matches!(published, Err(Error::Unroutable(queue)) if queue == nowhere));
        let consumed = broker.consume(&nowhere, 1).await;
        assert!(matches!(consumed, Err(Error::Unroutable(queue)) if queue == nowhere));
        publish(&broker, messages(0..3)).await.expect("other queues still take messages");
    }

    a_delay_is_kept_to_the_second(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        let mut consumer = consume(&broker, 1).await;
        let published = Instant::now();
        broker.publish(&Route::delayed(queue(), 7), vec![message("7")]).await.unwrap();
        broker.publish(&Route::delayed(queue(), 3), vec![message("3")]).await.unwrap();
        for seconds in [3, 7] {
            assert_eq!(settle_next(&mut consumer).await, seconds.to_string());
            let waited = published.elapsed();
            assert!(waited >= Duration::from_millis(seconds * 1000 - 10), "after {waited:?}");
            // Time to spare for a busy machine; levels such as 5 and 30 would be off by more.
            assert!(waited < Duration::from_secs(seconds + 2), "after {waited:?}");
        }
    }

    declaring_again_changes_nothing(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        publish(&broker, messages(0..1)).await.unwrap();
        broker.declare(&[FLOW.to_owned()]).await.unwrap();
        let other = fixture.broker(QueueLimits::default()).await;
        other.declare(&[]).await.unwrap();
        other.ping().await.unwrap();
        assert_eq!(next(&mut consume(&other, 1).await).await.message, message(0));
    }

    no_more_is_taken_than_the_prefetch(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        publish(&broker, messages(0..5)).await.unwrap();
        let mut first = consume(&broker, 2).await;
        let kept = [next(&mut first).await, next(&mut first).await];
        let mut second = consume(&broker, 10).await;
        for number in 2..5 {
            assert_eq!(settle_next(&mut second).await, number.to_string());
        }
        for delivery in kept {
            delivery.acknowledge().await.unwrap();
        }
    }

    stop_returns_what_was_taken_and_leaves_the_rest(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        publish(&broker, messages(0..20)).await.unwrap();
        let mut consumer = consume(&broker, 10).await;
        let mut taken = vec![next(&mut consumer).await];
        consumer.stop().await;
        while let Some(delivery) = timeout(EVENT_TIMEOUT, consumer.next()).await.expect("it does not end") {
            taken.push(delivery);
        }
        assert!(timeout(EVENT_TIMEOUT, consumer.next()).await.expect("it does not stay ended").is_none());
        let rest = taken.len();
        for (number, delivery) in taken.into_iter().enumerate() {
            assert_eq!(delivery.message.id, number.to_string());
            delivery.acknowledge().await.unwrap();
        }
        let mut successor = consume(&broker, 1).await;
        for number in rest..20 {
            assert_eq!(settle_next(&mut successor).await, number.to_string());
        }
    }

    an_acknowledgement_after_the_consumer_is_gone_is_an_error(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        publish(&broker, messages(0..1)).await.unwrap();
        let mut consumer = consume(&broker, 1).await;
        let delivery = next(&mut consumer).await;
        drop(consumer);
        let again = next(&mut consume(&broker, 1).await).await;
        assert!(again.redelivered);
        assert!(matches!(delivery.acknowledge().await, Err(Error::Unavailable { .. })));
    }

    a_thousand_messages_are_confirmed_and_arrive(fixture) {
        let broker = fixture.broker(QueueLimits { length: 10_000, ..QueueLimits::default() }).await;
        publish(&broker, messages(0..1000)).await.unwrap();
        let mut consumer = consume(&broker, 100).await;
        let mut arrived = HashSet::new();
        while arrived.len() < 1000 {
            arrived.insert(settle_next(&mut consumer).await);
        }
    }

    concurrent_consumers_share_the_work_without_duplicates(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        let (sender, mut arrived) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..3 {
            let (mut consumer, sender) = (consume(&broker, 5).await, sender.clone());
            tokio::spawn(async move {
                while sender.send(settle_next(&mut consumer).await).is_ok() {}
            });
        }
        publish(&broker, messages(0..200)).await.unwrap();
        let mut ids = BTreeSet::new();
        while ids.len() < 200 {
            let id = timeout(EVENT_TIMEOUT, arrived.recv()).await.expect("no delivery came").unwrap();
            assert!(ids.insert(id.clone()), "{id} came twice");
        }
    }

    a_cancelled_wait_loses_nothing(fixture) {
        let broker = fixture.broker(QueueLimits::default()).await;
        let mut consumer = consume(&broker, 3).await;
        let publishing = tokio::spawn({
            let broker = Arc::clone(&broker);
            async move {
                for number in 0..100 {
                    publish(&broker, vec![message(number)]).await.unwrap();
                }
            }
        });
        for number in 0..100 {
            let delivery = next_with_interruptions(&mut consumer).await;
            assert_eq!(delivery.message.id, number.to_string());
            delivery.acknowledge().await.unwrap();
        }
        publishing.await.unwrap();
    }
}

/// Publishes until the queue is full, and returns the number of messages that it took.
async fn fill(broker: &Arc<dyn Broker>) -> u32 {
    for number in 0.. {
        match publish(broker, vec![message(number)]).await {
            Ok(()) => {}
            Err(Error::Full(full)) => {
                assert_eq!(full, queue());
                return number;
            }
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("there are more numbers than messages that fit")
}

async fn publish_when_there_is_room(broker: &Arc<dyn Broker>) {
    while let Err(error) = publish(broker, vec![message("late")]).await {
        assert!(matches!(error, Error::Full(_)), "{error}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The next delivery, of a wait that is given up many times before.
async fn next_with_interruptions(consumer: &mut Box<dyn Consumer>) -> Delivery {
    let deadline = Instant::now() + EVENT_TIMEOUT;
    while Instant::now() < deadline {
        tokio::select! {
            biased;
            () = sleep(Duration::from_micros(300)) => {}
            delivery = consumer.next() => return delivery.unwrap(),
        }
    }
    panic!("no delivery came")
}
