//! What the language has beside jq, and what it lacks.
//!
//! It lacks whatever reaches outside the record: a mapping is a pure function. It has conversions
//! that business records need and that jq lacks or does loosely; see [`ADDED`].

use jaq_core::{
    Error, ValR, ValT as _,
    data::JustLut,
    load::parse::Def,
    native::{Fun, bome, run, v},
};
use jiff::civil::Date;

use crate::{
    Value, read, text,
    time::{self, NO_TIME},
};

/// Native functions and definitions of jq's standard library that are left out: they read the
/// environment, the clock or the zone of the machine, other input, or write, or end the process.
const LEFT_OUT: [&str; 15] = [
    "env",
    "now",
    "localtime",
    "strflocaltime",
    "halt",
    "halt_error",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "input",
    "inputs",
    "tonumber",
    "fromjson",
    "input_line_number",
];

/// A function that jq does not have, or has otherwise.
pub struct Added {
    /// Its name; with `($format)` where it takes an argument.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// An expression that uses it.
    pub example: &'static str,
    /// What the expression gives.
    pub gives: &'static str,
}

/// The functions that jq does not have, or has otherwise. Each converts, or is an error.
pub const ADDED: [Added; 8] = [
    Added {
        name: "downcase",
        description: "Text in lower case, in any script (ascii_downcase knows A to Z alone).",
        example: r#""ŻÓŁW" | downcase"#,
        gives: r#""żółw""#,
    },
    Added {
        name: "upcase",
        description: "Text in upper case, in any script.",
        example: r#""żółw" | upcase"#,
        gives: r#""ŻÓŁW""#,
    },
    Added {
        name: "tonumber",
        description: "The number that a text is, by JSON's rules and digit for digit; numbers pass.",
        example: r#""9007199254740993" | tonumber"#,
        gives: "9007199254740993",
    },
    Added {
        name: "decimal",
        description: "The number that a text is as people write it: groups of three set apart by spaces (any \
                      kind), points or commas, and the last point or comma for the decimals. A text with one \
                      separator has decimals, so 1,234 is a little over one. Numbers pass.",
        example: r#""1 234,50" | decimal"#,
        gives: "1234.50",
    },
    Added {
        name: "date($format)",
        description: "The ISO date that a text is in a format of strptime (%d day, %m month, %Y year).",
        example: r#""24.11.2026" | date("%d.%m.%Y")"#,
        gives: r#""2026-11-24""#,
    },
    Added {
        name: "boolean",
        description: "True for tak, t, yes, y, true, 1; false for nie, n, no, false, f, 0; in any case. Booleans pass.",
        example: r#""TAK" | boolean"#,
        gives: "true",
    },
    Added {
        name: "digits",
        description: "The digits of a text, and nothing else of it.",
        example: r#""(22) 123-45-67" | digits"#,
        gives: r#""221234567""#,
    },
    Added {
        name: "fromjson",
        description: "The value that a text of JSON is, strictly.",
        example: r#""[1.10]" | fromjson"#,
        gives: "[1.10]",
    },
];

/// What the added functions say when they do not convert. These texts hold nothing of a record, so
/// they may be shown.
const NO_NUMBER: &str = "expected text that is a number, such as 12.50";
const NO_AMOUNT: &str = "expected an amount, such as 1 234,50";
const NO_BOOLEAN: &str = "expected tak, nie, yes, no, true, false, 1 or 0";
const NO_JSON: &str = "expected text that is JSON";
const NO_UTF8: &str = "expected text in UTF-8";
const NO_DATE: &str = "expected a date in the format ";

/// Whether a message is one of the above; the format of a date has to be written in the expression.
pub(crate) fn is_own_message(message: &str, is_written: &dyn Fn(&str) -> bool) -> bool {
    [NO_NUMBER, NO_AMOUNT, NO_BOOLEAN, NO_JSON, NO_UTF8, NO_TIME].contains(&message)
        || message.strip_prefix(NO_DATE).is_some_and(is_written)
}

type Data = JustLut<Value>;

/// Every native function of the language.
pub(crate) fn all() -> impl Iterator<Item = Fun<Data>> {
    let standard = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let standard = standard.filter(|(name, _, _)| !LEFT_OUT.contains(name));
    let standard = standard.map(|(name, arguments, native)| (time::renamed(name), arguments, native));
    standard.chain(added()).chain([time::native()])
}

/// Every function of the language that is defined in jq.
pub(crate) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let standard = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    standard.filter(|definition| !LEFT_OUT.contains(&definition.name)).chain(time::definitions())
}

/// The names of all functions, for those who write expressions.
pub fn names() -> impl Iterator<Item = &'static str> {
    let names = all().map(|(name, _, _)| name).chain(definitions().map(|definition| definition.name));
    names.filter(|name| !time::is_internal(name))
}

fn added() -> [Fun<Data>; 8] {
    [
        run(("downcase", v(0), |cv| bome(string(&cv.1).map(|text| text.to_lowercase().into())))),
        run(("upcase", v(0), |cv| bome(string(&cv.1).map(|text| text.to_uppercase().into())))),
        run(("tonumber", v(0), |cv| bome(number(cv.1)))),
        run(("decimal", v(0), |cv| bome(decimal(cv.1)))),
        run(("date", v(1), |mut cv| bome(date(&cv.1, &cv.0.pop_var())))),
        run(("boolean", v(0), |cv| bome(boolean(cv.1)))),
        run(("digits", v(0), |cv| bome(string(&cv.1).map(|text| digits(&text))))),
        run(("fromjson", v(0), |cv| bome(from_json(&cv.1)))),
    ]
}

