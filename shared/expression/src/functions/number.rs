//! Functions of numbers.

use bigdecimal::{BigDecimal, RoundingMode};
use jaq_core::{
    Error, ValR, ValT as _,
    native::{Fun, bome, run, v},
};
use jaq_json::Num;

use super::{AddedFunction, BoundedData, FunctionSubject, errors, no_check, str_of, string};
use crate::{
    Value,
    decimal::{NO_DECIMAL, decimal as exact, shortest},
    read,
};

pub(super) const SUBJECT: FunctionSubject = FunctionSubject {
    title: "Numbers",
    functions: &FUNCTIONS,
    natives,
    messages: &[NO_NUMBER, NO_AMOUNT, NO_PLACES, NO_MARK],
    messages_about: &[],
    check: no_check,
};

const FUNCTIONS: [AddedFunction; 5] = [
    AddedFunction {
        name: "tonumber",
        description: "The number that a text is, by JSON's rules and digit for digit; numbers pass.",
        example: r#""9007199254740993" | tonumber"#,
        gives: "9007199254740993",
    },
    AddedFunction {
        name: "decimal",
        description: "The number that a text is as people write it: groups of three set apart by spaces (any \
                      kind), points or commas, and the last point or comma for the decimals. A text with one \
                      separator has decimals, so 1,234 is a little over one. Numbers pass.",
        example: r#""1 234,50" | decimal"#,
        gives: "1234.50",
    },
    AddedFunction {
        name: "round($places)",
        description: "A number rounded to so many decimal places, halves away from zero, and written with all of them.",
        example: "2.675 | round(2)",
        gives: "2.68",
    },
    AddedFunction {
        name: "round_half_even($places)",
        description: "The same, but halves go to the even neighbour, as banks round.",
        example: "2.665 | round_half_even(2)",
        gives: "2.66",
    },
    AddedFunction {
        name: "format_decimal($places; $decimal_mark; $group_mark)",
        description: "A number as people write it: rounded as `round` does, with a mark before the decimals and \
                      one between groups of three digits, which may be empty.",
        example: r#"-1234567.5 | format_decimal(2; ","; " ")"#,
        gives: r#""-1 234 567,50""#,
    },
];

pub(super) const NO_NUMBER: &str = "expected text that is a number, such as 12.50";
const NO_AMOUNT: &str = "expected an amount, such as 1 234,50";
const NO_PLACES: &str = "expected a number of decimal places from 0 to 100";
const NO_MARK: &str = "expected a short mark that is no digit";

/// Size of the marks of a number together, in bytes: one stands between each three digits.
const MAX_MARK_BYTES: usize = 64;

fn natives() -> Vec<Fun<BoundedData>> {
    vec![
        run(("tonumber", v(0), |cv| bome(number(cv.1)))),
        run(("decimal", v(0), |cv| bome(decimal(cv.1)))),
        run(("round", v(1), |mut cv| {
            bome(rounded(&cv.1, &cv.0.pop_var(), RoundingMode::HalfUp))
        })),
        run(("round_half_even", v(1), |mut cv| {
            bome(rounded(&cv.1, &cv.0.pop_var(), RoundingMode::HalfEven))
        })),
        run(("format_decimal", v(3), |mut cv| {
            let (group, mark, places) = (cv.0.pop_var(), cv.0.pop_var(), cv.0.pop_var());
            bome(formatted(&cv.1, &places, &mark, &group))
        })),
    ]
}

/// jq's functions that round to integers. jaq's own go through floats, which lose digits.
pub(super) fn rounding() -> [Fun<BoundedData>; 6] {
    [
        run(("trunc", v(0), |cv| bome(integer(cv.1, RoundingMode::Down)))),
        run(("rint", v(0), |cv| {
            bome(integer(cv.1, RoundingMode::HalfEven))
        })),
        run(("nearbyint", v(0), |cv| {
            bome(integer(cv.1, RoundingMode::HalfEven))
        })),
        run(("floor", v(0), |cv| bome(integer(cv.1, RoundingMode::Floor)))),
        run(("round", v(0), |cv| {
            bome(integer(cv.1, RoundingMode::HalfUp))
        })),
        run(("ceil", v(0), |cv| {
            bome(integer(cv.1, RoundingMode::Ceiling))
        })),
    ]
}

/// The number of a value that is a number or the text of one.
pub(super) fn number(value: Value) -> ValR<Value> {
    if let Value::Num(_) = value {
        return Ok(value);
    }
    let text = match &value {
        Value::TStr(_) => str_of(&value)?,
        _ => "",
    };
    match read(text.as_bytes()) {
        Ok(number @ Value::Num(_)) if text.trim() == text => Ok(number),
        _ => Err(errors::of(&value, "cannot be parsed as a number")),
    }
}

