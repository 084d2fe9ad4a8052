//! Systems: lifting a hold.

use std::time::Duration;

use pomost_project::Project;
use pomost_store::Store;
use serde::Serialize;

use crate::{Error, Result};

/// A system whose hold was lifted, if it was held.
#[derive(Debug, Clone, Serialize)]
pub struct ResumedSystem {
    pub system: String,
    /// The time for which the system would have taken no requests; none where it was not held.
    pub lifted: Option<Duration>,
}

/// Lifts the hold on a system that it asked for with `Retry-After`. Processes that run make
/// requests again within a second, and records that wait in a delay come again within a minute.
pub async fn resume(store: &dyn Store, project: &Project, system: &str) -> Result<ResumedSystem> {
    if !project.systems.contains_key(system) {
        return Err(Error::unknown_name(
            "system",
            system,
            project.systems.keys(),
        ));
    }
    let held_for = store.remaining_hold(system).await?;
    store.release_hold(system).await?;
    Ok(ResumedSystem {
        system: system.to_owned(),
        lifted: (!held_for.is_zero()).then_some(held_for),
    })
}
