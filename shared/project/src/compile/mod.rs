//! Compiling the files of a project: expressions, requests, schemas and references.

pub(crate) mod alerts;
mod auth;
mod batch;
mod cursor;
mod extract;
mod files;
pub(crate) mod flow;
mod load;
mod oauth2;
mod request;
mod schedule;
pub(crate) mod system;
mod table;
mod tls;
mod webhook;

use std::{
    path::{Component, Path},
    time::Duration,
};

use pomost_expression::{CompileError, Expression};
use pomost_models::text::JqExpression;

use crate::{Problem, Problems, document::Document, schema::RecordSchema};

/// What compiling one file needs, and where it puts what it finds wrong. Its methods return nothing
/// for what does not compile, and go on.
pub(crate) struct Compile<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) document: &'a Document,
    pub(crate) problems: &'a mut Problems,
    pub(crate) warnings: &'a mut Problems,
}

impl Compile<'_> {
    /// Notes what is wrong with the value at a JSON pointer.
    fn refuse(&mut self, pointer: &str, message: impl Into<String>) {
        self.problems.push(self.document.problem(pointer, message));
    }

    /// Notes what is wrong with the section whose key stands at a JSON pointer.
    fn refuse_key(&mut self, pointer: &str, message: impl Into<String>) {
        self.problems
            .push(self.document.problem_with_key(pointer, message));
    }

    /// Notes what is wrong with the section whose key stands at a JSON pointer, and what to do.
    fn refuse_key_with_help(
        &mut self,
        pointer: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = self.document.problem_with_key(pointer, message);
        self.problems.push(Problem {
            help: Some(help.into()),
            ..problem
        });
    }

    fn refuse_with_help(
        &mut self,
        pointer: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = self.document.problem(pointer, message);
        self.problems.push(Problem {
            help: Some(help.into()),
            ..problem
        });
    }

    fn warn(&mut self, pointer: &str, message: impl Into<String>) {
        self.warnings
            .push(self.document.problem_with_key(pointer, message));
    }

    fn refuse_expression(&mut self, pointer: &str, shift: usize, error: CompileError) {
        self.problems
            .push(self.document.problem_with_expression(pointer, shift, error));
    }

    /// Waiting for no time at all is never meant.
    fn check_not_zero(&mut self, pointer: &str, period: Option<Duration>) {
        if period == Some(Duration::ZERO) {
            self.refuse(pointer, "expected more than no time at all, such as 30s");
        }
    }

    /// The file's name for itself is to be the file's name.
    fn check_name(&mut self, pointer: &str, name: &str, file: &str) {
        if name != file {
            self.refuse(
                pointer,
                format!("the file is named '{file}', so this is to be '{file}' as well"),
            );
        }
    }

    fn expression(&mut self, pointer: &str, expression: &JqExpression) -> Option<Expression> {
        let compiled = self.document.expression(pointer, &expression.0);
        compiled
            .map_err(|error| self.refuse_expression(pointer, 0, error))
            .ok()
    }

    /// Nothing where there is none; the inner `None` where it does not compile.
    fn optional(
        &mut self,
        pointer: &str,
        expression: Option<&JqExpression>,
    ) -> Option<Option<Expression>> {
        match expression {
            Some(expression) => self.expression(pointer, expression).map(Some),
            None => Some(None),
        }
    }

    fn schema(&mut self, pointer: &str, path: Option<&String>) -> Option<Option<RecordSchema>> {
        let Some(path) = path else { return Some(None) };
        self.read_schema(pointer, path)
            .map_err(|problem| self.problems.push(problem))
            .ok()
            .map(Some)
    }

    fn read_schema(&self, pointer: &str, path: &str) -> Result<RecordSchema, Problem> {
        let inside = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            return Err(self
                .document
                .problem(pointer, format!("'{path}' leads out of the project")));
        }
        if !self.directory.join(path).is_file() {
            return Err(self
                .document
                .problem(pointer, format!("there is no file '{path}' in the project")));
        }
        RecordSchema::read(self.directory, Path::new(path))
    }
}

/// The name that was probably meant, as help.
fn nearest(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .min_by_key(|known| strsim::damerau_levenshtein(name, known));
    match nearest.filter(|known| strsim::jaro_winkler(name, known) > 0.8) {
        Some(nearest) => format!("did you mean '{nearest}'?"),
        None => format!("there are: {}", known.join(", ")),
    }
}

/// Nothing where there is no section; the inner `None` where it does not compile.
fn optional<S, T>(section: Option<S>, compile: impl FnOnce(S) -> Option<T>) -> Option<Option<T>> {
    match section {
        Some(section) => compile(section).map(Some),
        None => Some(None),
    }
}
