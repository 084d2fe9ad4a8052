//! Deliveries that cannot be accepted now.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pomost_broker::{Broker, Consumer, Error, Message, Queue, Route};
use pomost_extractor::{Scheduling, webhook::ReceiverLimits};
use pomost_models::Stage;
use pomost_tests::eventually;
use tokio::{sync::Notify, time::timeout};

use super::{WebhookWorld, hooked, sender::DeliverySender};
use crate::support::{Flow, World, unhurried_limits};

/// A broker that can be away, or store messages without confirming them.
struct TroubledBroker {
    broker: Arc<dyn Broker>,
    is_away: AtomicBool,
    is_slow: AtomicBool,
    /// Lets one publish that was not confirmed be confirmed.
    confirm: Notify,
    /// Says that a message was stored and is not confirmed.
    stored: Notify,
}

impl TroubledBroker {
    /// Starts the services on such a broker. Deliveries to the returned sender are given up soon;
    /// to that of [`WebhookWorld`] they are not.
    async fn start(flow: Flow) -> (WebhookWorld, DeliverySender, Arc<TroubledBroker>) {
        let (world, rows) = World::with_rows([], flow).await;
        let mut troubled = None;
        let running = world.start_with(Scheduling::Off, |broker| {
            let broker = TroubledBroker {
                broker,
                is_away: AtomicBool::new(false),
                is_slow: AtomicBool::new(false),
                confirm: Notify::new(),
                stored: Notify::new(),
            };
            troubled.insert(Arc::new(broker)).clone()
        });
        let running = running.await;
        let (address, _) = running.receive_webhooks(impatient()).await;
        let hooked = WebhookWorld::on(world, rows, running, unhurried_limits()).await;
        (hooked, DeliverySender { address }, troubled.unwrap())
    }
}

#[async_trait]
impl Broker for TroubledBroker {
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
        if is_delivery && self.is_away.load(Ordering::SeqCst) {
            return Err(Error::Unavailable {
                place: "the test".into(),
                reason: "away".into(),
            });
        }
        self.broker.publish(route, messages).await?;
        if is_delivery && self.is_slow.load(Ordering::SeqCst) {
            self.stored.notify_one();
            self.confirm.notified().await;
        }
        Ok(())
    }

    async fn consume(&self, queue: &Queue, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.broker.consume(queue, prefetch).await
    }
}

/// Limits under which a delivery is given up soon.
fn impatient() -> ReceiverLimits {
    ReceiverLimits {
        intake_timeout: Duration::from_millis(500),
        ..unhurried_limits()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_a_delivery_is_to_come_again_and_then_crosses() {
    let (hooked, impatient, broker) = TroubledBroker::start(hooked()).await;
    broker.is_away.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let answer = impatient.deliver(&[("X-Id", "1")], r#"{"key":"a"}"#).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("10"))
        );
    }
    broker.is_away.store(false, Ordering::SeqCst);
    let answer = hooked
        .sender
        .deliver(&[("X-Id", "1")], r#"{"key":"a"}"#)
        .await;
    assert_eq!((answer.status, answer.status_text()), (200, "taken"));
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    hooked.running.stop().await;
}

/// The broker has the records and nobody has counted them. They are counted when they settle, and
/// so are those of the second delivery.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_stored_and_not_confirmed_comes_again_and_the_counts_are_right() {
    let extract = "webhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  delivery: { header: X-Id }
  records: .[]";
    let (hooked, impatient, broker) = TroubledBroker::start(Flow {
        extract,
        ..Flow::default()
    })
    .await;
    assert_eq!(
        hooked
            .sender
            .deliver(&[("X-Id", "0")], r#"[{"key":"z"}]"#)
            .await
            .status,
        200
    );
    broker.is_slow.store(true, Ordering::SeqCst);
    let body = r#"[{"key":"a"},{"key":"b"}]"#;
    // A machine that pauses may have it given up before the broker was asked.
    loop {
        let answer = impatient.deliver(&[("X-Id", "1")], body).await;
        assert_eq!(answer.status, 503);
        let stored = broker.stored.notified();
        if timeout(Duration::ZERO, stored).await.is_ok() {
            break;
        }
    }
    broker.is_slow.store(false, Ordering::SeqCst);
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
    let (hooked, _, broker) = TroubledBroker::start(hooked()).await;
    broker.is_slow.store(true, Ordering::SeqCst);
    let sender = hooked.sender.clone();
    let in_hand = tokio::spawn(async move {
        sender
            .deliver(&[("X-Id", "1")], r#"{"key":"a"}"#)
            .await
            .status
    });
    broker.stored.notified().await;
    hooked.running.begin_to_stop();
    eventually(async || match hooked.sender.connects().await {
        true => Err("connections are accepted"),
        false => Ok(()),
    })
    .await;
    assert!(!in_hand.is_finished());
    broker.confirm.notify_one();
    assert_eq!(in_hand.await.unwrap(), 200);
    hooked.running.stop().await;
}
