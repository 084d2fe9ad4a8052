//! The store on PostgreSQL, shared by any number of processes.

mod alerts;
mod changes;
mod connection;
mod dead_letters;
mod grants;
mod ledger;
mod parts;
mod replays;
mod runs;
mod slots;
mod source_keys;
mod text;
mod webhooks;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use pomost_models::{
    AttemptFingerprint, Batch, DeadLetter, RunId, RunTrigger, SlotOutcomes, webhook::DeliveryId,
};

use crate::{
    Alert, BatchSettlement, Claim, ClaimResult, ClaimToken, DeadLetterFilter, GrantKey, KnownShape,
    Lease, Outage, PageProgress, ParkedClaim, Replay, ReservedSlots, Result, Run, RunRequest,
    RunSummary, ShapeChange, SlotPace, SourceKeyCounts, Store, TokenGrant, WebhookArrival,
};
use connection::Connections;

/// A store in one schema of a PostgreSQL database. Clones share their connections.
///
/// Whatever it is asked takes one statement, and so one round trip and one transaction.
#[derive(Clone)]
pub struct PostgresStore {
    connections: Connections,
}

impl PostgresStore {
    /// Connects to the database at `url` (`postgres://USER:PASSWORD@HOST:PORT/DATABASE`) and brings
    /// the tables in the schema `namespace` up to date, creating it where it is missing. Several
    /// processes may do so at once. No error repeats the URL.
    ///
    /// The URL's `sslmode` decides on TLS: `disable`, `require`, or left out `prefer`, which does without
    /// where the server offers none. What is required is verified, and so is what comes of `prefer` where
    /// `ca` is given: the certificates that the server's own has to come from, as PEM, instead of those
    /// that the platform trusts.
    pub async fn connect(url: &str, ca: Option<&str>, namespace: &str) -> Result<PostgresStore> {
        Ok(PostgresStore {
            connections: Connections::open(url, ca, namespace).await?,
        })
    }

