//! The headers that say for how long a system wants to be left alone.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use super::number_as_time::time_until;

/// The longest time that is taken from `Retry-After`, in case the system's idea of time is odd.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The longest time that is taken from the other headers, whose unit no standard says. A request
/// that comes too early is refused again.
const MAX_RESET: Duration = Duration::from_secs(3600);

/// The beginnings of the names `…-Remaining` and `…-Reset`.
const PREFIXES: [&str; 3] = ["ratelimit", "x-ratelimit", "x-rate-limit"];

/// The limits that a response's headers tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RateLimitHeaders {
    retry_after: Option<Duration>,
    /// The time until a limit is lifted that is reached, or may be.
    reset: Option<Duration>,
    /// The time until all limits are lifted of which nothing remains.
    exhausted: Option<Duration>,
}

/// One limit: the number of requests that remain, and the time until there are new ones.
struct HeaderLimit {
    remaining: Option<f64>,
    reset: Option<Duration>,
}

impl RateLimitHeaders {
    /// Reads `Retry-After` (RFC 9110 §10.2.3), `RateLimit` and `RateLimit-Policy` (the IETF's
    /// drafts on them, the older ones too), and the `…RateLimit-Remaining` and `…RateLimit-Reset`
    /// that came before, in seconds or as a time. The response's own clock counts, where it shows
    /// it, and `now` where it does not.
    pub(crate) fn of(headers: &HeaderMap, now: SystemTime) -> RateLimitHeaders {
        let date = text(headers, header::DATE.as_str())
            .and_then(|date| httpdate::parse_http_date(date).ok());
        RateLimitHeaders::at(headers, date.unwrap_or(now))
    }

    fn at(headers: &HeaderMap, now: SystemTime) -> RateLimitHeaders {
        let limits = || separate(headers, now).chain(structured(headers, now));
        let latest = |reached: fn(&HeaderLimit) -> bool| {
            limits()
                .filter(reached)
                .filter_map(|limit| limit.reset)
                .max()
        };
        RateLimitHeaders {
            retry_after: retry_after(headers, now),
            reset: latest(|limit| limit.remaining.is_none_or(is_nothing)),
            exhausted: latest(|limit| limit.remaining.is_some_and(is_nothing)),
        }
        .bounded()
    }

    /// Returns the time until a request that failed may be tried again.
    pub(crate) fn delay(&self, status: StatusCode) -> Option<Duration> {
        self.retry_after.or(self
            .reset
            .filter(|_| status == StatusCode::TOO_MANY_REQUESTS))
    }

    /// Returns the time for which no further request is to be begun, whatever it is; nothing where
    /// no time is named. With 503, which is about the whole system, `Retry-After` counts as with
    /// 429 (RFC 9110 §15.6.4, RFC 6585 §4); with any other status it may be about that one request.
    pub(crate) fn hold(&self, status: StatusCode) -> Option<Duration> {
        match status {
            StatusCode::TOO_MANY_REQUESTS => self.delay(status),
            StatusCode::SERVICE_UNAVAILABLE => self.retry_after.or(self.exhausted),
            _ => self.exhausted,
        }
        .filter(|hold| !hold.is_zero())
    }

    fn bounded(self) -> RateLimitHeaders {
        let bound = |delay: Option<Duration>, longest| delay.map(|delay| delay.min(longest));
        RateLimitHeaders {
            retry_after: bound(self.retry_after, MAX_RETRY_AFTER),
            reset: bound(self.reset, MAX_RESET),
            exhausted: bound(self.exhausted, MAX_RESET),
        }
    }
}

/// Returns true if no request remains. Some systems say -1 where there is no limit.
fn is_nothing(remaining: f64) -> bool {
    (0.0..1.0).contains(&remaining)
}

fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = text(headers, header::RETRY_AFTER.as_str())?;
    let at_date = || {
        httpdate::parse_http_date(text)
            .ok()?
            .duration_since(now)
            .ok()
    };
    seconds(text).or_else(at_date)
}

