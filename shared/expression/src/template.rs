//! Text with expressions in it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    CompileError, EvaluationError, Expression, Value, Variables, brackets::OpenBrackets, text,
};

/// Everything but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Text in which `{…}` holds an expression; `{{` and `}}` are braces.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<TemplatePart>,
    kind: TemplateKind,
}

#[derive(Debug, Clone)]
enum TemplatePart {
    Text(String),
    Expression(Expression),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TemplateKind {
    Text,
    Url { query_may_be_empty: bool },
}

impl Template {
    /// Compiles a template for a URL: each value is percent-encoded, so that it can never add a
    /// path segment or a parameter; nor can it take one away, by being empty in the path or by
    /// making a segment of dots. The error points at a byte of `source`.
    pub fn of_url(source: &str) -> Result<Template, CompileError> {
        Ok(Template {
            parts: parts(source)?,
            kind: TemplateKind::Url {
                query_may_be_empty: true,
            },
        })
    }

    /// Compiles a template for a URL that is to name one thing: as [`Template::of_url`], and a
    /// value may not be empty in the query either, where `?email=` may well find somebody.
    pub fn of_address(source: &str) -> Result<Template, CompileError> {
        Ok(Template {
            parts: parts(source)?,
            kind: TemplateKind::Url {
                query_may_be_empty: false,
            },
        })
    }

    /// Compiles a template for other text: each value stands in it as it is.
    pub fn of_text(source: &str) -> Result<Template, CompileError> {
        Ok(Template {
            parts: parts(source)?,
            kind: TemplateKind::Text,
        })
    }

    /// The text with each expression's value in its place. Values are text, numbers or booleans.
    pub fn render(&self, input: &Value, variables: &Variables) -> Result<String, EvaluationError> {
        let mut rendered = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => rendered.push_str(text),
                TemplatePart::Expression(expression) => {
                    let value = value(expression, input, variables)?;
                    self.refuse_empty(&rendered, &value, expression)?;
                    match self.kind {
                        TemplateKind::Url { .. } => {
                            rendered.extend(utf8_percent_encode(&value, RESERVED))
                        }
                        TemplateKind::Text => rendered.push_str(&value),
                    }
                }
            }
        }
        self.refuse_dots(&rendered)?;
        Ok(rendered)
    }

    fn refuse_empty(
        &self,
        before: &str,
        value: &str,
        of: &Expression,
    ) -> Result<(), EvaluationError> {
        let TemplateKind::Url { query_may_be_empty } = self.kind else {
            return Ok(());
        };
        if !value.is_empty() || (query_may_be_empty && before.contains('?')) {
            return Ok(());
        }
        Err(EvaluationError::new(format!(
            "{{{}}} is empty, so it cannot stand here",
            of.source()
        )))
    }

    /// Refuses segments `.` and `..` that values make: in a URL they are steps in the path (RFC
    /// 3986 §5.2.4).
    fn refuse_dots(&self, rendered: &str) -> Result<(), EvaluationError> {
        let path = rendered.split('?').next().unwrap_or_default();
        if self.kind == TemplateKind::Text
            || !path.split('/').any(|segment| matches!(segment, "." | ".."))
        {
            return Ok(());
        }
        let sources: Vec<String> = self
            .expressions()
            .map(|of| format!("{{{}}}", of.source()))
            .collect();
        let message = format!(
            "{} makes a part of the path '.' or '..', which leads elsewhere",
            sources.join(" or ")
        );
        Err(EvaluationError::new(message))
    }

    /// True where one of its expressions uses a variable, named without its dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        self.expressions()
            .any(|expression| expression.uses_variable(name))
    }

    /// True where one of its expressions may read the input.
    pub fn needs_input(&self) -> bool {
        self.expressions().any(Expression::needs_input)
    }

    /// True where one of its expressions is this text and nothing more.
    pub fn holds(&self, expression: &str) -> bool {
        self.expressions()
            .any(|held| held.source().trim() == expression)
    }

    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Expression(expression) => Some(expression),
            TemplatePart::Text(_) => None,
        })
    }
}

fn parts(source: &str) -> Result<Vec<TemplatePart>, CompileError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = source;
    while let Some(place) = rest.find(['{', '}']) {
        literal.push_str(&rest[..place]);
        let brace = &rest[place..=place];
        let after = &rest[place + 1..];
        let offset = source.len() - after.len();
        if let Some(after) = after.strip_prefix(brace) {
            literal.push_str(brace);
            rest = after;
            continue;
        }
        let end = if brace == "{" {
            closing_brace(after)
        } else {
            None
        };
        let end = end.ok_or_else(|| unmatched(offset - 1, brace))?;
        parts.push(TemplatePart::Text(std::mem::take(&mut literal)));
        parts.push(TemplatePart::Expression(expression(&after[..end], offset)?));
        rest = &after[end + 1..];
    }
    literal.push_str(rest);
    parts.push(TemplatePart::Text(literal));
    Ok(parts)
}

