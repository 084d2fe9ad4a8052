//! The counts of runs, checked all the time.

use std::{sync::Arc, time::Duration};

use pomost_models::{Outcome, RunId};
use pomost_store::{OutcomeCounts, RunSummary, Store};
use tokio::task::JoinHandle;

/// Checks the counts of a run until it is ended: every record has one outcome or waits, and no
/// count goes down.
pub(super) struct CountWatch {
    watching: JoinHandle<()>,
}

impl CountWatch {
    pub(super) fn over(store: Arc<dyn Store>, run: RunId) -> CountWatch {
        CountWatch {
            watching: tokio::spawn(watch(store, run)),
        }
    }

    /// Ends the checks; panics where one failed.
    pub(super) async fn end(self) {
        self.watching.abort();
        if let Err(ended) = self.watching.await
            && let Ok(panic) = ended.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

async fn watch(store: Arc<dyn Store>, run: RunId) {
    let mut before = OutcomeCounts::default();
    loop {
        // The store may be away, as the faults of the round want it.
        if let Ok(Some(summary)) = store.run(run).await {
            assert_counts_add_up(&summary);
            assert_no_count_goes_down(&before, &summary.counts);
            before = summary.counts;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Checks that every record has one outcome or waits.
pub(super) fn assert_counts_add_up(summary: &RunSummary) {
    let counts = &summary.counts;
    let settled: u64 = counts.outcomes.values().sum();
    assert_eq!(counts.records, counts.waiting + settled, "{counts:?}");
}

fn assert_no_count_goes_down(before: &OutcomeCounts, after: &OutcomeCounts) {
    let shrunk = |outcome: &Outcome| after.count(*outcome) < before.count(*outcome);
    let shrunk: Vec<Outcome> = Outcome::ALL.into_iter().filter(shrunk).collect();
    assert!(
        shrunk.is_empty() && after.records >= before.records,
        "{before:?} became {after:?}"
    );
}
