//! Names and characters of XML 1.0.

/// True where a text is a name (XML 1.0 §2.3).
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.chars().all(continues_name)
}

/// True where a text has only characters that XML can express (XML 1.0 §2.2).
pub(crate) fn is_text(text: &str) -> bool {
    text.chars().all(|letter| match letter {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    })
}

fn begins_name(letter: char) -> bool {
    matches!(letter,
        ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

fn continues_name(letter: char) -> bool {
    begins_name(letter)
        || matches!(letter, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_characters_are_those_of_xml() {
        for name in ["a", "soap:Body", "zażółć", "_x-1.2", "É"] {
            assert!(is_name(name), "{name}");
        }
        for text in ["", "1a", "-a", "a b", "a<", "@a", "#text", "a=", "a\u{d7}"] {
            assert!(!is_name(text), "{text}");
        }
        assert!(is_text("a\t\r\nż\u{7f}\u{10ffff}"));
        assert!(!is_text("a\u{0}") && !is_text("\u{1b}") && !is_text("\u{fffe}"));
    }
}