fn number(value: Value) -> ValR<Value> {
    if let Value::Num(_) = value {
        return Ok(value);
    }
    let text = string(&value)?;
    match read(text.as_bytes()) {
        Ok(number @ Value::Num(_)) if text.trim() == text => Ok(number),
        _ => Err(Error::str(NO_NUMBER)),
    }
}

fn from_json(value: &Value) -> ValR<Value> {
    read(string(value)?.as_bytes()).map_err(|_| Error::str(NO_JSON))
}

fn date(value: &Value, format: &Value) -> ValR<Value> {
    let (value, format) = (string(value)?, string(format)?);
    let date = Date::strptime(&*format, value.trim());
    date.map(|date| date.to_string().into()).map_err(|_| Error::str(format!("{NO_DATE}{format}")))
}

fn boolean(value: Value) -> ValR<Value> {
    if let Value::Bool(_) = value {
        return Ok(value);
    }
    match text(&value).unwrap_or_default().trim().to_lowercase().as_str() {
        "tak" | "t" | "yes" | "y" | "true" | "1" => Ok(Value::Bool(true)),
        "nie" | "n" | "no" | "false" | "f" | "0" => Ok(Value::Bool(false)),
        _ => Err(Error::str(NO_BOOLEAN)),
    }
}

fn digits(text: &str) -> Value {
    text.chars().filter(char::is_ascii_digit).collect::<String>().into()
}

fn decimal(value: Value) -> ValR<Value> {
    if let Value::Num(_) = value {
        return Ok(value);
    }
    let text = string(&value)?;
    let plain = plain_decimal(&text).ok_or_else(|| Error::str(NO_AMOUNT))?;
    Value::from_num(&plain)
}

/// The digits of an amount as JSON writes them, or nothing where it is none.
fn plain_decimal(text: &str) -> Option<String> {
    let text: String = text.trim().chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
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

/// The last point or comma sets off the decimals, unless it comes several times: then it groups.
fn split_decimals(text: &str) -> (&str, Option<&str>) {
    match text.rfind(['.', ',']) {
        Some(place) if text.matches(&text[place..=place]).count() == 1 => {
            (&text[..place], Some(&text[place + 1..]))
        }
        _ => (text, None),
    }
}

/// Whole digits without the one kind of separator between their groups of three.
fn ungrouped(text: &str) -> Option<String> {
    let Some(separator) = text.chars().find(|c| !c.is_ascii_digit()) else {
        return (!text.is_empty()).then(|| text.to_owned());
    };
    let mut groups = text.split(separator);
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
    let rest: Vec<&str> = groups.collect();
    let digits = |group: &&str| group.bytes().all(|byte| byte.is_ascii_digit());
    let fits = [' ', '.', ',', '\''].contains(&separator)
        && digits(&first)
        && rest.iter().all(|group| group.len() == 3 && digits(group));
    fits.then(|| format!("{first}{}", rest.concat()))
}

fn string(value: &Value) -> Result<String, Error<Value>> {
    match value {
        Value::TStr(_) => text(value).ok_or_else(|| Error::str(NO_UTF8)),
        other => Err(Error::typ(other.clone(), "string")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Expression, Variables, write};

    fn gives(source: &str) -> Result<String, String> {
        let output = Expression::compile(source).unwrap().one(Value::Null, &Variables::default());
        output.map(|output| write(&output).unwrap()).map_err(|error| error.message)
    }

    #[test]
    fn every_example_gives_what_it_says() {
        for added in &ADDED {
            assert_eq!(gives(added.example).as_deref(), Ok(added.gives), "{}", added.name);
        }
    }

    #[test]
    fn every_added_function_is_described() {
        let described: Vec<&str> = ADDED.iter().map(|added| added.name.split('(').next().unwrap()).collect();
        for (name, _, _) in added() {
            assert!(described.contains(&name), "{name}");
        }
    }

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let cases = [
            ("1 234,56", "1234.56"),
            ("1\u{a0}234,56", "1234.56"),
            ("1\u{202f}234\u{202f}567", "1234567"),
            ("1.234,56", "1234.56"),
            ("1,234.56", "1234.56"),
            ("1.234.567", "1234567"),
            ("1,234,567", "1234567"),
            ("1,234", "1.234"),
            ("1234.50", "1234.50"),
            ("0,00", "0.00"),
            ("-12,5", "-12.5"),
            ("007", "7"),
            (" 5 ", "5"),
        ];
        for (text, number) in cases {
            assert_eq!(
                gives(
                    &format!("{text:?} | decimal")
                        .replace("\\u{a0}", "\u{a0}")
                        .replace("\\u{202f}", "\u{202f}")
                )
                .as_deref(),
                Ok(number),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in
            ["", "brak", "12 zl", "1 23,4", "1,2,3", "1 234.567,8 9", "--1", ",5", "5,", "1e5", "1 2345"]
        {
            assert!(gives(&format!("{text:?} | decimal")).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_or_flag_is_refused_without_its_value() {
        let message = gives(r#""31.02.2026" | date("%d.%m.%Y")"#).unwrap_err();
        assert_eq!(message, "expected a date in the format %d.%m.%Y");
        assert!(!gives(r#""moze" | boolean"#).unwrap_err().contains("moze"));
        assert!(gives("null | boolean").is_err());
    }

    #[test]
    fn trimming_knows_unicode() {
        assert_eq!(gives(r#""\u00a0 x\u2003" | trim"#).as_deref(), Ok(r#""x""#));
    }
}
