//! Leases, in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction};

use super::{SqliteStore, values};
use crate::{Error, Lease, LeaseName, Leases, Result};

#[async_trait]
impl Leases for SqliteStore {
    async fn acquire_lease(
        &self,
        name: LeaseName,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        let holder = holder.to_owned();
        // A holder that did not learn that it has the lease may take it again.
        let sql = "
            INSERT INTO leases AS lease VALUES (?1, ?2, 1, ?3)
            ON CONFLICT (name) DO UPDATE
                SET holder = excluded.holder, token = lease.token + 1, expires_at = excluded.expires_at
                WHERE lease.expires_at <= ?4 OR lease.holder = excluded.holder
            RETURNING token";
        self.write(move |transaction| {
            let (until, now) = (values::in_future(ttl), values::now());
            let token = transaction
                .query_row(sql, (name.to_string(), holder, until, now), |row| {
                    row.get(0)
                })
                .optional()?;
            Ok(token.map(|token| Lease { name, token }))
        })
        .await
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<()> {
        let name = lease.name.to_string();
        self.while_held(lease, move |transaction| {
            let sql = "UPDATE leases SET expires_at = ?2 WHERE name = ?1";
            transaction
                .execute(sql, (name, values::in_future(ttl)))
                .map(drop)
        })
        .await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let (name, token) = (lease.name.to_string(), lease.token);
        let sql =
            "UPDATE leases SET token = token + 1, expires_at = 0 WHERE name = ?1 AND token = ?2";
        self.write(move |transaction| transaction.execute(sql, (name, token)).map(drop))
            .await
    }
}

impl SqliteStore {
    /// Runs `work` in a transaction unless another holder has taken the lease, which cannot happen
    /// meanwhile.
    pub(super) async fn while_held<Work>(&self, lease: &Lease, work: Work) -> Result<()>
    where
        Work: FnOnce(&Transaction<'_>) -> rusqlite::Result<()> + Send + 'static,
    {
        let (name, token) = (lease.name.to_string(), lease.token);
        let is_held = self.write(move |transaction| {
            let sql = "SELECT 1 FROM leases WHERE name = ?1 AND token = ?2";
            let is_held = transaction.prepare_cached(sql)?.exists((name, token))?;
            if is_held {
                work(transaction)?;
            }
            Ok(is_held)
        });
        match is_held.await? {
            true => Ok(()),
            false => Err(Error::LeaseLost(lease.name.clone())),
        }
    }
}

/// Ends every lease.
pub(super) fn expire(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let sql = "UPDATE leases SET token = token + 1, expires_at = 0";
    transaction.execute(sql, []).map(drop)
}
