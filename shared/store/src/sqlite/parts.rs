//! The shapes of records that may be split, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row};

use super::SqliteStore;
use crate::{KnownShape, RecordShape, Result, ShapeChange, SplitRecords, part_key};

#[async_trait]
impl SplitRecords for SqliteStore {
    async fn known_shapes(&self, flow: &str, keys: &[&str]) -> Result<Vec<KnownShape>> {
        let flow = flow.to_owned();
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let known = self.read(move |connection| {
            let known_shape = |key: &String| known_shape(connection, &flow, key);
            keys.iter().map(known_shape).collect()
        });
        known.await
    }

    async fn change_shapes(&self, flow: &str, changes: &[ShapeChange]) -> Result<bool> {
        let (flow, changes) = (flow.to_owned(), changes.to_vec());
        let sql = "INSERT OR REPLACE INTO record_shapes (flow, key, version, outputs, parts, whole)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let changed = self.write(move |transaction| {
            let mut all = true;
            for ShapeChange { key, before, after } in &changes {
                let holds = shape(transaction, &flow, key)? == *before;
                all &= holds;
                if holds {
                    transaction.prepare_cached(sql)?.execute((
                        &flow,
                        key,
                        &after.version,
                        after.outputs,
                        after.parts,
                        after.whole,
                    ))?;
                }
            }
            Ok(all)
        });
        changed.await
    }

    async fn has_split(&self, flow: &str) -> Result<bool> {
        let flow = flow.to_owned();
        let sql = "SELECT EXISTS (SELECT 1 FROM record_shapes WHERE flow = ?1)";
        let has_split =
            self.read(move |connection| connection.query_row(sql, [flow], |row| row.get(0)));
        has_split.await
    }
}

fn shape(connection: &Connection, flow: &str, key: &str) -> rusqlite::Result<Option<RecordShape>> {
    let sql =
        "SELECT version, outputs, parts, whole FROM record_shapes WHERE flow = ?1 AND key = ?2";
    let shape = |row: &Row<'_>| {
        Ok(RecordShape {
            version: row.get(0)?,
            outputs: row.get(1)?,
            parts: row.get(2)?,
            whole: row.get(3)?,
        })
    };
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row((flow, key), shape).optional()
}

fn known_shape(connection: &Connection, flow: &str, key: &str) -> rusqlite::Result<KnownShape> {
    let Some(shape) = shape(connection, flow, key)? else {
        let sql = "SELECT 1 FROM ledger
            WHERE flow = ?1 AND key = ?2 AND (id IS NOT NULL OR in_doubt OR claim IS NOT NULL)";
        return Ok(KnownShape {
            whole_remains: connection.prepare_cached(sql)?.exists((flow, key))?,
            ..KnownShape::default()
        });
    };
    let mut remaining_parts = shape.parts;
    while remaining_parts > shape.current_parts()
        && is_settled(
            connection,
            flow,
            &part_key(key, remaining_parts - 1),
            &shape.version,
        )?
    {
        remaining_parts -= 1;
    }
    let whole_remains =
        shape.whole && (shape.outputs == 1 || !is_settled(connection, flow, key, &shape.version)?);
    Ok(KnownShape {
        shape: Some(shape),
        remaining_parts,
        whole_remains,
    })
}

/// True where a key that a change does not have was settled at the version of that change: older
/// content that comes late is stale.
fn is_settled(
    connection: &Connection,
    flow: &str,
    key: &str,
    version: &str,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM ledger
        WHERE flow = ?1 AND key = ?2 AND version IS NOT NULL AND NOT is_older(version, ?3)";
    connection.prepare_cached(sql)?.exists((flow, key, version))
}
