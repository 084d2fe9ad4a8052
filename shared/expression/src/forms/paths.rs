//! Look-ups by paths, and updates of what stands at them.

use jaq_core::{
    load::parse::{BinaryOp, Term},
    path::{Opt, Part, Path},
};

use crate::{
    functions::paths::{ASSIGN, INDEX, INDEX_IF_POSSIBLE, MODIFY, NULL, SLICE, SLICE_IF_POSSIBLE},
    syntax::{self, bind, call, pipe},
};

/// Variables that no expression can name.
const KEY: &str = "$key of a path";
const END: &str = "$end of a slice";
const OPERAND: &str = "$operand of an update";

/// True where jaq looks up a part of a path as jq does: a field by a name that is written out, or
/// all items.
pub(super) fn is_jaqs(part: &Part<Term<&str>>) -> bool {
    match part {
        Part::Range(None, None) => true,
        Part::Range(..) => false,
        Part::Index(key) => syntax::literal(key).is_some(),
    }
}

/// `head[part]`. A key is evaluated on the input of the whole path, and not on the value that it
/// looks up in.
pub(super) fn looked_up<'s>(
    head: Term<&'s str>,
    (part, opt): (Part<Term<&'s str>>, Opt),
) -> Term<&'s str> {
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

/// Passes a key to the body: as it is where it is the same everywhere, otherwise in a variable.
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

/// `path = value` and the other updates. The value is evaluated on the input of the whole.
pub(super) fn updated<'s>(
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
