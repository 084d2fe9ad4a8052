//! Functions of dates and times.
//!
//! The time zones are those of the system where it has them, otherwise the program's own.

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _};
use jaq_core::{
    Error, ValR,
    native::{Fun, bome, run, v},
};
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    fmt::{
        strtime::{self, BrokenDownTime},
        temporal::Pieces,
    },
    tz::TimeZone,
};

use super::{
    AddedFunction, BoundedData, FunctionSubject,
    calendar::NO_TIME,
    number::{exact_number, number},
    string,
};
use crate::{Value, decimal::shortest};

pub(super) const SUBJECT: FunctionSubject = FunctionSubject {
    title: "Dates and times",
    functions: &FUNCTIONS,
    natives,
    messages: &[NO_INSTANT, NO_DATE_TIME, NO_ZONE],
    messages_about: &[NO_DATE, NO_INSTANT_IN, NO_PART],
    check,
};

const FUNCTIONS: [AddedFunction; 10] = [
    AddedFunction {
        name: "date($format)",
        description: "The ISO date that a text is in a format of strptime (%d day, %m month, %Y year).",
        example: r#""24.11.2026" | date("%d.%m.%Y")"#,
        gives: r#""2026-11-24""#,
    },
    AddedFunction {
        name: "datetime($format)",
        description: "The instant that a text with its offset from UTC (%z) is in a format of strptime, in UTC (RFC 3339).",
        example: r#""24/11/2026 13:45 +0100" | datetime("%d/%m/%Y %H:%M %z")"#,
        gives: r#""2026-11-24T12:45:00Z""#,
    },
    AddedFunction {
        name: "datetime($format; $zone)",
        description: "The same for a text without an offset, which is a time on the clocks of a time zone (IANA). \
                      Where clocks are put forward, a time that they skip is read with the offset before; where \
                      they are put back, a time that comes twice is the first (RFC 5545). Without a time of day \
                      it is midnight.",
        example: r#""24.07.2026 13:45" | datetime("%d.%m.%Y %H:%M"; "Europe/Warsaw")"#,
        gives: r#""2026-07-24T11:45:00Z""#,
    },
    AddedFunction {
        name: "in_zone($zone)",
        description: "An instant (RFC 3339) as the clocks of a time zone show it, with its offset.",
        example: r#""2026-07-24T11:45:00Z" | in_zone("Europe/Warsaw")"#,
        gives: r#""2026-07-24T13:45:00+02:00""#,
    },
    AddedFunction {
        name: "format_date($format)",
        description: "An ISO date or time in a format of strftime. A time with an offset keeps it.",
        example: r#""2026-11-24" | format_date("%d.%m.%Y")"#,
        gives: r#""24.11.2026""#,
    },
    AddedFunction {
        name: "format_date($format; $zone)",
        description: "An instant (RFC 3339) as the clocks of a time zone show it, in a format of strftime.",
        example: r#""2026-07-24T23:30:00Z" | format_date("%d.%m.%Y %H:%M"; "Europe/Warsaw")"#,
        gives: r#""25.07.2026 01:30""#,
    },
    AddedFunction {
        name: "from_unix",
        description: "The instant so many seconds after the beginning of 1970, a number or its text (RFC 3339).",
        example: "1795521600.5 | from_unix",
        gives: r#""2026-11-24T12:00:00.5Z""#,
    },
    AddedFunction {
        name: "from_unix_ms",
        description: "The same for milliseconds.",
        example: r#""1795521600123" | from_unix_ms"#,
        gives: r#""2026-11-24T12:00:00.123Z""#,
    },
    AddedFunction {
        name: "to_unix",
        description: "The seconds from the beginning of 1970 to an instant (RFC 3339), with decimals where it has a \
                      part of a second.",
        example: r#""2026-11-24T13:00:00+01:00" | to_unix"#,
        gives: "1795521600",
    },
    AddedFunction {
        name: "to_unix_ms",
        description: "The same in milliseconds.",
        example: r#""2026-11-24T12:00:00.123Z" | to_unix_ms"#,
        gives: "1795521600123",
    },
];

