//! Rewrites jq's tokens into those that jaq's parser reads, where jq knows forms that jaq does not.
//!
//! These are `.5`, a pattern `{$name: [$x]}`, the alternatives `?//` of patterns, and the source of
//! a `reduce` or `foreach` that is more than one term. Parentheses leave a mark, since the
//! operators are grouped anew (`operators.rs`).

use std::{iter::Peekable, vec::IntoIter};

use jaq_core::load::{
    Arena,
    lex::{StrPart, Tok, Token},
    span,
};

use crate::surrogates;

/// The function call that stands for parentheses until the operators are grouped.
pub(crate) const PARENTHESES: &str = "parentheses!";

/// The key of each alternative in the object that stands for `pattern ?// pattern`. Its address
/// tells it from a key that is written so.
pub(crate) static ALTERNATIVE: &str = "?//";

type TokenStream<'s> = Peekable<IntoIter<Token<&'s str>>>;

/// Rewrites the tokens of a source.
pub(crate) fn rewritten<'s>(
    source: &'s str,
    arena: &'s Arena,
    tokens: Vec<Token<&'s str>>,
) -> Vec<Token<&'s str>> {
    TokenRewriting { source, arena }.sequence(surrogates::joined(source, tokens), "")
}

struct TokenRewriting<'s> {
    source: &'s str,
    arena: &'s Arena,
}

