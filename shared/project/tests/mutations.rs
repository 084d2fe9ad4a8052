//! Damaged projects: whatever is in the files, loading them ends in a project or in problems.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use pomost_project::{Project, environment::Environment, init};

const MUTATIONS: usize = 600;

/// What configuration files are made of: the bytes and words that mean something to a parser.
const PIECES: [&str; 24] = [
    "{", "}", "[", "]", ":", "\n", "\t", "  ", "- ", "|", ">", "'", "\"", "\\", "#", "&a ", "*a", "!t ",
    "${", "null", "1e99", "---\n", "\u{feff}", "ż",
];

#[test]
fn a_damaged_project_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let files = damageable_files(directory.path());
    let environment = Environment::of_process(directory.path());
    assert!(Project::load(directory.path(), &environment).is_ok());
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for _ in 0..MUTATIONS {
        let (path, content) = &files[dice.below(files.len())];
        let mut damaged = content.clone();
        for _ in 0..=dice.below(3) {
            damage(&mut damaged, &mut dice);
        }
        fs::write(path, &damaged).unwrap();
        if let Err(problems) = Project::load(directory.path(), &environment) {
            assert!(!problems.is_empty());
        }
        fs::write(path, content).unwrap();
    }
}

fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let start = dice.below(bytes.len() + 1);
    let end = (start + dice.below(12)).min(bytes.len());
    let piece: Vec<u8> = match dice.below(5) {
        0 => Vec::new(),
        1 => vec![dice.below(256) as u8],
        2 => bytes[start..end].repeat(1 + dice.below(4)),
        3 => bytes[..end].to_vec(),
        _ => PIECES[dice.below(PIECES.len())].as_bytes().repeat(1 + dice.below(3)),
    };
    bytes.splice(start..end, piece);
}

/// The files of a new project that are read as YAML or JSON.
fn damageable_files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let written = init(directory).unwrap();
    let read =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml" || extension == "json");
    written.into_iter().filter(read).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Random enough, and the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}
