//! Leaving a system alone for a while.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tracing::warn;

/// The longest pause, in case the system's idea of time is odd.
pub(crate) const LONGEST: Duration = Duration::from_secs(600);

/// How long a request waits for the end of a pause. What would take longer is told to whoever wants
/// to make it, who may hold a message meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// Until when a system takes no request.
#[derive(Default)]
pub(crate) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Begins a pause, or makes it last longer; a new one is told once.
    pub(crate) fn begin(&self, system: &str, length: Duration) {
        let (now, mut until) = (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if until.is_none_or(|until| until <= now) && !length.is_zero() {
            warn!(
                system,
                seconds = length.min(LONGEST).as_secs_f64(),
                "the system takes no more requests for now"
            );
        }
        *until = (*until).max(Some(now + length.min(LONGEST)));
    }

    /// Waits for the end of a short pause. A longer one is the error: how long it still lasts.
    pub(crate) async fn heed(&self) -> Result<(), Duration> {
        while let Some(left) = self.left() {
            if left > PATIENCE {
                return Err(left);
            }
            sleep_until(Instant::now() + left).await;
        }
        Ok(())
    }

    /// How long it still lasts; none where there is no pause.
    pub(crate) fn left(&self) -> Option<Duration> {
        let until = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}
