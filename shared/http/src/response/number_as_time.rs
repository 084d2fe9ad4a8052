//! Times as numbers, as headers and bodies give them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The least number that is taken for seconds since 1970 (it is the year 2001), not for a length.
const MIN_EPOCH_SECONDS: f64 = 1e9;

/// The least number that is taken for milliseconds since 1970 (it is the year 1973; in seconds,
/// 5138).
const MIN_EPOCH_MILLISECONDS: f64 = 1e11;

/// Returns the time from `now` that a number means: so many seconds, or until so many seconds or
/// milliseconds since 1970 where it is as large as those are. A moment that is past gives zero.
pub(crate) fn time_until(number: f64, now: SystemTime) -> Option<Duration> {
    let length = |seconds| Duration::try_from_secs_f64(seconds).ok();
    let since_1970 =
        |time: Duration| Some((UNIX_EPOCH + time).duration_since(now).unwrap_or_default());
    match number {
        _ if number >= MIN_EPOCH_MILLISECONDS => {
            length(number.min(1e15) / 1000.0).and_then(since_1970)
        }
        _ if number >= MIN_EPOCH_SECONDS => length(number).and_then(since_1970),
        _ => length(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_length_or_a_moment_by_its_size() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(time_until(30.0, now), Some(Duration::from_secs(30)));
        assert_eq!(
            time_until(1_700_000_060.5, now),
            Some(Duration::from_millis(60_500))
        );
        assert_eq!(
            time_until(1_700_000_060_500.0, now),
            Some(Duration::from_millis(60_500))
        );
        assert_eq!(time_until(1_600_000_000.0, now), Some(Duration::ZERO));
    }

    #[test]
    fn numbers_that_are_no_time_are_none_and_none_panics() {
        let now = SystemTime::now();
        for number in [-1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(time_until(number, now), None, "{number}");
        }
        assert!(time_until(f64::INFINITY, now).is_some() && time_until(f64::MAX, now).is_some());
    }
}
