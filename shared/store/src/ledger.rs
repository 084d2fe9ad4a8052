//! The ledger: what was last applied at the destination for each key, and who is at work on it.

use std::{fmt, time::Duration};

use pomost_models::{AttemptFingerprint, RunId, SlotOutcomes, Version};
use uuid::Uuid;

/// Names one claim. Whoever settles must still hold it, so a worker that was paused past its claim
/// cannot write over its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimToken(pub Uuid);

impl ClaimToken {
    /// A token nobody else has.
    pub fn generate() -> ClaimToken {
        ClaimToken(Uuid::new_v4())
    }
}

impl fmt::Display for ClaimToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A worker's wish to act on some keys of one flow.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The flow.
    pub flow: String,
    /// Who claims.
    pub token: ClaimToken,
    /// The keys, each once.
    pub entries: Vec<ClaimEntry>,
    /// Whether a version is refused that is not of the same type as the one applied before; otherwise it
    /// counts as newer.
    pub same_version_type: bool,
    /// Whether the newest version of a key alone matters: then a dead record that is read again makes its letter as
    /// new as it is, and where every change matters the letter stays the one of the first.
    pub latest_only: bool,
    /// How long what was asked of the destination may still be under way there.
    pub in_flight_for: Duration,
}

/// One key of a claim.
#[derive(Debug, Clone)]
pub struct ClaimEntry {
    /// The record's key.
    pub key: String,
    /// The record's version.
    pub version: Version,
    /// What would be applied: equal content, equal hash.
    pub hash: ContentHash,
    /// What decides what becomes of it; none of a record that is to be tried though it died before, as a replay's is.
    pub fingerprint: Option<AttemptFingerprint>,
}

/// Identifies what is applied at the destination: the operation and the data.
pub type ContentHash = [u8; 16];

/// What is known of a record at its destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRecord {
    /// The destination's id of it; none where it has no such record.
    pub id: Option<String>,
    /// The entity tag of its state there as it was last written or read (RFC 9110 §8.8.3).
    pub etag: Option<String>,
    /// How many records of this key the destination has had before: it grows when one is deleted or
    /// found to be gone, so that a create can be told from those before it.
    pub incarnation: u32,
}

/// What a claim of one key answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimResult {
    /// The key is ours.
    Claimed(KnownRecord),
    /// The key is ours, but somebody acted on it before and did not live to say how that ended (or
    /// said that they do not know): look before creating.
    InDoubt {
        /// What was known before.
        known: KnownRecord,
        /// What that somebody was to apply, where that is known.
        attempted: Option<ContentHash>,
        /// Whether that may still be under way at the destination, so that what is not there may yet come
        /// to be.
        still_in_flight: bool,
    },
    /// The same content was applied before. The key is not claimed.
    Unchanged,
    /// A newer version was applied before. The key is not claimed.
    Stale,
    /// Another worker holds the key. Try again shortly.
    ClaimedElsewhere,
    /// A version of another type was applied before: the two have no order. The key is not claimed.
    VersionTypeMismatch,
    /// The record died here before, of the same fate, and nobody has replayed it since. The key is not claimed.
    Dead,
}

impl ClaimResult {
    /// What is known of a record whose key is ours.
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

/// What became of claimed keys, and of the slots of their batch.
#[derive(Debug, Clone)]
pub struct BatchSettlement {
    /// The flow.
    pub flow: String,
    /// The claim the keys are held by.
    pub token: ClaimToken,
    /// The keys; those the claim did not get are not among them.
    pub entries: Vec<SettledEntry>,
    /// The run the batch belongs to.
    pub run: RunId,
    /// The batch.
    pub batch: String,
    /// What is known of its slots.
    pub outcomes: SlotOutcomes,
}

/// What became of one claimed key.
#[derive(Debug, Clone)]
pub struct SettledEntry {
    /// The record's key.
    pub key: String,
    /// What became of it.
    pub state: SettledState,
}

/// What became of a claimed key. Whatever it was, the claim on it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettledState {
    /// The destination has this content now; after a delete, none.
    Applied {
        /// What is known of it there.
        known: KnownRecord,
        /// The version that was applied.
        version: Version,
        /// The content that was applied.
        hash: ContentHash,
    },
    /// Nothing was changed at the destination.
    Released,
    /// Something may have been changed at the destination: the next claim answers
    /// [`ClaimResult::InDoubt`].
    InDoubt,
    /// The same, and what was asked for may still be under way there.
    StillInFlight,
}
