//! The ways in which a text may hold a value that is to be hidden in it.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeSet};

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for a value that is hidden.
pub const MASK: &str = "***";

/// Everything but the unreserved characters of RFC 3986 §2.3: how values stand in our URLs.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same as JavaScript's `encodeURIComponent` has it.
const COMPONENT: &AsciiSet = &RESERVED
    .remove(b'!')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');

/// What no URL may hold as it is.
const NO_URL: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// The beginning of a value that was cut off is hidden where it is at least so long, in characters.
const BEGINNING: usize = 3;

/// The longest beginning of a value that is looked for in the midst of a text, in bytes.
const LONGEST_BEGINNING: usize = 4096;

/// What stands in a text for what was cut off at its end.
const CUT: char = '…';

/// What stands for it in the midst of a text: jq's errors, and others, quote the beginnings of values.
const CUT_WITHIN: &str = "...";

/// A text in which each of the values is hidden, however it is written there: as it is, on one line, escaped as
/// JSON and HTML escape it, percent-encoded as in a URL or a form. Whoever is sent a value may quote it in any of
/// these, or in one case. Where the text is cut off, so may be a value.
pub fn mask_values<'v>(values: impl IntoIterator<Item = &'v str>, text: &str) -> String {
    let mut writings: Vec<String> = values.into_iter().flat_map(writings).collect();
    // A value that holds another one goes first, or its rest would be left standing.
    writings.sort_by_key(|writing| Reverse(writing.len()));
    let hidden = writings
        .iter()
        .fold(text.to_owned(), |text, writing| text.replace(writing, MASK));
    let hidden = without_quoted_beginnings(&hidden, &writings);
    match hidden.strip_suffix(CUT) {
        Some(cut) => match before_beginning(cut, &writings, usize::MAX) {
            Some(rest) => format!("{rest}{MASK}{CUT}"),
            None => hidden,
        },
        None => hidden,
    }
}

/// The text without the beginnings of values that stand before dots; a value may hold such dots itself.
fn without_quoted_beginnings(text: &str, writings: &[String]) -> String {
    let (mut rest, mut hidden) = (text, Vec::new());
    while let Some((before, after)) = rest.rsplit_once(CUT_WITHIN) {
        let beginning = before_beginning(before, writings, LONGEST_BEGINNING);
        hidden.extend([after, CUT_WITHIN]);
        hidden.extend(beginning.map(|_| MASK));
        rest = beginning.unwrap_or(before);
    }
    hidden.push(rest);
    hidden.into_iter().rev().collect()
}

/// What stands before the beginning of a value at the end of a text, if there is one of at most so many bytes.
fn before_beginning<'t>(text: &'t str, writings: &[String], longest: usize) -> Option<&'t str> {
    let longest = longest.min(text.len());
    let beginnings = writings.iter().flat_map(|writing| {
        let ends = writing.char_indices().skip(BEGINNING).map(|(end, _)| end);
        ends.take_while(|end| *end <= longest)
            .map(|end| &writing[..end])
    });
    beginnings
        .filter_map(|beginning| text.strip_suffix(beginning))
        .min_by_key(|rest| rest.len())
}

fn writings(value: &str) -> BTreeSet<String> {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let json = serde_json::Value::from(value).to_string();
    let json = &json[1..json.len() - 1];
    let mut writings: BTreeSet<String> =
        [value.to_owned(), line, json.to_owned(), ascii(json)].into();
    // PHP escapes the slash as well.
    writings.extend([json.replace('/', "\\/"), ascii(json).replace('/', "\\/")]);
    writings.extend([as_go_does(json), as_dotnet_does(json)]);
    for encoded in
        [RESERVED, COMPONENT, NO_URL].map(|set| utf8_percent_encode(value, set).to_string())
    {
        writings.extend([
            in_lower_case(&encoded),
            encoded.replace("%20", "+"),
            encoded,
        ]);
    }
    writings.insert(url::form_urlencoded::byte_serialize(value.as_bytes()).collect());
    writings.extend(["&#39;", "&#x27;", "&apos;", "'"].map(|apostrophe| html(value, apostrophe)));
    writings.extend([value.to_lowercase(), value.to_uppercase()]);
    writings.remove("");
    writings
}

fn ascii(json: &str) -> String {
    let escape = |c: char| match c.is_ascii() {
        true => c.to_string(),
        false => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect(),
    };
    json.chars().map(escape).collect()
}

