//! Asking a source again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use pomost_http::{Class, Client, Failure};
use tracing::{debug, warn};

/// How often something is asked for before its run fails, where the failure is not the system's state: more
/// often than it takes to see that the system is down.
const ATTEMPTS: usize = 12;

/// How long it takes until something is asked for again: longer each time.
pub struct Patience {
    delays: ExponentialBackoff,
    attempts: usize,
}

impl Default for Patience {
    fn default() -> Patience {
        let delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_secs(30))
            .without_max_times()
            .with_jitter();
        Patience { delays: delays.build(), attempts: 0 }
    }
}

impl Patience {
    /// Waits until it is time to ask again. A system that is down, is away, throttles or refuses our
    /// credentials is waited for, however long; a failure that may pass is waited for a few times; any
    /// other comes back.
    pub async fn wait(&mut self, client: &Client, flow: &str, failure: Failure) -> Result<(), Failure> {
        let down = failure.class == Class::Transient && client.is_down();
        let of_the_system = failure.class.is_of_the_system() || down;
        self.attempts = if down { 0 } else { self.attempts + usize::from(!of_the_system) };
        let may_pass = failure.class == Class::Transient && self.attempts < ATTEMPTS;
        let delay = self.delays.next().filter(|_| of_the_system || may_pass);
        let Some(delay) = delay else { return Err(failure) };
        let delay = failure.retry_after.map_or(delay, |asked| asked.max(delay));
        let (class, wait) = (failure.class.as_str(), delay.as_secs_f64());
        match failure.unasked {
            true => debug!(flow, error = %failure, class, wait, "the source waits"),
            false => warn!(flow, error = %failure, class, wait, "the source waits"),
        }
        tokio::time::sleep(delay).await;
        Ok(())
    }
}
