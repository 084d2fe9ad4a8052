//! YAML files as JSON values with places.

mod written;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use pomost_expression::{CompileError, Expression, pointer_part};
use saphyr::{MarkedYaml, Marker, Scalar, ScanError, YamlData, YamlLoader};
use saphyr_parser::{Event, Parser, SpannedEventReceiver};
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use crate::Problem;

/// The deepest nesting of a file. Nothing in a project comes near it, and readers recurse.
const MAX_DEPTH: usize = 32;

/// A YAML file as a JSON value in which every part has its place in the file.
#[derive(Debug)]
pub(crate) struct Document {
    file: PathBuf,
    source: Vec<char>,
    pub(crate) value: Value,
    places: HashMap<String, Place>,
}

/// The place of a value, and the place of its key.
#[derive(Debug, Clone, Copy)]
struct Place {
    value: Marker,
    key: Option<Marker>,
}

impl Document {
    /// Reads the source of a file. Problems name the file as `file`.
    pub(crate) fn parse(file: &Path, source: &[u8]) -> Result<Document, Problem> {
        let source = text(file, source)?;
        let nodes = nodes(file, source)?;
        let node = match nodes.as_slice() {
            [node] => node,
            [] => return Err(Problem::of_file(file, "the file is empty")),
            [_, second, ..] => {
                return Err(at(
                    file,
                    second.span.start,
                    "expected one YAML document, found another one here",
                )
                .with_help("leave out the line '---' between them, or make two files"));
            }
        };
        let mut reading = Reading {
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
        at(&self.file, self.place(pointer).value, message)
    }

    /// A problem with the key at a JSON pointer.
    pub(crate) fn problem_with_key(&self, pointer: &str, message: impl Into<String>) -> Problem {
        let place = self.place(pointer);
        at(&self.file, place.key.unwrap_or(place.value), message)
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
        let index = written::index_of(&self.source, start.index(), text, offset);
        let before = &self.source[..index];
        let line_start = before
            .iter()
            .rposition(|&c| c == '\n')
            .map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|&&c| c == '\n').count();
        at(
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
    fn place(&self, pointer: &str) -> Place {
        let root = Place {
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

fn text<'s>(file: &Path, source: &'s [u8]) -> Result<&'s str, Problem> {
    let without_mark = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    std::str::from_utf8(without_mark).map_err(|error| {
        let before = String::from_utf8_lossy(&without_mark[..error.valid_up_to()]);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let place = Marker::new(0, 1 + before.matches('\n').count(), line.chars().count());
        at(file, place, "not UTF-8").with_help("save the file as UTF-8")
    })
}

/// Reads the documents of a file. Aliases are refused: a value is meant to stand where it is used,
/// and a few lines of aliases can expand without end.
fn nodes<'s>(file: &Path, source: &'s str) -> Result<Vec<MarkedYaml<'s>>, Problem> {
    let mut loader = YamlLoader::<MarkedYaml<'s>>::default();
    let mut depth = 0;
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|error| not_yaml(file, &error))?;
        match event {
            Event::Alias(_) => {
                return Err(at(file, span.start, "YAML aliases are not used here")
                    .with_help("write the value out"));
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(at(
                file,
                span.start,
                format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        loader.on_event(event, span);
        if let Some(error) = loader.error() {
            return Err(not_yaml(file, error));
        }
    }
    Ok(loader.into_documents())
}

fn not_yaml(file: &Path, error: &ScanError) -> Problem {
    let problem = |message: &str| at(file, *error.marker(), message);
    match error.info() {
        "duplicated key in mapping" => {
            problem("the key stands here for the second time").with_help("leave one of the two")
        }
        info if info.contains("mapping values are not allowed") => problem(
            "not YAML: a colon is not expected here",
        )
        .with_help(
            "the keys of one section begin in one column; text with ': ' in it goes into quotes",
        ),
        info => problem(&format!("not YAML: {info}")),
    }
}

struct Reading<'a> {
    file: &'a Path,
    places: HashMap<String, Place>,
}

impl Reading<'_> {
    fn value(
        &mut self,
        node: &MarkedYaml<'_>,
        pointer: String,
        key: Option<Marker>,
    ) -> Result<Value, Problem> {
        self.places.insert(
            pointer.clone(),
            Place {
                value: node.span.start,
                key,
            },
        );
        match &node.data {
            YamlData::Value(scalar) => self.scalar(scalar, node.span.start),
            YamlData::Sequence(items) => {
                let item = |(number, item)| self.value(item, format!("{pointer}/{number}"), None);
                items.iter().enumerate().map(item).collect()
            }
            YamlData::Mapping(fields) => {
                let mut map = Map::new();
                for (key, value) in fields {
                    let name = self.name(key)?;
                    let pointer = format!("{pointer}{}", pointer_part(&name));
                    map.insert(name, self.value(value, pointer, Some(key.span.start))?);
                }
                Ok(Value::Object(map))
            }
            _ => Err(
                at(self.file, node.span.start, "YAML tags are not used here")
                    .with_help("leave the '!…' out"),
            ),
        }
    }

    fn scalar(&self, scalar: &Scalar<'_>, place: Marker) -> Result<Value, Problem> {
        Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(truth) => Value::Bool(*truth),
            Scalar::Integer(integer) => (*integer).into(),
            Scalar::FloatingPoint(float) => {
                let number = number(float.into_inner());
                Value::Number(
                    number.ok_or_else(|| at(self.file, place, "expected a finite number"))?,
                )
            }
            Scalar::String(text) => Value::String(text.clone().into_owned()),
        })
    }

    fn name(&self, key: &MarkedYaml<'_>) -> Result<String, Problem> {
        match &key.data {
            YamlData::Value(Scalar::String(name)) => Ok(name.clone().into_owned()),
            _ => Err(at(
                self.file,
                key.span.start,
                "expected a name before the colon",
            )
            .with_help("names that look like numbers, true or null go into quotes")),
        }
    }
}

/// 1e2 is the whole number 100 in JSON Schema, so it is one here.
fn number(float: f64) -> Option<Number> {
    let whole = float.fract() == 0.0 && float.abs() < 2_f64.powi(53);
    if whole {
        Some((float as i64).into())
    } else {
        Number::from_f64(float)
    }
}

fn at(file: &Path, place: Marker, message: impl Into<String>) -> Problem {
    Problem {
        file: file.to_owned(),
        line: place.line(),
        column: place.col() + 1,
        message: message.into(),
        help: None,
    }
}
