//! Grants, in PostgreSQL.

use async_trait::async_trait;

use super::PostgresStore;
use crate::{GrantKey, Grants, Result, TokenGrant};

#[async_trait]
impl Grants for PostgresStore {
    async fn grant(&self, key: &GrantKey) -> Result<Option<TokenGrant>> {
        let sql = "SELECT generation, sealed, refused_at FROM grants WHERE system = $1 AND fingerprint = $2";
        let row = self
            .connections
            .query_one(sql, &[&key.system, &key.fingerprint])
            .await?;
        Ok(row.map(|row| TokenGrant {
            generation: row.get(0),
            sealed: row.get(1),
            refused_at: row.get(2),
        }))
    }

    async fn replace_grant(&self, key: &GrantKey, after: i64, sealed: &[u8]) -> Result<bool> {
        // A repeated call finds its own row and writes it again.
        let sql = "
            INSERT INTO grants VALUES ($1, $2, $3::bigint + 1, $4)
            ON CONFLICT (system, fingerprint) DO UPDATE
                SET generation = excluded.generation, sealed = excluded.sealed, refused_at = NULL
                WHERE grants.generation = $3 OR (grants.generation = $3::bigint + 1 AND grants.sealed = excluded.sealed)";
        Ok(self
            .connections
            .execute(sql, &[&key.system, &key.fingerprint, &after, &sealed])
            .await?
            > 0)
    }

    async fn record_grant_refusal(&self, key: &GrantKey, generation: i64) -> Result<bool> {
        let sql = "
            INSERT INTO grants VALUES ($1, $2, $3, '', clock_timestamp())
            ON CONFLICT (system, fingerprint) DO UPDATE SET refused_at = excluded.refused_at
                WHERE grants.generation = $3";
        Ok(self
            .connections
            .execute(sql, &[&key.system, &key.fingerprint, &generation])
            .await?
            > 0)
    }
}
