//! Parked records: they are kept until earlier changes of their key have settled.

use std::time::Duration;

use async_trait::async_trait;
use pomost_models::{Batch, Record};

use crate::{ClaimToken, Error, Result};

/// Keeps parked records and gives them out when nothing blocks them any more.
#[async_trait]
pub trait ParkedRecords: Send + Sync + 'static {
    /// Parks the records of a batch.
    async fn park(&self, batch: &Batch) -> Result<()>;

    /// Claims parked records that nothing blocks any more, of these keys or of all. Returns each as
    /// a batch of its own, to be published.
    async fn claim_parked(
        &self,
        flow: &str,
        keys: Option<&[&str]>,
        claim: ParkedClaim,
    ) -> Result<Vec<Batch>>;

    /// Releases the records that were claimed with this token and not published.
    async fn release_parked(&self, flow: &str, token: ClaimToken) -> Result<()>;

    /// Deletes claimed records that were published. A record that was parked again since it was
    /// claimed stays.
    async fn delete_parked(&self, token: ClaimToken, batches: &[Batch]) -> Result<()>;
}

/// A worker's request for parked records, to publish them.
#[derive(Debug, Clone, Copy)]
pub struct ParkedClaim {
    pub token: ClaimToken,
    /// Time for which no other worker gets the same records.
    pub ttl: Duration,
    /// Largest number of records; of each key, where keys are named.
    pub limit: u32,
}

/// The stored message of one parked record: a batch that has no other record.
pub(crate) fn to_message(batch: &Batch, record: &Record) -> String {
    let alone = batch.with_records(vec![record.clone()]);
    // JSON is always valid UTF-8.
    String::from_utf8_lossy(&alone.encode()).into_owned()
}

/// The batch of a stored message.
pub(crate) fn from_message(text: &str) -> Result<Batch> {
    // The parser's message may hold values of the record.
    serde_json::from_str(text)
        .map_err(|_| Error::Unreadable("a record that waits for earlier changes".into()))
}
