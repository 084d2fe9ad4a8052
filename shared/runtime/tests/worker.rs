//! The messages that a worker takes after a message has brought it down.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use pomost_broker::{Message, Queue, QueueLimits, Route};
use pomost_models::{Batch, Lane, RunId, Stage, batch::BATCH_TYPE};
use pomost_project::{Project, environment::Environment};
use pomost_runtime::{
    Backends, ServiceContext,
    worker::{self, HandlerError, MessageHandler},
};
use tokio::{runtime::Runtime, sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

const FLOW: &str = "customers";
const CONCURRENCY: usize = 4;
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// More batches than a worker takes at a time.
const BATCHES: usize = 12;

/// A process that one batch brings down, together with all batches that it has in hand.
#[derive(Default)]
struct DyingProcess {
    settled: Mutex<BTreeSet<String>>,
    dying: Notify,
}

/// One start of the process, until the batch brings it down.
struct ProcessLife {
    process: Arc<DyingProcess>,
    is_over: Mutex<bool>,
}

#[async_trait]
impl MessageHandler for ProcessLife {
    async fn handle(&self, batch: Batch) -> Result<(), HandlerError> {
        let dies = batch.id == "0";
        *self.is_over.lock().unwrap() |= dies;
        // Batches that were taken together with that one come this far after it.
        tokio::task::yield_now().await;
        if *self.is_over.lock().unwrap() {
            self.process.dying.notify_one();
            return std::future::pending().await;
        }
        self.process
            .settled
            .lock()
            .unwrap()
            .insert(batch.id.to_string());
        Ok(())
    }
}

async fn context(directory: &Path) -> ServiceContext {
    let project = Project::load(directory, &Environment::of_process(directory)).unwrap();
    let backends = Backends::embedded(directory).await.unwrap();
    let (claim_ttl, shutdown) = (Duration::from_secs(30), CancellationToken::new());
    ServiceContext {
        project: Arc::new(project),
        backends,
        claim_ttl,
        shutdown,
    }
}

fn message(id: usize) -> Message {
    let batch = Batch::new(FLOW, RunId::generate(), id.to_string(), Vec::new());
    let (id, body) = (batch.id.to_string(), batch.encode().into());
    Message {
        id,
        kind: BATCH_TYPE.to_owned(),
        body,
        traceparent: None,
    }
}

/// Each life has an async runtime of its own, on the files that the life before left behind.
#[test]
fn a_batch_that_brings_its_workers_down_takes_no_other_with_it() {
    let directory = tempfile::tempdir().unwrap();
    pomost_project::init(directory.path()).unwrap();
    let process = Arc::new(DyingProcess::default());
    for life in 0..=QueueLimits::default().deliveries {
        let living = live(directory.path(), &process, life == 0, async |process, _| {
            process.dying.notified().await;
        });
        Runtime::new().unwrap().block_on(living);
    }
    let last = live(
        directory.path(),
        &process,
        false,
        async |process, context| {
            let mut dead = context.broker().consume(&Queue::Dead, 1).await.unwrap();
            assert_eq!(dead.next().await.unwrap().message.id, "0");
            while process.settled.lock().unwrap().len() < BATCHES - 1 {
                tokio::task::yield_now().await;
            }
        },
    );
    Runtime::new().unwrap().block_on(last);
}

/// Works until a condition is met.
async fn live(
    directory: &Path,
    process: &Arc<DyingProcess>,
    is_first: bool,
    until: impl AsyncFnOnce(&DyingProcess, &ServiceContext),
) {
    let context = context(directory).await;
    if is_first {
        context.declare().await.unwrap();
        let messages = (0..BATCHES).map(message).collect();
        context
            .broker()
            .publish(&Route::to(Queue::work(Stage::Load, FLOW)), messages)
            .await
            .unwrap();
    }
    let handler = Arc::new(ProcessLife {
        process: process.clone(),
        is_over: Mutex::default(),
    });
    let working = worker::work(
        context.clone(),
        FLOW.to_owned(),
        Stage::Load,
        Lane::Live,
        CONCURRENCY,
        handler,
    );
    tokio::select! {
        () = working => panic!("it ended by itself"),
        ended = timeout(TEST_TIMEOUT, until(process, &context)) => ended.expect("it does not come to its end"),
    }
}
