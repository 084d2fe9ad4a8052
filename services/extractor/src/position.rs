//! Where a run stands among the pages of its source, and where the next page is.

use http::HeaderMap;
use pomost_expression::{EvaluationError, Value, Variables, given, text};
use pomost_project::flow::Pagination;
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
    /// At a page number or an offset, or at a token that is a number where an answer names it.
    Number(u64),
    /// At a token that is another number, as the source wrote it: -1, 1e3, or one of twenty digits.
    Numeral(String),
    /// At another token that an answer named.
    Token(String),
}

impl Position {
    /// Where a run begins.
    pub fn first(paginate: &Pagination) -> Position {
        match paginate {
            Pagination::None
            | Pagination::Next(_)
            | Pagination::Link(_)
            | Pagination::Token { .. } => Position::First,
            Pagination::Page { start, .. } => Position::Number(*start),
            Pagination::Offset { .. } => Position::Number(0),
        }
    }

    /// Where the page after this one is, or `None` after the last. `rows` is how many rows the
    /// answer held, before anything was left out.
    pub fn next(
        &self,
        paginate: &Pagination,
        answer: &Value,
        headers: &HeaderMap,
        rows: usize,
        variables: &Variables,
    ) -> Result<Option<Position>, EvaluationError> {
        let found =
            |expression: &pomost_expression::Expression| expression.one(answer.clone(), variables);
        match paginate {
            Pagination::None => Ok(None),
            Pagination::Next(url) => Ok(named(&found(url)?).map(Position::Url)),
            Pagination::Link(relation) => Ok(link::target(headers, relation).map(Position::Url)),
            Pagination::Token { value, .. } => Ok(Position::token(&found(value)?)),
            Pagination::Page { last, .. } => {
                self.advance(1, last.as_ref(), answer, rows, variables)
            }
            Pagination::Offset { last, .. } => {
                self.advance(rows as u64, last.as_ref(), answer, rows, variables)
            }
        }
    }

    /// Whether an answer named it; the first is the flow's, and pages and offsets are counted.
    pub fn is_named(&self, paginate: &Pagination) -> bool {
        match self {
            Position::First => false,
            Position::Number(_) => matches!(paginate, Pagination::Token { .. }),
            Position::Url(_) | Position::Numeral(_) | Position::Token(_) => true,
        }
    }

    /// The value of `$page`: a number, or a token as the source gave it.
    pub fn variable(&self) -> Value {
        let is_token = matches!(self, Position::Token(_));
        self.value()
            .map_or(Value::Null, |value| given(&value, is_token))
    }

    /// The text for the query parameter that takes the page.
    pub fn value(&self) -> Option<String> {
        match self {
            Position::First | Position::Url(_) => None,
            Position::Number(number) => Some(number.to_string()),
            Position::Numeral(token) | Position::Token(token) => Some(token.clone()),
        }
    }

    fn token(found: &Value) -> Option<Position> {
        let token = named(found)?;
        Some(match (found, token.parse()) {
            (Value::Num(_), Ok(number)) => Position::Number(number),
            (Value::Num(_), Err(_)) => Position::Numeral(token),
            _ => Position::Token(token),
        })
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

/// The text that an answer names; none where it names nothing.
fn named(found: &Value) -> Option<String> {
    text(found).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::read;

    use super::*;

    #[test]
    fn a_page_is_a_number_and_a_token_is_what_the_source_gave() {
        let token = |text: &str| {
            Position::token(&Value::from(text.to_owned())).map(|token| token.variable())
        };
        assert_eq!(Position::Number(3).variable(), given("3", false));
        assert_eq!(
            Position::token(&given("7", false)),
            Some(Position::Number(7))
        );
        for number in ["-1", "1e3", "2.0", "12345678901234567890"] {
            let token = Position::token(&read(number.as_bytes()).unwrap()).unwrap();
            assert!(matches!(token.variable(), Value::Num(_)), "{number}");
            assert_eq!(token.value().as_deref(), Some(number));
        }
        for opaque in ["7", "1e3", "abc"] {
            assert_eq!(
                token(opaque),
                Some(Value::from(opaque.to_owned())),
                "{opaque}"
            );
        }
        assert_eq!((token(""), Position::token(&Value::Null)), (None, None));
    }
}
