//! The end of a run: where the next one begins, and what was odd about this one.

use pomost_models::Version;
use pomost_project::flow::CursorRules;
use tracing::{info, warn};

use crate::{
    checkpoint::Checkpoint,
    extraction::{Error, Extraction},
};

const NOTHING_LISTED: &str = "the source listed no records at all, though it had some before";
const NO_TOKEN: &str =
    "no answer had what extract.cursor looks for in it, so the next run begins where this one did";
const CONTRADICTED: &str = "the source listed what is less than the text that it was asked from, so it does not order such texts \
     character by character: the last one counts. Tokens are found by extract.cursor.token; of times in another \
     format, datetime makes some that compare";

impl Extraction<'_> {
    /// The cursor moves only here, when every page is with the broker: pages need not be in its
    /// order. Where somebody has set it since the run began, it stays as they did.
    pub(crate) async fn finish(&self, end: &Checkpoint) -> Result<(), Error> {
        let store = self.context.store();
        let stored = store.cursor(&self.run.flow).await?;
        let was_set = end
            .found
            .as_ref()
            .is_some_and(|found| *found != stored.clone().unwrap_or_default());
        let next = self.flow().extract.cursor.as_ref().filter(|_| !was_set);
        let next = next.and_then(|cursor| self.next(cursor, end, stored));
        let warnings = self.warnings(end).await?.join("; ");
        let warning = Some(warnings.as_str()).filter(|warnings| !warnings.is_empty());
        store
            .finish_extraction(self.lease, self.run.id, next.as_deref(), warning)
            .await?;
        info!(flow = self.run.flow, run = %self.run.id, pages = end.pages, rows = end.rows, "extracted");
        self.remark(end, was_set);
        Ok(())
    }

    /// Where the next run begins; none where that stays as it is. Values never move back, so a run from an earlier
    /// `--since` leaves them where they are; and they stay after a run from a later one, or what lies between would
    /// never be read. Of a token from which somebody let a run begin nobody knows whether it is a later one. What the
    /// source did not know any more, when the run began anew, is not compared with what it told then, nor is a text
    /// that the source orders otherwise.
    fn next(
        &self,
        cursor: &CursorRules,
        end: &Checkpoint,
        stored: Option<String>,
    ) -> Option<String> {
        if cursor.value().is_none() {
            return end
                .token
                .clone()
                .filter(|_| self.run.since.is_none() || end.anew);
        }
        if end.anew || end.contradicted {
            return end
                .reached
                .as_ref()
                .map(|reached| reached.as_str().to_owned());
        }
        let stored = stored.map(Version::new);
        let known = stored.clone().or(cursor.start.clone().map(Version::new));
        let leaves_a_gap = latest(known.clone(), self.run.since.clone().map(Version::new)) != known;
        let next = if leaves_a_gap {
            stored
        } else {
            further(stored, end.reached.clone())
        };
        next.map(|next| next.as_str().to_owned())
    }

    async fn warnings(&self, end: &Checkpoint) -> Result<Vec<&'static str>, Error> {
        let extract = &self.flow().extract;
        let waits_for_token = extract.cursor.is_some() && extract.cursor_value().is_none();
        // A source that had records and suddenly lists none is more likely at fault than empty.
        let lists_nothing = end.rows == 0 && self.reads_everything(end.since.as_deref());
        let lists_nothing = lists_nothing
            && self
                .context
                .store()
                .has_applied_records(&self.run.flow)
                .await?;
        let warnings = [
            (end.anew, self.began_anew()),
            (
                waits_for_token && end.token.is_none() && end.spoke,
                NO_TOKEN,
            ),
            (lists_nothing, NOTHING_LISTED),
        ];
        Ok(warnings
            .into_iter()
            .filter_map(|(is_so, warning)| is_so.then_some(warning))
            .collect())
    }

    /// What is worth knowing, though nothing is odd about it.
    fn remark(&self, end: &Checkpoint, was_set: bool) {
        let (flow, run) = (&self.run.flow, self.run.id);
        if was_set {
            warn!(flow, %run, "extract.cursor was set while the run read, and stays as it was set");
        }
        if end.contradicted {
            warn!(flow, %run, "{CONTRADICTED}");
        }
        if self.flow().extract.cursor_value().is_some() && end.dated == 0 && end.undated > 0 {
            let rows = end.undated;
            warn!(flow, %run, rows, "no row had a value of extract.cursor: the next run begins where this one did");
        }
    }
}

/// The later of the cursor and what was reached; the latter where the former was set in another writing of times.
fn further(stored: Option<Version>, reached: Option<Version>) -> Option<Version> {
    match (stored, reached) {
        (Some(stored), Some(reached)) if !reached.compares_with(&stored) => Some(reached),
        (stored, reached) => latest(stored, reached),
    }
}

fn latest(one: Option<Version>, other: Option<Version>) -> Option<Version> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}
