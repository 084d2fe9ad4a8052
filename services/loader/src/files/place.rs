//! Where the files of a batch are.

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pomost_format::Syntax;
use pomost_models::Batch;
use pomost_project::flow::Files;

use super::notes::Notes;

/// What stands in names of files as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// Where the files of a batch are. Each is named after the batch and its first record's slot, and has
/// a note of all its slots.
pub(super) struct Place {
    directory: PathBuf,
    stem: String,
    extension: &'static str,
    notes: Notes,
}

impl Place {
    pub(super) fn of(files: &Files, batch: &Batch) -> Place {
        let id = utf8_percent_encode(&batch.id, PLAIN);
        let stem = format!("{}-{}-{id}", batch.flow, batch.run);
        let extension = match files.format.syntax {
            Syntax::Csv(_) => "csv",
            _ => "jsonl",
        };
        let notes = Notes::in_directory(&files.directory, &stem);
        Place { directory: files.directory.clone(), stem, extension, notes }
    }

    /// Makes the directory.
    pub(super) fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.directory)
    }

    /// The slots of the batch that are in a file.
    pub(super) fn written(&self) -> io::Result<HashSet<u32>> {
        self.notes.slots_where(|first| self.path(first).exists())
    }

    /// Writes a file with these slots; at least one. The note comes first: one without a file says
    /// nothing, but a file without a note would be written once more.
    pub(super) fn put(&self, slots: &[u32], content: &[u8]) -> io::Result<()> {
        let first = slots.first().copied().unwrap_or_default();
        self.notes.put(first, slots)?;
        put(&self.path(first), content)
    }

    fn path(&self, first: u32) -> PathBuf {
        self.directory.join(format!("{}-{first}.{}", self.stem, self.extension))
    }
}

/// Writes a file that appears whole, with the permissions of other new files, and that outlasts a
/// loss of power.
pub(super) fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let permissions = Permissions::from_mode(0o666);
    let mut file =
        tempfile::Builder::new().prefix(".new-").permissions(permissions).tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync(directory)
}

/// Makes the names in a directory outlast a loss of power.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}
