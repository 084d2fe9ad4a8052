//! An authorisation server whose refresh tokens are good for one use, and the API that takes its
//! access tokens for so many uses.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::Request,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::{ReceivedRequest, SystemFile};

/// The authorisation server and the API.
pub(crate) struct Authority {
    pub(crate) url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    state: Mutex<AuthorityState>,
    /// True while token requests get in.
    gate: watch::Sender<bool>,
    /// Token requests that wait before the gate.
    waiting: AtomicUsize,
}

/// The fault of the next token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The refresh token is used up, and the answer does not come.
    AnswerLost,
    /// The server is not ready.
    Unavailable,
}

/// The counts and the settings.
#[derive(Debug, Default, Clone)]
pub(crate) struct AuthorityState {
    /// The number of the current refresh token and access token.
    pub(crate) issued: usize,
    /// The number of times that the current access token is still taken.
    uses: usize,
    /// The number of times that each access token is taken.
    life: usize,
    /// The number of access tokens that were used up.
    pub(crate) expired: usize,
    /// Refresh tokens that were shown after their use.
    pub(crate) reused: usize,
    /// Renewals while the access token was good.
    pub(crate) premature: usize,
    /// Token requests of any outcome.
    pub(crate) asked: usize,
    /// The worker that asked for a token and waits before the gate.
    pub(crate) asking: Option<String>,
    /// The number of used up access tokens after which the API says that it is done.
    pub(crate) until: usize,
    /// Requests that the API took.
    pub(crate) served: usize,
    /// The token answers hold no new refresh token.
    pub(crate) keeps_refresh_token: bool,
    pub(crate) expires_in: Option<u64>,
    pub(crate) fault: Option<Fault>,
}

impl Authority {
    /// Starts the server; each access token is taken `life` times.
    pub(crate) async fn start(life: usize) -> Authority {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Mutex::new(AuthorityState {
            life,
            until: usize::MAX,
            ..AuthorityState::default()
        });
        let shared = Arc::new(Shared {
            state,
            gate: watch::Sender::new(true),
            waiting: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/token", post(token))
            .route("/things", get(things))
            .with_state(shared.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Authority {
            url,
            shared,
            serving,
        }
    }

    /// The system whose API it is, with its first refresh token.
    pub(crate) fn system(&self) -> SystemFile {
        Authority::system_at(&self.url)
    }

    /// Returns the same system, where the server is another process's.
    pub(crate) fn system_at(url: &str) -> SystemFile {
        let auth = format!(
            "auth:\n  oauth2:\n    grant: refresh_token\n    token_url: {url}/token\n    client_id: us\n    \
             client_secret: ${{CLIENT_SECRET}}\n    refresh_token: ${{REFRESH_TOKEN}}\n    \
             parameters: {{ worker: '${{WORKER}}' }}"
        );
        let system = SystemFile::at(url)
            .with(&auth)
            .set("CLIENT_SECRET", "secret-CANARY");
        system
            .set("REFRESH_TOKEN", "refresh-CANARY-0")
            .set("WORKER", "none")
    }

    pub(crate) fn standing(&self) -> AuthorityState {
        self.shared.lock().clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut AuthorityState)) {
        change(&mut self.shared.lock());
    }

    /// Makes the access token expire.
    pub(crate) fn expire(&self) {
        self.change(|state| {
            state.expired += usize::from(state.uses > 0);
            state.uses = 0;
        });
    }

    pub(crate) fn close_gate(&self) {
        self.shared.gate.send_replace(false);
    }

    pub(crate) fn open_gate(&self) {
        self.shared.gate.send_replace(true);
    }

    /// Returns the number of token requests that wait before the gate.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::SeqCst)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, AuthorityState> {
        self.state.lock().unwrap()
    }
}

/// Counts a request that waits; one whose sender is gone is dropped.
struct Waiting(Arc<Shared>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn token(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let seen = ReceivedRequest::read(request).await;
    shared.lock().asking = seen.form().get("worker").cloned();
    shared.waiting.fetch_add(1, Ordering::SeqCst);
    let waiting = Waiting(shared.clone());
    shared
        .gate
        .subscribe()
        .wait_for(|open| *open)
        .await
        .unwrap();
    drop(waiting);
    let answer = shared.lock().token(&seen);
    match answer {
        Some((status, body)) => (status, body.to_string()).into_response(),
        None => {
            let broken =
                futures_util::stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("lost"))]);
            Body::from_stream(broken).into_response()
        }
    }
}

impl AuthorityState {
    fn token(&mut self, seen: &ReceivedRequest) -> Option<(StatusCode, Value)> {
        self.asked += 1;
        let (form, fault) = (seen.form(), self.fault.take());
        // us:secret-CANARY
        assert_eq!(
            seen.header("authorization"),
            "Basic dXM6c2VjcmV0LUNBTkFSWQ=="
        );
        assert_eq!(form["grant_type"], "refresh_token");
        if fault == Some(Fault::Unavailable) {
            return Some((StatusCode::SERVICE_UNAVAILABLE, json!({})));
        }
        let current = if self.keeps_refresh_token {
            0
        } else {
            self.issued
        };
        if form["refresh_token"] != format!("refresh-CANARY-{current}") {
            self.reused += 1;
            // Servers have been seen to repeat what they were sent.
            let description = format!("{} was used before", form["refresh_token"]);
            let error = json!({ "error": "invalid_grant", "error_description": description });
            return Some((StatusCode::BAD_REQUEST, error));
        }
        self.premature += usize::from(self.uses > 0);
        self.issued += 1;
        self.uses = self.life;
        let mut answer = json!({
            "access_token": format!("access-CANARY-{}", self.issued),
            "token_type": "bearer",
        });
        if !self.keeps_refresh_token {
            answer["refresh_token"] = json!(format!("refresh-CANARY-{}", self.issued));
        }
        if let Some(seconds) = self.expires_in {
            answer["expires_in"] = json!(seconds);
        }
        (fault != Some(Fault::AnswerLost)).then_some((StatusCode::OK, answer))
    }

    fn take(&mut self, authorisation: &str) -> (StatusCode, Value) {
        if authorisation != format!("Bearer access-CANARY-{}", self.issued) || self.uses == 0 {
            return (
                StatusCode::UNAUTHORIZED,
                json!({ "error": format!("{authorisation} is not taken") }),
            );
        }
        self.served += 1;
        let done = self.expired >= self.until;
        if !done {
            self.uses -= 1;
            self.expired += usize::from(self.uses == 0);
        }
        (StatusCode::OK, json!({ "done": done }))
    }
}

async fn things(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let seen = ReceivedRequest::read(request).await;
    let (status, body) = shared.lock().take(seen.header("authorization"));
    (status, body.to_string()).into_response()
}
