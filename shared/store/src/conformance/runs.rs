//! Runs and the outcomes of their batches.

use std::{sync::Arc, time::Duration};

use pomost_models::{Outcome, RunId, RunTrigger};
use serde_json::json;

use super::support::{MINUTE, manual, mask};
use crate::{
    Error, Lease, LeaseName, OutcomeCounts, PageProgress, RunRequest, RunState, RunSummary, Store,
};

pub(super) async fn lease(store: &Arc<dyn Store>, holder: &str, ttl: Duration) -> Lease {
    store
        .acquire_lease(LeaseName::Flow("customers".to_owned()), holder, ttl)
        .await
        .unwrap()
        .unwrap()
}

pub(super) fn page(run: RunId, batches: &[(&str, u32)], checkpoint: &str) -> PageProgress {
    let batches = batches
        .iter()
        .map(|(batch, size)| ((*batch).to_owned(), *size))
        .collect();
    let (listed, forgotten) = Default::default();
    PageProgress {
        run,
        batches,
        checkpoint: json!({ "next": checkpoint }),
        listed_keys: listed,
        deleted_keys: forgotten,
    }
}

async fn summary(store: &Arc<dyn Store>, run: RunId) -> RunSummary {
    store.run(run).await.unwrap().unwrap()
}

async fn state(store: &Arc<dyn Store>, run: RunId) -> RunState {
    summary(store, run).await.state
}

pub(super) async fn counts(store: &Arc<dyn Store>, run: RunId) -> OutcomeCounts {
    summary(store, run).await.counts
}

async fn next_run(store: &Arc<dyn Store>) -> Option<RunId> {
    store.next_run("customers").await.unwrap().map(|run| run.id)
}

/// Runs are extracted in the order of their requests, after the run that was begun.
pub async fn the_run_that_was_begun_comes_before_the_oldest_requested_one(store: Arc<dyn Store>) {
    assert_eq!(next_run(&store).await, None);
    let first = store.request_run(&manual("customers")).await.unwrap();
    let second = store.request_run(&manual("customers")).await.unwrap();
    store.request_run(&manual("orders")).await.unwrap();
    assert_eq!(next_run(&store).await, Some(first));
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(second, &[], "2"))
        .await
        .unwrap();
    assert_eq!(next_run(&store).await, Some(second));
    store
        .finish_extraction(&lease, second, None, None)
        .await
        .unwrap();
    assert_eq!(next_run(&store).await, Some(first));
}

/// An extractor that continues a run gets its start and its checkpoint.
pub async fn a_run_is_read_on_from_its_last_recorded_page(store: Arc<dyn Store>) {
    let request = RunRequest {
        since: Some("2026-01-01".to_owned()),
        ..manual("customers")
    };
    let id = store.request_run(&request).await.unwrap();
    let fresh = store.next_run("customers").await.unwrap().unwrap();
    assert_eq!(
        (fresh.id, fresh.trigger, fresh.since.as_deref()),
        (id, RunTrigger::Manual, Some("2026-01-01"))
    );
    assert_eq!(fresh.checkpoint, None);
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(id, &[("1", 2)], "page two"))
        .await
        .unwrap();
    let begun = store.next_run("customers").await.unwrap().unwrap();
    assert_eq!(begun.checkpoint, Some(json!({ "next": "page two" })));
}

/// The state follows from what was recorded, step by step.
pub async fn a_run_goes_from_requested_to_settled(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    assert_eq!(state(&store, run).await, RunState::Requested);
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(run, &[("1", 2)], "2"))
        .await
        .unwrap();
    store
        .record_outcomes(run, "1", &mask(&[(0, Outcome::Created)]))
        .await
        .unwrap();
    assert_eq!(state(&store, run).await, RunState::Extracting);
    assert_eq!(summary(&store, run).await.extracted_at, None);
    store
        .finish_extraction(&lease, run, None, None)
        .await
        .unwrap();
    assert_eq!(state(&store, run).await, RunState::Settling);
    store
        .record_outcomes(run, "1", &mask(&[(1, Outcome::Split)]))
        .await
        .unwrap();
    let settled = summary(&store, run).await;
    assert_eq!(
        (
            settled.state,
            settled.counts.records,
            settled.counts.waiting
        ),
        (RunState::Settled, 2, 0)
    );
    assert_eq!(
        (
            settled.counts.count(Outcome::Created),
            settled.counts.count(Outcome::Split)
        ),
        (1, 1)
    );
    assert!(settled.extracted_at.unwrap() >= settled.requested_at);
    assert!(store.run(RunId::generate()).await.unwrap().is_none());
}

/// There is nothing to wait for.
pub async fn a_run_without_records_settles_when_it_has_been_read(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    store
        .finish_extraction(&lease, run, None, None)
        .await
        .unwrap();
    assert_eq!(state(&store, run).await, RunState::Settled);
    assert_eq!(counts(&store, run).await, OutcomeCounts::default());
}

/// A failed run is over, and the next one begins where it began.
pub async fn a_run_that_cannot_be_read_fails_with_its_reason_and_keeps_the_cursor(
    store: Arc<dyn Store>,
) {
    store.set_cursor("customers", Some("5")).await.unwrap();
    let run = store.request_run(&manual("customers")).await.unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    store
        .fail_run(&lease, run, "page 3 was seen twice")
        .await
        .unwrap();
    let failed = summary(&store, run).await;
    assert_eq!(
        (failed.state, failed.error.as_deref()),
        (RunState::Failed, Some("page 3 was seen twice"))
    );
    assert!(failed.extracted_at.is_some());
    assert_eq!(next_run(&store).await, None);
    store
        .finish_extraction(&lease, run, Some("9"), None)
        .await
        .unwrap();
    assert_eq!(state(&store, run).await, RunState::Failed);
    assert_eq!(
        store.cursor("customers").await.unwrap().as_deref(),
        Some("5")
    );
}

