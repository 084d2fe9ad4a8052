//! The end of a process.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long work in hand may take after the signal.
pub const GRACE: Duration = Duration::from_secs(20);

/// How long everything may take after the signal. With the traces that are sent last, a process is gone
/// within 25 s, under the 30 s that Kubernetes grants.
const LIMIT: Duration = Duration::from_secs(22);

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        info!("stopping: finishing what is in hand; a second signal leaves at once");
        cancelled.cancel();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        warn!("leaving at once");
        std::process::exit(130);
    });
    Ok(token)
}

/// Runs to the end, but not longer than [`LIMIT`] after the token was cancelled. A server that has fallen
/// silent would be waited for; what it was to be told is left to others, as if we had been killed.
pub async fn in_time<E>(
    token: &CancellationToken,
    running: impl Future<Output = Result<(), E>>,
) -> Result<(), E> {
    let overdue = async {
        token.cancelled().await;
        tokio::time::sleep(LIMIT).await;
    };
    tokio::select! {
        ended = running => ended,
        () = overdue => {
            warn!("leaving what does not come to its end; others take it up");
            Ok(())
        }
    }
}
