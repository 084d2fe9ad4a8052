//! One process at a time works on a project's embedded database.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The right to work on a project's embedded database, held for the life of the value. The
/// operating system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub struct ProjectLock {
    _file: File,
}

impl ProjectLock {
    /// Takes the lock of the directory, creating the directory where it is missing. Does not wait.
    pub fn acquire(directory: &Path) -> Result<ProjectLock, LockError> {
        let path = directory.join("lock");
        let unavailable = |error: io::Error| LockError::Unavailable {
            path: path.clone(),
            source: error,
        };
        create_private(directory).map_err(unavailable)?;
        let mut file = open(&path).map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::InUse {
                    directory: directory.to_owned(),
                    holder: holder(file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
        write_process_id(&mut file).map_err(unavailable)?;
        Ok(ProjectLock { _file: file })
    }
}

/// Creates a directory, where it is missing, that is its owner's alone: whole records are kept in it.
fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// Why the lock was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{} is in use by {holder}; stop it, or use RabbitMQ and PostgreSQL for several processes",
        .directory.display()
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// `process 1234`, or `another process` where that is not known.
        holder: String,
    },
    /// The lock file cannot be opened or written.
    #[error("the lock file {} cannot be used: {source}", .path.display())]
    Unavailable {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
}

/// The number in the file is only a hint for people: it may not be written yet.
fn holder(mut file: File) -> String {
    let mut text = String::new();
    let process: Option<u32> = file
        .read_to_string(&mut text)
        .ok()
        .and_then(|_| text.trim().parse().ok());
    process.map_or_else(
        || "another process".to_owned(),
        |process| format!("process {process}"),
    )
}

fn write_process_id(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    file.sync_all()
}
