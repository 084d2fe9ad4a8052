//! The connections of senders.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use pomost_runtime::shutdown;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Limits, hook::Hooks};

/// How much of a request's head is read at most.
const MAX_HEAD: usize = 64 * 1024;

/// Serves the connections of senders until shutdown; then none is accepted, and each ends with the
/// request it is at.
pub(super) async fn serve(
    listener: TcpListener,
    hooks: Arc<Hooks>,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, hooks.clone(), limits, shutdown.clone()));
                }
                // Out of file descriptors, most likely: others have to close first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop((listener, hooks));
    let ending = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(shutdown::GRACE_PERIOD, ending)
        .await
        .is_err()
    {
        warn!("leaving deliveries unanswered; their senders deliver them again");
    }
}

async fn connection(
    stream: TcpStream,
    hooks: Arc<Hooks>,
    limits: Limits,
    shutdown: CancellationToken,
) {
    // Without it small answers wait for the sender's acknowledgements; failing is no harm.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let hooks = hooks.clone();
        async move { Ok::<_, Infallible>(hooks.answer(request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    // A connection that breaks is the sender's to notice.
    let _ = tokio::select! {
        served = &mut serving => served,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
}
