//! What went wrong with a request, sorted by what is to be done about it.

use std::{error::Error, time::Duration};

use http::StatusCode;
use pomost_project::request::AnswerMeaning;

use crate::{Response, limits::Limits};

/// How much of an answer's text an error quotes, in characters.
const QUOTED: usize = 300;

/// How much of it is looked at for that, in bytes.
const LOOKED_AT: usize = 64 * 1024;

/// How much of that is not quoted where the answer goes on, since a secret may be cut off in it: no
/// server takes a longer one in a header.
const CUT: usize = 16 * 1024;

/// A request that did not get the answer it was made for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What is to be done about it.
    pub class: FailureClass,
    /// What happened, without secrets and without anything of the record.
    pub message: String,
    /// The beginning of the system's answer. It may hold personal data: mask it before showing it.
    pub answer: String,
    /// Whether that is the title of a web page, without the words that were sent.
    pub is_titled: bool,
    /// The answer's status, where there was an answer.
    pub status: Option<u16>,
    /// How long the system asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether nothing was asked of the system, so that the failure says nothing about it.
    pub unasked: bool,
    /// Whether what gives us tokens failed and there are none to make requests with: whatever is asked of the system
    /// fails, and it is down with the first of these.
    pub no_tokens: bool,
    /// Whether it was the first that came of the system since something succeeded: others that follow may be for the
    /// same reason.
    pub is_first: bool,
    /// Whether the request may have had an effect all the same.
    pub effect: RequestEffect,
}

/// What a request did that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEffect {
    /// Nothing: it was not made, or it was refused.
    None,
    /// Nothing, most likely: the system says that it failed.
    Unlikely,
    /// Nobody knows.
    Unknown,
}

/// What is to be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The system could not be reached; the request was not made. Wait.
    Unreachable,
    /// The system asks for fewer requests (429) or says it is not ready (503). Wait.
    Throttled,
    /// The system refuses our credentials (401, 403). Wait for somebody to mend them.
    Unauthorised,
    /// It may pass: a time-out, a broken connection, 408, 425, 5xx. Try again.
    Transient,
    /// The system does not have it (404, 410).
    Gone,
    /// The system has it already (409).
    Conflict,
    /// The request is at fault: any other answer.
    Invalid,
}

impl FailureClass {
    /// The word used in traces and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureClass::Unreachable => "unreachable",
            FailureClass::Throttled => "throttled",
            FailureClass::Unauthorised => "unauthorised",
            FailureClass::Transient => "transient",
            FailureClass::Gone => "gone",
            FailureClass::Conflict => "conflict",
            FailureClass::Invalid => "invalid",
        }
    }

    /// Whether it is the system's state that fails, not the record: such failures wait and cost
    /// no attempt.
    pub fn is_of_the_system(self) -> bool {
        matches!(
            self,
            FailureClass::Unreachable | FailureClass::Throttled | FailureClass::Unauthorised
        )
    }

    /// What a rule says that something means; none where that is what was asked for.
    pub fn meant_by(meaning: AnswerMeaning) -> Option<FailureClass> {
        Some(match meaning {
            AnswerMeaning::Ok => return None,
            AnswerMeaning::Transient => FailureClass::Transient,
            AnswerMeaning::Throttled => FailureClass::Throttled,
            AnswerMeaning::Unauthorised => FailureClass::Unauthorised,
            AnswerMeaning::Gone => FailureClass::Gone,
            AnswerMeaning::Conflict => FailureClass::Conflict,
            AnswerMeaning::Invalid => FailureClass::Invalid,
        })
    }

    /// What a status means by itself.
    pub(crate) fn of(status: StatusCode) -> FailureClass {
        match status.as_u16() {
            401 | 403 => FailureClass::Unauthorised,
            404 | 410 => FailureClass::Gone,
            409 => FailureClass::Conflict,
            429 | 503 => FailureClass::Throttled,
            408 | 425 | 500..=599 => FailureClass::Transient,
            _ => FailureClass::Invalid,
        }
    }
}

impl Failure {
    /// A failure without an answer.
    pub fn new(class: FailureClass, message: String) -> Failure {
        let effect = if class == FailureClass::Transient {
            RequestEffect::Unknown
        } else {
            RequestEffect::None
        };
        let (answer, status, retry_after) = Default::default();
        let (is_titled, unasked, no_tokens, is_first) = (false, false, false, false);
        Failure {
            class,
            message,
            answer,
            is_titled,
            status,
            retry_after,
            unasked,
            no_tokens,
            is_first,
            effect,
        }
    }

