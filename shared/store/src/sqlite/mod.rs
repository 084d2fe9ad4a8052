//! The store in one SQLite file, for the processes of one machine.

mod alerts;
mod changes;
mod dead_letters;
mod grants;
mod ledger;
mod order;
mod parts;
mod replays;
mod runs;
mod slots;
mod source_keys;
mod values;
mod webhooks;

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use pomost_models::{
    AttemptFingerprint, Batch, DeadLetter, RunId, RunTrigger, SlotOutcomes, webhook::DeliveryId,
};
use pomost_sqlite::Database;

use crate::{
    Alert, BatchSettlement, Claim, ClaimResult, ClaimToken, DeadLetterFilter, Error, GrantKey,
    KnownShape, Lease, Outage, PageProgress, ParkedClaim, Replay, ReservedSlots, Result, Run,
    RunRequest, RunSummary, ShapeChange, SlotPace, SourceKeyCounts, Store, TokenGrant,
    WebhookArrival,
};

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// A store in one SQLite file. Clones share its connections.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Opens the file, creating it and its directory where they are missing, and brings its tables
    /// up to date.
    pub async fn open(path: &Path) -> Result<SqliteStore> {
        Ok(SqliteStore {
            database: Database::open_with(path, embedded::migrations::runner(), order::define)
                .await?,
        })
    }

    /// Frees every lease, and every claim so that the next one answers [`ClaimResult::InDoubt`]. For the
    /// one process that holds the project's lock, when it starts: who held them is dead.
    pub async fn expire_claims_and_leases(&self) -> Result<()> {
        ledger::expire_claims_and_leases(&self.database).await
    }
}

