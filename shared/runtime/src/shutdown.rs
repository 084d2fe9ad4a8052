//! The end of a process.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long work in hand may take after the signal. With what comes before and after it, a process
/// is gone within 25 s, under the 30 s that Kubernetes grants.
pub const GRACE: Duration = Duration::from_secs(20);

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
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
