//! Deliveries to webhooks, and their runs.

use std::{sync::Arc, time::Duration};

use pomost_models::{Outcome, RunId, RunTrigger, webhook::DeliveryId};

use super::support::{MINUTE, mask};
use crate::{RunState, Store, WebhookArrival};

fn hourly_run(flow: &str) -> RunId {
    RunId::of_webhook(flow, "2026-03-01T10:20:00Z".parse().unwrap())
}

fn arrival(
    batches: &[(&str, u32)],
    deliveries: &[&str],
    remembered_for: Duration,
) -> WebhookArrival {
    WebhookArrival {
        flow: "customers".to_owned(),
        run: hourly_run("customers"),
        batches: batches
            .iter()
            .map(|(batch, size)| ((*batch).to_owned(), *size))
            .collect(),
        deliveries: deliveries.iter().copied().map(DeliveryId::of).collect(),
        remembered_for,
    }
}

async fn known(store: &Arc<dyn Store>, flow: &str, deliveries: &[&str]) -> Vec<bool> {
    let deliveries: Vec<DeliveryId> = deliveries.iter().copied().map(DeliveryId::of).collect();
    store.known_deliveries(flow, &deliveries).await.unwrap()
}

/// A webhook run has nothing left to read, so it is never extracted and waits for its records
/// alone. After further deliveries it waits again.
pub async fn a_webhook_run_is_settled_when_all_that_was_delivered_so_far_is(store: Arc<dyn Store>) {
    let run = hourly_run("customers");
    store
        .record_arrival(&arrival(&[("a", 1)], &[], MINUTE))
        .await
        .unwrap();
    let summary = store.run(run).await.unwrap().unwrap();
    assert_eq!(
        (summary.trigger, summary.state),
        (RunTrigger::Webhook, RunState::Settling)
    );
    assert_eq!(store.next_run("customers").await.unwrap(), None);
    store
        .record_outcomes(run, "a", &mask(&[(0, Outcome::Created)]))
        .await
        .unwrap();
    assert_eq!(
        store.run(run).await.unwrap().unwrap().state,
        RunState::Settled
    );
    store
        .record_arrival(&arrival(&[("a", 2), ("b", 1)], &[], MINUTE))
        .await
        .unwrap();
    let summary = store.run(run).await.unwrap().unwrap();
    assert_eq!(
        (
            summary.state,
            summary.counts.records,
            summary.counts.waiting
        ),
        (RunState::Settling, 3, 2)
    );
    assert_eq!(summary.counts.count(Outcome::Created), 1);
}

/// A delivery is known to its flow from its arrival on. The results are in the order of the
/// question.
pub async fn a_delivery_is_known_once_it_has_arrived(store: Arc<dyn Store>) {
    assert!(known(&store, "customers", &[]).await.is_empty());
    assert_eq!(
        known(&store, "customers", &["1", "2"]).await,
        [false, false]
    );
    for _ in 0..2 {
        store
            .record_arrival(&arrival(&[("a", 1)], &["2", "3"], MINUTE))
            .await
            .unwrap();
    }
    assert_eq!(
        known(&store, "customers", &["1", "2", "3", "2"]).await,
        [false, true, true, true]
    );
    assert_eq!(known(&store, "orders", &["2"]).await, [false]);
}

/// A delivery is forgotten when its time is over, and can be remembered again.
pub async fn a_delivery_is_remembered_for_a_while(store: Arc<dyn Store>) {
    store
        .record_arrival(&arrival(&[("a", 1)], &["1", "2"], Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(
        known(&store, "customers", &["1", "2"]).await,
        [false, false]
    );
    store
        .record_arrival(&arrival(&[("b", 1)], &["2"], MINUTE))
        .await
        .unwrap();
    assert_eq!(known(&store, "customers", &["1", "2"]).await, [false, true]);
}

/// Several processes record deliveries of one source, and repetitions among them.
pub async fn arrivals_at_once_are_all_counted(store: Arc<dyn Store>) {
    let arriving: Vec<_> = (0..16)
        .map(|process| {
            let store = store.clone();
            tokio::spawn(async move {
                for size in 1..=5 {
                    let deliveries = [size.to_string(), (process + size).to_string()];
                    let deliveries = deliveries.each_ref().map(String::as_str);
                    let batch = process.to_string();
                    let arrival = arrival(&[(&batch, size)], &deliveries, MINUTE * (size % 2));
                    store.record_arrival(&arrival).await.unwrap();
                }
            })
        })
        .collect();
    for process in arriving {
        process.await.unwrap();
    }
    let counts = store
        .run(hourly_run("customers"))
        .await
        .unwrap()
        .unwrap()
        .counts;
    assert_eq!((counts.records, counts.waiting), (16 * 5, 16 * 5));
}
