//! Inserts the checks of the [`budget`](crate::budget) where an expression can loop.
//!
//! jaq runs for ever, or for very long, in a few ways: through terms with many outputs (`.[]`,
//! `..`, `a, b`, `range`), in the rounds of a fold, and by calls. Each output, round and call takes
//! a step. A function of jaq's that goes through a whole value at once (`tojson`, `sort`, `==` and
//! the like) is preceded by a check of the value's size.

use std::mem::take;

use jaq_core::{
    load::{
        self,
        lex::StrPart,
        parse::{BinaryOp, Def, Term},
    },
    path::Part,
};

use crate::{
    budget::{AS_TEXT, CHECKS, MADE, STEP, WEIGHED},
    syntax::{self, pipe},
};

/// Functions of jaq's that go through a whole value, and their checks. jaq's own functions have the
/// names `unchecked_…`. These and the checks have a mark at the end of their names, so that no
/// expression can call them; the mark is left out here.
const CHECKED: &str = "
    def tobytes: as_text | unchecked_tobytes | step;
    def explode: as_items | unchecked_explode;
    def escape_html: as_text | unchecked_escape_html | step;
    def unescape_html: as_text | unchecked_unescape_html;
    def encode_uri: as_text | unchecked_encode_uri | step;
    def encode_base64: as_text | unchecked_encode_base64 | step;
    def contains($part): weighed | unchecked_contains($part | weighed);
    def indices($part): weighed | unchecked_indices($part | weighed);
    def bsearch($item): weighed | unchecked_bsearch($item | weighed);
    def sort: weighed | unchecked_sort;
    def sort_by(f): unchecked_sort_by(step | f | weighed);
    def group_by(f): unchecked_group_by(step | f | weighed);
    def min_by_or_empty(f): unchecked_min_by_or_empty(step | f | weighed);
    def max_by_or_empty(f): unchecked_max_by_or_empty(step | f | weighed);
";

/// The functions of jaq's that a check stands in front of.
const UNCHECKED: [(&str, &str); 14] = [
    ("tobytes", "unchecked_tobytes!"),
    ("explode", "unchecked_explode!"),
    ("escape_html", "unchecked_escape_html!"),
    ("unescape_html", "unchecked_unescape_html!"),
    ("encode_uri", "unchecked_encode_uri!"),
    ("encode_base64", "unchecked_encode_base64!"),
    ("contains", "unchecked_contains!"),
    ("indices", "unchecked_indices!"),
    ("bsearch", "unchecked_bsearch!"),
    ("sort", "unchecked_sort!"),
    ("sort_by", "unchecked_sort_by!"),
    ("group_by", "unchecked_group_by!"),
    ("min_by_or_empty", "unchecked_min_by_or_empty!"),
    ("max_by_or_empty", "unchecked_max_by_or_empty!"),
];

/// The definitions that check before they call jaq's function.
pub(crate) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let definitions = load::parse(CHECKED, |parser| parser.defs()).unwrap_or_default();
    definitions.into_iter().map(|mut definition| {
        mark(&mut definition.body);
        definition
    })
}

/// Adds the mark that no expression can write to the names of checks, and of the functions behind
/// them, in a definition.
pub(crate) fn mark(term: &mut Term<&'static str>) {
    syntax::visit(term, &mut |term| {
        let Term::Call(name, _) = term else { return };
        let mut marked = CHECKS
            .into_iter()
            .chain(UNCHECKED.map(|(_, unchecked)| unchecked));
        *name = marked
            .find(|marked| marked.strip_suffix('!') == Some(name))
            .unwrap_or(name);
    });
}

