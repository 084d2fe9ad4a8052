//! A server that answers as a test says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderName, HeaderValue, Request, StatusCode},
    response::Response,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

/// A request as a server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `GET`, say.
    pub(crate) method: String,
    /// `/rows`, say.
    pub(crate) path: String,
    /// Its query parameters.
    pub(crate) query: BTreeMap<String, String>,
    /// Its headers, those that are text.
    pub(crate) headers: BTreeMap<String, String>,
    /// Its body.
    pub(crate) body: String,
}

/// What a server does about a request.
pub(crate) enum Reply {
    /// Answers.
    Answer(u16, Vec<u8>),
    /// Answers with a header.
    Headed(&'static str, String, Vec<u8>),
    /// Replies with another header.
    With(&'static str, String, Box<Reply>),
    /// Sends elsewhere, by this status.
    Redirect(u16, String),
    /// Begins to answer and breaks off.
    BreakOff,
    /// Never answers.
    Hang,
    /// Answers when the gate is open.
    Gated(watch::Receiver<bool>, Box<Reply>),
}

impl Reply {
    pub(crate) fn behind(self, gate: watch::Receiver<bool>) -> Reply {
        Reply::Gated(gate, Box::new(self))
    }

    pub(crate) fn json(status: u16, body: &Value) -> Reply {
        Reply::Answer(status, body.to_string().into())
    }

    pub(crate) fn rows(rows: impl Into<Value>) -> Reply {
        Reply::json(200, &json!({ "rows": rows.into() }))
    }
}

/// What a server has seen, and how it answers.
type Shared = (Arc<Mutex<Vec<Seen>>>, Arc<Answering>);

type Answering = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A server that answers as a closure says and remembers what it was asked.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::default();
        let answer: Arc<Answering> = Arc::new(answer);
        let router = axum::Router::new()
            .fallback(handle)
            .with_state((Arc::clone(&seen), answer));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { url, seen, serving }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often it was asked by this method.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.seen()
            .iter()
            .filter(|seen| seen.method == method)
            .count()
    }

    /// The values of a query parameter, request by request; empty where one had none.
    pub(crate) fn asked_for(&self, parameter: &str) -> Vec<String> {
        let value = |seen: Seen| seen.query.get(parameter).cloned().unwrap_or_default();
        self.seen().into_iter().map(value).collect()
    }

    /// Asks it something, on a connection of its own, and waits for the answer.
    pub(crate) async fn call(&self, method: &str) {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://"))
            .await
            .unwrap();
        let request = format!("{method} / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    }

    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn handle(State((all, answer)): State<Shared>, request: Request<Body>) -> Response {
    let seen = seen(request).await;
    all.lock().unwrap().push(seen.clone());
    respond(answer(&seen)).await
}

async fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Answer(status, body) => response(status, Body::from(body)),
        Reply::Headed(name, value, body) => {
            let mut response = response(200, Body::from(body));
            response
                .headers_mut()
                .insert(name, HeaderValue::try_from(value).unwrap());
            response
        }
        Reply::With(name, value, reply) => {
            let mut response = Box::pin(respond(*reply)).await;
            response
                .headers_mut()
                .insert(name, HeaderValue::try_from(value).unwrap());
            response
        }
        Reply::Redirect(status, to) => {
            let mut response = response(status, Body::empty());
            response
                .headers_mut()
                .insert("location", to.parse().unwrap());
            response
        }
        Reply::BreakOff => {
            let broken = std::io::Error::other("broken off");
            response(
                200,
                Body::from_stream(stream::iter([Ok(Bytes::from("{")), Err(broken)])),
            )
        }
        Reply::Hang => std::future::pending().await,
        Reply::Gated(mut gate, reply) => {
            gate.wait_for(|open| *open).await.unwrap();
            Box::pin(respond(*reply)).await
        }
    }
}

async fn seen(request: Request<Body>) -> Seen {
    let (parts, body) = request.into_parts();
    let url = Url::parse(&format!("http://here{}", parts.uri)).unwrap();
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.to_string(), value.to_str().ok()?.to_owned()))
    };
    Seen {
        method: parts.method.to_string(),
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: parts.headers.iter().filter_map(text).collect(),
        body: String::from_utf8(axum::body::to_bytes(body, usize::MAX).await.unwrap().into())
            .unwrap(),
    }
}

fn response(status: u16, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Rows that a test can change between runs.
#[derive(Clone, Default)]
pub(crate) struct Rows(Arc<Mutex<Vec<String>>>);

impl Rows {
    pub(crate) fn set<const N: usize>(&self, rows: [Value; N]) {
        self.set_json(rows.map(|row| row.to_string()));
    }

    /// Rows as they are to be written.
    pub(crate) fn set_json<const N: usize>(&self, rows: [String; N]) {
        *self.0.lock().unwrap() = rows.into();
    }

    /// All of them, on one page.
    pub(crate) fn answer(&self) -> Reply {
        Reply::Answer(
            200,
            format!(r#"{{"rows":[{}]}}"#, self.0.lock().unwrap().join(",")).into(),
        )
    }

    /// A source that answers with all of them on one page.
    pub(crate) async fn serve(&self) -> Server {
        let rows = self.clone();
        Server::start(move |_| rows.answer()).await
    }
}
