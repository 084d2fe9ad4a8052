//! The mathematical functions of C that jq has. They calculate in floats; what comes of them is a
//! whole number where it is one.

use jaq_core::{
    Cv, Error, ValR,
    native::{Fun, bome, run, v},
};
use jaq_std::ValT as _;

use super::{BoundedData, errors};
use crate::Value;

/// The largest order of a Bessel function, and what is said of a larger one.
const LARGEST_ORDER: f64 = 1000.0;
pub(super) const NO_ORDER: &str = "expected an order from -1000 to 1000";

/// The largest number up to which a float has every whole number.
const LARGEST_WHOLE: f64 = (1_u64 << 53) as f64;

/// The functions that are here, and not as jaq has them.
pub(super) const NAMES: &[&str] = &[
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "fabs",
    "gamma",
    "j0",
    "j1",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logb",
    "pow10",
    "significand",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "y0",
    "y1",
    "frexp",
    "lgamma_r",
    "modf",
    "atan2",
    "copysign",
    "drem",
    "fdim",
    "fmax",
    "fmin",
    "fmod",
    "hypot",
    "jn",
    "ldexp",
    "nextafter",
    "nexttoward",
    "pow",
    "remainder",
    "scalb",
    "scalbln",
    "yn",
    "fma",
    "ilogb",
];

/// Functions of the input.
macro_rules! of_input {
    ($($name:literal: $function:expr,)*) => {
        [$(run(($name, v(0), |cv| bome(float(&cv.1).map(|x| shortest($function(x))))))),*]
    };
}

/// Functions of the input that give two numbers.
macro_rules! pairs_of_input {
    ($($name:literal: $function:expr,)*) => {
        [$(run(($name, v(0), |cv| {
            let pair = float(&cv.1).map($function);
            bome(pair.map(|(first, second): (f64, f64)| [first, second].map(shortest).into_iter().collect()))
        }))),*]
    };
}

/// Functions of two arguments.
macro_rules! of_two {
    ($($name:literal: $function:expr,)*) => {
        [$(run(($name, v(2), |mut cv| {
            let (y, x) = (cv.0.pop_var(), cv.0.pop_var());
            bome(float(&x).and_then(|x| Ok(shortest($function(x, float(&y)?)))))
        }))),*]
    };
}

pub(super) fn natives() -> Vec<Fun<BoundedData>> {
    let mut natives = Vec::new();
    natives.extend(of_input! {
        "acos": libm::acos, "acosh": libm::acosh, "asin": libm::asin, "asinh": libm::asinh, "atan": libm::atan,
        "atanh": libm::atanh, "cbrt": libm::cbrt, "cos": libm::cos, "cosh": libm::cosh, "erf": libm::erf,
        "erfc": libm::erfc, "exp": libm::exp, "exp10": libm::exp10, "exp2": libm::exp2, "expm1": libm::expm1,
        "fabs": libm::fabs, "gamma": libm::lgamma, "j0": libm::j0, "j1": libm::j1, "lgamma": libm::lgamma,
        "log": libm::log, "log10": libm::log10, "log1p": libm::log1p, "log2": libm::log2, "logb": exponent,
        "pow10": libm::exp10, "significand": significand, "sin": libm::sin, "sinh": libm::sinh,
        "sqrt": libm::sqrt, "tan": libm::tan, "tanh": libm::tanh, "tgamma": libm::tgamma, "y0": libm::y0,
        "y1": libm::y1,
    });
    natives.extend(pairs_of_input! {
        "frexp": |x| { let (fraction, exponent) = libm::frexp(x); (fraction, f64::from(exponent)) },
        "lgamma_r": |x| { let (logarithm, sign) = libm::lgamma_r(x); (logarithm, f64::from(sign)) },
        "modf": libm::modf,
    });
    natives.extend(of_two! {
        "atan2": libm::atan2, "copysign": libm::copysign, "drem": libm::remainder, "fdim": libm::fdim,
        "fmax": libm::fmax, "fmin": libm::fmin, "fmod": libm::fmod, "hypot": libm::hypot,
        "ldexp": |x, n: f64| libm::ldexp(x, n as i32),
        "nextafter": libm::nextafter, "nexttoward": libm::nextafter, "pow": libm::pow,
        "remainder": libm::remainder, "scalb": |x: f64, n| x * libm::exp2(n),
        "scalbln": |x, n: f64| libm::scalbn(x, n as i32),
    });
    natives.push(run(("jn", v(2), |cv| bome(bessel(cv, libm::jn)))));
    natives.push(run(("yn", v(2), |cv| bome(bessel(cv, libm::yn)))));
    natives.push(run(("fma", v(3), |mut cv| {
        let (z, y, x) = (cv.0.pop_var(), cv.0.pop_var(), cv.0.pop_var());
        bome(float(&x).and_then(|x| Ok(shortest(libm::fma(x, float(&y)?, float(&z)?)))))
    })));
    natives
}

