//! Choosing dead letters.

use pomost_models::{DeadLetter, DeadLetterReason, Stage};
use pomost_store::{DeadLetterFilter, Store};

use crate::{Error, Result};

/// Number of letters that are worked on at a time.
const PAGE_SIZE: u32 = 1000;

/// The open dead letters that have one of these ids, if any is given, and that the other fields
/// leave.
#[derive(Debug, Clone, Default)]
pub struct LetterSelection {
    /// Ids, or beginnings of ids.
    pub ids: Vec<String>,
    pub flow: Option<String>,
    pub stage: Option<Stage>,
    pub reason: Option<DeadLetterReason>,
}

/// The dead letters of a selection, a page at a time.
pub struct LetterPages<'a> {
    store: &'a dyn Store,
    selection: &'a LetterSelection,
    /// The id of the last letter of the page before.
    after: Option<String>,
    /// True once the letters that are named by ids were returned.
    named: bool,
}

/// Some of the dead letters of a selection.
#[derive(Debug, Default)]
pub struct LetterPage {
    pub letters: Vec<DeadLetter>,
    /// The ids that no open letter has.
    pub missing: Vec<String>,
}

impl LetterSelection {
    /// At most `limit` open letters, oldest first, of each id or of all; an id may be the beginning
    /// of several.
    pub(super) async fn listed(&self, store: &dyn Store, limit: u32) -> Result<Vec<DeadLetter>> {
        if self.ids.is_empty() {
            return Ok(store.dead_letters(&self.filter(None, None, limit)).await?);
        }
        let mut letters = Vec::new();
        for id in &self.ids {
            letters.extend(
                store
                    .dead_letters(&self.filter(Some(id), None, limit))
                    .await?,
            );
        }
        Ok(letters)
    }

    /// The pages of all letters of the selection, for something to be done with them. Where nothing
    /// narrows the selection down, `all` has to be set.
    pub fn pages<'a>(&'a self, store: &'a dyn Store, all: bool) -> Result<LetterPages<'a>> {
        if !all && !self.narrows() {
            return Err(Error::NothingSelected);
        }
        Ok(LetterPages {
            store,
            selection: self,
            after: None,
            named: false,
        })
    }

    fn narrows(&self) -> bool {
        !self.ids.is_empty() || self.flow.is_some() || self.stage.is_some() || self.reason.is_some()
    }

    /// The one open letter of each id. An id that several letters begin with is an error, before
    /// anything is done.
    async fn named(&self, store: &dyn Store) -> Result<LetterPage> {
        let mut page = LetterPage::default();
        for id in &self.ids {
            let mut found = store.dead_letters(&self.filter(Some(id), None, 2)).await?;
            match (found.pop(), found.pop()) {
                (None, _) => page.missing.push(id.clone()),
                (Some(letter), None) => page.letters.push(letter),
                (Some(_), Some(_)) => return Err(Error::AmbiguousLetter(id.clone())),
            }
        }
        Ok(page)
    }

    fn filter(&self, id: Option<&String>, after: Option<String>, limit: u32) -> DeadLetterFilter {
        DeadLetterFilter {
            id: id.cloned(),
            flow: self.flow.clone(),
            stage: self.stage,
            reason: self.reason,
            after,
            limit,
            ..DeadLetterFilter::default()
        }
    }
}

impl LetterPages<'_> {
    /// The next page, or none after the last. A letter that was left as it is does not come a
    /// second time.
    pub async fn next(&mut self) -> Result<Option<LetterPage>> {
        if !self.selection.ids.is_empty() {
            return match std::mem::replace(&mut self.named, true) {
                false => self.selection.named(self.store).await.map(Some),
                true => Ok(None),
            };
        }
        // The page before may have been left as it is, so the next one is chosen by its place, not
        // by being first.
        let filter = self.selection.filter(None, self.after.take(), PAGE_SIZE);
        let letters = self.store.dead_letters(&filter).await?;
        self.after = letters.last().map(|letter| letter.id.clone());
        Ok(self.after.is_some().then_some(LetterPage {
            letters,
            missing: Vec::new(),
        }))
    }
}