/// An extractor that was paused past its lease writes nothing over its successor.
pub async fn nothing_is_recorded_for_a_holder_that_lost_its_lease(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let lost = lease(&store, "a", Duration::ZERO).await;
    lease(&store, "b", MINUTE).await;
    let results = [
        store.record_page(&lost, &page(run, &[("1", 3)], "2")).await,
        store.finish_extraction(&lost, run, Some("9"), None).await,
        store.fail_run(&lost, run, "too late").await,
    ];
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(Error::LeaseLost(_)))),
        "{results:?}"
    );
    let untouched = summary(&store, run).await;
    assert_eq!(
        (untouched.state, untouched.counts),
        (RunState::Requested, OutcomeCounts::default())
    );
    assert_eq!(store.cursor("customers").await.unwrap(), None);
}

/// The list has the newest runs, of one flow or of all.
pub async fn runs_are_listed_newest_first(store: Arc<dyn Store>) {
    let mut requested = Vec::new();
    for flow in ["customers", "orders", "customers"] {
        requested.push(store.request_run(&manual(flow)).await.unwrap());
    }
    let ids = async |flow, limit| -> Vec<RunId> {
        store
            .runs(flow, limit)
            .await
            .unwrap()
            .iter()
            .map(|run| run.id)
            .collect()
    };
    assert_eq!(ids(None, 2).await, [requested[2], requested[1]]);
    assert_eq!(
        ids(Some("customers"), 9).await,
        [requested[2], requested[0]]
    );
    assert!(ids(Some("stock"), 9).await.is_empty());
}

/// A schedule depends on its own runs only.
pub async fn the_newest_request_of_each_trigger_is_known(store: Arc<dyn Store>) {
    store.request_run(&manual("customers")).await.unwrap();
    assert_eq!(
        store
            .last_request_time("customers", RunTrigger::Schedule)
            .await
            .unwrap(),
        None
    );
    let scheduled = RunRequest {
        trigger: RunTrigger::Schedule,
        ..manual("customers")
    };
    store.request_run(&scheduled).await.unwrap();
    let newest = store.request_run(&scheduled).await.unwrap();
    let newest = summary(&store, newest).await.requested_at;
    assert_eq!(
        store
            .last_request_time("customers", RunTrigger::Schedule)
            .await
            .unwrap(),
        Some(newest)
    );
}

/// Sources send any text, and it comes back as it was.
pub async fn texts_come_back_with_every_character_they_have(store: Arc<dyn Store>) {
    let odd = "zażółć '\"; \\ % _ \u{10} \0 \u{10}0 \u{1F309}";
    store.set_cursor("customers", Some(odd)).await.unwrap();
    assert_eq!(
        store.cursor("customers").await.unwrap().as_deref(),
        Some(odd)
    );
    let run = RunRequest {
        since: Some(odd.to_owned()),
        ..manual("customers")
    };
    let run = store.request_run(&run).await.unwrap();
    assert_eq!(
        store
            .next_run("customers")
            .await
            .unwrap()
            .unwrap()
            .since
            .as_deref(),
        Some(odd)
    );
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(run, &[(odd, 1)], odd))
        .await
        .unwrap();
    let checkpoint = store
        .next_run("customers")
        .await
        .unwrap()
        .unwrap()
        .checkpoint;
    assert_eq!(checkpoint, Some(json!({ "next": odd })));
    store.fail_run(&lease, run, odd).await.unwrap();
    assert_eq!(summary(&store, run).await.error.as_deref(), Some(odd));
}

/// A run that failed or waits is no success, and neither is a replay or a webhook run.
pub async fn the_last_success_is_the_newest_run_of_which_all_has_settled(store: Arc<dyn Store>) {
    let requested = async |run: RunId| store.run(run).await.unwrap().unwrap().requested_at;
    let success = async || store.last_success_time("customers").await.unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    let first = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_page(&lease, &page(first, &[("1", 1)], "2"))
        .await
        .unwrap();
    store
        .finish_extraction(&lease, first, None, None)
        .await
        .unwrap();
    assert_eq!(success().await, None);
    store
        .record_outcomes(first, "1", &mask(&[(0, Outcome::Created)]))
        .await
        .unwrap();
    assert_eq!(success().await, Some(requested(first).await));
    let failed = store.request_run(&manual("customers")).await.unwrap();
    store.fail_run(&lease, failed, "it is gone").await.unwrap();
    let waiting = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_page(&lease, &page(waiting, &[("1", 1)], "2"))
        .await
        .unwrap();
    store
        .finish_extraction(&lease, waiting, None, None)
        .await
        .unwrap();
    assert_eq!(success().await, Some(requested(first).await));
    let scheduled = RunRequest {
        trigger: RunTrigger::Schedule,
        ..manual("customers")
    };
    let empty = store.request_run(&scheduled).await.unwrap();
    store
        .finish_extraction(&lease, empty, None, None)
        .await
        .unwrap();
    assert_eq!(success().await, Some(requested(empty).await));
}

/// The run was read to its end all the same.
pub async fn the_warning_of_a_run_is_kept_with_it(store: Arc<dyn Store>) {
    let lease = lease(&store, "a", MINUTE).await;
    let run = store.request_run(&manual("customers")).await.unwrap();
    store
        .finish_extraction(&lease, run, None, Some("nothing came"))
        .await
        .unwrap();
    let summary = store.run(run).await.unwrap().unwrap();
    assert_eq!(
        (summary.warning.as_deref(), summary.error),
        (Some("nothing came"), None)
    );
}
