//! Times as numbers, as headers and answers give them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From here on a number is taken for seconds since 1970 (it is the year 2001), not for a length.
const EPOCH_SECONDS: f64 = 1e9;

/// From here on it is taken for milliseconds since 1970 (it is the year 1973; in seconds, 5138).
const EPOCH_MILLISECONDS: f64 = 1e11;

/// How long from `now` a number means: so many seconds, or until so many seconds or milliseconds
/// since 1970 where it is as large as those are. A time that is past is no time at all.
pub(crate) fn until(number: f64, now: SystemTime) -> Option<Duration> {
    let length = |seconds| Duration::try_from_secs_f64(seconds).ok();
    let since_1970 =
        |time: Duration| Some((UNIX_EPOCH + time).duration_since(now).unwrap_or_default());
    match number {
        _ if number >= EPOCH_MILLISECONDS => length(number.min(1e15) / 1000.0).and_then(since_1970),
        _ if number >= EPOCH_SECONDS => length(number).and_then(since_1970),
        _ => length(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_length_or_a_moment_by_its_size() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(until(30.0, now), Some(Duration::from_secs(30)));
        assert_eq!(
            until(1_700_000_060.5, now),
            Some(Duration::from_millis(60_500))
        );
        assert_eq!(
            until(1_700_000_060_500.0, now),
            Some(Duration::from_millis(60_500))
        );
        assert_eq!(until(1_600_000_000.0, now), Some(Duration::ZERO));
    }

    #[test]
    fn numbers_that_are_no_time_are_none_and_none_panics() {
        let now = SystemTime::now();
        for number in [-1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(until(number, now), None, "{number}");
        }
        assert!(until(f64::INFINITY, now).is_some() && until(f64::MAX, now).is_some());
    }
}
