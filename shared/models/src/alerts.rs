//! `alerts.yaml`: the alerts of a project.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Period, secret::SecretReference};

/// Alerts: messages when a system is down, when many records die, and when a flow has not succeeded
/// for too long.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertsFile {
    /// The URL that messages are posted to, each once, as `{"text": "…"}`: an incoming webhook of
    /// Slack, Mattermost, Teams and others. Everybody who knows the URL can post there, so it is a
    /// secret.
    pub url: SecretReference,
    /// Allows plain http to a host that is not this machine.
    #[serde(default)]
    pub allow_http: bool,
    /// The number of dead letters of one flow that is worth an alert.
    #[serde(default)]
    pub dead_letters: BurstSection,
    /// Alerts when a flow with a schedule has had no successful run for this many of its intervals,
    /// or of its times by the clock.
    #[serde(default = "default_overdue")]
    #[schemars(range(min = 2, max = 1000))]
    pub overdue: u32,
}

/// A number of dead letters within a time.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BurstSection {
    /// The number of dead letters.
    #[serde(default = "default_count")]
    #[schemars(range(min = 1))]
    pub count: u32,
    /// The time within which they died.
    #[serde(default = "default_within")]
    pub within: Period,
}

impl Default for BurstSection {
    fn default() -> BurstSection {
        BurstSection {
            count: default_count(),
            within: default_within(),
        }
    }
}

fn default_count() -> u32 {
    100
}

fn default_within() -> Period {
    Period(Duration::from_secs(600))
}

fn default_overdue() -> u32 {
    3
}
