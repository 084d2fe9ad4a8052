//! The bounds of one evaluation: steps, time and size.
//!
//! jaq has no bounds of its own. Everything that can loop in an expression is made to call [`STEP`]
//! (`bounds.rs` inserts the calls), and a function that goes through a whole value calls
//! [`WEIGHED`] first. Past a bound these functions halt the evaluation, which no `try` can catch.

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

use crate::{EvaluationError, Value, error_trail::ErrorTrail, value::MAX_DEPTH};

/// Number of steps of one evaluation: items gone through, calls, fields and arrays made. A step
/// makes a hundred bytes at most, so that this bounds the memory too.
const MAX_STEPS: u32 = 5_000_000;

/// Processor time of one evaluation. Time in which it waits for a processor does not count, so that
/// no record dies because the machine is busy.
const MAX_TIME: Duration = Duration::from_secs(5);

/// Size of the longest text, in bytes.
pub(crate) const MAX_TEXT: usize = 16 << 20;

/// Number of items of the longest array.
pub(crate) const MAX_ITEMS: usize = MAX_STEPS as usize;

/// Size of the largest value that may be gone through as a whole, in bytes of its JSON. In memory a
/// value may be far smaller: an array that holds another one twice has one copy of it, and doing so
/// twenty-six times over would make a value of this size.
pub(crate) const MAX_SIZE: usize = 128 << 20;

/// Number of characters of a text that become items in the time of one step.
const ITEMS_IN_A_STEP: usize = 8;

/// Number of bytes of a value, as JSON, that are gone through in the time of one step.
const WEIGHED_IN_A_STEP: usize = 512;

/// Number of times that one search may turn back, for a regex with look-around or back references.
pub(crate) const MAX_TRIES: usize = 1 << 20;

/// Steps for an object beside those for its fields: even with one field, it takes several hundred
/// bytes.
const STEPS_OF_AN_OBJECT: usize = 3;

/// Number of updates that may be nested: jaq does them by recursion, one call for each part of a
/// path.
const MAX_UPDATES: usize = MAX_DEPTH;

/// Number of steps between two checks of the clock and of the depth of the value at hand. It is
/// prime, so that no loop runs in step with it: sooner or later each value that a loop passes to
/// its next round is checked.
const STEPS_BETWEEN_LOOKS: u32 = 1009;

/// The checking functions, under names that no expression can call or define.
pub(crate) const CHECKS: [&str; 5] = [STEP, MADE, WEIGHED, AS_TEXT, AS_ITEMS];
/// Takes a step.
pub(crate) const STEP: &str = "step!";
/// Takes steps for an object or array that was made.
pub(crate) const MADE: &str = "made!";
/// Checks a value that is about to be gone through as a whole.
pub(crate) const WEIGHED: &str = "weighed!";
/// Checks a value from which a text is about to be made.
pub(crate) const AS_TEXT: &str = "as_text!";

/// Checks a text from which an array of its characters is about to be made.
pub(crate) const AS_ITEMS: &str = "as_items!";

/// A bound that an evaluation ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvaluationBound {
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

/// The budget that is left of one evaluation, and the bound that ended it.
pub(crate) struct EvaluationBudget {
    steps_left: Cell<u32>,
    next_look: Cell<u32>,
    /// Processor time at the first check. Most evaluations end before it, and asking for the time
    /// costs more than many of them.
    begin: Cell<Option<Duration>>,
    /// Number of nested updates in progress.
    updates: Cell<usize>,
    spent: Cell<Option<EvaluationBound>>,
    /// The trail of the last error, as the marks of the expression noted it.
    pub(crate) trail: RefCell<ErrorTrail>,
}

impl EvaluationBudget {
    pub(crate) fn new() -> EvaluationBudget {
        EvaluationBudget::of_steps(MAX_STEPS)
    }

