//! Request rates as users write them.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::Period;

/// A number of requests within a period: `50/s`, `1000/h`, `100/10s` or `6/m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    pub requests: u32,
    pub period: Period,
}

/// Nine digits fit any number here.
const PATTERN: &str = "^[0-9]{1,9}/[0-9]{0,9}(s|m|h|d)$";

const EXPECTED: &str = "expected a number of requests and a period: 50/s, 1000/h, 100/10s or 6/m";

impl RequestRate {
    /// The time from one request to the next where requests are spread evenly, in whole
    /// microseconds, rounded up. None where the rate allows no request.
    pub fn interval(self) -> Option<Duration> {
        // Rounded up, or the requests of a long period would exceed the rate.
        let interval = self
            .period
            .0
            .as_micros()
            .div_ceil(u128::from(self.requests).max(1));
        (self.requests > 0).then(|| Duration::from_micros(interval.try_into().unwrap_or(u64::MAX)))
    }
}

impl FromStr for RequestRate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<RequestRate, ParseRateError> {
        let (requests, period) = text.split_once('/').ok_or(ParseRateError)?;
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(requests) || period.ends_with("ms") {
            return Err(ParseRateError);
        }
        let period = match period.starts_with(|c: char| c.is_ascii_digit()) {
            true => period.parse(),
            false => format!("1{period}").parse(),
        };
        let requests = requests.parse().map_err(|_| ParseRateError)?;
        Ok(RequestRate {
            requests,
            period: period.map_err(|_| ParseRateError)?,
        })
    }
}

/// The text is not a request rate.
#[derive(Debug, thiserror::Error)]
#[error("{EXPECTED}")]
pub struct ParseRateError;

impl<'de> Deserialize<'de> for RequestRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RequestRate, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for RequestRate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "patternErrorMessage": EXPECTED,
            "description": "A number of requests within a period: 50/s, 1000/h, 100/10s or 6/m.",
        })
    }
}

/// A system's rate limit: a rate, or a rate with a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitSection {
    pub limit: RequestRate,
    /// Number of unused requests that may be caught up on at once.
    pub burst: u32,
}

impl<'de> Deserialize<'de> for RateLimitSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RateLimitSection, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum RateOrFields {
            Rate(RequestRate),
            Fields {
                limit: RequestRate,
                #[serde(default)]
                burst: u32,
            },
        }
        Ok(match RateOrFields::deserialize(deserializer)? {
            RateOrFields::Rate(limit) => RateLimitSection { limit, burst: 0 },
            RateOrFields::Fields { limit, burst } => RateLimitSection { limit, burst },
        })
    }
}

impl JsonSchema for RateLimitSection {
    fn schema_name() -> Cow<'static, str> {
        "RateLimitSection".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "object"],
            "pattern": PATTERN,
            "patternErrorMessage": "expected a rate, 50/s, 1000/h, 100/10s or 6/m, or { limit: 100/10s, burst: 20 }",
            "properties": {
                "limit": generator.subschema_for::<RequestRate>(),
                "burst": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 10_000,
                    "default": 0,
                    "description": "The number of unused requests that may be caught up on at once. A period may then \
                        contain this many requests more than the limit.",
                },
            },
            "required": ["limit"],
            "additionalProperties": false,
        })
    }
}

impl fmt::Display for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, self.period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_a_period_make_a_rate() {
        let rate = |text: &str| {
            text.parse::<RequestRate>()
                .map(|rate| (rate.requests, rate.period.0.as_secs()))
                .ok()
        };
        assert_eq!(rate("50/s"), Some((50, 1)));
        assert_eq!(rate("1000/h"), Some((1000, 3600)));
        assert_eq!(rate("100/10s"), Some((100, 10)));
        assert_eq!(rate("6/m"), Some((6, 60)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "50",
            "50/",
            "/s",
            "+5/s",
            "-5/s",
            "5 / s",
            "5/500ms",
            "5/ms",
            "5/+1s",
            "1.5/s",
            "9999999999/s",
        ] {
            assert!(text.parse::<RequestRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn requests_are_spread_evenly_and_never_closer_than_the_rate_has_it() {
        let micros = |text: &str| {
            text.parse::<RequestRate>()
                .ok()?
                .interval()
                .map(|interval| interval.as_micros())
        };
        assert_eq!(micros("50/s"), Some(20_000));
        assert_eq!(micros("100/10s"), Some(100_000));
        assert_eq!(micros("3/s"), Some(333_334));
        assert_eq!(micros("0/s"), None);
    }
}
