//! Looking up, setting and deleting by paths, as jq does.
//!
//! jaq looks up a number in an object, updates nothing below a field that is absent, and deletes
//! from an array while it goes along it. These functions replace its own, and stand behind `.[0]`,
//! `.[2:4]`, `=`, `|=` and the like (the module `forms`). Their errors are worded as jq words them.

mod delete;
mod error;
mod get;
mod set;

use std::iter::empty;

use jaq_core::{
    Bind, Ctx, Cv, Error, Native, ValR, ValX, ValXs,
    box_iter::box_once,
    load::{
        parse,
        parse::{Def, Term},
    },
    native::{Fun, bome, run, v},
};

pub(crate) use self::error::{described, described_as, kind};
use crate::{
    Value,
    budget::{BoundedData, EvaluationBound, EvaluationContext},
    syntax,
    value::MAX_DEPTH,
    wording::{IN_JQS_WORDS, in_jqs_words},
};

/// `.[key]`.
pub(crate) const INDEX: &str = "index!";
/// `.[key]?`.
pub(crate) const INDEX_IF_POSSIBLE: &str = "index if possible!";
/// `.[from:to]`.
pub(crate) const SLICE: &str = "slice!";
/// `.[from:to]?`.
pub(crate) const SLICE_IF_POSSIBLE: &str = "slice if possible!";
/// `paths |= update`.
pub(crate) const MODIFY: &str = "modify!";
/// `paths = value`.
pub(crate) const ASSIGN: &str = "assign!";
/// The last output of a round, or null.
pub(crate) const LAST: &str = "last or null!";
/// `null`, as a function: jaq calculates the constant in advance.
pub(crate) const NULL: &str = "null!";
/// Passes text on as the key of a field, and refuses other values.
pub(crate) const FIELD_NAME: &str = "field name!";

/// Number of keys of paths that are kept in the memory of one step.
const KEYS_IN_A_STEP: usize = 2;

/// jaq's functions and definitions that are replaced here.
pub(super) const REPLACED: &[&str] = &[
    "getpath",
    "setpath",
    "delpaths",
    "del",
    "map_values",
    "nth",
    "pick",
];

/// jaq's own functions whose count is checked first, and their names behind the check.
const RENAMED: [(&str, &str); 2] = [("limit", "unchecked_limit"), ("skip", "unchecked_skip")];

const DEFINITIONS: &str = r#"
    def del(f): delpaths([path(f)]);
    def map_values(f): modify(.[]; f);
    def pick(f): . as $top | reduce path(f) as $path (nothing; setpath($path; $top | getpath($path)));
    def limit($n; f): if $n < 0 then "limit doesn't support negative count" | error_empty else unchecked_limit($n; f) end;
    def skip($n; f): if $n < 0 then "skip doesn't support negative count" | error_empty else unchecked_skip($n; f) end;
    def nth($n): getpath([$n]);
    def nth($n; f): if $n < 0 then "nth doesn't support negative indices" | error_empty else first(unchecked_skip($n; f)) end;
"#;

/// Definitions that need others of the standard library.
const LATER_DEFINITIONS: &str = "
    def leaf_paths: paths(scalars);
";

/// The definitions on which those of the standard library depend.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let definitions = parse(DEFINITIONS, |parser| parser.defs()).unwrap_or_default();
    definitions.into_iter().map(|mut definition| {
        syntax::visit(&mut definition.body, &mut |term| match term {
            Term::Call(name @ "modify", _) => *name = MODIFY,
            Term::Call(name @ "nothing", _) => *name = NULL,
            _ => {}
        });
        definition
    })
}

/// The definitions that depend on those of the standard library.
pub(super) fn later_definitions() -> impl Iterator<Item = Def<&'static str>> {
    parse(LATER_DEFINITIONS, |parser| parser.defs())
        .unwrap_or_default()
        .into_iter()
}

