//! The state that Pomost keeps between two messages, shared by all its processes.
//!
//! Each topic has a trait, in a file of the same name together with the types that it speaks of:
//!
//! | file | trait | what it keeps |
//! | --- | --- | --- |
//! | `leases` | [`Leases`] | the right to extract a flow, announce alerts, probe a system or renew its tokens |
//! | `runs` | [`Runs`] | the runs of each flow, their checkpoints and the outcomes of their batches |
//! | `cursors` | [`Cursors`] | the version up to which each flow's source has been read |
//! | `source_keys` | [`SourceKeys`] | the keys that a source listed, to notice those that it no longer lists |
//! | `deliveries` | [`Deliveries`] | the deliveries to webhooks, to recognise repetitions |
//! | `ledger` | [`Ledger`] | the record at the destination of each key, and the claim on it |
//! | `changes` | [`Changes`] | the changes of a key that have not settled, where every change is applied |
//! | `parked` | [`ParkedRecords`] | the records that wait for earlier changes of their key |
//! | `parts` | [`SplitRecords`] | the number of parts of each record that a mapping may split |
//! | `dead_letters` | [`DeadLetters`] | the records that could not be settled, with the reason |
//! | `replays` | [`Replays`] | the dead letters that are on their way back to a stage |
//! | `grants` | [`Grants`] | the tokens of systems, encrypted |
//! | `rate_slots` | [`RateSlots`] | the time of each system's next request, and its holds |
//! | `outages` | [`Outages`] | the systems that are down |
//! | `alerts` | [`Alerts`] | the alerts that were announced and are not over |
//!
//! [`Store`] is the sum of them and of [`Health`]. [`sqlite`] and [`postgres`] implement it, each
//! topic in a file of the same name. Decisions that do not depend on the database are pure
//! functions in [`rules`]: SQLite uses them, and PostgreSQL, which does each call in one statement,
//! is tested against them on random input. Both implementations pass the suite in [`conformance`].
//!
//! A new topic is a trait in a file here, its name in [`Store`], a file in `sqlite/` and in
//! `postgres/`, its tables in `migrations/`, and a file of behaviours in `conformance/`.

mod alerts;
mod changes;
mod cursors;
mod dead_letters;
mod deliveries;
mod grants;
mod leases;
pub mod ledger;
mod outages;
mod outcome_counts;
mod parked;
mod parts;
pub mod postgres;
mod rate_slots;
mod replays;
pub mod rules;
mod runs;
mod source_keys;
pub mod sqlite;

#[cfg(feature = "testing")]
pub mod conformance;

use async_trait::async_trait;

pub use alerts::{Alert, Alerts};
pub use changes::Changes;
pub use cursors::Cursors;
pub use dead_letters::{DeadLetterFilter, DeadLetters};
pub use deliveries::{Deliveries, WebhookArrival};
pub use grants::{GrantKey, Grants, TokenGrant};
pub use leases::{Lease, LeaseName, Leases};
pub use ledger::{
    BatchSettlement, Claim, ClaimEntry, ClaimResult, ClaimToken, KnownRecord, Ledger, SettledEntry,
    SettledState,
};
pub use outages::{Outage, Outages};
pub use outcome_counts::OutcomeCounts;
pub use parked::{ParkedClaim, ParkedRecords};
pub use parts::{KnownShape, RecordShape, ShapeChange, SplitRecords, part_key};
pub use rate_slots::{RateSlots, ReservedSlots, SlotPace};
pub use replays::{Replay, Replays};
pub use runs::{PageProgress, Run, RunRequest, RunState, RunSummary, Runs};
pub use source_keys::{SourceKeyCounts, SourceKeys};

/// All topics of the store.
///
/// Every call is safe to repeat: the worker that makes it may be killed before it learns the
/// answer.
pub trait Store:
    Health
    + Leases
    + Runs
    + Cursors
    + SourceKeys
    + Deliveries
    + Ledger
    + Changes
    + ParkedRecords
    + SplitRecords
    + DeadLetters
    + Replays
    + Grants
    + RateSlots
    + Outages
    + Alerts
{
}

impl<S> Store for S where
    S: Health
        + Leases
        + Runs
        + Cursors
        + SourceKeys
        + Deliveries
        + Ledger
        + Changes
        + ParkedRecords
        + SplitRecords
        + DeadLetters
        + Replays
        + Grants
        + RateSlots
        + Outages
        + Alerts
{
}

/// Tells if the database can be reached.
#[async_trait]
pub trait Health: Send + Sync + 'static {
    /// Succeeds when the database answers.
    async fn ping(&self) -> Result<()>;
}

/// The reason for which a call to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another holder has the lease; nothing was written.
    #[error("the lease '{0}' is held by another process")]
    LeaseLost(LeaseName),
    /// The URL of the database or its certificates cannot be read, or the namespace is no valid
    /// name of a schema.
    #[error("the store cannot be used like this: {reason}")]
    Settings {
        /// The setting that is wrong, and what was expected.
        reason: String,
    },
    /// The store cannot be reached or failed; it may work later.
    #[error("the store {place} does not answer: {reason}")]
    Unavailable {
        /// Path or URL of the database, without a password.
        place: String,
        /// Message of the database or of the network.
        reason: String,
    },
    /// A stored value cannot be understood: it was written by a newer version, or by hand.
    #[error("the store holds something this version cannot read: {0}")]
    Unreadable(String),
}

/// The result of a call to the store.
pub type Result<T> = std::result::Result<T, Error>;
