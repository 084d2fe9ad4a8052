//! The end of a run: the flow's new cursor, and the run's warnings.

use pomost_models::Version;
use pomost_project::flow::CursorRules;
use pomost_store::Lease;
use tracing::{info, warn};

use super::{Checkpoint, RunContext, restart, route};
use crate::error::Error;

const NOTHING_LISTED: &str = "the source listed no records at all, though it had some before";
const NO_TOKEN: &str =
    "no answer had what extract.cursor looks for in it, so the next run begins where this one did";
const CONTRADICTED: &str = "the source listed values below the requested cursor text, so it does not order such texts \
     character by character: the last one counts. Tokens are found by extract.cursor.token; of times in another \
     format, datetime makes some that compare";

impl RunContext<'_> {
    /// Ends the run in the store and moves the flow's cursor. The cursor moves only here, when
    /// every page has been put, since pages need not be in its order. A cursor that was set since
    /// the run began stays as it was set: the store sees to that.
    pub(super) async fn finish(&self, lease: &Lease, end: &Checkpoint) -> Result<(), Error> {
        let stored = self.store.cursor(&self.run.flow).await?;
        let next = self
            .cursor()
            .and_then(|rules| self.next_cursor(rules, end, stored));
        let warnings = self.warnings(end).await?.join("; ");
        let warning = Some(warnings.as_str()).filter(|warnings| !warnings.is_empty());
        self.store
            .finish_extraction(lease, self.run.id, next.as_deref(), warning)
            .await?;
        info!(flow = self.run.flow, run = %self.run.id, pages = end.pages, rows = end.rows, "extracted");
        self.log_remarks(end);
        Ok(())
    }

    /// The flow's new cursor; `None` if it stays as it is.
    ///
    /// A value never moves back, so a run from an earlier `--since` leaves it where it is. It also
    /// stays after a run from a later one: the changes in between would never be read. Of a token
    /// that was named nobody knows whether it is later, so it does not count. After a restart, the
    /// values that the source has forgotten are not compared with, and neither is a text that the
    /// source orders in another way.
    fn next_cursor(
        &self,
        rules: &CursorRules,
        end: &Checkpoint,
        stored: Option<String>,
    ) -> Option<String> {
        let requested = self.run.since.as_ref();
        if rules.value().is_none() {
            return end
                .sync_token
                .clone()
                .filter(|_| requested.is_none() || end.restarted);
        }
        let reached = end.reached.clone();
        if end.restarted || end.contradicted {
            return reached.map(text);
        }
        let stored = stored.map(Version::new);
        let known = stored.clone().or(rules.start.clone().map(Version::new));
        let leaves_a_gap = latest(known.clone(), requested.cloned().map(Version::new)) != known;
        let next = if leaves_a_gap {
            stored
        } else {
            further(stored, reached)
        };
        next.map(text)
    }

    async fn warnings(&self, end: &Checkpoint) -> Result<Vec<&'static str>, Error> {
        let flow = self.flow();
        let needs_token = flow.extract.cursor.is_some() && flow.extract.cursor_value().is_none();
        let lacks_token = needs_token && end.sync_token.is_none() && end.expects_token;
        // A source that had records and suddenly lists none is more likely at fault than empty.
        let lists_nothing = end.rows == 0 && route::reads_everything(flow, end.since.as_deref());
        let lists_nothing = lists_nothing && self.store.has_applied_records(&self.run.flow).await?;
        let warnings = [
            (end.restarted, restart::warning(self)),
            (lacks_token, NO_TOKEN),
            (lists_nothing, NOTHING_LISTED),
        ];
        Ok(warnings
            .into_iter()
            .filter_map(|(applies, warning)| applies.then_some(warning))
            .collect())
    }

    /// Logs remarks that are worth reading, though they are no warnings of the run.
    fn log_remarks(&self, end: &Checkpoint) {
        let (flow, run) = (&self.run.flow, self.run.id);
        if end.contradicted {
            warn!(flow, %run, "{CONTRADICTED}");
        }
        let rows = end.rows_without_cursor;
        if self.flow().extract.cursor_value().is_some() && end.rows_with_cursor == 0 && rows > 0 {
            warn!(flow, %run, rows, "no row had a value of extract.cursor: the next run begins where this one did");
        }
    }
}

/// The later of the stored cursor and the reached one; the reached one if the stored one was set in
/// another notation of times.
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

fn text(version: Version) -> String {
    version.as_str().to_owned()
}
