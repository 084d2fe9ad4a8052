//! Texts with the character NUL, which JSON allows and PostgreSQL does not: it is stored as an
//! escape sequence, so that a hostile key is only an odd one.

use std::borrow::Cow;

const ESCAPE: char = '\u{10}';

/// Escapes a text for PostgreSQL.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(ESCAPE, "\u{10}E").replace('\0', "\u{10}0"))
}

/// The text that [`escaped`] escaped.
pub(super) fn unescaped(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    text.replace("\u{10}0", "\0").replace("\u{10}E", "\u{10}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_is_stored_with_a_nul() {
        for text in [
            "",
            "plain",
            "\0",
            "a\0b",
            "\u{10}",
            "\u{10}0",
            "\u{10}E",
            "\0\u{10}\0E0",
        ] {
            assert!(!escaped(text).contains('\0'));
            assert_eq!(unescaped(escaped(text).into_owned()), text);
        }
    }
}