    /// What happened, with the title of a web page that came in the place of an answer: for who may know what the
    /// request was about.
    pub fn with_title(&self) -> String {
        let title = Some(&self.answer).filter(|_| self.is_titled);
        title.map_or_else(
            || self.message.clone(),
            |title| format!("{}: {title}", self.message),
        )
    }

    /// A failure of our own, before anything was asked of the system.
    pub(crate) fn not_sent(class: FailureClass, message: String) -> Failure {
        Failure {
            unasked: true,
            ..Failure::new(class, message)
        }
    }

    /// The failure of something else that a request needed, which was not made then.
    pub(crate) fn before_the_request(self) -> Failure {
        Failure {
            effect: RequestEffect::None,
            ..self
        }
    }

    pub(crate) fn from_reqwest(system: &str, label: &str, error: reqwest::Error) -> Failure {
        let class = match () {
            () if error.is_connect() => FailureClass::Unreachable,
            () if error.is_builder() => FailureClass::Invalid,
            () => FailureClass::Transient,
        };
        // The URL may hold personal data or a key; the label stands for it.
        Failure::new(
            class,
            format!("{system}: {label}: {}", chain(&error.without_url())),
        )
    }

    /// `hide` takes out of the answer's text what is secret: a system may echo what it was sent.
    pub(crate) fn from_answer(
        system: &str,
        label: &str,
        class: FailureClass,
        answer: &Response,
        hide: impl Fn(&str) -> String,
    ) -> Failure {
        let means = match answer.status {
            status if status.is_success() => format!(", which means {}", class.as_str()),
            status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                ", which is not followed".to_owned()
            }
            _ => String::new(),
        };
        let message = format!("{system}: {label} answered {}{means}", answer.status);
        Failure {
            answer: quote(&answer.body, hide),
            status: Some(answer.status.as_u16()),
            retry_after: Limits::of(&answer.headers).delay(answer.status),
            effect: RequestEffect::of(class, answer.status),
            ..Failure::new(class, message)
        }
    }
}

impl RequestEffect {
    /// What an answer says about it, by RFC 9110 §15 and, from 520 on, by what gateways answer. A time-out
    /// and an answer that a gateway did not understand say nothing of what the system behind it did; and
    /// whoever sees what came of a request is often sent there (301 to 303) after it was carried out.
    fn of(class: FailureClass, status: StatusCode) -> RequestEffect {
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

/// The beginning of an answer on one line, without what is hidden.
pub(crate) fn quote(body: &[u8], hide: impl Fn(&str) -> String) -> String {
    let beginning = &body[..body.len().min(LOOKED_AT)];
    let mut text = hide(&String::from_utf8_lossy(beginning));
    if beginning.len() < body.len() {
        let whole = text.len().saturating_sub(CUT);
        text.truncate(
            (0..=whole)
                .rfind(|&end| text.is_char_boundary(end))
                .unwrap_or(0),
        );
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_sorted_by_what_is_to_be_done() {
        let class = |status: u16| FailureClass::of(StatusCode::from_u16(status).unwrap());
        assert_eq!(class(401), FailureClass::Unauthorised);
        assert_eq!(class(404), FailureClass::Gone);
        assert_eq!(class(409), FailureClass::Conflict);
        assert_eq!(class(422), FailureClass::Invalid);
        assert_eq!(class(302), FailureClass::Invalid);
        assert_eq!(class(429), FailureClass::Throttled);
        assert_eq!(class(502), FailureClass::Transient);
    }

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

    #[test]
    fn a_long_answer_is_quoted_in_part_and_on_one_line() {
        let body = "żółw\n ".repeat(500);
        let quoted = quote(body.as_bytes(), str::to_owned);
        assert!(quoted.starts_with("żółw żółw"));
        assert_eq!(quoted.chars().count(), QUOTED + 1);
    }

    #[test]
    fn a_secret_is_not_quoted_not_even_in_part() {
        let hide = |text: &str| text.replace("hunter2", "***");
        assert_eq!(
            quote(b"the key hunter2 is not known", hide),
            "the key *** is not known"
        );
        for before in [QUOTED - 3, LOOKED_AT - 3, LOOKED_AT - 7, LOOKED_AT] {
            let body = format!("no:{}hunter2", " ".repeat(before - 3));
            assert!(!quote(body.as_bytes(), hide).contains('h'), "{before}");
        }
    }
}
