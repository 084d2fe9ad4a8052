//! What a service tells about itself over HTTP.

use pomost_tests::{Service, StackOptions, with_stack};

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
        assert_eq!(metric(&mut stack.extractor, extracted).await, 1_000);
        let created = metric(&mut stack.loader, &settled("created", "load")).await;
        assert_eq!(created, expected.present.len());
        let dead = metric(&mut stack.loader, &settled("dead", "transform")).await;
        assert_eq!(dead, expected.dead.len());
        let batches = r#"pomost_batches_total{flow="customers",stage="transform"}"#;
        assert_eq!(metric(&mut stack.transformer, batches).await, 10);
    })
    .await;
}

/// The value of a metric in the Prometheus text format.
async fn metric(service: &mut Service, name: &str) -> usize {
    let (status, text) = service.get("/metrics").await;
    assert_eq!(status, 200);
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in:\n{text}"))
}
