//! One jq expression.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use jaq_core::{Ctx, Filter, Vars, load::Arena};
use jiff::tz::TimeZone;

use crate::{
    CompileError, EvaluationError, ExpressionPlace, Value, Variables,
    budget::{BoundedData, EvaluationBound, EvaluationBudget, EvaluationContext, MAX_SIZE, weigh},
    clock,
    compile::filter,
    error_trail, output_count,
    place::{SourceFile, place_in_source, word_at},
    surrogates, syntax, variables,
};

/// Number of outputs that one evaluation may have: more is an endless loop or a mistake.
const MAX_OUTPUTS: usize = 100_000;

/// A compiled jq expression. Clones share it; it can be run from any thread.
#[derive(Clone)]
pub struct Expression(Arc<CompiledExpression>);

struct CompiledExpression {
    source: String,
    filter: Filter<BoundedData>,
    /// The filter with marks that tell where an error is raised, made at the first error.
    marked: OnceLock<Option<Filter<BoundedData>>>,
    variables: Vec<&'static str>,
    clock: OnceLock<Option<TimeZone>>,
    file: Option<SourceFile>,
}

impl Expression {
    /// Compiles an expression. The error points at a byte of `source`.
    pub fn compile(source: &str) -> Result<Expression, CompileError> {
        Expression::compile_at(source, None)
    }

    /// Compiles an expression that stands in a file, so that its errors name places there.
    /// `place_of` gives the place in the file of a byte of the source; it is asked for those bytes
    /// at which words begin.
    pub fn compile_in(
        file: &str,
        source: &str,
        place_of: impl Fn(usize) -> ExpressionPlace,
    ) -> Result<Expression, CompileError> {
        Expression::compile_at(source, Some(SourceFile::new(file, source, place_of)))
    }

    fn compile_at(source: &str, file: Option<SourceFile>) -> Result<Expression, CompileError> {
        let variables = variables::used_in(source);
        let filter = filter(source, &variables, |_, _, _| {})?;
        let (source, marked, clock) = (source.to_owned(), OnceLock::new(), OnceLock::new());
        Ok(Expression(Arc::new(CompiledExpression {
            source,
            filter,
            marked,
            variables,
            clock,
            file,
        })))
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// True where it uses a variable, named without its dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        self.0.variables.contains(&name)
    }

    /// The time zone, written out in it, in whose clock it reads times, if there is one.
    pub fn clock(&self) -> Option<&TimeZone> {
        self.0
            .clock
            .get_or_init(|| clock::of(&self.0.source))
            .as_ref()
    }

    /// True where it is only a path to fields and elements, such as `.data.items[]`, so that its
    /// outputs are everything that stands there.
    pub fn is_path(&self) -> bool {
        let mut in_text = false;
        let plain = |c: char| {
            in_text ^= c == '"';
            in_text || c.is_alphanumeric() || "._[]\"?".contains(c)
        };
        let source = self.0.source.trim();
        source.starts_with('.')
            && source.chars().all(plain)
            && !source.contains("..")
            && !source.contains("[.")
    }

    /// True where it has one output at most, whatever its input. Where that does not follow from
    /// how it is written, it counts as one that may have several.
    pub fn has_at_most_one_output(&self) -> bool {
        let arena = Arena::default();
        let source = surrogates::hidden(self.source(), &arena);
        syntax::parse(source, &arena).is_ok_and(|term| output_count::is_at_most_one(&term))
    }

    /// True where it may read its input. An expression that is one variable does not.
    pub fn needs_input(&self) -> bool {
        let name = self.0.source.trim().strip_prefix('$');
        !name.is_some_and(|name| variables::NAMES.contains(&name))
    }

    /// All outputs. The first error is the error of the whole: outputs before it do not count.
    /// Exceeding a bound on steps, time or size is an error.
    pub fn outputs(
        &self,
        input: Value,
        variables: &Variables,
    ) -> Result<Vec<Value>, EvaluationError> {
        let budget = EvaluationBudget::new();
        let outputs = self.run(input.clone(), variables, &budget);
        let explained = |error| {
            if budget.is_spent() {
                error
            } else {
                self.explain(error, input, variables)
            }
        };
        outputs.map_err(explained).map_err(|error| EvaluationError {
            place: error.place.or_else(|| Some(self.begin())),
            ..error
        })
    }

