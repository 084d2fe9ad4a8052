//! The surroundings of a service.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use pomost_broker::Broker;
use pomost_project::Project;
use pomost_store::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Backends, dead_letters::LetterFlow};

/// The surroundings of a service: its project, backends and shutdown. Clones share everything.
#[derive(Clone)]
pub struct ServiceContext {
    pub project: Arc<Project>,
    pub backends: Backends,
    /// The time for which a claim or a lease holds without being renewed.
    pub claim_ttl: Duration,
    /// Cancelled when the process is to end.
    pub shutdown: CancellationToken,
}

impl ServiceContext {
    /// The broker of the backends.
    pub fn broker(&self) -> &dyn Broker {
        &*self.backends.broker
    }

    /// The store of the backends.
    pub fn store(&self) -> &dyn Store {
        &*self.backends.store
    }

    /// The part of a flow that its dead letters carry; none where the project has no such flow.
    pub fn letter_flow(&self, flow: &str) -> Option<LetterFlow> {
        self.project
            .flows
            .get(flow)
            .map(|flow| LetterFlow::from(&**flow))
    }

    /// Names this process among the holders of leases: by its host and process id, which people can
    /// read, and by a random part, since containers may share both.
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

    /// Declares the queues of every flow of the project.
    pub async fn declare(&self) -> pomost_broker::Result<()> {
        let flows: Vec<String> = self.project.flows.keys().cloned().collect();
        self.broker().declare(&flows).await
    }
}
