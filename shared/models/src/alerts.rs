//! `alerts.yaml`: who is told what people have to know.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Period, secret::SecretReference};

/// Who is told when a system is down, when many records die, and when a flow does not succeed any more.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertsFile {
    /// Where messages go, each once, by `POST` as `{"text": "…"}`: an incoming webhook of Slack,
    /// Mattermost, Teams and others. It lets in whoever knows it, so it is a secret.
    pub url: SecretReference,
    /// Whether plain http may be used with a host that is not this machine.
    #[serde(default)]
    pub allow_http: bool,
    /// How many dead letters of one flow are a burst.
    #[serde(default)]
    pub dead_letters: BurstSection,
    /// For how many of its intervals, or times by the clock, a flow with a schedule may go without a run that
    /// succeeded.
    #[serde(default = "default_overdue")]
    #[schemars(range(min = 2, max = 1000))]
    pub overdue: u32,
}

/// So many in so long.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BurstSection {
    /// How many.
    #[serde(default = "default_count")]
    #[schemars(range(min = 1))]
    pub count: u32,
    /// Within how long.
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
