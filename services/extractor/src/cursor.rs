//! Where a run begins to read.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    fmt::temporal::{DateTimePrinter, Pieces, PiecesOffset},
};
use pomost_project::flow::Cursor;

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

/// The time before `text` by `overlap`, written as `text` is.
fn earlier(text: &str, overlap: Duration) -> Result<String, String> {
    let overlap = SignedDuration::try_from(overlap).map_err(|error| error.to_string())?;
    if let Ok(time) = text.parse::<Timestamp>() {
        let earlier = time.checked_sub(overlap).map_err(|error| error.to_string())?;
        return Ok(in_the_zone_of(text, earlier));
    }
    if let Ok(time) = text.parse::<DateTime>() {
        let earlier = time.checked_sub(overlap).map_err(|error| error.to_string())?;
        return Ok(as_written(earlier, text));
    }
    if let Ok(number) = text.parse::<i64>() {
        let overlap = i64::try_from(overlap.as_nanos() / nanoseconds_of_one(number)).unwrap_or(i64::MAX);
        return Ok(number.saturating_sub(overlap).to_string());
    }
    Err("extract.cursor.overlap needs a cursor that is a time (RFC 3339, a date, a date and time, or a number of \
         seconds, milliseconds or microseconds since 1970); leave it out for other cursors"
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
    fn an_overlap_of_something_that_is_no_time_is_refused() {
        assert!(five_minutes_before("page-7").unwrap_err().contains("overlap"));
    }
}
