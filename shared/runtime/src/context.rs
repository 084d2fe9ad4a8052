//! What a service is given to work with.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use pomost_broker::Broker;
use pomost_project::Project;
use pomost_store::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Backends, dead::Under};

/// What a service is given to work with. Clones share everything.
#[derive(Clone)]
pub struct ServiceContext {
    /// The project it runs.
    pub project: Arc<Project>,
    /// The broker and the store.
    pub backends: Backends,
    /// How long a claim or a lease holds without being renewed.
    pub claim: Duration,
    /// Cancelled when the process is to end.
    pub shutdown: CancellationToken,
}

impl ServiceContext {
    /// The queues.
    pub fn broker(&self) -> &dyn Broker {
        &*self.backends.broker
    }

    /// What is remembered.
    pub fn store(&self) -> &dyn Store {
        &*self.backends.store
    }

    /// What dead letters tell of the flow of this name; none where the project has no such flow.
    pub fn under(&self, flow: &str) -> Option<Under> {
        self.project
            .flows
            .get(flow)
            .map(|flow| Under::from(&**flow))
    }

    /// Names this process among the holders of leases: for people by host and process, and unlike
    /// any other by a random part, since containers may share both.
    pub fn holder(&self) -> &'static str {
        static HOLDER: LazyLock<String> = LazyLock::new(|| {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            format!(
                "{}:{}:{}",
                host.trim(),
                std::process::id(),
                Uuid::new_v4().simple()
            )
        });
        &HOLDER
    }

    /// Makes the queues of every flow of the project.
    pub async fn declare(&self) -> pomost_broker::Result<()> {
        let flows: Vec<String> = self.project.flows.keys().cloned().collect();
        self.broker().declare(&flows).await
    }
}
