//! A request's way through the policies of its system: a place in flight, the circuit breaker,
//! holds and rate slots, and a second attempt under new tokens.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{Instrument, Span, field};

use super::{SystemClient, attempt::FailedAttempt};
use crate::{
    Failure, FailureClass, OutgoingRequest, Response, StreamLimits, StreamedResponse,
    policy::NoSlot,
};

/// One request on its way, and its span.
pub(super) struct RequestExchange<'a> {
    pub(super) client: &'a SystemClient,
    pub(super) request: &'a OutgoingRequest<'a>,
    span: Span,
}

impl<'a> RequestExchange<'a> {
    pub(super) fn new(
        client: &'a SystemClient,
        request: &'a OutgoingRequest<'a>,
    ) -> RequestExchange<'a> {
        let base_url = &client.system.base_url;
        let span = tracing::info_span!(
            "http.request",
            otel.name = %request.label,
            otel.kind = "client",
            otel.status_code = field::Empty,
            http.request.method = %request.method,
            http.response.status_code = field::Empty,
            server.address = base_url.host_str(),
            server.port = base_url.port_or_known_default(),
            url.template = %request.label,
            error.r#type = field::Empty,
        );
        RequestExchange {
            client,
            request,
            span,
        }
    }

    /// Returns the response when all of it has come.
    pub(super) async fn whole(self) -> Result<Response, Failure> {
        let timeout = Some(self.client.system.timeout);
        let attempts = self.attempts(timeout, |refused, deadline| {
            self.whole_attempt(refused, deadline)
        });
        let outcome = self.admitted(attempts).instrument(self.span.clone()).await;
        self.record(outcome.as_ref().map(|response| response.status.as_u16()));
        outcome
    }

    /// Returns the response when its beginning has come.
    pub(super) async fn streamed(self, limits: StreamLimits) -> Result<StreamedResponse, Failure> {
        let attempts = self.attempts(limits.timeout, |refused, deadline| {
            self.streamed_attempt(refused, deadline, limits.max_bytes)
        });
        let outcome = self.admitted(attempts).instrument(self.span.clone()).await;
        self.record(outcome.as_ref().map(|response| response.status.as_u16()));
        outcome
    }

    /// Makes a request in its place among those in flight, if its system is up.
    async fn admitted<T>(
        &self,
        attempts: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let SystemClient {
            in_flight,
            breaker,
            lane,
            ..
        } = self.client;
        let _place = in_flight.enter(*lane).await;
        let fingerprint = || Some(self.request.fingerprint());
        breaker.admit(|| self.place(), fingerprint, attempts).await
    }

    /// Makes an attempt, and one more under other tokens where those of the first were refused.
    /// Both together have the time of one; waiting for their turns does not count.
    async fn attempts<T, Attempt>(
        &self,
        timeout: Option<Duration>,
        attempt: impl Fn(Option<i64>, Option<Instant>) -> Attempt,
    ) -> Result<T, Failure>
    where
        Attempt: Future<Output = Result<T, FailedAttempt>>,
    {
        let clock = &self.client.clock;
        self.turn().await?;
        let deadline = timeout.map(|timeout| clock.now() + timeout);
        let mut outcome = attempt(None, deadline).await;
        if let Err(FailedAttempt {
            refused_tokens: Some(refused),
            ..
        }) = outcome
        {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(clock.now()));
            self.turn().await?;
            outcome = attempt(Some(refused), left.map(|left| clock.now() + left)).await;
        }
        outcome.map_err(|failed| failed.failure)
    }

    /// Waits until the system takes a request: for the end of a hold, and for a slot where its rate
    /// is limited. A slot in the midst of a hold is lost, or all that waited would go at the end of
    /// it.
    async fn turn(&self) -> Result<(), Failure> {
        let SystemClient { hold, pace, .. } = self.client;
        loop {
            hold.wait_for_end().await.map_err(|left| self.held(left))?;
            let Some(pace) = pace else {
                return Ok(());
            };
            pace.slot(self.client.lane)
                .await
                .map_err(|reason| self.no_slot(&reason))?;
            if !hold.is_on().await {
                return Ok(());
            }
        }
    }

    /// The failure while the system asks to be left alone for so long.
    pub(super) fn held(&self, left: Duration) -> Failure {
        let message = format!(
            "{}: the system takes no more requests for now",
            self.place()
        );
        Failure {
            retry_after: Some(left),
            ..Failure::not_sent(FailureClass::Throttled, message)
        }
    }

    fn no_slot(&self, reason: &NoSlot) -> Failure {
        let (class, retry_after) = match reason {
            NoSlot::Later(wait) => (FailureClass::Throttled, Some(*wait)),
            NoSlot::Closed => (FailureClass::Throttled, None),
            NoSlot::Store(_) => (FailureClass::Unreachable, None),
        };
        Failure {
            retry_after,
            ..Failure::not_sent(class, format!("{}: {reason}", self.place()))
        }
    }

    /// Returns the beginning of failures' messages: the system's name and the request's label.
    pub(super) fn place(&self) -> String {
        format!("{}: {}", self.client.system.name, self.request.label)
    }

    fn record(&self, outcome: Result<u16, &Failure>) {
        let status = outcome.map_or_else(|failure| failure.status, Some);
        if let Err(failure) = outcome {
            self.span.record("otel.status_code", "ERROR");
            self.span.record("error.type", failure.class.as_str());
        }
        if let Some(status) = status {
            self.span.record("http.response.status_code", status);
        }
    }
}
