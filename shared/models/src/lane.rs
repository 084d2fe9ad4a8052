//! Who goes first.

use serde::{Deserialize, Serialize};

/// Who goes first where records wait for the same worker, or requests for the same system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// What has just changed, and what somebody replays.
    #[default]
    Live,
    /// What is read to catch up: it leaves the live records their turns.
    Backfill,
}

impl Lane {
    /// Both.
    pub const ALL: [Lane; 2] = [Lane::Live, Lane::Backfill];

    /// Whether it is the lane of what has just changed.
    pub fn is_live(&self) -> bool {
        *self == Lane::Live
    }
}