fn value(
    expression: &Expression,
    input: &Value,
    variables: &Variables,
) -> Result<String, EvaluationError> {
    let value = expression.one(input.clone(), variables)?;
    text(&value).ok_or_else(|| {
        let source = expression.source();
        EvaluationError::new(format!(
            "{{{source}}} is neither text nor a number, so it cannot stand here"
        ))
    })
}

fn expression(source: &str, offset: usize) -> Result<Expression, CompileError> {
    Expression::compile(source).map_err(|error| CompileError {
        offset: offset + error.offset,
        ..error
    })
}

fn unmatched(offset: usize, brace: &str) -> CompileError {
    CompileError {
        offset,
        message: format!("'{brace}' has no partner"),
        help: Some(format!("write '{brace}{brace}' for a brace in the text")),
    }
}

/// The byte of the brace that closes the one opened before `text`. Braces within jq's own texts and
/// objects are passed over.
fn closing_brace(text: &str) -> Option<usize> {
    let mut brackets = OpenBrackets::default();
    brackets.take(b'{');
    text.bytes().position(|byte| brackets.take(byte) == 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::read;

    fn rendered(source: &str, input: &str) -> Result<String, EvaluationError> {
        let variables = Variables {
            id: Value::from("a/b".to_owned()),
            ..Variables::default()
        };
        Template::of_url(source)
            .unwrap()
            .render(&read(input.as_bytes()).unwrap(), &variables)
    }

    #[test]
    fn values_are_percent_encoded_and_text_is_not() {
        let url = rendered(
            "customers/{$id}?email={.email}&n={.n}",
            r#"{"email":"ż&?=#@x.pl","n":1.10}"#,
        );
        assert_eq!(
            url.unwrap(),
            "customers/a%2Fb?email=%C5%BC%26%3F%3D%23%40x.pl&n=1.10"
        );
    }

    #[test]
    fn braces_of_jq_and_doubled_braces_are_told_from_placeholders() {
        assert_eq!(rendered("a{{b}}", "null").unwrap(), "a{b}");
        assert_eq!(rendered(r#"{ {"c": "}x"} | .c }"#, "null").unwrap(), "%7Dx");
        assert_eq!(
            rendered(r#"{"\"}\("}" + ("x"))\\"}/y"#, "null").unwrap(),
            "%22%7D%7Dx%5C/y"
        );
    }

    #[test]
    fn what_has_no_text_cannot_stand_in_a_url() {
        for input in ["{}", r#"{"a":[]}"#, r#"{"a":{}}"#] {
            assert!(
                rendered("x/{.a}", input)
                    .unwrap_err()
                    .message
                    .contains("{.a}"),
                "{input}"
            );
        }
    }

    #[test]
    fn a_value_cannot_take_a_segment_of_the_path_away() {
        let id = |id: &str| rendered("things/{.id}?of={.id}", &format!(r#"{{"id":"{id}"}}"#));
        for dots in [".", ".."] {
            assert!(id(dots).unwrap_err().message.contains("{.id}"), "{dots}");
        }
        assert!(rendered("{.a}{.a}/x", r#"{"a":"."}"#).is_err());
        assert_eq!(id("...").unwrap(), "things/...?of=...");
        assert_eq!(id("%2e").unwrap(), "things/%252e?of=%252e");
        assert!(id("").unwrap_err().message.contains("{.id} is empty"));
        assert_eq!(
            rendered("things?of={.id}&x=..", r#"{"id":".."}"#).unwrap(),
            "things?of=..&x=.."
        );
    }

    #[test]
    fn only_an_address_refuses_empty_values_in_its_query() {
        let (variables, empty) = (Variables::default(), read(br#"{"a":""}"#).unwrap());
        let template = Template::of_url("things?since={.a}").unwrap();
        assert_eq!(
            template.render(&empty, &variables).unwrap(),
            "things?since="
        );
        let address = Template::of_address("things?email={.a}").unwrap();
        assert!(
            address
                .render(&empty, &variables)
                .unwrap_err()
                .message
                .contains("{.a} is empty")
        );
        assert_eq!(
            Template::of_text("{.a}")
                .unwrap()
                .render(&empty, &variables)
                .unwrap(),
            ""
        );
    }

    #[test]
    fn mistakes_are_placed_in_the_whole_template() {
        let offset = |source: &str| Template::of_url(source).unwrap_err().offset;
        assert_eq!(offset("ab{"), 2);
        assert_eq!(offset("ab}"), 2);
        assert_eq!(offset("ab{.x | nope}"), 8);
    }

    #[test]
    fn a_template_of_variables_needs_no_input() {
        assert!(!Template::of_url("customers/{$id}").unwrap().needs_input());
        assert!(
            Template::of_url("customers?email={.email}")
                .unwrap()
                .needs_input()
        );
    }
}
