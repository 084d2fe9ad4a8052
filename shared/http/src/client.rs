//! One system's client.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use pomost_models::Lane;
use pomost_project::{Project, System, request::AnswerRule};
use pomost_store::Store;
use tokio::time::{Instant, error::Elapsed, timeout};
use tracing::{Instrument, Span, field};
use url::Url;

use crate::{
    Failure, FailureClass, OutgoingRequest, RequestEffect, Response, StreamLimits,
    StreamedResponse,
    answer::Verdict,
    authorisation::{Authorisation, Pass},
    body::{self, Body, BodyError},
    call::within_system,
    guard::Guard,
    in_flight::{InFlight, Load},
    limits::Limits,
    metrics,
    pause::Pause,
    rate::{NoSlot, Rate},
    transport::Transport,
    web_page::{self, WebPage, is_web_page},
};

/// How long the end of a process waits for tokens that are being renewed.
const LAST_RENEWAL: Duration = Duration::from_secs(20);

/// The clients of a project's systems, by name. One is shared by all that call its system in a
/// process, so that the system's `concurrency` holds for them together.
#[derive(Clone)]
pub struct SystemClients(Arc<BTreeMap<String, SystemClient>>);

impl SystemClients {
    /// Makes a client for each system. Tokens that systems are given and when they take requests are kept
    /// in the store, where all replicas share them.
    pub fn new(project: &Project, store: &Arc<dyn Store>) -> Result<SystemClients, Failure> {
        metrics::describe();
        let client = |system: &Arc<System>| {
            Ok((
                system.name.clone(),
                SystemClient::new(system.clone(), store.clone())?,
            ))
        };
        project
            .systems
            .values()
            .map(client)
            .collect::<Result<_, _>>()
            .map(|clients| SystemClients(Arc::new(clients)))
    }

    /// The same clients, whose requests go first or leave others their turns.
    pub fn in_lane(&self, lane: Lane) -> SystemClients {
        let client =
            |(name, client): (&String, &SystemClient)| (name.clone(), client.in_lane(lane));
        SystemClients(Arc::new(self.0.iter().map(client).collect()))
    }

    /// The client of a system of the project.
    pub fn of(&self, system: &str) -> Option<&SystemClient> {
        self.0.get(system)
    }

    /// Has no request wait any more for its turn under a rate limit: such calls fail as throttled. To be
    /// called when the process is to end.
    pub fn close(&self) {
        self.0
            .values()
            .filter_map(|client| client.rate.as_ref())
            .for_each(|rate| rate.close());
    }

    /// Waits, for a while, until no tokens are being renewed. To be called before the process ends: a
    /// refresh token that is good for one use may have been used.
    pub async fn finish(&self) {
        let finishing = join_all(self.0.values().map(|client| client.authorisation.finish()));
        let _ = timeout(LAST_RENEWAL, finishing).await;
    }
}

/// Calls one system.
#[derive(Clone)]
pub struct SystemClient {
    pub(crate) system: Arc<System>,
    reading: reqwest::Client,
    writing: reqwest::Client,
    authorisation: Authorisation,
    in_flight: Arc<InFlight>,
    guard: Arc<Guard>,
    pause: Arc<Pause>,
    rate: Option<Arc<Rate>>,
    lane: Lane,
}

/// A request that did not get the answer it was made for, and the tokens that were refused with it, if
/// others could help.
struct Refusal {
    failure: Failure,
    tokens: Option<i64>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        Refusal {
            failure,
            tokens: None,
        }
    }
}

impl SystemClient {
    /// Makes the client of a system, whose tokens and rate limit are kept in the store.
    pub fn new(system: Arc<System>, store: Arc<dyn Store>) -> Result<SystemClient, Failure> {
        let Transport {
            reading,
            writing,
            tokens,
        } = Transport::new(&system)?;
        let rate = Rate::of(&system, store.clone()).map(Arc::new);
        let guard = Arc::new(Guard::new(&system.name, store.clone()));
        let authorisation = Authorisation::new(&system, tokens, store.clone())?;
        let in_flight = Arc::new(InFlight::new(&system.name, system.concurrency));
        let pause = Arc::new(Pause::new(&system.name, store));
        let lane = Lane::Live;
        Ok(SystemClient {
            system,
            reading,
            writing,
            authorisation,
            in_flight,
            guard,
            pause,
            rate,
            lane,
        })
    }

