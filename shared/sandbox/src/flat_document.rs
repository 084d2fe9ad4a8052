//! A JSON document as a flat list of fields, so that two can be compared digit for digit.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The fields of a JSON document by path (`address.city`), each as JSON text. Numbers keep their
/// digits, and a null is the same as no field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlatDocument(pub BTreeMap<String, String>);

impl FlatDocument {
    /// Flattens a document. One that is not an object becomes a single field without a name.
    pub fn of(document: &RawValue) -> FlatDocument {
        let mut fields = FlatDocument::default();
        fields.collect("", document);
        fields
    }

    fn collect(&mut self, path: &str, value: &RawValue) {
        match serde_json::from_str::<BTreeMap<String, &RawValue>>(value.get()) {
            Ok(members) => {
                for (name, member) in members {
                    let path = if path.is_empty() {
                        name
                    } else {
                        format!("{path}.{name}")
                    };
                    self.collect(&path, member);
                }
            }
            Err(_) => self.insert(path, value.get()),
        }
    }

    fn insert(&mut self, path: &str, text: &str) {
        if text != "null" {
            self.0.insert(path.to_owned(), unescaped(text));
        }
    }
}

/// The text of a value as JSON in one form: a text may be escaped in several ways that mean the
/// same.
fn unescaped(text: &str) -> String {
    match serde_json::from_str::<String>(text) {
        Ok(plain) => serde_json::Value::from(plain).to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fields(json: &str) -> FlatDocument {
        FlatDocument::of(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_ne!(fields(r#"{"a": 1.50}"#), fields(r#"{"a": 1.5}"#));
        assert_eq!(
            fields(r#"{"a": 9007199254740993.10}"#).0["a"],
            "9007199254740993.10"
        );
    }

    #[test]
    fn order_escapes_and_null_make_no_difference() {
        let one = fields(r#"{"a": "ż", "b": {"c": true}, "d": null}"#);
        assert_eq!(one, fields(r#"{ "b": {"c":true}, "a": "\u017c" }"#));
    }
}
