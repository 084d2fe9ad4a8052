//! What Pomost remembers: leases, runs, cursors, the ledger, dead letters, grants, rate limits and outages.
//!
//! [`Store`] is the whole interface. [`postgres`] and [`sqlite`] implement it, and the suite in
//! [`conformance`] runs over both.

mod alerts;
mod changes;
mod dead_letters;
mod grants;
pub mod ledger;
mod parts;
pub mod postgres;
pub mod runs;
mod slots;
pub mod sqlite;
pub mod webhooks;

#[cfg(feature = "testing")]
pub mod conformance;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use pomost_models::{
    AttemptFingerprint, Batch, DeadLetter, DeadLetterReason, RunId, RunTrigger, SlotOutcomes,
    Stage, webhook::DeliveryId,
};

pub use alerts::{Alert, Outage};
pub use changes::ParkedClaim;
pub use grants::{GrantKey, TokenGrant};
pub use ledger::{
    BatchSettlement, Claim, ClaimEntry, ClaimResult, ClaimToken, KnownRecord, SettledEntry,
    SettledState,
};
pub use parts::{KnownShape, RecordShape, ShapeChange, part_key};
pub use runs::{
    Lease, OutcomeCounts, PageProgress, Replay, Run, RunRequest, RunState, RunSummary,
    SourceKeyCounts,
};
pub use slots::{ReservedSlots, SlotPace};
pub use webhooks::WebhookArrival;