/// As Go's encoder writes JSON: what HTML minds is escaped.
fn as_go_does(json: &str) -> String {
    let escape = |c: char| match c {
        '&' | '<' | '>' => format!("\\u{:04x}", u32::from(c)),
        other => other.to_string(),
    };
    json.chars().map(escape).collect()
}

/// As .NET's encoder writes JSON: all that any context might mind, and all that is not ASCII.
fn as_dotnet_does(json: &str) -> String {
    let escape = |c: char| match c {
        '&' | '<' | '>' | '\'' | '+' | '`' => format!("\\u{:04X}", u32::from(c)),
        c if c.is_ascii() => c.to_string(),
        c => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect(),
    };
    json.replace("\\\"", "\\u0022")
        .chars()
        .map(escape)
        .collect()
}

/// The hexadecimal digits of a percent-encoding in lower case.
fn in_lower_case(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let begin = parts.next().unwrap_or_default().to_owned();
    parts.fold(begin, |text, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        format!("{text}%{}{rest}", digits.to_ascii_lowercase())
    })
}

fn html(value: &str, apostrophe: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '"' => "&quot;".into(),
        '\'' => apostrophe.to_owned().into(),
        other => Cow::from(other.to_string()),
    };
    value.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_hidden_however_it_is_written() {
        let value = "Ż'a/b@c.pl & \"d\" e";
        for written in [
            value,
            r#"Ż'a/b@c.pl & \"d\" e"#,
            r#"\u017b'a\/b@c.pl & \"d\" e"#,
            r#"Ż'a/b@c.pl \u0026 \"d\" e"#,
            r#"\u017B\u0027a/b@c.pl \u0026 \u0022d\u0022 e"#,
            "%C5%BB%27a%2Fb%40c.pl%20%26%20%22d%22%20e",
            "%c5%bb%27a%2fb%40c.pl%20%26%20%22d%22%20e",
            "%C5%BB'a%2Fb%40c.pl%20%26%20%22d%22%20e",
            "%C5%BB%27a%2Fb%40c.pl+%26+%22d%22+e",
            "Ż&#39;a/b@c.pl &amp; &quot;d&quot; e",
            "Ż&apos;a/b@c.pl &amp; &quot;d&quot; e",
        ] {
            assert_eq!(
                mask_values([value], &format!("no {written}, sorry")),
                "no ***, sorry"
            );
        }
    }

    #[test]
    fn a_value_that_was_cut_off_is_hidden_however_it_is_written() {
        let value = "a\"b@c.pl";
        for cut in ["a\"b@", r#"a\"b@c."#, "a%22b%40c", "a&quot;b"] {
            assert_eq!(
                mask_values([value], &format!("no {cut}…")),
                "no ***…",
                "{cut}"
            );
        }
        assert_eq!(mask_values([value], "no a\"…"), "no a\"…");
    }

    #[test]
    fn a_value_whose_beginning_is_quoted_is_hidden() {
        let value = "jan...kowalski@example.com";
        for quoted in [
            "jan...",
            "jan...kowal...",
            "jan...kowal...\") and number (1",
            "JAN...KOWAL...",
        ] {
            let hidden = mask_values([value], &format!("string (\"{quoted} cannot be added"));
            assert!(
                !hidden.to_lowercase().contains("jan") && !hidden.to_lowercase().contains("kow"),
                "{hidden}"
            );
            assert!(
                hidden.starts_with("string (\"***...") && hidden.ends_with(" cannot be added"),
                "{hidden}"
            );
        }
        assert_eq!(
            mask_values([value], "wait... then ja..."),
            "wait... then ja..."
        );
    }

    #[test]
    fn a_value_in_capitals_or_small_letters_is_hidden() {
        assert_eq!(
            mask_values(["Łucja Nowak"], "no ŁUCJA NOWAK, no łucja nowak"),
            "no ***, no ***"
        );
    }

    #[test]
    fn a_value_of_several_lines_is_hidden_on_one() {
        assert_eq!(mask_values(["a  b\nc"], "no a b c"), "no ***");
        assert_eq!(mask_values([""], "no"), "no");
    }

    #[test]
    fn the_longest_goes_first() {
        assert_eq!(
            mask_values(["abc", "abc&def"], "abc&def abc abc%26def"),
            "*** *** ***"
        );
    }
}
