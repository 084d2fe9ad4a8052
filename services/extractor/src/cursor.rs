//! Where a run begins to read.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    fmt::temporal::{DateTimePrinter, Pieces, PiecesOffset},
    tz::TimeZone,
};
use pomost_project::flow::Cursor;

use crate::checkpoint::Window;

/// The value of `$cursor`: what the run was asked for, or the flow's cursor less its overlap, or
/// the flow's start. The error says what the overlap needs.
pub fn beginning(cursor: &Cursor, since: Option<&str>, stored: Option<&str>) -> Result<String, String> {
    match (since, stored, cursor.overlap) {
        (Some(since), _, _) => Ok(since.to_owned()),
        (None, Some(stored), Some(overlap)) => earlier(stored, overlap),
        (None, Some(stored), None) => Ok(stored.to_owned()),
        (None, None, _) => Ok(cursor.start.clone()),
    }
}

/// The window of time that begins at `from`.
pub fn window(from: String, step: Duration) -> Result<Window, String> {
    let until = shifted(&from, signed(step)?)?;
    Ok(Window { from, until })
}

/// Whether a time is past `now`, wherever on earth a time without a zone was written.
pub fn is_past(text: &str, now: Timestamp) -> bool {
    const FARTHEST_ZONE: SignedDuration = SignedDuration::from_hours(14);
    if let Ok(time) = text.parse::<Timestamp>() {
        return time > now;
    }
    if let Ok(time) = text.parse::<DateTime>() {
        let there = now.saturating_add(FARTHEST_ZONE).unwrap_or(now);
        return time > TimeZone::UTC.to_datetime(there);
    }
    let since_1970 = |number: i64| i128::from(number) * nanoseconds_of_one(number);
    text.parse().is_ok_and(|number| since_1970(number) > now.as_nanosecond())
}

/// Whether a cursor is certainly a time later than `moment`. A number may be anything: it counts as a time
/// where it lies within two days from there.
pub fn is_later(text: &str, moment: Timestamp) -> bool {
    const DAYS: SignedDuration = SignedDuration::from_hours(48);
    let beyond = moment.saturating_add(DAYS).unwrap_or(moment);
    match text.contains('-') {
        true => is_past(text, moment) || is_after_date(text, beyond),
        false => is_past(text, moment) && !is_past(text, beyond),
    }
}

/// Of times that are too late for an instant as well, such as `9999-12-31T23:59:59Z`.
fn is_after_date(text: &str, moment: Timestamp) -> bool {
    let last = TimeZone::UTC.to_datetime(moment).date();
    Pieces::parse(text).is_ok_and(|pieces| pieces.date() > last)
}

fn earlier(text: &str, overlap: Duration) -> Result<String, String> {
    shifted(text, -signed(overlap)?)
}

fn signed(period: Duration) -> Result<SignedDuration, String> {
    SignedDuration::try_from(period).map_err(|error| error.to_string())
}

/// The time later than `text` by so much, written as `text` is.
fn shifted(text: &str, by: SignedDuration) -> Result<String, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        let shifted = time.checked_add(by).map_err(|error| error.to_string())?;
        return Ok(in_the_zone_of(text, shifted));
    }
    if let Ok(time) = text.parse::<DateTime>() {
        let shifted = time.checked_add(by).map_err(|error| error.to_string())?;
        return Ok(as_written(shifted, text));
    }
    if let Ok(number) = text.parse::<i64>() {
        let by = by.as_nanos() / nanoseconds_of_one(number);
        return Ok(number.saturating_add(i64::try_from(by).unwrap_or(i64::MAX)).to_string());
    }
    Err("extract.cursor.overlap and step need a cursor that is a time (RFC 3339, a date, a date and time, or a \
         number of seconds, milliseconds or microseconds since 1970); leave them out for other cursors"
        .into())
}

/// What a time since 1970 counts, told by its size: in seconds, a number of twelve digits would lie
/// beyond the year 5000.
fn nanoseconds_of_one(number: i64) -> i128 {
    match number.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    }
}

/// With the offset and the decimals of `text`: a source may compare times as mere text.
fn in_the_zone_of(text: &str, time: Timestamp) -> String {
    let printer = DateTimePrinter::new().precision(decimals(text));
    match Pieces::parse(text).ok().and_then(|pieces| pieces.offset()) {
        Some(PiecesOffset::Numeric(numeric)) => {
            printer.timestamp_with_offset_to_string(&time, numeric.offset())
        }
        _ => printer.timestamp_to_string(&time),
    }
}

