//! The number of outputs that a term can have, as far as its text tells. A term of which it does
//! not tell counts as one that can have several.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    path::{Opt, Part, Path},
};

use crate::{
    arithmetic::NEGATED,
    error_trail::LOCATED,
    functions::{
        self,
        paths::{ASSIGN, FIELD_NAME, INDEX, MODIFY, NULL, SLICE},
    },
    syntax,
};

/// Functions that have one output at most, however many their arguments have: they collect them, or
/// take the first.
const COLLECTING: &[&str] = &[
    "add",
    "all",
    "any",
    "del",
    "empty",
    "first",
    "group_by",
    "isempty",
    "last",
    "map",
    "map_values",
    "max_by",
    "min_by",
    "sort_by",
    "unique_by",
    "with_entries",
];

/// Functions that may have several outputs for one input and one value of each argument.
const GENERATING: &[&str] = &[
    "capture",
    "combinations",
    "fromstream",
    "IN",
    "INDEX",
    "JOIN",
    "key_values",
    "leaf_paths",
    "limit",
    "match",
    "nth",
    "path",
    "path_value",
    "paths",
    "range",
    "recurse",
    "repeat",
    "scan",
    "skip",
    "splits",
    "tostream",
    "truncate_stream",
    "unchecked_limit",
    "unchecked_skip",
    "while",
];

/// True where a term has one output at most for each input.
pub(crate) fn is_at_most_one(term: &Term<&str>) -> bool {
    CallScope::default().is_single(term)
}

/// The definitions and arguments that can be called where a term stands, the innermost last.
#[derive(Default)]
struct CallScope<'s> {
    callable: Vec<CallableFilter<'s>>,
}

struct CallableFilter<'s> {
    name: &'s str,
    arguments: usize,
    /// True where it has one output at most if its arguments do.
    is_single: bool,
}

impl<'s> CallScope<'s> {
    fn is_single(&mut self, term: &Term<&'s str>) -> bool {
        match term {
            Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_) | Term::Arr(_) => true,
            Term::Recurse => false,
            Term::Str(_, parts) => parts.iter().all(|part| match part {
                StrPart::Term(term) => self.is_single(term),
                StrPart::Str(_) | StrPart::Char(_) => true,
            }),
            Term::Obj(fields) => fields.iter().all(|(key, value)| {
                self.is_single(key) && value.as_ref().is_none_or(|value| self.is_single(value))
            }),
            Term::Neg(inner) | Term::Label(_, inner) => self.is_single(inner),
            Term::BinOp(left, operator, right) => self.is_single_operation(left, operator, right),
            Term::Fold(name, _, _, rounds) => {
                *name == "reduce" && rounds.iter().all(|round| self.is_single(round))
            }
            Term::TryCatch(tried, handler) => {
                self.is_single(tried)
                    && handler
                        .as_ref()
                        .is_none_or(|handler| self.is_single(handler))
            }
            Term::IfThenElse(branches, otherwise) => {
                branches
                    .iter()
                    .all(|(condition, then)| self.is_single(condition) && self.is_single(then))
                    && otherwise.as_ref().is_none_or(|term| self.is_single(term))
            }
            Term::Def(definitions, body) => self.is_single_with(definitions, body),
            Term::Call(name, arguments) => self.is_single_call(name, arguments),
            Term::Path(from, path) => {
                self.is_single(from) && path.0.iter().all(|(part, _)| self.is_single_part(part))
            }
        }
    }

    fn is_single_operation(
        &mut self,
        left: &Term<&'s str>,
        operator: &BinaryOp<&'s str>,
        right: &Term<&'s str>,
    ) -> bool {
        match operator {
            BinaryOp::Comma => false,
            BinaryOp::Pipe(Some(pattern)) => {
                is_plain(pattern) && self.is_single(left) && self.is_single(right)
            }
            // An update has one output, whatever its paths and its filter have.
            BinaryOp::Update => true,
            BinaryOp::Assign | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                self.is_single(right)
            }
            BinaryOp::Pipe(None)
            | BinaryOp::Alt
            | BinaryOp::Or
            | BinaryOp::And
            | BinaryOp::Math(_)
            | BinaryOp::Cmp(_) => self.is_single(left) && self.is_single(right),
        }
    }

    fn is_single_part(&mut self, part: &Part<Term<&'s str>>) -> bool {
        match part {
            Part::Index(index) => self.is_single(index),
            Part::Range(None, None) => false,
            Part::Range(from, to) => [from, to]
                .into_iter()
                .flatten()
                .all(|bound| self.is_single(bound)),
        }
    }

    fn is_single_with(&mut self, definitions: &[Def<&'s str>], body: &Term<&'s str>) -> bool {
        let outside = self.callable.len();
        for definition in definitions {
            let is_single = self.is_single_body(definition);
            self.callable.push(CallableFilter {
                name: definition.name,
                arguments: definition.args.len(),
                is_single,
            });
        }
        let is_single = self.is_single(body);
        self.callable.truncate(outside);
        is_single
    }

    /// Arguments count as single here: a call with others is none.
    fn is_single_body(&mut self, definition: &Def<&'s str>) -> bool {
        let outside = self.callable.len();
        let argument = |name: &&'s str| CallableFilter {
            name: name.trim_start_matches('$'),
            arguments: 0,
            is_single: true,
        };
        self.callable.extend(definition.args.iter().map(argument));
        let is_single = self.is_single(&definition.body);
        self.callable.truncate(outside);
        is_single
    }

    fn is_single_call(&mut self, name: &str, arguments: &[Term<&'s str>]) -> bool {
        let called =
            |known: &&CallableFilter<'_>| (known.name, known.arguments) == (name, arguments.len());
        let own = self.callable.iter().rfind(called);
        let (is_own, is_single) = match own {
            Some(own) => (true, own.is_single),
            None => (
                false,
                functions::names().any(|known| known == name) && !GENERATING.contains(&name),
            ),
        };
        let collects = !is_own && COLLECTING.contains(&name);
        collects || (is_single && arguments.iter().all(|argument| self.is_single(argument)))
    }
}

