//! jq's functions of time, exact and kept within the calendar.
//!
//! A time that an API gives in microseconds is an error here, and not some other date.

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _};
use jaq_core::{
    Error, ValR,
    native::{Fun, bome, run, v},
};
use jaq_std::ValT as _;
use jiff::{
    Timestamp,
    civil::DateTime,
    fmt::strtime::{self, BrokenDownTime},
    tz::{Offset, TimeZone},
};

use super::{BoundedData, number::exact_number, str_of};
use crate::{Value, decimal::shortest};

/// The message of a time outside the calendar.
pub(crate) const NO_TIME: &str = "expected a time in seconds since 1970, in the years 1 to 9999";
/// jq's message of a value that is no broken-down time.
const NO_PARTS: &str = "mktime requires parsed datetime inputs";
/// The message of a text that is not in a format.
pub(super) const NOT_IN: &str = "expected a whole date in the format ";
/// The message of a format in which no time can be written.
pub(super) const NO_FORMAT: &str = "expected a format of strftime and not ";

/// Size of the longest format, in bytes: each of its directives may write a hundred times as much.
const MAX_FORMAT_BYTES: usize = 4096;

pub(super) fn natives() -> [Fun<BoundedData>; 4] {
    [
        run(("gmtime", v(0), |cv| bome(broken_down(&cv.1)))),
        run(("mktime", v(0), |cv| bome(to_seconds(&cv.1)))),
        run(("strftime", v(1), |mut cv| {
            bome(formatted(&cv.1, &cv.0.pop_var()))
        })),
        run(("strptime", v(1), |mut cv| {
            bome(parsed(&cv.1, &cv.0.pop_var()))
        })),
    ]
}

/// The parts of a time in seconds, as jq has them; seconds keep their decimals.
fn broken_down(seconds: &Value) -> ValR<Value> {
    if !matches!(seconds, Value::Num(_)) {
        return Err(Error::str("gmtime() requires numeric inputs"));
    }
    let seconds = exact_number(seconds)?;
    let whole = seconds.with_scale_round(0, RoundingMode::Floor);
    let parts = parts(civil(&whole)?);
    let second = shortest(&(BigDecimal::from(parts[5]) + seconds - whole))?;
    let parts = parts.into_iter().enumerate();
    Ok(parts
        .map(|(place, part)| {
            if place == 5 {
                second.clone()
            } else {
                Value::from(part as isize)
            }
        })
        .collect())
}

/// The time in UTC of a number of seconds since the beginning of 1970.
fn civil(seconds: &BigDecimal) -> Result<DateTime, Error<Value>> {
    let instant = seconds
        .to_i64()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    let time = instant.map(|instant| TimeZone::UTC.to_datetime(instant));
    time.filter(|time| (1..=9999).contains(&time.year()))
        .ok_or_else(|| Error::str(NO_TIME))
}

fn parts(time: DateTime) -> [i64; 8] {
    [
        time.year().into(),
        i64::from(time.month()) - 1,
        time.day().into(),
        time.hour().into(),
        time.minute().into(),
        time.second().into(),
        time.weekday().to_sunday_zero_offset().into(),
        i64::from(time.day_of_year()) - 1,
    ]
}

/// The time of broken-down parts: year, month and day at least.
fn civil_of(parts: &Value, refusal: &str) -> Result<DateTime, Error<Value>> {
    let refused = || Error::str(refusal);
    let Value::Arr(parts) = parts else {
        return Err(refused());
    };
    let part = |place: usize| match parts.get(place) {
        Some(part) => part
            .as_f64()
            .filter(|part| part.is_finite())
            .map(|part| part.trunc() as i64),
        None if place < 3 => None,
        None => Some(0),
    };
    let all: Option<Vec<i64>> = (0..8).map(part).collect();
    let all = all.ok_or_else(refused)?;
    let small = |part: i64| i8::try_from(part).map_err(|_| Error::str(NO_TIME));
    let year = i16::try_from(all[0]).map_err(|_| Error::str(NO_TIME))?;
    let month = small(all[1].saturating_add(1))?;
    DateTime::new(
        year,
        month,
        small(all[2])?,
        small(all[3])?,
        small(all[4])?,
        small(all[5])?,
        0,
    )
    .ok()
    .filter(|time| (1..=9999).contains(&time.year()))
    .ok_or_else(|| Error::str(NO_TIME))
}

fn to_seconds(parts: &Value) -> ValR<Value> {
    if !matches!(parts, Value::Arr(_)) {
        return Err(Error::str("mktime requires array inputs"));
    }
    let time = civil_of(parts, NO_PARTS)?
        .to_zoned(TimeZone::UTC)
        .map_err(|_| Error::str(NO_TIME))?;
    Ok(Value::from(time.timestamp().as_second() as isize))
}

fn formatted(time: &Value, format: &Value) -> ValR<Value> {
    let time = match time {
        Value::Num(_) => civil(&exact_number(time)?.with_scale_round(0, RoundingMode::Floor))?,
        parts => civil_of(parts, "strftime/1 requires parsed datetime inputs")?,
    };
    let Value::TStr(_) = format else {
        return Err(Error::str("strftime/1 requires a string format"));
    };
    let format = str_of(format)?;
    if format.len() > MAX_FORMAT_BYTES {
        return Err(Error::str(format!(
            "{NO_FORMAT}one that is longer than {MAX_FORMAT_BYTES} bytes"
        )));
    }
    let zoned = time
        .to_zoned(TimeZone::UTC)
        .map_err(|_| Error::str(NO_TIME))?;
    let written = strtime::format(with_directives(format, jqs), &zoned).map(Value::from);
    written.map_err(|_| Error::str(format!("{NO_FORMAT}{format}")))
}