/// The name of a native function behind its check.
pub(super) fn renamed(name: &'static str) -> &'static str {
    RENAMED
        .into_iter()
        .find(|(usual, _)| *usual == name)
        .map_or(name, |(_, unchecked)| unchecked)
}

pub(super) fn natives() -> Vec<Fun<BoundedData>> {
    let (paths, value) = (|| Bind::Fun(()), || Bind::Var(()));
    vec![
        (
            INDEX,
            v(1),
            Native::new(|cv| at(cv, one, false))
                .with_paths(|cv| below(cv, one, false, |p, k| p.cons(k))),
        ),
        (
            INDEX_IF_POSSIBLE,
            v(1),
            Native::new(|cv| at(cv, one, true))
                .with_paths(|cv| below(cv, one, true, |p, k| p.cons(k))),
        ),
        (
            SLICE,
            v(2),
            Native::new(|cv| at(cv, ends, false))
                .with_paths(|cv| below(cv, ends, false, |p, k| p.cons(k))),
        ),
        (
            SLICE_IF_POSSIBLE,
            v(2),
            Native::new(|cv| at(cv, ends, true))
                .with_paths(|cv| below(cv, ends, true, |p, k| p.cons(k))),
        ),
        (
            LAST,
            [paths()].into(),
            Native::new(|mut cv| {
                let (f, context) = cv.0.pop_fun();
                last(f.run((context, cv.1)), Value::Null)
            })
            .with_paths(|mut cv| {
                let (f, context) = cv.0.pop_fun();
                let none = (Value::Null, cv.1.1.clone());
                last(f.paths((context, cv.1)), none)
            }),
        ),
        run((NULL, v(0), |_| box_once(Ok(Value::Null)))),
        run((IN_JQS_WORDS, v(0), |cv| box_once(Ok(in_jqs_words(cv.1))))),
        run((FIELD_NAME, v(0), |cv| bome(field_name(cv.1)))),
        run((MODIFY, [paths(), paths()].into(), |cv| box_once(modify(cv)))),
        run((ASSIGN, [paths(), value()].into(), |cv| box_once(assign(cv)))),
        (
            "getpath",
            v(1),
            Native::new(|mut cv| {
                let path = cv.0.pop_var();
                box_once(at_path(&cv.0, &cv.1, &path))
            })
            .with_paths(|mut cv| {
                let path = cv.0.pop_var();
                let (value, before) = cv.1;
                let found = at_path(&cv.0, &value, &path);
                let keys = if let Value::Arr(keys) = &path {
                    keys.iter().cloned()
                } else {
                    [].iter().cloned()
                };
                let extended = keys.fold(before, |path, key| path.cons(key));
                box_once(found.map(|found| (found, extended)))
            }),
        ),
        run(("setpath", v(2), |cv| box_once(set_path(cv)))),
        run(("delpaths", v(1), |cv| box_once(delete_paths(cv)))),
    ]
}

/// Makes the key to look up from the arguments of a function.
type KeyOfArguments = fn(&mut Ctx<'_, BoundedData>) -> Value;

fn one(context: &mut Ctx<'_, BoundedData>) -> Value {
    context.pop_var()
}

/// The key of a slice, as it stands in paths.
fn ends(context: &mut Ctx<'_, BoundedData>) -> Value {
    let (end, start) = (context.pop_var(), context.pop_var());
    let ends = [("start", start), ("end", end)];
    Value::obj(
        ends.into_iter()
            .map(|(name, end)| (Value::from(name.to_owned()), end))
            .collect(),
    )
}

fn at<'a>(
    (mut context, value): Cv<'a, BoundedData>,
    key: KeyOfArguments,
    if_possible: bool,
) -> ValXs<'a, Value> {
    let key = key(&mut context);
    found(&context, &value, &key, if_possible).map_or_else(|| Box::new(empty()) as _, box_once)
}

/// Looks up a value together with the path to it.
fn below<'a, P: 'a>(
    (mut context, (value, path)): Cv<'a, BoundedData, (Value, P)>,
    key: KeyOfArguments,
    if_possible: bool,
    extended: fn(P, Value) -> P,
) -> ValXs<'a, (Value, P), Value> {
    let key = key(&mut context);
    match found(&context, &value, &key, if_possible) {
        Some(found) => box_once(found.map(|found| (found, extended(path, key)))),
        None => Box::new(empty()),
    }
}

/// The value at a key. Copying or searching for it takes steps. No output where the look-up is
/// impossible and need not be possible.
fn found<'a>(
    context: &Ctx<'a, BoundedData>,
    value: &Value,
    key: &Value,
    if_possible: bool,
) -> Option<ValX<'a, Value, Value>> {
    let evaluation = context.data();
    match evaluation.or_halt(get::within_budget(evaluation.budget, value, key)) {
        Ok(Ok(found)) => Some(Ok(found)),
        Ok(Err(_)) if if_possible => None,
        Ok(Err(refusal)) => Some(Err(refusal.error(value, key).into())),
        Err(halt) => Some(Err(halt)),
    }
}

