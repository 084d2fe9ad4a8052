//! A server that answers as a test says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    body::{Body, to_bytes},
    extract::State,
    http::Request,
    response::Response,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::{net::TcpListener, task::JoinHandle};
use url::{Url, form_urlencoded};

/// A request as a server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    /// A header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// The fields of a form.
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }
}

/// The answer of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    never_ends: bool,
}

impl Reply {
    pub(crate) fn of(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            body: body.into(),
            ..Reply::default()
        }
    }

    pub(crate) fn ok() -> Reply {
        Reply::of(200, "{}")
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Reply {
        self.headers.push((name, value.to_string()));
        self
    }

    /// The body is not the end: more is promised and does not come.
    pub(crate) fn that_never_ends(self) -> Reply {
        Reply {
            never_ends: true,
            ..self
        }
    }
}

/// The requests that a server has seen, and the function that answers them.
type Shared = (Arc<Mutex<Vec<Seen>>>, Arc<Answering>);

type Answering = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A server that remembers what it was asked.
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

    /// Returns the number of requests for a path.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path == path).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn handle(State((all, answer)): State<Shared>, request: Request<Body>) -> Response {
    let seen = see(request).await;
    all.lock().unwrap().push(seen.clone());
    let reply = answer(&seen);
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    let body = match reply.never_ends {
        false => Body::from(reply.body),
        true => {
            let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(reply.body))]);
            Body::from_stream(first.chain(stream::pending()))
        }
    };
    response.body(body).unwrap()
}

/// A request as it came.
pub(crate) async fn see(request: Request<Body>) -> Seen {
    let (parts, body) = request.into_parts();
    let url = Url::parse(&format!("http://here{}", parts.uri)).unwrap();
    let headers = parts.headers.iter();
    Seen {
        method: parts.method.to_string(),
        path: url.path().to_owned(),
        query: url.query().unwrap_or_default().to_owned(),
        headers: headers
            .map(|(name, value)| {
                (
                    name.to_string(),
                    value.to_str().unwrap_or_default().to_owned(),
                )
            })
            .collect(),
        body: String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().into()).unwrap(),
    }
}
