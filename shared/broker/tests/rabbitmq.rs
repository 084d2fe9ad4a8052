//! The suite over RabbitMQ, and behaviours that only a server has.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use lapin::{
    types::AMQPValue,
    uri::{AMQPUri, AMQPUserInfo},
};
use pomost_broker::{
    Broker, Error, Queue, QueueLimits, RabbitMq, Route, broker_conformance,
    conformance::{FLOW, Fixture, message, messages, next, prove},
};
use pomost_models::Stage;
use uuid::Uuid;

struct PrivateNamespace {
    name: String,
}

#[async_trait]
impl Fixture for PrivateNamespace {
    async fn start() -> PrivateNamespace {
        PrivateNamespace {
            name: format!("test-{}", Uuid::new_v4()),
        }
    }

    async fn broker(&self, limits: QueueLimits) -> Arc<dyn Broker> {
        let broker = RabbitMq::connect_with(&url(), &self.name, limits)
            .await
            .unwrap();
        broker.declare(&[FLOW.to_owned()]).await.unwrap();
        Arc::new(broker)
    }

    async fn clean(self) {
        let broker = RabbitMq::connect(&url(), &self.name).await.unwrap();
        broker.delete_everything(&[FLOW.to_owned()]).await.unwrap();
    }
}

broker_conformance!(PrivateNamespace);

fn url() -> String {
    std::env::var("POMOST_TEST_AMQP_URL").expect(
        "POMOST_TEST_AMQP_URL is to be the URL of a RabbitMQ for tests; ./tests/run starts one",
    )
}

fn queue() -> Queue {
    Queue::work(Stage::Transform, FLOW)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_properties_is_incompatible() {
    prove::<PrivateNamespace>(async |fixture| {
        fixture.broker(QueueLimits::default()).await;
        let other = QueueLimits {
            deliveries: 5,
            ..QueueLimits::default()
        };
        let broker = RabbitMq::connect_with(&url(), &fixture.name, other)
            .await
            .unwrap();
        let error = broker.declare(&[FLOW.to_owned()]).await.unwrap_err();
        let Error::Incompatible { what, reason } = error else {
            panic!("{error}")
        };
        assert_eq!(what, format!("{}.extract.{FLOW}", fixture.name));
        assert!(reason.contains("x-delivery-limit"), "{reason}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_an_error_that_does_not_tell_it() {
    let mut uri: AMQPUri = url().parse().unwrap();
    uri.authority.userinfo = AMQPUserInfo {
        username: "intruder".into(),
        password: "t0psecret".into(),
    };
    let url = uri.to_string();
    let error = RabbitMq::connect(&url, "any")
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("ACCESS_REFUSED") && error.contains("intruder@"),
        "{error}"
    );
    assert!(!error.contains("t0psecret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unavailable() {
    let error = RabbitMq::connect("amqp://guest:t0psecret@127.0.0.1:1", "any")
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, Error::Unavailable { place, .. } if place.contains("127.0.0.1:1")),
        "{error}"
    );
    assert!(!error.to_string().contains("t0psecret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_persistent_and_carry_their_trace_as_a_string() {
    prove::<PrivateNamespace>(async |fixture| {
        let broker = fixture.broker(QueueLimits::default()).await;
        broker
            .publish(&Route::to(queue()), vec![message("seen")])
            .await
            .unwrap();
        let connection = lapin::Connection::connect(&url(), Default::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let name = format!("{}.transform.{FLOW}", fixture.name);
        let got = channel
            .basic_get(name.into(), Default::default())
            .await
            .unwrap()
            .unwrap();
        let properties = &got.delivery.properties;
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(
            properties.content_type().as_ref().unwrap().as_str(),
            "application/json"
        );
        assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "seen");
        assert!(properties.timestamp().is_some());
        let headers = properties.headers().as_ref().unwrap();
        assert!(matches!(
            headers.inner().get("traceparent"),
            Some(AMQPValue::LongString(_))
        ));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_somebody_deleted_is_declared_again_and_consumed() {
    prove::<PrivateNamespace>(async |fixture| {
        let broker = fixture.broker(QueueLimits::default()).await;
        let mut consumer = broker.consume(&queue(), 1).await.unwrap();
        let deleting = RabbitMq::connect(&url(), &fixture.name).await.unwrap();
        deleting
            .delete_everything(&[FLOW.to_owned()])
            .await
            .unwrap();
        let publishing = async {
            while let Err(error) = broker.publish(&Route::to(queue()), messages(0..1)).await {
                assert!(matches!(error, Error::Unroutable(_)), "{error}");
                tokio::task::yield_now().await;
            }
        };
        let (delivery, ()) = tokio::join!(next(&mut consumer), publishing);
        assert_eq!(delivery.message, message(0));
    })
    .await;
}

/// A message that the exchange returned must pass neither for a message of another call nor for a
/// stored one.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_exchange_routes_nowhere_is_unroutable_for_its_own_call_alone() {
    prove::<PrivateNamespace>(async |fixture| {
        let broker = fixture.broker(QueueLimits::default()).await;
        let connection = lapin::Connection::connect(&url(), Default::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let unbound = Queue::work(Stage::Load, FLOW);
        let (name, key) = (format!("{}.{unbound}", fixture.name), unbound.to_string());
        let exchange = fixture.name.as_str().into();
        channel
            .queue_unbind(name.into(), exchange, key.into(), Default::default())
            .await
            .unwrap();
        let (unbound, bound) = (Route::to(unbound), Route::to(queue()));
        for _ in 0..20 {
            let calls = (
                broker.publish(&unbound, messages(0..5)),
                broker.publish(&bound, messages(0..5)),
            );
            let (lost, stored) = tokio::join!(calls.0, calls.1);
            assert!(matches!(lost, Err(Error::Unroutable(_))), "{lost:?}");
            stored.unwrap();
        }
    })
    .await;
}

/// RabbitMQ lets no message out of a delay queue once 32 of its messages were refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_does_not_hold_back_what_is_delayed_for_another() {
    prove::<PrivateNamespace>(async |fixture| {
        let broker = fixture
            .broker(QueueLimits {
                length: 5,
                ..QueueLimits::default()
            })
            .await;
        while broker
            .publish(&Route::to(queue()), messages(0..1))
            .await
            .is_ok()
        {}
        broker
            .publish(&Route::delayed(queue(), 1), messages(0..100))
            .await
            .unwrap();
        let free = Queue::work(Stage::Load, FLOW);
        broker
            .publish(&Route::delayed(free.clone(), 1), vec![message("late")])
            .await
            .unwrap();
        assert_eq!(
            next(&mut broker.consume(&free, 1).await.unwrap())
                .await
                .message
                .id,
            "late"
        );
    })
    .await;
}