fn decimals(text: &str) -> Option<u8> {
    let decimals = text.split_once(['.', ',']).map_or("", |(_, rest)| rest);
    u8::try_from(decimals.bytes().take_while(u8::is_ascii_digit).count()).ok()
}

fn as_written(time: DateTime, text: &str) -> String {
    match (text.contains(' '), text.len() <= "2026-01-01".len()) {
        (_, true) => time.date().to_string(),
        (true, _) => time.to_string().replacen('T', " ", 1),
        (false, _) => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn five_minutes_before(text: &str) -> Result<String, String> {
        earlier(text, Duration::from_secs(300))
    }

    #[test]
    fn an_overlap_reaches_back_in_the_source_s_own_writing() {
        assert_eq!(five_minutes_before("2026-03-01T00:02:00Z").unwrap(), "2026-02-28T23:57:00Z");
        assert_eq!(
            five_minutes_before("2026-03-01T02:02:00.5+02:00").unwrap(),
            "2026-03-01T01:57:00.5+02:00"
        );
        assert_eq!(
            five_minutes_before("2026-03-01T02:02:00.000-05:30").unwrap(),
            "2026-03-01T01:57:00.000-05:30"
        );
        assert_eq!(five_minutes_before("2026-03-01T00:02:00.120Z").unwrap(), "2026-02-28T23:57:00.120Z");
        assert_eq!(five_minutes_before("2026-03-01 00:02:00").unwrap(), "2026-02-28 23:57:00");
        assert_eq!(five_minutes_before("2026-03-01").unwrap(), "2026-02-28");
        assert_eq!(five_minutes_before("1772323320").unwrap(), "1772323020");
        assert_eq!(five_minutes_before("1772323320000").unwrap(), "1772323020000");
        assert_eq!(five_minutes_before("1772323320000000").unwrap(), "1772323020000000");
    }

    #[test]
    fn windows_follow_each_other_in_the_source_s_own_writing() {
        let day = Duration::from_secs(86_400);
        let until = |from: &str| window(from.to_owned(), day).unwrap().until;
        assert_eq!(until("2026-03-28T12:00:00+01:00"), "2026-03-29T12:00:00+01:00");
        assert_eq!(until("2026-02-28"), "2026-03-01");
        assert_eq!(until("2026-12-31 23:00:00"), "2027-01-01 23:00:00");
        assert_eq!(until("1772323320"), "1772409720");
        assert_eq!(until("1772323320000"), "1772409720000");
    }

    #[test]
    fn a_time_is_past_when_it_is_so_everywhere_on_earth() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        for past in [
            "2026-03-01T12:00:01Z",
            "2026-03-01T13:00:01+01:00",
            "2026-03-02 02:00:01",
            "2026-03-03",
            "1772366401",
            "1772366401000",
        ] {
            assert!(is_past(past, now), "{past}");
        }
        for not_yet in
            ["2026-03-01T12:00:00Z", "2026-03-02 01:59:59", "2026-03-02", "1772366400", "1772366399999"]
        {
            assert!(!is_past(not_yet, now), "{not_yet}");
        }
    }

    #[test]
    fn only_what_is_certainly_a_time_is_later_than_another() {
        let moment = "2026-03-01T12:00:00Z".parse().unwrap();
        let later = |text| is_later(text, moment);
        assert!(later("2026-03-01T12:00:01Z") && later("9999-12-31T00:00:00Z") && later("9999-12-31"));
        assert!(later("2026-03-01T14:00:00+01:00") && later("2026-03-02 02:00:01") && later("1772366401"));
        assert!(!later("2026-03-01T12:00:00Z") && !later("2026-03-01T12:59:00+01:00"));
        assert!(!later("2026-03-01") && !later("2026-03-02 01:00:00") && !later("1772366400"));
        assert!(!later("9999999999") && !later("99991231") && !later("z-9") && !later("-5"));
    }

    #[test]
    fn an_overlap_of_something_that_is_no_time_is_refused() {
        assert!(five_minutes_before("page-7").unwrap_err().contains("overlap"));
    }
}
