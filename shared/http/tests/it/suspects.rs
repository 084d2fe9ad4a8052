//! Records that always get 5xx, alone in their system, on a network and by a clock of the test's
//! own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
    stream,
};
use http::{HeaderMap, Method, StatusCode};
use pomost_http::{
    ClientOptions, Connector, ManualClock, OutgoingRequest, RetryPolicy, SystemClient, Transport,
    TransportFailure, TransportRequest, TransportResponse,
};
use pomost_models::{Batch, Lane, RunId};
use pomost_project::System;

use crate::support::{SystemFile, by, things};

const HOUR: Duration = Duration::from_secs(3600);
const ATTEMPTS: u32 = 2;

/// A network on which every system answers with this status.
#[derive(Clone)]
struct OneStatus(Arc<AtomicU16>);

impl Connector for OneStatus {
    fn connect(&self, _: &System) -> Result<Arc<dyn Transport>, TransportFailure> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for OneStatus {
    fn send(
        &self,
        _: TransportRequest,
    ) -> BoxFuture<'_, Result<TransportResponse, TransportFailure>> {
        let status = StatusCode::from_u16(self.0.load(Ordering::Relaxed)).unwrap();
        let body = stream::iter([Ok(Bytes::from_static(b"{}"))]).boxed();
        let response = TransportResponse {
            status,
            headers: HeaderMap::new(),
            body,
        };
        async { Ok(response) }.boxed()
    }
}

/// Ten records of one batch each, and the system that they are for.
struct Scene {
    status: Arc<AtomicU16>,
    clock: ManualClock,
    pending: Vec<(usize, Batch)>,
    dead: usize,
}

impl Scene {
    fn new(status: u16) -> Scene {
        let batch = |number: usize| Batch {
            flow: "things".into(),
            run: RunId::generate(),
            id: number.to_string().into(),
            size: 1,
            attempt: 0,
            waits: 0,
            lane: Lane::Live,
            records: Vec::new(),
        };
        Scene {
            status: Arc::new(AtomicU16::new(status)),
            clock: ManualClock::default(),
            pending: (0..10).map(|number| (number, batch(number))).collect(),
            dead: 0,
        }
    }

    fn options(&self) -> ClientOptions {
        ClientOptions {
            connector: Arc::new(OneStatus(self.status.clone())),
            ..by(&self.clock)
        }
    }

    /// Tries all records every half hour, each time another one first, as the loader does.
    async fn go_on_for(&mut self, client: &SystemClient, hours: u32) {
        let end = self.clock.now() + HOUR * hours;
        while self.clock.now() < end && !self.pending.is_empty() {
            let (began, was_down) = (self.clock.now(), client.is_down());
            let ends = join_all(
                self.pending
                    .iter()
                    .map(|(number, _)| write(client, *number)),
            );
            let mut pending = Vec::new();
            for ((number, batch), end) in self.pending.iter().zip(ends.await) {
                let mut policy = RetryPolicy::for_batch(batch, ATTEMPTS);
                policy.charging = client.attempt_charging(batch, began, was_down);
                let Err(failure) = end else { continue };
                match policy.after(&failure) {
                    Some(retry) => pending.push((
                        *number,
                        Batch {
                            attempt: retry.attempt,
                            waits: retry.waits,
                            ..batch.clone()
                        },
                    )),
                    None => self.dead += 1,
                }
            }
            let first = 1.min(pending.len());
            pending.rotate_left(first);
            self.pending = pending;
            self.clock.advance(HOUR / 2);
        }
    }
}

async fn write(client: &SystemClient, number: usize) -> Result<(), pomost_http::Failure> {
    let request = OutgoingRequest {
        method: Method::POST,
        body: Some(Bytes::from(format!("{{\"number\":{number}}}"))),
        ..things("https://shop.invalid")
    };
    client.send(request).await.map(drop)
}

#[tokio::test]
async fn records_that_always_get_500_are_given_up_though_nothing_else_is_asked_of_their_system() {
    let mut scene = Scene::new(500);
    let system = SystemFile::at("https://shop.invalid");
    let client = system.lone_with(&scene.options()).await;
    scene.go_on_for(&client, 11).await;
    let attempts = |scene: &Scene| scene.pending.iter().map(|(_, batch)| batch.attempt).sum();
    assert_eq!(
        (scene.dead, attempts(&scene), client.is_down()),
        (0, 0, true)
    );
    scene.go_on_for(&client, 13).await;
    assert_eq!((scene.dead, attempts(&scene)), (0, 10));
    scene.go_on_for(&client, 40).await;
    assert_eq!((scene.dead, scene.pending.len()), (10, 0));
}

#[tokio::test]
async fn an_outage_of_eleven_hours_costs_no_attempt_whatever_its_status_and_one_of_days_none_of_503()
 {
    for (status, hours) in [(500, 11), (502, 11), (504, 11), (503, 48), (401, 48)] {
        let mut scene = Scene::new(status);
        let system = SystemFile::at("https://shop.invalid");
        let client = system.lone_with(&scene.options()).await;
        scene.go_on_for(&client, hours).await;
        let attempts: u32 = scene.pending.iter().map(|(_, batch)| batch.attempt).sum();
        assert_eq!(
            (scene.dead, attempts, scene.pending.len()),
            (0, 0, 10),
            "{status}"
        );
        scene.status.store(201, Ordering::Relaxed);
        scene.go_on_for(&client, 2).await;
        assert_eq!((scene.dead, scene.pending.len()), (0, 0), "{status}");
    }
}
