//! What one evaluation may take: steps, time and size.
//!
//! jaq bounds nothing. Whatever can go round and round in an expression is made to pass [`STEP`]
//! (`bounds.rs` puts it there), and what goes through a whole value passes [`WEIGHED`] first. Beyond a
//! bound they halt the evaluation, which no `try` can catch.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use jaq_core::{
    DataT, Exn, Lut, Native, ValX, ValXs,
    box_iter::box_once,
    data::HasLut,
    native::{Fun, v},
};
use rustix::time::{ClockId, clock_gettime};

use crate::{EvaluationError, Value, trail::Trail, value::MAX_DEPTH};

/// How many steps an evaluation may take: items gone through, calls, fields and arrays made. A step makes a
/// hundred bytes at most, so that this bounds its memory too.
const MAX_STEPS: u32 = 5_000_000;

/// How long an evaluation may take of a processor. Time in which it waits for one does not count, so
/// that no record dies of a machine that is busy.
const MAX_TIME: Duration = Duration::from_secs(5);

/// How long a text may become, in bytes.
pub(crate) const MAX_TEXT: usize = 16 << 20;

/// How many items an array may have.
pub(crate) const MAX_ITEMS: usize = MAX_STEPS as usize;

/// How large a value may be that is gone through as a whole, in bytes as they are written. An array
/// that holds another twice has it once in memory: done twenty-six times over, it would be this large.
pub(crate) const MAX_SIZE: usize = 128 << 20;

/// How many characters of a text are made items in the time of a step.
const ITEMS_IN_A_STEP: usize = 8;

/// How much of a value is gone through in the time of a step, in bytes as they are written.
const WEIGHED_IN_A_STEP: usize = 512;

/// How often one search for a regex that looks around, or back, may turn back.
pub(crate) const MAX_TRIES: usize = 1 << 20;

/// What an object counts for beside its fields: even of one, it takes several hundred bytes.
const STEPS_OF_AN_OBJECT: usize = 3;

/// How many updates may go on within each other: jaq does them by recursion, one for each part of a path.
const MAX_UPDATES: usize = MAX_DEPTH;

/// Steps between looks at the clock and at the depth of what is passed on. It is prime: no loop has
/// its rounds in step with it, so that whatever a loop hands on to its next round comes to be looked at.
const LOOK_EVERY: u32 = 1009;

/// The functions that check, by names that no expression can call or define.
pub(crate) const CHECKS: [&str; 5] = [STEP, MADE, WEIGHED, AS_TEXT, AS_ITEMS];
/// Takes a step.
pub(crate) const STEP: &str = "step!";
/// Takes steps for what was made.
pub(crate) const MADE: &str = "made!";
/// Checks what is about to be gone through as a whole.
pub(crate) const WEIGHED: &str = "weighed!";
/// Checks that of which a text is about to be made.
pub(crate) const AS_TEXT: &str = "as_text!";

/// Checks a text of which an array of its characters is about to be made.
pub(crate) const AS_ITEMS: &str = "as_items!";

/// A bound that an evaluation ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Bound {
    #[error("the expression takes more than {MAX_STEPS} steps")]
    Steps,
    #[error("the expression takes longer than {} s", MAX_TIME.as_secs())]
    Time,
    #[error("the expression makes a text longer than {} MiB", MAX_TEXT >> 20)]
    Text,
    #[error("the expression makes an array of more than {MAX_ITEMS} items")]
    Items,
    #[error("the expression makes a value larger than {} MiB", MAX_SIZE >> 20)]
    Size,
    #[error(
        "the expression searches more than 64 KiB of text for a regex that looks around or back, or has the flag n or l"
    )]
    Searched,
    #[error("the expression searches for a regex that tries too many ways")]
    Tries,
    #[error("the expression makes a value that is nested deeper than {MAX_DEPTH} levels")]
    Depth,
}

/// What an evaluation has left, and how it ended.
pub(crate) struct Budget {
    steps_left: Cell<u32>,
    next_look: Cell<u32>,
    /// When the first look was taken: most evaluations end before, and to ask for the time costs more
    /// than many of them.
    begin: Cell<Option<Duration>>,
    /// The updates that are under way within each other.
    updates: Cell<usize>,
    spent: Cell<Option<Bound>>,
    /// What the marks of an expression have noted of its last error.
    pub(crate) trail: RefCell<Trail>,
}

