//! Exact arithmetic: operators that calculate with decimals as people do.
//!
//! jaq calculates with integers exactly and with everything else in floats: 1.10 + 2.20 would be
//! 3.3000000000000003. Here the operators of an expression are calls to the functions below, which
//! calculate with decimals digit for digit. Texts, arrays and objects are left to jaq, and so are
//! floats, which only the mathematical functions give (`sqrt`, `pow`, …).

use std::mem::take;

use bigdecimal::{BigDecimal, RoundingMode, Zero};
use jaq_core::{
    Cv, Error, ValR, ValXs,
    box_iter::box_once,
    load::parse::{BinaryOp, Term},
    native::{Fun, bome, run, v},
    ops::{Cmp, Math},
};
use jaq_json::Num;
use jaq_std::ValT as _;

use crate::{
    Value,
    budget::{
        BoundedData, EvaluationBound, EvaluationBudget, EvaluationContext, MAX_ITEMS, MAX_TEXT,
    },
    decimal::{NO_DECIMAL, decimal, has_few_decimals, has_few_digits, shortest},
    functions::paths::described,
    syntax::{self, call},
};

/// The message of a division by zero.
pub(crate) const NO_DIVISOR: &str = "expected a divisor other than 0";

/// `-value`
pub(crate) const NEGATED: &str = "negated!";

/// The digits of a quotient that has no end, as IEEE 754 has them for decimals of 128 bits.
const QUOTIENT_DIGITS: u64 = 34;

/// Makes the arithmetic and the comparisons of a term exact.
pub(crate) fn make_exact(term: &mut Term<&str>) {
    syntax::visit(term, &mut |term| {
        let Term::BinOp(left, operator, right) = term else {
            return;
        };
        let (left, right) = (&mut **left, &mut **right);
        match operator {
            _ if is_jaqs_own(left, operator, right) => {}
            // As jq does, of several operands on the right each meets all of those on the left.
            BinaryOp::Math(operator) => *term = call(operator.as_str(), [take(right), take(left)]),
            BinaryOp::Cmp(operator) => *term = call(operator.as_str(), [take(right), take(left)]),
            _ => {}
        }
    });
}

/// The operators, each a function of two values by a name that no expression can call.
pub(crate) fn natives() -> [Fun<BoundedData>; 12] {
    [
        run(("+", v(2), |cv| calculated(cv, Math::Add))),
        run(("-", v(2), |cv| calculated(cv, Math::Sub))),
        run(("*", v(2), |cv| calculated(cv, Math::Mul))),
        run(("/", v(2), |cv| calculated(cv, Math::Div))),
        run(("%", v(2), |cv| calculated(cv, Math::Rem))),
        run(("<", v(2), |cv| compare(cv, Cmp::Lt))),
        run(("<=", v(2), |cv| compare(cv, Cmp::Le))),
        run((">", v(2), |cv| compare(cv, Cmp::Gt))),
        run((">=", v(2), |cv| compare(cv, Cmp::Ge))),
        run(("==", v(2), |cv| compare(cv, Cmp::Eq))),
        run(("!=", v(2), |cv| compare(cv, Cmp::Ne))),
        run((NEGATED, v(1), |mut cv| bome(negated(cv.0.pop_var())))),
    ]
}

/// True where an operand is seen not to be a number and the result to be small: jaq does such an
/// operation itself, which is faster.
fn is_jaqs_own(left: &Term<&str>, operator: &BinaryOp<&str>, right: &Term<&str>) -> bool {
    let gives_little = match operator {
        BinaryOp::Math(operator) => *operator == Math::Add,
        _ => true,
    };
    gives_little && (is_no_number(left) || is_no_number(right))
}

fn is_no_number(term: &Term<&str>) -> bool {
    match term {
        Term::Str(..) => syntax::literal(term).is_some(),
        Term::Call(name, arguments) => {
            arguments.is_empty() && ["true", "false", "null"].contains(name)
        }
        _ => false,
    }
}

fn calculated<'a>(cv: Cv<'a, BoundedData>, operator: Math) -> ValXs<'a, Value> {
    let (evaluation, left, right) = operands(cv);
    if let Err(halt) = evaluation.or_halt(bounded(evaluation.budget, &left, operator, &right)) {
        return box_once(Err(halt));
    }
    bome(match (&left, &right) {
        (Value::Num(x), Value::Num(y))
            if [Math::Div, Math::Rem].contains(&operator) && is_zero(y) =>
        {
            Err(no_divisor(x, operator, y))
        }
        (Value::Num(x), Value::Num(y)) if !is_jaqs(x, y, operator) => exact(x, operator, y),
        (Value::Num(x), Value::Num(y))
            if operator == Math::Rem && !(is_finite(x) && is_finite(y)) =>
        {
            Ok(remainder_of_infinity(x, y))
        }
        (Value::Num(_), Value::Num(_)) => operator.run(left, right).and_then(of_few_digits),
        (Value::TStr(text), Value::Num(times)) | (Value::Num(times), Value::TStr(text))
            if operator == Math::Mul =>
        {
            Ok(repeated(text, times))
        }
        _ => run_by_jaq(left, operator, right),
    })
}

