//! Leases: work that one process at a time does.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::Result;

/// Takes, renews and releases leases.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Takes a lease for `ttl`. Returns `None` while another holder has it. Each lease that is
    /// taken has a higher token than all before it of its name.
    async fn acquire_lease(
        &self,
        name: LeaseName,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>>;

    /// Extends a lease until `ttl` from now, also one that has run out, unless another holder has
    /// taken it ([`Error::LeaseLost`](crate::Error::LeaseLost)).
    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<()>;

    /// Releases a lease, so that another holder need not wait for its end. Its token is invalid
    /// from then on.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;
}

/// A lease that was taken: the right to do some work alone, until it runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: LeaseName,
    /// Grows each time that the lease is taken. The holder of a lower token has been succeeded.
    pub token: i64,
}

/// The work that a lease is for. It is displayed as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseName {
    /// Extracting this flow.
    Flow(String),
    /// Announcing alerts.
    Alerts,
    /// Sending the request that shows whether this system works again.
    Probe(String),
    /// Renewing the tokens of this system.
    TokenRenewal(String),
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of flows have no colon, so no two leases have the same name.
        match self {
            LeaseName::Flow(flow) => f.write_str(flow),
            LeaseName::Alerts => f.write_str("alerts:"),
            LeaseName::Probe(system) => write!(f, "probe:{system}"),
            LeaseName::TokenRenewal(system) => write!(f, "grant:{system}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes of an older version, and their leases, are still there while a new one starts.
    #[test]
    fn names_are_stored_as_they_always_were() {
        let stored = [
            (LeaseName::Flow("customers".into()), "customers"),
            (LeaseName::Alerts, "alerts:"),
            (LeaseName::Probe("shop".into()), "probe:shop"),
            (LeaseName::TokenRenewal("shop".into()), "grant:shop"),
        ];
        for (name, text) in stored {
            assert_eq!(name.to_string(), text);
        }
    }
}
