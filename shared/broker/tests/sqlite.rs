//! The suite over SQLite, and behaviours that only a file has.
#![allow(clippy::unwrap_used)]

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use pomost_broker::{
    Broker, Queue, QueueLimits, Route, SqliteBroker, broker_conformance,
    conformance::{FLOW, Fixture, message, messages, next},
};
use pomost_models::Stage;
use tempfile::TempDir;

struct PrivateFile {
    directory: TempDir,
}

impl PrivateFile {
    fn path(&self) -> PathBuf {
        self.directory.path().join("queues.db")
    }

    async fn open(&self, limits: QueueLimits) -> SqliteBroker {
        let broker = SqliteBroker::open_with(&self.path(), limits).await.unwrap();
        broker.declare(&[FLOW.to_owned()]).await.unwrap();
        broker
    }
}

#[async_trait]
impl Fixture for PrivateFile {
    async fn start() -> PrivateFile {
        PrivateFile {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    async fn broker(&self, limits: QueueLimits) -> Arc<dyn Broker> {
        Arc::new(self.open(limits).await)
    }

    async fn clean(self) {
        self.directory.close().unwrap();
    }
}

broker_conformance!(PrivateFile);

fn queue() -> Queue {
    Queue::work(Stage::Transform, FLOW)
}

/// Takes a message and vanishes: a killed process runs no destructors.
async fn take_and_crash(file: &PrivateFile, limits: QueueLimits) {
    let broker = file.open(limits).await;
    let mut consumer = broker.consume(&queue(), 1).await.unwrap();
    std::mem::forget(next(&mut consumer).await);
    std::mem::forget(consumer);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crashed_process_had_taken_comes_again_once_released() {
    let file = PrivateFile::start().await;
    file.open(QueueLimits::default())
        .await
        .publish(&Route::to(queue()), messages(0..2))
        .await
        .unwrap();
    take_and_crash(&file, QueueLimits::default()).await;
    let broker = file.open(QueueLimits::default()).await;
    broker.release_everything().await.unwrap();
    let delivery = next(&mut broker.consume(&queue(), 1).await.unwrap()).await;
    assert_eq!(delivery.message, message(0));
    assert!(delivery.redelivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_keeps_crashing_processes_becomes_a_poisoned_dead_letter() {
    let (file, limits) = (
        PrivateFile::start().await,
        QueueLimits {
            deliveries: 1,
            ..QueueLimits::default()
        },
    );
    let broker = file.open(limits).await;
    broker
        .publish(&Route::to(queue()), messages(0..1))
        .await
        .unwrap();
    for _ in 0..2 {
        take_and_crash(&file, limits).await;
        broker.release_everything().await.unwrap();
    }
    let delivery = next(&mut broker.consume(&Queue::Dead, 1).await.unwrap()).await;
    assert_eq!(delivery.poisoned, Some(queue()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_consumer_notices_what_another_process_publishes() {
    let file = PrivateFile::start().await;
    let mut consumer = file
        .open(QueueLimits::default())
        .await
        .consume(&queue(), 1)
        .await
        .unwrap();
    let publishing = async {
        file.open(QueueLimits::default())
            .await
            .publish(&Route::to(queue()), messages(0..1))
            .await
            .unwrap();
    };
    let (delivery, ()) = tokio::join!(next(&mut consumer), publishing);
    assert_eq!(delivery.message, message(0));
}

/// The file is as on a full disk: it can be read, and nothing can be written for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_acknowledgement_failed_makes_room_and_is_gone_once_that_can_be_written() {
    let file = PrivateFile::start().await;
    let broker = file.open(QueueLimits::default()).await;
    broker
        .publish(&Route::to(queue()), messages(0..2))
        .await
        .unwrap();
    let mut consumer = broker.consume(&queue(), 1).await.unwrap();
    let delivery = next(&mut consumer).await;
    let database = rusqlite::Connection::open(file.path()).unwrap();
    let full =
        "CREATE TRIGGER full BEFORE DELETE ON messages BEGIN SELECT RAISE(ABORT, 'full'); END";
    database.execute_batch(full).unwrap();
    delivery.acknowledge().await.unwrap_err();
    database.execute_batch("DROP TRIGGER full").unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.message, message(1));
    delivery.acknowledge().await.unwrap();
    assert_eq!(broker.count_messages().await.unwrap(), 0);
}
