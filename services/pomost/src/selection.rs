//! Choosing dead letters on the command line.

use anyhow::{bail, ensure};
use clap::builder::NonEmptyStringValueParser;
use pomost_models::{DeadLetter, DeadLetterReason, Stage};
use pomost_store::{DeadLetterFilter, Store};

/// How many dead letters are worked on at a time.
const PAGE: u32 = 1000;

/// Which dead letters.
#[derive(Debug, clap::Args)]
pub struct Selection {
    // An empty id, of a variable that is not set, would be the beginning of every one.
    /// Those with these ids, or beginnings of ids
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub ids: Vec<String>,
    /// Those of this flow
    #[arg(long)]
    flow: Option<String>,
    /// Those that failed at this stage: extract, transform or load
    #[arg(long)]
    stage: Option<Stage>,
    /// Those of this kind: invalid, transient, in_doubt, poison or unreadable
    #[arg(long)]
    class: Option<DeadLetterReason>,
}

/// The dead letters of a selection, a page at a time.
pub struct Pages<'a> {
    store: &'a dyn Store,
    selection: &'a Selection,
    after: Option<String>,
    named: bool,
}

/// Some of the dead letters of a selection.
#[derive(Debug, Default)]
pub struct Page {
    /// The letters.
    pub letters: Vec<DeadLetter>,
    /// The ids that no open letter has.
    pub missing: Vec<String>,
}

impl Selection {
    /// At most `limit` open letters, oldest first, of each id or of all; an id may be the beginning
    /// of several.
    pub async fn listed(&self, store: &dyn Store, limit: u32) -> anyhow::Result<Vec<DeadLetter>> {
        let mut letters = Vec::new();
        for id in self
            .ids
            .iter()
            .map(Some)
            .chain(self.ids.is_empty().then_some(None))
        {
            letters.extend(store.dead_letters(&self.filter(id, None, limit)).await?);
        }
        Ok(letters)
    }

    /// All open letters, for something to be done with them. An error where nothing narrows them
    /// down and `all` is not said.
    pub fn pages<'a>(&'a self, store: &'a dyn Store, all: bool) -> anyhow::Result<Pages<'a>> {
        let narrows = !self.ids.is_empty()
            || self.flow.is_some()
            || self.stage.is_some()
            || self.class.is_some();
        ensure!(
            narrows || all,
            "name ids, --flow, --stage or --class; or --all for every open dead letter"
        );
        Ok(Pages {
            store,
            selection: self,
            after: None,
            named: false,
        })
    }

    /// The one open letter of each id. Several are an error before anything is done.
    async fn named(&self, store: &dyn Store) -> anyhow::Result<Page> {
        let mut page = Page::default();
        for id in &self.ids {
            let mut found = store.dead_letters(&self.filter(Some(id), None, 2)).await?;
            match (found.pop(), found.pop()) {
                (None, _) => page.missing.push(id.clone()),
                (Some(letter), None) => page.letters.push(letter),
                (Some(_), Some(_)) => {
                    bail!("several dead letters begin with {id}; give more of the id")
                }
            }
        }
        Ok(page)
    }

    fn filter(&self, id: Option<&String>, after: Option<String>, limit: u32) -> DeadLetterFilter {
        DeadLetterFilter {
            id: id.cloned(),
            flow: self.flow.clone(),
            stage: self.stage,
            reason: self.class,
            after,
            limit,
            ..DeadLetterFilter::default()
        }
    }
}

impl Pages<'_> {
    /// The next page, or none after the last. What was left as it is does not come again.
    pub async fn next(&mut self) -> anyhow::Result<Option<Page>> {
        if !self.selection.ids.is_empty() {
            let first = !std::mem::replace(&mut self.named, true);
            return if first {
                self.selection.named(self.store).await.map(Some)
            } else {
                Ok(None)
            };
        }
        let letters = self
            .store
            .dead_letters(&self.selection.filter(None, self.after.take(), PAGE))
            .await?;
        self.after = letters.last().map(|letter| letter.id.clone());
        Ok(self.after.is_some().then_some(Page {
            letters,
            missing: Vec::new(),
        }))
    }
}
