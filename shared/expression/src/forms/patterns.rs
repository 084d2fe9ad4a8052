//! Patterns: values taken apart into variables, and the folds that take them apart in each round.

use std::mem::take;

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    path::{Opt, Part},
};

use super::{JqForms, is_variable, paths::looked_up};
use crate::{
    functions::paths::{INDEX, LAST, NULL},
    output_count::is_exactly_one,
    syntax::{self, bind, call, pipe},
    tokens::ALTERNATIVE,
};

/// A variable and a definition that no expression can name.
const INPUT: &str = "$input of alternatives";
const BODY: &str = "body of alternatives!";

impl<'s> JqForms<'s> {
    /// `value as pattern | body`, with the pattern nested `depth` levels deep in others.
    pub(super) fn destructured(
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

    /// Tries one pattern after the other, until one fits and its body raises no error. The body
    /// sees the variables of all patterns; those that the pattern lacks are null.
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

    /// Moves patterns into the rounds. The last output of a round is the state of the next one; a
    /// round without outputs makes it null.
    pub(super) fn fold(
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
                .all(|key| is_exactly_one(key))
            {
                pattern = self.all_bindings(source, pattern);
            }
            for round in rounds.iter_mut().skip(1) {
                *round = self.destructured(Term::Var(variable), pattern.clone(), take(round), 1);
            }
        }
        match (name, &mut rounds[..]) {
            ("reduce", [_, round]) if !is_exactly_one(round) => *round = call(LAST, [take(round)]),
            ("foreach", [begin, round, shown @ ..]) if !is_exactly_one(round) => {
                // All outputs of a round together are the state, of which the next round takes the
                // last.
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

    /// Evaluates the interpolations of a text in jq's order: where several have several outputs,
    /// the last place changes most slowly.
    pub(super) fn interpolating_the_last_first(self, text: Term<&'s str>) -> Term<&'s str> {
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

    /// Turns a pattern that fits in several ways into one round for each way: the source gives the
    /// values of the variables.
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
