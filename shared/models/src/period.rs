//! Lengths of time as users write them.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};

/// A length of time: a whole number and a unit, `500ms`, `30s`, `5m`, `1h` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Duration);

/// Nine digits of days are millions of years, and far from any overflow.
const PATTERN: &str = "^[0-9]{1,9}(ms|s|m|h|d)$";

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Period, ParsePeriodError> {
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .ok_or(ParsePeriodError)?;
        let number: u64 = text[..digits].parse().map_err(|_| ParsePeriodError)?;
        let unit = match &text[digits..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(ParsePeriodError),
        };
        let milliseconds = number.checked_mul(unit).ok_or(ParsePeriodError)?;
        Ok(Period(Duration::from_millis(milliseconds)))
    }
}

/// The text is not a length of time.
#[derive(Debug, thiserror::Error)]
#[error("expected a number and a unit: 500ms, 30s, 5m, 1h or 7d")]
pub struct ParsePeriodError;

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Period, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "patternErrorMessage": "expected a number and a unit: 500ms, 30s, 5m, 1h or 7d",
            "description": "A number and a unit: 500ms, 30s, 5m, 1h or 7d.",
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_make_a_period() {
        let seconds = |text: &str| {
            text.parse::<Period>()
                .map(|period| period.0.as_secs_f64())
                .ok()
        };
        assert_eq!(seconds("500ms"), Some(0.5));
        assert_eq!(seconds("5m"), Some(300.0));
        assert_eq!(seconds("7d"), Some(604_800.0));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "1.5h",
            "5w",
            "99999999999999999999d",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
