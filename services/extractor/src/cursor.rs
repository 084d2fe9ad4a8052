//! Where a run begins to read.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    fmt::temporal::{DateTimePrinter, Pieces, PiecesOffset},
    tz::TimeZone,
};
use pomost_models::{Version, VersionType};
use pomost_project::flow::{CursorRules, ExtractRules};

use crate::{
    checkpoint::Window,
    wall_clock::{self, WallClock, shown_by},
};

/// The longest value of a cursor, in bytes: longer than URLs that servers take.
pub const LONGEST: usize = 16 * 1024;

/// The value of `$cursor`: what the run was asked for, or the flow's cursor less its overlap, or the flow's start,
/// if it has one. The error says what the overlap needs, or what is wrong with what was asked for.
pub fn beginning(
    extract: &ExtractRules,
    cursor: &CursorRules,
    asked: Option<&str>,
    stored: Option<&str>,
) -> Result<Option<String>, String> {
    match (asked, stored, cursor.value()) {
        (Some(asked), ..) => {
            check(cursor, stored, asked)?;
            Ok(Some(asked.to_owned()))
        }
        (None, Some(stored), Some(value)) => {
            let clock = WallClock::from(extract.timezone.as_ref());
            earlier(stored, cursor.overlap, clock, value.clock()).map(Some)
        }
        (None, Some(stored), None) => Ok(Some(stored.to_owned())),
        (None, None, _) => Ok(cursor.start.clone()),
    }
}

/// What is wrong with a place that somebody names to begin at, where the cursor that is stored, or else the flow,
/// tells what such places are.
pub fn check(cursor: &CursorRules, stored: Option<&str>, named: &str) -> Result<(), String> {
    if named.is_empty() || named.len() > LONGEST {
        return Err(format!(
            "expected a place to begin at, of at most {LONGEST} bytes"
        ));
    }
    if cursor.value().is_none() {
        return Ok(());
    }
    let found = Kind::of(named);
    let known = stored
        .filter(|stored| !stored.is_empty())
        .or(cursor.start.as_deref())
        .unwrap_or_default();
    let reckons = cursor.overlap.is_some() || cursor.step.is_some();
    let fits = match Kind::of(known) {
        Kind::Time => found == Kind::Time,
        // Times are often read from zero on.
        Kind::Number if stored.is_none() => found != Kind::Text,
        Kind::Number => found == Kind::Number,
        Kind::Text => found != Kind::Text || !reckons,
    };
    if fits {
        return Ok(());
    }
    let expected = match Kind::of(known) {
        Kind::Number if stored.is_some() => "a number",
        Kind::Time => "a time (RFC 3339, or a date, or a date and time)",
        _ => "a time (RFC 3339, or a date, or a date and time) or a number",
    };
    Err(format!(
        "expected {expected}, as the cursor {known:?} is one, and found {named:?}"
    ))
}

/// What the value of a cursor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A time, with its zone or without, or a date.
    Time,
    /// A number.
    Number,
    /// Neither; compared character by character.
    Text,
}

impl Kind {
    /// Told by its look.
    pub fn of(text: &str) -> Kind {
        if Version::of_type(text, VersionType::Number).is_some() {
            return Kind::Number;
        }
        match text.parse::<Timestamp>().is_ok() || text.parse::<DateTime>().is_ok() {
            true => Kind::Time,
            false => Kind::Text,
        }
    }
}

/// The window of time that begins at `from`.
pub fn window(from: String, step: Duration) -> Result<Window, String> {
    let until = shifted(&from, signed(step)?)?;
    Ok(Window { from, until })
}

/// Whether a time is past `now`, one without a zone by the clock that it was written by.
pub fn is_past(text: &str, now: Timestamp, clock: WallClock<'_>) -> bool {
    if let Ok(time) = text.parse::<Timestamp>() {
        return time > now;
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return time > clock.time(now);
    }
    let since_1970 = |number: i64| i128::from(number) * nanoseconds_of_one(number);
    text.parse()
        .is_ok_and(|number| since_1970(number) > now.as_nanosecond())
}

/// Whether a cursor is certainly a time later than `moment`. A number may be anything: it counts as a time
/// where it lies within two days from there.
pub fn is_later(text: &str, moment: Timestamp, clock: WallClock<'_>) -> bool {
    const DAYS: SignedDuration = SignedDuration::from_hours(48);
    let beyond = moment.saturating_add(DAYS).unwrap_or(moment);
    match text.contains('-') {
        true => is_past(text, moment, clock) || is_after_date(text, beyond),
        false => is_past(text, moment, clock) && !is_past(text, beyond, clock),
    }
}