impl From<pomost_sqlite::Error> for Error {
    fn from(error: pomost_sqlite::Error) -> Error {
        match error {
            pomost_sqlite::Error::Unavailable { place, reason } => {
                Error::Unavailable { place, reason }
            }
            error @ pomost_sqlite::Error::Migrations { .. } => Error::Unreadable(error.to_string()),
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> Result<()> {
        Ok(self
            .database
            .read(|connection| connection.query_row("SELECT 1", [], |_| Ok(())))
            .await?)
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        runs::acquire_lease(&self.database, name, holder, ttl).await
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<()> {
        runs::renew_lease(&self.database, lease, ttl).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        runs::release_lease(&self.database, lease).await
    }

    async fn request_run(&self, request: &RunRequest) -> Result<RunId> {
        runs::request(&self.database, request).await
    }

    async fn open_run(&self, flow: &str) -> Result<Option<Run>> {
        runs::open(&self.database, flow).await
    }

    async fn last_requested(
        &self,
        flow: &str,
        trigger: RunTrigger,
    ) -> Result<Option<jiff::Timestamp>> {
        runs::last_requested(&self.database, flow, trigger).await
    }

    async fn record_page(&self, lease: &Lease, page: &PageProgress) -> Result<()> {
        runs::record_page(&self.database, lease, page).await
    }

    async fn finish_extraction(
        &self,
        lease: &Lease,
        run: RunId,
        cursor: Option<&str>,
        warning: Option<&str>,
    ) -> Result<()> {
        runs::finish_extraction(&self.database, lease, run, cursor, warning).await
    }

    async fn fail_run(&self, lease: &Lease, run: RunId, error: &str) -> Result<()> {
        runs::fail(&self.database, lease, run, error).await
    }

    async fn missing_keys(
        &self,
        flow: &str,
        run: RunId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>> {
        source_keys::missing(&self.database, flow, run, after, limit).await
    }

    async fn count_keys(&self, flow: &str, run: RunId) -> Result<SourceKeyCounts> {
        source_keys::count(&self.database, flow, run).await
    }

    async fn has_applied(&self, flow: &str) -> Result<bool> {
        source_keys::has_applied(&self.database, flow).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunSummary>> {
        runs::summary(&self.database, run).await
    }

    async fn runs(&self, flow: Option<&str>, limit: u32) -> Result<Vec<RunSummary>> {
        runs::summaries(&self.database, flow, limit).await
    }

    async fn cursor(&self, flow: &str) -> Result<Option<String>> {
        runs::cursor(&self.database, flow).await
    }

    async fn set_cursor(&self, flow: &str, value: Option<&str>) -> Result<()> {
        runs::set_cursor(&self.database, flow, value).await
    }

    async fn known_deliveries(&self, flow: &str, deliveries: &[DeliveryId]) -> Result<Vec<bool>> {
        webhooks::known(&self.database, flow, deliveries).await
    }

    async fn record_arrival(&self, arrival: &WebhookArrival) -> Result<()> {
        webhooks::record(&self.database, arrival).await
    }

    async fn record_outcomes(
        &self,
        run: RunId,
        batch: &str,
        outcomes: &SlotOutcomes,
    ) -> Result<()> {
        runs::record_outcomes(&self.database, run, batch, outcomes).await
    }

    async fn claim(&self, claim: &Claim, ttl: Duration) -> Result<Vec<ClaimResult>> {
        ledger::claim(&self.database, claim, ttl).await
    }

    async fn renew_claim(&self, claim: &Claim, ttl: Duration) -> Result<bool> {
        ledger::renew(&self.database, claim, ttl).await
    }

    async fn settle(&self, settlement: &BatchSettlement) -> Result<Vec<String>> {
        ledger::settle(&self.database, settlement).await
    }

    async fn resolve_doubt(&self, flow: &str, key: &str, id: Option<&str>) -> Result<bool> {
        ledger::resolve_doubt(&self.database, flow, key, id).await
    }

    async fn known_shapes(&self, flow: &str, keys: &[&str]) -> Result<Vec<KnownShape>> {
        parts::known_shapes(&self.database, flow, keys).await
    }

    async fn change_shapes(&self, flow: &str, changes: &[ShapeChange]) -> Result<bool> {
        parts::change_shapes(&self.database, flow, changes).await
    }

    async fn has_split(&self, flow: &str) -> Result<bool> {
        parts::has_split(&self.database, flow).await
    }

    async fn expect_changes(&self, batches: &[&Batch]) -> Result<()> {
        changes::expect(&self.database, batches).await
    }

    async fn confirm_changes(&self, batches: &[&Batch]) -> Result<()> {
        changes::confirm(&self.database, batches).await
    }

    async fn give_up_changes(&self, flow: &str, patience: Duration) -> Result<()> {
        changes::give_up(&self.database, flow, patience).await
    }

    async fn forget_changes(&self, flow: &str) -> Result<()> {
        changes::forget(&self.database, flow).await
    }

    async fn are_behind(
        &self,
        batch: &Batch,
        fates: &[Option<AttemptFingerprint>],
    ) -> Result<Vec<bool>> {
        changes::behind(&self.database, batch, fates).await
    }

    async fn settle_changes(&self, batch: &Batch) -> Result<()> {
        changes::settle(&self.database, batch).await
    }

    async fn park(&self, batch: &Batch) -> Result<()> {
        changes::park(&self.database, batch).await
    }

    async fn take_parked(
        &self,
        flow: &str,
        keys: Option<&[&str]>,
        taking: ParkedClaim,
    ) -> Result<Vec<Batch>> {
        changes::take(&self.database, flow, keys, taking).await
    }

    async fn return_parked(&self, flow: &str, taker: ClaimToken) -> Result<()> {
        changes::give_back(&self.database, flow, taker).await
    }

    async fn unpark(&self, taker: ClaimToken, batches: &[Batch]) -> Result<()> {
        changes::unpark(&self.database, taker, batches).await
    }

    async fn archive(&self, letters: &[DeadLetter]) -> Result<()> {
        dead_letters::archive(&self.database, letters).await
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        dead_letters::list(&self.database, filter).await
    }

    async fn supersede(&self, flow: &str, keys: &[&str]) -> Result<u64> {
        changes::supersede(&self.database, flow, keys).await
    }

    async fn discard_dead_letters(&self, ids: &[String]) -> Result<u64> {
        dead_letters::discard(&self.database, ids).await
    }

    async fn begin_replay(&self, replay: &Replay, letters: &[String]) -> Result<u64> {
        replays::begin(&self.database, replay, letters).await
    }

    async fn begun_replays(&self) -> Result<Vec<Replay>> {
        replays::begun(&self.database).await
    }

    async fn end_replay(
        &self,
        run: RunId,
        batches: &[(String, u32)],
        sent: &[String],
    ) -> Result<()> {
        replays::end(&self.database, run, batches, sent).await
    }

    async fn grant(&self, key: &GrantKey) -> Result<Option<TokenGrant>> {
        grants::find(&self.database, key).await
    }

    async fn put_grant(&self, key: &GrantKey, after: i64, sealed: &[u8]) -> Result<bool> {
        grants::put(&self.database, key, after, sealed).await
    }

    async fn refuse_grant(&self, key: &GrantKey, generation: i64) -> Result<bool> {
        grants::refuse(&self.database, key, generation).await
    }

    async fn reserve_slots(
        &self,
        system: &str,
        pace: SlotPace,
        count: u32,
    ) -> Result<ReservedSlots> {
        slots::reserve(&self.database, system, pace, count).await
    }

    async fn hold_slots(&self, system: &str, length: Duration) -> Result<()> {
        slots::hold(&self.database, system, length).await
    }

    async fn held_for(&self, system: &str) -> Result<Duration> {
        slots::held_for(&self.database, system).await
    }

    async fn slow_slots(&self, system: &str, since: Duration) -> Result<()> {
        slots::slow(&self.database, system, since).await
    }

    async fn begin_outage(
        &self,
        system: &str,
        class: &str,
        reason: &str,
        remembered: Duration,
    ) -> Result<()> {
        alerts::begin_outage(&self.database, system, class, reason, remembered).await
    }

    async fn end_outage(&self, system: &str) -> Result<()> {
        alerts::end_outage(&self.database, system).await
    }

    async fn outages(&self, remembered: Duration) -> Result<Vec<Outage>> {
        alerts::outages(&self.database, remembered).await
    }

    async fn raise_alert(&self, subject: &str, text: &str) -> Result<()> {
        alerts::raise(&self.database, subject, text).await
    }

    async fn clear_alert(&self, subject: &str) -> Result<()> {
        alerts::clear(&self.database, subject).await
    }

    async fn alerts(&self) -> Result<Vec<Alert>> {
        alerts::alerts(&self.database).await
    }

    async fn count_dead_letters(&self, since: jiff::Timestamp) -> Result<BTreeMap<String, u64>> {
        alerts::count_dead_letters(&self.database, since).await
    }

    async fn last_success(&self, flow: &str) -> Result<Option<jiff::Timestamp>> {
        alerts::last_success(&self.database, flow).await
    }
}