const NO_DATE: &str = "expected a date in the format ";
const NO_INSTANT_IN: &str = "expected a date and time in the format ";
const NO_PART: &str = "expected a date or time that has what is asked for by the format ";
const NO_DATE_TIME: &str =
    "expected an ISO date or time, such as 2026-11-24 or 2026-11-24T12:00:00Z";
const NO_INSTANT: &str = "expected an instant with its offset, such as 2026-11-24T12:00:00Z";
const NO_ZONE: &str = "expected the name of a time zone, such as Europe/Warsaw";

/// Number of decimals of a second that are kept.
const NANOSECOND: i64 = 9;

fn natives() -> Vec<Fun<BoundedData>> {
    vec![
        run(("date", v(1), |mut cv| bome(date(&cv.1, &cv.0.pop_var())))),
        run(("datetime", v(1), |mut cv| {
            bome(date_time(&cv.1, &cv.0.pop_var(), None))
        })),
        run(("datetime", v(2), |mut cv| {
            let (zone, format) = (cv.0.pop_var(), cv.0.pop_var());
            bome(time_zone(&zone).and_then(|zone| date_time(&cv.1, &format, Some(zone))))
        })),
        run(("in_zone", v(1), |mut cv| {
            bome(in_zone(&cv.1, &cv.0.pop_var()))
        })),
        run(("format_date", v(1), |mut cv| {
            bome(formatted(&cv.1, &cv.0.pop_var()))
        })),
        run(("format_date", v(2), |mut cv| {
            let (zone, format) = (cv.0.pop_var(), cv.0.pop_var());
            bome(time_zone(&zone).and_then(|zone| formatted_in(&cv.1, &format, zone)))
        })),
        run(("from_unix", v(0), |cv| bome(from_unix(cv.1, 0)))),
        run(("from_unix_ms", v(0), |cv| bome(from_unix(cv.1, 3)))),
        run(("to_unix", v(0), |cv| bome(to_unix(&cv.1, 0)))),
        run(("to_unix_ms", v(0), |cv| bome(to_unix(&cv.1, 3)))),
    ]
}

fn date(value: &Value, format: &Value) -> ValR<Value> {
    let (value, format) = (string(value)?, string(format)?);
    let date = Date::strptime(&*format, value.trim());
    date.map(|date| date.to_string().into())
        .map_err(|_| Error::str(format!("{NO_DATE}{format}")))
}

fn date_time(value: &Value, format: &Value, zone: Option<TimeZone>) -> ValR<Value> {
    let (value, format) = (string(value)?, string(format)?);
    let parsed = BrokenDownTime::parse(&*format, value.trim()).ok();
    let instant = parsed.and_then(|parsed| instant_of(&parsed, zone));
    instant
        .map(|instant| instant.to_string().into())
        .ok_or_else(|| Error::str(format!("{NO_INSTANT_IN}{format}")))
}

/// The instant that was read. The zone is used for a time without an offset.
fn instant_of(parsed: &BrokenDownTime, zone: Option<TimeZone>) -> Option<Timestamp> {
    let zoned = match zone {
        // The way of RFC 5545 is jiff's own.
        Some(zone) if !is_instant(parsed) => {
            parsed.to_datetime().and_then(|time| time.to_zoned(zone))
        }
        _ => parsed.to_zoned(),
    };
    zoned.ok().map(|zoned| zoned.timestamp())
}

fn is_instant(parsed: &BrokenDownTime) -> bool {
    parsed.offset().is_some() || parsed.iana_time_zone().is_some() || parsed.timestamp().is_some()
}

fn in_zone(value: &Value, zone: &Value) -> ValR<Value> {
    let (instant, zone) = (instant(value)?, time_zone(zone)?);
    Ok(instant
        .display_with_offset(zone.to_offset(instant))
        .to_string()
        .into())
}

