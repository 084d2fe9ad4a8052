//! Replaces the matches of a regex.

use jaq_core::{Cv, ValX};

use super::search::{RegexSearch, whole};
use crate::{
    Value,
    budget::{EvaluationBound, EvaluationContext, MAX_SIZE, MAX_TEXT},
    functions::{BoundedData, errors, str_of},
};

/// The text with its matches replaced. The replacement is given the named groups. Where it has
/// several outputs, the whole has several too, as in jq.
pub(super) fn sub<'a>(
    mut cv: Cv<'a, BoundedData>,
    has_flags: bool,
    global: bool,
) -> ValX<'a, Vec<Value>, Value> {
    let flags = if has_flags {
        cv.0.pop_var()
    } else {
        Value::Null
    };
    let (replacement, context) = cv.0.pop_fun();
    let regex = cv.0.pop_var();
    let mut search = RegexSearch::of(&cv, &regex, &flags)?;
    search.flags.global |= global;
    let mut texts = ReplacedTexts::new(search.evaluation);
    let mut end = 0;
    search.each(|groups| {
        let whole = whole(groups);
        let gap = &search.text[end..whole.start];
        let named = search.named(&cv.1, groups);
        for (place, output) in replacement.run((context.clone(), named)).enumerate() {
            texts.append(place, gap, &output?)?;
        }
        end = whole.end;
        Ok(())
    })?;
    if texts.texts.is_empty() {
        return Ok(vec![cv.1.clone()]);
    }
    texts.finish(&search.text[end..])
}

/// The texts that replacements make, one for each combination of outputs.
struct ReplacedTexts<'e> {
    evaluation: EvaluationContext<'e>,
    texts: Vec<String>,
    size: usize,
}

impl<'e> ReplacedTexts<'e> {
    fn new(evaluation: EvaluationContext<'e>) -> ReplacedTexts<'e> {
        ReplacedTexts {
            evaluation,
            texts: Vec::new(),
            size: 0,
        }
    }

    /// Adds to one of the texts the part before a match, and its replacement.
    fn append<'a>(&mut self, place: usize, gap: &str, replacement: &Value) -> ValX<'a, (), Value> {
        self.evaluation.or_halt(self.evaluation.budget.take(1))?;
        if self.texts.len() == place {
            self.texts.push(String::new());
        }
        let replacement = match replacement {
            Value::Null => "",
            Value::TStr(_) => str_of(replacement)?,
            other => {
                return Err(
                    errors::of_two(&gap.to_owned().into(), other, "cannot be added").into(),
                );
            }
        };
        self.grow(place, gap)?;
        self.grow(place, replacement)
    }

    fn grow<'a>(&mut self, place: usize, part: &str) -> ValX<'a, (), Value> {
        self.size += part.len();
        let text = &mut self.texts[place];
        let bound = match (text.len() + part.len() > MAX_TEXT, self.size > MAX_SIZE) {
            (true, _) => Err(EvaluationBound::Text),
            (_, true) => Err(EvaluationBound::Size),
            _ => Ok(()),
        };
        self.evaluation.or_halt(bound)?;
        text.push_str(part);
        Ok(())
    }

    fn finish<'a>(mut self, rest: &str) -> ValX<'a, Vec<Value>, Value> {
        (0..self.texts.len()).try_for_each(|place| self.grow(place, rest))?;
        Ok(self.texts.into_iter().map(Value::from).collect())
    }
}
