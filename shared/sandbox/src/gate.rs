//! The gate in front of a system: it checks credentials, and then makes faults.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    middleware::{self, Next},
    routing::post,
};
use futures_util::{StreamExt, stream};

use crate::{
    fault::{FaultAction, FaultPlan},
    server::HangUp,
};

/// The gate of one system.
#[derive(Debug)]
pub(crate) struct RequestGate {
    header: HeaderName,
    credentials: String,
    challenge: &'static str,
    faults: Mutex<FaultPlan>,
    struck: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
}

impl RequestGate {
    /// A gate that lets in requests with `credentials` in `header`, and answers others with
    /// `challenge`.
    pub(crate) fn new(
        header: HeaderName,
        credentials: String,
        challenge: &'static str,
        faults: FaultPlan,
    ) -> RequestGate {
        RequestGate {
            header,
            credentials,
            challenge,
            faults: Mutex::new(faults),
            struck: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            most_in_flight: AtomicU64::new(0),
        }
    }

    /// Puts the gate in front of the routes of the API and adds `POST /_sandbox/faults`. All routes
    /// below `/_sandbox` are for those who run the sandbox: they need no credentials and have no
    /// faults.
    pub(crate) fn before(self: &Arc<RequestGate>, api: Router, sandbox: Router) -> Router {
        let control = Router::new()
            .route("/_sandbox/faults", post(set_faults))
            .with_state(self.clone());
        api.layer(middleware::from_fn_with_state(self.clone(), pass))
            .merge(control)
            .merge(sandbox)
    }

    /// Replaces the faults. Their counts start anew.
    pub(crate) fn set_faults(&self, faults: FaultPlan) {
        *self.faults() = faults;
    }

    /// Number of requests that faults struck, and of requests that were in flight at a time at
    /// most.
    pub(crate) fn counted(&self) -> (u64, u64) {
        (self.struck.load(Relaxed), self.most_in_flight.load(Relaxed))
    }

    fn faults(&self) -> MutexGuard<'_, FaultPlan> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lets_in(&self, request: &Request) -> bool {
        request
            .headers()
            .get(&self.header)
            .is_some_and(|sent| sent.as_bytes() == self.credentials.as_bytes())
    }
}

async fn set_faults(
    State(gate): State<Arc<RequestGate>>,
    Json(faults): Json<FaultPlan>,
) -> StatusCode {
    gate.set_faults(faults);
    StatusCode::NO_CONTENT
}

async fn pass(
    State(gate): State<Arc<RequestGate>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let _in_flight = InFlightGuard::enter(&gate);
    if !gate.lets_in(&request) {
        return refusal(
            StatusCode::UNAUTHORIZED,
            header::WWW_AUTHENTICATE,
            gate.challenge,
        );
    }
    let (delay, act) = gate.faults().next(request.method().as_str());
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match act {
        None => next.run(request).await,
        Some(act) => {
            gate.struck.fetch_add(1, Relaxed);
            strike(act, request, next).await
        }
    }
}

async fn strike(act: FaultAction, request: Request, next: Next) -> Response<Body> {
    match act {
        FaultAction::Answer {
            status,
            retry_after,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            refusal(
                status,
                header::RETRY_AFTER,
                retry_after.as_deref().unwrap_or_default(),
            )
        }
        FaultAction::HangUp => hang_up(),
        FaultAction::HangUpAfter => {
            next.run(request).await;
            hang_up()
        }
        FaultAction::EffectAfter { ms } => {
            carry_out_after(Duration::from_millis(ms), request, next).await;
            hang_up()
        }
        FaultAction::Garbage => {
            next.run(request).await;
            Response::new(Body::from("<html><body>It works!</body></html>"))
        }
        FaultAction::BreakOff => broken_off(next.run(request).await).await,
        FaultAction::Late { ms } => {
            let answer = next.run(request).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            answer
        }
    }
}

/// Answers nothing, and carries out the request after its client has given up waiting.
async fn carry_out_after(delay: Duration, request: Request, next: Next) {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        next.run(Request::from_parts(head, Body::from(body))).await
    });
}

/// A refusal, with one header where its value is not empty.
fn refusal(status: StatusCode, name: HeaderName, value: &str) -> Response<Body> {
    let text = status.canonical_reason().unwrap_or("refused");
    let mut answer = Response::new(Body::from(format!(r#"{{"error":"{text}"}}"#)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// An answer of which half comes before the connection closes.
async fn broken_off(answer: Response<Body>) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let half = stream::iter([Ok(body.slice(..body.len() / 2))]);
    // What has come is sent when there is nothing more for the moment.
    let end = stream::once(tokio::task::yield_now()).map(|()| Err(HangUp));
    Response::from_parts(head, Body::from_stream(half.chain(end)))
}

fn hang_up() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    answer.extensions_mut().insert(HangUp);
    answer
}

/// Counts a request as in flight until it is dropped, also where the client goes away in the
/// middle.
struct InFlightGuard<'a>(&'a RequestGate);

impl InFlightGuard<'_> {
    fn enter(gate: &RequestGate) -> InFlightGuard<'_> {
        let now = gate.in_flight.fetch_add(1, Relaxed) + 1;
        gate.most_in_flight.fetch_max(now, Relaxed);
        InFlightGuard(gate)
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
