//! Requests in files, and what their answers mean.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    format::FormatSection,
    text::{JqExpression, RequestLine, StatusPattern, TextTemplate},
};

/// A request. Its keys stand among those of the section that makes it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct RequestSection {
    /// The method and path under the system's base URL, `GET /customers?since={$cursor}`; what stands
    /// in braces is jq.
    pub request: RequestLine,
    /// Headers of its own by name; what stands in braces is jq.
    #[serde(default)]
    pub headers: BTreeMap<String, TextTemplate>,
    /// The body, as jq.
    #[serde(default)]
    pub body: Option<JqExpression>,
    /// What the body is written in; JSON where it is left out.
    #[serde(default)]
    pub body_format: Option<FormatSection>,
}

/// What some answers mean: those of a status, those that pass a test, or those that do both.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerRuleSection {
    /// The answers with this status.
    #[serde(default)]
    pub status: Option<StatusPattern>,
    /// The answers for which this is true, where `.` is `{status, headers, body}`; the names of
    /// headers are in lower case.
    #[serde(default)]
    pub when: Option<JqExpression>,
    /// What they mean.
    pub means: AnswerMeaning,
}

/// What an answer means, and so what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMeaning {
    /// It is the answer that was asked for.
    Ok,
    /// It may pass: the request is tried again.
    Transient,
    /// The system is not ready or wants fewer requests: it is waited for.
    Throttled,
    /// The system refuses our credentials: it is waited for.
    Unauthorised,
    /// The system does not have the record.
    Gone,
    /// The system has the record already.
    Conflict,
    /// The record is at fault: it becomes a dead letter.
    Invalid,
}
