//! The pauses before a failed request is sent again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff};
use pomost_http::{Failure, FailureClass};
use pomost_runtime::backoff::growing_pauses;
use tracing::{debug, warn};

use super::Source;

/// Number of attempts before a failure that may pass fails the run. It is more than the breaker
/// needs to see that the system is down; from then on, attempts are not counted.
const MAX_ATTEMPTS: usize = 12;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The growing pauses between the attempts of one request.
pub(crate) struct RetryBackoff {
    pauses: ExponentialBackoff,
    attempts: usize,
}

impl Default for RetryBackoff {
    fn default() -> RetryBackoff {
        let pauses = growing_pauses(FIRST_PAUSE, LONGEST_PAUSE).with_jitter();
        RetryBackoff {
            pauses: pauses.build(),
            attempts: 0,
        }
    }
}

impl RetryBackoff {
    /// Waits until the request may be sent again, or returns the failure if another attempt would
    /// not help. A system that is down, is away, throttles or refuses our credentials is waited for
    /// without limit; a failure that may pass is retried a few times; any other is returned at
    /// once.
    pub(crate) async fn wait(&mut self, source: &Source, failure: Failure) -> Result<(), Failure> {
        let is_down = source.client.is_down();
        let Some(pause) = self.next_pause(&failure, is_down) else {
            return Err(failure);
        };
        let flow = &source.flow.name;
        let (class, wait) = (failure.class.as_str(), pause.as_secs_f64());
        // The breaker has logged already that the system is down.
        match failure.not_sent || is_down {
            true => debug!(flow, error = %failure, class, wait, "the source waits"),
            false => warn!(flow, error = %failure, class, wait, "the source waits"),
        }
        match failure.class {
            FailureClass::Throttled => source.client.rest(pause).await,
            _ => tokio::time::sleep(pause).await,
        }
        Ok(())
    }

    /// Returns the next pause, or `None` if waiting would not help. An outage resets the count: the
    /// attempts before the breaker opened met the outage, too.
    fn next_pause(&mut self, failure: &Failure, is_down: bool) -> Option<Duration> {
        self.attempts = if is_down { 0 } else { self.attempts };
        let is_outage =
            failure.class.is_of_the_system() || is_down && failure.class == FailureClass::Transient;
        self.attempts += usize::from(!is_outage);
        let may_pass = failure.class == FailureClass::Transient && self.attempts < MAX_ATTEMPTS;
        let pause = self.pauses.next().filter(|_| is_outage || may_pass)?;
        Some(failure.retry_after.map_or(pause, |asked| asked.max(pause)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: FailureClass) -> Failure {
        Failure::new(class, "it failed".to_owned())
    }

    /// Number of pauses granted in up to `times` attempts.
    fn waits(
        backoff: &mut RetryBackoff,
        class: FailureClass,
        is_down: bool,
        times: usize,
    ) -> usize {
        (0..times)
            .map_while(|_| backoff.next_pause(&failure(class), is_down))
            .count()
    }

    #[test]
    fn a_failure_that_may_pass_is_waited_for_a_few_times_and_any_other_not_at_all() {
        assert_eq!(
            waits(
                &mut RetryBackoff::default(),
                FailureClass::Transient,
                false,
                100
            ),
            MAX_ATTEMPTS - 1
        );
        assert_eq!(
            waits(
                &mut RetryBackoff::default(),
                FailureClass::Invalid,
                false,
                100
            ),
            0
        );
        assert_eq!(
            waits(
                &mut RetryBackoff::default(),
                FailureClass::Invalid,
                true,
                100
            ),
            0
        );
    }

    #[test]
    fn an_outage_is_waited_for_however_long_and_uses_no_attempts_up() {
        let mut backoff = RetryBackoff::default();
        assert_eq!(waits(&mut backoff, FailureClass::Transient, false, 10), 10);
        assert_eq!(waits(&mut backoff, FailureClass::Transient, true, 100), 100);
        assert_eq!(
            waits(&mut backoff, FailureClass::Throttled, false, 100),
            100
        );
        assert_eq!(
            waits(&mut backoff, FailureClass::Transient, false, 100),
            MAX_ATTEMPTS - 1
        );
    }
}
