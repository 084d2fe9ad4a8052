//! Changes that have not settled, in PostgreSQL.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use pomost_models::{AttemptFingerprint, Batch, Record};

use super::{PostgresStore, text::escaped};
use crate::{Changes, Result};

#[async_trait]
impl Changes for PostgresStore {
    async fn expect_changes(&self, batches: &[&Batch]) -> Result<()> {
        let Some(first) = batches.first() else {
            return Ok(());
        };
        let records = || {
            batches
                .iter()
                .flat_map(|batch| batch.records.iter().map(move |record| (*batch, record)))
        };
        let batch_ids: Vec<_> = records().map(|(batch, _)| escaped(&batch.id)).collect();
        let (keys, versions) = columns(records().map(|(_, record)| record));
        let (flow, run) = (&first.flow, first.run.0);
        self.connections
            .execute(EXPECT, &[flow, &run, &batch_ids, &keys, &versions])
            .await
            .map(drop)
    }

    async fn confirm_changes(&self, batches: &[&Batch]) -> Result<()> {
        let Some(first) = batches.first() else {
            return Ok(());
        };
        let (keys, versions) = columns(batches.iter().flat_map(|batch| &batch.records));
        self.connections
            .execute(CONFIRM, &[&first.flow, &keys, &versions])
            .await
            .map(drop)
    }

    async fn forget_unconfirmed_changes(&self, flow: &str, age: Duration) -> Result<()> {
        let sql = "
            DELETE FROM changes
            WHERE flow = $1 AND NOT confirmed AND NOT dead AND expected_at <= now() - make_interval(secs => $2)";
        self.connections
            .execute(sql, &[&flow, &age.as_secs_f64()])
            .await
            .map(drop)
    }

    async fn forget_changes(&self, flow: &str) -> Result<()> {
        self.connections
            .execute("DELETE FROM changes WHERE flow = $1", &[&flow])
            .await
            .map(drop)
    }

    async fn are_blocked(
        &self,
        batch: &Batch,
        fingerprints: &[Option<AttemptFingerprint>],
    ) -> Result<Vec<bool>> {
        let (keys, versions) = columns(&batch.records);
        let fingerprints: Vec<Option<&[u8]>> = fingerprints
            .iter()
            .map(|fingerprint| Some(&fingerprint.as_ref()?.0[..]))
            .collect();
        let rows = self
            .connections
            .query(ARE_BLOCKED, &[&batch.flow, &keys, &versions, &fingerprints])
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn settle_changes(&self, batch: &Batch) -> Result<()> {
        let (keys, versions) = columns(&batch.records);
        self.connections
            .execute(SETTLE, &[&batch.flow, &keys, &versions])
            .await
            .map(drop)
    }
}

/// Statements that write the same changes lock them in the same order. Changes that were read later
/// than the batches' stay: the process that read them has succeeded the one that registers these.
const EXPECT: &str = "
    WITH expected AS (
        SELECT DISTINCT ON (key, version) batch, key, version
        FROM unnest($3::text[], $4::text[], $5::text[]) AS expected (batch, key, version)
        ORDER BY key, version
    ), forgotten AS (
        DELETE FROM changes
        WHERE run = $2 AND batch = ANY ($3::text[]) AND NOT confirmed AND NOT dead AND NOT EXISTS (
            SELECT FROM expected WHERE expected.key = changes.key AND expected.version = changes.version)
            AND extraction(version) COLLATE \"C\" <= (SELECT max(extraction(version) COLLATE \"C\") FROM expected)
    )
    INSERT INTO changes (flow, key, version, run, batch)
    SELECT $1, key, version, $2, batch FROM expected ORDER BY key COLLATE \"C\", version COLLATE \"C\"
    ON CONFLICT (flow, key, version) DO UPDATE
        SET run = excluded.run, batch = excluded.batch, expected_at = excluded.expected_at, dead = false";

/// A change that another statement has locked is being settled already, or registered again.
const CONFIRM: &str = "
    WITH noted AS (
        SELECT changes.key, changes.version FROM unnest($2::text[], $3::text[]) AS published (key, version)
        JOIN changes ON changes.flow = $1 AND changes.key = published.key AND changes.version = published.version
        FOR UPDATE OF changes SKIP LOCKED
    )
    UPDATE changes SET confirmed = true FROM noted
    WHERE flow = $1 AND changes.key = noted.key AND changes.version = noted.version";

const ARE_BLOCKED: &str = "
    SELECT EXISTS (
        SELECT FROM changes WHERE flow = $1 AND changes.key = wanted.key AND waits_for(wanted.version, changes.version)
    ) AND NOT EXISTS (
        SELECT FROM dead_letters AS dead
        WHERE dead.flow = $1 AND dead.key = wanted.key AND dead.fate = wanted.fate AND dead.stage = 'load'
            AND dead.state IN ('open', 'discarded') AND dead.replayed_in IS NULL
            AND NOT is_older(dead.version, (
                SELECT version FROM ledger WHERE ledger.flow = $1 AND ledger.key = wanted.key LIMIT 1))
    )
    FROM unnest($2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY AS wanted (key, version, fate, place)
    ORDER BY place";

/// A dead change stays while its letter is open: its message may be redelivered after the letter
/// was archived.
const SETTLE: &str = "
    WITH settled AS (
        SELECT changes.key, changes.version FROM unnest($2::text[], $3::text[]) AS settled (key, version)
        JOIN changes ON changes.flow = $1 AND changes.key = settled.key AND changes.version = settled.version
        ORDER BY changes.key, changes.version FOR UPDATE OF changes
    )
    DELETE FROM changes USING settled
    WHERE flow = $1 AND changes.key = settled.key AND changes.version = settled.version AND NOT (changes.dead AND EXISTS (
        SELECT FROM dead_letters AS standing
        WHERE standing.flow = $1 AND standing.key = settled.key AND standing.version = settled.version
            AND standing.state = 'open' AND standing.replayed_in IS NULL))";

/// Keys and order keys of records.
pub(super) fn columns<'r>(
    records: impl IntoIterator<Item = &'r Record>,
) -> (Vec<Cow<'r, str>>, Vec<String>) {
    let row = |record: &'r Record| {
        (
            escaped(&record.key),
            escaped(&record.version.order_key()).into_owned(),
        )
    };
    records.into_iter().map(row).unzip()
}
