//! The project's `.env`: variables beside the variables of the process.

use std::{
    collections::HashMap,
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use crate::Problem;

const FILE: &str = ".env";

/// Variables by name.
type Variables = HashMap<String, String>;

/// Reads the variables of a project's `.env`, and its problems.
///
/// A missing file has no variables, but a file that cannot be read is a problem. Each line is
/// `NAME=value`. `export` before it, quotes around the value and `#` comments are allowed. Problems
/// do not quote the file.
pub(crate) fn read(directory: &Path) -> (Variables, Vec<Problem>) {
    match content(&directory.join(FILE)) {
        Ok(content) => variables(&content),
        Err(problem) => (Variables::new(), vec![problem]),
    }
}

fn content(path: &Path) -> Result<String, Problem> {
    let bytes = match fs::read(path) {
        Err(error) if is_missing(path, &error) => return Ok(String::new()),
        read => read.map_err(|error| {
            let problem = Problem::of_file(Path::new(FILE), format!("cannot be read: {error}"));
            problem.with_help(
                "let this user read it, or remove it and set its variables in the environment",
            )
        })?,
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        problem(line, "not UTF-8", "save the file in UTF-8")
    })?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

/// A symbolic link that leads nowhere counts as a file that cannot be read.
fn is_missing(path: &Path, error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err()
}

fn variables(text: &str) -> (Variables, Vec<Problem>) {
    let (mut variables, mut problems) = (Variables::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        match variable(line.trim()) {
            Ok(variable) => variables.extend(variable),
            Err((message, help)) => problems.push(problem(number + 1, message, help)),
        }
    }
    (variables, problems)
}

/// The variable of a line, if it has one. The error is a message and a help.
fn variable(line: &str) -> Result<Option<(String, String)>, (&'static str, &'static str)> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or((NOT_A_VARIABLE, ON_ONE_LINE))?;
    let name = name.trim();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '#') {
        return Err((NOT_A_VARIABLE, ON_ONE_LINE));
    }
    Ok(Some((name.to_owned(), unquoted(value.trim())?)))
}

const NOT_A_VARIABLE: &str = "expected NAME=value or a comment that begins with '#'";
const ON_ONE_LINE: &str = "a value stands on one line; longer ones belong in a file, ${file:PATH}";

/// The value without quotes and without the comment after it. The closing quote is the first one
/// with nothing but a comment after it.
fn unquoted(value: &str) -> Result<String, (&'static str, &'static str)> {
    let Some(quote) = value
        .chars()
        .next()
        .filter(|first| ['"', '\''].contains(first))
    else {
        return Ok(value
            .split(" #")
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned());
    };
    let inner = &value[1..];
    let ends = |rest: &str| rest.trim_start().is_empty() || rest.trim_start().starts_with('#');
    let end = inner
        .match_indices(quote)
        .find(|(at, _)| ends(&inner[at + 1..]));
    let (end, _) = end.ok_or(("a quote opens the value and none closes it", ON_ONE_LINE))?;
    Ok(inner[..end].to_owned())
}

fn problem(line: usize, message: &str, help: &str) -> Problem {
    let problem = Problem::of_file(Path::new(FILE), message).with_help(help);
    Problem {
        line,
        column: 1,
        ..problem
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The problems of a `.env` with these bytes.
    fn reported(content: &[u8]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), content).unwrap();
        read(directory.path())
            .1
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn dot_env_knows_quotes_comments_and_export() {
        let text = "# a comment\nA=1\nexport B = \"two # 2\"\nC='$x' # it's \"c\"\nD=a=b # d\n\nE=\"{\"f\":\"g\"}\"\r\nF=\n";
        let (variables, problems) = variables(text);
        let value = |name: &str| variables.get(name).map(String::as_str);
        assert_eq!(
            ["A", "B", "C", "D"].map(value),
            [Some("1"), Some("two # 2"), Some("$x"), Some("a=b")]
        );
        assert_eq!(
            ["E", "F", "G"].map(value),
            [Some("{\"f\":\"g\"}"), Some(""), None]
        );
        assert_eq!((variables.len(), problems), (6, vec![]));
    }

    #[test]
    fn a_dot_env_that_is_not_there_has_no_variables_and_no_problems() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()), (Variables::new(), vec![]));
    }

    #[test]
    fn a_dot_env_that_cannot_be_read_is_a_problem() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(FILE)).unwrap();
        let (_, problems) = read(directory.path());
        assert!(
            problems[0]
                .to_string()
                .starts_with(".env: cannot be read: "),
            "{}",
            problems[0]
        );
        assert!(
            problems[0]
                .help
                .as_ref()
                .unwrap()
                .contains("let this user read it")
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_dot_env_that_leads_to_nowhere_is_a_problem() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", directory.path().join(FILE)).unwrap();
        assert!(
            read(directory.path()).1[0]
                .to_string()
                .starts_with(".env: cannot be read: ")
        );
    }

    #[test]
    fn a_line_that_is_no_variable_is_a_problem_with_its_place_and_without_its_content() {
        let lines = "A=1\nhunter2\n=hunter2\nB=\"hunter2\nMY NAME=hunter2\nexport hunter2\n";
        let reported = reported(lines.as_bytes());
        let places: Vec<&str> = reported
            .iter()
            .map(|reported| reported.split(": ").next().unwrap())
            .collect();
        assert_eq!(
            places,
            [".env:2:1", ".env:3:1", ".env:4:1", ".env:5:1", ".env:6:1"]
        );
        assert!(
            reported
                .iter()
                .all(|reported| !reported.contains("hunter2")),
            "{reported:?}"
        );
        assert!(
            reported[0].contains("expected NAME=value") && reported[2].contains("none closes it"),
            "{reported:?}"
        );
    }

    #[test]
    fn a_dot_env_in_another_charset_is_a_problem_in_the_line_where_that_shows() {
        assert_eq!(
            reported(b"A=1\nB=\xbf\xf3\n"),
            [".env:2:1: not UTF-8\n    help: save the file in UTF-8"]
        );
        assert_eq!(reported("\u{feff}A=1\n".as_bytes()), Vec::<String>::new());
    }
}
