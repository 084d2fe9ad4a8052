//! Decimals to calculate with, of all digits of a number.

use bigdecimal::{BigDecimal, num_bigint::BigInt};
use jaq_core::{Error, ValR, ValT as _};
use jaq_json::Num;

use crate::Value;

/// Number of digits that a number may have before or after its point in a calculation:
/// `1e999999999` is eleven characters in a record and would be a gigabyte of digits.
const MAX_DIGITS: u64 = 1000;

/// The message of a number with more digits, or of infinity.
pub(crate) const NO_DECIMAL: &str = "expected a number of at most 1000 digits";

/// The number with all its digits.
pub(crate) fn decimal(number: &Num) -> Result<BigDecimal, Error<Value>> {
    let decimal = match number {
        Num::Int(integer) => Some(BigDecimal::from(*integer as i64)),
        Num::BigInt(integer) if has_few_digits(integer) => {
            Some(BigDecimal::from((**integer).clone()))
        }
        Num::BigInt(_) => None,
        // A float stands for the decimal that it is written as.
        Num::Float(float) => of_text(&float.to_string()),
        Num::Dec(text) => of_text(text),
    };
    decimal.ok_or_else(|| Error::str(NO_DECIMAL))
}

/// True where an integer has few enough digits to calculate with.
pub(crate) fn has_few_digits(integer: &BigInt) -> bool {
    // A digit takes more than three bits.
    integer.bits() <= 4 * MAX_DIGITS
}

/// True where a decimal has few enough digits, and few enough zeros before or after them, to
/// calculate with.
pub(crate) fn has_few_decimals(decimal: &BigDecimal) -> bool {
    let (digits, places) = decimal.as_bigint_and_exponent();
    has_few_digits(&digits) && places.unsigned_abs() <= MAX_DIGITS
}

/// The value of a number, written as short as it can be: an integer where it is one.
pub(crate) fn shortest(decimal: &BigDecimal) -> ValR<Value> {
    Value::from_num(&decimal.normalized().to_plain_string())
}

fn of_text(text: &str) -> Option<BigDecimal> {
    let fits = |length: u64| length <= MAX_DIGITS;
    let decimal: BigDecimal = text.parse().ok().filter(|_| fits(text.len() as u64))?;
    Some(decimal).filter(|decimal| fits(decimal.fractional_digit_count().unsigned_abs()))
}
