//! Dead letters: listing, showing and discarding them.

mod masked;
mod selection;

use pomost_project::Project;
use pomost_store::{DeadLetterFilter, Store};
use serde::Serialize;

use crate::{Error, Result};

pub use masked::{LetterDetails, LetterSummary};
pub use selection::{LetterPage, LetterPages, LetterSelection};

/// Open dead letters, oldest first.
#[derive(Debug, Clone, Serialize)]
pub struct LetterList {
    pub letters: Vec<LetterSummary>,
    /// True where there are more than were asked for.
    pub has_more: bool,
}

/// The letters that were discarded.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DiscardReport {
    /// Number of letters that were open and are discarded now.
    pub discarded: u64,
    /// The ids that no open letter has.
    pub missing: Vec<String>,
}

/// Lists at most `limit` open letters of a selection. Keys are shown only with the project, which
/// says what is sensitive.
pub async fn list(
    store: &dyn Store,
    project: Option<&Project>,
    selection: &LetterSelection,
    limit: u32,
) -> Result<LetterList> {
    let mut letters = selection.listed(store, limit.saturating_add(1)).await?;
    let has_more = letters.len() > limit as usize;
    letters.truncate(limit as usize);
    Ok(LetterList {
        letters: letters
            .iter()
            .map(|letter| LetterSummary::of(letter, project))
            .collect(),
        has_more,
    })
}

/// Shows one letter, open or closed, by its id or the beginning of it. Records are shown only with
/// the project, which says what is sensitive.
pub async fn show(store: &dyn Store, project: Option<&Project>, id: &str) -> Result<LetterDetails> {
    let filter = DeadLetterFilter {
        id: Some(id.to_owned()),
        include_closed: true,
        limit: 2,
        ..DeadLetterFilter::default()
    };
    match &store.dead_letters(&filter).await?[..] {
        [] => Err(Error::UnknownLetter(id.to_owned())),
        [letter] => Ok(LetterDetails::of(letter, project)),
        _ => Err(Error::AmbiguousLetter(id.to_owned())),
    }
}

/// Closes the open letters of a selection for good. With `all`, the selection may be every open
/// letter.
pub async fn discard(
    store: &dyn Store,
    selection: &LetterSelection,
    all: bool,
) -> Result<DiscardReport> {
    let mut report = DiscardReport::default();
    let mut pages = selection.pages(store, all)?;
    while let Some(LetterPage { letters, missing }) = pages.next().await? {
        let ids: Vec<String> = letters.into_iter().map(|letter| letter.id).collect();
        report.discarded += store.discard_dead_letters(&ids).await?;
        report.missing.extend(missing);
    }
    Ok(report)
}

/// True when the flow has an open dead letter.
pub async fn has_open(store: &dyn Store, flow: &str) -> Result<bool> {
    let filter = DeadLetterFilter {
        flow: Some(flow.to_owned()),
        limit: 1,
        ..DeadLetterFilter::default()
    };
    Ok(!store.dead_letters(&filter).await?.is_empty())
}

/// The beginning of a letter's id, which is enough to name it by.
pub fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
