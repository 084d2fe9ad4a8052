//! What says which records of a batch are in which of its files: the records themselves need not.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::place::{put, sync};

/// Beside the files, where programs that read those do not look.
const DIRECTORY: &str = ".written";

/// The notes of a batch: one for each of its files, named by the file's first slot, with all its slots.
pub(super) struct Notes {
    directory: PathBuf,
}

impl Notes {
    pub(super) fn in_directory(directory: &Path, batch: &str) -> Notes {
        Notes { directory: directory.join(DIRECTORY).join(batch) }
    }

    /// The slots in those files that are there.
    pub(super) fn slots_where(&self, is_there: impl Fn(u32) -> bool) -> io::Result<HashSet<u32>> {
        let notes = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
            notes => notes?,
        };
        let mut slots = HashSet::new();
        for note in notes {
            let note = note?;
            let first = note.file_name().to_str().and_then(|name| name.parse().ok());
            if first.is_some_and(&is_there) {
                slots.extend(
                    fs::read_to_string(note.path())?.lines().filter_map(|line| line.parse::<u32>().ok()),
                );
            }
        }
        Ok(slots)
    }

    /// Notes the slots of a file.
    pub(super) fn put(&self, first: u32, slots: &[u32]) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let all = self.directory.parent();
        all.into_iter().chain(all.and_then(Path::parent)).try_for_each(sync)?;
        let lines: String = slots.iter().map(|slot| format!("{slot}\n")).collect();
        put(&self.directory.join(first.to_string()), lines.as_bytes())
    }
}
