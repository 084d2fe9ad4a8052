//! When something is tried again: pure arithmetic over the broker's delay levels.

use std::time::Duration;

/// The delays the broker offers, in seconds. Each is a queue of its own, because a queue of mixed
/// delays would hold short ones behind long ones.
pub const DELAY_LEVELS: [u32; 6] = [1, 5, 30, 120, 600, 3600];

/// The delay before try number `tries + 1`, after `tries` that did not succeed (at least 1): it
/// grows a level a try and stays at the last.
pub fn growing_delay(tries: u32) -> u32 {
    let level = (tries.max(1) - 1) as usize;
    DELAY_LEVELS[level.min(DELAY_LEVELS.len() - 1)]
}

/// The shortest delay that is not under what a server asked for with `Retry-After`
/// (RFC 9110 §10.2.3); the longest one where none is.
pub fn delay_of_at_least(asked: Duration) -> u32 {
    let longest = DELAY_LEVELS[DELAY_LEVELS.len() - 1];
    DELAY_LEVELS.into_iter().find(|&level| Duration::from_secs(level.into()) >= asked).unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_at_the_last_level() {
        let delays: Vec<u32> = (0..9).map(growing_delay).collect();
        assert_eq!(delays, [1, 1, 5, 30, 120, 600, 3600, 3600, 3600]);
    }

    #[test]
    fn a_server_waits_no_less_than_it_asked_for() {
        assert_eq!(delay_of_at_least(Duration::ZERO), 1);
        assert_eq!(delay_of_at_least(Duration::from_secs(6)), 30);
        assert_eq!(delay_of_at_least(Duration::from_secs(86_400)), 3600);
    }
}
