//! Requests in files, and rules about their answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    format::FormatSection,
    text::{JqExpression, RequestLine, StatusPattern, TextTemplate},
};

/// A request. Its keys stand among the keys of the section that it belongs to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct RequestSection {
    /// The method and the path below the system's base URL: `GET /customers?since={$cursor}`. The
    /// parts in braces are jq.
    pub request: RequestLine,
    /// Headers by name. The parts in braces are jq.
    #[serde(default)]
    pub headers: BTreeMap<String, TextTemplate>,
    /// The body, as jq.
    #[serde(default)]
    pub body: Option<JqExpression>,
    /// The format of the body. JSON by default.
    #[serde(default)]
    pub body_format: Option<FormatSection>,
}

/// A rule that says what some answers mean. It applies to the answers with a status, the answers
/// that pass a test, or the answers with both.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerRuleSection {
    /// The status of the answers that the rule applies to.
    #[serde(default)]
    pub status: Option<StatusPattern>,
    /// A test of the answers that the rule applies to, as jq. `.` is `{status, headers, body}`, and
    /// the names of headers are in lower case.
    #[serde(default)]
    pub when: Option<JqExpression>,
    /// The meaning of these answers.
    pub means: AnswerMeaning,
}

/// The meaning of an answer. It decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMeaning {
    /// Success: the request did what it should.
    Ok,
    /// A temporary failure: the request is tried again.
    Transient,
    /// The system is not ready or wants fewer requests. Pomost waits, which does not count as an
    /// attempt.
    Throttled,
    /// The system refuses the credentials. Pomost waits, which does not count as an attempt.
    Unauthorised,
    /// The system does not have the record.
    Gone,
    /// The system already has the record.
    Conflict,
    /// The record is wrong: it becomes a dead letter.
    Invalid,
}