    /// The same client, whose requests go first or leave others their turns.
    pub fn in_lane(&self, lane: Lane) -> SystemClient {
        SystemClient {
            lane,
            ..self.clone()
        }
    }

    /// How many requests it has in flight at most.
    pub fn concurrency(&self) -> usize {
        self.system.concurrency
    }

    /// How long an answer is waited for.
    pub fn timeout(&self) -> Duration {
        self.system.timeout
    }

    /// The circuit breaker that all requests to the system pass.
    pub fn breaker(&self) -> &Guard {
        &self.guard
    }

    /// Whether the system is down: it failed ten times in a row, or gave no tokens, and requests are turned away at no
    /// cost until one that is let through succeeds.
    pub fn is_down(&self) -> bool {
        self.guard.is_down()
    }

    /// Whether the system has been down at some time since then.
    pub fn has_been_down_since(&self, then: Instant) -> bool {
        self.guard.has_been_down_since(then)
    }

    /// Whether the system has been down at some time since then, or may be now: its last request failed.
    pub fn may_have_been_down_since(&self, then: Instant) -> bool {
        self.guard.may_have_been_down_since(then)
    }

    /// Waits until the system is down, or until it is not.
    pub async fn until_down(&self, down: bool) {
        self.guard.until(down).await;
    }

    /// Waits until a request would be made: the system is up, or it is time to try whether it is.
    pub async fn until_ready(&self) {
        self.guard.ready().await;
    }

    /// The longest answer that is held in memory, in bytes.
    pub fn max_answer(&self) -> u64 {
        self.system.max_answer
    }

    /// The URL that an answer from `from` refers to, absolute or relative (RFC 3986 §5). It must
    /// lie within the system, or credentials would go to whoever the answer names.
    pub fn follow(&self, from: &Url, reference: &str) -> Result<Url, Failure> {
        let url = from
            .join(reference)
            .map_err(|error| self.refused(format!("not a URL: {error}")))?;
        within_system(url, &self.system).map_err(|message| self.refused(message))
    }

    /// Makes the request and reads the whole answer.
    pub async fn send(&self, call: OutgoingRequest<'_>) -> Result<Response, Failure> {
        let span = self.span(&call);
        let outcome = self.exchange(&call).instrument(span.clone()).await;
        record(&span, outcome.as_ref().map(|answer| answer.status));
        outcome
    }

    /// Makes the request and returns its answer as soon as that is seen to be what was asked for. A
    /// rule with `when` that may be about its status has to see the body: then that is read first, and
    /// `max_answer` bounds it.
    pub async fn send_streaming(
        &self,
        call: OutgoingRequest<'_>,
        limits: StreamLimits,
    ) -> Result<StreamedResponse, Failure> {
        let span = self.span(&call);
        let outcome = self.begin(&call, limits).instrument(span.clone()).await;
        record(&span, outcome.as_ref().map(|streamed| streamed.status));
        outcome
    }

    fn span(&self, call: &OutgoingRequest<'_>) -> Span {
        tracing::info_span!(
            "http.request",
            otel.name = %call.label,
            otel.kind = "client",
            otel.status_code = field::Empty,
            http.request.method = %call.method,
            http.response.status_code = field::Empty,
            server.address = self.system.base_url.host_str(),
            server.port = self.system.base_url.port_or_known_default(),
            url.template = %call.label,
            error.r#type = field::Empty,
        )
    }

    async fn exchange(&self, call: &OutgoingRequest<'_>) -> Result<Response, Failure> {
        let timeout = Some(self.system.timeout);
        let answered = self.renewing(call, timeout, |refused, deadline| {
            self.answer(call, refused, deadline)
        });
        self.guarded(call, answered).await
    }

