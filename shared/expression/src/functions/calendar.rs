//! jq's functions of time, kept within the calendar.
//!
//! jaq reckons in microseconds without looking at overflow: a time that an API gives in microseconds
//! would become some other date, silently. Here it is an error.

use jaq_core::{
    Error, ValR,
    load::{parse, parse::Def},
    native::{Fun, bome, run, v},
};
use jaq_std::ValT as _;

use super::Data;
use crate::Value;

/// What is said of a time that no calendar has.
pub(crate) const NO_TIME: &str = "expected a time in seconds since 1970, in the years 1 to 9999";

/// The last second of the year 9999, and with a minus sign more than enough before the year 1.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// jaq's own functions, which [`definitions`] put behind a check under their usual names.
const RENAMED: [(&str, &str); 3] =
    [("gmtime", "unchecked_gmtime"), ("mktime", "unchecked_mktime"), ("strftime", "unchecked_strftime")];

const DEFINITIONS: &str = "
    def gmtime: checked_time | unchecked_gmtime;
    def mktime: checked_time | unchecked_mktime;
    def strftime($format): checked_time | unchecked_strftime($format);
";

/// The checked functions, in jq.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    parse(DEFINITIONS, |parser| parser.defs()).unwrap_or_default().into_iter()
}

/// The check.
pub(super) fn native() -> Fun<Data> {
    run(("checked_time", v(0), |cv| bome(checked(cv.1))))
}

/// The name that a native function goes by behind its check.
pub(super) fn renamed(name: &'static str) -> &'static str {
    RENAMED.into_iter().find(|(usual, _)| *usual == name).map_or(name, |(_, unchecked)| unchecked)
}

fn checked(time: Value) -> ValR<Value> {
    let fits = match &time {
        Value::Num(_) => time.as_f64().is_some_and(|seconds| seconds.abs() <= LAST_SECOND),
        // Broken down: the month, from 0, is counted on by one.
        Value::Arr(parts) => parts.get(1).and_then(Value::as_f64).is_none_or(|month| month < 12.0),
        _ => true,
    };
    if fits { Ok(time) } else { Err(Error::str(NO_TIME)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{EvaluationError, Expression, Variables, write};

    fn gives(source: &str) -> Result<String, EvaluationError> {
        let output = Expression::compile(source).unwrap().one(crate::Value::Null, &Variables::default());
        output.map(|output| write(&output).unwrap())
    }

    #[test]
    fn times_are_formatted_and_reckoned_as_in_jq() {
        assert_eq!(gives(r#"1795521600 | strftime("%Y-%m-%d")"#).unwrap(), r#""2026-11-24""#);
        assert_eq!(gives("1795521600 | gmtime | mktime").unwrap(), "1795521600");
        assert_eq!(
            gives(r#""24.11.2026" | strptime("%d.%m.%Y") | mktime | todate"#).unwrap(),
            r#""2026-11-24T00:00:00Z""#
        );
    }

    #[test]
    fn a_time_beyond_the_calendar_is_an_error_and_no_other_date() {
        for time in ["1795521600000000", "-1795521600000000000", "1e300", "[2026, 127, 1, 0, 0, 0]"] {
            for function in ["gmtime", "mktime", "strftime(\"%Y\")"] {
                assert!(gives(&format!("{time} | {function}")).is_err(), "{time} | {function}");
            }
        }
        assert!(gives("1795521600000000 | gmtime").unwrap_err().message.contains("seconds"));
    }
}
