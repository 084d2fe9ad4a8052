//! Reading YAML into JSON values with places.

use std::{collections::HashMap, path::Path};

use pomost_expression::pointer_part;
use saphyr::{MarkedYaml, Marker, Scalar, ScanError, YamlData, YamlLoader};
use saphyr_parser::{Event, Parser, SpannedEventReceiver};
use serde_json::{Map, Number, Value};

use super::{ValuePlace, problem_at};
use crate::Problem;

/// The deepest nesting of a file. Nothing in a project comes near it, and readers recurse.
const MAX_DEPTH: usize = 32;

pub(super) fn text<'s>(file: &Path, source: &'s [u8]) -> Result<&'s str, Problem> {
    let without_mark = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    std::str::from_utf8(without_mark).map_err(|error| {
        let before = String::from_utf8_lossy(&without_mark[..error.valid_up_to()]);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let place = Marker::new(0, 1 + before.matches('\n').count(), line.chars().count());
        problem_at(file, place, "not UTF-8").with_help("save the file as UTF-8")
    })
}

/// Reads the documents of a file. Aliases are refused: a value is meant to stand where it is used,
/// and a few lines of aliases can expand without end.
pub(super) fn nodes<'s>(file: &Path, source: &'s str) -> Result<Vec<MarkedYaml<'s>>, Problem> {
    let mut loader = YamlLoader::<MarkedYaml<'s>>::default();
    let mut depth = 0;
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|error| not_yaml(file, &error))?;
        match event {
            Event::Alias(_) => {
                return Err(
                    problem_at(file, span.start, "YAML aliases are not used here")
                        .with_help("write the value out"),
                );
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(problem_at(
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
    let problem = |message: &str| problem_at(file, *error.marker(), message);
    match error.info() {
        "duplicated key in mapping" => {
            problem("the key occurs here for the second time").with_help("leave one of the two")
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

/// Converts the nodes of a file into values, and notes their places.
pub(super) struct YamlReader<'a> {
    pub(super) file: &'a Path,
    pub(super) places: HashMap<String, ValuePlace>,
}

impl YamlReader<'_> {
    pub(super) fn value(
        &mut self,
        node: &MarkedYaml<'_>,
        pointer: String,
        key: Option<Marker>,
    ) -> Result<Value, Problem> {
        self.places.insert(
            pointer.clone(),
            ValuePlace {
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
                problem_at(self.file, node.span.start, "YAML tags are not used here")
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
                    number
                        .ok_or_else(|| problem_at(self.file, place, "expected a finite number"))?,
                )
            }
            Scalar::String(text) => Value::String(text.clone().into_owned()),
        })
    }

    fn name(&self, key: &MarkedYaml<'_>) -> Result<String, Problem> {
        match &key.data {
            YamlData::Value(Scalar::String(name)) => Ok(name.clone().into_owned()),
            _ => Err(problem_at(
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
