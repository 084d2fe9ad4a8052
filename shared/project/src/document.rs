//! A YAML file as a JSON value whose every part has its place in the file.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, YamlData};
use serde_json::{Map, Value};

use crate::Problem;

/// A YAML file as a JSON value whose every part has its place in the file.
#[derive(Debug)]
pub(crate) struct Document {
    file: PathBuf,
    source: String,
    /// The content.
    pub(crate) value: Value,
    places: HashMap<String, Place>,
}

/// Where a value stands, and the key before it, if it has one.
#[derive(Debug, Clone, Copy)]
struct Place {
    value: Marker,
    key: Option<Marker>,
}

impl Document {
    /// Reads the source of a file, which is named as problems are to name it.
    pub(crate) fn parse(file: &Path, source: String) -> Result<Document, Problem> {
        let nodes = MarkedYaml::load_from_str(&source).map_err(|error| {
            let message = format!("not YAML: {}", error.info());
            at(file, *error.marker(), message)
        })?;
        let start = Marker::new(0, 1, 0);
        let [node] = nodes.as_slice() else {
            return Err(at(file, start, format!("expected one YAML document, found {}", nodes.len())));
        };
        let mut reading = Reading { file, places: HashMap::new() };
        let value = reading.value(node, String::new(), None)?;
        let places = reading.places;
        Ok(Document { file: file.to_owned(), source, value, places })
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

    /// A problem with a byte of the text at a JSON pointer.
    pub(crate) fn problem_in_text(
        &self,
        pointer: &str,
        offset: usize,
        message: impl Into<String>,
    ) -> Problem {
        let text = self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let before = text.get(..offset).unwrap_or(text);
        let (lines, column) =
            (before.matches('\n').count(), before.rsplit('\n').next().unwrap_or_default().chars().count());
        let start = self.place(pointer).value;
        let mut problem = at(&self.file, start, message);
        match self.source.chars().nth(start.index()) {
            Some('|') => {
                problem.line += 1 + lines;
                problem.column = self.indentation_below(start.line()) + column + 1;
            }
            Some('"' | '\'') => problem.column += 1 + column,
            Some('>') => {}
            _ => problem.column += column,
        }
        problem
    }

    /// The place of a pointer, or of the nearest thing that holds it.
    fn place(&self, pointer: &str) -> Place {
        let root = Place { value: Marker::new(0, 1, 0), key: None };
        let holder = || pointer.rsplit_once('/').map_or(root, |(holder, _)| self.place(holder));
        self.places.get(pointer).copied().unwrap_or_else(holder)
    }

    fn indentation_below(&self, line: usize) -> usize {
        let mut below = self.source.lines().skip(line);
        let first = below.find(|line| !line.trim().is_empty()).unwrap_or_default();
        first.len() - first.trim_start().len()
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
        self.places.insert(pointer.clone(), Place { value: node.span.start, key });
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
                    let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                    map.insert(name, self.value(value, pointer, Some(key.span.start))?);
                }
                Ok(Value::Object(map))
            }
            _ => Err(at(
                self.file,
                node.span.start,
                "expected a plain value; tags and aliases are not used here",
            )),
        }
    }

    fn scalar(&self, scalar: &Scalar<'_>, place: Marker) -> Result<Value, Problem> {
        Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(truth) => Value::Bool(*truth),
            Scalar::Integer(integer) => (*integer).into(),
            Scalar::FloatingPoint(float) => {
                let number = serde_json::Number::from_f64(float.into_inner());
                Value::Number(number.ok_or_else(|| at(self.file, place, "expected a finite number"))?)
            }
            Scalar::String(text) => Value::String(text.clone().into_owned()),
        })
    }

    fn name(&self, key: &MarkedYaml<'_>) -> Result<String, Problem> {
        match &key.data {
            YamlData::Value(Scalar::String(name)) => Ok(name.clone().into_owned()),
            _ => Err(at(self.file, key.span.start, "expected a name")),
        }
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
