//! The trail of an error: the place in the expression where it was raised, and the field of the
//! object under construction that it was raised for.
//!
//! An expression that fails is run once more, with marks: functions that pass on the outputs of the
//! term within them, and note an error among these. A mapping that works has no marks and pays
//! nothing.

use std::{iter::empty, mem::take};

use jaq_core::{
    Bind, Error, Native, ValXs,
    box_iter::box_once,
    load::{
        Arena,
        lex::StrPart,
        parse::{BinaryOp, Pattern, Term},
    },
    native::{Fun, run, v},
    ops::Math,
    path::{Opt, Part, Path},
};

use crate::{
    Value,
    budget::{BoundedData, EvaluationContext},
    functions::paths::kind,
    pointer_part,
    syntax::{self, call, pipe},
    text,
};

/// Notes the place of an error that is raised within.
pub(crate) const LOCATED: &str = "located!";
/// Notes the place of an error that is raised by the term that gives an array its items: then no
/// single item is to blame.
const ITEMS: &str = "items!";
/// Notes that the expression's author raised the error.
const RAISED: &str = "raised!";
/// Notes the field that an error is raised for.
const FIELD: &str = "field!";
/// Notes the place in an array.
const ITEM: &str = "item!";
/// Forgets an error that is caught.
const CAUGHT: &str = "caught!";
/// Forgets an error that is caught and not handled: there is no output.
const LEFT_ALONE: &str = "left alone!";

/// The trail of the last error.
#[derive(Default)]
pub(crate) struct ErrorTrail {
    error: Option<Error<Value>>,
    /// The byte of the source.
    pub(crate) offset: Option<usize>,
    /// True where the author raised it, with `error`.
    pub(crate) is_raised: bool,
    /// jq's name for the type of the input at that place.
    pub(crate) input: Option<&'static str>,
    /// True where the term failed that gives an array its items.
    has_no_item: bool,
    /// The names and places that lead to the field, from the innermost on.
    names: Vec<String>,
}

impl ErrorTrail {
    /// The JSON pointer of the field (RFC 6901), if there is one.
    pub(crate) fn pointer(&self) -> Option<String> {
        let pointer: String = self
            .names
            .iter()
            .rev()
            .map(|name| pointer_part(name))
            .collect();
        Some(pointer).filter(|pointer| !pointer.is_empty())
    }

    /// The trail of an error: a new one, where the last trail is that of another error.
    fn of(&mut self, error: &Error<Value>) -> &mut ErrorTrail {
        if self.error.as_ref() != Some(error) {
            *self = ErrorTrail {
                error: Some(error.clone()),
                ..ErrorTrail::default()
            };
        }
        self
    }
}

/// Puts marks into a term.
pub(crate) fn mark<'s>(source: &'s str, arena: &'s Arena, term: &mut Term<&'s str>) {
    let marking = ErrorMarking { source, arena };
    marking.mark_fields(term);
    marking.mark_places(term);
}

/// `.a.b = value` makes the field `b` of `a`.
fn mark_updated<'s>(path: &Term<&'s str>, value: &mut Term<&'s str>) {
    let Term::Path(head, Path(parts)) = path else {
        return;
    };
    let is_name = |(part, _): &(Part<Term<&str>>, Opt)| matches!(part, Part::Index(key) if syntax::literal(key).is_some());
    if !matches!(**head, Term::Id) || !parts.iter().all(is_name) {
        return;
    }
    for (part, _) in parts.iter().rev() {
        if let Part::Index(key) = part {
            *value = call(FIELD, [key.clone(), take(value)]);
        }
    }
}

struct ErrorMarking<'s> {
    source: &'s str,
    arena: &'s Arena,
}

