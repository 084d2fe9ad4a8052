//! The value from which a run reads: where it comes from, and how it compares with times.
//!
//! [`wall_clock`] orders times that name no zone, `shift` moves a value back by an overlap or on by
//! a window, and [`CursorKind`] says what a value looks like.

mod shift;
#[cfg(test)]
mod tests;
pub mod wall_clock;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, civil::DateTime, fmt::temporal::Pieces, tz::TimeZone};
use pomost_project::flow::{CursorRules, ExtractRules};

pub use pomost_models::CursorKind;
pub use wall_clock::WallClock;

/// Length limit of a cursor, in bytes: longer than the URLs that servers take.
pub const MAX_BYTES: usize = 16 * 1024;

/// The value of `$cursor` in a run: the requested start, or else the flow's stored cursor less its
/// overlap, or else the flow's start, if it has one. The error says what the overlap needs, or what
/// is wrong with the requested start.
pub fn start_of_run(
    extract: &ExtractRules,
    cursor: &CursorRules,
    requested: Option<&str>,
    stored: Option<&str>,
) -> Result<Option<String>, String> {
    match (requested, stored, cursor.value()) {
        (Some(requested), ..) => {
            check_start(cursor, stored, requested)?;
            Ok(Some(requested.to_owned()))
        }
        (None, Some(stored), Some(value)) => {
            let clock = WallClock::from(extract.timezone.as_ref());
            shift::with_overlap(stored, cursor.overlap, clock, value.clock()).map(Some)
        }
        (None, Some(stored), None) => Ok(Some(stored.to_owned())),
        (None, None, _) => Ok(cursor.start.clone()),
    }
}

/// Checks a start that somebody names against the stored cursor, or else against the flow's start,
/// which show the kind of value that the source takes. The error says what was expected.
pub fn check_start(cursor: &CursorRules, stored: Option<&str>, named: &str) -> Result<(), String> {
    if named.is_empty() || named.len() > MAX_BYTES {
        return Err(format!(
            "expected a place to begin at, of at most {MAX_BYTES} bytes"
        ));
    }
    if cursor.value().is_none() {
        return Ok(());
    }
    let found = CursorKind::of(named);
    let known = stored
        .filter(|stored| !stored.is_empty())
        .or(cursor.start.as_deref())
        .unwrap_or_default();
    let needs_arithmetic = cursor.overlap.is_some() || cursor.step.is_some();
    let fits = match CursorKind::of(known) {
        CursorKind::Time => found == CursorKind::Time,
        // A start of 0 does not tell yet: many flows of times are read from zero on.
        CursorKind::Number if stored.is_none() => found != CursorKind::Text,
        CursorKind::Number => found == CursorKind::Number,
        CursorKind::Text => found != CursorKind::Text || !needs_arithmetic,
    };
    if fits {
        return Ok(());
    }
    let expected = match CursorKind::of(known) {
        CursorKind::Number if stored.is_some() => "a number",
        CursorKind::Time => "a time (RFC 3339, or a date, or a date and time)",
        _ => "a time (RFC 3339, or a date, or a date and time) or a number",
    };
    Err(format!(
        "expected {expected}, as the cursor {known:?} is one, and found {named:?}"
    ))
}

/// The end of the window of time that begins at `from`.
pub fn window_end(from: &str, step: Duration) -> Result<String, String> {
    shift::shifted(from, shift::signed(step)?)
}

/// True if a time is past `now`; a time without a zone is compared with what its clock shows.
pub fn is_past(text: &str, now: Timestamp, clock: WallClock<'_>) -> bool {
    if let Ok(time) = text.parse::<Timestamp>() {
        return time > now;
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return time > clock.time(now);
    }
    let since_1970 = |number: i64| i128::from(number) * shift::unit_nanoseconds(number);
    text.parse()
        .is_ok_and(|number| since_1970(number) > now.as_nanosecond())
}

/// True if a cursor is certainly a time later than `moment`. A number may be anything: it counts as
/// a time if it lies within two days after the moment.
pub fn is_certainly_later(text: &str, moment: Timestamp, clock: WallClock<'_>) -> bool {
    const TWO_DAYS: SignedDuration = SignedDuration::from_hours(48);
    let beyond = moment.saturating_add(TWO_DAYS).unwrap_or(moment);
    match text.contains('-') {
        true => is_past(text, moment, clock) || is_after_date(text, beyond),
        false => is_past(text, moment, clock) && !is_past(text, beyond, clock),
    }
}

/// Also understands times that are too late for an instant, such as `9999-12-31T23:59:59Z`.
fn is_after_date(text: &str, moment: Timestamp) -> bool {
    let last = TimeZone::UTC.to_datetime(moment).date();
    Pieces::parse(text).is_ok_and(|pieces| pieces.date() > last)
}
