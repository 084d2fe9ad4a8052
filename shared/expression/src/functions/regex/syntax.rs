//! The syntax of regexes that jq reads in another way than the engines do, rewritten so that they
//! read it as jq does.
//!
//! Between brackets, jq knows no operations on sets (`&&`, `--`, `~~`) and no classes within
//! classes. It knows `\\Q…\\E` and characters in octal (`\\011`).

use std::{borrow::Cow, fmt::Write as _};

/// The regex as the engines read it.
pub(super) fn translated(source: &str, ignore_whitespace: bool) -> Cow<'_, str> {
    if !source.contains('[') && !source.contains("\\Q") && !source.contains("\\0") {
        return source.into();
    }
    let mut translation = RegexTranslation {
        rest: source,
        done: String::with_capacity(source.len() + 8),
    };
    while let Some(c) = translation.rest.chars().next() {
        match c {
            '\\' => drop(translation.escape()),
            '[' => translation.class(),
            '#' if ignore_whitespace => translation.copy_to("\n"),
            '(' if translation.rest.starts_with("(?#") => translation.copy_to(")"),
            _ => translation.copy(c.len_utf8()),
        }
    }
    translation.done.into()
}

struct RegexTranslation<'s> {
    rest: &'s str,
    done: String,
}

impl RegexTranslation<'_> {
    fn copy(&mut self, bytes: usize) {
        let (copied, rest) = self.rest.split_at(bytes);
        self.done.push_str(copied);
        self.rest = rest;
    }

    /// Copies up to an end and the end itself, or all there is.
    fn copy_to(&mut self, end: &str) {
        let found = self.rest.find(end).map(|place| place + end.len());
        self.copy(found.unwrap_or(self.rest.len()));
    }

    fn copy_escaped(&mut self, c: char) {
        self.done.push('\\');
        self.copy(c.len_utf8());
    }

    /// Copies an escape. True where it is one character, and no class of them.
    fn escape(&mut self) -> bool {
        let after = self.rest[1..].chars().next();
        match after {
            Some('Q') => self.quoted(),
            Some('0') => self.octal(),
            Some('p' | 'P') if self.rest[2..].starts_with('{') => self.copy_to("}"),
            after => self.copy(1 + after.map_or(0, char::len_utf8)),
        }
        !matches!(after, Some('w' | 'W' | 'd' | 'D' | 's' | 'S' | 'p' | 'P'))
    }

    /// `\\Q…\\E`: the text between them, as it is.
    fn quoted(&mut self) {
        let after = &self.rest[2..];
        let (text, rest) = after.split_once("\\E").unwrap_or((after, ""));
        self.done.push_str(&regex_syntax::escape(text));
        self.rest = rest;
    }

    fn octal(&mut self) {
        let digits: usize = self.rest[1..]
            .bytes()
            .take(3)
            .take_while(|byte| (b'0'..=b'7').contains(byte))
            .count();
        let code = u32::from_str_radix(&self.rest[1..=digits], 8).unwrap_or_default();
        // Writing to a text does not fail.
        let _ = write!(self.done, "\\x{{{code:x}}}");
        self.rest = &self.rest[1 + digits..];
    }

    /// All from a bracket to the one that closes it.
    fn class(&mut self) {
        self.copy(1);
        if self.rest.starts_with('^') {
            self.copy(1);
        }
        if self.rest.starts_with(']') {
            self.copy_escaped(']');
        }
        // Whether a hyphen makes a range from what stands before it.
        let mut begins_range = self.done.ends_with("\\]");
        while let Some(c) = self.rest.chars().next() {
            match c {
                ']' => return self.copy(1),
                '-' if begins_range && !self.rest.starts_with("-]") => {
                    self.copy(1);
                    self.item();
                    begins_range = false;
                }
                _ => begins_range = self.item(),
            }
        }
    }

    /// Copies an item of a class. True where it is one character.
    fn item(&mut self) -> bool {
        let Some(c) = self.rest.chars().next() else {
            return false;
        };
        match c {
            '\\' => return self.escape(),
            '[' if self.rest.starts_with("[:") && self.rest.contains(":]") => {
                self.copy_to(":]");
                return false;
            }
            '[' | '&' | '~' | '-' => self.copy_escaped(c),
            c => self.copy(c.len_utf8()),
        }
        true
    }
}