impl Budget {
    pub(crate) fn new() -> Budget {
        Budget::of_steps(MAX_STEPS)
    }

    pub(crate) fn of_steps(steps: u32) -> Budget {
        Budget {
            steps_left: steps.into(),
            next_look: steps.saturating_sub(LOOK_EVERY).into(),
            begin: Cell::default(),
            updates: Cell::default(),
            spent: Cell::default(),
            trail: RefCell::default(),
        }
    }

    /// Whether a bound ended the evaluation.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.get().is_some()
    }

    /// The error of an evaluation that was halted.
    pub(crate) fn error(&self) -> EvaluationError {
        EvaluationError::exceeded(self.spent.get().unwrap_or(Bound::Steps))
    }

    /// Takes a step with a value.
    fn step(&self, value: &Value) -> Result<(), Bound> {
        self.take_with(1, value)
    }

    /// Takes so many steps with a value.
    pub(crate) fn take_with(&self, steps: usize, value: &Value) -> Result<(), Bound> {
        self.take(steps)?;
        if self.steps_left.get() <= self.next_look.get() {
            self.next_look
                .set(self.steps_left.get().saturating_sub(LOOK_EVERY));
            self.look_at_time()?;
            self.weigh(value)?;
        }
        fits(value)
    }

    /// Takes so many steps at once.
    pub(crate) fn take(&self, steps: usize) -> Result<(), Bound> {
        let steps = u32::try_from(steps).map_err(|_| Bound::Steps)?;
        self.steps_left.set(
            self.steps_left
                .get()
                .checked_sub(steps)
                .ok_or(Bound::Steps)?,
        );
        Ok(())
    }

    /// Whether there is time left.
    pub(crate) fn look_at_time(&self) -> Result<(), Bound> {
        let now = processor_time();
        let begin = self.begin.get().unwrap_or(now);
        self.begin.set(Some(begin));
        if now.saturating_sub(begin) > MAX_TIME {
            Err(Bound::Time)
        } else {
            Ok(())
        }
    }

    /// Checks a value that is about to be gone through as a whole.
    pub(crate) fn weigh(&self, value: &Value) -> Result<(), Bound> {
        match value {
            Value::Arr(_) | Value::Obj(_) => self.take(weigh(value)? / WEIGHED_IN_A_STEP),
            _ => Ok(()),
        }
    }

    /// The same for a value of which a text is about to be made.
    pub(crate) fn weigh_as_text(&self, value: &Value) -> Result<(), Bound> {
        match value {
            Value::Arr(_) | Value::Obj(_) if weigh(value)? > MAX_TEXT => Err(Bound::Text),
            value => fits(value),
        }
    }

    /// The same for a text of which an array of its characters is about to be made.
    pub(crate) fn weigh_as_items(&self, value: &Value) -> Result<(), Bound> {
        let (Value::TStr(text) | Value::BStr(text)) = value else {
            return Ok(());
        };
        // All bytes but those that continue a character.
        let items = text.iter().filter(|byte| (**byte as i8) >= -0x40).count();
        self.take(items / ITEMS_IN_A_STEP)?;
        if items > MAX_ITEMS {
            Err(Bound::Items)
        } else {
            Ok(())
        }
    }

    /// Takes steps for an object that was made and for each of its fields, and one for an array, whose items
    /// were counted as they came.
    fn take_for_making(&self, value: &Value) -> Result<(), Bound> {
        match value {
            Value::Obj(fields) => self.take(STEPS_OF_AN_OBJECT + fields.len()),
            _ => self.take(1),
        }
    }

    /// Begins an update; it lasts until its outputs are dropped.
    fn begin_update(&self) -> Result<UpdateInProgress<'_>, Bound> {
        self.updates.set(self.updates.get() + 1);
        let update = UpdateInProgress(self);
        if self.updates.get() > MAX_UPDATES {
            Err(Bound::Depth)
        } else {
            Ok(update)
        }
    }
}

/// The outputs of an update.
struct Updating<'a> {
    outputs: ValXs<'a, Value>,
    #[expect(dead_code, reason = "it counts as long as it is here")]
    update_in_progress: UpdateInProgress<'a>,
}

impl<'a> Iterator for Updating<'a> {
    type Item = ValX<'a, Value>;

    fn next(&mut self) -> Option<Self::Item> {
        self.outputs.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.outputs.size_hint()
    }
}

