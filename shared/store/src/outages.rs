//! Outages: the systems that are down.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// Records when systems go down and come up again.
#[async_trait]
pub trait Outages: Send + Sync + 'static {
    /// Records that a system is down, and the failure that was seen last. The outage began now,
    /// unless one was seen within the last `forgotten_after`, which then goes on.
    async fn begin_outage(
        &self,
        system: &str,
        class: &str,
        reason: &str,
        forgotten_after: Duration,
    ) -> Result<()>;

    /// Records that a system works.
    async fn end_outage(&self, system: &str) -> Result<()>;

    /// The outages that were seen within the last `forgotten_after`, by name of their system.
    async fn outages(&self, forgotten_after: Duration) -> Result<Vec<Outage>>;
}

/// A system that is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    pub system: String,
    /// Class of the failure that was seen last, as a word.
    pub class: String,
    /// Text of the failure that was seen last, without secrets and values of records.
    pub reason: String,
    /// Time of the first failure.
    pub since: Timestamp,
}

impl Outage {
    /// Time after which an outage that no process sees any more is forgotten: its processes may
    /// have died. It is longer than the longest hold during an outage.
    pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);

    /// True where the system refuses our credentials, so that somebody has to change these or their
    /// rights.
    pub fn is_unauthorised(&self) -> bool {
        self.class == "unauthorised"
    }
}
