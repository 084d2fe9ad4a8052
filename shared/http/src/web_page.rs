//! Web pages in the place of answers: of a login, a proxy, a maintenance. They come with 200 as well, and
//! are neither a yes nor data.

use http::{HeaderMap, StatusCode};
use pomost_expression::to_json;
use pomost_format::{BodyFormat, FormatSyntax, TextOptions, XmlOptions, decode};

use crate::{
    Failure, FailureClass, OutgoingRequest, RequestEffect, answer::content_type,
    echo::without_echo, failure::quote, limits::Limits,
};

/// How much of an answer tells whether it is a page, in bytes.
pub(crate) const TELLING: usize = 4 * 1024;

/// How much of a page is searched for its title, in bytes.
pub(crate) const SEARCHED: usize = 64 * 1024;

/// How much of a title is told, in characters.
const TITLE: usize = 100;

/// What pages begin with, and what they do where their beginning is lost; whatever begins with a tag is
/// neither JSON nor a table (WHATWG MIME Sniffing §7.1).
const PAGES: [&str; 2] = ["!doctype html", "html"];
const PARTS: [&str; 15] = [
    "head", "script", "iframe", "h1", "div", "font", "table", "a", "style", "title", "b", "body",
    "br", "p", "center",
];

/// Whether an answer is a web page, by its Content-Type or by how it begins, where something else is
/// expected. Many servers call by that type whatever a program does not name: what is empty, and what begins
/// as JSON or declares itself as XML, is what it is.
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
    begins_as_page || says_page(headers) && !is_something_else
}

/// What is meant to be XML or text may have elements of those names.
fn begins_as_page(body: &[u8], expected: &BodyFormat) -> bool {
    let first = first_tag(body).unwrap_or_default();
    let is_part = || body.starts_with(b"<!--") || PARTS.iter().any(|name| is_named(first, name));
    let may_have_parts = matches!(
        expected.syntax,
        FormatSyntax::Xml(_) | FormatSyntax::Text(_)
    );
    PAGES.iter().any(|name| is_named(first, name)) || !may_have_parts && is_part()
}

/// Whether the Content-Type is that of a page.
pub(crate) fn says_page(headers: &HeaderMap) -> bool {
    let media_type = content_type(headers).map(media_type).unwrap_or_default();
    ["text/html", "application/xhtml+xml"]
        .iter()
        .any(|page| media_type.eq_ignore_ascii_case(page))
}

/// A page that came in the place of an answer.
pub(crate) struct WebPage<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) beginning: &'a [u8],
}

/// The failure that a page is. What was asked for may have been done before it was shown. `place` is what its
/// message begins with; `hide` takes out of it what is secret. The message has the title where nothing of that was
/// sent: it is told of outages too, which are nobody's record.
pub(crate) fn failure(
    page: &WebPage<'_>,
    place: &str,
    call: &OutgoingRequest<'_>,
    hide: impl Fn(&str) -> String,
) -> Failure {
    let &WebPage {
        status,
        headers,
        beginning,
    } = page;
    let expected = expected_format(headers, call.format);
    let kind = content_type(headers).map_or("no Content-Type", media_type);
    // What is cut off first may be a part of a secret that is not known as one any more.
    let title =
        title(headers, beginning).map(|title| without_echo(&shortened(&hide(&title)), call));
    let (titled, answer, is_titled) = match title {
        None => (String::new(), quote(beginning, hide), false),
        Some((title, false)) => (format!(", titled '{title}'"), String::new(), false),
        Some((title, true)) => (String::new(), format!("titled '{title}'"), true),
    };
    let (kind, expected) = (shortened(kind), expected.name());
    let message = format!(
        "{place} answered {status} with a web page ({kind}{titled}) where {expected} was expected"
    );
    Failure {
        answer,
        is_titled,
        status: Some(status.as_u16()),
        retry_after: Limits::of(headers).delay(status),
        effect: RequestEffect::Unknown,
        ..Failure::new(FailureClass::Transient, message)
    }
}

