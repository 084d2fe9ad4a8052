//! Exact arithmetic: operators that reckon with decimals as people do.
//!
//! jaq reckons with integers exactly and with everything else in floats: 1.10 + 2.20 would be
//! 3.3000000000000003. Here the operators of an expression are calls to the functions below, which
//! reckon with decimals digit for digit. What is text, an array or an object is left to jaq, and so
//! are floats: they come from nothing but the mathematical functions (`sqrt`, `pow`, …).

use std::mem::take;

use bigdecimal::{BigDecimal, RoundingMode, Zero, num_bigint::Sign};
use jaq_core::{
    Cv, Error, ValR, ValXs,
    data::JustLut,
    load::parse::{BinaryOp, Pattern, Term},
    native::{Fun, bome, run, v},
    ops::{Cmp, Math},
};
use jaq_json::Num;

use crate::{
    Value,
    decimal::{decimal, shortest},
    syntax,
};

/// What is said of a division by zero.
pub(crate) const NO_DIVISOR: &str = "expected a divisor other than 0";

/// What is said of a text that is repeated too often.
pub(crate) const NO_TEXT: &str = "expected text of at most 16 MiB";

/// How long a text may become by being multiplied: a record's `9e18` would take the process with it.
const MAX_TEXT: usize = 16 << 20;

/// The digits of a quotient that has no end, as IEEE 754 has them for decimals of 128 bits.
const QUOTIENT_DIGITS: u64 = 34;

/// A variable that no expression can name.
const OPERAND: &str = "$operand of an update";

/// Makes the arithmetic and the comparisons of a term exact.
pub(crate) fn make_exact(term: &mut Term<&str>) {
    syntax::visit(term, &mut |term| {
        let Term::BinOp(left, operator, right) = term else { return };
        let (left, right) = (&mut **left, &mut **right);
        match operator {
            _ if is_jaqs_own(left, operator, right) => {}
            BinaryOp::Math(operator) => *term = call(operator.as_str(), take(left), take(right)),
            BinaryOp::Cmp(operator) => *term = call(operator.as_str(), take(left), take(right)),
            BinaryOp::UpdateMath(operator) => *term = update(operator.as_str(), take(left), take(right)),
            _ => {}
        }
    });
}

/// The operators, each a function of two values by a name that no expression can call.
pub(crate) fn natives() -> [Fun<JustLut<Value>>; 11] {
    [
        run(("+", v(2), |cv| reckon(cv, Math::Add))),
        run(("-", v(2), |cv| reckon(cv, Math::Sub))),
        run(("*", v(2), |cv| reckon(cv, Math::Mul))),
        run(("/", v(2), |cv| reckon(cv, Math::Div))),
        run(("%", v(2), |cv| reckon(cv, Math::Rem))),
        run(("<", v(2), |cv| compare(cv, Cmp::Lt))),
        run(("<=", v(2), |cv| compare(cv, Cmp::Le))),
        run((">", v(2), |cv| compare(cv, Cmp::Gt))),
        run((">=", v(2), |cv| compare(cv, Cmp::Ge))),
        run(("==", v(2), |cv| compare(cv, Cmp::Eq))),
        run(("!=", v(2), |cv| compare(cv, Cmp::Ne))),
    ]
}

/// Whether an operation is seen to be on what is no number: that is left to jaq, which is faster.
fn is_jaqs_own(left: &Term<&str>, operator: &BinaryOp<&str>, right: &Term<&str>) -> bool {
    // Text can be multiplied, by a number that a record has.
    let multiplies = matches!(operator, BinaryOp::Math(Math::Mul) | BinaryOp::UpdateMath(Math::Mul));
    !multiplies && (is_no_number(left) || is_no_number(right))
}

fn is_no_number(term: &Term<&str>) -> bool {
    match term {
        Term::Str(..) | Term::Arr(_) | Term::Obj(_) => true,
        Term::Call(name, arguments) => arguments.is_empty() && ["true", "false", "null"].contains(name),
        _ => false,
    }
}