fn last<'a, T: 'a>(outputs: ValXs<'a, T, Value>, none: T) -> ValXs<'a, T, Value> {
    box_once(outputs.into_iter().try_fold(none, |_, output| output))
}

fn field_name(name: Value) -> ValR<Value> {
    match name {
        Value::TStr(_) => Ok(name),
        other => Err(Error::str(format_args!(
            "Cannot use {} as object key",
            described(&other)
        ))),
    }
}

fn at_path<'a>(context: &Ctx<'a, BoundedData>, value: &Value, path: &Value) -> ValX<'a, Value> {
    let evaluation = context.data();
    let found = get::at_path(evaluation.budget, value, keys(path)?);
    found.or_else(|failure| failure.raise(evaluation))
}

/// The keys of a path.
fn keys(path: &Value) -> ValR<&[Value], Value> {
    match path {
        Value::Arr(keys) if keys.len() <= MAX_DEPTH => Ok(keys),
        Value::Arr(_) => Err(Error::str("Path too deep")),
        _ => Err(Error::str("Path must be specified as an array")),
    }
}

/// All the paths that a filter leads to. They are collected before anything is changed: while a
/// path is being collected, the value has a second owner, and a change would have to copy it.
fn paths_of<'a>(
    context: &mut Ctx<'a, BoundedData>,
    value: &Value,
) -> ValX<'a, Vec<Vec<Value>>, Value> {
    let evaluation = *context.data();
    let (paths, context) = context.pop_fun();
    let mut all = Vec::new();
    for found in paths.paths((context, (value.clone(), Default::default()))) {
        let (_, path) = found?;
        let mut keys: Vec<Value> = path.iter().cloned().collect();
        keys.reverse();
        evaluation.or_halt(evaluation.budget.take(keys.len().div_ceil(KEYS_IN_A_STEP)))?;
        all.push(keys);
    }
    Ok(all)
}

fn modify<'a>((mut context, mut value): Cv<'a, BoundedData>) -> ValX<'a, Value> {
    let evaluation = *context.data();
    let (update, update_context) = context.pop_fun();
    let (mut deleted, paths) = (Vec::new(), paths_of(&mut context, &value)?);
    for path in paths {
        check(&evaluation, &path)?;
        let old = set::take_out(evaluation.budget, &mut value, &path);
        let old = old.or_else(|failure| failure.raise(&evaluation))?;
        match update.run((update_context.clone(), old)).next() {
            Some(new) => set(&evaluation, &mut value, &path, new?)?,
            None => deleted.push(path),
        }
    }
    delete(&evaluation, value, deleted)
}

fn assign<'a>((mut context, mut value): Cv<'a, BoundedData>) -> ValX<'a, Value> {
    let evaluation = *context.data();
    let new = context.pop_var();
    for path in paths_of(&mut context, &value)? {
        check(&evaluation, &path)?;
        set(&evaluation, &mut value, &path, new.clone())?;
    }
    Ok(value)
}

fn set_path<'a>((mut context, mut value): Cv<'a, BoundedData>) -> ValX<'a, Value> {
    let (new, path) = (context.pop_var(), context.pop_var());
    set(context.data(), &mut value, keys(&path)?, new)?;
    Ok(value)
}

fn delete_paths<'a>((mut context, value): Cv<'a, BoundedData>) -> ValX<'a, Value> {
    let paths = context.pop_var();
    let Value::Arr(paths) = paths else {
        return Err(Error::str("Paths must be specified as an array").into());
    };
    let path = |path: &Value| match path {
        Value::Arr(_) => keys(path).map(<[Value]>::to_vec),
        other => Err(Error::str(format_args!(
            "Path must be specified as array, not {}",
            kind(other)
        ))),
    };
    let paths = paths.iter().map(path).collect::<ValR<_, Value>>()?;
    delete(context.data(), value, paths)
}

fn check<'a>(evaluation: &EvaluationContext<'a>, path: &[Value]) -> ValX<'a, (), Value> {
    evaluation.or_halt(if path.len() > MAX_DEPTH {
        Err(EvaluationBound::Depth)
    } else {
        Ok(())
    })
}

fn set<'a>(
    evaluation: &EvaluationContext<'a>,
    value: &mut Value,
    path: &[Value],
    new: Value,
) -> ValX<'a, (), Value> {
    // Values grow deeper by what is set in them: that is looked at, and not all that it is set in.
    evaluation.or_halt(
        evaluation
            .budget
            .take_with(path.len() / KEYS_IN_A_STEP, &new),
    )?;
    let done = set::at_path(evaluation.budget, value, path, new);
    done.or_else(|failure| failure.raise(evaluation))
}

fn delete<'a>(
    evaluation: &EvaluationContext<'a>,
    mut value: Value,
    paths: Vec<Vec<Value>>,
) -> ValX<'a, Value> {
    let done = delete::all(evaluation.budget, &mut value, paths);
    done.or_else(|failure| failure.raise(evaluation))?;
    Ok(value)
}
