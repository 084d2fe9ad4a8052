//! `/healthz`, `/readyz` and `/metrics` of a process.

use std::net::SocketAddr;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::{ServiceContext, metrics};

/// Serves the health of a process until the process ends. Returns the address that it listens on.
pub async fn serve(address: SocketAddr, context: ServiceContext) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(context))
        .route("/metrics", get(render).with_state(metrics::recorder()));
    // It is served to the very end, so that readiness says "stopping" meanwhile.
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(bound)
}

/// A process is ready when its broker and its store answer and it was not told to end.
async fn ready(State(context): State<ServiceContext>) -> (StatusCode, String) {
    if context.shutdown.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
    }
    let (broker, store) = tokio::join!(context.broker().ping(), context.store().ping());
    let troubles: String = [
        broker.err().map(|error| error.to_string()),
        store.err().map(|error| error.to_string()),
    ]
    .into_iter()
    .flatten()
    .map(|trouble| trouble + "\n")
    .collect();
    match troubles.is_empty() {
        true => (StatusCode::OK, "ok\n".into()),
        false => (StatusCode::SERVICE_UNAVAILABLE, troubles),
    }
}

async fn render(State(handle): State<PrometheusHandle>) -> String {
    handle.render()
}
