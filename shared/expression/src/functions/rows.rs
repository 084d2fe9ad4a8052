//! jq's functions that make one text of many values: `join` and the formats of rows.

use jaq_core::{
    Cv, Error, ValX,
    box_iter::box_once,
    native::{Fun, run, v},
};
use jaq_json::Num;

use super::{BoundedData, errors, str_of};
use crate::{
    Value,
    budget::{EvaluationBound, EvaluationContext, MAX_TEXT},
};

pub(super) fn natives() -> [Fun<BoundedData>; 4] {
    [
        run(("join", v(1), |mut cv| {
            let separator = cv.0.pop_var();
            box_once(joined(&cv, &separator))
        })),
        run(("@csv", v(0), |cv| {
            box_once(row(&cv, "csv", ",", "\"", &[('"', "\"\"")]))
        })),
        run(("@tsv", v(0), |cv| {
            box_once(row(
                &cv,
                "tsv",
                "\t",
                "",
                &[('\t', "\\t"), ('\r', "\\r"), ('\n', "\\n"), ('\\', "\\\\")],
            ))
        })),
        run(("@sh", v(0), |cv| box_once(words(&cv)))),
    ]
}

/// The text of an item of `join`: null is the empty text, numbers and booleans are as JSON has
/// them.
fn joined<'a>(cv: &Cv<'a, BoundedData>, separator: &Value) -> ValX<'a, Value> {
    let (mut text, mut first) = (RowText::new(*cv.0.data()), true);
    let mut join = |part: &Value| -> ValX<'a, (), Value> {
        if !std::mem::take(&mut first) && *separator != Value::Null {
            text.push(str_of(separator)?)?;
        }
        if matches!(part, Value::Arr(_) | Value::Obj(_)) {
            return Err(errors::of_two(
                &std::mem::take(&mut text.text).into(),
                part,
                "cannot be added",
            )
            .into());
        }
        text.push_scalar(part, "", |text, part| text.push(part))
    };
    match &cv.1 {
        Value::Arr(parts) => parts.iter().try_for_each(&mut join)?,
        Value::Obj(parts) => parts.values().try_for_each(&mut join)?,
        other => return Err(Error::typ(other.clone(), "iterable (array or object)").into()),
    }
    Ok(text.finish())
}

/// The items of an array as one row, with a separator between them. Text stands between quotes.
fn row<'a>(
    cv: &Cv<'a, BoundedData>,
    format: &str,
    separator: &str,
    quote: &str,
    escapes: &[(char, &str)],
) -> ValX<'a, Value> {
    let Value::Arr(items) = &cv.1 else {
        return Err(errors::of(&cv.1, &format!("cannot be {format}-formatted, only array")).into());
    };
    let mut text = RowText::new(*cv.0.data());
    for (place, item) in items.iter().enumerate() {
        text.push(if place == 0 { "" } else { separator })?;
        text.push_scalar(item, "is not valid in a csv row", |text, item| {
            text.push(quote)?;
            text.push_escaped(item, escapes)?;
            text.push(quote)
        })?;
    }
    Ok(text.finish())
}

/// Words for a POSIX shell.
fn words<'a>(cv: &Cv<'a, BoundedData>) -> ValX<'a, Value> {
    let (mut text, one) = (RowText::new(*cv.0.data()), [cv.1.clone()]);
    let items = match &cv.1 {
        Value::Arr(items) => items.as_slice(),
        _ => &one,
    };
    for (place, item) in items.iter().enumerate() {
        text.push(if place == 0 { "" } else { " " })?;
        match item {
            Value::Null => text.push("null")?,
            other => text.push_scalar(other, "can not be escaped for shell", |text, word| {
                text.push("'")?;
                text.push_escaped(word, &[('\'', "'\\''")])?;
                text.push("'")
            })?,
        }
    }
    Ok(text.finish())
}

/// A text that is built within bounds.
struct RowText<'e> {
    evaluation: EvaluationContext<'e>,
    text: String,
}

