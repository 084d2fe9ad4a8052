//! When something is tried again: pure arithmetic.

use std::time::Duration;

/// The delays before the tries that follow each other, in seconds.
const GROWING: [u32; 6] = [1, 5, 30, 120, 600, 3600];

/// The longest delay at a time, in seconds.
const LONGEST_ASKED: u32 = 3600;

/// The delay before try number `tries + 1`, after `tries` that did not succeed (at least 1), in seconds:
/// it grows with each try and stays at an hour.
pub fn growing_delay(tries: u32) -> u32 {
    let place = (tries.max(1) - 1) as usize;
    GROWING[place.min(GROWING.len() - 1)]
}

/// The time between two renewals of a lease or a claim of this lifetime: two renewals may fail before it runs out.
pub fn renewal_interval(lifetime: Duration) -> Duration {
    lifetime / 3
}

/// The delay that a server asked for with `Retry-After` (RFC 9110 §10.2.3), in whole seconds: no less than
/// that, at least one and at most an hour. What comes back earlier than the server asked for is told how much of
/// that is left, and waits again.
pub fn asked_delay(asked: Duration) -> u32 {
    let seconds = asked.as_secs() + u64::from(asked.subsec_nanos() > 0);
    u32::try_from(seconds)
        .unwrap_or(LONGEST_ASKED)
        .clamp(1, LONGEST_ASKED)
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
