//! Web pages that come instead of a response: of a login, a proxy, a maintenance. They come with
//! 200 as well, and are neither a success nor data.

mod detection;
mod echo;
mod title;

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use pomost_format::BodyFormat;

use super::{content_type, rate_limit_headers::RateLimitHeaders};
use crate::{Failure, FailureClass, OutgoingRequest, RequestEffect, failure::quote};
pub(crate) use detection::{TELLING_BYTES, is_called_web_page, is_web_page};
use echo::without_echo;
pub(crate) use title::SEARCHED_BYTES;
use title::{shortened, title};

/// A page that came instead of a response.
pub(crate) struct WebPage<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) beginning: &'a [u8],
}

/// Makes the failure of a request whose response is a page: it may have been carried out before the
/// page was shown. `place` begins the message; `hide` takes secrets out of it. The message has the
/// title where nothing that was sent is in it: outages show it too, and they are about no record.
pub(crate) fn failure(
    page: &WebPage<'_>,
    place: &str,
    request: &OutgoingRequest<'_>,
    now: SystemTime,
    hide: impl Fn(&str) -> String,
) -> Failure {
    let &WebPage {
        status,
        headers,
        beginning,
    } = page;
    let expected = expected_format(headers, request.format);
    let kind = content_type(headers).map_or("no Content-Type", media_type);
    // Secrets are hidden first: a part of one that is cut off would not be known as one any more.
    let title =
        title(headers, beginning).map(|title| without_echo(&shortened(&hide(&title)), request));
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
        retry_after: RateLimitHeaders::of(headers, now).delay(status),
        effect: RequestEffect::Unknown,
        ..Failure::new(FailureClass::Transient, message)
    }
}

/// Returns the format that a response should have: never that of a page.
fn expected_format(headers: &HeaderMap, given: Option<&BodyFormat>) -> BodyFormat {
    let named = content_type(headers).filter(|_| !is_called_web_page(headers));
    BodyFormat::of_response(given, named)
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::Method;

    use super::{detection::tests::typed, title::MAX_TITLE_CHARS, *};

    fn message(content_type: &str, page: &[u8], url: &str, body: &'static str) -> String {
        failure(content_type, page, url, body).message
    }

    /// Returns the failure of a page of this type where JSON was expected.
    fn failure(content_type: &str, page: &[u8], url: &str, body: &'static str) -> Failure {
        let headers = typed(content_type);
        let page = WebPage {
            status: StatusCode::OK,
            headers: &headers,
            beginning: page,
        };
        let url = format!("https://shop.example{url}").parse().unwrap();
        let request = OutgoingRequest {
            body: Some(body.into()),
            ..OutgoingRequest::bare(Method::POST, url, "POST /customers")
        };
        let hide = |text: &str| text.replace("hunter2", "***");
        let place = "shop: POST /customers";
        super::failure(&page, place, &request, SystemTime::now(), hide)
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
        for before in MAX_TITLE_CHARS - 8..MAX_TITLE_CHARS {
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
        assert!(
            long.contains(&format!("'{}'", "ż".repeat(MAX_TITLE_CHARS))),
            "{long}"
        );
    }
}