/// Of times that are too late for an instant as well, such as `9999-12-31T23:59:59Z`.
fn is_after_date(text: &str, moment: Timestamp) -> bool {
    let last = TimeZone::UTC.to_datetime(moment).date();
    Pieces::parse(text).is_ok_and(|pieces| pieces.date() > last)
}

/// So much before a value, if it is to be before it, and so early that no change is missed which came since on a
/// clock that is put back: that of a time without a zone, or the one by which an instant was made of such a time.
fn earlier(
    text: &str,
    overlap: Option<Duration>,
    clock: WallClock<'_>,
    converted: Option<&TimeZone>,
) -> Result<String, String> {
    let by = signed(overlap.unwrap_or_default())?;
    if let Some(shown) = shown_by(text) {
        let earliest = clock.earliest(shown, by);
        return Ok(if earliest == shown {
            text.to_owned()
        } else {
            as_written(earliest, text)
        });
    }
    if let (Some(zone), Ok(instant)) = (converted, text.parse())
        && let Some(earliest) = wall_clock::earliest_instant(zone, instant, by)
    {
        return Ok(in_the_zone_of(text, earliest));
    }
    if overlap.is_some() {
        shifted(text, -by)
    } else {
        Ok(text.to_owned())
    }
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
        return Ok(number
            .saturating_add(i64::try_from(by).unwrap_or(i64::MAX))
            .to_string());
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

/// With the separator and the decimals of `text`, and without what it leaves out.
fn as_written(time: DateTime, text: &str) -> String {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_project::flow::CursorSource;

    use super::*;

    fn five_minutes_before(text: &str) -> Result<String, String> {
        earlier(
            text,
            Some(Duration::from_secs(300)),
            WallClock::Unknown,
            None,
        )
    }

    #[test]
    fn an_overlap_reaches_back_in_the_source_s_own_writing() {
        assert_eq!(
            five_minutes_before("2026-03-01T00:02:00Z").unwrap(),
            "2026-02-28T23:57:00Z"
        );
        assert_eq!(
            five_minutes_before("2026-03-01T02:02:00.5+02:00").unwrap(),
            "2026-03-01T01:57:00.5+02:00"
        );
        assert_eq!(
            five_minutes_before("2026-03-01T02:02:00.000-05:30").unwrap(),
            "2026-03-01T01:57:00.000-05:30"
        );
        assert_eq!(
            five_minutes_before("2026-03-01T00:02:00.120Z").unwrap(),
            "2026-02-28T23:57:00.120Z"
        );
        assert_eq!(
            five_minutes_before("2026-03-01 00:02:00").unwrap(),
            "2026-02-28 23:57:00"
        );
        assert_eq!(
            five_minutes_before("2026-03-01T00:02:00.50").unwrap(),
            "2026-02-28T23:57:00.50"
        );
        assert_eq!(
            five_minutes_before("2026-03-01 00:02").unwrap(),
            "2026-02-28 23:57"
        );
        assert_eq!(five_minutes_before("2026-03-01").unwrap(), "2026-02-28");
        assert_eq!(five_minutes_before("1772323320").unwrap(), "1772323020");
        assert_eq!(
            five_minutes_before("1772323320000").unwrap(),
            "1772323020000"
        );
        assert_eq!(
            five_minutes_before("1772323320000000").unwrap(),
            "1772323020000000"
        );
    }

    #[test]
    fn windows_follow_each_other_in_the_source_s_own_writing() {
        let day = Duration::from_secs(86_400);
        let until = |from: &str| window(from.to_owned(), day).unwrap().until;
        assert_eq!(
            until("2026-03-28T12:00:00+01:00"),
            "2026-03-29T12:00:00+01:00"
        );
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
            assert!(is_past(past, now, WallClock::Unknown), "{past}");
        }
        for not_yet in [
            "2026-03-01T12:00:00Z",
            "2026-03-02 01:59:59",
            "2026-03-02",
            "1772366400",
            "1772366399999",
        ] {
            assert!(!is_past(not_yet, now, WallClock::Unknown), "{not_yet}");
        }
    }

    #[test]
    fn only_what_is_certainly_a_time_is_later_than_another() {
        let moment = "2026-03-01T12:00:00Z".parse().unwrap();
        let later = |text| is_later(text, moment, WallClock::Unknown);
        assert!(
            later("2026-03-01T12:00:01Z") && later("9999-12-31T00:00:00Z") && later("9999-12-31")
        );
        assert!(
            later("2026-03-01T14:00:00+01:00")
                && later("2026-03-02 02:00:01")
                && later("1772366401")
        );
        assert!(!later("2026-03-01T12:00:00Z") && !later("2026-03-01T12:59:00+01:00"));
        assert!(!later("2026-03-01") && !later("2026-03-02 01:00:00") && !later("1772366400"));
        assert!(!later("9999999999") && !later("99991231") && !later("z-9") && !later("-5"));
    }

    #[test]
    fn of_a_clock_whose_zone_is_known_it_is_known_what_is_past() {
        let (zone, now) = (
            TimeZone::get("Europe/Warsaw").unwrap(),
            "2026-03-01T12:00:00Z".parse().unwrap(),
        );
        let is_past = |text| is_past(text, now, WallClock::Of(&zone));
        assert!(is_past("2026-03-01 13:00:01") && !is_past("2026-03-01 13:00:00"));
    }

    #[test]
    fn a_run_reaches_back_over_the_hour_that_comes_twice_as_the_source_writes_it() {
        let zone = TimeZone::get("Europe/Warsaw").unwrap();
        let since = |text, converted| earlier(text, None, WallClock::Unknown, converted).unwrap();
        assert_eq!(since("2026-10-25 02:50:00", None), "2026-10-25 01:59:59");
        assert_eq!(
            since("2026-10-25T02:50:00.000", None),
            "2026-10-25T01:59:59.000"
        );
        assert_eq!(since("2026-10-25 02:50", None), "2026-10-25 01:59");
        assert_eq!(
            since("2026-07-25 02:50:00.10", None),
            "2026-07-25 02:50:00.10"
        );
        assert_eq!(since("2026-10-25T00:50:00Z", None), "2026-10-25T00:50:00Z");
        assert_eq!(
            since("2026-10-25T00:50:00Z", Some(&zone)),
            "2026-10-24T23:59:59Z"
        );
        assert_eq!(
            since("2026-07-25T00:50:00.5Z", Some(&zone)),
            "2026-07-25T00:50:00.5Z"
        );
    }

    /// A cursor of this start.
    fn cursor(start: &str, overlap: Option<Duration>) -> CursorRules {
        let told_by = CursorSource::Value(pomost_expression::Expression::compile(".at").unwrap());
        CursorRules {
            source: told_by,
            start: Some(start.to_owned()),
            overlap,
            step: None,
        }
    }

    #[test]
    fn a_place_that_is_not_of_the_cursor_s_kind_is_nonsense() {
        let times = cursor("2020-01-01T00:00:00Z", None);
        for time in [
            "2026-01-01",
            "2026-01-01 10:00",
            "2026-01-01T10:00:00Z",
            "2026-01-01T10:00:00+02:00",
        ] {
            assert_eq!(check(&times, None, time), Ok(()), "{time}");
        }
        for nonsense in [
            "yesterday",
            "2026-02-30",
            "2026-13-01T00:00:00Z",
            "5",
            "",
            "-1d",
        ] {
            assert!(
                check(&times, None, nonsense)
                    .unwrap_err()
                    .contains("expected"),
                "{nonsense}"
            );
        }
        let numbers = cursor("0", None);
        assert_eq!(check(&numbers, Some("17"), "5"), Ok(()));
        let refused = check(&numbers, Some("17"), "2026-01-01").unwrap_err();
        assert!(
            refused.contains("a number")
                && refused.contains("17")
                && refused.contains("2026-01-01")
        );
        assert!(check(&numbers, None, "zzz").is_err());
        assert_eq!(check(&numbers, None, "2026-01-01"), Ok(()));
        assert_eq!(check(&numbers, Some("2026-01-05"), "2026-01-01"), Ok(()));
        assert!(check(&numbers, Some("2026-01-05"), "7").is_err());
    }

    #[test]
    fn a_place_among_texts_may_be_any_where_nothing_is_reckoned_with_it() {
        assert_eq!(check(&cursor("", None), Some("rev-b"), "rev-a"), Ok(()));
        assert!(check(&cursor("", Some(Duration::from_secs(1))), None, "rev-a").is_err());
        assert!(check(&cursor("", None), None, &"x".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn an_overlap_of_something_that_is_no_time_is_refused() {
        assert!(
            five_minutes_before("page-7")
                .unwrap_err()
                .contains("overlap")
        );
    }
}
