//! YAML files as JSON values with places.

mod reader;
mod text_position;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use pomost_expression::{CompileError, Expression};
use saphyr::Marker;
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::reader::YamlReader;
use crate::Problem;

/// A YAML file as a JSON value in which every part has its place in the file.
#[derive(Debug)]
pub(crate) struct Document {
    file: PathBuf,
    source: Vec<char>,
    pub(crate) value: Value,
    places: HashMap<String, ValuePlace>,
}

/// The place of a value, and the place of its key.
#[derive(Debug, Clone, Copy)]
struct ValuePlace {
    value: Marker,
    key: Option<Marker>,
}

impl Document {
    /// Reads the source of a file. Problems name the file as `file`.
    pub(crate) fn parse(file: &Path, source: &[u8]) -> Result<Document, Problem> {
        let source = reader::text(file, source)?;
        let nodes = reader::nodes(file, source)?;
        let node = match nodes.as_slice() {
            [node] => node,
            [] => return Err(Problem::of_file(file, "the file is empty")),
            [_, second, ..] => {
                return Err(problem_at(
                    file,
                    second.span.start,
                    "expected one YAML document, found another one here",
                )
                .with_help("leave out the line '---' between them, or make two files"));
            }
        };
        let mut reading = YamlReader {
            file,
            places: HashMap::new(),
        };
        let value = reading.value(node, String::new(), None)?;
        let places = reading.places;
        Ok(Document {
            file: file.to_owned(),
            source: source.chars().collect(),
            value,
            places,
        })
    }

    /// A hash of the text.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.source.iter().collect::<String>()).into()
    }

    /// A problem with the value at a JSON pointer.
    pub(crate) fn problem(&self, pointer: &str, message: impl Into<String>) -> Problem {
        problem_at(&self.file, self.place(pointer).value, message)
    }

    /// A problem with the key at a JSON pointer.
    pub(crate) fn problem_with_key(&self, pointer: &str, message: impl Into<String>) -> Problem {
        let place = self.place(pointer);
        problem_at(&self.file, place.key.unwrap_or(place.value), message)
    }

    /// A problem with one byte of the text at a JSON pointer.
    pub(crate) fn problem_in_text(
        &self,
        pointer: &str,
        offset: usize,
        message: impl Into<String>,
    ) -> Problem {
        let text = self
            .value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default();
        let start = self.place(pointer).value;
        let index = text_position::index_of(&self.source, start.index(), text, offset);
        let before = &self.source[..index];
        let line_start = before
            .iter()
            .rposition(|&c| c == '\n')
            .map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|&&c| c == '\n').count();
        problem_at(
            &self.file,
            Marker::new(index, line, index - line_start),
            message,
        )
    }

    /// Compiles the expression at a JSON pointer. Its errors at run time name its place in this
    /// file.
    pub(crate) fn expression(
        &self,
        pointer: &str,
        source: &str,
    ) -> Result<Expression, CompileError> {
        Expression::compile_in(&self.file.to_string_lossy(), source, |offset| {
            let Problem { line, column, .. } = self.problem_in_text(pointer, offset, "");
            pomost_expression::ExpressionPlace {
                offset,
                line,
                column,
            }
        })
    }

    /// A problem with an expression that begins `shift` bytes into the text at a JSON pointer.
    pub(crate) fn problem_with_expression(
        &self,
        pointer: &str,
        shift: usize,
        error: CompileError,
    ) -> Problem {
        let problem = self.problem_in_text(pointer, shift + error.offset, error.message);
        Problem {
            help: error.help,
            ..problem
        }
    }

    /// The place of the value at a pointer, or of the nearest value around it.
    fn place(&self, pointer: &str) -> ValuePlace {
        let root = ValuePlace {
            value: Marker::new(0, 1, 0),
            key: None,
        };
        let holder = || {
            pointer
                .rsplit_once('/')
                .map_or(root, |(holder, _)| self.place(holder))
        };
        self.places.get(pointer).copied().unwrap_or_else(holder)
    }
}

fn problem_at(file: &Path, place: Marker, message: impl Into<String>) -> Problem {
    Problem {
        file: file.to_owned(),
        line: place.line(),
        column: place.col() + 1,
        message: message.into(),
        help: None,
    }
}
