//! The statements that archive dead letters, and their parameters.

use std::borrow::Cow;

use jiff::Timestamp;
use pomost_models::{DeadLetter, Record};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Result, dead_letters, postgres::text::escaped};

/// Letters of one flow are archived by one statement at a time: two that do not see each other's
/// letters would archive two equal ones. Flows are locked in one order, so that two statements
/// never wait for each other.
pub(super) const LOCK: &str = "
    SELECT pg_advisory_xact_lock(hashtextextended('pomost dead letters of ' || current_schema() || '/' || flow, 0))
    FROM (SELECT DISTINCT flow FROM unnest($1::text[]) AS sent (flow) ORDER BY flow) AS flows";

/// A record that is read again gives its standing letter its own version, where only the latest
/// version matters.
pub(super) const RENEW: &str = "
    WITH newest AS (
        SELECT flow, stage, key, fate, max(version COLLATE \"C\") AS version
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::boolean[])
            AS sent (flow, stage, key, version, fate, latest_only)
        WHERE latest_only GROUP BY flow, stage, key, fate
    ), equal AS (
        SELECT standing.id, newest.version FROM newest JOIN dead_letters AS standing
            ON standing.flow = newest.flow AND standing.key = newest.key AND standing.fate = newest.fate
                AND standing.stage = newest.stage AND standing.state IN ('open', 'discarded')
                AND standing.replayed_in IS NULL AND is_older(standing.version, newest.version)
        ORDER BY standing.id FOR UPDATE OF standing
    )
    UPDATE dead_letters SET version = equal.version FROM equal WHERE dead_letters.id = equal.id";

/// Of equal letters one is archived: the one that stands already, or the newest of them. Only its
/// change blocks later ones.
pub(super) const ARCHIVE: &str = "
    WITH sent AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
            $11::text[], $12::bigint[], $13::text[], $14::text[], $15::bytea[], $16::boolean[], $17::boolean[])
            AS sent (id, flow, run, stage, reason, died_at, letter, batch, slot, key, version, fate, latest_only, only_open)
    ), compared AS (
        SELECT sent.*, EXISTS (SELECT FROM dead_letters AS archived WHERE archived.id = sent.id) AS is_archived, EXISTS (
            SELECT FROM dead_letters AS other
            WHERE other.flow = sent.flow AND other.key = sent.key AND other.fate = sent.fate AND other.stage = sent.stage
                AND other.state IN ('open', 'discarded') AND other.replayed_in IS NULL
                AND (other.state = 'open' OR NOT sent.only_open)) AS has_equal
        FROM sent
    ), letters AS MATERIALIZED (
        SELECT *, is_archived OR fate IS NULL OR NOT has_equal AND 1 = row_number() OVER (
            PARTITION BY flow, stage, key, fate, is_archived ORDER BY version COLLATE \"C\" DESC, id) AS is_kept
        FROM compared
    ), died AS (
        SELECT changes.flow, changes.key, changes.version, letters.is_kept FROM letters JOIN changes
            ON changes.flow = letters.flow AND changes.key = letters.key AND changes.version = letters.version
        ORDER BY changes.flow, changes.key, changes.version FOR UPDATE OF changes
    ), marked AS (
        UPDATE changes SET dead = true FROM died
        WHERE died.is_kept
            AND changes.flow = died.flow AND changes.key = died.key AND changes.version = died.version
    ), settled AS (
        DELETE FROM changes USING died
        WHERE NOT died.is_kept
            AND changes.flow = died.flow AND changes.key = died.key AND changes.version = died.version
    ), counted AS (
        INSERT INTO run_batches (run, batch, outcomes)
        SELECT * FROM unnest($8::uuid[], $9::text[], $10::text[]) AS dead (run, batch, outcomes) ORDER BY run, batch
        ON CONFLICT (run, batch) DO UPDATE SET outcomes = merge_outcomes(run_batches.outcomes, excluded.outcomes)
    ), older AS (
        SELECT dead_letters.id FROM letters JOIN dead_letters
            ON dead_letters.flow = letters.flow AND dead_letters.key = letters.key AND letters.key <> ''
                AND dead_letters.state IN ('open', 'discarded') AND dead_letters.replayed_in IS NULL
                AND is_older(dead_letters.version, letters.version)
                AND (dead_letters.reason <> 'in_doubt' OR letters.reason = 'in_doubt')
        WHERE letters.latest_only AND letters.is_kept AND NOT letters.is_archived
        ORDER BY dead_letters.id FOR UPDATE OF dead_letters
    ), outdated AS (
        UPDATE dead_letters SET state = 'superseded' FROM older WHERE dead_letters.id = older.id
    ), older_sent AS (
        SELECT letters.id FROM letters JOIN letters AS newer
            ON newer.flow = letters.flow AND newer.key = letters.key AND letters.key <> ''
                AND is_older(letters.version, newer.version)
                AND (letters.reason <> 'in_doubt' OR newer.reason = 'in_doubt')
        WHERE newer.latest_only AND newer.is_kept AND NOT newer.is_archived
    )
    INSERT INTO dead_letters (id, flow, run, stage, reason, died_at, letter, batch, slot, key, version, fate, state)
    SELECT id, flow, run, stage, reason, died_at, letter, batch, slot, key, version, fate,
        CASE WHEN id IN (SELECT id FROM older_sent) THEN 'superseded' ELSE 'open' END
    FROM letters WHERE is_kept ORDER BY id
    ON CONFLICT (id) DO NOTHING";

/// Dead letters and the slots of their records, column by column.
pub(super) struct LetterColumns<'a> {
    ids: Vec<Cow<'a, str>>,
    pub(super) flows: Vec<Cow<'a, str>>,
    runs: Vec<Uuid>,
    stages: Vec<&'a str>,
    reasons: Vec<&'a str>,
    died_at: Vec<Timestamp>,
    texts: Vec<String>,
    batches: Vec<Cow<'a, str>>,
    record_slots: Vec<Option<i64>>,
    keys: Vec<Option<Cow<'a, str>>>,
    versions: Vec<Option<String>>,
    fingerprints: Vec<Option<Vec<u8>>>,
    latest_only: Vec<bool>,
    only_open: Vec<bool>,
    slot_runs: Vec<Uuid>,
    slot_batches: Vec<Cow<'a, str>>,
    slot_masks: Vec<String>,
}

