//! Functions of text.

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use deunicode::deunicode_char;
use jaq_core::{
    Error, ValR,
    box_iter::box_once,
    native::{Fun, bome, run, v},
};
use percent_encoding::percent_decode_str;

use super::{
    AddedFunction, BoundedData, FunctionSubject, errors, no_check, string, values, within_bounds,
};
use crate::{Value, read, text};

pub(super) const SUBJECT: FunctionSubject = FunctionSubject {
    title: "Text",
    functions: &FUNCTIONS,
    natives,
    messages: &[NO_BOOLEAN, NO_JSON, NO_UTF8, NO_ASCII, NO_SLUG],
    messages_about: &[],
    check: no_check,
};

const FUNCTIONS: [AddedFunction; 9] = [
    AddedFunction {
        name: "downcase",
        description: "Text in lower case, in any script (ascii_downcase knows A to Z alone).",
        example: r#""ŻÓŁW" | downcase"#,
        gives: r#""żółw""#,
    },
    AddedFunction {
        name: "upcase",
        description: "Text in upper case, in any script.",
        example: r#""żółw" | upcase"#,
        gives: r#""ŻÓŁW""#,
    },
    AddedFunction {
        name: "unaccent",
        description: "Text in ASCII: letters without their diacritics, other scripts and signs transliterated.",
        example: r#""Zażółć gęślą jaźń, Łódź" | unaccent"#,
        gives: r#""Zazolc gesla jazn, Lodz""#,
    },
    AddedFunction {
        name: "slug",
        description: "Text for an address of a page: lower-case ASCII letters and digits, and hyphens between words.",
        example: r#""Łódź: żółw & spółka" | slug"#,
        gives: r#""lodz-zolw-spolka""#,
    },
    AddedFunction {
        name: "digits",
        description: "The digits of a text, and nothing else of it.",
        example: r#""(22) 123-45-67" | digits"#,
        gives: r#""221234567""#,
    },
    AddedFunction {
        name: "boolean",
        description: "True for tak, t, yes, y, true, 1; false for nie, n, no, false, f, 0; in any case. Booleans pass.",
        example: r#""TAK" | boolean"#,
        gives: "true",
    },
    AddedFunction {
        name: "fromjson",
        description: "The value that a text of JSON is, strictly.",
        example: r#""[1.10]" | fromjson"#,
        gives: "[1.10]",
    },
    AddedFunction {
        name: "@urid",
        description: "Text out of its percent-encoding (RFC 3986), strictly; @uri is the way there.",
        example: r#""%C5%BC%C3%B3%C5%82w%20%26%20co" | @urid"#,
        gives: r#""żółw & co""#,
    },
    AddedFunction {
        name: "@base64d",
        description: "Text in UTF-8 out of its Base64 (RFC 4648 §4), with or without padding; @base64 is the way there.",
        example: r#""xbzDs8WCdw" | @base64d"#,
        gives: r#""żółw""#,
    },
];

pub(super) const NO_UTF8: &str = "expected text in UTF-8";
const NO_BOOLEAN: &str = "expected tak, nie, yes, no, true, false, 1 or 0";
const NO_JSON: &str = "expected text that is JSON";
const NO_ASCII: &str = "expected text of characters that can be transliterated";
const NO_SLUG: &str = "expected text with a letter or a digit";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn natives() -> Vec<Fun<BoundedData>> {
    vec![
        run(("downcase", v(0), |cv| {
            box_once(within_bounds(
                &cv,
                string(&cv.1).map(|text| text.to_lowercase().into()),
            ))
        })),
        run(("upcase", v(0), |cv| {
            box_once(within_bounds(
                &cv,
                string(&cv.1).map(|text| text.to_uppercase().into()),
            ))
        })),
        run(("unaccent", v(0), |cv| {
            box_once(within_bounds(&cv, unaccented(&cv.1)))
        })),
        run(("slug", v(0), |cv| box_once(within_bounds(&cv, slug(&cv.1))))),
        run(("digits", v(0), |cv| {
            bome(string(&cv.1).map(|text| digits(&text)))
        })),
        run(("boolean", v(0), |cv| bome(boolean(cv.1)))),
        run(("fromjson", v(0), |cv| bome(from_json(&cv.1)))),
        run(("@urid", v(0), |cv| bome(from_percent(&cv.1)))),
        run(("@base64d", v(0), |cv| bome(from_base64(&cv.1)))),
    ]
}

