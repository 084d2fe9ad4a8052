//! Where a run goes on after a crash.

use jiff::Timestamp;
use pomost_models::Version;
use serde::{Deserialize, Serialize};

use crate::position::Position;

/// Where a run goes on after a crash. It is stored with each page that the broker has confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What to read next; none when all has been read.
    pub place: Option<Place>,
    /// How many pages were read before it. Batches are named by it.
    pub pages: u64,
    /// How many rows they held.
    pub rows: u64,
    /// Where the run began: the value of `$cursor`.
    pub since: Option<String>,
    /// The highest cursor seen; the last, once the source has contradicted that order.
    pub reached: Option<Version>,
    /// When the run began to read.
    #[serde(default)]
    pub began: Option<Timestamp>,
    /// The flow's cursor when the run began, empty where there was none; none in checkpoints of earlier versions.
    #[serde(default)]
    pub found: Option<String>,
    /// What the answers so far say of where the next run begins, where they do.
    #[serde(default)]
    pub token: Option<String>,
    /// Whether an answer had something to say, or should have had: 204 and 304 name no token, as nothing is new.
    #[serde(default)]
    pub spoke: bool,
    /// Whether the run began anew, since the source did not know the place any more at which it was to begin.
    #[serde(default)]
    pub anew: bool,
    /// Whether the source listed what is less than the text it was asked from.
    #[serde(default)]
    pub contradicted: bool,
    /// How many rows had a cursor.
    #[serde(default)]
    pub dated: u64,
    /// How many rows had none.
    #[serde(default)]
    pub undated: u64,
    /// Whether the source gives cursors as text that look like numbers, as far as it was known when the run began.
    #[serde(default)]
    pub gives_text: bool,
    /// The same of the cursor seen last.
    #[serde(default)]
    pub reached_is_text: Option<bool>,
}

/// What is read at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The part of the run.
    pub part: Part,
    /// The window of time, where the flow reads in such.
    pub window: Option<Window>,
    /// The page: of the parents, where the flow reads for each of them.
    pub position: Position,
    /// How many parents on this page have been read for.
    #[serde(default)]
    pub parents: usize,
}

/// The parts of a run, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The records.
    Records,
    /// What the source says that it deleted.
    Deletions,
    /// What the source does not list any more; after this key.
    Missing(String),
}

/// A window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Where it begins: the value of `$cursor` in it.
    pub from: String,
    /// Where it ends: the value of `$until`.
    pub until: String,
}

impl Place {
    /// The same part and window from another page on.
    pub fn at(&self, position: Position) -> Place {
        Place {
            position,
            parents: 0,
            ..self.clone()
        }
    }
}