/// The number of a value, with all its digits.
pub(super) fn exact_number(value: &Value) -> Result<BigDecimal, Error<Value>> {
    match value {
        Value::Num(number) => exact(number),
        other => Err(Error::typ(other.clone(), "number")),
    }
}

fn integer(value: Value, mode: RoundingMode) -> ValR<Value> {
    match &value {
        Value::Num(Num::Int(_) | Num::BigInt(_)) => Ok(value),
        // Infinity, and what is no number, have no integer: they stay.
        Value::Num(Num::Float(float)) if !float.is_finite() => Ok(value),
        other => shortest(&exact_number(other)?.with_scale_round(0, mode)),
    }
}

fn rounded(value: &Value, places: &Value, mode: RoundingMode) -> ValR<Value> {
    Value::from_num(
        &exact_number(value)?
            .with_scale_round(decimal_places(places)?, mode)
            .to_plain_string(),
    )
}

fn formatted(value: &Value, places: &Value, mark: &Value, group: &Value) -> ValR<Value> {
    let (mark, group) = (string(mark)?, string(group)?);
    if mark.is_empty()
        || mark.len() + group.len() > MAX_MARK_BYTES
        || format!("{mark}{group}").contains(|c: char| c.is_numeric())
    {
        return Err(Error::str(NO_MARK));
    }
    let rounded =
        exact_number(value)?.with_scale_round(decimal_places(places)?, RoundingMode::HalfUp);
    let plain = rounded.to_plain_string();
    let (whole, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
    let (sign, whole) = whole
        .strip_prefix('-')
        .map_or(("", whole), |whole| ("-", whole));
    let mark = if decimals.is_empty() { "" } else { &mark };
    Ok(format!("{sign}{}{mark}{decimals}", grouped(whole, &group)).into())
}

fn decimal_places(places: &Value) -> Result<i64, Error<Value>> {
    match places {
        Value::Num(Num::Int(places @ 0..=100)) => Ok(*places as i64),
        _ => Err(Error::str(NO_PLACES)),
    }
}

/// Puts a mark between the groups of three digits.
fn grouped(digits: &str, mark: &str) -> String {
    let before_mark = |place: usize| place > 0 && (digits.len() - place).is_multiple_of(3);
    let marked = digits.chars().enumerate().map(|(place, digit)| {
        if before_mark(place) {
            format!("{mark}{digit}")
        } else {
            digit.to_string()
        }
    });
    marked.collect()
}

fn decimal(value: Value) -> ValR<Value> {
    if let Value::Num(_) = value {
        return Ok(value);
    }
    let text = string(&value)?;
    let plain = plain_decimal(&text).ok_or_else(|| Error::str(NO_AMOUNT))?;
    read(plain.as_bytes()).map_err(|_| Error::str(NO_DECIMAL))
}

/// The digits of an amount as JSON writes them; none where the text is no amount.
fn plain_decimal(text: &str) -> Option<String> {
    let text: String = text
        .trim()
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
    let (sign, unsigned) = match text.strip_prefix(['-', '−']) {
        Some(unsigned) => ("-", unsigned),
        None => ("", text.as_str()),
    };
    let (whole, decimals) = split_decimals(unsigned);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let whole = ungrouped(whole)?;
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    match decimals {
        None => Some(format!("{sign}{whole}")),
        Some(decimals) => is_number(decimals).then(|| format!("{sign}{whole}.{decimals}")),
    }
}

/// Splits an amount at its decimal separator: the last point or comma, unless that occurs several
/// times, and so groups digits.
fn split_decimals(text: &str) -> (&str, Option<&str>) {
    match text.rfind(['.', ',']) {
        Some(place) if text.matches(&text[place..=place]).count() == 1 => {
            (&text[..place], Some(&text[place + 1..]))
        }
        _ => (text, None),
    }
}

/// The digits of a whole number, without the separator between their groups of three; they may have
/// one kind of separator.
fn ungrouped(text: &str) -> Option<String> {
    let Some(separator) = text.chars().find(|c| !c.is_ascii_digit()) else {
        return (!text.is_empty()).then(|| text.to_owned());
    };
    let mut groups = text.split(separator);
    let first = groups
        .next()
        .filter(|first| (1..=3).contains(&first.len()))?;
    let rest: Vec<&str> = groups.collect();
    let digits = |group: &&str| group.bytes().all(|byte| byte.is_ascii_digit());
    let fits = [' ', '.', ',', '\''].contains(&separator)
        && digits(&first)
        && rest.iter().all(|group| group.len() == 3 && digits(group));
    fits.then(|| format!("{first}{}", rest.concat()))
}
