//! Earlier and later values of a cursor, written as the source writes its own.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    fmt::temporal::{DateTimePrinter, Pieces, PiecesOffset},
    tz::TimeZone,
};

use super::wall_clock::{self, WallClock, sortable_date_time};

/// The value from which a run asks for changes: the cursor less its overlap, and early enough that
/// no change is missed if the clock was put back since: the clock of a time without a zone, or the
/// one from whose times an expression made instants (`converted_from`).
pub(super) fn with_overlap(
    text: &str,
    overlap: Option<Duration>,
    clock: WallClock<'_>,
    converted_from: Option<&TimeZone>,
) -> Result<String, String> {
    let by = signed(overlap.unwrap_or_default())?;
    if let Some(shown) = sortable_date_time(text) {
        let earliest = clock.earliest(shown, by);
        return Ok(if earliest == shown {
            text.to_owned()
        } else {
            written_like(earliest, text)
        });
    }
    if let (Some(zone), Ok(instant)) = (converted_from, text.parse())
        && let Some(earliest) = wall_clock::earliest_instant(zone, instant, by)
    {
        return Ok(instant_written_like(earliest, text));
    }
    if overlap.is_some() {
        shifted(text, -by)
    } else {
        Ok(text.to_owned())
    }
}

pub(super) fn signed(period: Duration) -> Result<SignedDuration, String> {
    SignedDuration::try_from(period).map_err(|error| error.to_string())
}

/// The time that is later than `text` by `by`, written as `text` is.
pub(super) fn shifted(text: &str, by: SignedDuration) -> Result<String, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        let shifted = time.checked_add(by).map_err(|error| error.to_string())?;
        return Ok(instant_written_like(shifted, text));
    }
    if let Ok(time) = text.parse::<DateTime>() {
        let shifted = time.checked_add(by).map_err(|error| error.to_string())?;
        return Ok(written_like(shifted, text));
    }
    if let Ok(number) = text.parse::<i64>() {
        let by = by.as_nanos() / unit_nanoseconds(number);
        return Ok(number
            .saturating_add(i64::try_from(by).unwrap_or(i64::MAX))
            .to_string());
    }
    Err("extract.cursor.overlap and step need a cursor that is a time (RFC 3339, a date, a date and time, or a \
         number of seconds, milliseconds or microseconds since 1970); leave them out for other cursors"
        .into())
}

/// Length in nanoseconds of the unit in which a number counts the time since 1970. The number's
/// size tells the unit: a number of twelve digits would lie beyond the year 5000 in seconds.
pub(super) fn unit_nanoseconds(number: i64) -> i128 {
    match number.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    }
}

/// Writes an instant with the offset and the decimals of `text`: a source may compare times as mere
/// text.
fn instant_written_like(time: Timestamp, text: &str) -> String {
    let printer = DateTimePrinter::new().precision(decimals(text));
    match Pieces::parse(text).ok().and_then(|pieces| pieces.offset()) {
        Some(PiecesOffset::Numeric(numeric)) => {
            printer.timestamp_with_offset_to_string(&time, numeric.offset())
        }
        _ => printer.timestamp_to_string(&time),
    }
}

/// Writes a time with the separator and the decimals of `text`, and without the parts that it
/// leaves out.
fn written_like(time: DateTime, text: &str) -> String {
    let separator = if text.contains(' ') { b' ' } else { b'T' };
    let printer = DateTimePrinter::new()
        .separator(separator)
        .precision(decimals(text));
    let mut written = printer.datetime_to_string(&time);
    if text.len() <= "2026-01-01 00:00".len() {
        written.truncate(text.len());
    }
    written
}

fn decimals(text: &str) -> Option<u8> {
    let decimals = text.split_once(['.', ',']).map_or("", |(_, rest)| rest);
    u8::try_from(decimals.bytes().take_while(u8::is_ascii_digit).count()).ok()
}
