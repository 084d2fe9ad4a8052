//! What a body is written in, as flow files say it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What a body is written in: the name of a format, `csv`, or one with its settings,
/// `{ csv: { delimiter: ";" } }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct FormatSection(pub FormatSettings);

/// A format with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FormatSettings {
    /// One JSON text (RFC 8259).
    Json(JsonSection),
    /// A JSON text on each line.
    Jsonl(JsonSection),
    /// Comma-separated values (RFC 4180) and their kin.
    Csv(CsvSection),
    /// XML 1.0. An element with nothing but text is that text, any other an object of its attributes
    /// (`@name`), its child elements and its text (`#text`).
    Xml(XmlSection),
    /// Plain text.
    Text(TextSection),
    /// A form as HTML sends it, `application/x-www-form-urlencoded`.
    Form(FormSection),
}

/// The settings of a format, with the charset that all of them have.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($fields:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($fields)*
            /// The charset, such as `windows-1250` or `iso-8859-2`; left out, what the answer says, or
            /// UTF-8.
            #[serde(default)]
            #[schemars(
                regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9:._-]*$"),
                extend("patternErrorMessage" = "expected the name of a charset, such as windows-1250")
            )]
            pub encoding: Option<String>,
        }
    };
}

section!(
    /// How JSON is read and written.
    JsonSection {}
);

section!(
    /// How a table is read and written.
    CsvSection {
        /// What stands between two fields; a comma by default.
        #[serde(default)]
        #[schemars(
            regex(pattern = r"^[\t -~]$"),
            extend("patternErrorMessage" = "expected one character of ASCII, such as \";\" or \"\\t\"")
        )]
        pub delimiter: Option<String>,
        /// What stands around a field that holds a delimiter, a quote or a line break; `"` by
        /// default, and empty where a quote is a character like others.
        #[serde(default)]
        #[schemars(
            regex(pattern = r"^[\t -~]?$"),
            extend("patternErrorMessage" = "expected one character of ASCII, such as \"'\", or none")
        )]
        pub quote: Option<String>,
        /// What stands before a quote within quotes, such as `\`, beside another quote.
        #[serde(default)]
        #[schemars(
            regex(pattern = r"^[\t -~]$"),
            extend("patternErrorMessage" = "expected one character of ASCII, such as \"\\\\\"")
        )]
        pub escape: Option<String>,
        /// Whether the first row names the columns; so by default, unless `names` are given.
        #[serde(default)]
        pub header: Option<bool>,
        /// The columns' names. With `header: true` they stand in for those of the header. Written
        /// records that have other fields are refused.
        #[serde(default)]
        pub names: Vec<String>,
        /// How many lines stand before the table.
        #[serde(default)]
        #[schemars(range(max = 1000))]
        pub skip: u32,
        /// Whether spaces around fields are dropped.
        #[serde(default)]
        pub trim: bool,
        /// Whether rows may have too few fields, which makes the last columns null, or empty fields
        /// too many, which are dropped; otherwise such a row is an error.
        #[serde(default)]
        pub lenient: bool,
        /// Whether an empty field that is not in quotes is null and `""` empty text, both in what is read and
        /// in what is written, as in PostgreSQL's `COPY`; otherwise both are empty text, and null is written as
        /// an empty field.
        #[serde(default)]
        pub nulls: bool,
    }
);

section!(
    /// How XML is read and written.
    XmlSection {
        /// The elements that are records, by name, `order`, or by path, `/orders/order`, which a list
        /// that is written needs. Left out, the document is one value: an object with its root
        /// element.
        #[serde(default)]
        pub record: Option<String>,
        /// Elements that are a list even where they occur once, by name, `item`, or by path,
        /// `items/item`. Others are a list where they occur several times.
        #[serde(default)]
        pub list: Vec<String>,
        /// Whether names keep their namespace prefix, `soap:Body`, and `@xmlns` attributes are kept.
        #[serde(default)]
        pub prefixes: bool,
    }
);

section!(
    /// How plain text is read and written.
    TextSection {
        /// Whether each line is a record, instead of the whole text being one.
        #[serde(default)]
        pub lines: bool,
    }
);

/// How a form is read and written: there is nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormSection {}

impl TryFrom<Value> for FormatSection {
    type Error = serde_json::Error;

    fn try_from(written: Value) -> Result<FormatSection, serde_json::Error> {
        let with_settings = match written {
            Value::String(name) => json!({ (name): {} }),
            other => other,
        };
        FormatSettings::deserialize(with_settings).map(FormatSection)
    }
}

impl JsonSchema for FormatSection {
    fn schema_name() -> Cow<'static, str> {
        "FormatSection".into()
    }

    /// One schema for both ways of writing, rather than a choice of two: so whoever holds a file
    /// against it can say what exactly is wrong in either.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let formats = formats(&FormatSettings::json_schema(generator));
        let names: Vec<&str> = formats.keys().map(String::as_str).collect();
        json_schema!({
            "description": "What a body is written in: the name of a format, or one with its settings.",
            "type": ["string", "object"],
            "pattern": format!("^({})$", names.join("|")),
            "patternErrorMessage": format!(
                "expected {}, or one of them with its settings, such as csv: {{ delimiter: \";\" }}",
                names.join(", ")
            ),
            "properties": formats,
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1
        })
    }
}

/// The schema of each format's settings, by its name.
fn formats(settings: &Schema) -> Map<String, Value> {
    let choices = settings
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut formats = Map::new();
    for choice in choices {
        let Some(Value::Object(properties)) = choice.get("properties") else {
            continue;
        };
        for (name, schema) in properties {
            let mut schema = schema.clone();
            if let (Some(schema), Some(description)) =
                (schema.as_object_mut(), choice.get("description"))
            {
                schema.insert("description".into(), description.clone());
            }
            formats.insert(name.clone(), schema);
        }
    }
    formats
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(written: Value) -> Result<FormatSection, serde_json::Error> {
        serde_json::from_value(written)
    }

    #[test]
    fn a_format_is_written_by_name_or_with_its_settings() {
        for name in ["json", "jsonl", "csv", "xml", "text", "form"] {
            let (by_name, with_settings) = (section(json!(name)), section(json!({ (name): {} })));
            assert_eq!(by_name.expect(name), with_settings.expect(name));
        }
        let csv = section(
            json!({ "csv": { "delimiter": ";", "names": ["a"], "encoding": "windows-1250" } }),
        );
        let expected = CsvSection {
            delimiter: Some(";".into()),
            names: vec!["a".into()],
            encoding: Some("windows-1250".into()),
            ..CsvSection::default()
        };
        assert_eq!(
            csv.expect("a format"),
            FormatSection(FormatSettings::Csv(expected))
        );
    }

    #[test]
    fn what_is_no_format_is_refused() {
        for written in [
            json!("yaml"),
            json!(1),
            json!({}),
            json!({ "csv": {}, "xml": {} }),
            json!({ "csv": { "separator": ";" } }),
            json!({ "form": { "encoding": "utf-8" } }),
        ] {
            assert!(section(written.clone()).is_err(), "{written}");
        }
    }

    #[test]
    fn the_schema_names_every_format_with_its_settings() {
        let schema = SchemaGenerator::default()
            .into_root_schema_for::<FormatSection>()
            .to_value();
        let properties = schema["properties"].as_object().expect("properties");
        let names: Vec<&String> = properties.keys().collect();
        assert_eq!(names, ["json", "jsonl", "csv", "xml", "text", "form"]);
        assert_eq!(schema["pattern"], "^(json|jsonl|csv|xml|text|form)$");
        assert_eq!(properties["text"]["description"], "Plain text.");
    }
}
