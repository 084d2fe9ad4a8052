//! Formats from flow files.

use pomost_models::format::{CsvSection, FormatSection, FormatSettings, XmlSection};

use crate::{BodyFormat, Charset, CsvOptions, ElementPath, FormatSyntax, TextOptions, XmlOptions};

/// An error in the settings of a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .field.trim_start_matches('/').replace('/', "."))]
pub struct SettingsError {
    /// The setting as a JSON pointer (RFC 6901) below the format: `/csv/delimiter`.
    pub field: String,
    pub message: String,
}

impl TryFrom<&FormatSection> for BodyFormat {
    type Error = SettingsError;

    fn try_from(section: &FormatSection) -> Result<BodyFormat, SettingsError> {
        let (syntax, encoding) = match &section.0 {
            FormatSettings::Json(json) => (
                FormatSyntax::Json,
                charset("/json", json.encoding.as_deref())?,
            ),
            FormatSettings::Jsonl(json) => (
                FormatSyntax::JsonLines,
                charset("/jsonl", json.encoding.as_deref())?,
            ),
            FormatSettings::Csv(csv) => (
                FormatSyntax::Csv(csv_options(csv)?),
                charset("/csv", csv.encoding.as_deref())?,
            ),
            FormatSettings::Xml(xml) => (
                FormatSyntax::Xml(xml_options(xml)?),
                charset("/xml", xml.encoding.as_deref())?,
            ),
            FormatSettings::Text(text) => (
                FormatSyntax::Text(TextOptions { lines: text.lines }),
                charset("/text", text.encoding.as_deref())?,
            ),
            FormatSettings::Form(_) => (FormatSyntax::Form, None),
        };
        Ok(BodyFormat {
            charset: encoding,
            ..syntax.into()
        })
    }
}

fn charset(format: &str, label: Option<&str>) -> Result<Option<Charset>, SettingsError> {
    let Some(label) = label else { return Ok(None) };
    Charset::of_label(label).map(Some).ok_or_else(|| {
        let message = format!(
            "'{label}' is no charset of the Encoding Standard (encoding.spec.whatwg.org), such as utf-8, \
             windows-1250 or iso-8859-2"
        );
        settings_error(format, "encoding", message)
    })
}

fn csv_options(csv: &CsvSection) -> Result<CsvOptions, SettingsError> {
    let header = csv.header.unwrap_or(csv.names.is_empty());
    let default = CsvOptions::default();
    let options = CsvOptions {
        delimiter: character("delimiter", csv.delimiter.as_deref())?.unwrap_or(default.delimiter),
        quote: match csv.quote.as_deref() {
            Some("") => None,
            quote => character("quote", quote)?.or(default.quote),
        },
        escape: character("escape", csv.escape.as_deref())?,
        header,
        names: csv.names.clone(),
        skip: csv.skip,
        trim: csv.trim,
        lenient: csv.lenient,
        nulls: csv.nulls,
    };
    if !header && csv.names.is_empty() {
        return Err(settings_error(
            "/csv",
            "header",
            "without a header the columns need names".into(),
        ));
    }
    if let Some(twice) =
        (1..csv.names.len()).find(|&index| csv.names[..index].contains(&csv.names[index]))
    {
        let message = format!("the column '{}' is named twice", csv.names[twice]);
        return Err(settings_error("/csv", &format!("names/{twice}"), message));
    }
    let special = [Some(options.delimiter), options.quote, options.escape];
    let is_twice =
        |one: usize, other: usize| special[one].is_some() && special[one] == special[other];
    if is_twice(0, 1) || is_twice(0, 2) || is_twice(1, 2) {
        let message = "delimiter, quote and escape must be different characters";
        return Err(settings_error("/csv", "delimiter", message.into()));
    }
    Ok(options)
}

fn character(field: &str, text: Option<&str>) -> Result<Option<u8>, SettingsError> {
    match text.map(str::as_bytes) {
        None => Ok(None),
        Some(&[byte @ (b'\t' | b' '..=b'~')]) => Ok(Some(byte)),
        Some(_) => Err(settings_error(
            "/csv",
            field,
            "expected one character of ASCII".into(),
        )),
    }
}

