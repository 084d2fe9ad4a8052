//! jq's functions of the beginnings and ends of texts.

use jaq_core::{
    Error, ValR,
    native::{Fun, bome, run, v},
};
use jaq_std::ValT as _;

use super::{BoundedData, errors, str_of};
use crate::Value;

pub(super) fn natives() -> Vec<Fun<BoundedData>> {
    vec![
        run(("utf8bytelength", v(0), |cv| {
            bome(match &cv.1 {
                Value::TStr(text) => Ok(text.len().into()),
                other => Err(errors::of(other, "only strings have UTF-8 byte length")),
            })
        })),
        run(("startswith", v(1), |mut cv| {
            bome(affix(&cv.1, &cv.0.pop_var(), BEGINS).map(|rest| rest.is_some().into()))
        })),
        run(("endswith", v(1), |mut cv| {
            bome(affix(&cv.1, &cv.0.pop_var(), ENDS).map(|rest| rest.is_some().into()))
        })),
        run(("ltrimstr", v(1), |mut cv| {
            bome(affix(&cv.1, &cv.0.pop_var(), BEGINS).map(|rest| rest.unwrap_or(cv.1)))
        })),
        run(("rtrimstr", v(1), |mut cv| {
            bome(affix(&cv.1, &cv.0.pop_var(), ENDS).map(|rest| rest.unwrap_or(cv.1)))
        })),
        run(("trim", v(0), |cv| bome(trimmed(&cv.1, str::trim)))),
        run(("ltrim", v(0), |cv| bome(trimmed(&cv.1, str::trim_start)))),
        run(("rtrim", v(0), |cv| bome(trimmed(&cv.1, str::trim_end)))),
    ]
}

/// Finds a part at the beginning or the end of a text, with jq's message for arguments that are no
/// texts.
type AffixFunction = (
    for<'t> fn(&'t [u8], &[u8]) -> Option<&'t [u8]>,
    &'static str,
);

const BEGINS: AffixFunction = (
    |text, part| text.strip_prefix(part),
    "startswith() requires string inputs",
);
const ENDS: AffixFunction = (
    |text, part| text.strip_suffix(part),
    "endswith() requires string inputs",
);

/// The text without a part, where it has the part.
fn affix(
    value: &Value,
    part: &Value,
    (without, words): AffixFunction,
) -> Result<Option<Value>, Error<Value>> {
    match (value, part) {
        (Value::TStr(text), Value::TStr(part)) => {
            Ok(without(text, part).map(|rest| value.as_sub_str(rest)))
        }
        _ => Err(Error::str(words)),
    }
}

fn trimmed(value: &Value, trim: fn(&str) -> &str) -> ValR<Value> {
    match value {
        Value::TStr(_) => Ok(value.as_sub_str(trim(str_of(value)?).as_bytes())),
        _ => Err(Error::str("trim input must be a string")),
    }
}
