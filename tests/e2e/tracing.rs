//! One trace from the CRM to the shop.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use pomost_tests::{ReceivedSpan, Stack, StackOptions, TraceCollector, with_stack};

/// Enough for two pages, which are two traces.
const CUSTOMERS: u32 = 250;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_one_trace_through_both_queues() {
    traced(async |stack, spans| {
        for page in ["0", "1"] {
            let root = one(spans, |span| {
                span.name == "extract customers" && span.attribute("page") == page
            });
            assert_eq!(
                (root.parent.as_str(), root.service.as_str()),
                ("", "pomost-extractor")
            );
            let request = one(spans, |span| {
                span.parent == root.id && span.kind == SpanKind::Client
            });
            is_a_request(
                request,
                "GET",
                "200",
                "GET /customers?modified_since={$cursor}&limit=200",
            );
            let batches = through_queue(
                spans,
                &[root],
                "pomost-transformer",
                "transform.customers.backfill",
            );
            let batches =
                through_queue(spans, &batches, "pomost-loader", "load.customers.backfill");
            are_creates(spans, &batches);
        }
        let created = spans
            .iter()
            .filter(|span| span.attribute("http.request.method") == "POST")
            .count();
        assert_eq!(created as u64, stack.shop.counts().created);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_has_the_trace_of_its_page() {
    traced(async |stack, spans| {
        for letter in stack.dead_letters().await {
            let (page, _) = letter.batch.split_once('.').unwrap();
            let root = one(spans, |span| {
                span.name == "extract customers" && span.attribute("page") == page
            });
            assert_eq!(letter.trace_id(), Some(root.trace.as_str()));
            let printed = stack.pomost(&["dead", "show", &letter.id]).await;
            assert!(printed.contains(&root.trace), "{printed}");
        }
    })
    .await;
}

async fn traced(behaviour: impl AsyncFnOnce(&mut Stack, &[ReceivedSpan])) {
    let collector = TraceCollector::start().await;
    // No pause of the machine loses a claim: each batch is handled once.
    let environment = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()),
        ("POMOST_CLAIM_SECONDS", "60".to_owned()),
    ];
    with_stack(
        StackOptions {
            customers: CUSTOMERS,
            environment,
            ..StackOptions::default()
        },
        async |stack| {
            let run = stack.request_run().await;
            // Ending, the services send what spans they still hold.
            stack.all_crossed_once(run).await;
            behaviour(stack, &collector.spans()).await;
        },
    )
    .await;
}

/// The consumers' spans of the messages that were sent to a queue in the spans of `senders`.
fn through_queue<'a>(
    spans: &'a [ReceivedSpan],
    senders: &[&ReceivedSpan],
    consumer: &str,
    queue: &str,
) -> Vec<&'a ReceivedSpan> {
    let mut consumed = Vec::new();
    for sender in senders {
        let sent = one(spans, |span| {
            span.parent == sender.id && span.kind == SpanKind::Producer
        });
        assert_eq!(
            (&sent.name, &sent.service),
            (&format!("send {queue}"), &sender.service)
        );
        is_a_message(sent, "send", queue);
        let received = some(spans, |span| span.parent == sent.id);
        for span in &received {
            assert_eq!(
                (&span.name, span.service.as_str()),
                (&format!("process {queue}"), consumer)
            );
            assert_eq!(
                (span.kind, &span.trace),
                (SpanKind::Consumer, &sender.trace)
            );
            is_a_message(span, "process", queue);
            assert!(!span.attribute("messaging.message.id").is_empty());
        }
        consumed.extend(received);
    }
    consumed
}

/// Checks that every request is a create and a child of its batch.
fn are_creates(spans: &[ReceivedSpan], batches: &[&ReceivedSpan]) {
    for batch in batches {
        let requests = some(spans, |span| {
            span.parent == batch.id && span.kind == SpanKind::Client
        });
        for request in requests {
            assert_eq!(
                (&request.trace, request.service.as_str()),
                (&batch.trace, "pomost-loader")
            );
            is_a_request(request, "POST", "201", "POST /customers");
        }
    }
}

/// Checks a span by the OpenTelemetry conventions for messaging.
fn is_a_message(span: &ReceivedSpan, operation: &str, queue: &str) {
    assert_eq!(span.attribute("messaging.system"), "rabbitmq");
    assert_eq!(span.attribute("messaging.destination.name"), queue);
    assert_eq!(span.attribute("messaging.operation.name"), operation);
    assert_eq!(span.attribute("messaging.operation.type"), operation);
    assert!(
        span.attribute("messaging.batch.message_count")
            .parse::<u32>()
            .unwrap()
            > 0
    );
    assert!(!span.failed);
}

/// Checks a span by the OpenTelemetry conventions for HTTP.
fn is_a_request(span: &ReceivedSpan, method: &str, status: &str, template: &str) {
    assert_eq!(span.attribute("http.request.method"), method);
    assert_eq!(span.attribute("http.response.status_code"), status);
    assert_eq!(span.attribute("url.template"), template);
    assert!(span.attribute("server.address").starts_with("127."));
    assert!(span.attribute("server.port").parse::<u16>().is_ok());
    assert!(!span.failed);
}

fn some(spans: &[ReceivedSpan], is: impl Fn(&ReceivedSpan) -> bool) -> Vec<&ReceivedSpan> {
    let found: Vec<&ReceivedSpan> = spans.iter().filter(|span| is(span)).collect();
    assert!(
        !found.is_empty(),
        "no such span among {} spans",
        spans.len()
    );
    found
}

fn one(spans: &[ReceivedSpan], is: impl Fn(&ReceivedSpan) -> bool) -> &ReceivedSpan {
    let found = some(spans, is);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0]
}
