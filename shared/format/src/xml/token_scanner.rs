//! The tags, texts and comments of a document.

use quick_xml::parser::{CommentParser, ElementParser, Parser, PiParser};

/// A token of a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum XmlToken<'a> {
    /// Text with references.
    Text(&'a str),
    /// Text without references.
    CData(&'a str),
    /// The content of a start tag.
    Start(&'a str),
    /// The content of the tag of an empty element.
    Empty(&'a str),
    /// The name in an end tag.
    End(&'a str),
    /// A comment, an instruction or a declaration, which is no data.
    Aside,
}

/// Finds the tokens of a document, however it is cut into chunks.
#[derive(Default)]
pub(crate) struct TokenScanner {
    kind: Option<TokenKind>,
    scanned: usize,
}

/// The kind of the next token, and the state of the search for its end.
enum TokenKind {
    Text,
    Tag(ElementParser),
    Instruction(PiParser),
    Comment(CommentParser),
    CData,
    Doctype(ElementParser),
}

impl TokenScanner {
    /// The token at the beginning of a text, and its length. None while its end is missing. Until a
    /// token is found, each call gets the text of the call before and more.
    pub(crate) fn find<'a>(
        &mut self,
        text: &'a str,
    ) -> Result<Option<(XmlToken<'a>, usize)>, &'static str> {
        if self.kind.is_none() {
            let Some((kind, begin)) = kind(text.as_bytes())? else {
                return Ok(None);
            };
            (self.kind, self.scanned) = (Some(kind), begin);
        }
        let Some(kind) = &mut self.kind else {
            return Ok(None);
        };
        let end = end(kind, &mut self.scanned, text.as_bytes());
        let Some((whole, end)) = end.and_then(|end| Some((text.get(..end)?, end))) else {
            return Ok(None);
        };
        let token = token(kind, whole)?;
        self.kind = None;
        Ok(Some((token, end)))
    }
}

/// The kind of the token at the beginning of a text, and the length of that beginning.
fn kind(bytes: &[u8]) -> Result<Option<(TokenKind, usize)>, &'static str> {
    let begins = |begin: &[u8]| bytes.starts_with(begin) || begin.starts_with(bytes);
    Ok(Some(match bytes {
        [] | [b'<'] => return Ok(None),
        [b'<', b'!', ..] => {
            if bytes.starts_with(b"<!--") {
                (TokenKind::Comment(CommentParser::default()), 4)
            } else if bytes.starts_with(b"<![CDATA[") {
                (TokenKind::CData, 9)
            } else if bytes.starts_with(b"<!DOCTYPE") {
                (TokenKind::Doctype(ElementParser::default()), 9)
            } else if begins(b"<!--") || begins(b"<![CDATA[") || begins(b"<!DOCTYPE") {
                return Ok(None);
            } else {
                return Err("expected a comment, CDATA or DOCTYPE behind <!");
            }
        }
        [b'<', b'?', ..] => (TokenKind::Instruction(PiParser::default()), 2),
        [b'<', ..] => (TokenKind::Tag(ElementParser::default()), 1),
        _ => (TokenKind::Text, 0),
    }))
}

/// The end of a token. None while it is missing.
fn end(kind: &mut TokenKind, scanned: &mut usize, bytes: &[u8]) -> Option<usize> {
    let new = &bytes[*scanned..];
    let end = match kind {
        TokenKind::Text => memchr::memchr(b'<', new),
        TokenKind::Tag(parser) | TokenKind::Doctype(parser) => parser.feed(new).map(|at| at + 1),
        TokenKind::Instruction(parser) => parser.feed(new).map(|at| at + 1),
        TokenKind::Comment(parser) => parser.feed(new),
        TokenKind::CData => memchr::memmem::find(new, b"]]>").map(|at| at + 3),
    };
    if let Some(end) = end {
        return Some(*scanned + end);
    }
    // The last two bytes of a CDATA section may be the beginning of its end, `]]>`.
    let looked_at = if matches!(kind, TokenKind::CData) {
        new.len().saturating_sub(2)
    } else {
        new.len()
    };
    *scanned += looked_at;
    None
}

fn token<'a>(kind: &TokenKind, whole: &'a str) -> Result<XmlToken<'a>, &'static str> {
    let inner = |begin: usize, end: usize| whole.get(begin..whole.len() - end).unwrap_or_default();
    Ok(match kind {
        TokenKind::Text => XmlToken::Text(whole),
        TokenKind::CData => XmlToken::CData(inner(9, 3)),
        TokenKind::Tag(_) if whole.starts_with("</") => XmlToken::End(inner(2, 1).trim_ascii_end()),
        TokenKind::Tag(_) if whole.ends_with("/>") => XmlToken::Empty(inner(1, 2)),
        TokenKind::Tag(_) => XmlToken::Start(inner(1, 1)),
        // A document type could declare entities that stand for files, addresses or gigabytes.
        TokenKind::Doctype(_) if whole.contains('[') => {
            return Err("a DOCTYPE that declares entities or anything else is refused");
        }
        TokenKind::Instruction(_) | TokenKind::Comment(_) | TokenKind::Doctype(_) => {
            XmlToken::Aside
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The token of a text, found byte by byte and at once.
    fn found(text: &str) -> Result<Option<(XmlToken<'_>, usize)>, &'static str> {
        let at_once = TokenScanner::default().find(text);
        let mut tokens = TokenScanner::default();
        let lengths = (1..=text.len()).filter(|length| text.is_char_boundary(*length));
        let piecewise = lengths.map(|length| tokens.find(&text[..length]));
        let piecewise = piecewise
            .into_iter()
            .find(|found| !matches!(found, Ok(None)))
            .unwrap_or(Ok(None));
        assert_eq!(at_once, piecewise, "{text}");
        at_once
    }

    #[test]
    fn a_token_ends_where_it_ends_however_it_is_cut() {
        for (text, token, length) in [
            ("a &lt; ż<b>", XmlToken::Text("a &lt; ż"), 9),
            ("<![CDATA[a]]]>b", XmlToken::CData("a]"), 14),
            ("<![CDATA[]]>", XmlToken::CData(""), 12),
            (
                "<a b='>' c=\"'>\">x",
                XmlToken::Start("a b='>' c=\"'>\""),
                16,
            ),
            ("<a/><b>", XmlToken::Empty("a"), 4),
            ("</a >x", XmlToken::End("a"), 5),
            ("<!-- > -- ->--->x", XmlToken::Aside, 16),
            ("<?xml a='?' > ?>", XmlToken::Aside, 16),
            ("<!DOCTYPE a PUBLIC 'b>' \"c\">", XmlToken::Aside, 28),
        ] {
            assert_eq!(found(text), Ok(Some((token, length))), "{text}");
        }
    }

    #[test]
    fn a_token_without_its_end_waits_for_it() {
        for text in [
            "",
            "<",
            "<!",
            "<!-",
            "<!-->",
            "<![CDAT",
            "<![CDATA[]>",
            "<!DOCTYP",
            "<?>",
            "<a b='>",
            "text",
        ] {
            assert_eq!(found(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_could_declare_entities_is_refused_before_it_is_read() {
        for text in [
            "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>",
            "<!ENTITY b 'c'>",
            "<!ELEMENT",
        ] {
            assert!(found(text).is_err(), "{text}");
        }
    }
}
