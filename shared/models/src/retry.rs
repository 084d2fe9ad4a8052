//! Delays before the next attempt, as pure arithmetic.

use std::time::Duration;

/// The delays after the first, second, … failed attempt, in seconds.
const GROWING_DELAYS_SECONDS: [u32; 6] = [1, 5, 30, 120, 600, 3600];

/// The longest delay that a server can ask for, in seconds.
const LONGEST_ASKED_SECONDS: u32 = 3600;

/// The delay after `tries` attempts that failed (at least 1), in seconds. It grows with each
/// attempt, up to one hour.
pub fn growing_delay(tries: u32) -> u32 {
    let index = (tries.max(1) - 1) as usize;
    GROWING_DELAYS_SECONDS[index.min(GROWING_DELAYS_SECONDS.len() - 1)]
}

/// The time between two renewals of a lease or a claim of this lifetime: two renewals may fail
/// before it runs out.
pub fn renewal_interval(lifetime: Duration) -> Duration {
    lifetime / 3
}

/// The delay for a server's `Retry-After` (RFC 9110 §10.2.3), in whole seconds: rounded up, at
/// least one second and at most one hour. A server that asked for more refuses the next attempt and
/// says how much of the time is left.
pub fn asked_delay(asked: Duration) -> u32 {
    let seconds = asked.as_secs() + u64::from(asked.subsec_nanos() > 0);
    u32::try_from(seconds)
        .unwrap_or(LONGEST_ASKED_SECONDS)
        .clamp(1, LONGEST_ASKED_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_at_the_last() {
        let delays: Vec<u32> = (0..9).map(growing_delay).collect();
        assert_eq!(delays, [1, 1, 5, 30, 120, 600, 3600, 3600, 3600]);
    }

    #[test]
    fn a_server_waits_as_long_as_it_asked_for_to_the_second() {
        let asked = |seconds| asked_delay(Duration::from_secs_f64(seconds));
        assert_eq!(
            [0.0, 0.2, 6.0, 46.5, 86_400.0].map(asked),
            [1, 1, 6, 47, 3600]
        );
    }
}