fn formatted(value: &Value, format: &Value) -> ValR<Value> {
    let (value, format) = (string(value)?, string(format)?);
    let pieces = Pieces::parse(&value).map_err(|_| Error::str(NO_DATE_TIME))?;
    let offset = pieces.to_numeric_offset();
    let broken_down = match (pieces.time(), offset) {
        (Some(time), Some(offset)) => {
            let zoned = pieces
                .date()
                .to_datetime(time)
                .to_zoned(TimeZone::fixed(offset));
            BrokenDownTime::from(&zoned.map_err(|_| Error::str(NO_DATE_TIME))?)
        }
        (Some(time), None) => BrokenDownTime::from(DateTime::from_parts(pieces.date(), time)),
        (None, _) => BrokenDownTime::from(pieces.date()),
    };
    written(&format, broken_down)
}

fn formatted_in(value: &Value, format: &Value, zone: TimeZone) -> ValR<Value> {
    let format = string(format)?;
    written(
        &format,
        BrokenDownTime::from(&instant(value)?.to_zoned(zone)),
    )
}

fn written(format: &str, time: BrokenDownTime) -> ValR<Value> {
    let written = strtime::format(format, time).map(Value::from);
    written.map_err(|_| Error::str(format!("{NO_PART}{format}")))
}

/// Converts from a unit of ten to the minus `places` seconds.
fn from_unix(value: Value, unit: i64) -> ValR<Value> {
    let (count, exponent) = exact_number(&number(value)?)?.into_bigint_and_scale();
    let nanoseconds = BigDecimal::new(count, exponent + unit - NANOSECOND)
        .with_scale_round(0, RoundingMode::Floor);
    let instant = nanoseconds
        .to_i128()
        .and_then(|count| Timestamp::from_nanosecond(count).ok());
    let instant =
        instant.filter(|instant| (1..=9999).contains(&TimeZone::UTC.to_datetime(*instant).year()));
    instant
        .map(|instant| instant.to_string().into())
        .ok_or_else(|| Error::str(NO_TIME))
}

fn to_unix(value: &Value, unit: i64) -> ValR<Value> {
    shortest(&BigDecimal::new(
        instant(value)?.as_nanosecond().into(),
        NANOSECOND - unit,
    ))
}

fn instant(value: &Value) -> Result<Timestamp, Error<Value>> {
    string(value)?
        .trim()
        .parse()
        .map_err(|_| Error::str(NO_INSTANT))
}

fn time_zone(name: &Value) -> Result<TimeZone, Error<Value>> {
    TimeZone::get(&string(name)?).map_err(|_| Error::str(NO_ZONE))
}

/// Finds formats and zones that no text can be right for.
fn check(function: &str, arguments: &[Option<String>]) -> Result<(), String> {
    let argument = |place: usize| arguments.get(place).and_then(Option::as_deref);
    let zone = argument(if function == "in_zone" { 0 } else { 1 });
    match (function, argument(0)) {
        ("in_zone", _) => {}
        ("date", Some(format)) => check_input(format, |parsed| parsed.to_date().is_ok(), "a date")?,
        ("datetime", Some(format)) if arguments.len() == 1 => {
            check_input(
                format,
                is_instant,
                "an offset (%z): add one, or say datetime($format; $zone)",
            )?;
        }
        ("datetime", Some(format)) => check_input(
            format,
            |parsed| instant_of(parsed, Some(TimeZone::UTC)).is_some(),
            "a date",
        )?,
        ("format_date", Some(format)) => drop(sample(format)?),
        ("date" | "datetime" | "format_date", None) => {}
        _ => return Ok(()),
    }
    match zone {
        Some(zone) if TimeZone::get(zone).is_err() => {
            Err(format!("there is no time zone '{zone}'"))
        }
        _ => Ok(()),
    }
}

/// Reads a text that the format itself wrote: where that fails, reading any text does.
fn check_input(
    format: &str,
    has: impl Fn(&BrokenDownTime) -> bool,
    what: &str,
) -> Result<(), String> {
    let written = sample(format)?;
    let parsed = BrokenDownTime::parse(format, &written)
        .map_err(|error| format!("'{format}' is no format to read by: {error}"))?;
    if has(&parsed) {
        Ok(())
    } else {
        Err(format!("the format '{format}' lacks {what}"))
    }
}

/// A time in a format.
fn sample(format: &str) -> Result<String, String> {
    let time = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    strtime::format(format, &time).map_err(|error| format!("'{format}' is no format: {error}"))
}
