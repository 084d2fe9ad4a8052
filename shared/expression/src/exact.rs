//! Numbers by their value, however they are written: `1`, `1.0` and `1e0` are one number.

use std::cmp::Ordering;

use jaq_json::Num;

use crate::Value;

/// Largest distance of a number's point from its first digit. Numbers beyond are not meant by
/// anybody, and the bound keeps exponents from overflowing.
const FARTHEST_POINT: i64 = 1 << 40;

/// Size of the longest number that is written without an exponent, in bytes.
const MAX_PLAIN_BYTES: i64 = 1024;

/// A number with every digit. Two are equal where their values are. It has no more digits than its
/// text: an exponent is never written out to compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExactNumber {
    negative: bool,
    /// The digits, without zeros before or after them; none of zero.
    digits: String,
    /// Number of digits before the point. Where it is negative, so many zeros stand between the
    /// point and the digits.
    point: i64,
}

impl ExactNumber {
    /// The number of a value, where it is a number that JSON can express.
    pub fn of(value: &Value) -> Option<ExactNumber> {
        match value {
            Value::Num(number) => ExactNumber::of_number(number),
            _ => None,
        }
    }

    /// The exact form of a number, where JSON can express it.
    pub fn of_number(number: &Num) -> Option<ExactNumber> {
        match number {
            Num::Dec(text) => ExactNumber::parse(text),
            number => ExactNumber::parse(&number.to_string()),
        }
    }

    /// Reads a number as JSON writes it (RFC 8259 §6).
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

    /// True of a whole number, such as `1.0` or `1e2`.
    pub fn is_integer(&self) -> bool {
        self.length() <= self.point
    }

    /// True where it is a multiple of another number, whose digits are `divisor` (at most 18
    /// digits) and are followed by `zeros`.
    fn is_multiple(&self, divisor: u64, zeros: i64) -> bool {
        // Neither has zeros behind its digits, so whatever has fewer behind its point has the
        // divisor's tens.
        let Ok(zeros) = u64::try_from(self.point - self.length() - zeros) else {
            return self.digits.is_empty();
        };
        let modulus = u128::from(divisor);
        let times_ten = |rest: u128, digit: u8| (rest * 10 + u128::from(digit - b'0')) % modulus;
        let rest = self.digits.bytes().fold(0, times_ten);
        (rest * power_of_ten(zeros, modulus)).is_multiple_of(modulus)
    }

    /// A test for multiples of this number; none where it has more than 18 digits, or is not
    /// positive.
    pub fn multiples(&self) -> Option<impl Fn(&ExactNumber) -> bool + Send + Sync + use<>> {
        let divisor: u64 = Some(&self.digits)
            .filter(|digits| digits.len() <= 18)?
            .parse()
            .ok()?;
        let zeros = self.point - self.length();
        (!self.negative).then_some(move |number: &ExactNumber| number.is_multiple(divisor, zeros))
    }

    /// The one text of all numbers of its value: an integer by its digits, others as short as can
    /// be, such as `1.1`; with an exponent, `1e2000`, where it would be longer than 1024 bytes.
    /// None of a number beyond all bounds.
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
            _ if plain > MAX_PLAIN_BYTES => format!("{sign}{digits}e{}", -behind),
            Ok(_) if behind <= 0 => format!("{sign}{digits}{}", zeros(-behind)),
            Ok(before @ 1..) => format!("{sign}{}.{}", &digits[..before], &digits[before..]),
            _ => format!("{sign}0.{}{digits}", zeros(-point)),
        })
    }

    fn length(&self) -> i64 {
        self.digits.len() as i64
    }

    /// Compares two numbers without their signs.
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

/// Reads an exponent; none where the text is none.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn exact(text: &str) -> ExactNumber {
        ExactNumber::parse(text).unwrap()
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
}