struct UpdateInProgress<'a>(&'a Budget);

impl Drop for UpdateInProgress<'_> {
    fn drop(&mut self) {
        self.0.updates.set(self.0.updates.get() - 1);
    }
}

/// The time that this thread has had of a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Whether a text or an array is within bounds.
pub(crate) fn fits(value: &Value) -> Result<(), Bound> {
    match value {
        Value::TStr(text) | Value::BStr(text) if text.len() > MAX_TEXT => Err(Bound::Text),
        Value::Arr(items) if items.len() > MAX_ITEMS => Err(Bound::Items),
        _ => Ok(()),
    }
}

/// The bytes of a value as it would be written, about, if it is neither too large nor nested too deeply.
pub(crate) fn weigh(value: &Value) -> Result<usize, Bound> {
    let mut size = 0;
    weigh_within(value, MAX_DEPTH, &mut size)?;
    Ok(size)
}

fn weigh_within(value: &Value, levels: usize, size: &mut usize) -> Result<(), Bound> {
    *size += match value {
        Value::TStr(text) | Value::BStr(text) => text.len() + 2,
        _ => 2,
    };
    if *size > MAX_SIZE {
        return Err(Bound::Size);
    }
    let levels = || levels.checked_sub(1).ok_or(Bound::Depth);
    match value {
        Value::Arr(items) => {
            let levels = levels()?;
            items
                .iter()
                .try_for_each(|item| weigh_within(item, levels, size))
        }
        Value::Obj(fields) => {
            let levels = levels()?;
            fields.iter().try_for_each(|(name, field)| {
                weigh_within(name, levels, size)?;
                weigh_within(field, levels, size)
            })
        }
        _ => Ok(()),
    }
}

/// What jaq hands to every function: its own tables, and the budget.
#[derive(Clone, Copy)]
pub(crate) struct Evaluation<'a> {
    pub(crate) lut: &'a Lut<Data>,
    pub(crate) budget: &'a Budget,
}

/// The kind of evaluations that have a budget.
pub(crate) struct Data;

impl DataT for Data {
    type V<'a> = Value;
    type Data<'a> = Evaluation<'a>;
}

impl Evaluation<'_> {
    /// Ends the evaluation where a bound was run into.
    pub(crate) fn or_halt<'a, T>(&self, checked: Result<T, Bound>) -> ValX<'a, T, Value> {
        checked.map_err(|bound| {
            self.budget.spent.set(Some(bound));
            Exn::halt(1)
        })
    }
}

impl<'a> HasLut<'a, Data> for Evaluation<'a> {
    fn lut(&self) -> &'a Lut<Data> {
        self.lut
    }
}

/// A function that checks its input and hands it on, be it a value, a path or what is to be updated.
macro_rules! check {
    ($name:expr, $check:expr) => {{
        fn check(evaluation: &Evaluation<'_>, value: &Value) -> Result<(), Bound> {
            let check: fn(&Budget, &Value) -> Result<(), Bound> = $check;
            check(evaluation.budget, value)
        }
        let run = Native::<Data>::new(|cv| {
            let evaluation = *cv.0.data();
            box_once(evaluation.or_halt(check(&evaluation, &cv.1)).map(|()| cv.1))
        });
        let paths = run.with_paths(|cv| {
            let evaluation = *cv.0.data();
            box_once(
                evaluation
                    .or_halt(check(&evaluation, &cv.1.0))
                    .map(|()| cv.1),
            )
        });
        let update = paths.with_update(|cv, update| {
            let evaluation = *cv.0.data();
            let begun = check(&evaluation, &cv.1).and_then(|()| evaluation.budget.begin_update());
            match evaluation.or_halt(begun) {
                Ok(update_in_progress) => Box::new(Updating {
                    outputs: update(cv.1),
                    update_in_progress,
                }),
                Err(halt) => box_once(Err(halt)),
            }
        });
        ($name, v(0), update)
    }};
}

/// The functions that check and hand on what they are given.
pub(crate) fn natives() -> [Fun<Data>; 5] {
    [
        check!(STEP, Budget::step),
        check!(MADE, Budget::take_for_making),
        check!(WEIGHED, Budget::weigh),
        check!(AS_TEXT, Budget::weigh_as_text),
        check!(AS_ITEMS, Budget::weigh_as_items),
    ]
}
