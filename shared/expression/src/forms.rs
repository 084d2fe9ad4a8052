//! The forms of jq that jaq does otherwise, or does not have, made of functions that do them as jq does.
//!
//! jaq's parser reads them; here their terms are replaced before they are compiled: what is looked up in a
//! value by a number or a computed key (`.[0]`, `.[$key]`, `.[2:4]`), patterns and their alternatives
//! (`as [$a] ?// $b`), updates (`=`, `|=`, `+=`), folds whose rounds give other than one output,
//! keys of objects that are computed, and `$__loc__`. The functions are those of `functions/paths.rs`.

use std::mem::take;

use jaq_core::{
    load::{
        Arena,
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
        span,
    },
    path::{Opt, Part, Path},
};

use crate::{
    CompileError,
    arithmetic::NEGATED,
    error::literal_error,
    functions::paths::{
        ASSIGN, FIELD_NAME, INDEX, INDEX_IF_POSSIBLE, LAST, MODIFY, NULL, SLICE, SLICE_IF_POSSIBLE,
    },
    syntax::{self, bind, call, pipe},
    tokens::ALTERNATIVE,
    trail::LOCATED,
    wording::IN_JQS_WORDS,
};

/// Variables and definitions that no expression can name.
const KEY: &str = "$key of a path";
const END: &str = "$end of a slice";
const OPERAND: &str = "$operand of an update";
const INPUT: &str = "$input of alternatives";
const BODY: &str = "body of alternatives!";

/// Replaces jq's forms in a term, and in every term within it.
pub(crate) fn replace<'s>(
    source: &'s str,
    arena: &'s Arena,
    term: &mut Term<&'s str>,
) -> Result<(), CompileError> {
    let mut refused = None;
    let forms = Forms { source, arena };
    syntax::visit(term, &mut |term| {
        if let Err(error) = forms.replace(term) {
            refused.get_or_insert(error);
        }
    });
    refused.map_or(Ok(()), Err)
}

/// The same in a definition of the standard library, in which nothing is wrong.
pub(crate) fn replace_in_library(arena: &'static Arena, term: &mut Term<&'static str>) {
    let replaced = replace("", arena, term);
    debug_assert!(replaced.is_ok());
}

#[derive(Clone, Copy)]
struct Forms<'s> {
    source: &'s str,
    arena: &'s Arena,
}

