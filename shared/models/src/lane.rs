//! Lanes: live records go before the backfill.

use serde::{Deserialize, Serialize};

/// The lane of records that wait for one worker, or of requests that wait for one system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Records that have just changed, and records that somebody replays.
    #[default]
    Live,
    /// Records that are read to catch up. They leave the next turn to the live records.
    Backfill,
}

impl Lane {
    /// Both lanes.
    pub const ALL: [Lane; 2] = [Lane::Live, Lane::Backfill];

    /// True for the live lane.
    pub fn is_live(&self) -> bool {
        *self == Lane::Live
    }
}