impl<'e> RowText<'e> {
    fn new(evaluation: EvaluationContext<'e>) -> RowText<'e> {
        RowText {
            evaluation,
            text: String::new(),
        }
    }

    fn push<'a>(&mut self, part: &str) -> ValX<'a, (), Value> {
        let fits = if self.text.len() + part.len() > MAX_TEXT {
            Err(EvaluationBound::Text)
        } else {
            Ok(())
        };
        self.evaluation.or_halt(fits)?;
        self.text.push_str(part);
        Ok(())
    }

    fn push_escaped<'a>(&mut self, part: &str, escapes: &[(char, &str)]) -> ValX<'a, (), Value> {
        let escape = |c: char| escapes.iter().find(|(escaped, _)| *escaped == c);
        let mut rest = part;
        while let Some((place, (escaped, by))) = rest
            .char_indices()
            .find_map(|(at, c)| Some((at, escape(c)?)))
        {
            self.push(&rest[..place])?;
            self.push(by)?;
            rest = &rest[place + escaped.len_utf8()..];
        }
        self.push(rest)
    }

    /// Adds a value that is no array and no object. The caller says how text is added.
    fn push_scalar<'a>(
        &mut self,
        value: &Value,
        refusal: &str,
        push_text: impl FnOnce(&mut RowText<'e>, &str) -> ValX<'a, (), Value>,
    ) -> ValX<'a, (), Value> {
        self.evaluation.or_halt(self.evaluation.budget.take(1))?;
        match value {
            Value::Null => Ok(()),
            Value::Num(Num::Float(number)) if number.is_nan() => Ok(()),
            Value::Num(_) | Value::Bool(_) => self.push(&crate::text(value).unwrap_or_default()),
            Value::TStr(_) => push_text(self, str_of(value)?),
            _ => Err(errors::of(value, refusal).into()),
        }
    }

    fn finish(self) -> Value {
        self.text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{gives, refusal};

    #[test]
    fn parts_are_joined_as_jq_does_it() {
        let cases = [
            (
                r#"[null, "a", 1.10, true, null] | join(",")"#,
                r#"",a,1.10,true,""#,
            ),
            (r#"[] | join(",")"#, r#""""#),
            (r#"[null] | join(",")"#, r#""""#),
            (r#"["a", "b"] | join(null)"#, r#""ab""#),
            (r#"{a: "x", b: 2} | join("-")"#, r#""x-2""#),
            (r#"["a"] | join(1)"#, r#""a""#),
        ];
        for (source, result) in cases {
            assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
        }
        assert_eq!(
            refusal(r#"["a", ["b"]] | join(",")"#),
            "cannot calculate text + array"
        );
        assert_eq!(
            refusal(r#"["a", "b"] | join(1)"#),
            "cannot use a number as string"
        );
    }

    #[test]
    fn rows_are_written_with_what_sets_their_fields_apart_escaped() {
        let cases = [
            (
                r#"["a\"b", 1.10, null, true, "ż,ó"] | @csv"#,
                r#""\"a\"\"b\",1.10,,true,\"ż,ó\"""#,
            ),
            (
                r#"["a\tb\\c\r\nd", 1, null, false] | @tsv"#,
                r#""a\\tb\\\\c\\r\\nd\t1\t\tfalse""#,
            ),
            (
                r#"["it's", 1, null, true] | @sh"#,
                r#""'it'\\''s' 1 null true""#,
            ),
            (r#""a b" | @sh "echo \(.)""#, r#""echo 'a b'""#),
        ];
        for (source, result) in cases {
            assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
        }
        assert_eq!(
            refusal("[[]] | @csv"),
            "expected text, a number, a boolean or null in a row, found array"
        );
        assert_eq!(
            refusal("[{}] | @sh"),
            "expected text, a number, a boolean or null to quote for a shell, found object"
        );
        assert_eq!(
            refusal("1 | @tsv"),
            "cannot write number as a row: expected an array"
        );
    }
}
