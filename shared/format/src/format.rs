//! What a body is written in.

use crate::{Charset, CsvOptions, TextOptions, XmlOptions};

/// What a body is written in: its syntax, its characters, and how much of it is held at most.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BodyFormat {
    /// The syntax.
    pub syntax: FormatSyntax,
    /// The charset, where it is known; otherwise what the body itself says, or UTF-8. A byte order
    /// mark at the beginning of a body overrules it.
    pub charset: Option<Charset>,
    /// How much of a body is held at once.
    pub limits: DecodeLimits,
}

/// The syntax of a body, with its settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum FormatSyntax {
    /// One JSON text (RFC 8259).
    #[default]
    Json,
    /// A JSON text on each line.
    JsonLines,
    /// Comma-separated values (RFC 4180) and their kin.
    Csv(CsvOptions),
    /// XML 1.0.
    Xml(XmlOptions),
    /// Plain text.
    Text(TextOptions),
    /// A form, as HTML sends it: `application/x-www-form-urlencoded`.
    Form,
}

impl FormatSyntax {
    /// Whether a body is one value rather than rows.
    pub fn is_one_document(&self) -> bool {
        match self {
            FormatSyntax::Json | FormatSyntax::Form => true,
            FormatSyntax::Xml(options) => options.record.is_none(),
            FormatSyntax::Text(options) => !options.lines,
            FormatSyntax::JsonLines | FormatSyntax::Csv(_) => false,
        }
    }
}

/// How much of a body is held at once, in bytes of UTF-8. A body that wants more is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The longest row of a body with many: an element of a JSON list, a line, an XML record.
    pub row: usize,
    /// The longest document that is read as a whole, and the most that may stand around the rows of
    /// one that is not.
    pub document: usize,
}

impl Default for DecodeLimits {
    fn default() -> DecodeLimits {
        DecodeLimits {
            row: 16 << 20,
            document: 64 << 20,
        }
    }
}

impl From<FormatSyntax> for BodyFormat {
    fn from(syntax: FormatSyntax) -> BodyFormat {
        BodyFormat {
            syntax,
            ..BodyFormat::default()
        }
    }
}

impl BodyFormat {
    /// The format that a Content-Type header names (RFC 9110 §8.3), with its charset; none where it
    /// names no format that is read here. JSON is UTF-8, whatever charset is named (RFC 8259 §11).
    pub fn of_content_type(content_type: &str) -> Option<BodyFormat> {
        let syntax = FormatSyntax::of_media_type(content_type.split(';').next()?.trim())?;
        let charset = match syntax {
            FormatSyntax::Json | FormatSyntax::JsonLines => None,
            _ => charset_of(content_type),
        };
        Some(BodyFormat {
            syntax,
            charset,
            limits: DecodeLimits::default(),
        })
    }

    /// The format of an answer: the given one or else what its Content-Type says or else JSON. Plain
    /// text says nothing, since much JSON is sent so. The Content-Type's charset holds where the given
    /// format has none.
    pub fn of_response(given: Option<&BodyFormat>, content_type: Option<&str>) -> BodyFormat {
        let named = content_type.and_then(BodyFormat::of_content_type);
        let Some(given) = given else {
            return named
                .filter(|named| !matches!(named.syntax, FormatSyntax::Text(_)))
                .unwrap_or_default();
        };
        let of_header = || match given.syntax {
            FormatSyntax::Json | FormatSyntax::JsonLines => None,
            _ => content_type.and_then(charset_of),
        };
        BodyFormat {
            charset: given.charset.or_else(of_header),
            ..given.clone()
        }
    }

    /// The Content-Type of a body that is written in this format.
    pub fn content_type(&self) -> String {
        let charset = self.charset.unwrap_or_default().name().to_ascii_lowercase();
        match &self.syntax {
            FormatSyntax::Json => "application/json".into(),
            FormatSyntax::JsonLines => "application/x-ndjson".into(),
            FormatSyntax::Csv(options) if options.delimiter == b'\t' => {
                format!("text/tab-separated-values; charset={charset}")
            }
            FormatSyntax::Csv(_) => format!("text/csv; charset={charset}"),
            FormatSyntax::Xml(_) => format!("application/xml; charset={charset}"),
            FormatSyntax::Text(_) => format!("text/plain; charset={charset}"),
            FormatSyntax::Form => "application/x-www-form-urlencoded".into(),
        }
    }

