//! Formats of bodies, as flow files say them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The format of a body: its name, `csv`, or its name with settings, `{ csv: { delimiter: ";" } }`.
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
    /// Comma-separated values (RFC 4180) and similar tables.
    Csv(CsvSection),
    /// XML 1.0. An element that contains only text becomes that text. Every other element becomes
    /// an object of its attributes (`@name`), its child elements and its text (`#text`).
    Xml(XmlSection),
    /// Plain text.
    Text(TextSection),
    /// An HTML form, `application/x-www-form-urlencoded`.
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
            /// The charset, such as `windows-1250` or `iso-8859-2`. By default the one that the
            /// answer names, or UTF-8.
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
    /// Settings of JSON.
    JsonSection {}
);

section!(
    /// Settings of CSV.
    CsvSection {
        /// The character between two fields. A comma by default.
        #[serde(default)]
        #[schemars(
            regex(pattern = r"^[\t -~]$"),
            extend("patternErrorMessage" = "expected one character of ASCII, such as \";\" or \"\\t\"")
        )]
        pub delimiter: Option<String>,
        /// The character around a field that contains a delimiter, a quote or a line break. `"` by
        /// default. Empty text means that there are no quotes.
        #[serde(default)]
        #[schemars(
            regex(pattern = r"^[\t -~]?$"),
            extend("patternErrorMessage" = "expected one character of ASCII, such as \"'\", or none")
        )]
        pub quote: Option<String>,
        /// A character that may stand before a quote within quotes, such as `\`, beside a second
        /// quote.
        #[serde(default)]
        #[schemars(
            regex(pattern = r"^[\t -~]$"),
            extend("patternErrorMessage" = "expected one character of ASCII, such as \"\\\\\"")
        )]
        pub escape: Option<String>,
        /// True where the first row contains the names of the columns. This is the default, unless
        /// `names` are given.
        #[serde(default)]
        pub header: Option<bool>,
        /// The columns' names. With `header: true` they replace the names in the header. A record
        /// with other fields cannot be written.
        #[serde(default)]
        pub names: Vec<String>,
        /// The number of lines before the table.
        #[serde(default)]
        #[schemars(range(max = 1000))]
        pub skip: u32,
        /// Removes spaces around fields.
        #[serde(default)]
        pub trim: bool,
        /// Accepts rows with too few fields, whose last columns are null, and rows with surplus
        /// empty fields, which are dropped. By default such rows are errors.
        #[serde(default)]
        pub lenient: bool,
        /// Distinguishes null from empty text, as PostgreSQL's `COPY` does: an empty field without
        /// quotes is null, and `""` is empty text, when reading and writing. By default both are
        /// read as empty text, and null is written as an empty field.
        #[serde(default)]
        pub nulls: bool,
    }
);

section!(
    /// Settings of XML.
    XmlSection {
        /// The elements that are records, by name, `order`, or by path, `/orders/order`. A path is
        /// required where a list is written. If left out, the document is one value: an object with
        /// the root element.
        #[serde(default)]
        pub record: Option<String>,
        /// Elements that are a list even where they occur once, by name, `item`, or by path,
        /// `items/item`. Other elements are a list where they occur several times.
        #[serde(default)]
        pub list: Vec<String>,
        /// Keeps namespace prefixes in names, `soap:Body`, and keeps `xmlns` attributes.
        #[serde(default)]
        pub prefixes: bool,
    }
);

section!(
    /// Settings of plain text.
    TextSection {
        /// Makes each line a record. By default the whole text is one record.
        #[serde(default)]
        pub lines: bool,
    }
);

/// Settings of forms. There are none.
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

    /// One schema for both notations, not a choice of two schemas. So an error in a file can say
    /// exactly what is wrong.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let formats = formats(&FormatSettings::json_schema(generator));
        let names: Vec<&str> = formats.keys().map(String::as_str).collect();
        json_schema!({
            "description": "The format of a body: its name, or its name with settings.",
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
