//! Grants: the tokens of systems, as authorisation servers granted them.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// Stores tokens, each grant as the successor of the one before it.
#[async_trait]
pub trait Grants: Send + Sync + 'static {
    /// The tokens that were granted last.
    async fn grant(&self, key: &GrantKey) -> Result<Option<TokenGrant>>;

    /// Stores encrypted tokens in place of those of the generation `after` (0 where there were
    /// none), and forgets that the renewal of those was refused. Returns `false`, and writes
    /// nothing, where another process has replaced them.
    async fn replace_grant(&self, key: &GrantKey, after: i64, sealed: &[u8]) -> Result<bool>;

    /// Records that the authorisation server refused, now, to renew the tokens of a generation.
    /// Returns `false`, and writes nothing, where those were replaced meanwhile.
    async fn record_grant_refusal(&self, key: &GrantKey, generation: i64) -> Result<bool>;
}

/// Names the tokens of a system under one configuration of its `auth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantKey {
    pub system: String,
    /// Identifies the configuration without revealing its secrets.
    pub fingerprint: String,
}

/// The tokens that were granted last.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenGrant {
    /// Grows with each grant; 0 where there has been none.
    pub generation: i64,
    /// The tokens, encrypted by the process that stored them; empty where there are none.
    pub sealed: Vec<u8>,
    /// Time at which the authorisation server last refused to renew them.
    pub refused_at: Option<Timestamp>,
}

impl fmt::Debug for TokenGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenGrant")
            .field("generation", &self.generation)
            .field("refused_at", &self.refused_at)
            .finish_non_exhaustive()
    }
}
