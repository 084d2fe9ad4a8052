//! Strict reading of complete JSON texts.

use pomost_expression::{ReadError, Value, read};

use crate::{DecodeProblem, json::value_scanner::ValueScanner};

/// A problem of a JSON text, with the index of the wrong byte or the byte before it.
pub(crate) struct JsonProblem {
    pub(crate) index: usize,
    pub(crate) problem: DecodeProblem,
}

/// Reads one JSON text (RFC 8259) with every digit of its numbers. `at_end` is true where the body
/// ends with the text: a text without its end was cut off then.
pub(crate) fn read_strictly(bytes: &[u8], at_end: bool) -> Result<Value, JsonProblem> {
    read(bytes).map_err(|error| match error {
        ReadError::TooDeep | ReadError::TooLong => JsonProblem {
            index: 0,
            problem: malformed(format!("a JSON value {error}")),
        },
        ReadError::NotUtf8(index) => JsonProblem {
            index,
            problem: malformed("expected UTF-8"),
        },
        ReadError::NotJson { line, column } => {
            let index = index(bytes, line, column);
            if at_end && is_cut_off(bytes, index) {
                let problem = DecodeProblem::Truncated("the rest of a JSON value".into());
                return JsonProblem {
                    index: bytes.len(),
                    problem,
                };
            }
            JsonProblem {
                index,
                problem: malformed("expected JSON as RFC 8259 has it"),
            }
        }
    })
}

fn malformed(message: impl Into<String>) -> DecodeProblem {
    DecodeProblem::Malformed(message.into())
}

/// True where a text that is wrong at a byte lacks only its end.
fn is_cut_off(bytes: &[u8], wrong_at: usize) -> bool {
    let is_last = wrong_at + 1 >= bytes.trim_ascii_end().len();
    is_last
        && ValueScanner::default()
            .find(bytes.trim_ascii_start())
            .is_none()
}

/// The index of a line and a column, both from 1.
fn index(bytes: &[u8], line: usize, column: usize) -> usize {
    let breaks = memchr::memchr_iter(b'\n', bytes);
    let start = line
        .checked_sub(2)
        .and_then(|before| breaks.clone().nth(before))
        .map_or(0, |at| at + 1);
    (start + column.saturating_sub(1)).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(json: &str, at_end: bool) -> (usize, bool) {
        let error = read_strictly(json.as_bytes(), at_end)
            .map(|_| ())
            .expect_err("it is not JSON");
        (
            error.index,
            matches!(error.problem, DecodeProblem::Truncated(_)),
        )
    }

    #[test]
    fn an_error_names_its_byte() {
        assert_eq!(wrong("[1,\n 2,\n x]", true), (9, false));
        assert_eq!(wrong("[1,]", true), (3, false));
        assert_eq!(wrong("x", false), (0, false));
        assert_eq!(wrong("", false), (0, false));
        assert_eq!(wrong("[1] 2", true), (4, false));
    }

    #[test]
    fn what_is_wrong_before_its_end_was_not_cut_off() {
        assert_eq!(wrong("{\"a\" x, \"b\":", true), (5, false));
    }

    #[test]
    fn what_lacks_its_end_was_cut_off() {
        for json in ["", " ", "[1", "{\"a\":", "\"a", "tru", "12e", "{\"a\":\"\\"] {
            assert_eq!(wrong(json, true), (json.len(), true), "{json}");
        }
        assert_eq!(wrong("tru", false), (2, false));
    }
}
