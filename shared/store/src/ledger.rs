//! The ledger: the record at the destination of each key, and the claim on it.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use pomost_models::{AttemptFingerprint, RunId, SlotOutcomes, Version};
use uuid::Uuid;

use crate::Result;

/// Claims keys before something is applied at the destination, and settles them afterwards.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Claims the keys of a batch for `ttl`, in one round trip. The results are in the order of the
    /// entries; keys must differ. [`rules::claim_result`](crate::rules::claim_result) decides each
    /// of them.
    async fn claim(&self, claim: &Claim, ttl: Duration) -> Result<Vec<ClaimResult>>;

    /// Extends, until `ttl` from now, the claim on those of its keys that it still holds. Returns
    /// `true` where it holds them all.
    async fn renew_claim(&self, claim: &Claim, ttl: Duration) -> Result<bool>;

    /// Writes in one transaction and one round trip how claimed keys settled, and the outcomes of
    /// their batch. Returns the keys that another worker has claimed meanwhile. For these nothing
    /// is written in the ledger, and then no outcomes are written either, since theirs are among
    /// them.
    async fn settle(&self, settlement: &BatchSettlement) -> Result<Vec<String>>;

    /// Records what an operator says that the destination has for a key in doubt: the record of
    /// this id, whatever its content, or none. A key that is not in doubt stays as it is. Returns
    /// `false`, and writes nothing, while a worker holds the key: that worker is about to find out.
    async fn resolve_in_doubt(&self, flow: &str, key: &str, id: Option<&str>) -> Result<bool>;

    /// True when records of this flow were ever applied at its destination.
    async fn has_applied_records(&self, flow: &str) -> Result<bool>;
}

/// Identifies one claim. A settlement must name it, so that a worker that was paused past the end
/// of its claim cannot write over its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimToken(pub Uuid);

impl ClaimToken {
    /// A new random token.
    pub fn generate() -> ClaimToken {
        ClaimToken(Uuid::new_v4())
    }
}

impl fmt::Display for ClaimToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A worker's request to work on some keys of one flow.
#[derive(Debug, Clone)]
pub struct Claim {
    pub flow: String,
    pub token: ClaimToken,
    /// The keys, each once.
    pub entries: Vec<ClaimEntry>,
    /// Refuses a version that is not of the same type as the one that was applied. Otherwise such a
    /// version counts as newer.
    pub same_version_type: bool,
    /// True for flows that apply only the latest version of a key. A dead record that is read again
    /// then gives its letter its own version; otherwise the letter keeps the version of the first.
    pub latest_only: bool,
    /// Time for which a request that was given up may still take effect at the destination.
    pub in_flight_for: Duration,
}

/// One key of a claim.
#[derive(Debug, Clone)]
pub struct ClaimEntry {
    pub key: String,
    pub version: Version,
    /// Hash of the content that would be applied.
    pub hash: ContentHash,
    /// Fingerprint of the attempt, to find a dead letter of an equal one. `None` where the record
    /// is tried although it died before, as in a replay.
    pub fingerprint: Option<AttemptFingerprint>,
}

/// Hash of the operation and the data that are applied at the destination.
pub type ContentHash = [u8; 16];

/// A record at its destination, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRecord {
    /// Id of the record at the destination. `None` where it has no such record.
    pub id: Option<String>,
    /// Entity tag of the record when it was last written or read (RFC 9110 §8.8.3).
    pub etag: Option<String>,
    /// Number of records that the destination had for this key before. It grows when a record is
    /// deleted or found to be gone, so that a create differs from those before it.
    pub incarnation: u32,
}

/// The result of claiming one key. The key is claimed in the first two cases only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimResult {
    /// The key is claimed, and its record is known.
    Claimed(KnownRecord),
    /// The key is claimed, but it is unknown how an earlier request for it ended. Look the record
    /// up before creating it.
    InDoubt {
        /// The record as it was known before that request.
        known: KnownRecord,
        /// Hash of the content that the request was to apply, where it is known.
        attempted: Option<ContentHash>,
        /// True while the request may still take effect at the destination: a record that is not
        /// there may yet be created.
        still_in_flight: bool,
    },
    /// The same content was applied before.
    Unchanged,
    /// A newer version was applied before.
    Stale,
    /// Another worker has claimed the key. Try again shortly.
    ClaimedElsewhere,
    /// A version of another type was applied before: the two have no order.
    VersionTypeMismatch,
    /// An equal attempt died before, and its letter is neither replayed nor outdated.
    Dead,
}

impl ClaimResult {
    /// The record at the destination, where the key is claimed.
    pub fn known(&self) -> Option<&KnownRecord> {
        match self {
            ClaimResult::Claimed(known) | ClaimResult::InDoubt { known, .. } => Some(known),
            ClaimResult::Unchanged
            | ClaimResult::Stale
            | ClaimResult::ClaimedElsewhere
            | ClaimResult::VersionTypeMismatch
            | ClaimResult::Dead => None,
        }
    }
}

/// The settlement of claimed keys, and of the slots of their batch.
#[derive(Debug, Clone)]
pub struct BatchSettlement {
    pub flow: String,
    /// The claim that holds the keys.
    pub token: ClaimToken,
    /// The keys that the claim got.
    pub entries: Vec<SettledEntry>,
    pub run: RunId,
    pub batch: String,
    /// The outcomes of the batch's slots, as far as they are known.
    pub outcomes: SlotOutcomes,
}

/// The settlement of one claimed key.
#[derive(Debug, Clone)]
pub struct SettledEntry {
    pub key: String,
    pub state: SettledState,
}

/// The way in which a claimed key settled. The claim on it ends in every case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettledState {
    /// The destination has this content now, or no record after a delete.
    Applied {
        known: KnownRecord,
        version: Version,
        hash: ContentHash,
    },
    /// Nothing was changed at the destination.
    Released,
    /// It is unknown if something was changed at the destination: the next claim gets
    /// [`ClaimResult::InDoubt`].
    InDoubt,
    /// As [`SettledState::InDoubt`], and the request may still take effect at the destination.
    StillInFlight,
}
