//! Requests, and what their answers mean, compiled.

use http::{HeaderName, StatusCode};
use pomost_expression::{Expression, Template, Value, Variables};
use pomost_format::BodyFormat;
pub use pomost_models::request::AnswerMeaning;

/// The variables that say something about one record.
pub(crate) const RECORD_VARIABLES: [&str; 4] = ["key", "id", "op", "version"];

/// A request whose expressions are filled in each time it is made.
#[derive(Debug)]
pub struct RequestTemplate {
    /// The method.
    pub method: http::Method,
    /// The path and query, relative to the system's base URL, without a leading slash.
    pub path: Template,
    /// The headers of its own.
    pub headers: Vec<(HeaderName, Template)>,
    /// The body.
    pub body: Option<Expression>,
    /// What the body is written in.
    pub body_format: BodyFormat,
    /// The request as the flow has it, `GET /customers?email={.email}`: what logs, traces and errors
    /// show, since the request itself may hold personal data.
    pub label: String,
}

impl RequestTemplate {
    /// Whether one of its expressions uses a variable, named without its dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        self.templates()
            .any(|template| template.uses_variable(name))
            || self
                .body
                .as_ref()
                .is_some_and(|body| body.uses_variable(name))
    }

    /// Whether one of its expressions may read the input.
    pub fn needs_input(&self) -> bool {
        self.templates().any(Template::needs_input)
            || self.body.as_ref().is_some_and(Expression::needs_input)
    }

    /// Whether its path says which record it is about.
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

/// What some answers mean.
#[derive(Debug)]
pub struct AnswerRule {
    /// The statuses it is about; all of them where there is none.
    pub status: Option<StatusRange>,
    /// The test that an answer has to pass, if there is one.
    pub when: Option<Expression>,
    /// What the answers mean.
    pub means: AnswerMeaning,
}

/// A status, or a hundred of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl AnswerRule {
    /// Whether it is about answers of this status, or about those of them that pass its test.
    pub fn may_match(&self, status: StatusCode) -> bool {
        self.status
            .is_none_or(|range| (range.first..=range.last).contains(&status.as_u16()))
    }

    /// Whether it is about an answer, which `parts` gives as `{status, headers, body}` where the rule
    /// has to look at it. A test that fails on an answer is not passed by it.
    pub fn matches(&self, status: StatusCode, parts: impl FnOnce() -> Value) -> bool {
        self.may_match(status)
            && self
                .when
                .as_ref()
                .is_none_or(|when| when.truth(parts(), &Variables::default()).unwrap_or(false))
    }
}
