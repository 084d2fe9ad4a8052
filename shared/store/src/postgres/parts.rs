//! The shapes of records that may be split, in PostgreSQL.

use std::borrow::Cow;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    text::{escaped, unescaped},
};
use crate::{KnownShape, RecordShape, Result, ShapeChange, SplitRecords};

/// A key that a change does not have is settled when the ledger has it at the version of that
/// change or a newer one: older content that comes late is stale. Escaping a text for the database
/// keeps the end of a part's key as it is.
const KNOWN: &str = "
    SELECT shape.version, shape.outputs, shape.parts, shape.whole,
        coalesce((
            SELECT part + 1 FROM generate_series(shape.parts - 1, shape.current_parts, -1) AS part
            WHERE NOT EXISTS (
                SELECT FROM ledger WHERE ledger.flow = $1 AND ledger.key = wanted.key || '/' || part
                    AND ledger.version IS NOT NULL AND NOT is_older(ledger.version, shape.version))
            ORDER BY part DESC LIMIT 1
        ), shape.current_parts, 0) AS remaining_parts,
        CASE
            WHEN shape.version IS NULL THEN EXISTS (
                SELECT FROM ledger WHERE ledger.flow = $1 AND ledger.key = wanted.key
                    AND (ledger.id IS NOT NULL OR ledger.in_doubt OR ledger.claim IS NOT NULL))
            ELSE shape.whole AND (shape.outputs = 1 OR NOT EXISTS (
                SELECT FROM ledger WHERE ledger.flow = $1 AND ledger.key = wanted.key
                    AND ledger.version IS NOT NULL AND NOT is_older(ledger.version, shape.version)))
        END AS whole_remains
    FROM unnest($2::text[]) WITH ORDINALITY AS wanted (key, place)
    LEFT JOIN LATERAL (
        SELECT *, CASE WHEN outputs > 1 THEN outputs ELSE 0 END AS current_parts
        FROM record_shapes WHERE record_shapes.flow = $1 AND record_shapes.key = wanted.key LIMIT 1
    ) AS shape ON true
    ORDER BY wanted.place";

/// Rows are locked in the order of their keys, so that two batches never wait for each other. What
/// a row was is looked up in a hash table, which an `IN` of rows that depend on nothing is made
/// into.
const CHANGE: &str = "
    INSERT INTO record_shapes AS known (flow, key, version, outputs, parts, whole)
    SELECT $1, key, version, outputs, parts, whole
    FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::boolean[])
        AS wanted (key, version, outputs, parts, whole)
    ORDER BY key COLLATE \"C\"
    ON CONFLICT (flow, key) DO UPDATE SET
        version = excluded.version, outputs = excluded.outputs, parts = excluded.parts, whole = excluded.whole
    WHERE (known.key, known.version, known.outputs, known.parts, known.whole) IN (
        SELECT * FROM unnest($2::text[], $7::text[], $8::bigint[], $9::bigint[], $10::boolean[])
            AS before (key, version, outputs, parts, whole)
        WHERE before.version IS NOT NULL)";

#[async_trait]
impl SplitRecords for PostgresStore {
    async fn known_shapes(&self, flow: &str, keys: &[&str]) -> Result<Vec<KnownShape>> {
        let keys: Vec<_> = keys.iter().map(|key| escaped(key)).collect();
        let rows = self.connections.query(KNOWN, &[&flow, &keys]).await?;
        Ok(rows.iter().map(known_shape).collect())
    }

    async fn change_shapes(&self, flow: &str, changes: &[ShapeChange]) -> Result<bool> {
        let keys: Vec<_> = changes.iter().map(|change| escaped(&change.key)).collect();
        let after = Columns::of(changes.iter().map(|change| Some(&change.after)));
        let before = Columns::of(changes.iter().map(|change| change.before.as_ref()));
        let parameters = [
            &flow as _,
            &keys as _,
            &after.versions as _,
            &after.outputs as _,
            &after.parts as _,
            &after.whole as _,
            &before.versions as _,
            &before.outputs as _,
            &before.parts as _,
            &before.whole as _,
        ];
        let changed = self.connections.execute(CHANGE, &parameters).await?;
        Ok(changed == changes.len() as u64)
    }

    async fn has_split(&self, flow: &str) -> Result<bool> {
        let sql = "SELECT FROM record_shapes WHERE flow = $1 LIMIT 1";
        Ok(self.connections.query_one(sql, &[&flow]).await?.is_some())
    }
}

fn known_shape(row: &Row) -> KnownShape {
    let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let version: Option<String> = row.get("version");
    let shape = version.map(|version| RecordShape {
        version: unescaped(version),
        outputs: number(row.get("outputs")),
        parts: number(row.get("parts")),
        whole: row.get("whole"),
    });
    KnownShape {
        shape,
        remaining_parts: number(row.get("remaining_parts")),
        whole_remains: row.get("whole_remains"),
    }
}

/// Shapes, column by column; a shape that is none is a row of nulls.
#[derive(Default)]
struct Columns<'s> {
    versions: Vec<Option<Cow<'s, str>>>,
    outputs: Vec<Option<i64>>,
    parts: Vec<Option<i64>>,
    whole: Vec<Option<bool>>,
}

impl<'s> Columns<'s> {
    fn of(shapes: impl Iterator<Item = Option<&'s RecordShape>>) -> Columns<'s> {
        let mut columns = Columns::default();
        for shape in shapes {
            columns
                .versions
                .push(shape.map(|shape| escaped(&shape.version)));
            columns
                .outputs
                .push(shape.map(|shape| shape.outputs.into()));
            columns.parts.push(shape.map(|shape| shape.parts.into()));
            columns.whole.push(shape.map(|shape| shape.whole));
        }
        columns
    }
}
