//! The state from which a run is read on after a crash.

use jiff::Timestamp;
use pomost_models::Version;
use pomost_rows::cursor;
use serde::{Deserialize, Serialize};

use super::{RunContext, route};

use crate::{error::Error, paging::PagePosition};

/// The state of a run between two pages. It is stored with each page that the sink has taken; the
/// serialised names are those of the stored form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The position to read next; `None` when all has been read.
    #[serde(rename = "place")]
    pub position: Option<RunPosition>,
    /// Number of pages before the position. Batches are named by it.
    pub pages: u64,
    /// Number of rows on those pages.
    pub rows: u64,
    /// The value of `$cursor` in the run.
    pub since: Option<String>,
    /// The highest cursor so far, or the last one once the source has contradicted that order.
    pub reached: Option<Version>,
    #[serde(default, rename = "began")]
    pub began_at: Option<Timestamp>,
    /// The flow's stored cursor when the run began, empty if there was none. `None` in checkpoints
    /// of earlier versions.
    #[serde(default, rename = "found")]
    pub cursor_at_start: Option<String>,
    /// The last sync token that an answer named.
    #[serde(default, rename = "token")]
    pub sync_token: Option<String>,
    /// An answer should have named a sync token: one other than 204 and 304, which say that nothing
    /// is new.
    #[serde(default, rename = "spoke")]
    pub expects_token: bool,
    /// The run was restarted, since the source had forgotten the place at which it was to begin.
    #[serde(default, rename = "anew")]
    pub restarted: bool,
    /// The source listed a text that is less than the one it was asked from.
    #[serde(default)]
    pub contradicted: bool,
    #[serde(default, rename = "dated")]
    pub rows_with_cursor: u64,
    #[serde(default, rename = "undated")]
    pub rows_without_cursor: u64,
    /// The source gives as text cursors that look like numbers, as far as earlier runs have seen.
    #[serde(default, rename = "gives_text")]
    pub cursor_is_text: bool,
    /// The same of the cursor that was read last in this run.
    #[serde(default)]
    pub reached_is_text: Option<bool>,
}

/// The position of a run: a part of it, a window of time, a page, and parents on that page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPosition {
    pub part: RunPart,
    /// The window of time, if the flow reads in windows.
    pub window: Option<TimeWindow>,
    /// The page of the listing, or of the parents if the flow reads for each of them.
    #[serde(rename = "position")]
    pub page: PagePosition,
    /// Number of parents on the page whose children have been read.
    #[serde(default, rename = "parents")]
    pub parents_done: usize,
}

/// The parts of a run, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunPart {
    Records,
    /// The listing of records that the source has deleted.
    Deletions,
    /// The known keys after this one that the source does not list any more.
    Missing(String),
}

/// A window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeWindow {
    /// The value of `$cursor` in it.
    pub from: String,
    /// The value of `$until` in it.
    pub until: String,
}

impl RunPosition {
    /// The same part and window, from another page on.
    pub(super) fn at_page(&self, page: PagePosition) -> RunPosition {
        RunPosition {
            page,
            parents_done: 0,
            ..self.clone()
        }
    }
}

impl Checkpoint {
    /// The stored checkpoint of a run that was begun, or the first one of a run that was not.
    pub async fn load(context: &RunContext<'_>) -> Result<Checkpoint, Error> {
        match &context.run.checkpoint {
            Some(stored) => Checkpoint::deserialize(stored)
                .map_err(|error| pomost_store::Error::Unreadable(error.to_string()).into()),
            None => Checkpoint::first(context).await,
        }
    }

    async fn first(context: &RunContext<'_>) -> Result<Checkpoint, Error> {
        let stored = context.store.cursor(&context.run.flow).await?;
        let since = start(context, stored.as_deref()).map_err(Error::Permanent)?;
        let position = route::start(context.flow(), RunPart::Records, since.as_deref())?;
        let is_value = context.flow().extract.cursor_value().is_some();
        Ok(Checkpoint {
            position: Some(position),
            since,
            cursor_at_start: Some(stored.clone().unwrap_or_default()),
            // Only values have an order in which a cursor can be reached; tokens replace each
            // other.
            reached: stored.filter(|_| is_value).map(Version::new),
            began_at: Some(Timestamp::now()),
            cursor_is_text: context.cursor_is_text().await?,
            ..Checkpoint::default()
        })
    }
}

fn start(context: &RunContext<'_>, stored: Option<&str>) -> Result<Option<String>, String> {
    let requested = context.run.since.as_deref();
    match (context.cursor(), requested) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err("--since needs extract.cursor, which the flow has not".into()),
        (Some(rules), _) => cursor::start_of_run(&context.flow().extract, rules, requested, stored)
            .map_err(|problem| format!("extract.cursor cannot begin there: {problem}")),
    }
}
