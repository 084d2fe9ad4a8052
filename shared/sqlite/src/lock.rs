//! The lock of a project: one process at a time works on its embedded database.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The lock of a project, held while the value exists. The operating system releases it when the
/// process ends, however it ends.
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

/// Creates a directory, where it is missing, that only its owner can enter: it will hold whole
/// records.
fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// The reason for which the lock was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error(
        "{} is in use by {holder}; stop it, or use RabbitMQ and PostgreSQL for several processes",
        .directory.display()
    )]
    InUse {
        directory: PathBuf,
        /// `process 1234`, or `another process` where that is not known.
        holder: String,
    },
    /// The lock file cannot be opened or written.
    #[error("the lock file {} cannot be used: {source}", .path.display())]
    Unavailable { path: PathBuf, source: io::Error },
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
}

/// The process that holds the lock, for people. Its number may not be written yet.
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
