//! The syntax tree of jq: parsing, visiting and building terms.

use std::iter::once;

use jaq_core::{
    load::{
        Arena, Lexer, Parser,
        lex::{StrPart, Tok, Token},
        parse::{BinaryOp, Pattern, Term},
        span,
    },
    path::{Opt, Part, Path},
};

use crate::{
    CompileError,
    compile_error::{lex_error, modules_error, parse_error},
    operators, tokens,
};

/// Reads a source. The error points at a byte of it.
pub(crate) fn parse<'s>(source: &'s str, arena: &'s Arena) -> Result<Term<&'s str>, CompileError> {
    let tokens = Lexer::new(source)
        .lex()
        .map_err(|errors| lex_error(source, errors))?;
    if let Some(Token(word @ ("import" | "include" | "module"), Tok::Word)) = tokens.first() {
        return Err(modules_error(source, word));
    }
    let tokens = tokens::rewritten(source, arena, tokens);
    let parsed = Parser::new(&tokens).parse(|parser| parser.term());
    let mut term = parsed.map_err(|errors| parse_error(source, errors))?;
    operators::regroup(&mut term);
    Ok(term)
}

/// The byte of a source at which a word of it stands; none of a word that is not the source's own.
pub(crate) fn offset_of(source: &str, word: &str) -> Option<usize> {
    let is_within = source.as_bytes().as_ptr_range().contains(&word.as_ptr());
    is_within.then(|| span(source, word).start)
}

/// Shows a term, and every term within it, to a visitor that may change it; the innermost come
/// first.
pub(crate) fn visit<'s>(term: &mut Term<&'s str>, visitor: &mut impl FnMut(&mut Term<&'s str>)) {
    for inner in within(term) {
        visit(inner, visitor);
    }
    visitor(term);
}

/// The text of a term that is text and nothing else.
pub(crate) fn literal(term: &Term<&str>) -> Option<String> {
    let Term::Str(None, parts) = term else {
        return None;
    };
    let mut text = String::new();
    for part in parts {
        match part {
            StrPart::Str(part) => text.push_str(part),
            StrPart::Char(c) => text.push(*c),
            StrPart::Term(_) => return None,
        }
    }
    Some(text)
}

/// The terms right below a term.
pub(crate) fn within<'t, 's>(term: &'t mut Term<&'s str>) -> Vec<&'t mut Term<&'s str>> {
    match term {
        Term::Id
        | Term::Recurse
        | Term::Num(_)
        | Term::Break(_)
        | Term::Var(_)
        | Term::Arr(None) => Vec::new(),
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => vec![inner],
        Term::Str(_, parts) => parts.iter_mut().filter_map(interpolated).collect(),
        Term::Obj(fields) => fields
            .iter_mut()
            .flat_map(|(key, value)| once(key).chain(value))
            .collect(),
        Term::BinOp(left, operator, right) => match operator {
            BinaryOp::Pipe(Some(pattern)) => [&mut **left, right]
                .into_iter()
                .chain(keys(pattern))
                .collect(),
            _ => vec![left, right],
        },
        Term::Fold(_, over, pattern, arguments) => once(&mut **over)
            .chain(keys(pattern))
            .chain(arguments)
            .collect(),
        Term::TryCatch(tried, handler) => {
            once(&mut **tried).chain(handler.as_deref_mut()).collect()
        }
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches
                .iter_mut()
                .flat_map(|(condition, then)| [condition, then]);
            branches.chain(otherwise.as_deref_mut()).collect()
        }
        Term::Def(definitions, rest) => definitions
            .iter_mut()
            .map(|definition| &mut definition.body)
            .chain(once(&mut **rest))
            .collect(),
        Term::Call(_, arguments) => arguments.iter_mut().collect(),
        Term::Path(from, path) => once(&mut **from)
            .chain(path.0.iter_mut().flat_map(|(part, _)| indices(part)))
            .collect(),
    }
}

/// The keys of a pattern that destructures objects.
pub(crate) fn keys<'t, 's>(pattern: &'t mut Pattern<&'s str>) -> Vec<&'t mut Term<&'s str>> {
    match pattern {
        Pattern::Var(_) => Vec::new(),
        Pattern::Arr(items) => items.iter_mut().flat_map(keys).collect(),
        Pattern::Obj(fields) => fields
            .iter_mut()
            .flat_map(|(key, field)| once(key).chain(keys(field)))
            .collect(),
    }
}

pub(crate) fn call<'s>(name: &'s str, arguments: impl Into<Vec<Term<&'s str>>>) -> Term<&'s str> {
    Term::Call(name, arguments.into())
}

/// `.[]`
pub(crate) fn all_items<'s>() -> Term<&'s str> {
    Term::Path(
        Term::Id.into(),
        Path(vec![(Part::Range(None, None), Opt::Essential)]),
    )
}

/// `from | to`
pub(crate) fn pipe<'s>(from: Term<&'s str>, to: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(from.into(), BinaryOp::Pipe(None), to.into())
}

/// `value as $variable | body`
pub(crate) fn bind<'s>(
    value: Term<&'s str>,
    variable: &'s str,
    body: Term<&'s str>,
) -> Term<&'s str> {
    Term::BinOp(
        value.into(),
        BinaryOp::Pipe(Some(Pattern::Var(variable))),
        body.into(),
    )
}

fn interpolated<'t, 's>(
    part: &'t mut StrPart<&'s str, Term<&'s str>>,
) -> Option<&'t mut Term<&'s str>> {
    match part {
        StrPart::Term(term) => Some(term),
        StrPart::Str(_) | StrPart::Char(_) => None,
    }
}

fn indices<'t, 's>(part: &'t mut Part<Term<&'s str>>) -> Vec<&'t mut Term<&'s str>> {
    match part {
        Part::Index(index) => vec![index],
        Part::Range(from, to) => from.iter_mut().chain(to).collect(),
    }
}
