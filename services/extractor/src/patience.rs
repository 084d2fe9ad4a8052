//! Asking a source again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use pomost_http::{Failure, FailureClass, SystemClient};
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
        Patience {
            delays: delays.build(),
            attempts: 0,
        }
    }
}

impl Patience {
    /// Waits until it is time to ask again. A system that is down, is away, throttles or refuses our
    /// credentials is waited for, however long; a failure that may pass is waited for a few times; any
    /// other comes back.
    pub async fn wait(
        &mut self,
        client: &SystemClient,
        flow: &str,
        failure: Failure,
    ) -> Result<(), Failure> {
        let is_down = client.is_down();
        let Some(delay) = self.delay(&failure, is_down) else {
            return Err(failure);
        };
        let (class, wait) = (failure.class.as_str(), delay.as_secs_f64());
        // That a system is down has been said.
        match failure.not_sent || is_down {
            true => debug!(flow, error = %failure, class, wait, "the source waits"),
            false => warn!(flow, error = %failure, class, wait, "the source waits"),
        }
        client.rest(delay).await;
        Ok(())
    }

    /// How long to wait; nothing where that would not help. An outage uses no patience up, and gives back
    /// what its first failures took.
    fn delay(&mut self, failure: &Failure, is_down: bool) -> Option<Duration> {
        self.attempts = if is_down { 0 } else { self.attempts };
        let waits =
            failure.class.is_of_the_system() || is_down && failure.class == FailureClass::Transient;
        self.attempts += usize::from(!waits);
        let may_pass = failure.class == FailureClass::Transient && self.attempts < ATTEMPTS;
        let delay = self.delays.next().filter(|_| waits || may_pass)?;
        Some(failure.retry_after.map_or(delay, |asked| asked.max(delay)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: FailureClass) -> Failure {
        Failure::new(class, "it failed".to_owned())
    }

    /// How often somebody waits, of so many times.
    fn waits(patience: &mut Patience, class: FailureClass, is_down: bool, times: usize) -> usize {
        (0..times)
            .map_while(|_| patience.delay(&failure(class), is_down))
            .count()
    }

    #[test]
    fn a_failure_that_may_pass_is_waited_for_a_few_times_and_any_other_not_at_all() {
        assert_eq!(
            waits(
                &mut Patience::default(),
                FailureClass::Transient,
                false,
                100
            ),
            ATTEMPTS - 1
        );
        assert_eq!(
            waits(&mut Patience::default(), FailureClass::Invalid, false, 100),
            0
        );
        assert_eq!(
            waits(&mut Patience::default(), FailureClass::Invalid, true, 100),
            0
        );
    }

    #[test]
    fn an_outage_is_waited_for_however_long_and_uses_no_patience_up() {
        let mut patience = Patience::default();
        assert_eq!(waits(&mut patience, FailureClass::Transient, false, 10), 10);
        assert_eq!(
            waits(&mut patience, FailureClass::Transient, true, 100),
            100
        );
        assert_eq!(
            waits(&mut patience, FailureClass::Throttled, false, 100),
            100
        );
        assert_eq!(
            waits(&mut patience, FailureClass::Transient, false, 100),
            ATTEMPTS - 1
        );
    }
}
