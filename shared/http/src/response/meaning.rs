//! The meaning of a response: a success, or a failure of some class; by a rule, or by its status.

use std::cell::OnceCell;

use http::{Method, StatusCode};
use pomost_project::request::AnswerRule;

use super::Response;
use crate::FailureClass;

/// The meaning of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResponseMeaning {
    /// The class of the failure; nothing where the response is a success.
    pub(crate) class: Option<FailureClass>,
    /// True where a rule says so, not the status.
    pub(crate) by_rule: bool,
}

impl ResponseMeaning {
    /// Returns true if other credentials could help. The status 403 alone says that the credential
    /// is known and does not suffice.
    pub(crate) fn is_about_credential(self, status: StatusCode) -> bool {
        self.class == Some(FailureClass::Unauthorised)
            && (self.by_rule || status == StatusCode::UNAUTHORIZED)
    }

    /// Returns true for a success as far as the status says.
    pub(crate) fn is_success_by_status(self) -> bool {
        self.class.is_none() && !self.by_rule
    }

    /// Judges a response whose body has not been read; nothing where a rule may want to see it.
    pub(crate) fn by_status<'r>(
        status: StatusCode,
        method: &Method,
        mut rules: impl Iterator<Item = &'r AnswerRule>,
    ) -> Option<ResponseMeaning> {
        match rules.find(|rule| rule.may_match(status)) {
            Some(rule) if rule.when.is_some() => None,
            Some(rule) => Some(ResponseMeaning::of_rule(rule)),
            None => Some(ResponseMeaning::of(status, method)),
        }
    }

    /// Judges a status that no rule is about. 304 is a success of a request that reads (RFC 9110
    /// §15.4.5).
    fn of(status: StatusCode, method: &Method) -> ResponseMeaning {
        let is_success =
            status.is_success() || status == StatusCode::NOT_MODIFIED && method.is_safe();
        ResponseMeaning {
            class: (!is_success).then(|| FailureClass::of(status)),
            by_rule: false,
        }
    }

    fn of_rule(rule: &AnswerRule) -> ResponseMeaning {
        ResponseMeaning {
            class: FailureClass::meant_by(rule.means),
            by_rule: true,
        }
    }
}

impl Response {
    /// Judges the response to a request of this method. The first rule that is about it decides,
    /// and where there is none, its status.
    pub(crate) fn meaning<'r>(
        &self,
        method: &Method,
        mut rules: impl Iterator<Item = &'r AnswerRule>,
    ) -> ResponseMeaning {
        let parts = OnceCell::new();
        let rule = rules
            .find(|rule| rule.matches(self.status, || parts.get_or_init(|| self.parts()).clone()));
        rule.map_or_else(
            || ResponseMeaning::of(self.status, method),
            ResponseMeaning::of_rule,
        )
    }
}