impl<'s> Forms<'s> {
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

impl<'s> Forms<'s> {
    /// `value as pattern | body`, the pattern being within so many others.
    fn destructured(
        self,
        value: Term<&'s str>,
        pattern: Pattern<&'s str>,
        body: Term<&'s str>,
        depth: usize,
    ) -> Term<&'s str> {
        let whole = self.whole(depth);
        let part = |key: Term<&'s str>| {
            pipe(
                Term::Var(whole),
                looked_up(Term::Id, (Part::Index(key), Opt::Essential)),
            )
        };
        let items: Vec<_> = match pattern {
            Pattern::Var(name) => return bind(value, name, body),
            Pattern::Obj(fields) if is_alternatives(&fields) => {
                let patterns = fields.into_iter().map(|(_, pattern)| pattern).collect();
                return bind(
                    value,
                    whole,
                    self.alternatives(whole, patterns, body, depth + 1),
                );
            }
            Pattern::Arr(items) => {
                let number = |place: usize| Term::Num(&**self.arena.alloc(place.to_string()));
                items
                    .into_iter()
                    .enumerate()
                    .map(|(place, item)| (number(place), item))
                    .collect()
            }
            Pattern::Obj(fields) => fields,
        };
        let parts = items.into_iter().rev();
        bind(
            value,
            whole,
            parts.fold(body, |body, (key, item)| {
                self.destructured(part(key), item, body, depth + 1)
            }),
        )
    }

    /// Tries one pattern after the other, until one fits and its body raises no error. All patterns' variables
    /// are there in the body, null where the pattern has them not.
    fn alternatives(
        self,
        value: &'s str,
        patterns: Vec<Pattern<&'s str>>,
        body: Term<&'s str>,
        depth: usize,
    ) -> Term<&'s str> {
        let mut variables = Vec::new();
        patterns
            .iter()
            .for_each(|pattern| collect_variables(pattern, &mut variables));
        variables.sort_unstable();
        variables.dedup();
        let tried = patterns.into_iter().rev().fold(None, |next, pattern| {
            let mut own = Vec::new();
            collect_variables(&pattern, &mut own);
            let argument = |name: &&'s str| {
                if own.contains(name) {
                    Term::Var(*name)
                } else {
                    call(NULL, [])
                }
            };
            let arguments: Vec<_> = variables.iter().map(argument).collect();
            let attempt =
                self.destructured(Term::Var(value), pattern, call(BODY, arguments), depth);
            Some(match next {
                None => attempt,
                Some(next) => {
                    Term::TryCatch(attempt.into(), Some(pipe(Term::Var(INPUT), next).into()))
                }
            })
        });
        let definition = Def {
            name: BODY,
            args: variables,
            body,
        };
        let tried = bind(Term::Id, INPUT, tried.unwrap_or_default());
        Term::Def(vec![definition], tried.into())
    }

    /// Patterns go into the rounds. A round's last output is the state of the next; of a round without any it is
    /// null.
    fn fold(
        self,
        name: &str,
        source: &mut Term<&'s str>,
        pattern: &mut Pattern<&'s str>,
        rounds: &mut Vec<Term<&'s str>>,
    ) {
        if !is_variable(pattern) {
            let variable = self.whole(0);
            let mut pattern = std::mem::replace(pattern, Pattern::Var(variable));
            if !syntax::keys(&mut pattern)
                .into_iter()
                .all(|key| gives_one(key))
            {
                pattern = self.all_bindings(source, pattern);
            }
            for round in rounds.iter_mut().skip(1) {
                *round = self.destructured(Term::Var(variable), pattern.clone(), take(round), 1);
            }
        }
        match (name, &mut rounds[..]) {
            ("reduce", [_, round]) if !gives_one(round) => *round = call(LAST, [take(round)]),
            ("foreach", [begin, round, shown @ ..]) if !gives_one(round) => {
                // All outputs of a round together are the state, of which the next round takes the last.
                let last = call(INDEX, [Term::Num("-1")]);
                let shown = shown.first_mut().map(take).unwrap_or_default();
                *begin = pipe(take(begin), Term::Arr(Some(Term::Id.into())));
                *round = Term::Arr(Some(pipe(last, take(round)).into()));
                rounds.truncate(2);
                rounds.push(pipe(syntax::all_items(), shown));
            }
            _ => {}
        }
    }

    /// Of a text that interpolates several outputs in several places, the last place goes round most slowly.
    fn interpolating_the_last_first(self, text: Term<&'s str>) -> Term<&'s str> {
        let Term::Str(format, mut parts) = text else {
            return text;
        };
        let mut bound = Vec::new();
        for (place, part) in parts.iter_mut().enumerate() {
            if let StrPart::Term(term) = part {
                let variable = self.whole(place);
                bound.push((variable, std::mem::replace(term, Term::Var(variable))));
            }
        }
        let text = Term::Str(format, parts);
        bound
            .into_iter()
            .fold(text, |text, (variable, term)| bind(term, variable, text))
    }

    /// Of a pattern that fits in several ways, each is a round: the source gives the variables' values.
    fn all_bindings(
        self,
        source: &mut Term<&'s str>,
        pattern: Pattern<&'s str>,
    ) -> Pattern<&'s str> {
        let mut variables = Vec::new();
        collect_variables(&pattern, &mut variables);
        let values = variables.iter().map(|name| Term::Var(*name));
        let comma = |left: Term<&'s str>, right: Term<&'s str>| {
            Term::BinOp(left.into(), BinaryOp::Comma, right.into())
        };
        let values = Term::Arr(values.reduce(comma).map(Box::new));
        *source = self.destructured(take(source), pattern, values, 1);
        Pattern::Arr(variables.into_iter().map(Pattern::Var).collect())
    }

    /// A variable that no expression can name, for each depth of a pattern or place in a text.
    fn whole(self, number: usize) -> &'s str {
        self.arena.alloc(format!("$whole {number}"))
    }
}

/// Whether jaq looks up a part of a path as jq does: a field by a name that is written out, or all items.
fn is_jaqs(part: &Part<Term<&str>>) -> bool {
    match part {
        Part::Range(None, None) => true,
        Part::Range(..) => false,
        Part::Index(key) => syntax::literal(key).is_some(),
    }
}

