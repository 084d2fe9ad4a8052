//! Numbers with all their digits, to reckon with.

use bigdecimal::{BigDecimal, num_bigint::BigInt};
use jaq_core::{Error, ValR, ValT as _};
use jaq_json::Num;

use crate::Value;

/// How many digits a number may have before or after its point to be reckoned with: `1e999999999` is
/// eleven characters in a record and would be a gigabyte of digits.
const MAX_DIGITS: u64 = 1000;

/// What is said of a number with more digits, or of infinity.
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

/// Whether an integer may be reckoned with.
pub(crate) fn has_few_digits(integer: &BigInt) -> bool {
    // A digit takes more than three bits.
    integer.bits() <= 4 * MAX_DIGITS
}

/// Whether a decimal may be reckoned with: it has few digits, and few zeros before or after them.
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
