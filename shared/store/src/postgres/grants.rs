//! What authorisation servers granted.

use super::connection::Connections;
use crate::{GrantKey, Result, TokenGrant};

pub(super) async fn find(connections: &Connections, key: &GrantKey) -> Result<Option<TokenGrant>> {
    let sql =
        "SELECT generation, sealed, refused_at FROM grants WHERE system = $1 AND fingerprint = $2";
    let row = connections
        .query_one(sql, &[&key.system, &key.fingerprint])
        .await?;
    Ok(row.map(|row| TokenGrant {
        generation: row.get(0),
        sealed: row.get(1),
        refused_at: row.get(2),
    }))
}

/// A repetition finds its own row and writes it again.
pub(super) async fn put(
    connections: &Connections,
    key: &GrantKey,
    after: i64,
    sealed: &[u8],
) -> Result<bool> {
    let sql = "
        INSERT INTO grants VALUES ($1, $2, $3::bigint + 1, $4)
        ON CONFLICT (system, fingerprint) DO UPDATE
            SET generation = excluded.generation, sealed = excluded.sealed, refused_at = NULL
            WHERE grants.generation = $3 OR (grants.generation = $3::bigint + 1 AND grants.sealed = excluded.sealed)";
    Ok(connections
        .execute(sql, &[&key.system, &key.fingerprint, &after, &sealed])
        .await?
        > 0)
}

pub(super) async fn refuse(
    connections: &Connections,
    key: &GrantKey,
    generation: i64,
) -> Result<bool> {
    let sql = "
        INSERT INTO grants VALUES ($1, $2, $3, '', clock_timestamp())
        ON CONFLICT (system, fingerprint) DO UPDATE SET refused_at = excluded.refused_at
            WHERE grants.generation = $3";
    Ok(connections
        .execute(sql, &[&key.system, &key.fingerprint, &generation])
        .await?
        > 0)
}