    /// The format's name, as people know it.
    pub fn name(&self) -> &'static str {
        match self.syntax {
            FormatSyntax::Json => "JSON",
            FormatSyntax::JsonLines => "JSON Lines",
            FormatSyntax::Csv(_) => "CSV",
            FormatSyntax::Xml(_) => "XML",
            FormatSyntax::Text(_) => "text",
            FormatSyntax::Form => "form",
        }
    }
}

impl FormatSyntax {
    fn of_media_type(media_type: &str) -> Option<FormatSyntax> {
        let media_type = media_type.to_ascii_lowercase();
        Some(match media_type.as_str() {
            "application/json" | "text/json" => FormatSyntax::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => FormatSyntax::JsonLines,
            "text/csv" | "application/csv" => FormatSyntax::Csv(CsvOptions::default()),
            "text/tab-separated-values" => FormatSyntax::Csv(CsvOptions {
                delimiter: b'\t',
                ..CsvOptions::default()
            }),
            "application/xml" | "text/xml" => FormatSyntax::Xml(XmlOptions::default()),
            "text/plain" => FormatSyntax::Text(TextOptions::default()),
            "application/x-www-form-urlencoded" => FormatSyntax::Form,
            other if other.ends_with("+json") => FormatSyntax::Json,
            other if other.ends_with("+xml") => FormatSyntax::Xml(XmlOptions::default()),
            _ => return None,
        })
    }
}

/// The charset of a Content-Type. One that nobody knows is left to the body: what is not UTF-8 then
/// is an error there.
fn charset_of(content_type: &str) -> Option<Charset> {
    let parameters = content_type
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let (_, label) = charsets.next()?;
    Charset::of_label(label.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn named(content_type: &str) -> Option<(&'static str, Option<&'static str>)> {
        let format = BodyFormat::of_content_type(content_type)?;
        Some((format.name(), format.charset.map(Charset::name)))
    }

    #[test]
    fn a_content_type_names_its_format_and_charset() {
        for (content_type, format, charset) in [
            ("application/json", "JSON", None),
            ("application/problem+json; charset=utf-8", "JSON", None),
            ("application/json; charset=iso-8859-2", "JSON", None),
            ("Application/X-NDJSON", "JSON Lines", None),
            ("application/jsonl", "JSON Lines", None),
            (
                "text/csv; header=present; Charset=\"Windows-1250\"",
                "CSV",
                Some("windows-1250"),
            ),
            ("text/tab-separated-values", "CSV", None),
            ("text/xml;charset=ISO-8859-2", "XML", Some("ISO-8859-2")),
            ("application/atom+xml", "XML", None),
            ("text/plain; charset=klingon", "text", None),
            ("application/x-www-form-urlencoded", "form", None),
        ] {
            assert_eq!(
                named(content_type),
                Some((format, charset)),
                "{content_type}"
            );
        }
        for content_type in ["", "text/html", "application/pdf", "json", ";charset=utf-8"] {
            assert_eq!(named(content_type), None, "{content_type}");
        }
    }

    #[test]
    fn the_format_of_an_answer_is_the_given_one_then_the_headers_then_json() {
        let csv = BodyFormat::from(FormatSyntax::Csv(CsvOptions {
            delimiter: b';',
            ..CsvOptions::default()
        }));
        let answer =
            BodyFormat::of_response(Some(&csv), Some("application/json; charset=windows-1250"));
        assert_eq!(answer.syntax, csv.syntax);
        assert_eq!(answer.charset, Charset::of_label("windows-1250"));
        let latin = BodyFormat {
            charset: Charset::of_label("iso-8859-2"),
            ..csv.clone()
        };
        assert_eq!(
            BodyFormat::of_response(Some(&latin), Some("text/csv; charset=utf-8")),
            latin
        );
        assert_eq!(
            BodyFormat::of_response(None, Some("text/xml")).name(),
            "XML"
        );
        for silent in ["text/html", "text/plain; charset=iso-8859-1"] {
            assert_eq!(
                BodyFormat::of_response(None, Some(silent)),
                BodyFormat::default()
            );
        }
        assert_eq!(BodyFormat::of_response(None, None), BodyFormat::default());
    }

    #[test]
    fn what_is_written_says_what_it_is() {
        for content_type in [
            "application/json",
            "application/x-ndjson",
            "text/csv; charset=utf-8",
            "text/csv; charset=windows-1250",
            "text/tab-separated-values; charset=utf-8",
            "application/xml; charset=utf-8",
            "text/plain; charset=utf-8",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(
                BodyFormat::of_content_type(content_type)
                    .unwrap()
                    .content_type(),
                content_type
            );
        }
    }
}
