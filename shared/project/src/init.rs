//! The project that `pomost init` writes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The files of a new project, with their paths.
const FILES: [(&str, &str); 9] = [
    (
        "systems/crm.yaml",
        include_str!("../template/systems/crm.yaml"),
    ),
    (
        "systems/shop.yaml",
        include_str!("../template/systems/shop.yaml"),
    ),
    (
        "flows/customers.yaml",
        include_str!("../template/flows/customers.yaml"),
    ),
    (
        "schemas/crm-customer.json",
        include_str!("../template/schemas/crm-customer.json"),
    ),
    (
        "schemas/shop-customer.json",
        include_str!("../template/schemas/shop-customer.json"),
    ),
    ("alerts.yaml", include_str!("../template/alerts.yaml")),
    (".env", include_str!("../template/env")),
    (".env.example", include_str!("../template/env")),
    (".gitignore", include_str!("../template/gitignore")),
];

/// An error that stops a new project from being written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The file exists and would be overwritten.
    #[error("{0} exists already; choose another directory")]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {path}: {reason}")]
    Write { path: PathBuf, reason: io::Error },
}

/// Writes a small commented project that passes `pomost check`, and returns its files. If one of
/// the files exists, nothing is written at all.
pub fn init(directory: &Path) -> Result<Vec<PathBuf>, InitError> {
    let paths: Vec<PathBuf> = FILES.iter().map(|(path, _)| directory.join(path)).collect();
    if let Some(path) = paths.iter().find(|path| path.exists()) {
        return Err(InitError::Exists(path.clone()));
    }
    for (path, (_, content)) in paths.iter().zip(FILES) {
        write(path, content).map_err(|reason| InitError::Write {
            path: path.clone(),
            reason,
        })?;
    }
    Ok(paths)
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content)
}
