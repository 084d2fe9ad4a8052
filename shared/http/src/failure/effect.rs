//! The effect that a failed request may have had.

use http::StatusCode;

use super::FailureClass;

/// Says if a request that failed had an effect all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEffect {
    /// The request had no effect: it was not sent, or it was refused.
    None,
    /// The request had no effect most likely: the system says that it failed.
    Unlikely,
    /// The request is in doubt: it is unknown how it ended.
    Unknown,
}

impl RequestEffect {
    /// Judges a status by RFC 9110 §15 and, from 520 on, by the habits of gateways. A time-out and
    /// a response that a gateway did not understand say nothing of what the system behind it did;
    /// and a redirect to the result (301 to 303) often comes after a request was carried out.
    pub(super) fn of(class: FailureClass, status: StatusCode) -> RequestEffect {
        match (class, status.as_u16()) {
            (FailureClass::Invalid | FailureClass::Transient, 301..=303) => RequestEffect::Unknown,
            (FailureClass::Transient, 408 | 502 | 504 | 520 | 522 | 524 | 598 | 599) => {
                RequestEffect::Unknown
            }
            // It was refused, or the system was not reached.
            (FailureClass::Transient, 425 | 501 | 505 | 511 | 521 | 523 | 525 | 526 | 530) => {
                RequestEffect::None
            }
            (FailureClass::Transient, _) | (FailureClass::Throttled, 503) => {
                RequestEffect::Unlikely
            }
            _ => RequestEffect::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_the_request_may_have_had_an_effect() {
        let effect = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            RequestEffect::of(FailureClass::of(status), status)
        };
        let all = |statuses: &[u16], expected| {
            statuses
                .iter()
                .for_each(|&status| assert_eq!(effect(status), expected, "{status}"));
        };
        all(
            &[301, 302, 303, 408, 502, 504, 520, 522, 524, 599],
            RequestEffect::Unknown,
        );
        all(&[500, 503, 507, 529], RequestEffect::Unlikely);
        all(
            &[304, 307, 401, 404, 409, 422, 425, 429, 501, 521, 523, 525],
            RequestEffect::None,
        );
    }

    #[test]
    fn what_a_rule_calls_transient_most_likely_had_no_effect_unless_a_gateway_says_it() {
        assert_eq!(
            RequestEffect::of(FailureClass::Transient, StatusCode::OK),
            RequestEffect::Unlikely
        );
        assert_eq!(
            RequestEffect::of(FailureClass::Transient, StatusCode::BAD_GATEWAY),
            RequestEffect::Unknown
        );
        assert_eq!(
            RequestEffect::of(FailureClass::Transient, StatusCode::FOUND),
            RequestEffect::Unknown
        );
        assert_eq!(
            RequestEffect::of(FailureClass::Invalid, StatusCode::BAD_GATEWAY),
            RequestEffect::None
        );
        assert_eq!(
            RequestEffect::of(FailureClass::Unauthorised, StatusCode::FOUND),
            RequestEffect::None
        );
    }
}
