//! The statement that settles claimed keys, and its parameters.

use std::borrow::Cow;

use pomost_models::Version;

use crate::{
    KnownRecord, SettledEntry, SettledState, ledger::ContentHash, postgres::text::escaped,
};

/// An entry with a hash was applied, which ends a doubt. An entry without one leaves the known
/// record as it is, and a doubt as well.
pub(super) const SETTLE: &str = "
    WITH settled AS (
        SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bytea[], $9::boolean[],
            $13::boolean[])
            WITH ORDINALITY AS settled (key, id, etag, incarnation, version, hash, in_doubt, still_in_flight, place)
    ), written AS (
        INSERT INTO ledger AS known (flow, key, id, etag, incarnation, version, hash, in_doubt, asked_at)
        SELECT $1, settled.key, settled.id, settled.etag, settled.incarnation, settled.version, settled.hash,
            settled.in_doubt, CASE WHEN settled.still_in_flight THEN now() END
        FROM settled, LATERAL (
            SELECT key FROM ledger WHERE ledger.flow = $1 AND ledger.key = settled.key AND ledger.claim = $2 LIMIT 1
        ) AS held ORDER BY held.key
        ON CONFLICT (flow, key) DO UPDATE SET
            id = CASE WHEN excluded.hash IS NULL THEN known.id ELSE excluded.id END,
            etag = CASE WHEN excluded.hash IS NULL THEN known.etag ELSE excluded.etag END,
            incarnation = CASE WHEN excluded.hash IS NULL THEN known.incarnation ELSE excluded.incarnation END,
            version = coalesce(excluded.version, known.version),
            hash = coalesce(excluded.hash, known.hash),
            in_doubt = excluded.in_doubt OR (known.in_doubt AND excluded.hash IS NULL),
            attempted = CASE WHEN excluded.in_doubt OR (known.in_doubt AND excluded.hash IS NULL)
                THEN known.attempted END,
            asked_at = CASE WHEN excluded.hash IS NULL THEN coalesce(excluded.asked_at, known.asked_at) END,
            claim = NULL,
            claimed_until = NULL
        WHERE known.claim = $2
        RETURNING key
    ), counted AS (
        INSERT INTO run_batches (run, batch, outcomes)
        SELECT $10::uuid, $11::text, $12::text WHERE (SELECT count(*) FROM written) = (SELECT count(*) FROM settled)
        ON CONFLICT (run, batch) DO UPDATE
            SET outcomes = merge_outcomes(run_batches.outcomes, excluded.outcomes)
    )
    SELECT settled.place FROM settled LEFT JOIN written ON written.key = settled.key
    WHERE written.key IS NULL ORDER BY settled.place";

/// The entries of a settlement, column by column.
#[derive(Default)]
pub(super) struct SettlementColumns<'a> {
    pub(super) keys: Vec<Cow<'a, str>>,
    pub(super) ids: Vec<Option<Cow<'a, str>>>,
    pub(super) etags: Vec<Option<Cow<'a, str>>>,
    pub(super) incarnations: Vec<i64>,
    pub(super) versions: Vec<Option<String>>,
    pub(super) hashes: Vec<Option<&'a [u8]>>,
    pub(super) in_doubt: Vec<bool>,
    pub(super) still_in_flight: Vec<bool>,
}

impl<'a> SettlementColumns<'a> {
    pub(super) fn of(entries: &'a [SettledEntry]) -> SettlementColumns<'a> {
        let mut columns = SettlementColumns::default();
        for SettledEntry {
            key,
            state: settled,
        } in entries
        {
            columns.keys.push(escaped(key));
            match settled {
                SettledState::Applied {
                    known,
                    version,
                    hash,
                } => columns.push_applied(known, version, hash),
                SettledState::Released | SettledState::InDoubt | SettledState::StillInFlight => {
                    columns.push_unapplied()
                }
            }
            columns.in_doubt.push(matches!(
                settled,
                SettledState::InDoubt | SettledState::StillInFlight
            ));
            columns
                .still_in_flight
                .push(*settled == SettledState::StillInFlight);
        }
        columns
    }

    fn push_applied(&mut self, known: &'a KnownRecord, version: &Version, hash: &'a ContentHash) {
        self.ids.push(known.id.as_deref().map(escaped));
        self.etags.push(known.etag.as_deref().map(escaped));
        self.incarnations.push(known.incarnation.into());
        self.versions
            .push(Some(escaped(&version.order_key()).into_owned()));
        self.hashes.push(Some(hash));
    }

    fn push_unapplied(&mut self) {
        self.ids.push(None);
        self.etags.push(None);
        self.incarnations.push(0);
        self.versions.push(None);
        self.hashes.push(None);
    }
}