/// True where a term is seen to have exactly one output, or an error. The forms of jq are replaced
/// in it already.
pub(crate) fn is_exactly_one(term: &Term<&str>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Arr(_) => true,
        Term::Str(_, parts) => parts
            .iter()
            .all(|part| !matches!(part, StrPart::Term(part) if !is_exactly_one(part))),
        Term::Obj(fields) => fields
            .iter()
            .all(|(key, value)| is_exactly_one(key) && value.as_ref().is_none_or(is_exactly_one)),
        Term::Neg(inner) => is_exactly_one(inner),
        Term::BinOp(_, BinaryOp::Comma, _) => false,
        Term::BinOp(left, _, right) => is_exactly_one(left) && is_exactly_one(right),
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches
                .iter()
                .all(|(condition, then)| is_exactly_one(condition) && is_exactly_one(then));
            branches && otherwise.as_deref().is_none_or(is_exactly_one)
        }
        Term::Path(head, Path(parts)) => {
            let looks_up = |(part, opt): &(Part<_>, Opt)| {
                matches!(opt, Opt::Essential)
                    && matches!(part, Part::Index(key) if is_exactly_one(key))
            };
            is_exactly_one(head) && parts.iter().all(looks_up)
        }
        Term::Call(MODIFY | NULL | FIELD_NAME, _) => true,
        Term::Call(NEGATED, arguments) => arguments.iter().all(is_exactly_one),
        Term::Call(INDEX | SLICE, arguments) => arguments.iter().all(is_exactly_one),
        Term::Call(ASSIGN | LOCATED, arguments) => arguments.last().is_none_or(is_exactly_one),
        Term::Fold("reduce", _, _, rounds) => rounds.first().is_none_or(is_exactly_one),
        _ => false,
    }
}

/// True where a pattern gives each of its variables one value.
fn is_plain(pattern: &Pattern<&str>) -> bool {
    match pattern {
        Pattern::Var(_) => true,
        Pattern::Arr(items) => items.iter().all(is_plain),
        Pattern::Obj(fields) => fields
            .iter()
            .all(|(key, field)| has_one_value(key) && is_plain(field)),
    }
}

fn has_one_value(key: &Term<&str>) -> bool {
    matches!(key, Term::Var(_)) || syntax::literal(key).is_some()
}
