//! Notes of the records in each file of a batch. The files themselves need not tell: other programs
//! may take them away, and their format may leave fields out.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use pomost_models::{Record, RunId};
use sha2::{Digest, Sha256};

use super::location::{sync_directory, write_durably};

/// The directory of all notes, beside the files, where programs that read the files do not look.
const DIRECTORY: &str = ".written";

/// The number of hexadecimal digits that tell the files of one batch apart.
const NAME_LENGTH: usize = 16;

/// The number of characters of a run's id.
const RUN_LENGTH: usize = 36;

/// The notes of a batch: one for each of its files, which has the file's name and the marks of all
/// its records.
pub(super) struct BatchNotes {
    directory: PathBuf,
}

impl BatchNotes {
    pub(super) fn in_directory(directory: &Path, batch: &str) -> BatchNotes {
        BatchNotes {
            directory: directory.join(DIRECTORY).join(batch),
        }
    }

    /// Reads the marks of the records in those files that are there.
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

    /// Notes the marks of a file; returns the file's name, which is made of them, so that files of
    /// other records have other names.
    pub(super) fn write(&self, marks: &[&str]) -> io::Result<String> {
        fs::create_dir_all(&self.directory)?;
        // The names of new directories have to outlast a loss of power as well as the note does.
        let all = self.directory.parent();
        all.into_iter()
            .chain(all.and_then(Path::parent))
            .try_for_each(sync_directory)?;
        let mut name = hash(marks);
        name.truncate(NAME_LENGTH);
        write_durably(
            &self.directory.join(&name),
            (marks.join("\n") + "\n").as_bytes(),
        )?;
        Ok(name)
    }
}

/// Lists the notes of a flow's batches that were last changed longer ago than `age`, by their runs.
pub(super) fn older_than(
    directory: &Path,
    flow: &str,
    age: Duration,
) -> io::Result<BTreeMap<RunId, Vec<PathBuf>>> {
    let mut notes: BTreeMap<RunId, Vec<PathBuf>> = BTreeMap::new();
    let batches = match fs::read_dir(directory.join(DIRECTORY)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(notes),
        batches => batches?,
    };
    for batch in batches {
        let batch = batch?;
        let Some(run) = batch
            .file_name()
            .to_str()
            .and_then(|name| run_in(name, flow))
        else {
            continue;
        };
        // A clock that was put back makes a note look new: it is kept.
        let elapsed = batch.metadata()?.modified()?.elapsed().unwrap_or_default();
        if elapsed >= age {
            notes.entry(run).or_default().push(batch.path());
        }
    }
    Ok(notes)
}

/// Deletes notes. Another replica may have deleted some of them already.
pub(super) fn delete(notes: &[PathBuf]) -> io::Result<()> {
    for batch in notes {
        match fs::remove_dir_all(batch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Reads the run from the name of a batch's notes, `FLOW-RUN-BATCH`; none if they are another
/// flow's.
fn run_in(name: &str, flow: &str) -> Option<RunId> {
    let name = name.strip_prefix(flow)?.strip_prefix('-')?;
    name.get(..RUN_LENGTH)?.parse().ok()
}

/// Identifies a record among those of its batch, and among those that come in its slot when the
/// page is read again, by its key, data and version. Where the source gives no versions, a record
/// has another one each time that it is read; then its slot stands for the version.
pub(super) fn record_mark(record: &Record) -> String {
    let slot = record.slot.to_string();
    let version = if record.version.is_of_extraction() {
        &slot
    } else {
        record.version.as_str()
    };
    hash(&[&record.key, version, record.data.get()])
}

/// Hashes the parts, as hexadecimal digits. Their lengths keep them apart.
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
