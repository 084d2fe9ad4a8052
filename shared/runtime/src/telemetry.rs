//! Logs and traces.

use std::{collections::HashMap, io::IsTerminal, time::Duration};

use opentelemetry::{
    global,
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use pomost_broker::rabbitmq::LOG_TARGET_WITH_BODIES;
use tracing::{Level, Metadata, Span, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, Targets, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// The target of the spans that cover a page or a batch. These spans exist even when no trace is
/// exported, because logs and dead letters carry their trace id.
pub const STAGE_SPANS: &str = "pomost::stage";

/// The time within which the last spans are sent at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Running telemetry. [`Telemetry::flush`] sends the last spans at the end.
pub struct Telemetry {
    provider: SdkTracerProvider,
}

/// Starts logging to standard error (text on a terminal, JSON otherwise; `RUST_LOG` sets the level)
/// and tracing by OTLP to the endpoint in `OTEL_EXPORTER_OTLP_ENDPOINT` or
/// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, if one is set.
pub fn start(service: &'static str) -> Telemetry {
    start_with(service, "info")
}

/// Starts telemetry as [`start`] does, and logs at `default_level` where `RUST_LOG` is not set.
pub fn start_with(service: &'static str, default_level: &str) -> Telemetry {
    let exporting = is_exporting();
    let provider = provider(service, exporting);
    let spans = match exporting {
        true => Targets::new().with_default(LevelFilter::INFO),
        // Spans of single requests are needed only for export.
        false => Targets::new().with_target(STAGE_SPANS, LevelFilter::INFO),
    };
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("pomost"))
        .with_filter(spans);
    let registry = Registry::default()
        .with(layer)
        .with(log_layer(default_level));
    // After a second start in one process (in tests) the first subscriber stays.
    let _ = registry.try_init();
    global::set_text_map_propagator(TraceContextPropagator::new());
    Telemetry { provider }
}

impl Telemetry {
    /// Sends the spans that are still held, and stops telemetry.
    pub fn flush(self) {
        // A receiver that is away cannot be reported any more.
        let _ = self.provider.shutdown_with_timeout(FLUSH_TIMEOUT);
    }
}

/// The W3C `traceparent` of a span.
pub fn traceparent(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove("traceparent")
}

/// The trace id of a span, as 32 hexadecimal digits.
fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let known = span.span_context().is_valid();
    known.then(|| span.span_context().trace_id().to_string())
}

/// Makes a span the child of the span that a message or a dead letter names, and lets its log lines
/// carry the trace id in the span's field `trace_id`.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent {
        // Fails only where the span was entered before; then it stays the root it is.
        let _ = span.set_parent(context_of(traceparent));
    }
    note_trace_id(span);
}

/// Lets a span's log lines carry its trace id in the span's field `trace_id`.
pub fn note_trace_id(span: &Span) {
    if let Some(trace_id) = trace_id(span) {
        span.record("trace_id", trace_id);
    }
}

/// Links a span to an earlier trace.
pub fn link(span: &Span, traceparent: &str) {
    span.add_link(context_of(traceparent).span().span_context().clone());
}

fn context_of(traceparent: &str) -> opentelemetry::Context {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &carrier)
}

/// True when the standard variables ask for traces to be exported.
fn is_exporting() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let endpoint =
        set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"));
    !disabled && endpoint.is_some()
}

fn provider(service: &'static str, exporting: bool) -> SdkTracerProvider {
    let name = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| service.to_owned());
    let resource = Resource::builder().with_service_name(name).build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    // The exporter's client wants a TLS provider even where the receiver needs none. It may be
    // installed already, which is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = exporting.then(|| SpanExporter::builder().with_http().build());
    match exporter {
        Some(Ok(exporter)) => builder.with_batch_exporter(exporter).build(),
        Some(Err(error)) => {
            tracing::error!(%error, "traces are not exported");
            builder.with_sampler(Sampler::AlwaysOff).build()
        }
        None => builder.with_sampler(Sampler::AlwaysOff).build(),
    }
}

fn log_layer<S>(default_level: &str) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let asked = EnvFilter::builder()
        .with_default_directive(
            default_level
                .parse()
                .unwrap_or_else(|_| LevelFilter::INFO.into()),
        )
        .from_env_lossy();
    // Spans of stages pass whatever the level is: each log line takes its trace id from them.
    let stages = filter_fn(|metadata| metadata.is_span() && metadata.target() == STAGE_SPANS);
    let filter = asked.or(stages).and(filter_fn(holds_no_bodies));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match std::io::stderr().is_terminal() {
        true => layer.with_target(false).with_filter(filter).boxed(),
        false => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_filter(filter)
            .boxed(),
    }
}

/// False for log lines of other crates that may hold the bodies of messages and requests: lines at
/// the level `trace`, and messages that the broker returned. They are never logged, whatever
/// `RUST_LOG` says.
fn holds_no_bodies(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let ours = target.starts_with("pomost");
    (ours || *metadata.level() < Level::TRACE) && target != LOG_TARGET_WITH_BODIES
}
