//! One system's client: makes requests, and tells its callers if the system is up.

mod attempt;
mod clients;
mod exchange;
mod judgement;

use std::{sync::Arc, time::Duration};

use pomost_expression::{Value, Variables};
use pomost_models::{Batch, Lane};
use pomost_project::{
    System,
    request::{AnswerRule, RequestTemplate},
};
use pomost_store::Store;
use tokio::time::Instant;
use url::Url;

use crate::{
    AttemptCharging, Clock, Failure, FailureClass, OutgoingRequest, Response, StreamLimits,
    StreamedResponse, Transport,
    authorisation::Authorisation,
    policy::{CircuitBreaker, InFlightLimit, RequestPace, SystemHold},
    request::{FilledRequest, within_system},
};
pub use clients::{ClientOptions, SystemClients};
use exchange::RequestExchange;

/// Makes requests to one system.
#[derive(Clone)]
pub struct SystemClient {
    pub(crate) system: Arc<System>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    authorisation: Authorisation,
    in_flight: Arc<InFlightLimit>,
    breaker: Arc<CircuitBreaker>,
    hold: Arc<SystemHold>,
    pace: Option<Arc<RequestPace>>,
    lane: Lane,
}

impl SystemClient {
    /// Makes the client of a system. Its tokens, holds and rate slots are kept in the store.
    pub fn new(
        system: Arc<System>,
        store: Arc<dyn Store>,
        options: &ClientOptions,
    ) -> Result<SystemClient, Failure> {
        let clock = options.clock.clone();
        let transport = options.connector.connect(&system).map_err(|failure| {
            Failure::from_transport(&system.name, "making a client", &failure)
        })?;
        let authorisation = Authorisation::new(&system, &transport, &store, &clock)?;
        let breaker = CircuitBreaker::new(&system.name, &store, &clock, options.breaker);
        Ok(SystemClient {
            in_flight: Arc::new(InFlightLimit::new(&system.name, system.concurrency, &clock)),
            hold: Arc::new(SystemHold::new(&system.name, &store, &clock)),
            pace: RequestPace::of(&system, &store, &clock).map(Arc::new),
            breaker: Arc::new(breaker),
            lane: Lane::Live,
            system,
            transport,
            clock,
            authorisation,
        })
    }

    /// Returns the same client, whose requests are of a lane.
    pub fn in_lane(&self, lane: Lane) -> SystemClient {
        SystemClient {
            lane,
            ..self.clone()
        }
    }

    /// Returns the largest number of requests in flight.
    pub fn concurrency(&self) -> usize {
        self.system.concurrency
    }

    /// Returns the time after which a request is given up.
    pub fn timeout(&self) -> Duration {
        self.system.timeout
    }

    /// Returns the size of the longest body that is held in memory, in bytes.
    pub fn max_answer(&self) -> u64 {
        self.system.max_answer
    }

    /// Returns true while the system is down: it failed ten times in a row, or gave no tokens.
    /// Requests are then turned away, which does not count towards the attempts, until a probe
    /// succeeds.
    pub fn is_down(&self) -> bool {
        self.breaker.is_down()
    }

    /// Returns true if the system has been down at some time since a moment.
    pub fn has_been_down_since(&self, then: Instant) -> bool {
        self.breaker.has_been_down_since(then)
    }

    /// Returns true if the system has been down at some time since a moment, or may be now: its
    /// last request failed.
    pub fn may_have_been_down_since(&self, then: Instant) -> bool {
        self.breaker.may_have_been_down_since(then)
    }

    /// Waits for so long, or until a hold on the system that is on now is over or released.
    pub async fn rest(&self, length: Duration) {
        tokio::select! {
            () = self.clock.sleep(length) => {}
            () = self.hold.over() => {}
        }
    }

    /// Waits until the system is down, or until it is up.
    pub async fn until_down(&self, down: bool) {
        self.breaker.until_down(down).await;
    }

    /// Waits until a request would be sent: the system is up, or a probe is due.
    pub async fn until_ready(&self) {
        self.breaker.until_ready().await;
    }

    /// Says which failures of a batch count towards its attempts
    /// ([`CircuitBreaker::attempt_charging`]).
    pub fn attempt_charging(
        &self,
        batch: &Batch,
        began: Instant,
        was_down: bool,
    ) -> AttemptCharging {
        self.breaker.attempt_charging(batch, began, was_down)
    }

    /// Returns the circuit breaker that all requests to the system pass.
    pub fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    /// Makes the request of a flow's template for an input.
    pub fn prepare<'a>(
        &self,
        template: &'a RequestTemplate,
        answers: &'a [AnswerRule],
        input: &Value,
        variables: &Variables,
    ) -> Result<OutgoingRequest<'a>, Failure> {
        let filled = FilledRequest::of(template, input, variables).map_err(|error| {
            self.invalid(format!("the request {}: {}", template.label, error.message))
        })?;
        let url = filled
            .url(&self.system)
            .map_err(|message| self.invalid(message))?;
        let FilledRequest { headers, body, .. } = filled;
        Ok(OutgoingRequest {
            headers,
            body,
            answers,
            ..OutgoingRequest::bare(template.method.clone(), url, &template.label)
        })
    }

    /// Resolves a URL, absolute or relative (RFC 3986 §5), that a response from `from` refers to.
    /// It must lie within the system, or credentials would go to any host that a response names.
    pub fn follow(&self, from: &Url, reference: &str) -> Result<Url, Failure> {
        let url = from
            .join(reference)
            .map_err(|error| self.invalid(format!("not a URL: {error}")))?;
        within_system(url, &self.system).map_err(|message| self.invalid(message))
    }

    /// Sends the request and reads the whole response.
    pub async fn send(&self, request: OutgoingRequest<'_>) -> Result<Response, Failure> {
        RequestExchange::new(self, &request).whole().await
    }

    /// Sends the request and returns its response as soon as that is known to be a success. A rule
    /// with `when` that may be about its status has to see the body: then that is read first, and
    /// `max_answer` bounds it.
    pub async fn send_streaming(
        &self,
        request: OutgoingRequest<'_>,
        limits: StreamLimits,
    ) -> Result<StreamedResponse, Failure> {
        RequestExchange::new(self, &request).streamed(limits).await
    }

    fn invalid(&self, message: String) -> Failure {
        Failure::new(
            FailureClass::Invalid,
            format!("{}: {message}", self.system.name),
        )
    }
}
