//! The location of a batch's files.

use std::{
    collections::HashSet,
    fmt,
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pomost_format::FormatSyntax;
use pomost_models::Batch;
use pomost_project::flow::FileDestination;

use super::notes::BatchNotes;

/// The characters that stand in names of files as they are.
const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// The location of a batch's files. Each is named after the batch and the records in it, and has a
/// note of these.
pub(super) struct FileLocation {
    directory: PathBuf,
    stem: String,
    extension: &'static str,
    notes: BatchNotes,
}

impl FileLocation {
    pub(super) fn of(files: &FileDestination, batch: &Batch) -> FileLocation {
        let id = utf8_percent_encode(&batch.id, UNESCAPED);
        let stem = format!("{}-{}-{id}", batch.flow, batch.run);
        let extension = match files.format.syntax {
            FormatSyntax::Csv(_) => "csv",
            _ => "jsonl",
        };
        let notes = BatchNotes::in_directory(&files.directory, &stem);
        FileLocation {
            directory: files.directory.clone(),
            stem,
            extension,
            notes,
        }
    }

    pub(super) fn create_directory(&self) -> io::Result<()> {
        fs::create_dir_all(&self.directory)
    }

    /// Reads the marks of the records that are in a file of the batch.
    pub(super) fn written_marks(&self) -> io::Result<HashSet<String>> {
        self.notes.marks_where(|name| self.path(name).exists())
    }

    /// Writes a file of records with these marks. The note comes first: a note without a file says
    /// nothing, but the records of a file without a note would be written once more.
    pub(super) fn write(&self, marks: &[&str], content: &[u8]) -> io::Result<()> {
        write_durably(&self.path(&self.notes.write(marks)?), content)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory
            .join(format!("{}-{name}.{}", self.stem, self.extension))
    }
}

/// Shows the names of the batch's files, where `*` stands for the records in them.
impl fmt::Display for FileLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path("*").display().fmt(f)
    }
}

/// Writes a file that appears whole, with the permissions of other new files, and that outlasts a
/// loss of power.
pub(super) fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let permissions = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(permissions)
        .tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory(directory)
}

/// Makes the names in a directory outlast a loss of power.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}