/// Everything the services and the command line keep between two messages.
///
/// Every call is safe to repeat: the worker that makes it may be killed before it learns the
/// answer.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether the store answers.
    async fn ping(&self) -> Result<()>;

    // --- leases: who extracts a flow ---

    /// Takes the lease of that name for `ttl`, or `None` while another holder has it. Each taking
    /// has a higher token than all before it.
    async fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration)
    -> Result<Option<Lease>>;

    /// Extends a lease. [`Error::LeaseLost`] when somebody else has taken it.
    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<()>;

    /// Gives a lease back, so that another holder need not wait for its end. Its token is worth
    /// nothing from then on.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;

    // --- runs and cursors ---

    /// Notes that a run is wanted; an extractor takes it up.
    async fn request_run(&self, request: &RunRequest) -> Result<RunId>;

    /// The run of this flow to extract next: one that was begun and not finished before one that
    /// was only requested, the oldest first. A replay is none: its records are not extracted.
    async fn open_run(&self, flow: &str) -> Result<Option<Run>>;

    /// When the newest run of this flow by that trigger was requested.
    async fn last_requested(
        &self,
        flow: &str,
        trigger: RunTrigger,
    ) -> Result<Option<jiff::Timestamp>>;

    /// Records, in one transaction, that a page's batches were confirmed by the broker: their
    /// sizes, the checkpoint of the next page, and that the run is being extracted.
    /// [`Error::LeaseLost`], and nothing recorded, when the lease is not ours any more.
    async fn record_page(&self, lease: &Lease, page: &PageProgress) -> Result<()>;

    /// Records, in one transaction, that a run has been read to its end, what is odd about that, and
    /// the flow's new cursor where there is one. A run that ended before stays as it is, and so does
    /// the cursor. [`Error::LeaseLost`] as in [`Store::record_page`].
    async fn finish_extraction(
        &self,
        lease: &Lease,
        run: RunId,
        cursor: Option<&str>,
        warning: Option<&str>,
    ) -> Result<()>;

    /// Ends a run that cannot be read to its end, with the reason; its cursor stays.
    /// [`Error::LeaseLost`] as in [`Store::record_page`].
    async fn fail_run(&self, lease: &Lease, run: RunId, error: &str) -> Result<()>;

    /// The first keys after `after` that earlier runs of this flow listed and this one did not.
    async fn missing_keys(
        &self,
        flow: &str,
        run: RunId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>>;

    /// How many keys are known of this flow's source, and how many of them this run has not listed.
    async fn count_keys(&self, flow: &str, run: RunId) -> Result<SourceKeyCounts>;

    /// Whether records of this flow were ever applied at its destination.
    async fn has_applied(&self, flow: &str) -> Result<bool>;

    /// One run with its counts.
    async fn run(&self, run: RunId) -> Result<Option<RunSummary>>;

    /// The newest runs with their counts, newest first, of one flow or of all.
    async fn runs(&self, flow: Option<&str>, limit: u32) -> Result<Vec<RunSummary>>;

    /// How far the flow's source has been read.
    async fn cursor(&self, flow: &str) -> Result<Option<String>>;

    /// Sets or clears how far the flow's source has been read.
    async fn set_cursor(&self, flow: &str, value: Option<&str>) -> Result<()>;

    // --- webhooks ---

    /// Which of these deliveries to a flow are remembered, in their order.
    async fn known_deliveries(&self, flow: &str, deliveries: &[DeliveryId]) -> Result<Vec<bool>>;

    /// Records, in one transaction, what a source delivered by itself: its batches, its run, which
    /// counts as read to its end from its first batch on, and its deliveries; forgets some that were
    /// remembered long enough.
    async fn record_arrival(&self, arrival: &WebhookArrival) -> Result<()>;

    // --- outcomes and the ledger ---

    /// Merges what is known of a batch's slots into its run ([`SlotOutcomes::merge`]).
    async fn record_outcomes(&self, run: RunId, batch: &str, outcomes: &SlotOutcomes)
    -> Result<()>;

    /// Claims the keys of a batch for `ttl`, in one round trip. The answers are in the order of the
    /// entries; keys must differ.
    async fn claim(&self, claim: &Claim, ttl: Duration) -> Result<Vec<ClaimResult>>;

    /// Makes those of a claim's keys that it still has run out in `ttl` from now. Whether those are all.
    async fn renew_claim(&self, claim: &Claim, ttl: Duration) -> Result<bool>;

    /// Writes, in one transaction and one round trip, what became of claimed keys and the outcomes
    /// of their batch. Returns the keys whose claim somebody else has taken meanwhile: nothing was
    /// written for them in the ledger, and no outcome at all, since theirs are among them.
    async fn settle(&self, settlement: &BatchSettlement) -> Result<Vec<String>>;

    /// Takes somebody's word for what the destination has of a key that is in doubt: the record of
    /// this id, whatever its content, or none. A key that is not in doubt stays as it is. `false`, and
    /// nothing written, while a worker holds the key: it is about to find out.
    async fn resolve_doubt(&self, flow: &str, key: &str, id: Option<&str>) -> Result<bool>;

    // --- split records: of flows whose mapping may make several records of one ---

    /// Reads what is known of the shapes of records, in the order of their keys, which differ.
    async fn known_shapes(&self, flow: &str, keys: &[&str]) -> Result<Vec<KnownShape>>;

    /// Notes new shapes of records, each while the one that it was decided on still holds. `false` where one
    /// did not hold any more: read them and decide again.
    async fn change_shapes(&self, flow: &str, changes: &[ShapeChange]) -> Result<bool>;

    /// True while the destination of a flow may have parts of a record.
    async fn has_split(&self, flow: &str) -> Result<bool>;

    // --- changes: of flows that apply every change of a key, in the order of their versions ---

    /// Notes, before they are published, the records of batches of one run as changes that later ones of
    /// their keys wait for. What was noted of the same batches before, when they held other records, is
    /// forgotten, unless it was published or read later than these. What was dead is under way again.
    async fn expect_changes(&self, batches: &[&Batch]) -> Result<()>;

    /// Notes that the records of batches of one flow were published.
    async fn confirm_changes(&self, batches: &[&Batch]) -> Result<()>;

    /// Forgets changes that were noted longer ago than `patience` and never confirmed: whoever noted them
    /// may have died before it published them.
    async fn give_up_changes(&self, flow: &str, patience: Duration) -> Result<()>;

    /// Forgets all changes of a flow: nothing waits for them any more.
    async fn forget_changes(&self, flow: &str) -> Result<()>;

    /// Whether earlier changes of its key have not settled, for each record of a batch, with its fate as in a
    /// claim. One that a claim would find dead has nothing to wait for.
    async fn are_behind(
        &self,
        batch: &Batch,
        fates: &[Option<AttemptFingerprint>],
    ) -> Result<Vec<bool>>;

    /// Notes that nobody has to wait for the records of a batch any more.
    async fn settle_changes(&self, batch: &Batch) -> Result<()>;

    /// Keeps the records of a batch until earlier changes of their keys have settled.
    async fn park(&self, batch: &Batch) -> Result<()>;

    /// Records that were parked and have no earlier changes to wait for any more, of these keys or of all,
    /// each as a batch to be published.
    async fn take_parked(
        &self,
        flow: &str,
        keys: Option<&[&str]>,
        taking: ParkedClaim,
    ) -> Result<Vec<Batch>>;

    /// Gives back what somebody took and did not publish.
    async fn return_parked(&self, flow: &str, taker: ClaimToken) -> Result<()>;

    /// Forgets parked records that were published, unless they were parked again since they were taken.
    async fn unpark(&self, taker: ClaimToken, batches: &[Batch]) -> Result<()>;

    // --- dead letters, and replays: dead letters on their way back to a stage ---

    /// Keeps dead letters and counts their slots as [`pomost_models::Outcome::Dead`], in one
    /// transaction. One that is kept already stays as it is; one without a record has no slot.
    ///
    /// A letter *stands* while it is open and in no replay, and after it was discarded: a record of the same
    /// flow, stage, key and fate that dies is not kept once more, and its change is one that nobody waits for.
    /// Where the newest version of a key alone matters, a letter that is kept closes those that stand of older ones;
    /// their slots stay dead.
    async fn archive(&self, letters: &[DeadLetter]) -> Result<()>;

    /// The dead letters that a filter leaves, oldest first.
    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>>;

    /// Closes the dead letters that stand of these keys and whose version is older than the one that was applied, so
    /// that nothing waits for their records any more. Those of open ones are [`pomost_models::Outcome::Stale`].
    /// Returns how many there were.
    async fn supersede(&self, flow: &str, keys: &[&str]) -> Result<u64>;

    /// Closes dead letters for good, so that nothing waits for their records any more. They stand on, so that records
    /// of equal fate stay dead without a letter. Returns how many were open.
    async fn discard_dead_letters(&self, ids: &[String]) -> Result<u64>;

    /// Begins a replay of open letters, in one transaction: they belong to it, and its run is wanted.
    /// Returns how many; those that another replay has begun with are not among them, and where
    /// there are none there is no replay.
    async fn begin_replay(&self, replay: &Replay, letters: &[String]) -> Result<u64>;

    /// The replays that were begun and not ended, oldest first: whoever began them may have died.
    async fn begun_replays(&self) -> Result<Vec<Replay>>;

    /// Ends a replay, in one transaction: its run is read to its end with these batches, the letters
    /// that were sent are closed, and its others are free again. One that ended before stays as it is.
    async fn end_replay(
        &self,
        run: RunId,
        batches: &[(String, u32)],
        sent: &[String],
    ) -> Result<()>;

    // --- grants: the tokens of systems ---

    /// The tokens that were granted last.
    async fn grant(&self, key: &GrantKey) -> Result<Option<TokenGrant>>;

    /// Keeps sealed tokens that were granted with those of the generation `after` (0 where there were
    /// none), which they replace; a refusal of those is forgotten. `false`, and nothing written,
    /// where others replaced them before.
    async fn put_grant(&self, key: &GrantKey, after: i64, sealed: &[u8]) -> Result<bool>;

    /// Notes that the authorisation server refused, now, to renew the tokens of a generation.
    /// `false`, and nothing noted, where they were replaced meanwhile.
    async fn refuse_grant(&self, key: &GrantKey, generation: i64) -> Result<bool>;

    // --- rate limits: when systems take requests ---

    /// Gives away up to `count` slots of a system, each once, whoever asks: the next ones at this pace, by
    /// the store's clock. Slots that are not used are lost.
    async fn reserve_slots(
        &self,
        system: &str,
        pace: SlotPace,
        count: u32,
    ) -> Result<ReservedSlots>;

    /// Has no slot of a system due for `length` from now, but for those that were given away.
    async fn hold_slots(&self, system: &str, length: Duration) -> Result<()>;

    /// For how long from now a system is held; nothing where it is not.
    async fn held_for(&self, system: &str) -> Result<Duration>;

    /// Gives the slots of a system away at half the pace, down to a hundredth. The whole of it comes back
    /// evenly, within five minutes. Where that was done less than `since` ago, nothing changes: whoever found the
    /// pace too high had its slot from before.
    async fn slow_slots(&self, system: &str, since: Duration) -> Result<()>;

    // --- outages and alerts: what people are to know ---

    /// Notes that a system is seen to be down, and by what kind of failure. It is down since now, unless it was
    /// seen to be so within the time that an outage is `remembered`.
    async fn begin_outage(
        &self,
        system: &str,
        class: &str,
        reason: &str,
        remembered: Duration,
    ) -> Result<()>;

    /// Notes that a system is not down, or not any more.
    async fn end_outage(&self, system: &str) -> Result<()>;

    /// The systems that were seen to be down within the time that an outage is `remembered`, by name.
    async fn outages(&self, remembered: Duration) -> Result<Vec<Outage>>;

    /// Notes that something was announced, now; where its subject stands already, nothing changes.
    async fn raise_alert(&self, subject: &str, text: &str) -> Result<()>;

    /// Notes that it was announced to be over.
    async fn clear_alert(&self, subject: &str) -> Result<()>;

    /// What was announced and is not over, by subject.
    async fn alerts(&self) -> Result<Vec<Alert>>;

    /// How many open dead letters of each flow died since then; flows with none are left out.
    async fn count_dead_letters(&self, since: jiff::Timestamp) -> Result<BTreeMap<String, u64>>;

    /// When the newest run of this flow was requested that read its source and of which all has settled.
    async fn last_success(&self, flow: &str) -> Result<Option<jiff::Timestamp>>;
}

