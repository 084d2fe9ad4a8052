//! Metrics and log lines about a settlement.

use pomost_models::{Outcome, Stage};
use pomost_runtime::metrics;
use tracing::{info, warn};

use super::Settlement;

impl Settlement<'_> {
    /// Counts the outcomes, and logs each kind of failure once.
    pub(crate) fn report(&self) {
        for outcome in Outcome::ALL {
            let records = self.count(outcome);
            if records > 0 {
                metrics::count_settled(&self.batch.flow, Stage::Load, outcome, records);
            }
        }
        for (class, records, example) in self.failures.by_class() {
            warn!(class, records, example, "requests failed");
        }
        let dead_before = self.count(Outcome::Dead);
        if dead_before > 0 {
            info!(
                records = dead_before,
                "records are dead as before and were not sent; see `pomost dead list`"
            );
        }
        if !self.letters.is_empty() {
            info!(
                records = self.letters.len(),
                "records became dead letters; see `pomost dead list`"
            );
        }
    }

    fn count(&self, outcome: Outcome) -> u64 {
        let settled = self.settled.iter();
        settled.filter(|(_, settled)| *settled == outcome).count() as u64
    }
}
