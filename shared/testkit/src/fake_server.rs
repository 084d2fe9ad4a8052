//! A server that replies as a test says and records the requests.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Body, extract::State, http::Request, response::Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{ReceivedRequest, Reply};

/// A server on loopback that replies as a closure says and records what it was asked. It stops when
/// it is dropped.
pub struct FakeServer {
    /// The base URL.
    pub url: String,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
    serving: JoinHandle<()>,
}

type Answering = dyn Fn(&ReceivedRequest) -> Reply + Send + Sync;

type Shared = (Arc<Mutex<Vec<ReceivedRequest>>>, Arc<Answering>);

impl FakeServer {
    /// Starts a server whose replies the closure chooses.
    pub async fn start(
        answer: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
    ) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::default();
        let answer: Arc<Answering> = Arc::new(answer);
        let router = Router::new()
            .fallback(handle)
            .with_state((Arc::clone(&requests), answer));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        FakeServer {
            url,
            requests,
            serving,
        }
    }

    /// All requests so far, in the order in which they arrived.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// Number of requests with this method.
    pub fn count_method(&self, method: &str) -> usize {
        self.count(|request| request.method == method)
    }

    /// Number of requests for this path.
    pub fn count_path(&self, path: &str) -> usize {
        self.count(|request| request.path == path)
    }

    /// The values of a query parameter, request by request; empty where a request had none.
    pub fn query_values(&self, parameter: &str) -> Vec<String> {
        let value =
            |request: ReceivedRequest| request.query.get(parameter).cloned().unwrap_or_default();
        self.requests().into_iter().map(value).collect()
    }

    /// Forgets all requests so far.
    pub fn forget_requests(&self) {
        self.requests.lock().unwrap().clear();
    }

    /// Sends a request with this method to the server itself, on a connection of its own, and waits
    /// for the reply.
    pub async fn send(&self, method: &str) {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://"))
            .await
            .unwrap();
        let request = format!("{method} / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    }

    fn count(&self, is: impl Fn(&ReceivedRequest) -> bool) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| is(request)).count()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn handle(State((requests, answer)): State<Shared>, request: Request<Body>) -> Response {
    let request = ReceivedRequest::read(request).await;
    requests.lock().unwrap().push(request.clone());
    answer(&request).into_response().await
}