    /// The place at which it begins, `file:line:column`: the place of errors that concern all of
    /// it.
    pub fn begin(&self) -> String {
        self.0
            .place(self.source().len() - self.source().trim_start().len())
    }

    /// The output of an expression that has exactly one.
    pub fn one(&self, input: Value, variables: &Variables) -> Result<Value, EvaluationError> {
        let mut outputs = self.outputs(input, variables)?;
        match (outputs.pop(), outputs.len()) {
            (Some(output), 0) => Ok(output),
            (None, _) => Err(EvaluationError::new("expected one output, found none")),
            (_, others) => Err(EvaluationError::new(format!(
                "expected one output, found {}",
                others + 1
            ))),
        }
    }

    /// The output of an expression that is a condition: true, or false or null.
    pub fn truth(&self, input: Value, variables: &Variables) -> Result<bool, EvaluationError> {
        match self.one(input, variables)? {
            Value::Bool(truth) => Ok(truth),
            Value::Null => Ok(false),
            _ => Err(EvaluationError::new("expected true or false")),
        }
    }

    pub(crate) fn run(
        &self,
        input: Value,
        variables: &Variables,
        budget: &EvaluationBudget,
    ) -> Result<Vec<Value>, EvaluationError> {
        self.0.run(&self.0.filter, input, variables, budget)
    }

    /// Adds to an error the place where it was raised, and the field that it was raised for.
    fn explain(
        &self,
        error: EvaluationError,
        input: Value,
        variables: &Variables,
    ) -> EvaluationError {
        let compiled = &*self.0;
        let mark = || filter(&compiled.source, &compiled.variables, error_trail::mark).ok();
        let marked = compiled.marked.get_or_init(mark);
        let (Some(marked), budget) = (marked, EvaluationBudget::new()) else {
            return error;
        };
        match compiled.run(marked, input, variables, &budget) {
            Err(again) if !budget.is_spent() => {
                let trail = budget.trail.take();
                let word = trail
                    .offset
                    .map_or("", |offset| word_at(&compiled.source, offset));
                let error = error.at(word, trail.input.unwrap_or("what came"));
                EvaluationError {
                    pointer: trail.pointer(),
                    place: trail.offset.map(|offset| compiled.place(offset)),
                    raised: again.raised.filter(|_| trail.is_raised),
                    ..error
                }
            }
            _ => error,
        }
    }
}

impl CompiledExpression {
    fn run(
        &self,
        filter: &Filter<BoundedData>,
        input: Value,
        variables: &Variables,
        budget: &EvaluationBudget,
    ) -> Result<Vec<Value>, EvaluationError> {
        let values = self.variables.iter().map(|name| variables.get(name));
        let evaluation = EvaluationContext {
            lut: &filter.lut,
            budget,
        };
        let context = Ctx::<BoundedData>::new(evaluation, Vars::new(values));
        let (mut outputs, mut size) = (Vec::new(), 0);
        for output in filter.id.run((context, input)) {
            if outputs.len() == MAX_OUTPUTS {
                return Err(EvaluationError::new(format!(
                    "more than {MAX_OUTPUTS} outputs"
                )));
            }
            let output = output.map_err(|exception| match exception.get_err() {
                Ok(error) => EvaluationError::of(error, &self.source),
                Err(_) => budget.error(),
            })?;
            // What leaves here is written and compared by others, who look at no bounds.
            size += weigh(&output).map_err(EvaluationError::exceeded)?;
            if size > MAX_SIZE {
                return Err(EvaluationError::exceeded(EvaluationBound::Size));
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// The place of a byte: in the file, or in the expression.
    fn place(&self, offset: usize) -> String {
        match &self.file {
            Some(file) => file.place_of(&self.source, offset),
            None => place_in_source(&self.source, offset),
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.0.source).finish()
    }
}

#[cfg(test)]
mod tests;
