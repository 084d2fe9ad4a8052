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

use super::{ReceiverLimits, routes::WebhookRoutes};

/// Length limit of a request's head, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Serves the connections of senders until shutdown. Then no more are accepted, and each ends after
/// its current request.
pub(super) async fn serve(
    listener: TcpListener,
    routes: Arc<WebhookRoutes>,
    limits: ReceiverLimits,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.max_connections => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, routes.clone(), limits, shutdown.clone()));
                }
                // The process is out of file descriptors, most likely: other connections have to
                // close first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop((listener, routes));
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
    routes: Arc<WebhookRoutes>,
    limits: ReceiverLimits,
    shutdown: CancellationToken,
) {
    // Without it, small responses wait for the sender's TCP acknowledgements. If it fails, they are
    // only late.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(routes.answer(request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    // A sender whose connection broke delivers again, so the error matters to nobody here.
    let _ = tokio::select! {
        served = &mut serving => served,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
}
