//! What a body is written in.

use crate::{Charset, CsvOptions, TextOptions, XmlOptions};

/// What a body is written in: its syntax, its characters, and how much of it is held at most.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Format {
    /// The syntax.
    pub syntax: Syntax,
    /// The charset, where it is known; otherwise what the body itself says, or UTF-8. A byte order
    /// mark at the beginning of a body overrules it.
    pub charset: Option<Charset>,
    /// How much of a body is held at once.
    pub limits: Limits,
}

/// The syntax of a body, with its settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Syntax {
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

impl Syntax {
    /// Whether a body is one value rather than rows.
    pub fn is_one_document(&self) -> bool {
        match self {
            Syntax::Json | Syntax::Form => true,
            Syntax::Xml(options) => options.record.is_none(),
            Syntax::Text(options) => !options.lines,
            Syntax::JsonLines | Syntax::Csv(_) => false,
        }
    }
}

/// How much of a body is held at once, in bytes of UTF-8. A body that wants more is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest row of a body with many: an element of a JSON list, a line, an XML record.
    pub row: usize,
    /// The longest document that is read as a whole, and the most that may stand around the rows of
    /// one that is not.
    pub document: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            row: 16 << 20,
            document: 64 << 20,
        }
    }
}

impl From<Syntax> for Format {
    fn from(syntax: Syntax) -> Format {
        Format {
            syntax,
            ..Format::default()
        }
    }
}

impl Format {
    /// The format that a Content-Type header names (RFC 9110 §8.3), with its charset; none where it
    /// names no format that is read here. JSON is UTF-8, whatever charset is named (RFC 8259 §11).
    pub fn of_content_type(content_type: &str) -> Option<Format> {
        let syntax = Syntax::of_media_type(content_type.split(';').next()?.trim())?;
        let charset = match syntax {
            Syntax::Json | Syntax::JsonLines => None,
            _ => charset_of(content_type),
        };
        Some(Format {
            syntax,
            charset,
            limits: Limits::default(),
        })
    }

    /// The format of an answer: the given one or else what its Content-Type says or else JSON. Plain
    /// text says nothing, since much JSON is sent so. The Content-Type's charset holds where the given
    /// format has none.
    pub fn of_answer(given: Option<&Format>, content_type: Option<&str>) -> Format {
        let named = content_type.and_then(Format::of_content_type);
        let Some(given) = given else {
            return named
                .filter(|named| !matches!(named.syntax, Syntax::Text(_)))
                .unwrap_or_default();
        };
        let of_header = || match given.syntax {
            Syntax::Json | Syntax::JsonLines => None,
            _ => content_type.and_then(charset_of),
        };
        Format {
            charset: given.charset.or_else(of_header),
            ..given.clone()
        }
    }

    /// The Content-Type of a body that is written in this format.
    pub fn content_type(&self) -> String {
        let charset = self.charset.unwrap_or_default().name().to_ascii_lowercase();
        match &self.syntax {
            Syntax::Json => "application/json".into(),
            Syntax::JsonLines => "application/x-ndjson".into(),
            Syntax::Csv(options) if options.delimiter == b'\t' => {
                format!("text/tab-separated-values; charset={charset}")
            }
            Syntax::Csv(_) => format!("text/csv; charset={charset}"),
            Syntax::Xml(_) => format!("application/xml; charset={charset}"),
            Syntax::Text(_) => format!("text/plain; charset={charset}"),
            Syntax::Form => "application/x-www-form-urlencoded".into(),
        }
    }

    /// The format's name, as people know it.
    pub fn name(&self) -> &'static str {
        match self.syntax {
            Syntax::Json => "JSON",
            Syntax::JsonLines => "JSON Lines",
            Syntax::Csv(_) => "CSV",
            Syntax::Xml(_) => "XML",
            Syntax::Text(_) => "text",
            Syntax::Form => "form",
        }
    }
}

impl Syntax {
    fn of_media_type(media_type: &str) -> Option<Syntax> {
        let media_type = media_type.to_ascii_lowercase();
        Some(match media_type.as_str() {
            "application/json" | "text/json" => Syntax::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Syntax::JsonLines,
            "text/csv" | "application/csv" => Syntax::Csv(CsvOptions::default()),
            "text/tab-separated-values" => Syntax::Csv(CsvOptions {
                delimiter: b'\t',
                ..CsvOptions::default()
            }),
            "application/xml" | "text/xml" => Syntax::Xml(XmlOptions::default()),
            "text/plain" => Syntax::Text(TextOptions::default()),
            "application/x-www-form-urlencoded" => Syntax::Form,
            other if other.ends_with("+json") => Syntax::Json,
            other if other.ends_with("+xml") => Syntax::Xml(XmlOptions::default()),
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
        let format = Format::of_content_type(content_type)?;
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
        let csv = Format::from(Syntax::Csv(CsvOptions {
            delimiter: b';',
            ..CsvOptions::default()
        }));
        let answer = Format::of_answer(Some(&csv), Some("application/json; charset=windows-1250"));
        assert_eq!(answer.syntax, csv.syntax);
        assert_eq!(answer.charset, Charset::of_label("windows-1250"));
        let latin = Format {
            charset: Charset::of_label("iso-8859-2"),
            ..csv.clone()
        };
        assert_eq!(
            Format::of_answer(Some(&latin), Some("text/csv; charset=utf-8")),
            latin
        );
        assert_eq!(Format::of_answer(None, Some("text/xml")).name(), "XML");
        for silent in ["text/html", "text/plain; charset=iso-8859-1"] {
            assert_eq!(Format::of_answer(None, Some(silent)), Format::default());
        }
        assert_eq!(Format::of_answer(None, None), Format::default());
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
                Format::of_content_type(content_type)
                    .unwrap()
                    .content_type(),
                content_type
            );
        }
    }
}