    async fn begin(
        &self,
        call: &OutgoingRequest<'_>,
        limits: StreamLimits,
    ) -> Result<StreamedResponse, Failure> {
        let open = async |refused, deadline| {
            let begun = async {
                let (unjudged, opened) = self
                    .opened(call, refused, deadline, limits.max_bytes)
                    .await?;
                let streamed = StreamedResponse::new(opened, self.place(call)).await?;
                let Some(pass) = unjudged else {
                    return Ok(streamed);
                };
                let (status, headers) = (streamed.status, &streamed.headers);
                if is_web_page(headers, &streamed.beginning(web_page::TELLING), call.format) {
                    let beginning = &streamed.beginning(web_page::SEARCHED);
                    return Err(self
                        .page(
                            call,
                            &pass,
                            &WebPage {
                                status,
                                headers,
                                beginning,
                            },
                        )
                        .into());
                }
                self.authorisation.accept(&pass);
                Ok(streamed)
            };
            // What is not the answer, or is short, is read here.
            let begun = timeout(self.system.timeout, begun).await;
            begun.unwrap_or_else(|_| Err(self.silent(call, self.system.timeout).into()))
        };
        self.guarded(call, self.renewing(call, limits.timeout, open))
            .await
    }

    /// Makes a request in its place among those in flight, if its system is up.
    async fn guarded<T>(
        &self,
        call: &OutgoingRequest<'_>,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let _place = self.in_flight.enter(self.lane).await;
        self.guard.pass(|| self.place(call), request).await
    }

    /// Makes an attempt, and one more under other tokens where those of the first were refused. Both
    /// together have the time of one; waiting for their turns does not count.
    async fn renewing<T, Attempt>(
        &self,
        call: &OutgoingRequest<'_>,
        timeout: Option<Duration>,
        attempt: impl Fn(Option<i64>, Option<Instant>) -> Attempt,
    ) -> Result<T, Failure>
    where
        Attempt: Future<Output = Result<T, Refusal>>,
    {
        self.turn(call).await?;
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut outcome = attempt(None, deadline).await;
        if let Err(Refusal {
            tokens: Some(refused),
            ..
        }) = outcome
        {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            self.turn(call).await?;
            outcome = attempt(Some(refused), left.map(|left| Instant::now() + left)).await;
        }
        outcome.map_err(|refusal| refusal.failure)
    }

    /// Waits until the system takes a request: for the end of a pause, and for a slot where its rate is
    /// limited. A slot in the midst of a pause is lost, or all who waited would go at the end of it.
    async fn turn(&self, call: &OutgoingRequest<'_>) -> Result<(), Failure> {
        loop {
            self.pause
                .heed()
                .await
                .map_err(|left| self.held(call, left))?;
            let Some(rate) = &self.rate else {
                return Ok(());
            };
            rate.slot(self.lane)
                .await
                .map_err(|reason| self.no_slot(call, &reason))?;
            if !self.pause.is_on().await {
                return Ok(());
            }
        }
    }

    fn held(&self, call: &OutgoingRequest<'_>, left: Duration) -> Failure {
        let message = format!(
            "{}: the system takes no more requests for now",
            self.place(call)
        );
        Failure {
            retry_after: Some(left),
            ..Failure::not_sent(FailureClass::Throttled, message)
        }
    }

    fn no_slot(&self, call: &OutgoingRequest<'_>, reason: &NoSlot) -> Failure {
        let (class, retry_after) = match reason {
            NoSlot::Later(wait) => (FailureClass::Throttled, Some(*wait)),
            NoSlot::Closed => (FailureClass::Throttled, None),
            NoSlot::Store(_) => (FailureClass::Unreachable, None),
        };
        Failure {
            retry_after,
            ..Failure::not_sent(class, format!("{}: {reason}", self.place(call)))
        }
    }

    async fn answer(
        &self,
        call: &OutgoingRequest<'_>,
        refused: Option<i64>,
        deadline: Option<Instant>,
    ) -> Result<Response, Refusal> {
        let (pass, response) = self.response(call, refused, deadline).await?;
        self.read(call, &pass, response).await
    }

