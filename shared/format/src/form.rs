//! HTML forms.

use jaq_json::Map;
use pomost_expression::Value;

use crate::{DecodeLimits, error::PlacedProblem, row_parser::RowParser, text_buffer::TextBuffer};

/// Reads a form (`application/x-www-form-urlencoded`) as one row: an object of texts, with a list
/// where a name occurs several times.
pub(crate) struct FormParser {
    limit: usize,
    /// The fields, once the form has ended.
    form: Option<Value>,
}

impl FormParser {
    pub(crate) fn new(limits: DecodeLimits) -> FormParser {
        FormParser {
            limit: limits.row,
            form: None,
        }
    }
}

impl RowParser for FormParser {
    fn next(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        if buffer.len() > self.limit {
            return Err(PlacedProblem::too_large(
                buffer.place(),
                "the form",
                self.limit,
            ));
        }
        if self.form.is_some() || !buffer.ended() {
            return Ok(None);
        }
        let mut fields = Map::default();
        for (name, value) in form_urlencoded::parse(buffer.bytes()) {
            add_field(
                &mut fields,
                &name,
                Value::utf8_str(value.into_owned()),
                false,
            );
        }
        buffer.consume(buffer.len());
        self.form = Some(Value::obj(fields));
        Ok(self.form.clone())
    }

    fn envelope(&self) -> &Value {
        self.form.as_ref().unwrap_or(&Value::Null)
    }
}

/// Adds a field. A field that occurs several times becomes a list, and with `many` it is a list at
/// once. The values themselves must not be lists.
pub(crate) fn add_field(fields: &mut Map, name: &str, value: Value, many: bool) {
    let name = Value::utf8_str(name.to_owned());
    match fields.get_mut(&name) {
        None => {
            let value = if many {
                [value].into_iter().collect()
            } else {
                value
            };
            fields.insert(name, value);
        }
        Some(Value::Arr(values)) => jaq_json::Rc::make_mut(values).push(value),
        Some(first) => {
            let both = [std::mem::take(first), value];
            *first = both.into_iter().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::write;

    use crate::{FormatSyntax, decode};

    #[test]
    fn a_form_is_an_object_of_texts() {
        let (rows, _) = decode(
            &FormatSyntax::Form.into(),
            None,
            b"name=%C5%BC+%26&tag=a&empty&tag=b&tag=c",
        )
        .unwrap();
        assert_eq!(
            write(&rows[0]).unwrap(),
            r#"{"name":"ż &","tag":["a","b","c"],"empty":""}"#
        );
        let (rows, _) = decode(&FormatSyntax::Form.into(), None, b"").unwrap();
        assert_eq!(write(&rows[0]).unwrap(), "{}");
    }
}
