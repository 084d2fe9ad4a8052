//! Escapes of surrogate pairs (`"\\ud83d\\ude00"`), which jaq's lexer does not know.
//!
//! Before the lexer reads a source, each half of a pair becomes an escape of the same length that
//! the lexer knows: of a character for private use, with an `E` in upper case. An expression's own
//! escapes of those characters are written in lower case from then on, which means the same, so
//! that the two are told apart.

use jaq_core::load::{
    Arena,
    lex::{StrPart, Tok, Token},
    span,
};

/// The characters in whose place halves are read: the first halves from U+E000 on, the second ones
/// from U+E400 on.
const FIRST: u32 = 0xe000;
const SECOND: u32 = 0xe400;
const COUNT: u32 = 0x400;

/// The source as the lexer reads it; as long as it was.
pub(crate) fn hidden<'s>(source: &'s str, arena: &'s Arena) -> &'s str {
    if source.contains("\\u") {
        arena.alloc(with_hidden(source))
    } else {
        source
    }
}

fn with_hidden(source: &str) -> String {
    let (mut hidden, mut rest) = (String::with_capacity(source.len()), source);
    while let Some(place) = rest.find('\\') {
        let end = rest.len().min(place + 2);
        let (before, escape) = (
            &rest[..place],
            rest.get(place..place + 6).unwrap_or_default(),
        );
        hidden.push_str(before);
        match hidden_escape(escape) {
            Some(escape) => {
                hidden.push_str(&escape);
                rest = &rest[place + 6..];
            }
            None => {
                let end = (end..)
                    .find(|end| rest.is_char_boundary(*end))
                    .unwrap_or(rest.len());
                hidden.push_str(&rest[place..end]);
                rest = &rest[end..];
            }
        }
    }
    hidden + rest
}

fn hidden_escape(escape: &str) -> Option<String> {
    let digits = escape
        .strip_prefix("\\u")
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    match code {
        0xd800..0xe000 => Some(format!("\\uE{:03x}", code - 0xd800)),
        0xe000..0xe800 => Some(format!("\\u{code:04x}")),
        _ => None,
    }
}

/// Puts the characters back into the texts of tokens, in place of the escapes of their halves;
/// U+FFFD where the other half is missing.
pub(crate) fn joined<'s>(source: &str, tokens: Vec<Token<&'s str>>) -> Vec<Token<&'s str>> {
    tokens
        .into_iter()
        .map(|token| joined_within(source, token))
        .collect()
}

fn joined_within<'s>(source: &str, Token(text, kind): Token<&'s str>) -> Token<&'s str> {
    let kind = match kind {
        Tok::Block(tokens) => Tok::Block(joined(source, tokens)),
        Tok::Str(parts) => Tok::Str(joined_parts(source, span(source, text).start + 1, parts)),
        other => other,
    };
    Token(text, kind)
}

/// The parts of a text, the first of which stands at a byte of the source.
fn joined_parts<'s>(
    source: &str,
    mut place: usize,
    parts: Vec<StrPart<&'s str, Token<&'s str>>>,
) -> Vec<StrPart<&'s str, Token<&'s str>>> {
    let (mut done, mut first): (Vec<_>, Option<u32>) = (Vec::with_capacity(parts.len()), None);
    for part in parts {
        let before = first.take();
        let part = match part {
            StrPart::Str(text) => {
                place = span(source, text).end;
                StrPart::Str(text)
            }
            StrPart::Term(token) => {
                place = span(source, token.0).end;
                StrPart::Term(joined_within(source, token))
            }
            StrPart::Char(character) => {
                let escape = &source[place..];
                place += if escape.starts_with("\\u") { 6 } else { 2 };
                let half = u32::from(character);
                match half {
                    _ if !escape.starts_with("\\uE") || half >= SECOND + COUNT => {
                        StrPart::Char(character)
                    }
                    FIRST..SECOND => {
                        first = Some(half - FIRST);
                        StrPart::Char(char::REPLACEMENT_CHARACTER)
                    }
                    second => StrPart::Char(match before {
                        Some(before) => {
                            done.pop();
                            let code = 0x10000 + before * COUNT + (second - SECOND);
                            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                        }
                        None => char::REPLACEMENT_CHARACTER,
                    }),
                }
            }
        };
        done.push(part);
    }
    done
}
