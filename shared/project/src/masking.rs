//! Masking of values in texts, in every spelling that a value may have there.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeSet};

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// Replaces a masked value.
pub const MASK: &str = "***";

/// Everything but the unreserved characters of RFC 3986 §2.3: the encoding of values in our URLs.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The characters that JavaScript's `encodeURIComponent` encodes.
const JAVASCRIPT_RESERVED: &AsciiSet = &RESERVED
    .remove(b'!')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');

/// The characters that no URL may contain.
const NOT_IN_URLS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// The shortest beginning of a cut-off value that is masked, in characters.
const SHORTEST_BEGINNING: usize = 3;

/// The longest beginning of a value that is searched for in the middle of a text, in bytes.
const LONGEST_BEGINNING: usize = 4096;

/// Marks a text that was cut off at its end.
const CUT_MARK: char = '…';

/// Marks a value that was cut off in the middle of a text: errors of jq and of others quote the
/// beginnings of values.
const CUT_WITHIN_MARK: &str = "...";

/// Masks each of the values in a text, in every spelling: unchanged, on one line, escaped as in
/// JSON or HTML, percent-encoded as in a URL or a form, in upper or lower case. A system that is
/// sent a value may quote it in any of these. Where a text is cut off, the beginning of a value is
/// masked.
pub fn mask_values<'v>(values: impl IntoIterator<Item = &'v str>, text: &str) -> String {
    let mut spellings: Vec<String> = values.into_iter().flat_map(spellings).collect();
    // Longer spellings go first: if a part were masked first, the rest of the value would remain.
    spellings.sort_by_key(|spelling| Reverse(spelling.len()));
    let hidden = spellings.iter().fold(text.to_owned(), |text, spelling| {
        text.replace(spelling, MASK)
    });
    let hidden = mask_quoted_beginnings(&hidden, &spellings);
    match hidden.strip_suffix(CUT_MARK) {
        Some(cut) => match without_beginning(cut, &spellings, usize::MAX) {
            Some(rest) => format!("{rest}{MASK}{CUT_MARK}"),
            None => hidden,
        },
        None => hidden,
    }
}

/// Masks the beginnings of values that stand before dots. A value may contain such dots itself.
fn mask_quoted_beginnings(text: &str, spellings: &[String]) -> String {
    let (mut rest, mut hidden) = (text, Vec::new());
    while let Some((before, after)) = rest.rsplit_once(CUT_WITHIN_MARK) {
        let beginning = without_beginning(before, spellings, LONGEST_BEGINNING);
        hidden.extend([after, CUT_WITHIN_MARK]);
        hidden.extend(beginning.map(|_| MASK));
        rest = beginning.unwrap_or(before);
    }
    hidden.push(rest);
    hidden.into_iter().rev().collect()
}

/// The text before the beginning of a value at its end. None where it does not end in such a
/// beginning of at most `longest` bytes.
fn without_beginning<'t>(text: &'t str, spellings: &[String], longest: usize) -> Option<&'t str> {
    let longest = longest.min(text.len());
    let beginnings = spellings.iter().flat_map(|spelling| {
        let ends = spelling
            .char_indices()
            .skip(SHORTEST_BEGINNING)
            .map(|(end, _)| end);
        ends.take_while(|end| *end <= longest)
            .map(|end| &spelling[..end])
    });
    beginnings
        .filter_map(|beginning| text.strip_suffix(beginning))
        .min_by_key(|rest| rest.len())
}

fn spellings(value: &str) -> BTreeSet<String> {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let json = serde_json::Value::from(value).to_string();
    let json = &json[1..json.len() - 1];
    let mut spellings: BTreeSet<String> =
        [value.to_owned(), line, json.to_owned(), ascii(json)].into();
    // PHP escapes slashes as well.
    spellings.extend([json.replace('/', "\\/"), ascii(json).replace('/', "\\/")]);
    spellings.extend([go_json(json), dotnet_json(json)]);
    for encoded in [RESERVED, JAVASCRIPT_RESERVED, NOT_IN_URLS]
        .map(|set| utf8_percent_encode(value, set).to_string())
    {
        spellings.extend([
            lower_case_percents(&encoded),
            encoded.replace("%20", "+"),
            encoded,
        ]);
    }
    spellings.insert(url::form_urlencoded::byte_serialize(value.as_bytes()).collect());
    spellings.extend(["&#39;", "&#x27;", "&apos;", "'"].map(|apostrophe| html(value, apostrophe)));
    spellings.extend([value.to_lowercase(), value.to_uppercase()]);
    spellings.remove("");
    spellings
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

/// The JSON escapes of Go's encoder: the special characters of HTML are escaped.
fn go_json(json: &str) -> String {
    let escape = |c: char| match c {
        '&' | '<' | '>' => format!("\\u{:04x}", u32::from(c)),
        other => other.to_string(),
    };
    json.chars().map(escape).collect()
}

/// The JSON escapes of .NET's encoder: everything that is special in any context, and everything
/// that is not ASCII.
fn dotnet_json(json: &str) -> String {
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

/// The percent-encoding with hexadecimal digits in lower case.
fn lower_case_percents(encoded: &str) -> String {
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