    /// Drops the schema `namespace` with all that is in it, where it exists.
    pub async fn remove(url: &str, ca: Option<&str>, namespace: &str) -> Result<()> {
        Connections::drop_schema(url, ca, namespace).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn ping(&self) -> Result<()> {
        self.connections.execute("SELECT 1", &[]).await.map(drop)
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        runs::acquire_lease(&self.connections, name, holder, ttl).await
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<()> {
        runs::renew_lease(&self.connections, lease, ttl).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        runs::release_lease(&self.connections, lease).await
    }

    async fn request_run(&self, request: &RunRequest) -> Result<RunId> {
        runs::request(&self.connections, request).await
    }

    async fn open_run(&self, flow: &str) -> Result<Option<Run>> {
        runs::open(&self.connections, flow).await
    }

    async fn last_requested(
        &self,
        flow: &str,
        trigger: RunTrigger,
    ) -> Result<Option<jiff::Timestamp>> {
        runs::last_requested(&self.connections, flow, trigger).await
    }

    async fn record_page(&self, lease: &Lease, page: &PageProgress) -> Result<()> {
        runs::record_page(&self.connections, lease, page).await
    }

    async fn finish_extraction(
        &self,
        lease: &Lease,
        run: RunId,
        cursor: Option<&str>,
        warning: Option<&str>,
    ) -> Result<()> {
        runs::finish_extraction(&self.connections, lease, run, cursor, warning).await
    }

    async fn fail_run(&self, lease: &Lease, run: RunId, error: &str) -> Result<()> {
        runs::fail(&self.connections, lease, run, error).await
    }

    async fn missing_keys(
        &self,
        flow: &str,
        run: RunId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>> {
        source_keys::missing(&self.connections, flow, run, after, limit).await
    }

    async fn count_keys(&self, flow: &str, run: RunId) -> Result<SourceKeyCounts> {
        source_keys::count(&self.connections, flow, run).await
    }

    async fn has_applied(&self, flow: &str) -> Result<bool> {
        source_keys::has_applied(&self.connections, flow).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunSummary>> {
        runs::summary(&self.connections, run).await
    }

    async fn runs(&self, flow: Option<&str>, limit: u32) -> Result<Vec<RunSummary>> {
        runs::summaries(&self.connections, flow, limit).await
    }

    async fn cursor(&self, flow: &str) -> Result<Option<String>> {
        runs::cursor(&self.connections, flow).await
    }

    async fn set_cursor(&self, flow: &str, value: Option<&str>) -> Result<()> {
        runs::set_cursor(&self.connections, flow, value).await
    }

    async fn known_deliveries(&self, flow: &str, deliveries: &[DeliveryId]) -> Result<Vec<bool>> {
        webhooks::known(&self.connections, flow, deliveries).await
    }

    async fn record_arrival(&self, arrival: &WebhookArrival) -> Result<()> {
        webhooks::record(&self.connections, arrival).await
    }

    async fn record_outcomes(
        &self,
        run: RunId,
        batch: &str,
        outcomes: &SlotOutcomes,
    ) -> Result<()> {
        runs::record_outcomes(&self.connections, run, batch, outcomes).await
    }

    async fn claim(&self, claim: &Claim, ttl: Duration) -> Result<Vec<ClaimResult>> {
        ledger::claim(&self.connections, claim, ttl).await
    }

    async fn renew_claim(&self, claim: &Claim, ttl: Duration) -> Result<bool> {
        ledger::renew(&self.connections, claim, ttl).await
    }

    async fn settle(&self, settlement: &BatchSettlement) -> Result<Vec<String>> {
        ledger::settle(&self.connections, settlement).await
    }

    async fn resolve_doubt(&self, flow: &str, key: &str, id: Option<&str>) -> Result<bool> {
        ledger::resolve_doubt(&self.connections, flow, key, id).await
    }

    async fn known_shapes(&self, flow: &str, keys: &[&str]) -> Result<Vec<KnownShape>> {
        parts::known_shapes(&self.connections, flow, keys).await
    }

    async fn change_shapes(&self, flow: &str, changes: &[ShapeChange]) -> Result<bool> {
        parts::change_shapes(&self.connections, flow, changes).await
    }

    async fn has_split(&self, flow: &str) -> Result<bool> {
        parts::has_split(&self.connections, flow).await
    }

    async fn expect_changes(&self, batches: &[&Batch]) -> Result<()> {
        changes::expect(&self.connections, batches).await
    }

    async fn confirm_changes(&self, batches: &[&Batch]) -> Result<()> {
        changes::confirm(&self.connections, batches).await
    }

    async fn give_up_changes(&self, flow: &str, patience: Duration) -> Result<()> {
        changes::give_up(&self.connections, flow, patience).await
    }

    async fn forget_changes(&self, flow: &str) -> Result<()> {
        changes::forget(&self.connections, flow).await
    }

    async fn are_behind(
        &self,
        batch: &Batch,
        fates: &[Option<AttemptFingerprint>],
    ) -> Result<Vec<bool>> {
        changes::behind(&self.connections, batch, fates).await
    }

    async fn settle_changes(&self, batch: &Batch) -> Result<()> {
        changes::settle(&self.connections, batch).await
    }

    async fn park(&self, batch: &Batch) -> Result<()> {
        changes::park(&self.connections, batch).await
    }

    async fn take_parked(
        &self,
        flow: &str,
        keys: Option<&[&str]>,
        taking: ParkedClaim,
    ) -> Result<Vec<Batch>> {
        changes::take(&self.connections, flow, keys, taking).await
    }

    async fn return_parked(&self, flow: &str, taker: ClaimToken) -> Result<()> {
        changes::give_back(&self.connections, flow, taker).await
    }

    async fn unpark(&self, taker: ClaimToken, batches: &[Batch]) -> Result<()> {
        changes::unpark(&self.connections, taker, batches).await
    }

    async fn archive(&self, letters: &[DeadLetter]) -> Result<()> {
        dead_letters::archive(&self.connections, letters).await
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        dead_letters::list(&self.connections, filter).await
    }

    async fn supersede(&self, flow: &str, keys: &[&str]) -> Result<u64> {
        changes::supersede(&self.connections, flow, keys).await
    }

    async fn discard_dead_letters(&self, ids: &[String]) -> Result<u64> {
        dead_letters::discard(&self.connections, ids).await
    }

    async fn begin_replay(&self, replay: &Replay, letters: &[String]) -> Result<u64> {
        replays::begin(&self.connections, replay, letters).await
    }

    async fn begun_replays(&self) -> Result<Vec<Replay>> {
        replays::begun(&self.connections).await
    }

    async fn end_replay(
        &self,
        run: RunId,
        batches: &[(String, u32)],
        sent: &[String],
    ) -> Result<()> {
        replays::end(&self.connections, run, batches, sent).await
    }

    async fn grant(&self, key: &GrantKey) -> Result<Option<TokenGrant>> {
        grants::find(&self.connections, key).await
    }

    async fn put_grant(&self, key: &GrantKey, after: i64, sealed: &[u8]) -> Result<bool> {
        grants::put(&self.connections, key, after, sealed).await
    }

    async fn refuse_grant(&self, key: &GrantKey, generation: i64) -> Result<bool> {
        grants::refuse(&self.connections, key, generation).await
    }

    async fn reserve_slots(
        &self,
        system: &str,
        pace: SlotPace,
        count: u32,
    ) -> Result<ReservedSlots> {
        slots::reserve(&self.connections, system, pace, count).await
    }

    async fn hold_slots(&self, system: &str, length: Duration) -> Result<()> {
        slots::hold(&self.connections, system, length).await
    }

    async fn held_for(&self, system: &str) -> Result<Duration> {
        slots::held_for(&self.connections, system).await
    }

    async fn slow_slots(&self, system: &str, since: Duration) -> Result<()> {
        slots::slow(&self.connections, system, since).await
    }

    async fn begin_outage(
        &self,
        system: &str,
        class: &str,
        reason: &str,
        remembered: Duration,
    ) -> Result<()> {
        alerts::begin_outage(&self.connections, system, class, reason, remembered).await
    }

    async fn end_outage(&self, system: &str) -> Result<()> {
        alerts::end_outage(&self.connections, system).await
    }

    async fn outages(&self, remembered: Duration) -> Result<Vec<Outage>> {
        alerts::outages(&self.connections, remembered).await
    }

    async fn raise_alert(&self, subject: &str, text: &str) -> Result<()> {
        alerts::raise(&self.connections, subject, text).await
    }

    async fn clear_alert(&self, subject: &str) -> Result<()> {
        alerts::clear(&self.connections, subject).await
    }

    async fn alerts(&self) -> Result<Vec<Alert>> {
        alerts::alerts(&self.connections).await
    }

    async fn count_dead_letters(&self, since: jiff::Timestamp) -> Result<BTreeMap<String, u64>> {
        alerts::count_dead_letters(&self.connections, since).await
    }

    async fn last_success(&self, flow: &str) -> Result<Option<jiff::Timestamp>> {
        alerts::last_success(&self.connections, flow).await
    }
}