impl<'a> LetterColumns<'a> {
    pub(super) fn of(letters: &'a [DeadLetter]) -> Result<LetterColumns<'a>> {
        let slots = dead_letters::dead_slots(letters);
        let records = || letters.iter().map(|letter| letter.record.as_ref());
        let order_key = |record: &Record| escaped(&record.version.order_key()).into_owned();
        Ok(LetterColumns {
            ids: column(letters, |letter| escaped(&letter.id)),
            flows: column(letters, |letter| escaped(&letter.flow)),
            runs: column(letters, |letter| letter.run.0),
            stages: column(letters, |letter| letter.stage.as_str()),
            reasons: column(letters, |letter| letter.reason.as_str()),
            died_at: column(letters, |letter| letter.died_at),
            texts: letters
                .iter()
                .map(dead_letters::to_text)
                .collect::<Result<_>>()?,
            batches: column(letters, |letter| escaped(&letter.batch)),
            record_slots: records().map(|record| Some(record?.slot.into())).collect(),
            keys: records()
                .map(|record| Some(escaped(&record?.key)))
                .collect(),
            versions: records().map(|record| record.map(order_key)).collect(),
            fingerprints: column(letters, |letter| Some(letter.fate()?.0.to_vec())),
            latest_only: column(letters, |letter| letter.newest_alone),
            only_open: column(letters, DeadLetter::is_told),
            slot_runs: slots.keys().map(|(run, _)| run.0).collect(),
            slot_batches: slots.keys().map(|(_, batch)| escaped(batch)).collect(),
            slot_masks: slots
                .values()
                .map(|outcomes| outcomes.mask().to_owned())
                .collect(),
        })
    }

    /// The parameters of [`RENEW`].
    pub(super) fn renewal(&self) -> [&(dyn ToSql + Sync); 6] {
        [
            &self.flows,
            &self.stages,
            &self.keys,
            &self.versions,
            &self.fingerprints,
            &self.latest_only,
        ]
    }

    /// The parameters of [`ARCHIVE`].
    pub(super) fn archiving(&self) -> [&(dyn ToSql + Sync); 17] {
        [
            &self.ids,
            &self.flows,
            &self.runs,
            &self.stages,
            &self.reasons,
            &self.died_at,
            &self.texts,
            &self.slot_runs,
            &self.slot_batches,
            &self.slot_masks,
            &self.batches,
            &self.record_slots,
            &self.keys,
            &self.versions,
            &self.fingerprints,
            &self.latest_only,
            &self.only_open,
        ]
    }
}

fn column<'a, T>(letters: &'a [DeadLetter], value: impl Fn(&'a DeadLetter) -> T) -> Vec<T> {
    letters.iter().map(value).collect()
}