/// The text in ASCII; `None` where a character has no counterpart.
pub(super) fn in_ascii(text: &str) -> Option<Cow<'_, str>> {
    if text.is_ascii() {
        return Some(text.into());
    }
    text.chars().map(deunicode_char).collect()
}

fn unaccented(value: &Value) -> ValR<Value> {
    let text = string(value)?;
    let text = in_ascii(&text).ok_or_else(|| Error::str(NO_ASCII))?;
    Ok(text.into_owned().into())
}

fn slug(value: &Value) -> ValR<Value> {
    let text = string(value)?;
    let text = in_ascii(&text)
        .ok_or_else(|| Error::str(NO_ASCII))?
        .to_ascii_lowercase();
    let words = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("-");
    if slug.is_empty() {
        Err(Error::str(NO_SLUG))
    } else {
        Ok(slug.into())
    }
}

fn digits(text: &str) -> Value {
    text.chars()
        .filter(char::is_ascii_digit)
        .collect::<String>()
        .into()
}

fn boolean(value: Value) -> ValR<Value> {
    if let Value::Bool(_) = value {
        return Ok(value);
    }
    match text(&value)
        .unwrap_or_default()
        .trim()
        .to_lowercase()
        .as_str()
    {
        "tak" | "t" | "yes" | "y" | "true" | "1" => Ok(Value::Bool(true)),
        "nie" | "n" | "no" | "false" | "f" | "0" => Ok(Value::Bool(false)),
        _ => Err(Error::str(NO_BOOLEAN)),
    }
}

fn from_json(value: &Value) -> ValR<Value> {
    read(string(value)?.as_bytes()).map_err(|_| Error::str(NO_JSON))
}

fn from_percent(value: &Value) -> ValR<Value> {
    let text = as_text(value)?;
    let is_encoded = |after: &str| {
        after
            .get(..2)
            .is_some_and(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let decoded = percent_decode_str(&text)
        .decode_utf8()
        .ok()
        .filter(|_| text.split('%').skip(1).all(is_encoded));
    let refused = || errors::of(&text.clone().into(), "is not a valid uri encoding");
    decoded
        .map(|decoded| decoded.into_owned().into())
        .ok_or_else(refused)
}

fn from_base64(value: &Value) -> ValR<Value> {
    let text = as_text(value)?;
    let encoded = text.trim_end_matches('=');
    let refused = |words: &str| errors::of(&text.clone().into(), words);
    if encoded.len() % 4 == 1 {
        return Err(refused("trailing base64 byte found"));
    }
    let decoded = BASE64
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .map(Value::from)
        .ok_or_else(|| refused("is not valid base64 data"))
}

/// The text of a value that is text, or the JSON of another one.
fn as_text(value: &Value) -> Result<String, Error<Value>> {
    match value {
        Value::TStr(_) => string(value),
        other => crate::write(other).map_err(|_| Error::str(values::NO_JSON_VALUE)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::gives;

    #[test]
    fn what_does_not_convert_is_refused_without_its_value() {
        let refused = [
            r#""moze" | boolean"#,
            "null | boolean",
            r#""moze" | fromjson"#,
            r#""moze %zz" | @urid"#,
            r#""moze%C5" | @urid"#,
            r#""moze%2" | @urid"#,
            r#""moze!" | @base64d"#,
            r#""/w==" | @base64d"#,
            r#"" - moze -" | gsub("[a-z]"; "") | slug"#,
            r#""moze \ue000" | unaccent"#,
            "1 | slug",
        ];
        for source in refused {
            let message = gives(source).expect_err(source);
            assert!(
                message.contains("expected") || message.contains("cannot use"),
                "{source}: {message}"
            );
            assert!(!message.contains("moze"), "{source}: {message}");
        }
    }

    #[test]
    fn text_goes_through_encodings_and_back() {
        for text in ["", "żółw 🐢", "a+b c%&=/?", "\\u0000"] {
            for there_and_back in ["@uri | @urid", "@base64 | @base64d"] {
                let written = format!("\"{text}\"");
                assert_eq!(gives(&format!("{written} | {there_and_back}")), Ok(written));
            }
        }
        assert_eq!(gives(r#"@urid "<\("%C5%BC")>""#).as_deref(), Ok(r#""<ż>""#));
    }

    #[test]
    fn trimming_knows_unicode() {
        assert_eq!(gives(r#""\u00a0 x\u2003" | trim"#).as_deref(), Ok(r#""x""#));
    }
}
