//! Grants, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row};

use super::{SqliteStore, values};
use crate::{GrantKey, Grants, Result, TokenGrant};

#[async_trait]
impl Grants for SqliteStore {
    async fn grant(&self, key: &GrantKey) -> Result<Option<TokenGrant>> {
        let key = key.clone();
        let sql = "SELECT generation, sealed, refused_at FROM grants WHERE system = ?1 AND fingerprint = ?2";
        self.read(move |connection| {
            connection
                .prepare_cached(sql)?
                .query_row((key.system, key.fingerprint), grant)
                .optional()
        })
        .await
    }

    async fn replace_grant(&self, key: &GrantKey, after: i64, sealed: &[u8]) -> Result<bool> {
        let (key, sealed) = (key.clone(), sealed.to_owned());
        // A repeated call finds its own row and writes it again.
        let sql = "
            INSERT INTO grants (system, fingerprint, generation, sealed) VALUES (?1, ?2, ?3 + 1, ?4)
            ON CONFLICT (system, fingerprint) DO UPDATE
                SET generation = excluded.generation, sealed = excluded.sealed, refused_at = NULL
                WHERE grants.generation = ?3 OR (grants.generation = ?3 + 1 AND grants.sealed = excluded.sealed)";
        self.write(move |transaction| {
            let rows = transaction.execute(sql, (key.system, key.fingerprint, after, sealed))?;
            Ok(rows > 0)
        })
        .await
    }

    async fn record_grant_refusal(&self, key: &GrantKey, generation: i64) -> Result<bool> {
        let key = key.clone();
        let sql = "
            INSERT INTO grants (system, fingerprint, generation, sealed, refused_at) VALUES (?1, ?2, ?3, x'', ?4)
            ON CONFLICT (system, fingerprint) DO UPDATE SET refused_at = excluded.refused_at
                WHERE grants.generation = ?3";
        self.write(move |transaction| {
            let GrantKey {
                system,
                fingerprint,
            } = key;
            let refused = (system, fingerprint, generation, values::now());
            Ok(transaction.execute(sql, refused)? > 0)
        })
        .await
    }
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
