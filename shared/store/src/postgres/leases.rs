//! Leases, in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;

use super::PostgresStore;
use crate::{Error, Lease, LeaseName, Leases, Result};

#[async_trait]
impl Leases for PostgresStore {
    async fn acquire_lease(
        &self,
        name: LeaseName,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        // A holder that did not learn that it has the lease may take it again.
        let sql = "
            INSERT INTO leases AS lease VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
            ON CONFLICT (name) DO UPDATE
                SET holder = excluded.holder, token = lease.token + 1, expires_at = excluded.expires_at
                WHERE lease.expires_at <= clock_timestamp() OR lease.holder = excluded.holder
            RETURNING token";
        let row = self
            .connections
            .query_one(sql, &[&name.to_string(), &holder, &ttl.as_secs_f64()])
            .await?;
        Ok(row.map(|row| Lease {
            name,
            token: row.get(0),
        }))
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<()> {
        let sql = "
            UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => $3)
            WHERE name = $1 AND token = $2";
        let name = lease.name.to_string();
        let renewed = self
            .connections
            .execute(sql, &[&name, &lease.token, &ttl.as_secs_f64()])
            .await?;
        unless_lost(renewed > 0, lease)
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let sql = "
            UPDATE leases SET token = token + 1, expires_at = clock_timestamp() WHERE name = $1 AND token = $2";
        self.connections
            .execute(sql, &[&lease.name.to_string(), &lease.token])
            .await
            .map(drop)
    }
}

/// The part of a statement that finds the lease `$1` with the token `$2`. The lease cannot get
/// another holder before the statement has committed.
pub(super) const HELD: &str =
    "held AS MATERIALIZED (SELECT FROM leases WHERE name = $1 AND token = $2 FOR UPDATE)";

/// The result of a statement that writes only while the lease is held.
pub(super) fn unless_lost(is_held: bool, lease: &Lease) -> Result<()> {
    match is_held {
        true => Ok(()),
        false => Err(Error::LeaseLost(lease.name.clone())),
    }
}
