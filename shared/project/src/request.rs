//! Requests and rules about answers, compiled.

use http::{HeaderName, StatusCode};
use pomost_expression::{Expression, Template, Value, Variables};
use pomost_format::BodyFormat;
pub use pomost_models::request::AnswerMeaning;

/// The variables that identify one record.
pub(crate) const RECORD_VARIABLES: [&str; 4] = ["key", "id", "op", "version"];

/// A request whose expressions are filled in each time it is sent.
#[derive(Debug)]
pub struct RequestTemplate {
    pub method: http::Method,
    /// The path and query, relative to the system's base URL, without a leading slash.
    pub path: Template,
    pub headers: Vec<(HeaderName, Template)>,
    pub body: Option<Expression>,
    pub body_format: BodyFormat,
    /// The request as the flow has it, `GET /customers?email={.email}`. Logs, traces and errors
    /// show this text, because the real request may contain personal data.
    pub label: String,
}

impl RequestTemplate {
    /// True where one of the expressions uses the variable. `name` has no dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        self.templates()
            .any(|template| template.uses_variable(name))
            || self
                .body
                .as_ref()
                .is_some_and(|body| body.uses_variable(name))
    }

    /// True where one of the expressions may read the input.
    pub fn needs_input(&self) -> bool {
        self.templates().any(Template::needs_input)
            || self.body.as_ref().is_some_and(Expression::needs_input)
    }

    /// True where the path contains something that identifies a record.
    pub fn names_record(&self) -> bool {
        self.path.needs_input()
            || RECORD_VARIABLES
                .iter()
                .any(|name| self.path.uses_variable(name))
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        std::iter::once(&self.path).chain(self.headers.iter().map(|(_, template)| template))
    }
}

/// A rule that says what some answers mean.
#[derive(Debug)]
pub struct AnswerRule {
    /// The statuses that the rule applies to. None for all.
    pub status: Option<StatusRange>,
    /// The test that an answer has to pass.
    pub when: Option<Expression>,
    pub means: AnswerMeaning,
}

/// A range of statuses: one status, or a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    pub first: u16,
    pub last: u16,
}

impl AnswerRule {
    /// True where the rule applies to this status, at least if its test is passed.
    pub fn may_match(&self, status: StatusCode) -> bool {
        self.status
            .is_none_or(|range| (range.first..=range.last).contains(&status.as_u16()))
    }

    /// True where the rule applies to an answer. `parts` makes `{status, headers, body}`, and is
    /// called only where the rule has a test. A test that fails with an error is not passed.
    pub fn matches(&self, status: StatusCode, parts: impl FnOnce() -> Value) -> bool {
        self.may_match(status)
            && self
                .when
                .as_ref()
                .is_none_or(|when| when.truth(parts(), &Variables::default()).unwrap_or(false))
    }
}
