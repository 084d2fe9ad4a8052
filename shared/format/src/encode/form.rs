//! Writing forms.

use form_urlencoded::Serializer;
use pomost_expression::{Value, text};

use crate::encode::text::kind_name;

/// Writes a flat object as a form. A list becomes a field for each element, and null becomes none.
pub(crate) fn value(record: &Value, written: &mut String) -> Result<(), String> {
    let Value::Obj(fields) = record else {
        return Err(format!("expected an object; found {}", kind_name(record)));
    };
    let mut form = Serializer::new(String::new());
    for (name, value) in fields.iter() {
        let name = text(name).ok_or("a field whose name is not text")?;
        let values = match value {
            Value::Arr(values) => values.as_slice(),
            Value::Null => &[],
            value => std::slice::from_ref(value),
        };
        for value in values {
            let value = text(value)
                .ok_or_else(|| format!("the field '{name}' holds {}", kind_name(value)))?;
            form.append_pair(&name, &value);
        }
    }
    written.push_str(&form.finish());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::read;

    use crate::{FormatSyntax, decode, encode, encode_one};

    #[test]
    fn a_flat_object_is_a_form_that_is_read_as_it_was() {
        let record =
            read(r#"{"name":"ż &=+","tag":["a","b"],"n":1.10,"none":null,"ok":true}"#.as_bytes())
                .unwrap();
        let form = encode_one(&FormatSyntax::Form.into(), &record).unwrap();
        assert_eq!(form, b"name=%C5%BC+%26%3D%2B&tag=a&tag=b&n=1.10&ok=true");
        let (rows, _) = decode(&FormatSyntax::Form.into(), None, &form).unwrap();
        assert_eq!(
            encode_one(&FormatSyntax::Form.into(), &rows[0]).unwrap(),
            form
        );
    }

    #[test]
    fn what_a_form_cannot_hold_is_an_error_that_names_the_field() {
        let error = |json: &str| {
            encode_one(&FormatSyntax::Form.into(), &read(json.as_bytes()).unwrap())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(r#"{"a":{}}"#),
            "form, record 1: the field 'a' holds an object"
        );
        assert_eq!(
            error(r#"{"a":[[1]]}"#),
            "form, record 1: the field 'a' holds a list"
        );
        assert_eq!(
            error("[]"),
            "form, record 1: expected an object; found a list"
        );
        assert!(encode(&FormatSyntax::Form.into(), &[]).is_err());
    }
}