fn parsed(text: &Value, format: &Value) -> ValR<Value> {
    let (Value::TStr(_), Value::TStr(_)) = (text, format) else {
        return Err(Error::str(
            "strptime/1 requires string inputs and arguments",
        ));
    };
    let (text, format) = (str_of(text)?, str_of(format)?);
    let refused = || Error::str(format!("{NOT_IN}{format}"));
    // Names of months and days may be short or long, whichever the format says.
    let lengths = [("%a", "%b"), ("%A", "%B"), ("%a", "%B"), ("%A", "%b")];
    let parsed = BrokenDownTime::parse(format, text).ok().or_else(|| {
        lengths.into_iter().find_map(|(day, month)| {
            BrokenDownTime::parse(with_directives(format, names(day, month)), text).ok()
        })
    });
    let mut parsed = parsed.ok_or_else(refused)?;
    if parsed.offset().is_none() && parsed.iana_time_zone().is_none() {
        parsed.set_offset(Some(Offset::UTC));
    }
    let time = parsed.to_zoned().map_err(|_| refused())?.datetime();
    Ok(parts(time)
        .into_iter()
        .map(|part| Value::from(part as isize))
        .collect())
}

/// A format with other directives in place of some of its own, by their letters.
fn with_directives(format: &str, other: impl Fn(&str) -> Option<&'static str>) -> String {
    let (mut written, mut rest) = (String::with_capacity(format.len()), format);
    while let Some((before, directive)) = rest.split_once('%') {
        let end = directive.chars().next().map_or(0, char::len_utf8);
        let (letter, after) = directive.split_at(end);
        written.push_str(before);
        match other(letter) {
            Some(other) => written.push_str(other),
            None => written.extend(["%", letter]),
        }
        rest = after;
    }
    written + rest
}

/// The directive that writes what jq writes in the locale "C".
fn jqs(letter: &str) -> Option<&'static str> {
    Some(match letter {
        "c" => "%a %b %e %H:%M:%S %Y",
        "x" => "%m/%d/%y",
        "X" => "%H:%M:%S",
        "r" => "%I:%M:%S %p",
        "Q" => "%%Q",
        _ => return None,
    })
}

/// The names of days and months, short or long.
fn names(day: &'static str, month: &'static str) -> impl Fn(&str) -> Option<&'static str> {
    move |letter| match letter {
        "a" | "A" => Some(day),
        "b" | "B" | "h" => Some(month),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{gives, refusal},
        *,
    };

    #[test]
    fn times_are_formatted_and_calculated_as_in_jq() {
        let cases = [
            (r#"1795521600 | strftime("%Y-%m-%d")"#, r#""2026-11-24""#),
            ("1795521600 | gmtime | mktime", "1795521600"),
            (
                r#""24.11.2026" | strptime("%d.%m.%Y") | mktime | todate"#,
                r#""2026-11-24T00:00:00Z""#,
            ),
            ("1795521600.125 | gmtime", "[2026,10,24,12,0,0.125,2,327]"),
            ("-0.5 | gmtime", "[1969,11,31,23,59,59.5,3,364]"),
            ("[2026, 10, 24] | mktime", "1795478400"),
            ("[2026, 10, 24, 12.9, 0, 1.9] | mktime", "1795521601"),
            (
                r#"[2026, 10, 24, 12] | strftime("%d.%m.%Y %H:%M")"#,
                r#""24.11.2026 12:00""#,
            ),
            ("1795521600.9 | todate", r#""2026-11-24T12:00:00Z""#),
            (r#""2026-11-24T12:00:00Z" | fromdate"#, "1795521600"),
            (
                r#"1795521600 | dateadd("seconds"; 60) | date"#,
                r#""2026-11-24T12:01:00Z""#,
            ),
        ];
        for (source, result) in cases {
            assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_an_error_and_no_other_date() {
        for time in [
            "1795521600000000",
            "-1795521600000000000",
            "1e300",
            "[2026, 127, 1, 0, 0, 0]",
            "[2026, 12, 1]",
        ] {
            for function in ["gmtime", "mktime", "strftime(\"%Y\")"] {
                assert!(
                    gives(&format!("{time} | {function}")).is_err(),
                    "{time} | {function}"
                );
            }
        }
        assert_eq!(refusal("1795521600000000 | gmtime"), NO_TIME);
        assert_eq!(refusal("[2026, 12, 1] | mktime"), NO_TIME);
        assert!(refusal(r#"["2026", 1, 1] | mktime"#).contains("as gmtime gives it"));
        assert!(refusal(r#"[2026, 1] | strftime("%F")"#).contains("as gmtime gives it"));
        assert_eq!(
            refusal(r#""10:00" | strptime("%H:%M")"#),
            "expected a whole date in the format %H:%M"
        );
        assert_eq!(
            refusal(r#"0 | strftime("%")"#),
            "expected a format of strftime and not %"
        );
    }
}
