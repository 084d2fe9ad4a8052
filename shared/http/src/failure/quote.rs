//! Quoting a response in an error.

/// The longest quotation, in characters.
const MAX_QUOTED_CHARS: usize = 300;

/// The length of the beginning that is searched for secrets, in bytes.
const SEARCHED_BYTES: usize = 64 * 1024;

/// The length of the end of the searched part that is not quoted where the body goes on, in bytes,
/// since a secret may be cut off in it: no server takes a longer one in a header.
const CUT_BYTES: usize = 16 * 1024;

/// Returns the beginning of a body on one line, without what `hide` hides.
pub(crate) fn quote(body: &[u8], hide: impl Fn(&str) -> String) -> String {
    let beginning = &body[..body.len().min(SEARCHED_BYTES)];
    let mut text = hide(&String::from_utf8_lossy(beginning));
    if beginning.len() < body.len() {
        let whole = text.len().saturating_sub(CUT_BYTES);
        text.truncate(
            (0..=whole)
                .rfind(|&end| text.is_char_boundary(end))
                .unwrap_or(0),
        );
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_is_quoted_in_part_and_on_one_line() {
        let body = "żółw\n ".repeat(500);
        let quoted = quote(body.as_bytes(), str::to_owned);
        assert!(quoted.starts_with("żółw żółw"));
        assert_eq!(quoted.chars().count(), MAX_QUOTED_CHARS + 1);
    }

    #[test]
    fn a_secret_is_not_quoted_not_even_in_part() {
        let hide = |text: &str| text.replace("hunter2", "***");
        assert_eq!(
            quote(b"the key hunter2 is not known", hide),
            "the key *** is not known"
        );
        for before in [
            MAX_QUOTED_CHARS - 3,
            SEARCHED_BYTES - 3,
            SEARCHED_BYTES - 7,
            SEARCHED_BYTES,
        ] {
            let body = format!("no:{}hunter2", " ".repeat(before - 3));
            assert!(!quote(body.as_bytes(), hide).contains('h'), "{before}");
        }
    }
}
