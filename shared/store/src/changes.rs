//! Records that wait for earlier changes of their key.

use std::time::Duration;

use pomost_models::{Batch, Record};

use crate::{ClaimToken, Error, Result};

/// How parked records are taken.
#[derive(Debug, Clone, Copy)]
pub struct ParkedClaim {
    /// Who takes them, to publish them.
    pub token: ClaimToken,
    /// For how long nobody else gets them.
    pub ttl: Duration,
    /// How many at most.
    pub limit: u32,
}

/// The message that brings one record of a batch back.
pub(crate) fn message(batch: &Batch, record: &Record) -> String {
    let alone = batch.with_records(vec![record.clone()]);
    // It is JSON, and so it is text.
    String::from_utf8_lossy(&alone.encode()).into_owned()
}

/// The batch of a message. What the parser says may hold values of the record.
pub(crate) fn from_message(text: &str) -> Result<Batch> {
    serde_json::from_str(text)
        .map_err(|_| Error::Unreadable("a record that waits for earlier changes".into()))
}