impl<'s> TokenRewriting<'s> {
    /// Rewrites the tokens of an expression, or of a block that begins with `open`.
    fn sequence(&self, tokens: Vec<Token<&'s str>>, open: &str) -> Vec<Token<&'s str>> {
        let mut rest = tokens.into_iter().peekable();
        let mut done: Vec<Token<&'s str>> = Vec::with_capacity(rest.len());
        while let Some(token) = rest.next() {
            let next = rest.peek().map(|next| next.0);
            match &token {
                Token(".", Tok::Sym)
                    if !ends_operand(done.last()) && self.is_number(&token, &mut rest) =>
                {
                    done.push(self.fraction(&mut rest));
                }
                Token("reduce" | "foreach", Tok::Word) if next != Some(":") => {
                    done.push(token);
                    done.push(self.source_of_fold(&mut rest));
                }
                Token("as", Tok::Word) if next != Some(":") => {
                    done.push(token);
                    done.extend(self.patterns(&mut rest));
                }
                Token(text, Tok::Block(_)) if text.starts_with('(') => {
                    let is_key = open == "{" && next == Some(":");
                    if begins_operand(done.last()) && !is_key {
                        done.push(Token(PARENTHESES, Tok::Word));
                    }
                    done.push(self.block(token));
                }
                _ => done.push(self.block(token)),
            }
        }
        done
    }

    /// Rewrites what is within a token.
    fn block(&self, Token(text, kind): Token<&'s str>) -> Token<&'s str> {
        let kind = match kind {
            Tok::Block(tokens) => {
                Tok::Block(self.sequence(tokens, text.get(..1).unwrap_or_default()))
            }
            Tok::Str(parts) => Tok::Str(
                parts
                    .into_iter()
                    .map(|part| self.interpolated(part))
                    .collect(),
            ),
            other => other,
        };
        Token(text, kind)
    }

    fn interpolated(
        &self,
        part: StrPart<&'s str, Token<&'s str>>,
    ) -> StrPart<&'s str, Token<&'s str>> {
        match part {
            StrPart::Term(token) => StrPart::Term(self.block(token)),
            other => other,
        }
    }

    /// True where digits follow a point at once.
    fn is_number(&self, point: &Token<&'s str>, rest: &mut TokenStream<'s>) -> bool {
        let end = span(self.source, point.0).end;
        let next = rest.peek().filter(|next| matches!(next.1, Tok::Num));
        next.is_some_and(|next| span(self.source, next.0).start == end)
    }

    /// `.5` is `0.5`; of `.5.5`, which is no number, the parser makes an error.
    fn fraction(&self, rest: &mut TokenStream<'s>) -> Token<&'s str> {
        let digits = rest.next().map_or("", |digits| digits.0);
        Token(self.arena.alloc(format!("0.{digits}")), Tok::Num)
    }

    /// The source of a fold in parentheses: all before its `as`.
    fn source_of_fold(&self, rest: &mut TokenStream<'s>) -> Token<&'s str> {
        let (mut within, mut folds, mut branches) = (Vec::new(), 0, 0);
        while let Some(token) = rest.next_if(|next| next.0 != "as" || folds + branches > 0) {
            match token {
                Token("reduce" | "foreach", Tok::Word) => folds += 1,
                Token("as", Tok::Word) if branches == 0 => folds -= 1,
                Token("if", Tok::Word) => branches += 1,
                Token("end", Tok::Word) => branches -= 1,
                _ => {}
            }
            within.push(token);
        }
        let mut within = self.sequence(within, "(");
        within.push(Token(")", Tok::Sym));
        Token("(", Tok::Block(within))
    }

    /// The patterns after an `as`: one, or several with `?//` between them, which become one.
    fn patterns(&self, rest: &mut TokenStream<'s>) -> Vec<Token<&'s str>> {
        let mut patterns: Vec<_> = rest
            .next()
            .map(|pattern| self.pattern(pattern))
            .into_iter()
            .collect();
        while let Some(sign) = rest.next_if(|next| next.0 == "?") {
            let Some(_) = rest.next_if(|next| next.0 == "//") else {
                patterns.push(sign);
                return patterns;
            };
            patterns.extend(rest.next().map(|pattern| self.pattern(pattern)));
        }
        if patterns.len() < 2 {
            patterns
        } else {
            vec![alternatives(patterns)]
        }
    }

    /// A pattern; its `$name: pattern` becomes `$name, name: pattern`.
    fn pattern(&self, Token(text, kind): Token<&'s str>) -> Token<&'s str> {
        let Tok::Block(tokens) = kind else {
            return Token(text, kind);
        };
        let mut rest = tokens.into_iter().peekable();
        let mut done = Vec::with_capacity(rest.len());
        while let Some(token) = rest.next() {
            let names_more =
                matches!(token.1, Tok::Var) && rest.peek().is_some_and(|next| next.0 == ":");
            match token.0.strip_prefix('$') {
                Some(name) if names_more => {
                    done.extend([token, Token(",", Tok::Sym), Token(name, Tok::Word)]);
                }
                // The key of a field, which is an expression.
                _ if token.0.starts_with('(') => done.push(self.block(token)),
                _ => done.push(self.pattern(token)),
            }
        }
        Token(text, Tok::Block(done))
    }
}

fn alternatives(patterns: Vec<Token<&str>>) -> Token<&str> {
    let entry = |pattern| {
        [
            Token(ALTERNATIVE, Tok::Word),
            Token(":", Tok::Sym),
            pattern,
            Token(",", Tok::Sym),
        ]
    };
    let mut entries: Vec<_> = patterns.into_iter().flat_map(entry).collect();
    entries.pop();
    entries.push(Token("}", Tok::Sym));
    Token("{", Tok::Block(entries))
}

/// Words after which an operand begins, and not the arguments of a call.
const OPERATORS: [&str; 10] = [
    "if", "then", "elif", "else", "and", "or", "try", "catch", "reduce", "foreach",
];

fn begins_operand(last: Option<&Token<&str>>) -> bool {
    match last {
        None => true,
        Some(Token(word, Tok::Word)) => OPERATORS.contains(word),
        Some(Token(sign, Tok::Sym)) => *sign != "?",
        Some(_) => false,
    }
}

fn ends_operand(last: Option<&Token<&str>>) -> bool {
    match last {
        None => false,
        Some(Token(word, Tok::Word)) => !OPERATORS.contains(word),
        Some(Token(sign, Tok::Sym)) => *sign == "?" || sign.starts_with('.'),
        Some(_) => true,
    }
}
