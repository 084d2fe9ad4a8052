//! The health endpoints and metrics of a service.

use pomost_tests::{Service, StackOptions, eventually, with_stack};

#[tokio::test(flavor = "multi_thread")]
async fn services_tell_that_they_are_ready_and_what_they_did() {
    with_stack(StackOptions { customers: 1_000, ..StackOptions::default() }, async |stack| {
        let run = stack.request_run().await;
        stack.settled(run).await;
        for service in stack.services() {
            assert_eq!(service.get("/healthz").await, (200, "ok\n".into()));
            assert_eq!(service.get("/readyz").await, (200, "ok\n".into()));
        }
        let expected = stack.crm.expected();
        let settled = |outcome, stage| {
            format!(r#"pomost_records_settled_total{{flow="customers",stage="{stage}",outcome="{outcome}"}}"#)
        };
        let extracted = r#"pomost_records_extracted_total{flow="customers"}"#;
        wait_for_metric(&mut stack.extractor, extracted, 1_000).await;
        let (present, dead) = (expected.present.len(), expected.dead.len());
        wait_for_metric(&mut stack.loader, &settled("created", "load"), present).await;
        wait_for_metric(&mut stack.loader, &settled("dead", "transform"), dead).await;
        let batches = r#"pomost_batches_total{flow="customers",stage="transform"}"#;
        wait_for_metric(&mut stack.transformer, batches, 10).await;
    })
    .await;
}

/// Waits until a metric in the Prometheus text format has a value. It is counted a moment after the
/// store knows.
async fn wait_for_metric(service: &mut Service, name: &str, expected: usize) {
    eventually(async || {
        let (status, text) = service.get("/metrics").await;
        assert_eq!(status, 200);
        let value: Option<usize> = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        match value {
            Some(value) if value == expected => Ok(()),
            value => Err(format!("{name} is {value:?} instead of {expected}")),
        }
    })
    .await;
}
