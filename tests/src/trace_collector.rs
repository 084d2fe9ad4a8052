//! A receiver of traces, by OTLP over HTTP.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{self, span::SpanKind},
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinHandle};

/// Receives traces until dropped.
pub struct TraceCollector {
    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub url: String,
    spans: Spans,
    bodies: Bodies,
    serving: JoinHandle<()>,
}

type Spans = Arc<Mutex<Vec<ReceivedSpan>>>;

type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// A span as it was received.
#[derive(Debug, Clone)]
pub struct ReceivedSpan {
    pub service: String,
    pub name: String,
    pub kind: SpanKind,
    /// The trace's id, in hexadecimal digits.
    pub trace: String,
    /// Its own id, in hexadecimal digits.
    pub id: String,
    /// The id of its parent; empty where it has none.
    pub parent: String,
    /// The ids of the traces that it links to.
    pub links: Vec<String>,
    /// True where its status is an error.
    pub failed: bool,
    attributes: BTreeMap<String, String>,
}

impl TraceCollector {
    /// Listens on loopback.
    pub async fn start() -> TraceCollector {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (spans, bodies) = (Spans::default(), Bodies::default());
        let router = Router::new().route("/v1/traces", post(receive));
        let router = router.with_state((spans.clone(), bodies.clone()));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        TraceCollector {
            url,
            spans,
            bodies,
            serving,
        }
    }

    /// All requests so far, as they were sent.
    pub fn bytes(&self) -> Vec<u8> {
        self.bodies.lock().unwrap().concat()
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        self.spans.lock().unwrap().clone()
    }
}

impl Drop for TraceCollector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl ReceivedSpan {
    /// An attribute as text; empty where it has none of that name.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    fn of(service: &str, span: v1::Span) -> ReceivedSpan {
        ReceivedSpan {
            service: service.to_owned(),
            kind: span.kind(),
            trace: hexadecimal(&span.trace_id),
            id: hexadecimal(&span.span_id),
            parent: hexadecimal(&span.parent_span_id),
            links: span
                .links
                .iter()
                .map(|link| hexadecimal(&link.trace_id))
                .collect(),
            failed: span
                .status
                .is_some_and(|status| status.code() == v1::status::StatusCode::Error),
            attributes: attributes(span.attributes),
            name: span.name,
        }
    }
}

async fn receive(State((spans, bodies)): State<(Spans, Bodies)>, body: Bytes) {
    bodies.lock().unwrap().push(body.clone());
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for resource in request.resource_spans {
        let of = attributes(resource.resource.unwrap_or_default().attributes);
        let service = &of["service.name"];
        let arrived = resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans);
        spans
            .lock()
            .unwrap()
            .extend(arrived.map(|span| ReceivedSpan::of(service, span)));
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|pair| (pair.key, text(pair.value.and_then(|value| value.value))))
        .collect()
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