fn call<'s>(operator: &'s str, left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::Call(operator, vec![left, right])
}

/// `path += value` is `value as $operand | path |= . + $operand`.
fn update<'s>(operator: &'s str, path: Term<&'s str>, value: Term<&'s str>) -> Term<&'s str> {
    let sum = call(operator, Term::Id, Term::Var(OPERAND));
    let update = Term::BinOp(path.into(), BinaryOp::Update, sum.into());
    Term::BinOp(value.into(), BinaryOp::Pipe(Some(Pattern::Var(OPERAND))), update.into())
}

fn reckon<'a>(mut cv: Cv<'a, JustLut<Value>>, operator: Math) -> ValXs<'a, Value> {
    let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
    bome(match (&left, &right) {
        (Value::Num(x), Value::Num(y)) if !is_jaqs(x, y, operator) => exact(x, operator, y),
        (Value::TStr(text) | Value::BStr(text), Value::Num(times))
        | (Value::Num(times), Value::TStr(text) | Value::BStr(text))
            if operator == Math::Mul && !fits(text.len(), times) =>
        {
            Err(Error::str(NO_TEXT))
        }
        _ => operator.run(left, right),
    })
}

/// Whether a text so many times is within bounds.
fn fits(length: usize, times: &Num) -> bool {
    match times {
        Num::Int(times) => length.saturating_mul(usize::try_from(*times).unwrap_or(0)) <= MAX_TEXT,
        Num::BigInt(times) => length == 0 || times.sign() == Sign::Minus,
        _ => true,
    }
}

fn compare<'a>(mut cv: Cv<'a, JustLut<Value>>, operator: Cmp) -> ValXs<'a, Value> {
    let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
    let decimals = match (&left, &right) {
        // Integers are compared exactly, and numbers beyond all bounds as floats.
        (Value::Num(x), Value::Num(y)) if !is_jaqs(x, y, Math::Sub) => decimal(x).ok().zip(decimal(y).ok()),
        _ => None,
    };
    bome(Ok(Value::Bool(match decimals {
        Some((left, right)) => operator.run(&left, &right),
        None => operator.run(&left, &right),
    })))
}

/// Whether jaq does it as it should be done: it does integers exactly, but divides in floats.
fn is_jaqs(left: &Num, right: &Num, operator: Math) -> bool {
    let is_integer = |number: &Num| matches!(number, Num::Int(_) | Num::BigInt(_));
    let is_float = |number: &Num| matches!(number, Num::Float(_));
    is_float(left) || is_float(right) || operator != Math::Div && is_integer(left) && is_integer(right)
}

fn exact(left: &Num, operator: Math, right: &Num) -> ValR<Value> {
    if let (Math::Div, Num::Int(left), Num::Int(right)) = (operator, left, right)
        && left.checked_rem(*right) == Some(0)
    {
        return Ok(Value::from(left / right));
    }
    let (left, right) = (decimal(left)?, decimal(right)?);
    if right.is_zero() && [Math::Div, Math::Rem].contains(&operator) {
        return Err(Error::str(NO_DIVISOR));
    }
    shortest(&match operator {
        Math::Add => left + right,
        Math::Sub => left - right,
        Math::Mul => left * right,
        Math::Div => quotient(&left, &right),
        Math::Rem => left % right,
    })
}

/// Exact where the quotient has an end, otherwise to 34 digits, and to all digits before the point.
fn quotient(left: &BigDecimal, right: &BigDecimal) -> BigDecimal {
    let quotient = left / right;
    if &quotient * right == *left {
        return quotient;
    }
    let before_point = quotient.digits().saturating_add_signed(-quotient.fractional_digit_count());
    let digits = QUOTIENT_DIGITS.max(before_point);
    let places = quotient.fractional_digit_count() + digits as i64 - quotient.digits() as i64;
    quotient.with_scale_round(places, RoundingMode::HalfEven)
}
