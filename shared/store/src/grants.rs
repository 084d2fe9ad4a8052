//! What authorisation servers granted.

use std::fmt;

use jiff::Timestamp;

/// Whose tokens: a system's, under one configuration of its `auth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantKey {
    /// The system.
    pub system: String,
    /// Tells configurations apart, without saying anything of their secrets.
    pub fingerprint: String,
}

/// The tokens that were granted last.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenGrant {
    /// Grows with each grant; 0 where there has been none.
    pub generation: i64,
    /// The tokens, encrypted by whoever wrote them; empty where there are none.
    pub sealed: Vec<u8>,
    /// When the authorisation server last refused to renew them.
    pub refused_at: Option<Timestamp>,
}

impl fmt::Debug for TokenGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("generation", &self.generation)
            .field("refused_at", &self.refused_at)
            .finish_non_exhaustive()
    }
}
