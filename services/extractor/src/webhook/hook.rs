//! Answering one request.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, request::Parts};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use pomost_models::Stage;
use pomost_project::{Flow, webhook::WebhookRules};
use pomost_runtime::{metrics, telemetry};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{Instrument, Span, error, field, info, info_span, warn};

use super::{
    Limits,
    answer::{self, Accepted, Refusal},
    delivery,
    intake::Intake,
    received::Received,
};

/// One path of one flow.
pub(super) struct Hook {
    pub(super) flow: Arc<Flow>,
    pub(super) webhook: Arc<WebhookRules>,
    pub(super) intake: Intake,
}

/// The hooks of a project, by their paths.
pub(super) struct Hooks {
    by_path: HashMap<String, Hook>,
    limits: Limits,
    /// Room for the deliveries in hand, in KiB.
    room: Semaphore,
    /// Reading a delivery computes for milliseconds; more at a time would not be sooner.
    readers: Semaphore,
}

impl Hooks {
    pub(super) fn new(by_path: HashMap<String, Hook>, limits: Limits) -> Hooks {
        let readers = std::thread::available_parallelism().map_or(1, usize::from);
        let room = Semaphore::new(limits.bytes.div_ceil(1024));
        Hooks {
            by_path,
            limits,
            room,
            readers: Semaphore::new(readers),
        }
    }

    /// What a sender is told of its request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(hook) = self.by_path.get(request.uri().path()) else {
            return answer::of(&Err(Refusal::UnknownPath));
        };
        let span = hook.span(&request);
        let taken = self.take(hook, request).instrument(span.clone()).await;
        let response = answer::of(&taken);
        span.in_scope(|| hook.note(&taken, response.status().as_u16()));
        response
    }

    async fn take(&self, hook: &Hook, request: Request<Incoming>) -> Result<Accepted, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::NotAPost);
        }
        let _room = self.room_for(&hook.webhook, request.body())?;
        let received = self.receive(&hook.webhook, request).await?;
        let (flow, webhook) = (hook.flow.clone(), hook.webhook.clone());
        let delivery = self
            .compute(move || delivery::read(&flow, &webhook, &received))
            .await??;
        hook.intake.take(delivery).await
    }

    /// A body of unknown length may be as long as any.
    fn room_for(
        &self,
        webhook: &WebhookRules,
        body: &Incoming,
    ) -> Result<SemaphorePermit<'_>, Refusal> {
        let longest = webhook.max_body;
        let length = body
            .size_hint()
            .exact()
            .map_or(Ok(longest), usize::try_from);
        let length = length
            .ok()
            .filter(|&length| length <= longest)
            .ok_or(Refusal::TooLong(longest))?;
        let kibibytes = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
        self.room
            .try_acquire_many(kibibytes.max(1))
            .map_err(|_| Refusal::NotReady)
    }

    async fn receive(
        &self,
        webhook: &WebhookRules,
        request: Request<Incoming>,
    ) -> Result<Received, Refusal> {
        let (Parts { headers, uri, .. }, body) = request.into_parts();
        let longest = webhook.max_body;
        let reading = Limited::new(body, longest).collect();
        let read = tokio::time::timeout(self.limits.body, reading)
            .await
            .map_err(|_| Refusal::TooSlow)?;
        let body = read.map_err(|error| match error.is::<LengthLimitError>() {
            true => Refusal::TooLong(longest),
            false => Refusal::BrokenOff,
        })?;
        Ok(Received::new(
            headers,
            uri.query().map(str::to_owned),
            body.to_bytes(),
        ))
    }

    /// Computes apart from the sockets, which must not be kept waiting.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let Ok(_turn) = self.readers.acquire().await else {
            return Err(Refusal::NotReady);
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Refusal::Broken)
    }
}

impl Hook {
    /// The span of a request, child of its sender's where that names one; names and fields by the
    /// OpenTelemetry HTTP conventions.
    fn span(&self, request: &Request<Incoming>) -> Span {
        let span = info_span!(
            target: telemetry::STAGE_SPANS,
            "webhook",
            otel.name = %format_args!("webhook {}", self.flow.name),
            otel.kind = "server",
            otel.status_code = field::Empty,
            http.request.method = %request.method(),
            http.route = request.uri().path(),
            http.response.status_code = field::Empty,
            stage = %Stage::Extract,
            flow = %self.flow.name,
            run = field::Empty,
            batch = field::Empty,
            trace_id = field::Empty,
        );
        let traceparent = request
            .headers()
            .get("traceparent")
            .and_then(|value| value.to_str().ok());
        telemetry::continue_trace(&span, traceparent);
        span
    }

    fn note(&self, taken: &Result<Accepted, Refusal>, status: u16) {
        Span::current().record("http.response.status_code", status);
        metrics::count_delivery(&self.flow.name, status);
        match taken {
            Ok(_) => {}
            Err(Refusal::Broken) => {
                Span::current().record("otel.status_code", "ERROR");
                error!(status, "reading a delivery panicked; please report it");
            }
            Err(refusal @ Refusal::NotReady) => {
                Span::current().record("otel.status_code", "ERROR");
                warn!(status, error = %refusal, "a delivery is to come again");
            }
            Err(refusal) => info!(status, error = %refusal, "a delivery is refused"),
        }
    }
}
