//! Telling web pages from responses.

use http::HeaderMap;
use pomost_format::{BodyFormat, FormatSyntax};

use super::{expected_format, media_type};
use crate::response::content_type;

/// The length of the beginning that tells if a body is a page, in bytes.
pub(crate) const TELLING_BYTES: usize = 4 * 1024;

/// The tags that pages begin with (WHATWG MIME Sniffing §7.1).
const PAGE_TAGS: [&str; 2] = ["!doctype html", "html"];

/// The tags that a page may begin with whose beginning is lost. A body that begins with a tag is
/// neither JSON nor a table.
const PART_TAGS: [&str; 15] = [
    "head", "script", "iframe", "h1", "div", "font", "table", "a", "style", "title", "b", "body",
    "br", "p", "center",
];

/// Returns true if a body is a web page, by its Content-Type or by its beginning, where something
/// else is expected. Many servers use that type whatever a program sends: an empty body, JSON and
/// declared XML are what they are.
pub(crate) fn is_web_page(
    headers: &HeaderMap,
    beginning: &[u8],
    expected: Option<&BodyFormat>,
) -> bool {
    let body = beginning
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(beginning)
        .trim_ascii_start();
    let Some(first) = body.first() else {
        return false;
    };
    let is_something_else = matches!(first, b'{' | b'[') || body.starts_with(b"<?xml");
    let begins_as_page =
        *first == b'<' && begins_as_page(body, &expected_format(headers, expected));
    begins_as_page || is_called_web_page(headers) && !is_something_else
}

/// Returns true if the Content-Type is that of a page.
pub(crate) fn is_called_web_page(headers: &HeaderMap) -> bool {
    let media_type = content_type(headers).map(media_type).unwrap_or_default();
    ["text/html", "application/xhtml+xml"]
        .iter()
        .any(|page| media_type.eq_ignore_ascii_case(page))
}

/// Looks at the first tag. XML and text may have elements that are named as parts of pages are.
fn begins_as_page(body: &[u8], expected: &BodyFormat) -> bool {
    let first = first_tag(body).unwrap_or_default();
    let is_part =
        || body.starts_with(b"<!--") || PART_TAGS.iter().any(|name| is_named(first, name));
    let may_have_parts = matches!(
        expected.syntax,
        FormatSyntax::Xml(_) | FormatSyntax::Text(_)
    );
    PAGE_TAGS.iter().any(|name| is_named(first, name)) || !may_have_parts && is_part()
}

/// Returns the first tag behind declarations, instructions and comments, without its '<'.
fn first_tag(mut body: &[u8]) -> Option<&[u8]> {
    loop {
        let end: &[u8] = match body {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            _ => return body.strip_prefix(b"<"),
        };
        let at = body.windows(end.len()).position(|window| window == end)?;
        body = body[at + end.len()..].trim_ascii_start();
    }
}

fn is_named(tag: &[u8], name: &str) -> bool {
    let ends = tag
        .get(name.len())
        .is_none_or(|byte| b" \t\r\n\x0c/>".contains(byte));
    ends && tag
        .get(..name.len())
        .is_some_and(|tag| tag.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use http::{HeaderValue, header::CONTENT_TYPE};
    use pomost_format::{CsvOptions, TextOptions, XmlOptions};

    use super::{super::title::title, *};

    pub(in super::super) fn typed(content_type: &str) -> HeaderMap {
        let value =
            (!content_type.is_empty()).then(|| HeaderValue::from_str(content_type).unwrap());
        HeaderMap::from_iter(value.map(|value| (CONTENT_TYPE, value)))
    }

    fn is_page(content_type: &str, body: &str, expected: Option<FormatSyntax>) -> bool {
        is_web_page(
            &typed(content_type),
            body.as_bytes(),
            expected.map(BodyFormat::from).as_ref(),
        )
    }

    fn formats() -> [Option<FormatSyntax>; 5] {
        let (csv, xml) = (
            FormatSyntax::Csv(CsvOptions::default()),
            FormatSyntax::Xml(XmlOptions::default()),
        );
        [
            None,
            Some(FormatSyntax::JsonLines),
            Some(csv),
            Some(xml),
            Some(FormatSyntax::Text(TextOptions::default())),
        ]
    }

    #[test]
    fn a_page_is_known_by_its_beginning_whatever_it_is_called_and_whatever_is_expected() {
        for page in [
            "<!DOCTYPE html><html>",
            "\u{feff}\n <!doctype HTML>",
            "<html lang='en'>",
            "<HTML>",
            "<!-- cached --> <!-- again -->\n<html>",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"\">",
        ] {
            for content_type in [
                "",
                "application/json",
                "text/csv",
                "application/xml",
                "text/plain",
            ] {
                for expected in formats() {
                    assert!(
                        is_page(content_type, page, expected),
                        "{content_type}: {page}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_page_is_known_by_its_type() {
        for content_type in [
            "text/html",
            "Text/HTML; charset=utf-8",
            "application/xhtml+xml",
        ] {
            for expected in formats() {
                assert!(
                    is_page(content_type, "We are moving house", expected),
                    "{content_type}"
                );
            }
        }
    }

    #[test]
    fn a_part_of_a_page_is_one_where_no_elements_are_expected() {
        let warning = "<br />\n<b>Warning</b>: Undefined variable $x<br />\n[{\"id\":1}]";
        for page in [warning, "<!-- offline -->", "<h1>Bad</h1>", "<p>Hello</p>"] {
            let is_page = formats().map(|expected| is_page("application/json", page, expected));
            assert_eq!(is_page, [true, true, true, false, false], "{page}");
            assert!(
                !super::is_web_page(&typed("application/xml"), page.as_bytes(), None),
                "{page}"
            );
        }
    }

    #[test]
    fn what_is_something_else_or_nothing_is_no_page() {
        for body in [
            "",
            " \r\n",
            "[{\"id\":1}]",
            "{\"html\":\"<html>\"}",
            "<?xml version=\"1.0\"?><orders/>",
        ] {
            for content_type in ["", "text/html", "application/json"] {
                assert!(
                    formats()
                        .into_iter()
                        .all(|expected| !is_page(content_type, body, expected)),
                    "{body}"
                );
            }
        }
        for body in [
            "id;name\n1;<html>",
            "<htmlish/>",
            "<orders/>",
            "true",
            "12 < 13",
            "<",
        ] {
            assert!(
                formats()
                    .into_iter()
                    .all(|expected| !is_page("text/plain", body, expected)),
                "{body}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_beginning_is_a_page_or_none(body: Vec<u8>, tagged in "(<[!?/-]{0,4}[a-zA-Zż ]{0,8}-?-?[?]?>? ?){0,6}") {
            for body in [&body[..], tagged.as_bytes()] {
                for expected in formats() {
                    is_web_page(&typed("text/html"), body, expected.map(BodyFormat::from).as_ref());
                }
                title(&typed(""), body);
            }
        }
    }
}
