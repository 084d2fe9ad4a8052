//! Who is told what people have to know.

use std::time::Duration;

use secrecy::SecretString;

/// Who is told what people have to know.
#[derive(Debug)]
pub struct AlertRules {
    /// Where messages are posted.
    pub url: SecretString,
    /// How many dead letters of one flow are a burst.
    pub dead_letters: BurstRule,
    /// For how many of its intervals a flow with a schedule may go without a run that succeeded.
    pub overdue: u32,
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurstRule {
    /// How many.
    pub count: u32,
    /// Within how long.
    pub within: Duration,
}
