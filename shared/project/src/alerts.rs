//! The alerts of a project, compiled.

use std::time::Duration;

use secrecy::SecretString;

/// The conditions of alerts, and the URL that they are posted to.
#[derive(Debug)]
pub struct AlertRules {
    pub url: SecretString,
    /// The number of dead letters of one flow that is worth an alert.
    pub dead_letters: BurstRule,
    /// The number of its intervals for which a flow with a schedule may go without a successful
    /// run.
    pub overdue: u32,
}

/// A number of dead letters within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurstRule {
    pub count: u32,
    pub within: Duration,
}
