//! Measures the messages of 100 KB that pass through each broker in a second:
//! `cargo run --release -p pomost-broker --example throughput`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{sync::Arc, time::Instant};

use pomost_broker::{
    Broker, Message, Queue, QueueLimits, RabbitMq, Route, SqliteBroker, conformance,
    testing::PrivateNode,
};
use pomost_models::Stage;

const MESSAGES: usize = 2000;
const BODY: usize = 100 * 1024;

/// Number of messages in a call of the batch publisher, and of single publishers.
const TOGETHER: usize = 10;

#[tokio::main]
async fn main() {
    let node = PrivateNode::start().await;
    let limits = QueueLimits {
        length: 10_000,
        ..QueueLimits::default()
    };
    measure(
        "RabbitMQ",
        Arc::new(
            RabbitMq::connect_with(&node.url(), "throughput", limits)
                .await
                .unwrap(),
        ),
    )
    .await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queues.db");
    measure(
        "SQLite",
        Arc::new(SqliteBroker::open_with(&path, limits).await.unwrap()),
    )
    .await;
}

async fn measure(name: &str, broker: Arc<dyn Broker>) {
    broker.declare(&["customers".to_owned()]).await.unwrap();
    report(name, "publish, 10 a call", publish_in_calls_of_ten(&broker)).await;
    report(name, "consume, prefetch 10", consume(Arc::clone(&broker))).await;
    report(name, "publish, 10 calls at once", publish_singly(&broker)).await;
    report(name, "consume, prefetch 10", consume(Arc::clone(&broker))).await;
    let consuming = tokio::spawn(consume(Arc::clone(&broker)));
    let both = async {
        publish_singly(&broker).await;
        consuming.await.unwrap();
    };
    report(name, "publish and consume at once", both).await;
}

async fn report(broker: &str, work: &str, run: impl Future<Output = ()>) {
    let started = Instant::now();
    run.await;
    println!(
        "{broker:9} {work:28} {:6.0} messages/s",
        MESSAGES as f64 / started.elapsed().as_secs_f64()
    );
}

fn route() -> Route {
    Route::to(Queue::work(Stage::Load, "customers"))
}

fn large_message() -> Message {
    Message {
        body: vec![b'x'; BODY].into(),
        ..conformance::message("large")
    }
}

async fn publish_in_calls_of_ten(broker: &Arc<dyn Broker>) {
    let messages = vec![large_message(); TOGETHER];
    for _ in 0..MESSAGES / TOGETHER {
        broker.publish(&route(), messages.clone()).await.unwrap();
    }
}

async fn publish_singly(broker: &Arc<dyn Broker>) {
    let message = large_message();
    let publishers = (0..TOGETHER).map(|_| async {
        for _ in 0..MESSAGES / TOGETHER {
            broker
                .publish(&route(), vec![message.clone()])
                .await
                .unwrap();
        }
    });
    futures_util::future::join_all(publishers).await;
}

async fn consume(broker: Arc<dyn Broker>) {
    let mut consumer = broker.consume(&route().to, 10).await.unwrap();
    for _ in 0..MESSAGES {
        let delivery = consumer.next().await.unwrap();
        delivery.acknowledge().await.unwrap();
    }
}
