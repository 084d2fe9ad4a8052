//! Operators grouped as jq groups them.
//!
//! jaq takes `2 * 3 % 4` for `2 * (3 % 4)` and `.a = .b // 1` for `.a = (.b // 1)`; jq does not.

use std::{iter::Peekable, mem::take, vec::IntoIter};

use jaq_core::{
    load::parse::{BinaryOp, Term},
    ops::Math,
};

use crate::{syntax, tokens::PARENTHESES};

/// Groups the operators of a term, and of every term within it, and drops the marks of parentheses.
pub(crate) fn regroup(term: &mut Term<&str>) {
    match term {
        Term::BinOp(..) => *term = regrouped(take(term)),
        Term::Call(PARENTHESES, arguments) => {
            *term = arguments.pop().unwrap_or_default();
            regroup(term);
        }
        _ => syntax::within(term).into_iter().for_each(regroup),
    }
}

type OperatorSteps<'s> = Peekable<IntoIter<(BinaryOp<&'s str>, Term<&'s str>)>>;

fn regrouped(term: Term<&str>) -> Term<&str> {
    let mut steps = Vec::new();
    let first = flatten(term, &mut steps);
    climb(first, &mut steps.into_iter().peekable(), 0)
}

/// The operands and operators in the order in which they are written: the first operand is
/// returned.
fn flatten<'s>(
    term: Term<&'s str>,
    steps: &mut Vec<(BinaryOp<&'s str>, Term<&'s str>)>,
) -> Term<&'s str> {
    let Term::BinOp(left, mut operator, mut right) = term else {
        let mut term = term;
        regroup(&mut term);
        return term;
    };
    let first = flatten(*left, steps);
    // `f as $x | g` reaches to the end, whatever stands in `g`.
    if let BinaryOp::Pipe(Some(pattern)) = &mut operator {
        syntax::keys(pattern).into_iter().for_each(regroup);
        regroup(&mut right);
        steps.push((operator, *right));
        return first;
    }
    let place = steps.len();
    steps.push((operator, Term::default()));
    steps[place].1 = flatten(*right, steps);
    first
}

fn climb<'s>(mut left: Term<&'s str>, steps: &mut OperatorSteps<'s>, weakest: u8) -> Term<&'s str> {
    while let Some((operator, mut right)) =
        steps.next_if(|(operator, _)| strength(operator).0 >= weakest)
    {
        let (strength_here, is_right) = strength(&operator);
        let weakest = if is_right {
            strength_here
        } else {
            strength_here + 1
        };
        if steps
            .peek()
            .is_some_and(|(next, _)| strength(next).0 >= weakest)
        {
            right = climb(right, steps, weakest);
        }
        left = Term::BinOp(left.into(), operator, right.into());
    }
    left
}

/// The precedence of an operator, and true where it groups from the right.
fn strength(operator: &BinaryOp<&str>) -> (u8, bool) {
    match operator {
        BinaryOp::Pipe(None) => (0, true),
        BinaryOp::Comma => (1, false),
        BinaryOp::Pipe(Some(_)) => (2, true),
        BinaryOp::Alt => (3, true),
        BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
            (4, true)
        }
        BinaryOp::Or => (5, false),
        BinaryOp::And => (6, false),
        BinaryOp::Cmp(_) => (7, false),
        BinaryOp::Math(Math::Add | Math::Sub) => (8, false),
        BinaryOp::Math(Math::Mul | Math::Div | Math::Rem) => (9, false),
    }
}
