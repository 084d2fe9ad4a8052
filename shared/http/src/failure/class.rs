//! The classes of failures: each says what is to be done next.

use http::StatusCode;
use pomost_project::request::AnswerMeaning;

/// Says what is to be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The system could not be reached; the request was not sent. Wait.
    Unreachable,
    /// The system asks for fewer requests (429) or says it is not ready (503). Wait.
    Throttled,
    /// The system refuses our credentials (401, 403). Wait until a person mends them.
    Unauthorised,
    /// The failure may pass: a time-out, a broken connection, 408, 425, 5xx. Try again.
    Transient,
    /// The system does not have the thing (404, 410).
    Gone,
    /// The system has the thing already (409).
    Conflict,
    /// The request is at fault: any other response.
    Invalid,
}

impl FailureClass {
    /// Returns the word for traces and metrics.
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

    /// Returns true if the state of the system fails, not the record. Such failures wait and do not
    /// count towards the attempts.
    pub fn is_of_the_system(self) -> bool {
        matches!(
            self,
            FailureClass::Unreachable | FailureClass::Throttled | FailureClass::Unauthorised
        )
    }

    /// Returns the class that a rule about responses names; none where the rule says that they are
    /// successes.
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

    /// Returns the class of a status that no rule is about.
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
}
