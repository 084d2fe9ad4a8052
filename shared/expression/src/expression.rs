//! One jq expression.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use jaq_core::{
    Compiler, Ctx, Filter, Vars,
    load::{
        self, Arena, Loader,
        parse::{Def, Term},
    },
};
use jiff::tz::TimeZone;

use crate::{
    CompileError, EvaluationError, Value, Variables, arithmetic, bounds,
    brackets::Brackets,
    budget::{Bound, Budget, Data, Evaluation, MAX_SIZE, weigh},
    clock,
    error::compile_error,
    forms, functions, literals, output_count, recursion, surrogates, syntax, trail, variables,
};

/// The most outputs one evaluation may have: more is an endless loop or a mistake.
const MAX_OUTPUTS: usize = 100_000;

/// How deep brackets and texts may be nested in an expression: the compiler's stack bounds it.
const MAX_NESTING: usize = 128;

/// A compiled jq expression. Clones share it; it can be run from any thread.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: String,
    filter: Filter<Data>,
    /// The same with marks that tell where an error is raised, made at the first error.
    marked: OnceLock<Option<Filter<Data>>>,
    variables: Vec<&'static str>,
    clock: OnceLock<Option<TimeZone>>,
    file: Option<File>,
}

/// The file in which an expression stands, and the places of its words there.
struct File {
    name: String,
    places: Vec<ExpressionPlace>,
}

/// Where a byte of an expression stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpressionPlace {
    /// The byte of the expression.
    pub offset: usize,
    /// The line of the file, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
}

impl Expression {
    /// Compiles an expression. The error points at a byte of `source`.
    pub fn compile(source: &str) -> Result<Expression, CompileError> {
        Expression::compile_at(source, None)
    }

    /// The same of an expression in a file, so that its errors name the place there. `place_of` gives the places
    /// of bytes of the source; it is asked for those at which words begin.
    pub fn compile_in(
        file: &str,
        source: &str,
        place_of: impl Fn(usize) -> ExpressionPlace,
    ) -> Result<Expression, CompileError> {
        let places = words(source).map(place_of).collect();
        Expression::compile_at(
            source,
            Some(File {
                name: file.to_owned(),
                places,
            }),
        )
    }