/// `head[part]`. Keys are reckoned from the input of the whole path, not from what they look up in.
fn looked_up<'s>(head: Term<&'s str>, (part, opt): (Part<Term<&'s str>>, Opt)) -> Term<&'s str> {
    let if_possible = matches!(opt, Opt::Optional);
    match part {
        part if is_jaqs(&part) => match head {
            Term::Path(head, Path(mut parts)) => {
                parts.push((part, opt));
                Term::Path(head, Path(parts))
            }
            head => Term::Path(head.into(), Path(vec![(part, opt)])),
        },
        Part::Index(key) => {
            let name = if if_possible {
                INDEX_IF_POSSIBLE
            } else {
                INDEX
            };
            with_key(key, KEY, |key| from(head, call(name, [key])))
        }
        Part::Range(begin, to) => {
            let name = if if_possible {
                SLICE_IF_POSSIBLE
            } else {
                SLICE
            };
            let end = |end: Option<Term<&'s str>>| end.unwrap_or_else(|| call(NULL, []));
            with_key(end(to), END, |to| {
                with_key(end(begin), KEY, |begin| from(head, call(name, [begin, to])))
            })
        }
    }
}

/// `head | lookup`
fn from<'s>(head: Term<&'s str>, lookup: Term<&'s str>) -> Term<&'s str> {
    if matches!(head, Term::Id) {
        lookup
    } else {
        pipe(head, lookup)
    }
}

/// Hands on a key that is the same wherever it stands; any other by a variable.
fn with_key<'s>(
    key: Term<&'s str>,
    variable: &'s str,
    body: impl FnOnce(Term<&'s str>) -> Term<&'s str>,
) -> Term<&'s str> {
    match &key {
        Term::Num(_) | Term::Var(_) => body(key),
        Term::Neg(number) if matches!(**number, Term::Num(_)) => body(key),
        Term::Call(NULL, _) => body(key),
        key if syntax::literal(key).is_some() => body(key.clone()),
        _ => bind(key, variable, body(Term::Var(variable))),
    }
}

fn is_variable(pattern: &Pattern<&str>) -> bool {
    matches!(pattern, Pattern::Var(_))
}

fn is_alternatives(fields: &[(Term<&str>, Pattern<&str>)]) -> bool {
    let key = fields.first().map(|(key, _)| key);
    matches!(key, Some(Term::Str(None, parts)) if matches!(parts[..], [StrPart::Str(key)] if std::ptr::eq(key, ALTERNATIVE)))
}

fn collect_variables<'s>(pattern: &Pattern<&'s str>, variables: &mut Vec<&'s str>) {
    match pattern {
        Pattern::Var(name) => variables.push(name),
        Pattern::Arr(items) => items
            .iter()
            .for_each(|item| collect_variables(item, variables)),
        Pattern::Obj(fields) => fields
            .iter()
            .for_each(|(_, field)| collect_variables(field, variables)),
    }
}

fn is_update(operator: &BinaryOp<&str>) -> bool {
    matches!(
        operator,
        BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt
    )
}

/// `path = value` and its like. The value is reckoned from the input of the whole.
fn updated<'s>(
    path: Term<&'s str>,
    operator: &BinaryOp<&'s str>,
    value: Term<&'s str>,
) -> Term<&'s str> {
    let with_operand = |operator| {
        let update = Term::BinOp(Term::Id.into(), operator, Term::Var(OPERAND).into());
        bind(value.clone(), OPERAND, call(MODIFY, [path.clone(), update]))
    };
    match operator {
        BinaryOp::Assign => call(ASSIGN, [path, value]),
        BinaryOp::UpdateMath(operator) => with_operand(BinaryOp::Math(*operator)),
        BinaryOp::UpdateAlt => with_operand(BinaryOp::Alt),
        _ => call(MODIFY, [path, value]),
    }
}

/// In `def f($a): …`, the body may call `a` as well: then what is handed over is a function.
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
    matches!(part, StrPart::Term(term) if !gives_one(term))
}

/// Whether a term is seen to have exactly one output, or an error.
fn gives_one(term: &Term<&str>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Arr(_) => true,
        Term::Str(_, parts) => parts
            .iter()
            .all(|part| !matches!(part, StrPart::Term(part) if !gives_one(part))),
        Term::Obj(fields) => fields
            .iter()
            .all(|(key, value)| gives_one(key) && value.as_ref().is_none_or(gives_one)),
        Term::Neg(inner) => gives_one(inner),
        Term::BinOp(_, BinaryOp::Comma, _) => false,
        Term::BinOp(left, _, right) => gives_one(left) && gives_one(right),
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches
                .iter()
                .all(|(condition, then)| gives_one(condition) && gives_one(then));
            branches && otherwise.as_deref().is_none_or(gives_one)
        }
        Term::Path(head, Path(parts)) => {
            let looks_up = |(part, opt): &(Part<_>, Opt)| {
                matches!(opt, Opt::Essential) && matches!(part, Part::Index(key) if gives_one(key))
            };
            gives_one(head) && parts.iter().all(looks_up)
        }
        Term::Call(MODIFY | NULL | FIELD_NAME, _) => true,
        Term::Call(NEGATED, arguments) => arguments.iter().all(gives_one),
        Term::Call(INDEX | SLICE, arguments) => arguments.iter().all(gives_one),
        Term::Call(ASSIGN | LOCATED, arguments) => arguments.last().is_none_or(gives_one),
        Term::Fold("reduce", _, _, rounds) => rounds.first().is_none_or(gives_one),
        _ => false,
    }
}
