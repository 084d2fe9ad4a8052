//! Where the files of a batch are.

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pomost_format::FormatSyntax;
use pomost_models::Batch;
use pomost_project::flow::FileDestination;

use super::notes::Notes;

/// What stands in names of files as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// Where the files of a batch are. Each is named after the batch and what it holds, and has a note of that.
pub(super) struct Place {
    directory: PathBuf,
    stem: String,
    extension: &'static str,
    notes: Notes,
}

impl Place {
    pub(super) fn of(files: &FileDestination, batch: &Batch) -> Place {
        let id = utf8_percent_encode(&batch.id, PLAIN);
        let stem = format!("{}-{}-{id}", batch.flow, batch.run);
        let extension = match files.format.syntax {
            FormatSyntax::Csv(_) => "csv",
            _ => "jsonl",
        };
        let notes = Notes::in_directory(&files.directory, &stem);
        Place {
            directory: files.directory.clone(),
            stem,
            extension,
            notes,
        }
    }

    /// Makes the directory.
    pub(super) fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.directory)
    }

    /// The marks of the records that are in a file of the batch.
    pub(super) fn written(&self) -> io::Result<HashSet<String>> {
        self.notes.marks_where(|name| self.path(name).exists())
    }

    /// Writes a file of records with these marks. The note comes first: one without a file says nothing,
    /// but a file without a note would be written once more.
    pub(super) fn put(&self, marks: &[&str], content: &[u8]) -> io::Result<()> {
        put(&self.path(&self.notes.put(marks)?), content)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory
            .join(format!("{}-{name}.{}", self.stem, self.extension))
    }
}

/// Writes a file that appears whole, with the permissions of other new files, and that outlasts a
/// loss of power.
pub(super) fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let permissions = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(permissions)
        .tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync(directory)
}

/// Makes the names in a directory outlast a loss of power.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}
