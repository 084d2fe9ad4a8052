//! Numbers by their value, however they are written: `1`, `1.0` and `1e0` are one number.

use std::cmp::Ordering;

use jaq_json::Num;

use crate::{Value, read, text, write};

/// How far from its first digit the point of a number may be: what is beyond is no number that anybody
/// means, and is bounded lest exponents overflow.
const FARTHEST_POINT: i64 = 1 << 40;

/// The longest number that is written out without an exponent, in bytes.
const LONGEST_PLAIN: i64 = 1024;

/// A number with every digit. Two are equal where their values are. It has no more digits than its text:
/// an exponent is never written out to compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExactNumber {
    negative: bool,
    /// Without zeros before or behind; none of zero.
    digits: String,
    /// How many digits stand before the point. Where it is negative, zeros stand between.
    point: i64,
}

impl ExactNumber {
    /// The number that a value is, if it is one that JSON has.
    pub fn of(value: &Value) -> Option<ExactNumber> {
        match value {
            Value::Num(number) => ExactNumber::of_number(number),
            _ => None,
        }
    }

    /// The same of a number.
    pub fn of_number(number: &Num) -> Option<ExactNumber> {
        match number {
            Num::Dec(text) => ExactNumber::parse(text),
            number => ExactNumber::parse(&number.to_string()),
        }
    }

    /// The number that a text is, as JSON writes it (RFC 8259 §6).
    pub fn parse(text: &str) -> Option<ExactNumber> {
        let (negative, unsigned) = text
            .strip_prefix('-')
            .map_or((false, text), |unsigned| (true, unsigned));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let zeros_before = i64::try_from(all.len() - digits.len()).ok()?;
        let digits = digits.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(ExactNumber {
                negative: false,
                digits,
                point: 0,
            });
        }
        let point = i64::try_from(whole.len()).ok()? - zeros_before;
        Some(ExactNumber {
            negative,
            digits,
            point: point.saturating_add(bounded(exponent)?),
        })
    }

    /// Whether it is a whole number, such as `1.0` or `1e2`.
    pub fn is_integer(&self) -> bool {
        self.length() <= self.point
    }

    /// Whether it is a multiple of another, of which `divisor` has the digits (at most 18) as a number.
    fn is_multiple(&self, divisor: u64, zeros: i64) -> bool {
        // Neither has zeros behind its digits, so whatever has fewer behind its point has the divisor's tens.
        let Ok(zeros) = u64::try_from(self.point - self.length() - zeros) else {
            return self.digits.is_empty();
        };
        let modulus = u128::from(divisor);
        let times_ten = |rest: u128, digit: u8| (rest * 10 + u128::from(digit - b'0')) % modulus;
        let rest = self.digits.bytes().fold(0, times_ten);
        (rest * power_of_ten(zeros, modulus)).is_multiple_of(modulus)
    }

    /// What tells whether a number is a multiple of this one; none where it has more than 18 digits, or is
    /// not positive.
    pub fn multiples(&self) -> Option<impl Fn(&ExactNumber) -> bool + Send + Sync + use<>> {
        let divisor: u64 = Some(&self.digits)
            .filter(|digits| digits.len() <= 18)?
            .parse()
            .ok()?;
        let zeros = self.point - self.length();
        (!self.negative).then_some(move |number: &ExactNumber| number.is_multiple(divisor, zeros))
    }

    /// The one text of all numbers of its value: an integer by its digits, others as short as can be, such as
    /// `1.1`; with an exponent, `1e2000`, where it would be longer than 1024 bytes. None of a number beyond
    /// all bounds.
    pub fn canonical(&self) -> Option<String> {
        let ExactNumber { digits, point, .. } = self;
        let sign = if self.negative { "-" } else { "" };
        let behind = self.length() - point;
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
        if point.abs() >= FARTHEST_POINT {
            return None;
        }
        let plain = if behind <= 0 {
            *point
        } else {
            self.length() + 2 + (-point).max(0)
        };
        Some(match usize::try_from(*point) {
            _ if digits.is_empty() => "0".to_owned(),
            _ if plain > LONGEST_PLAIN => format!("{sign}{digits}e{}", -behind),
            Ok(_) if behind <= 0 => format!("{sign}{digits}{}", zeros(-behind)),
            Ok(before @ 1..) => format!("{sign}{}.{}", &digits[..before], &digits[before..]),
            _ => format!("{sign}0.{}{digits}", zeros(-point)),
        })
    }

    fn length(&self) -> i64 {
        self.digits.len() as i64
    }

    /// How it compares with another, signs apart.
    fn magnitude(&self, other: &ExactNumber) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (false, false) => self
                .point
                .cmp(&other.point)
                .then_with(|| self.digits.cmp(&other.digits)),
            (is_zero, other_is_zero) => other_is_zero.cmp(&is_zero),
        }
    }
}

