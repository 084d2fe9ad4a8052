//! Versions of flows' files.

use std::{fs, path::Path};

use pomost_models::flow::FlowFile;
use sha2::{Digest, Sha256};

use crate::System;

/// A hash of everything that a project's files say about a flow: its own file, its systems' files
/// and its schemas, in 32 hexadecimal digits. `${NAME}` is hashed as it is written, so the version
/// depends on no secret and on no value of the environment.
pub(crate) fn of_files<'a>(
    directory: &Path,
    digest: [u8; 32],
    file: &FlowFile,
    system: impl Fn(&str) -> Option<&'a System>,
) -> String {
    let systems = [Some(&file.extract.system), file.load.system.as_ref()]
        .into_iter()
        .flatten();
    let systems = systems.filter_map(|name| Some(system(&name.0)?.digest));
    let schemas = [&file.extract.expect, &file.transform.produce]
        .into_iter()
        .flatten();
    // A schema that cannot be read is a problem of its own, and then the flow is not loaded.
    let schemas = schemas
        .map(|path| Sha256::digest(fs::read(directory.join(path)).unwrap_or_default()).into());
    let digests: Vec<[u8; 32]> = [digest].into_iter().chain(systems).chain(schemas).collect();
    Sha256::digest(digests.concat())[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
