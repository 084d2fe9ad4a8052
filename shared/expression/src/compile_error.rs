//! The errors of compiling an expression.

use jaq_core::{
    compile::{self, Undefined},
    load::{
        lex::{self, Token},
        parse,
    },
};

use crate::{functions, syntax, variables};

/// An expression that is not jq as flows have it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// The byte of the source that the error is about.
    pub offset: usize,
    pub message: String,
    /// The word that may have been meant, or what to write instead.
    pub help: Option<String>,
}

pub(crate) fn modules_error(source: &str, word: &str) -> CompileError {
    at(source, word, "modules cannot be imported".into())
}

pub(crate) fn lex_error(source: &str, errors: Vec<lex::Error<&str>>) -> CompileError {
    let Some((expected, place)) = errors.into_iter().next() else {
        return not_jq(source);
    };
    let what = match &expected {
        lex::Expect::Delim(open) => return at(source, open, format!("'{open}' is not closed")),
        expected => expected.as_str(),
    };
    at(source, place, format!("expected {what}"))
}

pub(crate) fn parse_error(source: &str, errors: Vec<parse::TError<'_, &str>>) -> CompileError {
    let Some((expected, found)) = errors.into_iter().next() else {
        return not_jq(source);
    };
    let message = match expected {
        parse::Expect::Nothing => "expected nothing more".into(),
        parse::Expect::Term => "expected an expression".into(),
        expected => format!("expected {}", expected.as_str()),
    };
    at(source, Token::opt_as_str(found, source), message)
}

pub(crate) fn literal_error(source: &str, function: &str, message: String) -> CompileError {
    at(source, function, message)
}

pub(crate) fn compile_error(source: &str, errors: compile::Errors<&str, ()>) -> CompileError {
    let undefined = errors.into_iter().flat_map(|(_, errors)| errors).next();
    match undefined {
        Some((name, Undefined::Var)) => {
            let names = variables::NAMES.map(|name| format!("${name}"));
            let help = nearest(name, names.iter().map(String::as_str));
            CompileError {
                help,
                ..at(source, name, format!("there is no variable {name}"))
            }
        }
        Some((name, what)) => {
            let help = nearest(name, functions::names());
            CompileError {
                help,
                ..at(
                    source,
                    name,
                    format!("there is no {} '{name}'", function_or(&what)),
                )
            }
        }
        None => not_jq(source),
    }
}

fn not_jq(source: &str) -> CompileError {
    at(source, source, "not jq".into())
}

fn function_or(what: &Undefined) -> &'static str {
    match what {
        Undefined::Filter(_) => "function",
        other => other.as_str(),
    }
}

fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let by_likeness = names.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, known) = by_likeness.min()?;
    (distance > 0 && distance * 3 <= name.len()).then(|| format!("did you mean '{known}'?"))
}

fn at(source: &str, place: &str, message: String) -> CompileError {
    let offset = syntax::offset_of(source, place).unwrap_or(source.len());
    CompileError {
        offset,
        message,
        help: None,
    }
}