impl Ord for ExactNumber {
    fn cmp(&self, other: &ExactNumber) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
            (negative, other_negative) => other_negative.cmp(&negative),
        }
    }
}

impl PartialOrd for ExactNumber {
    fn partial_cmp(&self, other: &ExactNumber) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The exponent that a text is, none where it is none.
fn bounded(exponent: &str) -> Option<i64> {
    let (negative, digits) = match exponent.strip_prefix(['-', '+']) {
        Some(digits) => (exponent.starts_with('-'), digits),
        None => (false, exponent),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = digits
        .parse()
        .unwrap_or(FARTHEST_POINT)
        .min(FARTHEST_POINT * 2);
    Some(if negative { -exponent } else { exponent })
}

fn power_of_ten(exponent: u64, modulus: u128) -> u128 {
    let (mut power, mut base, mut left) = (1 % modulus, 10 % modulus, exponent);
    while left > 0 {
        if !left.is_multiple_of(2) {
            power = power * base % modulus;
        }
        (base, left) = (base * base % modulus, left / 2);
    }
    power
}

/// Whether two values are the same JSON: numbers by their value, objects whatever the order of their fields.
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

/// The text by which a value is known, as keys and ids are: text as it is, a number by its value
/// ([`ExactNumber::canonical`]), a list or an object as JSON with such numbers. None where there is nothing that could
/// be a name, such as null.
pub fn name(value: &Value) -> Option<String> {
    match value {
        Value::Arr(_) | Value::Obj(_) => write(&with_canonical_numbers(value, false)?).ok(),
        scalar => scalar_name(scalar),
    }
}

/// The same of text, numbers, true and false; none of lists and objects.
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

/// The value that a source gave as a number or as text, of which only the text is kept: a number where it is
/// written as one. Text that the source gave as such stays text, however it looks.
pub fn given(source: &str, as_text: bool) -> Value {
    let number = if as_text { None } else { number_of(source) };
    number.unwrap_or_else(|| Value::from(source.to_owned()))
}

/// The number whose text it is. Most texts are told from numbers by a letter or a colon.
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
    fn numbers_are_ordered_by_every_digit() {
        let ascending = [
            "-1e400",
            "-10",
            "-9.5",
            "-9",
            "-0.1",
            "-1e-400",
            "0",
            "1e-400",
            "0.09999999999999999999",
            "0.1",
            "0.10000000000000000001",
            "1",
            "9",
            "9007199254740992",
            "9007199254740992.5",
            "9007199254740993",
            "1e400",
        ];
        for (place, number) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                assert_eq!(
                    exact(number).cmp(&exact(other)),
                    place.cmp(&other_place),
                    "{number} {other}"
                );
            }
        }
    }

    #[test]
    fn multiples_are_exact() {
        let is_multiple = |number: &str, of: &str| exact(of).multiples().unwrap()(&exact(number));
        for (number, of) in [
            ("1.10", "0.01"),
            ("0.07", "0.01"),
            ("-4.5", "1.5"),
            ("0", "7"),
            ("1e308", "0.5"),
            ("1e999999999", "0.003125"),
            ("36893488147419103232", "2"),
            ("21", "7"),
            ("12391239123", "1e-8"),
        ] {
            assert!(is_multiple(number, of), "{number} {of}");
        }
        for (number, of) in [
            ("0.075", "0.01"),
            ("36893488147419103233", "2"),
            ("1e308", "3"),
            ("35", "10"),
            ("0.5", "1"),
            ("1e-400", "2"),
        ] {
            assert!(!is_multiple(number, of), "{number} {of}");
        }
        assert!(exact("0").multiples().is_none() && exact("-1").multiples().is_none());
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