/// The result of jaq's own operator on values that are not both numbers; its error is in jq's
/// words.
fn run_by_jaq(left: Value, operator: Math, right: Value) -> ValR<Value> {
    let done = match operator {
        Math::Add => "added",
        Math::Sub => "subtracted",
        Math::Mul => "multiplied",
        Math::Div => "divided",
        Math::Rem => "divided (remainder)",
    };
    // A clone is cheap, but what somebody else holds as well is copied to be added to.
    let fits = match (&left, &right) {
        (Value::Null, _) | (_, Value::Null) => operator == Math::Add,
        (Value::TStr(_), Value::TStr(_)) | (Value::BStr(_), Value::BStr(_)) => {
            [Math::Add, Math::Div].contains(&operator)
        }
        (Value::Arr(_), Value::Arr(_)) => [Math::Add, Math::Sub].contains(&operator),
        (Value::Obj(_), Value::Obj(_)) => [Math::Add, Math::Mul].contains(&operator),
        (Value::BStr(_), Value::Num(_)) | (Value::Num(_), Value::BStr(_)) => operator == Math::Mul,
        _ => false,
    };
    match fits {
        true => operator.run(left, right),
        false => Err(Error::str(format_args!(
            "{} and {} cannot be {done}",
            described(&left),
            described(&right)
        ))),
    }
}

fn negated(value: Value) -> ValR<Value> {
    match value {
        Value::Num(_) => -value,
        other => Err(Error::str(format_args!(
            "{} cannot be negated",
            described(&other)
        ))),
    }
}

/// Repeats a text. The decimals of the number do not count; a negative number gives null.
fn repeated(text: &[u8], times: &Num) -> Value {
    let times = Value::Num(times.clone()).as_f64().unwrap_or(f64::NAN);
    if times >= 0.0 {
        Value::utf8_str(text.repeat(times as usize))
    } else {
        Value::Null
    }
}

/// The remainder of a division in which a number is infinite. Infinity counts as the largest
/// integer of 64 bits, and what is not a number as 0.
fn remainder_of_infinity(left: &Num, right: &Num) -> Value {
    let [left, right] =
        [left, right].map(|number| Value::Num(number.clone()).as_f64().unwrap_or(f64::NAN));
    if left.is_nan() || right.is_nan() {
        return Value::from(f64::NAN);
    }
    let remainder = (left as i64).checked_rem((right as i64).saturating_abs());
    Value::from(remainder.unwrap_or_default() as isize)
}

fn is_finite(number: &Num) -> bool {
    !matches!(number, Num::Float(number) if !number.is_finite())
}

fn is_zero(number: &Num) -> bool {
    match number {
        Num::Int(number) => *number == 0,
        Num::Float(number) => *number == 0.0,
        other => decimal(other).is_ok_and(|number| number.is_zero()),
    }
}

fn no_divisor(left: &Num, operator: Math, right: &Num) -> Error<Value> {
    let [left, right] = [left, right].map(|number| described(&Value::Num(number.clone())));
    let kind = if operator == Math::Rem {
        " (remainder)"
    } else {
        ""
    };
    Error::str(format_args!(
        "{left} and {right} cannot be divided{kind} because the divisor is zero"
    ))
}

fn compare<'a>(cv: Cv<'a, BoundedData>, operator: Cmp) -> ValXs<'a, Value> {
    let (evaluation, left, right) = operands(cv);
    let weighed = [&left, &right]
        .into_iter()
        .try_for_each(|value| evaluation.budget.weigh(value));
    if let Err(halt) = evaluation.or_halt(weighed) {
        return box_once(Err(halt));
    }
    let decimals = match (&left, &right) {
        // Integers are compared exactly, and numbers beyond all bounds as floats.
        (Value::Num(x), Value::Num(y)) if !is_jaqs(x, y, Math::Sub) => {
            decimal(x).ok().zip(decimal(y).ok())
        }
        _ => None,
    };
    bome(Ok(Value::Bool(match decimals {
        Some((left, right)) => operator.run(&left, &right),
        None => operator.run(&left, &right),
    })))
}

