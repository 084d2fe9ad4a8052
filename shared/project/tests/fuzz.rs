//! Damaged projects: whatever is in the files, loading them ends in a project or in problems that
//! have places. `PROPTEST_CASES` says how many are tried; what once went wrong is kept beside this
//! file and in `corpus/`.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use pomost_project::{Project, environment::Environment, init};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};

/// The bytes and words of configuration files that mean something to a parser.
const PIECES: [&str; 32] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    "\n",
    "\t",
    "  ",
    "- ",
    "|",
    ">",
    "'",
    "\"",
    "\\",
    "#",
    "&a ",
    "*a",
    "!t ",
    "${",
    "null",
    "1e99",
    "---\n",
    "\u{feff}",
    "ż",
    "<<: *a",
    "${HOME}",
    "${file:/etc/passwd}",
    "{$key}",
    "def f: f; f",
    "../../x",
    "\u{0}",
    "? ",
];

/// A place in a file and how much is taken out there, by what is put in its place how often.
type Damage = (Index, usize, Vec<u8>, usize);

fn damage() -> impl Strategy<Value = Damage> {
    let piece = prop_oneof![
        (0..PIECES.len()).prop_map(|piece| PIECES[piece].as_bytes().to_vec()),
        vec(any::<u8>(), 0..4),
    ];
    (any::<Index>(), 0..12_usize, piece, 0..4_usize)
}

#[test]
fn a_damaged_project_is_loaded_or_has_problems_with_places() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let damages = (0..files.len(), vec(damage(), 1..4));
    // Each loads a whole project, so a quarter of the cases has to do.
    let config = ProptestConfig::with_source_file(file!());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: config.cases.div_ceil(4),
        ..config
    });
    let outcome = runner.run(&damages, |(file, damages)| {
        let (path, content) = &files[file];
        let mut damaged = content.clone();
        damages
            .into_iter()
            .for_each(|damage| apply(&mut damaged, damage));
        load_with(directory.path(), path, &damaged);
        fs::write(path, content).unwrap();
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn hostile_files_are_refused_with_places() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    for hostile in fs::read_dir(corpus).unwrap() {
        let hostile = fs::read(hostile.unwrap().path()).unwrap();
        for (path, content) in &files {
            load_with(directory.path(), path, &hostile);
            fs::write(path, content).unwrap();
        }
    }
    assert!(Project::load(directory.path(), &Environment::of_process(directory.path())).is_ok());
}

/// Loads the project with another text in one of its files.
fn load_with(directory: &Path, path: &Path, text: &[u8]) {
    fs::write(path, text).unwrap();
    let Err(problems) = Project::load(directory, &Environment::of_process(directory)) else {
        return;
    };
    assert!(problems.iter().next().is_some());
    for problem in problems.iter() {
        assert!(!problem.file.as_os_str().is_empty(), "{problem}");
    }
}

fn apply(bytes: &mut Vec<u8>, (place, taken, piece, times): Damage) {
    let start = place.index(bytes.len() + 1);
    let end = (start + taken).min(bytes.len());
    bytes.splice(start..end, piece.repeat(times));
}

/// The files of a new project that are read as YAML or JSON.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let is_read = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "yaml" || extension == "json")
    };
    let written = init(directory).unwrap().into_iter().filter(is_read);
    written
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}
