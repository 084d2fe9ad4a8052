//! Changes: the order of the changes of a key, of flows that apply every one of them.
//!
//! A change is registered before its record is published and removed when the record has settled.
//! Meanwhile later changes of the same key are blocked ([`ParkedRecords`](crate::ParkedRecords)).

use std::time::Duration;

use async_trait::async_trait;
use pomost_models::{AttemptFingerprint, Batch};

use crate::Result;

/// Keeps the changes that have not settled.
#[async_trait]
pub trait Changes: Send + Sync + 'static {
    /// Registers the records of some batches of one run as changes, before they are published.
    /// Forgets the changes that were registered for the same batches before, when these held other
    /// records, unless they were published or read later. A change that was dead is no longer.
    async fn expect_changes(&self, batches: &[&Batch]) -> Result<()>;

    /// Records that the records of some batches of one flow were published.
    async fn confirm_changes(&self, batches: &[&Batch]) -> Result<()>;

    /// Forgets the changes of a flow that were registered longer than `age` ago and never
    /// confirmed: the process that registered them may have died before it published them.
    async fn forget_unconfirmed_changes(&self, flow: &str, age: Duration) -> Result<()>;

    /// Forgets all changes of a flow, so that nothing is blocked any more.
    async fn forget_changes(&self, flow: &str) -> Result<()>;

    /// For each record of a batch, with its fingerprint as in a claim: true where an earlier change
    /// of its key has not settled. A record that a claim would find dead is never blocked.
    async fn are_blocked(
        &self,
        batch: &Batch,
        fingerprints: &[Option<AttemptFingerprint>],
    ) -> Result<Vec<bool>>;

    /// Removes the changes of a batch's records, so that they block nothing any more. A dead change
    /// stays while its letter is open.
    async fn settle_changes(&self, batch: &Batch) -> Result<()>;
}
