//! The one text by which a value is known, however its numbers are written: keys and ids are made
//! of it.

use jaq_json::Num;

use crate::{ExactNumber, Value, read, text, write};

/// True where two values are the same JSON: numbers are equal by their value, objects in any order
/// of their fields.
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Num(Num::Int(left)), Value::Num(Num::Int(right))) => left == right,
        (Value::Num(_), Value::Num(_)) => {
            let (left, right) = (ExactNumber::of(left), ExactNumber::of(right));
            left.is_some() && left == right
        }
        (Value::Arr(left), Value::Arr(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|(left, right)| equal(left, right))
        }
        (Value::Obj(left), Value::Obj(right)) => {
            let is_there = |(name, field)| right.get(name).is_some_and(|other| equal(field, other));
            left.len() == right.len() && left.iter().all(is_there)
        }
        (left, right) => left == right,
    }
}

/// The text by which a value is known, as keys and ids are: a text as it is, a number by its value
/// ([`ExactNumber::canonical`]), a list or an object as JSON with such numbers. None of a value
/// that names nothing, such as null.
pub fn name(value: &Value) -> Option<String> {
    match value {
        Value::Arr(_) | Value::Obj(_) => write(&with_canonical_numbers(value, false)?).ok(),
        scalar => scalar_name(scalar),
    }
}

/// The name of a text, a number, true or false; none of lists and objects.
pub fn scalar_name(value: &Value) -> Option<String> {
    if let Value::Num(_) = value {
        number(value)
    } else {
        text(value)
    }
}

fn number(value: &Value) -> Option<String> {
    match value {
        Value::Num(Num::Int(_)) => text(value),
        _ => ExactNumber::of(value)?.canonical(),
    }
}

/// The one text of all values that are [`equal`]. None where a number is beyond all bounds.
pub fn canonical(value: &Value) -> Option<String> {
    write(&with_canonical_numbers(value, true)?).ok()
}

fn with_canonical_numbers(value: &Value, sorted: bool) -> Option<Value> {
    match value {
        Value::Num(Num::Int(_)) => Some(value.clone()),
        Value::Num(_) => Some(Value::Num(Num::Dec(number(value)?.into()))),
        Value::Arr(items) => items
            .iter()
            .map(|item| with_canonical_numbers(item, sorted))
            .collect(),
        Value::Obj(fields) => {
            let field = |(name, field): (&Value, &Value)| {
                Some((name.clone(), with_canonical_numbers(field, sorted)?))
            };
            let mut fields: Vec<_> = fields.iter().map(field).collect::<Option<_>>()?;
            if sorted {
                fields.sort_by(|(name, _), (other, _)| name.cmp(other));
            }
            Some(Value::obj(fields.into_iter().collect()))
        }
        other => Some(other.clone()),
    }
}

/// The value that a source gave as a number or as text, of which only the text is kept: a number
/// where it is written as one. Text that the source gave as such stays text, however it looks.
pub fn given(source: &str, as_text: bool) -> Value {
    let number = if as_text { None } else { number_of(source) };
    number.unwrap_or_else(|| Value::from(source.to_owned()))
}