/// What an answer is to be written in: no page.
fn expected_format(headers: &HeaderMap, given: Option<&BodyFormat>) -> BodyFormat {
    BodyFormat::of_response(given, content_type(headers).filter(|_| !says_page(headers)))
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The first tag behind declarations, instructions and comments, without its '<'.
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

/// The title on one line.
fn title(headers: &HeaderMap, beginning: &[u8]) -> Option<String> {
    let page = decoded(headers, &beginning[..beginning.len().min(SEARCHED)]);
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let line = unescaped(&page[start..end])
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    (!line.is_empty()).then_some(line)
}

/// The characters of a page; what is none of its charset is replaced.
fn decoded(headers: &HeaderMap, bytes: &[u8]) -> String {
    let text = BodyFormat::from(FormatSyntax::Text(TextOptions::default()));
    BodyFormat::of_response(Some(&text), content_type(headers))
        .charset
        .unwrap_or_default()
        .lossy(bytes)
}

/// A text with characters for their references, where it has only such as XML has.
fn unescaped(title: &str) -> String {
    let element = format!("<title>{title}</title>");
    let read = decode(
        &FormatSyntax::Xml(XmlOptions::default()).into(),
        None,
        element.as_bytes(),
    );
    let document = read.ok().map(|(_, document)| to_json(&document));
    let unescaped = document
        .as_ref()
        .and_then(|document| document["title"].as_str());
    unescaped.unwrap_or(title).to_owned()
}

/// The beginning of a text, of whole words where it has some: a part of one would not be known as an echo.
fn shortened(text: &str) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    if let Some((end, _)) = text.char_indices().nth(TITLE) {
        let end = text[..end].rfind(' ').unwrap_or(end);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::{HeaderValue, Method, header::CONTENT_TYPE};
    use pomost_format::CsvOptions;

    use super::*;

    fn typed(content_type: &str) -> HeaderMap {
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

    fn message(content_type: &str, page: &[u8], url: &str, body: &'static str) -> String {
        failure(content_type, page, url, body).message
    }

    /// The failure of a page of this type that came in the place of JSON.
    fn failure(content_type: &str, page: &[u8], url: &str, body: &'static str) -> Failure {
        let headers = typed(content_type);
        let page = WebPage {
            status: StatusCode::OK,
            headers: &headers,
            beginning: page,
        };
        let url = format!("https://shop.example{url}").parse().unwrap();
        let call = OutgoingRequest {
            body: Some(body.into()),
            ..OutgoingRequest::bare(Method::POST, url, "POST /customers")
        };
        super::failure(&page, "shop: POST /customers", &call, |text| {
            text.replace("hunter2", "***")
        })
    }

    #[test]
    fn a_failure_says_what_came_with_its_title_and_what_was_expected() {
        let page = "<html><Head>\n<TITLE lang=pl>\n Offline &amp;\n&#x17c;&#243;&#322;w </title>";
        assert_eq!(
            message("text/html; charset=utf-8", page.as_bytes(), "/", ""),
            "shop: POST /customers answered 200 OK with a web page (text/html, titled 'Offline & żółw') where JSON was \
             expected"
        );
        let polish = message(
            "text/html; charset=iso-8859-2",
            b"<html><title>\xbf\xf3\xb3w</title>",
            "/",
            "",
        );
        assert!(polish.contains("titled 'żółw'"), "{polish}");
        for untitled in [
            "<html>",
            "<html><title>",
            "<html><title> </title>",
            "<title>x",
        ] {
            let message = message("", untitled.as_bytes(), "/", "");
            assert!(
                message.contains("with a web page (no Content-Type) where"),
                "{untitled}: {message}"
            );
        }
        let nbsp = message("text/html", b"<html><title>A &nbsp;B</title>", "/", "");
        assert!(nbsp.contains("'A &nbsp;B'"), "{nbsp}");
    }

    #[test]
    fn a_title_is_bounded_and_shows_no_secret_and_nothing_that_was_sent() {
        let failed = |title: &str, url, body| {
            failure(
                "text/html",
                format!("<html><title>{title}</title>").as_bytes(),
                url,
                body,
            )
        };
        let titled = |title: &str, url, body| failed(title, url, body).message;
        assert!(titled("the key hunter2", "/", "").contains("'the key ***'"));
        for before in TITLE - 8..TITLE {
            let cut = titled(&format!("{} hunter2", "ż".repeat(before)), "/", "");
            assert!(!cut.contains(" h"), "{cut}");
        }
        let echo = failed(
            "No customers like 'Jan@x.pl' or Kos",
            "/customers?email=jan%40x.pl&n=1",
            "{\"a\":\"KOS\"}",
        );
        assert_eq!(echo.answer, "titled 'No customers like *** or ***'");
        assert!(
            echo.message
                .ends_with("with a web page (text/html) where JSON was expected"),
            "{echo}"
        );
        assert_eq!(
            echo.with_title(),
            format!("{}: {}", echo.message, echo.answer)
        );
        let long = titled(&"ż".repeat(1000), "/", "");
        assert!(long.contains(&format!("'{}'", "ż".repeat(TITLE))), "{long}");
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