/// The name of a native function behind its check.
pub(crate) fn renamed(name: &'static str) -> &'static str {
    UNCHECKED
        .into_iter()
        .find(|(usual, _)| *usual == name)
        .map_or(name, |(_, unchecked)| unchecked)
}

/// Bounds a definition of jq's standard library.
pub(crate) fn bound_definition(definition: &mut Def<&str>) {
    let mut calls_itself = false;
    syntax::visit(&mut definition.body, &mut |term| {
        calls_itself |= matches!(term, Term::Call(name, _) if *name == definition.name);
    });
    bound(&mut definition.body);
    if calls_itself {
        before(&mut definition.body, WEIGHED);
    }
}

/// Bounds a term, and every term within it.
pub(crate) fn bound(term: &mut Term<&str>) {
    syntax::visit(term, &mut |term| match term {
        Term::Path(_, path)
            if path
                .0
                .iter()
                .any(|(part, _)| matches!(part, Part::Range(..))) =>
        {
            after(term, STEP);
        }
        Term::Call("range", arguments) if arguments.len() == 3 => after(term, STEP),
        // Before the last alternative, so that it can still be a call that jaq does without
        // recursion.
        Term::BinOp(_, BinaryOp::Comma, last) => before(last, STEP),
        Term::Arr(Some(_)) => after(term, MADE),
        Term::Obj(fields) if !fields.is_empty() => after(term, MADE),
        Term::Recurse => {
            before(term, WEIGHED);
            after(term, STEP);
        }
        Term::Fold(_, _, _, arguments) => arguments
            .iter_mut()
            .skip(1)
            .take(1)
            .for_each(|round| after(round, STEP)),
        Term::Def(definitions, _) => {
            definitions
                .iter_mut()
                .for_each(|definition| before(&mut definition.body, STEP));
        }
        Term::Str(_, parts) if parts.iter().any(|part| matches!(part, StrPart::Term(_))) => {
            bound_interpolated(parts);
            after(term, STEP);
        }
        _ => {}
    });
}

/// Bounds the interpolations of a text.
fn bound_interpolated<'s>(parts: &mut [StrPart<&'s str, Term<&'s str>>]) {
    for part in parts {
        if let StrPart::Term(term) = part {
            after(term, AS_TEXT);
        }
    }
}

fn after(term: &mut Term<&str>, check: &'static str) {
    let checked = take(term);
    *term = pipe(checked, Term::Call(check, Vec::new()));
}

fn before(term: &mut Term<&str>, check: &'static str) {
    let checked = take(term);
    *term = pipe(Term::Call(check, Vec::new()), checked);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{Expression, Value, Variables, budget::EvaluationBudget};

    /// The bound that an expression runs into when it may take few steps.
    fn refusal(source: &str) -> String {
        let expression =
            Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let outcome = expression.run(
            Value::Null,
            &Variables::default(),
            &EvaluationBudget::of_steps(50_000),
        );
        outcome
            .err()
            .unwrap_or_else(|| panic!("{source} ends"))
            .message
    }

    #[test]
    fn whatever_goes_round_and_round_is_counted() {
        let endless = [
            "last(repeat(1))",
            "repeat(empty)",
            "until(false; .)",
            "[while(true; .)]",
            "last(recurse(.))",
            "[range(1e12)]",
            "last(range(0; 1; 0))",
            "reduce range(1e12) as $i (0; . + 1)",
            "first(foreach range(1e12) as $i (0; . + 1; empty))",
            "[limit(1e12; repeat(1))]",
            "try repeat(empty) catch .",
            "[.[]?, repeat(empty)?] // 1",
            "label $out | repeat(empty)",
            "[range(100) | [range(1000)]] | [combinations]",
            "[range(1000)] as $a | $a[] as $x | $a[] as $y | $a[] as $z | empty",
            "[range(1000)] as $a | $a | .[] |= reduce $a[] as $x (0; . + $x)",
            "[range(1000)] as $a | $a | [paths($a[] as $x | $a[] as $y | false)]",
            "[range(1000)] | min_by([range(1000)] | min_by([range(1000)] | min_by(.)))",
            "[range(1000)] | group_by([range(1000)] | sort_by([range(1000)]))",
            "[range(1000) | []] | .[0] = [range(1000)] | transpose",
            "last((0, 1) | (., .) | (., .) | (., .) | (., .) | (., .) | (., .) | (., .) | (., .) | (., .) | (., .) | (., .)
                | (., .) | (., .) | (., .) | (., .) | (., .))",
            "def a: .|.; def b: a|a|a|a|a|a|a|a; def c: b|b|b|b|b|b|b|b; def d: c|c|c|c|c|c|c|c; def e: d|d|d|d|d|d|d|d;
             def f: e|e|e|e|e|e|e|e; def g: f|f|f|f|f|f|f|f; g",
            "[range(1000) | [limit(100; repeat(0))] | {a: 1, b: 2, c: 3}, {a: ., b: .}]",
            "\"a\" * 100000 | gsub(\"\"; \"b\")",
            "\"a\" * 100000 | [splits(\"\")]",
        ];
        for source in endless {
            assert_eq!(
                refusal(source),
                "the expression takes more than 5000000 steps",
                "{source}"
            );
        }
    }
}