/// The operands. The input is dropped first: while another reference to an array exists, adding to
/// the array copies it.
fn operands<'a>((mut context, _): Cv<'a, BoundedData>) -> (EvaluationContext<'a>, Value, Value) {
    let (left, right) = (context.pop_var(), context.pop_var());
    (*context.data(), left, right)
}

/// Checks that the result of an operation on texts, arrays and objects is within bounds, and that
/// reaching it is.
fn bounded(
    budget: &EvaluationBudget,
    left: &Value,
    operator: Math,
    right: &Value,
) -> Result<(), EvaluationBound> {
    match (operator, left, right) {
        (Math::Add, Value::TStr(l) | Value::BStr(l), Value::TStr(r) | Value::BStr(r)) => {
            within(l.len() + r.len(), MAX_TEXT, EvaluationBound::Text)
        }
        (Math::Add, Value::Arr(l), Value::Arr(r)) => {
            within(l.len() + r.len(), MAX_ITEMS, EvaluationBound::Items)
        }
        (Math::Mul, Value::TStr(text) | Value::BStr(text), Value::Num(times))
        | (Math::Mul, Value::Num(times), Value::TStr(text) | Value::BStr(text)) => within(
            text.len().saturating_mul(whole(times)),
            MAX_TEXT,
            EvaluationBound::Text,
        ),
        (Math::Div, Value::TStr(text) | Value::BStr(text), Value::TStr(by) | Value::BStr(by)) => {
            within(parts(text, by), MAX_ITEMS, EvaluationBound::Items)
        }
        (Math::Sub, Value::Arr(_), Value::Arr(_)) | (Math::Mul, Value::Obj(_), Value::Obj(_)) => {
            budget.weigh(left).and_then(|()| budget.weigh(right))
        }
        _ => Ok(()),
    }
}

fn within(size: usize, most: usize, bound: EvaluationBound) -> Result<(), EvaluationBound> {
    if size > most { Err(bound) } else { Ok(()) }
}

/// Number of times that a text is repeated when it is multiplied by a number.
fn whole(times: &Num) -> usize {
    Value::Num(times.clone())
        .as_f64()
        .map_or(0, |times| times as usize)
}

/// Number of parts into which a text is split. A short text is not searched, since it cannot have
/// too many.
fn parts(text: &[u8], by: &[u8]) -> usize {
    match std::str::from_utf8(text)
        .ok()
        .zip(std::str::from_utf8(by).ok())
    {
        Some((text, by)) if text.len() > MAX_ITEMS && !by.is_empty() => {
            text.matches(by).count() + 1
        }
        _ => text.len(),
    }
}

/// Refuses an integer with too many digits: integers grow when they are multiplied.
fn of_few_digits(number: Value) -> ValR<Value> {
    match &number {
        Value::Num(Num::BigInt(integer)) if !has_few_digits(integer) => Err(Error::str(NO_DECIMAL)),
        _ => Ok(number),
    }
}

/// True where jaq's own operator is exact: it calculates with integers exactly, but divides in
/// floats.
fn is_jaqs(left: &Num, right: &Num, operator: Math) -> bool {
    let is_integer = |number: &Num| matches!(number, Num::Int(_) | Num::BigInt(_));
    let is_float = |number: &Num| matches!(number, Num::Float(_));
    is_float(left)
        || is_float(right)
        || operator != Math::Div && is_integer(left) && is_integer(right)
}

fn exact(left: &Num, operator: Math, right: &Num) -> ValR<Value> {
    if let (Math::Div, Num::Int(left), Num::Int(right)) = (operator, left, right)
        && left.checked_rem(*right) == Some(0)
    {
        return Ok(Value::from(left / right));
    }
    let (left, right) = (decimal(left)?, decimal(right)?);
    let result = match operator {
        Math::Add => left + right,
        Math::Sub => left - right,
        Math::Mul => left * right,
        Math::Div => quotient(&left, &right),
        Math::Rem => left % right,
    };
    if has_few_decimals(&result) {
        shortest(&result)
    } else {
        Err(Error::str(NO_DECIMAL))
    }
}

/// A quotient: exact where its digits end, otherwise rounded to 34 digits, and never with fewer
/// than stand before the point.
fn quotient(left: &BigDecimal, right: &BigDecimal) -> BigDecimal {
    let quotient = left / right;
    if &quotient * right == *left {
        return quotient;
    }
    let before_point = quotient
        .digits()
        .saturating_add_signed(-quotient.fractional_digit_count());
    let digits = QUOTIENT_DIGITS.max(before_point);
    let places = quotient.fractional_digit_count() + digits as i64 - quotient.digits() as i64;
    quotient.with_scale_round(places, RoundingMode::HalfEven)
}