impl<'s> ErrorMarking<'s> {
    /// Marks the fields of the objects and arrays that are a term's outputs.
    fn mark_fields(&self, term: &mut Term<&'s str>) {
        match term {
            Term::Obj(fields) => fields
                .iter_mut()
                .for_each(|(key, value)| self.mark_field(key, value)),
            Term::Arr(Some(items)) => {
                self.mark_fields(items);
                **items = call(ITEM, [Term::Num("0"), take(&mut **items)]);
            }
            Term::Call(word @ "map", arguments) => {
                let items = match self.offset(word) {
                    Some(place) => call(ITEMS, [self.number(place), syntax::all_items()]),
                    None => syntax::all_items(),
                };
                let map = arguments.pop().unwrap_or_default();
                *term = Term::Arr(Some(pipe(items, map).into()));
                self.mark_fields(term);
            }
            Term::BinOp(_, BinaryOp::Pipe(_), last) | Term::Def(_, last) | Term::Label(_, last) => {
                self.mark_fields(last)
            }
            Term::BinOp(
                left,
                BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Math(Math::Add | Math::Mul),
                right,
            ) => {
                self.mark_fields(left);
                self.mark_fields(right);
            }
            Term::BinOp(
                path,
                BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_),
                value,
            ) => {
                mark_updated(path, value);
            }
            Term::IfThenElse(branches, otherwise) => {
                branches
                    .iter_mut()
                    .for_each(|(_, then)| self.mark_fields(then));
                otherwise
                    .iter_mut()
                    .for_each(|otherwise| self.mark_fields(otherwise));
            }
            Term::TryCatch(tried, handler) => {
                self.mark_fields(tried);
                handler
                    .iter_mut()
                    .for_each(|handler| self.mark_fields(handler));
            }
            Term::Fold("reduce", _, _, rounds) => {
                rounds.iter_mut().for_each(|round| self.mark_fields(round))
            }
            _ => {}
        }
    }

    fn mark_field(&self, key: &Term<&'s str>, value: &mut Option<Term<&'s str>>) {
        if syntax::literal(key).is_none() {
            return;
        }
        let mut field = value.take().unwrap_or_else(|| {
            Term::Path(
                Term::Id.into(),
                Path(vec![(Part::Index(key.clone()), Opt::Essential)]),
            )
        });
        self.mark_fields(&mut field);
        *value = Some(call(FIELD, [key.clone(), field]));
    }

    /// Marks a term, and every term within it, and says where it begins.
    fn mark_places(&self, term: &mut Term<&'s str>) -> Option<usize> {
        let own = self.place(term);
        let within = syntax::within(term)
            .into_iter()
            .filter_map(|term| self.mark_places(term))
            .min();
        let place = own.into_iter().chain(within).min();
        if let Term::TryCatch(_, handler) = term {
            let caught = handler
                .take()
                .map(|handler| pipe(call(CAUGHT, []), *handler));
            *handler = Some(caught.unwrap_or_else(|| call(LEFT_ALONE, [])).into());
        }
        if let Some(place) = place.filter(|_| may_fail(term)) {
            let mark = if matches!(term, Term::Call("error", _)) {
                RAISED
            } else {
                LOCATED
            };
            *term = call(mark, [self.number(place), take(term)]);
        }
        place
    }

    fn number(&self, place: usize) -> Term<&'s str> {
        Term::Num(&**self.arena.alloc(place.to_string()))
    }

    /// The byte at which a word of the source stands.
    fn offset(&self, word: &str) -> Option<usize> {
        syntax::offset_of(self.source, word)
    }

    /// The byte at which something of a term stands that is a word of the source.
    fn place(&self, term: &Term<&'s str>) -> Option<usize> {
        let word = match term {
            Term::Num(word) | Term::Var(word) | Term::Break(word) | Term::Call(word, _) => {
                Some(*word)
            }
            Term::Str(Some(word), _) => Some(*word),
            Term::BinOp(_, BinaryOp::Pipe(Some(pattern)), _) => first_variable(pattern),
            Term::Str(None, parts) => parts.iter().find_map(|part| match part {
                StrPart::Str(text) => Some(*text),
                _ => None,
            }),
            _ => None,
        };
        let before = &self.source[..self.offset(word?)?];
        let mut begin = before;
        for sign in ['"', '[', '.'] {
            begin = begin.strip_suffix(sign).unwrap_or(begin);
        }
        // An array's bracket is no part of what stands in it.
        Some(
            if begin.len() < before.len() && !self.source[begin.len()..].starts_with('[') {
                begin.len()
            } else {
                before.len()
            },
        )
    }
}

fn first_variable<'s>(pattern: &Pattern<&'s str>) -> Option<&'s str> {
    match pattern {
        Pattern::Var(name) => Some(name),
        Pattern::Arr(items) => items.iter().find_map(first_variable),
        Pattern::Obj(fields) => fields.iter().find_map(|(_, field)| first_variable(field)),
    }
}

