//! Refusing definitions that call themselves.
//!
//! jaq bounds neither depth nor time: `def f: 1 + f; f` would overflow the stack and take the whole
//! process with it. Without recursion of its own a mapping has nothing to do it with.

use std::collections::{HashMap, HashSet};

use jaq_core::load::{
    Lexer,
    lex::{StrPart, Tok, Token},
    span,
};

use crate::CompileError;

/// Refuses a source in which a definition calls itself, directly or by way of others.
pub(crate) fn refuse(source: &str) -> Result<(), CompileError> {
    // What does not lex is refused with a better message later.
    let Ok(tokens) = Lexer::new(source).lex() else { return Ok(()) };
    let mut calls = Calls::default();
    calls.collect(&tokens);
    match calls.names().find(|name| calls.reaches(name, name, &mut HashSet::new())) {
        Some(name) => Err(CompileError {
            offset: span(source, name).start,
            message: format!("the definition '{name}' calls itself, which could go on for ever"),
            help: Some("use map, reduce, recurse, walk or limit".into()),
        }),
        None => Ok(()),
    }
}

/// The words in the body of each definition, by its name.
#[derive(Default)]
struct Calls<'s>(HashMap<&'s str, Vec<&'s str>>);

impl<'s> Calls<'s> {
    fn collect(&mut self, tokens: &[Token<&'s str>]) {
        for (place, token) in tokens.iter().enumerate() {
            if let (Token("def", Tok::Word), Some(name)) = (token, tokens.get(place + 1)) {
                let mut words = Vec::new();
                words_of(body(&tokens[place + 2..]), &mut words);
                self.0.entry(name.0).or_default().append(&mut words);
            }
            for inner in inner(token) {
                self.collect(inner);
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &'s str> {
        self.0.keys().copied()
    }

    fn reaches(&self, from: &str, to: &str, seen: &mut HashSet<&'s str>) -> bool {
        let mut called = self.0.get(from).into_iter().flatten();
        called.any(|name| *name == to || (seen.insert(name) && self.reaches(name, to, seen)))
    }
}

/// What stands between a definition's name and the semicolon that ends it; definitions within it
/// have semicolons of their own.
fn body<'t, 's>(tokens: &'t [Token<&'s str>]) -> &'t [Token<&'s str>] {
    let mut open = 1;
    let end = tokens.iter().position(|token| {
        match token {
            Token("def", Tok::Word) => open += 1,
            Token(";", Tok::Sym) => open -= 1,
            _ => {}
        }
        open == 0
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

fn words_of<'s>(tokens: &[Token<&'s str>], words: &mut Vec<&'s str>) {
    for (place, token) in tokens.iter().enumerate() {
        let names_field = tokens.get(place + 1).is_some_and(|next| next.0 == ":");
        if matches!(token.1, Tok::Word) && !names_field {
            words.push(token.0);
        }
        for inner in inner(token) {
            words_of(inner, words);
        }
    }
}

/// The tokens within a token: of a block, or of what a text interpolates.
fn inner<'t, 's>(token: &'t Token<&'s str>) -> Vec<&'t [Token<&'s str>]> {
    match &token.1 {
        Tok::Block(tokens) => vec![tokens],
        Tok::Str(parts) => parts
            .iter()
            .filter_map(|part| match part {
                StrPart::Term(token) => Some(std::slice::from_ref(token)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