/// Reads whole seconds, as RFC 9110 has it, or the decimal that Shopify and others send.
fn seconds(text: &str) -> Option<Duration> {
    let is_decimal = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = text.parse().ok().filter(|_| is_decimal)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// Reads `RateLimit-Remaining: 0`, `RateLimit-Reset: 30`.
fn separate(headers: &HeaderMap, now: SystemTime) -> impl Iterator<Item = HeaderLimit> {
    PREFIXES.into_iter().map(move |prefix| {
        let number = |name| number(text(headers, &format!("{prefix}-{name}"))?);
        HeaderLimit {
            remaining: number("remaining"),
            reset: number("reset").and_then(|reset| time_until(reset, now)),
        }
    })
}

/// Reads `RateLimit: "default";r=0;t=30`, or `limit=100, remaining=0, reset=30` as it was before.
/// Without a time, the window of the policy is the bound.
fn structured(headers: &HeaderMap, now: SystemTime) -> impl Iterator<Item = HeaderLimit> {
    let text = |name| text(headers, name).unwrap_or_default();
    let (limits, window) = (
        text("ratelimit"),
        parameter(text("ratelimit-policy"), &["w"]),
    );
    let limit = move |text: &str| HeaderLimit {
        remaining: parameter(text, &["r", "remaining"]),
        reset: parameter(text, &["t", "reset"])
            .or(window)
            .and_then(|reset| time_until(reset, now)),
    };
    let whole = limits.contains("remaining=");
    limits.split(move |c| c == ',' && !whole).map(limit)
}

fn parameter(text: &str, names: &[&str]) -> Option<f64> {
    let pairs = text
        .split([',', ';'])
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .into_iter()
        .find(|(name, _)| names.contains(name))
        .and_then(|(_, value)| number(value))
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::{HeaderName, HeaderValue};
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    const NAMES: [&str; 8] = [
        "retry-after",
        "date",
        "ratelimit",
        "ratelimit-policy",
        "ratelimit-remaining",
        "ratelimit-reset",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ];

    const OK: StatusCode = StatusCode::OK;
    const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;

    fn limits(headers: &[(&'static str, &str)]) -> RateLimitHeaders {
        let header = |(name, value): &(&'static str, &str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        RateLimitHeaders::at(
            &headers.iter().map(header).collect(),
            UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        )
    }

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(limits(&[("retry-after", "120")]).delay(OK), seconds(120));
        let date = limits(&[("retry-after", "Tue, 14 Nov 2023 22:13:50 GMT")]);
        assert_eq!(date.delay(StatusCode::SERVICE_UNAVAILABLE), seconds(30));
    }

    #[test]
    fn decimal_seconds_are_read_as_whole_ones_are() {
        for (value, milliseconds) in [
            ("6.0", 6000),
            ("0.5", 500),
            (" 6 ", 6000),
            ("1.5", 1500),
            ("2.", 2000),
        ] {
            let delay = limits(&[("retry-after", value)]).delay(TOO_MANY);
            assert_eq!(delay, Some(Duration::from_millis(milliseconds)), "{value}");
        }
    }

    #[test]
    fn retry_after_holds_the_system_where_the_status_is_about_all_of_it() {
        let asked = limits(&[("retry-after", "30")]);
        let hold = |status: u16| asked.hold(StatusCode::from_u16(status).unwrap());
        assert_eq!([429, 503].map(hold), [seconds(30), seconds(30)]);
        assert_eq!(
            [200, 301, 408, 413, 425, 500, 502, 504].map(hold),
            [None; 8]
        );
        let exhausted = limits(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "7")]);
        assert_eq!(exhausted.hold(StatusCode::SERVICE_UNAVAILABLE), seconds(7));
    }

    #[test]
    fn a_retry_after_that_says_nothing_is_left_out() {
        for value in [
            "soon",
            "-1",
            "",
            ".",
            "1.2.3",
            "1e3",
            "inf",
            "nan",
            "6s",
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(
                limits(&[("retry-after", value)]),
                RateLimitHeaders::default(),
                "{value}"
            );
        }
    }

    #[test]
    fn when_nothing_remains_no_request_is_started_before_the_reset() {
        for headers in [
            [("ratelimit-remaining", "0"), ("ratelimit-reset", "30")],
            [
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1700000030"),
            ],
            [
                ("x-rate-limit-remaining", "0"),
                ("x-rate-limit-reset", "1700000030000"),
            ],
            [
                ("ratelimit", "\"default\";r=0;t=30, \"hour\";r=7;t=3000"),
                ("ratelimit-policy", "\"default\";q=9"),
            ],
            [
                ("ratelimit", "limit=100, remaining=0, reset=30"),
                ("ratelimit-policy", "100;w=60"),
            ],
            [
                ("ratelimit", "\"default\";r=0"),
                ("ratelimit-policy", "\"default\";q=10;w=30"),
            ],
        ] {
            assert_eq!(limits(&headers).hold(OK), seconds(30), "{headers:?}");
            assert_eq!(limits(&headers).delay(OK), None, "{headers:?}");
        }
    }

    #[test]
    fn while_something_remains_requests_go_on() {
        for headers in [
            [("ratelimit-remaining", "1"), ("ratelimit-reset", "30")],
            [("x-ratelimit-remaining", "-1"), ("x-ratelimit-reset", "30")],
            [
                ("x-ratelimit-limit", "0"),
                ("x-ratelimit-reset", "1700000030"),
            ],
            [
                ("ratelimit", "\"default\";r=5;t=30"),
                ("ratelimit-policy", "\"default\";q=9"),
            ],
            [("ratelimit", "nonsense;;=,r"), ("ratelimit-policy", "=;w=")],
        ] {
            assert_eq!(limits(&headers).hold(OK), None, "{headers:?}");
        }
    }

    #[test]
    fn too_many_requests_without_retry_after_wait_for_the_reset() {
        let reset = ("ratelimit-reset", "30");
        assert_eq!(limits(&[reset]).delay(TOO_MANY), seconds(30));
        assert_eq!(limits(&[reset]).hold(TOO_MANY), seconds(30));
        assert_eq!(
            limits(&[reset, ("retry-after", "5")]).delay(TOO_MANY),
            seconds(5)
        );
        assert_eq!(
            limits(&[reset, ("ratelimit-remaining", "20")]).delay(TOO_MANY),
            None
        );
    }

    proptest! {
        #[test]
        fn any_headers_are_waited_for_within_bounds(
            headers in vec((select(NAMES.to_vec()), "[-+0-9a-z=;, \"./:]{0,24}|[ -~]{0,24}|[0-9]{1,40}|(-?inf|nan|1e999)"), 0..6),
        ) {
            let headers = headers.iter().filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
            });
            let limits = RateLimitHeaders::of(&headers.collect(), SystemTime::now());
            for status in [OK, TOO_MANY, StatusCode::SERVICE_UNAVAILABLE] {
                prop_assert!(limits.delay(status).is_none_or(|delay| delay <= MAX_RETRY_AFTER));
                prop_assert!(limits.hold(status).is_none_or(|hold| hold <= MAX_RETRY_AFTER));
            }
        }
    }

    #[test]
    fn no_answer_makes_anybody_wait_for_ever() {
        for value in ["99999999999", "99999999999999999999999.5"] {
            let long = limits(&[("retry-after", value), ("ratelimit-reset", "inf")]);
            assert_eq!(long.delay(TOO_MANY), Some(MAX_RETRY_AFTER));
        }
    }
}