/// Which dead letters to list.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// One id, or the beginning of one.
    pub id: Option<String>,
    /// Closed ones as well: those that were replayed or discarded.
    pub closed: bool,
    /// One flow.
    pub flow: Option<String>,
    /// One stage.
    pub stage: Option<Stage>,
    /// One kind of failure.
    pub reason: Option<DeadLetterReason>,
    /// The run they died in.
    pub run: Option<RunId>,
    /// The run of the replay that they belong to.
    pub replayed_in: Option<RunId>,
    /// Only those after this place in the listing: the id of the last one seen.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else holds the lease now; what was to be recorded was not.
    #[error("the lease '{0}' was taken by somebody else")]
    LeaseLost(String),
    /// The URL of the database cannot be read, its certificates cannot be, or the name of the schema cannot
    /// be one.
    #[error("the store cannot be used like this: {reason}")]
    Settings {
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// The store cannot be reached or failed; it may work later.
    #[error("the store {place} does not answer: {reason}")]
    Unavailable {
        /// Where it is, without a password.
        place: String,
        /// What it or the network said.
        reason: String,
    },
    /// What is stored cannot be understood: it was written by a newer version, or by hand.
    #[error("the store holds something this version cannot read: {0}")]
    Unreadable(String),
}

/// The result of a call to the store.
pub type Result<T> = std::result::Result<T, Error>;
