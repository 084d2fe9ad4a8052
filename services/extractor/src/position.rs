//! Where a run stands among the pages of its source, and where the next page is.

use http::HeaderMap;
use pomost_expression::{EvaluationError, Value, Variables, text};
use pomost_project::flow::Paginate;
use serde::{Deserialize, Serialize};

use crate::link;

/// Where a page is. It is stored in checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// Where the flow's request points.
    First,
    /// At a URL that an answer named, absolute.
    Url(String),
    /// At a page number or an offset.
    Number(u64),
    /// At a token that an answer named.
    Token(String),
}

impl Position {
    /// Where a run begins.
    pub fn first(paginate: &Paginate) -> Position {
        match paginate {
            Paginate::None | Paginate::Next(_) | Paginate::Link(_) | Paginate::Token { .. } => {
                Position::First
            }
            Paginate::Page { start, .. } => Position::Number(*start),
            Paginate::Offset { .. } => Position::Number(0),
        }
    }

    /// Where the page after this one is, or `None` after the last. `rows` is how many rows the
    /// answer held, before anything was left out.
    pub fn next(
        &self,
        paginate: &Paginate,
        answer: &Value,
        headers: &HeaderMap,
        rows: usize,
        variables: &Variables,
    ) -> Result<Option<Position>, EvaluationError> {
        let named = |expression: &pomost_expression::Expression| {
            let value = expression.one(answer.clone(), variables)?;
            Ok(text(&value).filter(|text| !text.is_empty()))
        };
        match paginate {
            Paginate::None => Ok(None),
            Paginate::Next(url) => Ok(named(url)?.map(Position::Url)),
            Paginate::Link(relation) => Ok(link::target(headers, relation).map(Position::Url)),
            Paginate::Token { value, .. } => Ok(named(value)?.map(Position::Token)),
            Paginate::Page { last, .. } => self.advance(1, last.as_ref(), answer, rows, variables),
            Paginate::Offset { last, .. } => {
                self.advance(rows as u64, last.as_ref(), answer, rows, variables)
            }
        }
    }

    /// The value of `$page`.
    pub fn variable(&self) -> Value {
        self.value().map_or(Value::Null, Value::from)
    }

    /// The text for the query parameter that takes the page.
    pub fn value(&self) -> Option<String> {
        match self {
            Position::First | Position::Url(_) => None,
            Position::Number(number) => Some(number.to_string()),
            Position::Token(token) => Some(token.clone()),
        }
    }

    fn advance(
        &self,
        by: u64,
        last: Option<&pomost_expression::Expression>,
        answer: &Value,
        rows: usize,
        variables: &Variables,
    ) -> Result<Option<Position>, EvaluationError> {
        let is_last = match last {
            Some(last) => last.truth(answer.clone(), variables)?,
            None => rows == 0,
        };
        match self {
            Position::Number(number) if !is_last => Ok(Some(Position::Number(number + by))),
            _ => Ok(None),
        }
    }
}
