//! The end of a process.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The time within which work in hand is finished after the signal.
pub const GRACE_PERIOD: Duration = Duration::from_secs(20);

/// The time within which everything has ended after the signal. With the traces that are sent last,
/// a process has ended within 25 s, under the 30 s that Kubernetes grants.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(22);

/// The exit code after a second signal: that of a program ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let cancelled = token.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        info!("stopping: finishing what is in hand; a second signal leaves at once");
        cancelled.cancel();
        either(&mut terminate, &mut interrupt).await;
        warn!("leaving at once");
        std::process::exit(INTERRUPTED);
    });
    Ok(token)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
}

/// Runs to the end, but not longer than [`SHUTDOWN_TIMEOUT`] after the token was cancelled; `None`
/// where the time was not enough. A server that has fallen silent would be waited for; other
/// processes take up what it was to be told, as if this one had been killed.
pub async fn in_time<T>(token: &CancellationToken, running: impl Future<Output = T>) -> Option<T> {
    within(SHUTDOWN_TIMEOUT, token, running).await
}

async fn within<T>(
    timeout: Duration,
    token: &CancellationToken,
    running: impl Future<Output = T>,
) -> Option<T> {
    let overdue = async {
        token.cancelled().await;
        tokio::time::sleep(timeout).await;
    };
    tokio::select! {
        ended = running => Some(ended),
        () = overdue => {
            warn!("leaving what does not come to its end; others take it up");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn what_does_not_come_to_its_end_is_left_when_the_time_is_up() {
        let token = CancellationToken::new();
        let none = Duration::ZERO;
        let working = within(none, &token, tokio::task::yield_now()).await;
        assert_eq!(working, Some(()), "nobody has told it to end");
        token.cancel();
        let long = Duration::from_secs(600);
        let finishing = within(long, &token, tokio::task::yield_now()).await;
        assert_eq!(finishing, Some(()), "there is time to finish");
        assert_eq!(within(none, &token, pending::<()>()).await, None);
    }
}
