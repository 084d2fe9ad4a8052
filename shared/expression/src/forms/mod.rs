//! The forms of jq that jaq lacks or treats in another way, made of functions that do as jq does.
//!
//! jaq's parser reads them, and here their terms are replaced before they are compiled: look-ups by
//! a number or a computed key (`.[0]`, `.[$key]`, `.[2:4]`), patterns and their alternatives (`as
//! [$a] ?// $b`), updates (`=`, `|=`, `+=`), folds whose rounds have other than one output,
//! computed keys of objects, and `$__loc__`. The functions are those of `functions/paths.rs`.

mod paths;
mod patterns;

use std::mem::take;

use jaq_core::{
    load::{
        Arena,
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
        span,
    },
    path::Path,
};

use self::paths::{is_jaqs, looked_up, updated};
use crate::{
    CompileError,
    arithmetic::NEGATED,
    compile_error::literal_error,
    functions::paths::FIELD_NAME,
    output_count::is_exactly_one,
    syntax::{self, bind, call, pipe},
    wording::IN_JQS_WORDS,
};

/// Replaces jq's forms in a term, and in every term within it.
pub(crate) fn replace<'s>(
    source: &'s str,
    arena: &'s Arena,
    term: &mut Term<&'s str>,
) -> Result<(), CompileError> {
    let mut refused = None;
    let forms = JqForms { source, arena };
    syntax::visit(term, &mut |term| {
        if let Err(error) = forms.replace(term) {
            refused.get_or_insert(error);
        }
    });
    refused.map_or(Ok(()), Err)
}

/// Replaces jq's forms in a definition of the standard library, in which nothing is wrong.
pub(crate) fn replace_in_library(arena: &'static Arena, term: &mut Term<&'static str>) {
    let replaced = replace("", arena, term);
    debug_assert!(replaced.is_ok());
}

#[derive(Clone, Copy)]
struct JqForms<'s> {
    source: &'s str,
    arena: &'s Arena,
}

impl<'s> JqForms<'s> {
    fn replace(&self, term: &mut Term<&'s str>) -> Result<(), CompileError> {
        match term {
            Term::Path(head, Path(parts)) if !parts.iter().all(|(part, _)| is_jaqs(part)) => {
                let (head, parts) = (take(&mut **head), take(parts));
                *term = parts.into_iter().fold(head, looked_up);
            }
            Term::BinOp(from, BinaryOp::Pipe(Some(pattern)), body) if !is_variable(pattern) => {
                self.check_keys(pattern)?;
                *term = self.destructured(take(from), pattern.clone(), take(body), 0);
            }
            Term::BinOp(path, operator, value) if is_update(operator) => {
                *term = updated(take(path), operator, take(value));
            }
            Term::Fold(name, source, pattern, rounds) => {
                self.check_keys(pattern)?;
                self.fold(name, source, pattern, rounds);
            }
            Term::Obj(fields) => {
                for (key, value) in fields {
                    self.check_key(key, value.is_some())?;
                    self.field(key, value);
                }
            }
            Term::TryCatch(_, Some(handler)) => {
                *handler = pipe(call(IN_JQS_WORDS, []), take(&mut **handler)).into();
            }
            Term::Def(definitions, _) => definitions.iter_mut().for_each(callable_arguments),
            Term::Str(_, parts) if parts.iter().filter(|part| gives_several(part)).count() > 1 => {
                *term = self.interpolating_the_last_first(take(term));
            }
            Term::Neg(inner) if !matches!(**inner, Term::Num(_)) => {
                *term = call(NEGATED, [take(&mut **inner)])
            }
            Term::Var(name @ "$__loc__") => *term = self.place(name),
            _ => {}
        }
        Ok(())
    }

    /// `$__loc__`: the line on which it stands.
    fn place(&self, name: &'s str) -> Term<&'s str> {
        let line = 1 + self.source[..span(self.source, name).start]
            .matches('\n')
            .count();
        let text = |text| Term::Str(None, vec![StrPart::Str(text)]);
        let line = Term::Num(&**self.arena.alloc(line.to_string()));
        Term::Obj(vec![
            (text("file"), Some(text("<top-level>"))),
            (text("line"), Some(line)),
        ])
    }

    fn field(&self, key: &mut Term<&'s str>, value: &mut Option<Term<&'s str>>) {
        match key {
            // Of the variables, only `$__loc__` has become an object by now.
            Term::Obj(_) if value.is_none() => {
                *value = Some(std::mem::replace(
                    key,
                    Term::Str(None, vec![StrPart::Str("__loc__")]),
                ));
            }
            Term::Str(..) => {}
            Term::Var(_) if value.is_none() => {}
            key => *key = pipe(take(key), call(FIELD_NAME, [])),
        }
    }

    fn check_keys(&self, pattern: &Pattern<&'s str>) -> Result<(), CompileError> {
        match pattern {
            Pattern::Var(_) => Ok(()),
            Pattern::Arr(items) => items.iter().try_for_each(|item| self.check_keys(item)),
            Pattern::Obj(fields) => fields.iter().try_for_each(|(key, field)| {
                self.check_key(key, true)?;
                self.check_keys(field)
            }),
        }
    }

    /// Refuses a key that is written out and is no text.
    fn check_key(&self, key: &Term<&'s str>, has_value: bool) -> Result<(), CompileError> {
        let wrong = match key {
            Term::Num(number) => Some((*number, "a number")),
            Term::Call(name @ ("true" | "false"), arguments) if arguments.is_empty() => {
                Some((*name, "a boolean"))
            }
            Term::Call(name @ "null", arguments) if arguments.is_empty() => Some((*name, "null")),
            Term::Arr(None) if has_value => Some((self.source, "an array")),
            _ => None,
        };
        match wrong {
            Some((place, kind)) => Err(literal_error(
                self.source,
                place,
                format!("the key of a field is text, not {kind}"),
            )),
            None => Ok(()),
        }
    }
}

fn is_variable(pattern: &Pattern<&str>) -> bool {
    matches!(pattern, Pattern::Var(_))
}

fn is_update(operator: &BinaryOp<&str>) -> bool {
    matches!(
        operator,
        BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt
    )
}

/// Lets the body of `def f($a): …` call `a` as well: then the argument is passed as a function.
fn callable_arguments(definition: &mut Def<&str>) {
    for place in (0..definition.args.len()).rev() {
        let variable = definition.args[place];
        let Some(name) = variable.strip_prefix('$') else {
            continue;
        };
        let mut is_called = false;
        syntax::visit(&mut definition.body, &mut |term| {
            is_called |= matches!(term, Term::Call(called, arguments) if *called == name && arguments.is_empty());
        });
        if is_called {
            definition.args[place] = name;
            definition.body = bind(call(name, []), variable, take(&mut definition.body));
        }
    }
}

fn gives_several(part: &StrPart<&str, Term<&str>>) -> bool {
    matches!(part, StrPart::Term(term) if !is_exactly_one(term))
}