fn xml_options(xml: &XmlSection) -> Result<XmlOptions, SettingsError> {
    let path = |field: &str, path: &String| {
        if path.contains(':') && !xml.prefixes {
            let message = "names have no prefix here; leave it out or set prefixes: true";
            return Err(settings_error("/xml", field, message.into()));
        }
        path.parse::<ElementPath>()
            .map_err(|message| settings_error("/xml", field, message))
    };
    let list = xml.list.iter().enumerate();
    Ok(XmlOptions {
        record: xml
            .record
            .as_ref()
            .map(|record| path("record", record))
            .transpose()?,
        list: list
            .map(|(index, item)| path(&format!("list/{index}"), item))
            .collect::<Result<_, _>>()?,
        prefixes: xml.prefixes,
    })
}

fn settings_error(format: &str, field: &str, message: String) -> SettingsError {
    SettingsError {
        field: format!("{format}/{field}"),
        message,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn format(written: Value) -> Result<BodyFormat, SettingsError> {
        BodyFormat::try_from(&serde_json::from_value::<FormatSection>(written).unwrap())
    }

    #[test]
    fn settings_that_are_left_out_have_their_defaults() {
        assert_eq!(format(json!("json")), Ok(BodyFormat::default()));
        assert_eq!(format(json!("jsonl")), Ok(FormatSyntax::JsonLines.into()));
        assert_eq!(
            format(json!("csv")),
            Ok(FormatSyntax::Csv(CsvOptions::default()).into())
        );
        assert_eq!(
            format(json!("xml")),
            Ok(FormatSyntax::Xml(XmlOptions::default()).into())
        );
        assert_eq!(
            format(json!("text")),
            Ok(FormatSyntax::Text(TextOptions::default()).into())
        );
        assert_eq!(format(json!("form")), Ok(FormatSyntax::Form.into()));
    }

    #[test]
    fn settings_become_options() {
        let csv = format(json!({ "csv": {
            "delimiter": "\t", "quote": "", "escape": "\\", "names": ["a", "b"], "skip": 1, "trim": true,
            "lenient": true, "nulls": true, "encoding": "Windows-1250"
        } }));
        let options = CsvOptions {
            delimiter: b'\t',
            quote: None,
            escape: Some(b'\\'),
            header: false,
            names: vec!["a".into(), "b".into()],
            skip: 1,
            trim: true,
            lenient: true,
            nulls: true,
        };
        let charset = Charset::of_label("windows-1250");
        assert_eq!(
            csv,
            Ok(BodyFormat {
                charset,
                ..FormatSyntax::Csv(options).into()
            })
        );
        let xml =
            format(json!({ "xml": { "record": "/a/b", "list": ["c", "d/e"], "prefixes": true } }));
        let options = XmlOptions {
            record: Some("/a/b".parse().unwrap()),
            list: vec!["c".parse().unwrap(), "d/e".parse().unwrap()],
            prefixes: true,
        };
        assert_eq!(xml, Ok(FormatSyntax::Xml(options).into()));
    }

    #[test]
    fn a_setting_that_cannot_be_is_named() {
        for (written, field) in [
            (json!({ "csv": { "delimiter": "ab" } }), "/csv/delimiter"),
            (json!({ "csv": { "delimiter": "" } }), "/csv/delimiter"),
            (json!({ "csv": { "quote": "ż" } }), "/csv/quote"),
            (json!({ "csv": { "escape": "\n" } }), "/csv/escape"),
            (
                json!({ "csv": { "quote": ";", "delimiter": ";" } }),
                "/csv/delimiter",
            ),
            (json!({ "csv": { "header": false } }), "/csv/header"),
            (
                json!({ "csv": { "names": ["a", "b", "a"] } }),
                "/csv/names/2",
            ),
            (json!({ "csv": { "encoding": "klingon" } }), "/csv/encoding"),
            (json!({ "json": { "encoding": "" } }), "/json/encoding"),
            (json!({ "xml": { "record": "a b" } }), "/xml/record"),
            (
                json!({ "xml": { "record": "/s:Envelope/s:Body" } }),
                "/xml/record",
            ),
            (json!({ "xml": { "list": ["a", "//"] } }), "/xml/list/1"),
        ] {
            assert_eq!(
                format(written.clone()).unwrap_err().field,
                field,
                "{written}"
            );
        }
        let error = format(json!({ "csv": { "header": false } })).unwrap_err();
        assert_eq!(
            error.to_string(),
            "csv.header: without a header the columns need names"
        );
    }
}
