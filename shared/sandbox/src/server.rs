//! A listener that stops when dropped, its connections included, and that can hang up on a request.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::Request, http::Response};
use hyper::{body::Incoming, server::conn::http1, service::Service, service::service_fn};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::Error;

/// A running server.
#[derive(Debug)]
pub(crate) struct SandboxServer {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// Put into a response's extensions, this closes the connection instead of answering.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("hung up, as asked")]
pub(crate) struct HangUp;

impl SandboxServer {
    /// Listens on the address; port 0 takes any free one.
    pub(crate) async fn start(address: SocketAddr, router: Router) -> Result<SandboxServer, Error> {
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(SandboxServer {
            address,
            accepting: tokio::spawn(accept(listener, router)),
        })
    }

    /// Stops, and returns when the port is free again.
    pub(crate) async fn stop(&mut self) {
        self.accepting.abort();
        if !self.accepting.is_finished() {
            // It ends by being aborted, which is what was asked for.
            let _ = (&mut self.accepting).await;
        }
    }
}

impl Drop for SandboxServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, router: Router) {
    // Dropped with this future, the set aborts the connections that are left.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, router.clone())); }
                // Out of file descriptors, most likely: others have to close first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, router: Router) {
    // Without it small answers wait for the client's acknowledgements; failing is no harm.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = router.call(request);
        async move { unless_hung_up(answer.await) }
    });
    // A connection that breaks is the client's to notice.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn unless_hung_up(answer: Result<Response<Body>, Infallible>) -> Result<Response<Body>, HangUp> {
    let Ok(answer) = answer;
    match answer.extensions().get::<HangUp>() {
        Some(hang_up) => Err(*hang_up),
        None => Ok(answer),
    }
}
