//! What says which records of a batch are in which of its files: the files themselves need not.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use pomost_models::Record;
use sha2::{Digest, Sha256};

use super::place::{put, sync};

/// Beside the files, where programs that read those do not look.
const DIRECTORY: &str = ".written";

/// How much of a hash tells the files of one batch apart.
const NAME: usize = 16;

/// The notes of a batch: one for each of its files, with its name and the marks of all its records.
pub(super) struct Notes {
    directory: PathBuf,
}

impl Notes {
    pub(super) fn in_directory(directory: &Path, batch: &str) -> Notes {
        Notes {
            directory: directory.join(DIRECTORY).join(batch),
        }
    }

    /// The marks in those files that are there.
    pub(super) fn marks_where(
        &self,
        is_there: impl Fn(&str) -> bool,
    ) -> io::Result<HashSet<String>> {
        let notes = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
            notes => notes?,
        };
        let mut marks = HashSet::new();
        for note in notes {
            let note = note?;
            if note.file_name().to_str().is_some_and(&is_there) {
                marks.extend(fs::read_to_string(note.path())?.lines().map(str::to_owned));
            }
        }
        Ok(marks)
    }

    /// Notes the marks of a file; returns its name, which is made of them: other records never take it.
    pub(super) fn put(&self, marks: &[&str]) -> io::Result<String> {
        fs::create_dir_all(&self.directory)?;
        let all = self.directory.parent();
        all.into_iter()
            .chain(all.and_then(Path::parent))
            .try_for_each(sync)?;
        let mut name = hash(marks);
        name.truncate(NAME);
        put(
            &self.directory.join(&name),
            (marks.join("\n") + "\n").as_bytes(),
        )?;
        Ok(name)
    }
}

/// What tells a record from others that come in the same batch, or in its place when the page is read
/// again: its key, its data, and its version. One whose source gives no versions has another each time
/// that it is read, so its slot stands in for that.
pub(super) fn mark(record: &Record) -> String {
    let slot = record.slot.to_string();
    let version = if record.version.is_of_extraction() {
        &slot
    } else {
        record.version.as_str()
    };
    hash(&[&record.key, version, record.data.get()])
}

/// In hexadecimal digits. The lengths keep the parts apart.
fn hash(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