    /// The answer, and what let its request in where it may be a web page still.
    async fn opened(
        &self,
        call: &OutgoingRequest<'_>,
        refused: Option<i64>,
        deadline: Option<Instant>,
        limit: Option<u64>,
    ) -> Result<(Option<Arc<Pass>>, (StatusCode, HeaderMap, Body)), Refusal> {
        let (pass, response) = self.response(call, refused, deadline).await?;
        let status = response.status();
        if let Some(Verdict {
            class: None,
            by_rule,
        }) = self.by_status(call, status)
        {
            let headers = response.headers().clone();
            let body = body::of(response, limit, self.system.read_timeout);
            let body = body
                .await
                .map_err(|error| self.broken(call, status, &error))?;
            if by_rule {
                self.authorisation.accept(&pass);
            }
            return Ok(((!by_rule).then_some(pass), (status, headers, body)));
        }
        let answer = self.read(call, &pass, response).await?;
        Ok((
            None,
            (
                answer.status,
                answer.headers,
                stream::iter([Ok(answer.body)]).boxed(),
            ),
        ))
    }

    async fn response(
        &self,
        call: &OutgoingRequest<'_>,
        refused: Option<i64>,
        deadline: Option<Instant>,
    ) -> Result<(Arc<Pass>, reqwest::Response), Failure> {
        let pass = self
            .authorisation
            .pass(refused, deadline)
            .await
            .map_err(Failure::before_the_request)?;
        // Others may have been told to wait while it waited for tokens.
        if let Some(left) = self.pause.left() {
            return Err(self.held(call, left));
        }
        let (mut url, mut headers) = (call.url.clone(), call.headers.clone());
        if call.body.is_some() {
            headers
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static("application/json"));
        }
        pass.put_into(&mut url, &mut headers);
        let http = if call.method.is_safe() {
            &self.reading
        } else {
            &self.writing
        };
        let mut request = http.request(call.method.clone(), url).headers(headers);
        if let Some(deadline) = deadline {
            request = request.timeout(deadline.saturating_duration_since(Instant::now()));
        }
        let request = call
            .body
            .iter()
            .fold(request, |request, body| request.body(body.clone()));
        let failed = |error| Failure::from_reqwest(&self.system.name, call.label, error);
        if !call.permit.holds() {
            let message = format!("{}: its turn came too late to begin it", self.place(call));
            return Err(Failure::not_sent(FailureClass::Throttled, message));
        }
        let began = Instant::now();
        let response = timeout(self.system.read_timeout, request.send()).await;
        if let Some(load) = load(&response) {
            self.in_flight.learn(began, load);
        }
        let response = response
            .map_err(|_| self.silent(call, self.system.read_timeout))?
            .map_err(failed)?;
        self.heed_limits(&response, began).await;
        Ok((pass, response))
    }

    /// What a response says of how much the system takes, for all who call it. Where it was one too many and no
    /// time is named, they wait for a while, and go on slower where their rate is known.
    async fn heed_limits(&self, response: &reqwest::Response, began: Instant) {
        let status = response.status();
        match (Limits::of(response.headers()).pause(status), &self.rate) {
            (Some(length), _) => self.pause.begin(length).await,
            (None, _) if status != StatusCode::TOO_MANY_REQUESTS => self.pause.taken(began),
            (None, rate) => {
                if self.pause.refused(began).await
                    && let Some(rate) = rate
                {
                    rate.slow(began).await;
                }
            }
        }
    }

    async fn read(
        &self,
        call: &OutgoingRequest<'_>,
        pass: &Arc<Pass>,
        response: reqwest::Response,
    ) -> Result<Response, Refusal> {
        let (status, headers) = (response.status(), response.headers().clone());
        let System {
            max_answer,
            read_timeout,
            ..
        } = &*self.system;
        let body = async {
            body::whole(body::of(response, Some(*max_answer), *read_timeout).await?).await
        };
        let (body, unread) = match body.await {
            Ok(body) => (body, None),
            Err(error) if self.goes_without_body(call, status) => {
                (Bytes::new(), Some(error.to_string()))
            }
            Err(error) => return Err(self.broken(call, status, &error).into()),
        };
        let answer = Response {
            status,
            headers,
            body,
            unread,
            pass: Some(pass.clone()),
        };
        let verdict = answer.verdict(&call.method, self.rules(call));
        if verdict.is_yes_by_status() && answer.is_web_page(call.format) {
            let page = WebPage {
                status,
                headers: &answer.headers,
                beginning: &answer.body,
            };
            return Err(self.page(call, pass, &page).into());
        }
        let of_credentials = verdict.is_of_credentials(status);
        if !of_credentials {
            self.authorisation.accept(pass);
        }
        let Some(class) = verdict.class else {
            return Ok(answer);
        };
        let (system, hide) = (&self.system.name, |text: &str| pass.hide(text));
        let failure = Failure::from_answer(system, call.label, class, &answer, hide);
        // Where the status says it by itself, it was heeded before the body was read.
        if verdict.is_throttled_by_rule()
            && let (None, Some(length)) = (
                Limits::of(&answer.headers).pause(status),
                failure.retry_after,
            )
        {
            self.pause.begin(length).await;
        }
        Err(Refusal {
            failure,
            tokens: pass.generation.filter(|_| of_credentials),
        })
    }

    /// The failure that a web page is. It says nothing of the credentials: it may be a login.
    fn page(&self, call: &OutgoingRequest<'_>, pass: &Pass, page: &WebPage<'_>) -> Failure {
        let failure = web_page::failure(page, &self.place(call), call, |text| pass.hide(text));
        let rule = format!("{{ status: {}, means: ok }}", page.status.as_u16());
        let message = format!(
            "{}; if that is its answer, say so in answers: {rule}",
            failure.message
        );
        Failure { message, ..failure }
    }

    fn by_status(&self, call: &OutgoingRequest<'_>, status: StatusCode) -> Option<Verdict> {
        Verdict::by_status(status, &call.method, self.rules(call))
    }

    fn rules<'c>(&'c self, call: &'c OutgoingRequest<'_>) -> impl Iterator<Item = &'c AnswerRule> {
        call.answers.iter().chain(&self.system.answers)
    }

    /// Whether the status of an answer says all that is to be known of it.
    fn goes_without_body(&self, call: &OutgoingRequest<'_>, status: StatusCode) -> bool {
        let verdict = self.by_status(call, status);
        verdict.is_some_and(|verdict| verdict.class.is_some() || !call.needs_body)
    }

    fn broken(&self, call: &OutgoingRequest<'_>, status: StatusCode, error: &BodyError) -> Failure {
        let effect = if status.is_client_error() {
            RequestEffect::None
        } else {
            RequestEffect::Unknown
        };
        let failure = Failure::new(error.class(), format!("{}: {error}", self.place(call)));
        Failure {
            status: Some(status.as_u16()),
            effect,
            ..failure
        }
    }

    fn silent(&self, call: &OutgoingRequest<'_>, patience: Duration) -> Failure {
        let patience = patience.as_secs_f64();
        Failure::new(
            FailureClass::Transient,
            format!("{}: no answer within {patience} s", self.place(call)),
        )
    }

    fn place(&self, call: &OutgoingRequest<'_>) -> String {
        format!("{}: {}", self.system.name, call.label)
    }

    pub(crate) fn refused(&self, message: String) -> Failure {
        Failure::new(
            FailureClass::Invalid,
            format!("{}: {message}", self.system.name),
        )
    }
}

/// What a response, or its lack, says of how much the system takes; nothing where it failed otherwise.
fn load(response: &Result<reqwest::Result<reqwest::Response>, Elapsed>) -> Option<Load> {
    const TOO_MUCH: [StatusCode; 2] = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    match response {
        Ok(Ok(response)) if TOO_MUCH.contains(&response.status()) => Some(Load::TooMuch),
        Ok(Ok(_)) => Some(Load::Taken),
        Ok(Err(error)) => (error.is_timeout() && !error.is_connect()).then_some(Load::TooMuch),
        Err(_) => Some(Load::TooMuch),
    }
}

fn record(span: &Span, outcome: Result<StatusCode, &Failure>) {
    match outcome {
        Ok(status) => {
            span.record("http.response.status_code", status.as_u16());
        }
        Err(failure) => {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", failure.class.as_str());
            if let Some(status) = failure.status {
                span.record("http.response.status_code", status);
            }
        }
    }
}