    pub(crate) fn of_steps(steps: u32) -> EvaluationBudget {
        EvaluationBudget {
            steps_left: steps.into(),
            next_look: steps.saturating_sub(STEPS_BETWEEN_LOOKS).into(),
            begin: Cell::default(),
            updates: Cell::default(),
            spent: Cell::default(),
            trail: RefCell::default(),
        }
    }

    /// True where a bound ended the evaluation.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.get().is_some()
    }

    /// The error of an evaluation that was halted.
    pub(crate) fn error(&self) -> EvaluationError {
        EvaluationError::exceeded(self.spent.get().unwrap_or(EvaluationBound::Steps))
    }

    /// Takes a step with a value.
    fn step(&self, value: &Value) -> Result<(), EvaluationBound> {
        self.take_with(1, value)
    }

    /// Takes steps, and checks a value from time to time.
    pub(crate) fn take_with(&self, steps: usize, value: &Value) -> Result<(), EvaluationBound> {
        self.take(steps)?;
        if self.steps_left.get() <= self.next_look.get() {
            self.next_look
                .set(self.steps_left.get().saturating_sub(STEPS_BETWEEN_LOOKS));
            self.look_at_time()?;
            self.weigh(value)?;
        }
        fits(value)
    }

    /// Takes several steps at once.
    pub(crate) fn take(&self, steps: usize) -> Result<(), EvaluationBound> {
        let steps = u32::try_from(steps).map_err(|_| EvaluationBound::Steps)?;
        self.steps_left.set(
            self.steps_left
                .get()
                .checked_sub(steps)
                .ok_or(EvaluationBound::Steps)?,
        );
        Ok(())
    }

    /// Checks that there is time left.
    pub(crate) fn look_at_time(&self) -> Result<(), EvaluationBound> {
        let now = processor_time();
        let begin = self.begin.get().unwrap_or(now);
        self.begin.set(Some(begin));
        if now.saturating_sub(begin) > MAX_TIME {
            Err(EvaluationBound::Time)
        } else {
            Ok(())
        }
    }

    /// Checks a value that is about to be gone through as a whole.
    pub(crate) fn weigh(&self, value: &Value) -> Result<(), EvaluationBound> {
        match value {
            Value::Arr(_) | Value::Obj(_) => self.take(weigh(value)? / WEIGHED_IN_A_STEP),
            _ => Ok(()),
        }
    }

    /// Checks a value from which a text is about to be made.
    pub(crate) fn weigh_as_text(&self, value: &Value) -> Result<(), EvaluationBound> {
        match value {
            Value::Arr(_) | Value::Obj(_) if weigh(value)? > MAX_TEXT => Err(EvaluationBound::Text),
            value => fits(value),
        }
    }

    /// Checks a text from which an array of its characters is about to be made.
    pub(crate) fn weigh_as_items(&self, value: &Value) -> Result<(), EvaluationBound> {
        let (Value::TStr(text) | Value::BStr(text)) = value else {
            return Ok(());
        };
        // All bytes but those that continue a character.
        let items = text.iter().filter(|byte| (**byte as i8) >= -0x40).count();
        self.take(items / ITEMS_IN_A_STEP)?;
        if items > MAX_ITEMS {
            Err(EvaluationBound::Items)
        } else {
            Ok(())
        }
    }

    /// Takes steps for an object that was made and for each of its fields, and one for an array,
    /// whose items were counted as they came.
    fn take_for_making(&self, value: &Value) -> Result<(), EvaluationBound> {
        match value {
            Value::Obj(fields) => self.take(STEPS_OF_AN_OBJECT + fields.len()),
            _ => self.take(1),
        }
    }

    /// Begins an update, which lasts until its outputs are dropped.
    fn begin_update(&self) -> Result<UpdateInProgress<'_>, EvaluationBound> {
        self.updates.set(self.updates.get() + 1);
        let update = UpdateInProgress(self);
        if self.updates.get() > MAX_UPDATES {
            Err(EvaluationBound::Depth)
        } else {
            Ok(update)
        }
    }
}

