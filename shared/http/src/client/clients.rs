//! The clients of all systems of a project.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use pomost_models::Lane;
use pomost_project::{Project, System};
use pomost_store::Store;

use super::SystemClient;
use crate::{BreakerTiming, Clock, Connector, Failure, LiveConnector, metrics};

/// The longest time that the end of a process waits for tokens that are being renewed.
const LAST_RENEWAL_TIMEOUT: Duration = Duration::from_secs(20);

/// The clients of a project's systems, by name. One is shared by all that make requests to its
/// system in a process, so that the system's `concurrency` holds for them together.
#[derive(Clone)]
pub struct SystemClients(Arc<BTreeMap<String, SystemClient>>);

/// The world around clients: the network, the clock, and the pace at which a system is tried that
/// is down. A recording or a test brings its own.
#[derive(Clone)]
pub struct ClientOptions {
    pub connector: Arc<dyn Connector>,
    pub clock: Clock,
    pub breaker: BreakerTiming,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            connector: Arc::new(LiveConnector),
            clock: Clock::default(),
            breaker: BreakerTiming::default(),
        }
    }
}

impl SystemClients {
    /// Makes a client for each system, over the network and by the real clock. Tokens and rate
    /// limits are kept in the store, where all replicas share them.
    pub fn new(project: &Project, store: &Arc<dyn Store>) -> Result<SystemClients, Failure> {
        SystemClients::with_options(project, store, &ClientOptions::default())
    }

    /// Makes a client for each system in a world of the caller's.
    pub fn with_options(
        project: &Project,
        store: &Arc<dyn Store>,
        options: &ClientOptions,
    ) -> Result<SystemClients, Failure> {
        metrics::describe();
        let client = |system: &Arc<System>| {
            let client = SystemClient::new(system.clone(), store.clone(), options)?;
            Ok((system.name.clone(), client))
        };
        project
            .systems
            .values()
            .map(client)
            .collect::<Result<_, _>>()
            .map(|clients| SystemClients(Arc::new(clients)))
    }

    /// Returns the same clients, whose requests are of a lane.
    pub fn in_lane(&self, lane: Lane) -> SystemClients {
        let client =
            |(name, client): (&String, &SystemClient)| (name.clone(), client.in_lane(lane));
        SystemClients(Arc::new(self.0.iter().map(client).collect()))
    }

    /// Returns the client of a system of the project.
    pub fn of(&self, system: &str) -> Option<&SystemClient> {
        self.0.get(system)
    }

    /// Ends all waiting for rate slots: such requests fail as throttled. To be called when the
    /// process is to end.
    pub fn close(&self) {
        self.0
            .values()
            .filter_map(|client| client.pace.as_ref())
            .for_each(|pace| pace.close());
    }

    /// Waits, up to 20 s, until no tokens are being renewed. To be called before the process ends:
    /// a refresh token that is good for one use may have been used.
    pub async fn finish(&self) {
        let clock = self.0.values().next().map(|client| client.clock.clone());
        let finishing = join_all(self.0.values().map(|client| client.authorisation.finish()));
        let clock = clock.unwrap_or_default();
        clock.within(LAST_RENEWAL_TIMEOUT, finishing).await;
    }
}