/// True where an error may be raised at a term without a narrower place. A dot alone is no word of
/// the source, so it has no place.
fn may_fail(term: &Term<&str>) -> bool {
    match term {
        Term::Call(name, _) => ![
            "true", "false", "null", "empty", ITEM, ITEMS, CAUGHT, LEFT_ALONE,
        ]
        .contains(name),
        Term::Neg(inner) => !matches!(**inner, Term::Num(_)),
        Term::BinOp(..) | Term::Obj(_) | Term::Path(..) | Term::Str(Some(_), _) => true,
        _ => false,
    }
}

/// Notes what a mark knows of an error that stands in place of an output.
type NoteError = fn(&mut ErrorTrail, &Error<Value>, &Value, &MarkPosition);

/// The type of the input of a mark, and the number of its outputs before the error.
struct MarkPosition {
    input: &'static str,
    before: usize,
}

/// Notes a place unless the error has one. A term within has a narrower place and notes it first.
/// True where it was noted.
fn note_new(
    trail: &mut ErrorTrail,
    error: &Error<Value>,
    place: &Value,
    noted: &MarkPosition,
) -> bool {
    let trail = trail.of(error);
    let is_new = trail.offset.is_none();
    if is_new {
        trail.offset = text(place).and_then(|place| place.parse().ok());
        trail.input = Some(noted.input);
    }
    is_new
}

fn note_place(trail: &mut ErrorTrail, error: &Error<Value>, place: &Value, noted: &MarkPosition) {
    note_new(trail, error, place, noted);
}

fn note_items(trail: &mut ErrorTrail, error: &Error<Value>, place: &Value, noted: &MarkPosition) {
    trail.has_no_item = note_new(trail, error, place, noted);
}

fn note_raised(trail: &mut ErrorTrail, error: &Error<Value>, place: &Value, noted: &MarkPosition) {
    trail.is_raised |= note_new(trail, error, place, noted);
}

fn note_field(trail: &mut ErrorTrail, error: &Error<Value>, name: &Value, _: &MarkPosition) {
    trail.of(error).names.extend(text(name));
}

fn note_item(trail: &mut ErrorTrail, error: &Error<Value>, _: &Value, noted: &MarkPosition) {
    let trail = trail.of(error);
    if !take(&mut trail.has_no_item) {
        trail.names.push(noted.before.to_string());
    }
}

/// Passes on outputs, and notes the errors among them.
fn noted<'a, T: 'a>(
    evaluation: EvaluationContext<'a>,
    (argument, input): (Value, &'static str),
    outputs: ValXs<'a, T, Value>,
    note: NoteError,
) -> ValXs<'a, T, Value> {
    Box::new(outputs.enumerate().map(move |(before, output)| {
        output.map_err(|exception| match exception.get_err() {
            Ok(error) => {
                note(
                    &mut evaluation.budget.trail.borrow_mut(),
                    &error,
                    &argument,
                    &MarkPosition { input, before },
                );
                error.into()
            }
            Err(other) => other,
        })
    }))
}

macro_rules! mark {
    ($name:expr, $note:expr) => {{
        let run = Native::<BoundedData>::new(|mut cv| {
            let ((f, context), argument) = (cv.0.pop_fun(), cv.0.pop_var());
            let input = kind(&cv.1);
            noted(
                *cv.0.data(),
                (argument, input),
                f.run((context, cv.1)),
                $note,
            )
        });
        let paths = run.with_paths(|mut cv| {
            let ((f, context), argument) = (cv.0.pop_fun(), cv.0.pop_var());
            let input = kind(&cv.1.0);
            noted(
                *cv.0.data(),
                (argument, input),
                f.paths((context, cv.1)),
                $note,
            )
        });
        ($name, [Bind::Var(()), Bind::Fun(())].into(), paths)
    }};
}

/// The marks.
pub(crate) fn natives() -> [Fun<BoundedData>; 7] {
    [
        mark!(LOCATED, note_place),
        mark!(ITEMS, note_items),
        mark!(RAISED, note_raised),
        mark!(FIELD, note_field),
        mark!(ITEM, note_item),
        run((CAUGHT, v(0), |cv| {
            cv.0.data().budget.trail.take();
            box_once(Ok(cv.1))
        })),
        run((LEFT_ALONE, v(0), |cv| {
            cv.0.data().budget.trail.take();
            Box::new(empty())
        })),
    ]
}