/// The outputs of an update.
struct UpdateOutputs<'a> {
    outputs: ValXs<'a, Value>,
    #[expect(dead_code, reason = "it counts as long as it is here")]
    update_in_progress: UpdateInProgress<'a>,
}

impl<'a> Iterator for UpdateOutputs<'a> {
    type Item = ValX<'a, Value>;

    fn next(&mut self) -> Option<Self::Item> {
        self.outputs.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.outputs.size_hint()
    }
}

struct UpdateInProgress<'a>(&'a EvaluationBudget);

impl Drop for UpdateInProgress<'_> {
    fn drop(&mut self) {
        self.0.updates.set(self.0.updates.get() - 1);
    }
}

/// Processor time that this thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Checks that a text or an array is within bounds.
pub(crate) fn fits(value: &Value) -> Result<(), EvaluationBound> {
    match value {
        Value::TStr(text) | Value::BStr(text) if text.len() > MAX_TEXT => {
            Err(EvaluationBound::Text)
        }
        Value::Arr(items) if items.len() > MAX_ITEMS => Err(EvaluationBound::Items),
        _ => Ok(()),
    }
}

/// The approximate size of a value as JSON, in bytes, where it is neither too large nor nested too
/// deeply.
pub(crate) fn weigh(value: &Value) -> Result<usize, EvaluationBound> {
    let mut size = 0;
    weigh_within(value, MAX_DEPTH, &mut size)?;
    Ok(size)
}

fn weigh_within(value: &Value, levels: usize, size: &mut usize) -> Result<(), EvaluationBound> {
    *size += match value {
        Value::TStr(text) | Value::BStr(text) => text.len() + 2,
        _ => 2,
    };
    if *size > MAX_SIZE {
        return Err(EvaluationBound::Size);
    }
    let levels = || levels.checked_sub(1).ok_or(EvaluationBound::Depth);
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

/// The data that jaq passes to every function: its own tables, and the budget.
#[derive(Clone, Copy)]
pub(crate) struct EvaluationContext<'a> {
    pub(crate) lut: &'a Lut<BoundedData>,
    pub(crate) budget: &'a EvaluationBudget,
}

/// The type of jaq's data for evaluations that have a budget.
pub(crate) struct BoundedData;

impl DataT for BoundedData {
    type V<'a> = Value;
    type Data<'a> = EvaluationContext<'a>;
}

impl EvaluationContext<'_> {
    /// Halts the evaluation where a bound was exceeded.
    pub(crate) fn or_halt<'a, T>(&self, checked: Result<T, EvaluationBound>) -> ValX<'a, T, Value> {
        checked.map_err(|bound| {
            self.budget.spent.set(Some(bound));
            Exn::halt(1)
        })
    }
}

impl<'a> HasLut<'a, BoundedData> for EvaluationContext<'a> {
    fn lut(&self) -> &'a Lut<BoundedData> {
        self.lut
    }
}

/// A function that checks its input and passes it on, be it a value, a path or an update.
macro_rules! check {
    ($name:expr, $check:expr) => {{
        fn check(evaluation: &EvaluationContext<'_>, value: &Value) -> Result<(), EvaluationBound> {
            let check: fn(&EvaluationBudget, &Value) -> Result<(), EvaluationBound> = $check;
            check(evaluation.budget, value)
        }
        let run = Native::<BoundedData>::new(|cv| {
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
                Ok(update_in_progress) => Box::new(UpdateOutputs {
                    outputs: update(cv.1),
                    update_in_progress,
                }),
                Err(halt) => box_once(Err(halt)),
            }
        });
        ($name, v(0), update)
    }};
}

/// The functions that check their input and pass it on.
pub(crate) fn natives() -> [Fun<BoundedData>; 5] {
    [
        check!(STEP, EvaluationBudget::step),
        check!(MADE, EvaluationBudget::take_for_making),
        check!(WEIGHED, EvaluationBudget::weigh),
        check!(AS_TEXT, EvaluationBudget::weigh_as_text),
        check!(AS_ITEMS, EvaluationBudget::weigh_as_items),
    ]
}
