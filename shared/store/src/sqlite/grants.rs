//! What authorisation servers granted.

use pomost_sqlite::Database;
use rusqlite::{OptionalExtension, Row};

use super::values;
use crate::{GrantKey, Result, TokenGrant};

pub(super) async fn find(database: &Database, key: &GrantKey) -> Result<Option<TokenGrant>> {
    let key = key.clone();
    let sql =
        "SELECT generation, sealed, refused_at FROM grants WHERE system = ?1 AND fingerprint = ?2";
    let found = database.read(move |connection| {
        connection
            .prepare_cached(sql)?
            .query_row((key.system, key.fingerprint), grant)
            .optional()
    });
    Ok(found.await?)
}

/// A repetition finds its own row and writes it again.
pub(super) async fn put(
    database: &Database,
    key: &GrantKey,
    after: i64,
    sealed: &[u8],
) -> Result<bool> {
    let (key, sealed) = (key.clone(), sealed.to_owned());
    let sql = "
        INSERT INTO grants (system, fingerprint, generation, sealed) VALUES (?1, ?2, ?3 + 1, ?4)
        ON CONFLICT (system, fingerprint) DO UPDATE
            SET generation = excluded.generation, sealed = excluded.sealed, refused_at = NULL
            WHERE grants.generation = ?3 OR (grants.generation = ?3 + 1 AND grants.sealed = excluded.sealed)";
    let written = database.write(move |transaction| {
        transaction.execute(sql, (key.system, key.fingerprint, after, sealed))
    });
    Ok(written.await? > 0)
}

pub(super) async fn refuse(database: &Database, key: &GrantKey, generation: i64) -> Result<bool> {
    let key = key.clone();
    let sql = "
        INSERT INTO grants (system, fingerprint, generation, sealed, refused_at) VALUES (?1, ?2, ?3, x'', ?4)
        ON CONFLICT (system, fingerprint) DO UPDATE SET refused_at = excluded.refused_at
            WHERE grants.generation = ?3";
    let noted = database.write(move |transaction| {
        transaction.execute(
            sql,
            (key.system, key.fingerprint, generation, values::now()),
        )
    });
    Ok(noted.await? > 0)
}

fn grant(row: &Row<'_>) -> rusqlite::Result<TokenGrant> {
    let refused_at: Option<i64> = row.get(2)?;
    let refused_at = refused_at.map(|time| values::time(2, time)).transpose()?;
    Ok(TokenGrant {
        generation: row.get(0)?,
        sealed: row.get(1)?,
        refused_at,
    })
}