/// A Bessel function, whose order is how many rounds it goes.
fn bessel(mut cv: Cv<'_, BoundedData>, function: fn(i32, f64) -> f64) -> ValR<Value> {
    let (x, order) = (cv.0.pop_var(), cv.0.pop_var());
    let order = float(&order)?;
    if order.abs() > LARGEST_ORDER {
        return Err(Error::str(NO_ORDER));
    }
    Ok(shortest(function(order as i32, float(&x)?)))
}

fn float(value: &Value) -> Result<f64, Error<Value>> {
    value
        .as_f64()
        .ok_or_else(|| errors::of(value, "number required"))
}

/// The number, as a whole one where it is one; a zero below zero stays what it is.
fn shortest(number: f64) -> Value {
    let is_whole = number.fract() == 0.0
        && number.abs() <= LARGEST_WHOLE
        && number.to_bits() != (-0.0_f64).to_bits();
    if is_whole {
        Value::from(number as isize)
    } else {
        Value::from(number)
    }
}

/// The exponent of two, as a number.
fn exponent(x: f64) -> f64 {
    match x {
        0.0 => f64::NEG_INFINITY,
        x if x.is_infinite() => f64::INFINITY,
        x if x.is_nan() => x,
        x => f64::from(libm::ilogb(x)),
    }
}

/// The number without its exponent of two.
fn significand(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        x
    } else {
        libm::scalbn(x, -libm::ilogb(x))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{gives, refusal};

    #[test]
    fn the_functions_of_c_give_whole_numbers_where_they_can() {
        let cases = [
            ("16 | sqrt", "4"),
            ("pow(2; 10)", "1024"),
            ("[-2.5, 2.5, 3.5] | map(nearbyint, rint)", "[-2,-2,2,2,4,4]"),
            ("[1.5, -1.5] | map(trunc)", "[1,-1]"),
            ("8 | frexp | tojson", r#""[0.5,4]""#),
            ("[10, 0.1] | map(logb)", "[3,-4]"),
            ("[8, 10] | map(significand)", "[1,1.25]"),
            ("[ldexp(0.5; 3), scalb(1; 4), scalbln(3; 2)]", "[4,16,12]"),
            ("5 | gamma | . == (24 | log)", "true"),
            ("5 | tgamma | round", "24"),
            (
                "[drem(5; 3), fma(2; 3; 4), atan2(0; 1), fmin(1; 2)]",
                "[-1,10,0,1]",
            ),
            ("[3.75 | modf]", "[[0.75,3]]"),
            ("-0.5 | lgamma_r | .[1]", "-1"),
        ];
        for (source, result) in cases {
            assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
        }
        assert_eq!(
            refusal(r#""4" + "2" | sqrt"#),
            "cannot calculate with text: expected a number"
        );
        assert_eq!(refusal("jn(1e9; 1)"), super::NO_ORDER);
        assert_eq!(
            refusal("pow([]; 2)"),
            "cannot calculate with array: expected a number"
        );
    }
}
