//! Deliveries that cannot be taken now.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pomost_broker::{Broker, Consumer, Error, Message, Queue, Route};
use pomost_extractor::{Scheduling, webhook::Limits};
use pomost_models::Stage;
use pomost_tests::eventually;
use tokio::sync::Notify;

use super::{Hooked, hooked};
use crate::support::{Flow, World};

/// A broker that is away, or slow to confirm what it has stored, while it is told so.
struct Odd {
    broker: Arc<dyn Broker>,
    away: AtomicBool,
    slow: AtomicBool,
    mended: Notify,
    asked: Notify,
}

impl Odd {
    async fn start(flow: Flow, limits: Limits) -> (Hooked, Arc<Odd>) {
        let (world, rows) = World::with_rows([], flow).await;
        let mut odd = None;
        let running = world.start_with(Scheduling::Off, |broker| {
            let (away, slow) = Default::default();
            let made = Odd {
                broker,
                away,
                slow,
                mended: Notify::new(),
                asked: Notify::new(),
            };
            odd.insert(Arc::new(made)).clone()
        });
        let running = running.await;
        (Hooked::on(world, rows, running, limits).await, odd.unwrap())
    }
}

#[async_trait]
impl Broker for Odd {
    fn system(&self) -> &'static str {
        self.broker.system()
    }

    async fn ping(&self) -> Result<(), Error> {
        self.broker.ping().await
    }

    async fn declare(&self, flows: &[String]) -> Result<(), Error> {
        self.broker.declare(flows).await
    }

    async fn publish(&self, route: &Route, messages: Vec<Message>) -> Result<(), Error> {
        let is_delivery = route.to == Queue::work(Stage::Transform, "things");
        if is_delivery && self.away.load(Ordering::SeqCst) {
            return Err(Error::Unavailable {
                place: "the test".into(),
                reason: "away".into(),
            });
        }
        self.broker.publish(route, messages).await?;
        if is_delivery && self.slow.load(Ordering::SeqCst) {
            self.asked.notify_one();
            self.mended.notified().await;
        }
        Ok(())
    }

    async fn consume(&self, queue: &Queue, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.broker.consume(queue, prefetch).await
    }
}

fn impatient() -> Limits {
    Limits {
        patience: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_a_delivery_is_to_come_again_and_then_crosses() {
    let (hooked, odd) = Odd::start(hooked(), impatient()).await;
    odd.away.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let answer = hooked
            .sender
            .deliver(&[("X-Id", "1")], r#"{"key":"a"}"#)
            .await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("10"))
        );
    }
    odd.away.store(false, Ordering::SeqCst);
    let answer = hooked
        .sender
        .deliver(&[("X-Id", "1")], r#"{"key":"a"}"#)
        .await;
    assert_eq!((answer.status, answer.told()), (200, "taken"));
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    hooked.running.stop().await;
}

/// The broker has it, and nobody has counted it: it is counted when it settles, and so is the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_stored_and_not_confirmed_comes_again_and_the_counts_are_right() {
    let extract = "webhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  delivery: { header: X-Id }
  records: .[]";
    let (hooked, odd) = Odd::start(
        Flow {
            extract,
            ..Flow::default()
        },
        impatient(),
    )
    .await;
    assert_eq!(
        hooked
            .sender
            .deliver(&[("X-Id", "0")], r#"[{"key":"z"}]"#)
            .await
            .status,
        200
    );
    odd.slow.store(true, Ordering::SeqCst);
    let body = r#"[{"key":"a"},{"key":"b"}]"#;
    assert_eq!(
        hooked.sender.deliver(&[("X-Id", "1")], body).await.status,
        503
    );
    odd.slow.store(false, Ordering::SeqCst);
    assert_eq!(
        hooked.sender.deliver(&[("X-Id", "1")], body).await.status,
        200
    );
    assert_eq!(hooked.outcomes().await, [("created", 3), ("unchanged", 2)]);
    assert_eq!(hooked.world.shop.server.count_method("POST"), 3);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_hand_at_the_end_is_answered_and_nothing_new_is_begun() {
    let (hooked, odd) = Odd::start(hooked(), Limits::default()).await;
    odd.slow.store(true, Ordering::SeqCst);
    let sender = hooked.sender.clone();
    let in_hand = tokio::spawn(async move {
        sender
            .deliver(&[("X-Id", "1")], r#"{"key":"a"}"#)
            .await
            .status
    });
    odd.asked.notified().await;
    hooked.running.begin_to_stop();
    eventually(async || match hooked.sender.connects().await {
        true => Err("connections are accepted"),
        false => Ok(()),
    })
    .await;
    assert!(!in_hand.is_finished());
    odd.mended.notify_one();
    assert_eq!(in_hand.await.unwrap(), 200);
    hooked.running.stop().await;
}
