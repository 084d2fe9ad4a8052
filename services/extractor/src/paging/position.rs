//! The position of a page in a listing, and how the next one follows from it.
//!
//! A new kind of paging is a variant of [`Pagination`] in the project's files, and an arm in
//! [`PagePosition::first`] and [`PagePosition::next`]; if it takes a query parameter, one in
//! [`query_parameter`].

use http::HeaderMap;
use pomost_expression::{EvaluationError, Expression, Value, Variables, given, text};
use pomost_project::flow::Pagination;
use serde::{Deserialize, Serialize};

use super::link_header;

/// The position of a page in its listing. It is stored in checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PagePosition {
    /// The flow's request as it stands.
    First,
    /// An absolute URL that an answer named.
    Url(String),
    /// A page number, an offset, or a token that an answer gave as an unsigned number.
    Number(u64),
    /// A token that is any other number, as the source wrote it: -1, 1e3, or one of twenty digits.
    Numeral(String),
    /// A token that an answer gave as text.
    Token(String),
}

impl PagePosition {
    /// The first page of a listing.
    pub fn first(paginate: &Pagination) -> PagePosition {
        match paginate {
            Pagination::None
            | Pagination::Next(_)
            | Pagination::Link(_)
            | Pagination::Token { .. } => PagePosition::First,
            Pagination::Page { start, .. } => PagePosition::Number(*start),
            Pagination::Offset { .. } => PagePosition::Number(0),
        }
    }

    /// The page after this one, or `None` after the last. `rows` is the number of rows in the
    /// answer, before any were left out.
    pub fn next(
        &self,
        paginate: &Pagination,
        answer: &Value,
        headers: &HeaderMap,
        rows: usize,
        variables: &Variables,
    ) -> Result<Option<PagePosition>, EvaluationError> {
        let found = |expression: &Expression| expression.one(answer.clone(), variables);
        match paginate {
            Pagination::None => Ok(None),
            Pagination::Next(url) => Ok(non_empty_text(&found(url)?).map(PagePosition::Url)),
            Pagination::Link(relation) => {
                Ok(link_header::target(headers, relation).map(PagePosition::Url))
            }
            Pagination::Token { value, .. } => Ok(PagePosition::token(&found(value)?)),
            Pagination::Page { last, .. } => {
                self.advance(1, last.as_ref(), answer, rows, variables)
            }
            Pagination::Offset { last, .. } => {
                self.advance(rows as u64, last.as_ref(), answer, rows, variables)
            }
        }
    }

    /// True if an answer named the position. The first one comes from the flow, and page numbers
    /// and offsets are counted.
    pub fn is_from_answer(&self, paginate: &Pagination) -> bool {
        match self {
            PagePosition::First => false,
            PagePosition::Number(_) => matches!(paginate, Pagination::Token { .. }),
            PagePosition::Url(_) | PagePosition::Numeral(_) | PagePosition::Token(_) => true,
        }
    }

    /// The value of `$page`: a number, or a token as the source gave it.
    pub fn variable(&self) -> Value {
        let is_token = matches!(self, PagePosition::Token(_));
        self.value()
            .map_or(Value::Null, |value| given(&value, is_token))
    }

    /// The text for the query parameter that takes the page.
    pub fn value(&self) -> Option<String> {
        match self {
            PagePosition::First | PagePosition::Url(_) => None,
            PagePosition::Number(number) => Some(number.to_string()),
            PagePosition::Numeral(token) | PagePosition::Token(token) => Some(token.clone()),
        }
    }

    fn token(found: &Value) -> Option<PagePosition> {
        let token = non_empty_text(found)?;
        Some(match (found, token.parse()) {
            (Value::Num(_), Ok(number)) => PagePosition::Number(number),
            (Value::Num(_), Err(_)) => PagePosition::Numeral(token),
            _ => PagePosition::Token(token),
        })
    }

    fn advance(
        &self,
        by: u64,
        last: Option<&Expression>,
        answer: &Value,
        rows: usize,
        variables: &Variables,
    ) -> Result<Option<PagePosition>, EvaluationError> {
        let is_last = match last {
            Some(last) => last.truth(answer.clone(), variables)?,
            None => rows == 0,
        };
        match self {
            PagePosition::Number(number) if !is_last => Ok(Some(PagePosition::Number(number + by))),
            _ => Ok(None),
        }
    }
}

fn non_empty_text(found: &Value) -> Option<String> {
    text(found).filter(|text| !text.is_empty())
}

/// The name of the query parameter that takes [`PagePosition::value`], if the request does not
/// place it.
pub(crate) fn query_parameter(paginate: &Pagination) -> Option<&str> {
    match paginate {
        Pagination::None | Pagination::Next(_) | Pagination::Link(_) => None,
        Pagination::Page { param, .. }
        | Pagination::Offset { param, .. }
        | Pagination::Token { param, .. } => param.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::read;

    use super::*;

    #[test]
    fn a_page_is_a_number_and_a_token_is_what_the_source_gave() {
        let token = |text: &str| {
            PagePosition::token(&Value::from(text.to_owned())).map(|token| token.variable())
        };
        assert_eq!(PagePosition::Number(3).variable(), given("3", false));
        assert_eq!(
            PagePosition::token(&given("7", false)),
            Some(PagePosition::Number(7))
        );
        for number in ["-1", "1e3", "2.0", "12345678901234567890"] {
            let token = PagePosition::token(&read(number.as_bytes()).unwrap()).unwrap();
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
        assert_eq!((token(""), PagePosition::token(&Value::Null)), (None, None));
    }
}
