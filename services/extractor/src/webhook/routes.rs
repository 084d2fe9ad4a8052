//! The paths of webhooks, and the answer to one request.

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
    ReceiverLimits,
    delivery::VerifiedDelivery,
    intake::DeliveryIntake,
    request::ReceivedRequest,
    response::{DeliveryAcceptance, Error, response},
};

/// The webhook of one flow.
pub(super) struct WebhookEndpoint {
    pub(super) flow: Arc<Flow>,
    pub(super) webhook: Arc<WebhookRules>,
    pub(super) intake: DeliveryIntake,
}

/// The webhooks of a project by their paths.
pub(super) struct WebhookRoutes {
    by_path: HashMap<String, WebhookEndpoint>,
    limits: ReceiverLimits,
    /// Memory for the deliveries being processed, in KiB.
    memory: Semaphore,
    /// One permit for each core: reading a delivery computes for milliseconds, and more at a time
    /// would not end sooner.
    readers: Semaphore,
}

impl WebhookRoutes {
    pub(super) fn new(
        by_path: HashMap<String, WebhookEndpoint>,
        limits: ReceiverLimits,
    ) -> WebhookRoutes {
        let readers = std::thread::available_parallelism().map_or(1, usize::from);
        let memory = Semaphore::new(limits.max_bytes.div_ceil(1024));
        WebhookRoutes {
            by_path,
            limits,
            memory,
            readers: Semaphore::new(readers),
        }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(endpoint) = self.by_path.get(request.uri().path()) else {
            return response(&Err(Error::UnknownPath));
        };
        let span = endpoint.span(&request);
        let accepting = self.accept(endpoint, request);
        let accepted = accepting.instrument(span.clone()).await;
        let response = response(&accepted);
        span.in_scope(|| endpoint.report(&accepted, response.status().as_u16()));
        response
    }

    async fn accept(
        &self,
        endpoint: &WebhookEndpoint,
        request: Request<Incoming>,
    ) -> Result<DeliveryAcceptance, Error> {
        if request.method() != Method::POST {
            return Err(Error::NotAPost);
        }
        let _memory = self.memory_for(&endpoint.webhook, request.body())?;
        let received = self.receive(&endpoint.webhook, request).await?;
        let (flow, webhook) = (endpoint.flow.clone(), endpoint.webhook.clone());
        let delivery = self
            .compute(move || VerifiedDelivery::read(&flow, &webhook, &received))
            .await??;
        endpoint.intake.take(delivery).await
    }

    /// Reserves memory for a body. A body of unknown length may be as long as the longest one
    /// allowed.
    fn memory_for(
        &self,
        webhook: &WebhookRules,
        body: &Incoming,
    ) -> Result<SemaphorePermit<'_>, Error> {
        let longest = webhook.max_body;
        let length = body
            .size_hint()
            .exact()
            .map_or(Ok(longest), usize::try_from);
        let length = length
            .ok()
            .filter(|&length| length <= longest)
            .ok_or(Error::TooLong(longest))?;
        let kibibytes = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
        self.memory
            .try_acquire_many(kibibytes.max(1))
            .map_err(|_| Error::NotReady)
    }

    async fn receive(
        &self,
        webhook: &WebhookRules,
        request: Request<Incoming>,
    ) -> Result<ReceivedRequest, Error> {
        let (Parts { headers, uri, .. }, body) = request.into_parts();
        let longest = webhook.max_body;
        let reading = Limited::new(body, longest).collect();
        let read = tokio::time::timeout(self.limits.body_timeout, reading)
            .await
            .map_err(|_| Error::TooSlow)?;
        let body = read.map_err(|error| match error.is::<LengthLimitError>() {
            true => Error::TooLong(longest),
            false => Error::BrokenOff,
        })?;
        Ok(ReceivedRequest::new(
            headers,
            uri.query().map(str::to_owned),
            body.to_bytes(),
        ))
    }

    /// Computes on a thread of its own, so that the sockets are not kept waiting.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let Ok(_permit) = self.readers.acquire().await else {
            return Err(Error::NotReady);
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Error::Panicked)
    }
}

impl WebhookEndpoint {
    /// The span of a request, a child of the sender's span if the request names one. Names and
    /// fields follow the OpenTelemetry HTTP conventions.
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

    fn report(&self, accepted: &Result<DeliveryAcceptance, Error>, status: u16) {
        Span::current().record("http.response.status_code", status);
        metrics::count_delivery(&self.flow.name, status);
        match accepted {
            Ok(_) => {}
            Err(Error::Panicked) => {
                Span::current().record("otel.status_code", "ERROR");
                error!(status, "reading a delivery panicked; please report it");
            }
            Err(reason @ Error::NotReady) => {
                Span::current().record("otel.status_code", "ERROR");
                warn!(status, error = %reason, "a delivery was not accepted; its sender has to repeat it");
            }
            Err(reason) => info!(status, error = %reason, "a delivery is refused"),
        }
    }
}