    fn compile_at(source: &str, file: Option<File>) -> Result<Expression, CompileError> {
        let variables = variables::used_in(source);
        let filter = filter(source, &variables, |_, _, _| {})?;
        let (source, marked, clock) = (source.to_owned(), OnceLock::new(), OnceLock::new());
        Ok(Expression(Arc::new(Compiled {
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

    /// Whether it uses a variable, named without its dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        self.0.variables.contains(&name)
    }

    /// The time zone that is written out in it and whose clock it reads times of, if there is one.
    pub fn clock(&self) -> Option<&TimeZone> {
        self.0
            .clock
            .get_or_init(|| clock::of(&self.0.source))
            .as_ref()
    }

    /// Whether it is nothing but a path to fields and elements, `.data.items[]`: its outputs are what
    /// stands there, all of it.
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

    /// True where it has one output at most, whatever its input. Where that does not follow from how it is written, it
    /// counts as one that may have several.
    pub fn has_at_most_one_output(&self) -> bool {
        let arena = Arena::default();
        let source = surrogates::hidden(self.source(), &arena);
        syntax::parse(source, &arena).is_ok_and(|term| output_count::is_at_most_one(&term))
    }

    /// Whether it may read its input; an expression that is one variable does not.
    pub fn needs_input(&self) -> bool {
        let name = self.0.source.trim().strip_prefix('$');
        !name.is_some_and(|name| variables::NAMES.contains(&name))
    }

    /// All outputs. The first error is the error of the whole: no output before it counts. What takes
    /// too many steps, too long or too much room is an error.
    pub fn outputs(
        &self,
        input: Value,
        variables: &Variables,
    ) -> Result<Vec<Value>, EvaluationError> {
        let budget = Budget::new();
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

    /// Where it begins: the place of errors that concern all of it, `file:line:column`.
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
        budget: &Budget,
    ) -> Result<Vec<Value>, EvaluationError> {
        self.0.run(&self.0.filter, input, variables, budget)
    }

    /// Adds where in the expression an error was raised, and for which field.
    fn explain(
        &self,
        error: EvaluationError,
        input: Value,
        variables: &Variables,
    ) -> EvaluationError {
        let compiled = &*self.0;
        let mark = || filter(&compiled.source, &compiled.variables, trail::mark).ok();
        let marked = compiled.marked.get_or_init(mark);
        let (Some(marked), budget) = (marked, Budget::new()) else {
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

impl Compiled {
    fn run(
        &self,
        filter: &Filter<Data>,
        input: Value,
        variables: &Variables,
        budget: &Budget,
    ) -> Result<Vec<Value>, EvaluationError> {
        let values = self.variables.iter().map(|name| variables.get(name));
        let evaluation = Evaluation {
            lut: &filter.lut,
            budget,
        };
        let context = Ctx::<Data>::new(evaluation, Vars::new(values));
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
                return Err(EvaluationError::exceeded(Bound::Size));
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// The place of a byte: in the file, or in the expression.
    fn place(&self, offset: usize) -> String {
        let begin = |place: &ExpressionPlace| place.offset <= offset;
        match &self.file {
            Some(File { name, places }) => match places.iter().rfind(|place| begin(place)) {
                Some(ExpressionPlace {
                    offset: word,
                    line,
                    column,
                }) => {
                    let column = column + self.source[*word..offset].chars().count();
                    format!("{name}:{line}:{column}")
                }
                None => name.clone(),
            },
            None => {
                let before = &self.source[..offset];
                let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
                let (line, column) = (
                    before.matches('\n').count() + 1,
                    before[line_start..].chars().count() + 1,
                );
                format!("line {line}, column {column}")
            }
        }
    }
}

/// The name that stands at a byte of a source, or the path or sign.
fn word_at(source: &str, offset: usize) -> &str {
    let rest = &source[offset..];
    let end = rest
        .find(|c: char| !(c.is_alphanumeric() || "_@$.".contains(c)))
        .unwrap_or(rest.len());
    if end == 0 {
        rest.split_whitespace().next().unwrap_or_default()
    } else {
        &rest[..end]
    }
}

/// The bytes at which the words of a source begin.
fn words(source: &str) -> impl Iterator<Item = usize> {
    let begins =
        |(place, _): &(usize, char)| !source[..*place].ends_with(|c: char| !c.is_whitespace());
    source
        .char_indices()
        .filter(|(_, c)| !c.is_whitespace())
        .filter(begins)
        .map(|(place, _)| place)
}

/// Compiles a source, whose terms `change` may change before they are.
fn filter(
    source: &str,
    variables: &[&str],
    change: for<'s> fn(&'s str, &'s Arena, &mut Term<&'s str>),
) -> Result<Filter<Data>, CompileError> {
    refuse_deep_nesting(source)?;
    let arena = Arena::default();
    let source = surrogates::hidden(source, &arena);
    let mut term = syntax::parse(source, &arena)?;
    recursion::refuse(source, &mut term)?;
    literals::refuse(source, &mut term)?;
    change(source, &arena, &mut term);
    forms::replace(source, &arena, &mut term)?;
    arithmetic::make_exact(&mut term);
    bounds::bound(&mut term);
    let name = name_of(source);
    let modules = Loader::new(definitions(&name, term))
        .load(
            &arena,
            load::File {
                code: &name,
                path: (),
            },
        )
        .map_err(|_| CompileError {
            offset: 0,
            message: "not jq".into(),
            help: None,
        })?;
    let names: Vec<String> = variables.iter().map(|name| format!("${name}")).collect();
    Compiler::default()
        .with_funs(functions::all())
        .with_global_vars(names.iter().map(String::as_str))
        .compile(modules)
        .map_err(|errors| compile_error(source, errors))
}

/// jaq reads nested brackets by recursion, without a limit of its own.
fn refuse_deep_nesting(source: &str) -> Result<(), CompileError> {
    let mut brackets = Brackets::default();
    match source
        .bytes()
        .position(|byte| brackets.take(byte) > MAX_NESTING)
    {
        Some(offset) => Err(CompileError {
            offset,
            message: format!("nested deeper than {MAX_NESTING} levels"),
            help: None,
        }),
        None => Ok(()),
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.0.source).finish()
    }
}

/// The definitions of jq's standard library that are written in jq, and after them the expression itself, by a
/// name: jaq's loader takes terms in no other way.
fn definitions<'s>(name: &'s str, expression: Term<&'s str>) -> impl Iterator<Item = Def<&'s str>> {
    functions::definitions().chain([Def {
        name,
        args: Vec::new(),
        body: expression,
    }])
}

/// A name that a source does not have, so that it cannot call itself.
fn name_of(source: &str) -> String {
    let mut name = "expression".to_owned();
    while source.contains(&name) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{read, write};

    fn run(source: &str, input: &str) -> Result<Vec<String>, EvaluationError> {
        let expression = Expression::compile(source).unwrap();
        let outputs = expression.outputs(read(input.as_bytes()).unwrap(), &Variables::default())?;
        Ok(outputs
            .iter()
            .map(|output| write(output).unwrap())
            .collect())
    }

    fn refusal(source: &str) -> CompileError {
        Expression::compile(source).expect_err(source)
    }

    #[test]
    fn numbers_cross_digit_for_digit() {
        let input =
            r#"{"price":1.10,"id":9007199254740993,"big":123456789012345678901234567890,"e":1E+2}"#;
        assert_eq!(run(".", input).unwrap(), [input]);
        assert_eq!(
            run(".price, .id", input).unwrap(),
            ["1.10", "9007199254740993"]
        );
    }

    #[test]
    fn no_one_and_several_outputs_are_told_apart() {
        let one = |source: &str| {
            Expression::compile(source)
                .unwrap()
                .one(Value::Null, &Variables::default())
        };
        assert_eq!(write(&one("1").unwrap()).unwrap(), "1");
        assert!(one("empty").unwrap_err().message.contains("found none"));
        assert!(one("1, 2").unwrap_err().message.contains("found 2"));
    }

    #[test]
    fn a_path_is_told_from_what_leaves_something_out() {
        let is_path = |source: &str| Expression::compile(source).unwrap().is_path();
        for path in [
            ".",
            ".[]",
            ".rows[]",
            " .a.b[]?.c ",
            ".[\"a | b\"][]",
            ".groups[].items[]",
        ] {
            assert!(is_path(path), "{path}");
        }
        for other in [
            ".rows[] | select(.a)",
            ".[1:]",
            "..",
            "[.a]",
            ".[.a]",
            ".a, .b",
            "first(.[])",
            ".a[] as $x | $x",
        ] {
            assert!(!is_path(other), "{other}");
        }
    }

    #[test]
    fn an_expression_that_may_have_several_outputs_is_told_from_others() {
        let is_single = |source: &str| {
            Expression::compile(source)
                .unwrap()
                .has_at_most_one_output()
        };
        for single in [
            ".",
            "{ email: (.email | ascii_downcase), name: \"\\(.first) \\(.last)\" }",
            "select(.active) | { key, n: (.n // 0) }",
            ". as { a: $x, $y } | [.lines[] | .sku] | map(.[]) | { $x, $y, lines: . }",
            "def f($a): $a + 1; def g(h): h | f(2); g(.n)",
            "if .a then . elif .b then empty else error(\"no\") end",
            "reduce .lines[] as $line (0; . + $line.n)",
            ".lines[] |= (.a, .b) | .a.b += 1 | del(.c, .d) | with_entries(.value |= tostring)",
            "try (.a | tonumber) catch null",
            "{ tags: [.tags[]?], first: first(.lines[].n), some: any(.lines[]; .ok) }",
            "def range($n): $n; range(1)",
            "{ name: (.name | gsub(\"[ab]\"; \"\") | sub(\"c\"; \"d\")), id: getpath([\"a\", \"b\"]) }",
        ] {
            assert!(is_single(single), "{single}");
        }
        for several in [
            ".lines[]",
            ".lines[]?",
            "., .",
            "{ key, line: .lines[] }",
            ".lines | .[] | { n }",
            "range(.n)",
            ". as $row | range(.n) | { key: $row.key }",
            "select(.a, .b)",
            "\"\\(1, 2)\"",
            ".a = (1, 2)",
            "..",
            "def f: .[]; f",
            "def map(f): .[] | f; map(.a)",
            "def f(g): g; f(.[])",
            "if .a then .b[] else . end",
            "foreach .[] as $x (0; . + $x)",
            ". as [$a, {(\"x\", \"y\"): $b}] | $b",
            "limit(2; repeat(.))",
            ".[(0, 1)]",
        ] {
            assert!(!is_single(several), "{several}");
        }
    }

    #[test]
    fn an_error_after_an_output_is_an_error_of_the_whole() {
        assert!(run("1, error(\"no\")", "null").is_err());
    }

    #[test]
    fn only_the_variables_of_flows_are_known() {
        assert!(
            Expression::compile(
                "[$key, $version, $op, $id, $cursor, $page, $flow, $run, $headers]"
            )
            .is_ok()
        );
        let refused = refusal(". | $kye");
        assert_eq!(
            (refused.offset, refused.help.as_deref()),
            (4, Some("did you mean '$key'?"))
        );
    }

    #[test]
    fn a_variable_has_the_value_it_is_given() {
        let variables = Variables {
            key: Value::from("k".to_owned()),
            ..Variables::default()
        };
        let expression = Expression::compile("[$key, $id]").unwrap();
        assert_eq!(
            write(&expression.one(Value::Null, &variables).unwrap()).unwrap(),
            r#"["k",null]"#
        );
        assert!(expression.uses_variable("id") && !expression.uses_variable("run"));
    }

    #[test]
    fn what_reaches_outside_a_record_is_not_there() {
        for source in [
            "env",
            "$ENV",
            "input",
            "inputs",
            "halt",
            "halt_error",
            "debug",
            "stderr",
            "now",
            "import \"a\" as a; .",
        ] {
            assert!(Expression::compile(source).is_err(), "{source}");
        }
    }

    #[test]
    fn a_mistake_is_placed_and_a_near_name_is_proposed() {
        let refused = refusal("{a: .b | downcsae}");
        assert_eq!(
            (refused.offset, refused.help.as_deref()),
            (9, Some("did you mean 'downcase'?"))
        );
        assert_eq!(refusal("{a: }").offset, 4);
        assert_eq!(refusal(".a | (.b").offset, 5);
    }

    #[test]
    fn an_expression_cannot_call_itself() {
        for source in [
            "expression",
            "expression_",
            "{a: expression, b: expression_}",
            "def f: expression; f",
        ] {
            assert!(Expression::compile(source).is_err(), "{source}");
        }
        assert_eq!(run("def expression: 1; expression", "null").unwrap(), ["1"]);
    }

    #[test]
    fn a_definition_that_calls_itself_is_refused() {
        let own = [
            "def f: 1 + f; f",
            "def f: def g: f; g; f",
            "def f: def g: g; g; f",
        ];
        for source in own.into_iter().chain([
            "def f: {f: f}; f",
            "def f: {(f): 1}; f",
            "def f: \"\\(f)\"; f",
        ]) {
            assert!(refusal(source).message.contains("calls itself"), "{source}");
        }
        for source in [
            "def a: 1; def b: a; b + a",
            "def f: .f; f",
            "def f: {f: 1, g: .f}; f",
            "def f: 1; def g: def f: 2; f; g",
            "def f: def f: 3; f; f",
            "def f(f): f; f(1)",
        ] {
            assert!(Expression::compile(source).is_ok(), "{source}");
        }
    }

    #[test]
    fn many_definitions_are_followed_quickly() {
        let next = |number: i32| format!("def f{}: f{number} + f{number};", number + 1);
        let source = format!("def f0: 1; {} f0", (0..60).map(next).collect::<String>());
        assert!(Expression::compile(&source).is_ok());
    }

    #[test]
    fn deep_nesting_is_refused_before_it_overflows_the_stack() {
        assert!(refusal(&"(".repeat(200_000)).message.contains("nested"));
        assert!(refusal(&"\"\\(".repeat(200_000)).message.contains("nested"));
    }

    #[test]
    fn errors_name_types_and_never_values() {
        let input = r#"{"a":"geheim","b":[1,2],"c":null}"#;
        let message = |source: &str| run(source, input).unwrap_err().message;
        assert_eq!(message(".a | .x"), "cannot index text with \"x\"");
        assert_eq!(message(".a + 1"), "cannot calculate text + number");
        assert_eq!(
            message(".b | ascii_downcase"),
            "cannot use an array as string"
        );
        assert_eq!(message("error(\"no such status\")"), "no such status");
        for source in [
            "error(.a)",
            ".b | error",
            ".a | tonumber",
            ".a | fromjson",
            ".a | todate",
            ".a as $format | \"1\" | date($format)",
            "error(\"\\u0001\" + .a)",
            ".a as $x | {} | .[$x]?, error",
        ] {
            assert!(
                !message(source).contains("geheim"),
                "{source}: {}",
                message(source)
            );
        }
    }

    #[test]
    fn the_field_that_fails_is_pointed_at() {
        let pointer = |source: &str| run(source, r#"{"a":"x","n":1}"#).unwrap_err().pointer;
        assert_eq!(
            pointer("{ok: .n, bad: (.a | tonumber)}").as_deref(),
            Some("/bad")
        );
        assert_eq!(
            pointer("def f: tonumber; .a as $a | {n, \"in/ner\": {deep: ($a | f)}}").as_deref(),
            Some("/in~1ner/deep")
        );
        assert_eq!(pointer(".a | tonumber"), None);
        assert_eq!(pointer("(.a | tonumber) as $a | {n, $a}"), None);
    }

    #[test]
    fn a_conversion_that_does_not_convert_is_an_error() {
        for input in [
            "\"12,5\"",
            "\"12 zl\"",
            "\"0x10\"",
            "\"\"",
            "\"NaN\"",
            "\" 1\"",
            "null",
            "[]",
        ] {
            assert!(run("tonumber", input).is_err(), "{input}");
        }
        assert_eq!(run("tonumber", "\"1.10\"").unwrap(), ["1.10"]);
        assert_eq!(
            run("tonumber", "\"9007199254740993\"").unwrap(),
            ["9007199254740993"]
        );
    }

    #[test]
    fn endless_outputs_are_cut_off() {
        assert!(
            run("repeat(1)", "null")
                .unwrap_err()
                .message
                .contains("outputs")
        );
    }
}
