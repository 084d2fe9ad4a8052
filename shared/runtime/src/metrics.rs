//! The metrics of all services: their names, and the functions that count.

use std::{sync::LazyLock, time::Duration};

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use pomost_models::{Outcome, Stage};

const RECORDS_EXTRACTED: &str = "pomost_records_extracted_total";
const WEBHOOK_DELIVERIES: &str = "pomost_webhook_deliveries_total";
const RECORDS_SETTLED: &str = "pomost_records_settled_total";
const BATCHES: &str = "pomost_batches_total";
const BATCH_DURATION: &str = "pomost_batch_duration_seconds";
const HANDED_BACK: &str = "pomost_batches_handed_back_total";
const RUNS_FAILED: &str = "pomost_runs_failed_total";

/// The process's recorder, which the first call installs. It renders the Prometheus text format.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: LazyLock<PrometheusHandle> = LazyLock::new(install);
    RECORDER.clone()
}

/// Counts records that were read from a source and confirmed by the broker.
pub fn count_extracted(flow: &str, records: usize) {
    counter!(RECORDS_EXTRACTED, "flow" => flow.to_owned()).increment(records as u64);
}

/// Counts a delivery to a flow's webhook by the status of our response.
pub fn count_delivery(flow: &str, status: u16) {
    counter!(WEBHOOK_DELIVERIES, "flow" => flow.to_owned(), "status" => status.to_string())
        .increment(1);
}

/// Counts records that settled at a stage.
pub fn count_settled(flow: &str, stage: Stage, outcome: Outcome, records: u64) {
    counter!(RECORDS_SETTLED, "flow" => flow.to_owned(), "stage" => stage.as_str(), "outcome" => outcome.as_str())
        .increment(records);
}

/// Counts a batch that a worker has settled, and the time that took.
pub fn count_batch(flow: &str, stage: Stage, took: Duration) {
    counter!(BATCHES, "flow" => flow.to_owned(), "stage" => stage.as_str()).increment(1);
    histogram!(BATCH_DURATION, "flow" => flow.to_owned(), "stage" => stage.as_str()).record(took);
}

/// Counts a batch that went back to its queue because the broker, the store or a system was not
/// ready.
pub fn count_handed_back(flow: &str, stage: Stage) {
    counter!(HANDED_BACK, "flow" => flow.to_owned(), "stage" => stage.as_str()).increment(1);
}

/// Counts a run whose source could not be read to its end.
pub fn count_failed_run(flow: &str) {
    counter!(RUNS_FAILED, "flow" => flow.to_owned()).increment(1);
}

fn install() -> PrometheusHandle {
    let buckets = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ];
    // The matcher is a literal and the buckets are not empty: this cannot fail, and if it did, the
    // default buckets would do.
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(BATCH_DURATION.into()), &buckets)
        .unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // Another recorder in the process (an embedding program's) keeps its place.
    let _ = metrics::set_global_recorder(recorder);
    describe();
    handle
}

fn describe() {
    describe_counter!(
        RECORDS_EXTRACTED,
        "Records read from a source and confirmed by the broker."
    );
    describe_counter!(
        WEBHOOK_DELIVERIES,
        "Deliveries to webhooks, by the status of the answer."
    );
    describe_counter!(
        RECORDS_SETTLED,
        "Records that settled, by stage and outcome."
    );
    describe_counter!(BATCHES, "Batches a worker is done with.");
    describe_histogram!(
        BATCH_DURATION,
        Unit::Seconds,
        "From taking a batch to being done with it."
    );
    describe_counter!(
        HANDED_BACK,
        "Batches put back because the broker, the store or a system was not ready."
    );
    describe_counter!(RUNS_FAILED, "Runs that could not be read to their end.");
}