/// The number that a text is. Most texts are told from numbers by a letter or a colon.
fn number_of(source: &str) -> Option<Value> {
    let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let number = Some(source).filter(|source| source.bytes().all(is_of_number))?;
    read(number.as_bytes())
        .ok()
        .filter(|number| text(number).as_deref() == Some(source))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn exact(text: &str) -> ExactNumber {
        ExactNumber::parse(text).unwrap()
    }

    fn named(json: &str) -> Option<String> {
        name(&read(json.as_bytes()).unwrap())
    }

    #[test]
    fn numbers_of_one_value_have_one_name() {
        for (name, written) in [
            ("1", &["1", "1.0", "1e0", "1.000", "10e-1", "0.1E+1"][..]),
            ("0", &["0", "-0", "0.0", "0e5", "-0.00e-7"]),
            ("1.1", &["1.1", "1.10", "11e-1", "0.11e1"]),
            ("-0.05", &["-0.05", "-5e-2", "-0.0500"]),
            ("1200", &["1200", "1.2e3", "12e2"]),
            (
                "9007199254740993",
                &[
                    "9007199254740993",
                    "9007199254740993.0",
                    "9.007199254740993e15",
                ],
            ),
            (
                "123456789012345678901234567890",
                &[
                    "123456789012345678901234567890",
                    "12345678901234567890123456789e1",
                ],
            ),
            (
                "1e999999999",
                &["1e999999999", "10e999999998", "0.1e1000000000"],
            ),
            ("-25e-2001", &["-25e-2001", "-2.5E-2000"]),
        ] {
            for json in written {
                assert_eq!(named(json).as_deref(), Some(name), "{json}");
            }
        }
        assert_eq!(named("1e99999999999999999999"), None);
    }

    #[test]
    fn an_integer_is_called_by_its_digits_as_long_as_a_key_may_be() {
        let digits = format!("1{}7", "0".repeat(1000));
        for written in [
            digits.clone(),
            format!("{digits}.0"),
            format!("{digits}0e-1"),
        ] {
            assert_eq!(named(&written).as_ref(), Some(&digits));
        }
        assert_eq!(
            named(&format!("1{}", "0".repeat(2000))).as_deref(),
            Some("1e2000")
        );
    }

    proptest! {
        #[test]
        fn any_number_has_one_name_which_is_a_number_of_its_value(
            negative: bool, whole in "0|[1-9][0-9]{0,30}", fraction in "[0-9]{1,30}", exponent in -2000..2000_i64,
        ) {
            let sign = if negative { "-" } else { "" };
            let written = format!("{sign}{whole}.{fraction}e{exponent}");
            let digits = format!("{whole}{fraction}");
            let shifted = match digits.trim_start_matches('0') {
                "" => format!("{sign}0E{exponent}"),
                digits => format!("{sign}{digits}000E{}", exponent - fraction.len() as i64 - 3),
            };
            let name = named(&written).unwrap();
            prop_assert_eq!(named(&shifted), Some(name.clone()));
            prop_assert_eq!(named(&name), Some(name.clone()));
            prop_assert_eq!(exact(&name), exact(&written));
        }
    }

    #[test]
    fn text_is_its_own_name_and_numbers_within_lists_have_theirs() {
        for (json, name) in [
            (r#""1.10""#, "1.10"),
            (r#""1e0""#, "1e0"),
            (
                r#"[1.0,"1.0",{"b":1e1,"a":2}]"#,
                r#"[1,"1.0",{"b":10,"a":2}]"#,
            ),
            ("true", "true"),
        ] {
            assert_eq!(named(json).as_deref(), Some(name), "{json}");
        }
        assert_eq!(named("null"), None);
    }

    #[test]
    fn values_are_equal_by_their_numbers_and_fields() {
        let is_equal = |left: &str, right: &str| {
            equal(
                &read(left.as_bytes()).unwrap(),
                &read(right.as_bytes()).unwrap(),
            )
        };
        assert!(is_equal(r#"{"a":[1.0],"b":1e2}"#, r#"{"b":100,"a":[1]}"#));
        assert!(
            !is_equal("9007199254740993.0", "9007199254740992")
                && !is_equal("1", r#""1""#)
                && !is_equal("[1]", "[1,1]")
        );
        assert!(!is_equal(r#"{"a":1}"#, r#"{"b":1}"#));
    }

    #[test]
    fn what_a_source_gave_is_a_number_where_it_was_written_as_one() {
        for number in ["0", "-5", "1.10", "1e5", "9007199254740993", "1772323320"] {
            assert!(matches!(given(number, false), Value::Num(_)), "{number}");
            assert_eq!(text(&given(number, false)).as_deref(), Some(number));
            assert_eq!(given(number, true), Value::from(number.to_owned()));
        }
        for other in [
            "",
            "00123",
            "-0",
            "1 ",
            "+1",
            ".5",
            "2026-01-01",
            "12abc",
            "null",
            "[1]",
            "NaN",
        ] {
            assert_eq!(
                given(other, false),
                Value::from(other.to_owned()),
                "{other}"
            );
        }
    }
}
