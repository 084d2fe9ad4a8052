//! What a system's words repeat of what was sent to it.

use std::collections::HashSet;

use http::header::{ACCEPT, CONTENT_TYPE};
use pomost_expression::{Value, text};
use pomost_format::{BodyFormat, decode};
use url::{Position, form_urlencoded};

use crate::{OutgoingRequest, answer::content_type};

/// From how many characters on a word is looked for within others; one with digits is so always. People write
/// the same number in groups and in one.
const LOOKED_FOR_WITHIN: usize = 4;

/// A text with `***` for each word that was sent, and whether there is such a word. A request's label is nobody's:
/// the flow says it.
pub(crate) fn without_echo(text: &str, call: &OutgoingRequest<'_>) -> (String, bool) {
    let (label, sent) = (call.label.to_lowercase(), sent(call).to_lowercase());
    let known: HashSet<&str> = parts(&label).collect();
    let joined: String = parts(&sent).filter(|part| !known.contains(part)).collect();
    let sent: HashSet<&str> = parts(&sent).filter(|part| !known.contains(part)).collect();
    let is_sent =
        |part: &str| sent.contains(part) || is_looked_for_within(part) && joined.contains(part);
    let is_echo = |word: &str| parts(&word.to_lowercase()).any(is_sent);
    let words = text
        .split(' ')
        .map(|word| if is_echo(word) { "***" } else { word });
    let hidden = words.collect::<Vec<_>>().join(" ");
    let has_echo = hidden != text;
    (hidden, has_echo)
}

fn is_looked_for_within(part: &str) -> bool {
    part.chars().count() >= LOOKED_FOR_WITHIN || part.contains(|c: char| c.is_numeric())
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty())
}

/// All that a request says, as it is written and as it is read.
fn sent(call: &OutgoingRequest<'_>) -> String {
    let mut sent = String::new();
    for (name, value) in form_urlencoded::parse(call.url[Position::BeforePath..].as_bytes()) {
        sent.extend([&*name, " ", &*value, " "]);
    }
    for (name, value) in &call.headers {
        let is_told = name != CONTENT_TYPE && name != ACCEPT;
        sent.extend(is_told.then(|| String::from_utf8_lossy(value.as_bytes()) + " "));
    }
    let body = call.body.as_deref().unwrap_or_default();
    sent.push_str(&String::from_utf8_lossy(body));
    let format = BodyFormat::of_response(None, content_type(&call.headers));
    let read = decode(&format, None, body)
        .map(|(rows, _)| rows)
        .unwrap_or_default();
    read.iter().for_each(|value| collect(value, &mut sent));
    sent
}

/// The texts of a value; fields' names stand in what was written.
fn collect(value: &Value, sent: &mut String) {
    match value {
        Value::Arr(items) => items.iter().for_each(|item| collect(item, sent)),
        Value::Obj(fields) => fields.values().for_each(|field| collect(field, sent)),
        scalar => sent.extend(text(scalar).map(|text| format!(" {text}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::{HeaderValue, Method};

    use super::*;

    fn hidden(title: &str, content_type: &'static str, body: &'static str) -> (String, bool) {
        let url = "https://shop.example/customers/7".parse().unwrap();
        let mut call = OutgoingRequest {
            body: Some(body.into()),
            ..OutgoingRequest::bare(Method::PUT, url, "PUT /customers/{.number}")
        };
        call.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        without_echo(title, &call)
    }

    #[test]
    fn what_was_sent_is_hidden_however_it_was_written() {
        let cases = [
            (
                "application/x-www-form-urlencoded",
                "phone=%2B48+600+700+801&name=J%C3%B3+Li",
            ),
            (
                "application/x-www-form-urlencoded",
                "phone=%2B48600700801&name=J%C3%B3&surname=Li",
            ),
            (
                "application/xml",
                "<c><phone>+48-600-700-801</phone><name>J&#xF3; &#76;i</name></c>",
            ),
            (
                "application/json",
                r#"{"phone":"+48 600 700 801","name":"\nJ\u00f3\n\u004ci"}"#,
            ),
        ];
        for (content_type, body) in cases {
            let (title, has_echo) = hidden(
                "No customer with +48 600 700 801, Jó or Li",
                content_type,
                body,
            );
            assert_eq!(
                (&*title, has_echo),
                ("No customer with *** *** *** *** *** or ***", true),
                "{body}"
            );
            assert_eq!(
                hidden("No 600700801", content_type, body).0,
                "No ***",
                "{body}"
            );
        }
        assert_eq!(
            hidden("Customer 7", "text/plain", ""),
            ("Customer ***".to_owned(), true)
        );
    }

    #[test]
    fn what_was_not_sent_is_shown() {
        for title in [
            "Offline for maintenance",
            "No customers",
            "502 Bad Gateway",
            "***",
            "",
        ] {
            let body = r#"{"phone":"+48 600 700 801","name":"Jó"}"#;
            assert_eq!(
                hidden(title, "application/json", body),
                (title.to_owned(), false)
            );
        }
    }
}
