//! Pauses between attempts.

use std::time::Duration;

use backon::ExponentialBuilder;

/// Pauses that grow from the first to the longest, however often something is tried.
pub fn growing_pauses(first: Duration, longest: Duration) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(longest)
        .without_max_times()
}
