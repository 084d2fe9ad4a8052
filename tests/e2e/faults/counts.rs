//! The counts of runs, looked at all the time.

use std::{sync::Arc, time::Duration};

use pomost_models::{Outcome, RunId};
use pomost_store::{OutcomeCounts, RunSummary, Store};
use tokio::task::JoinHandle;

/// Looks at the counts of a run until dropped: all records have an outcome or wait, and what was counted
/// once stays so.
pub(super) struct Watch {
    watching: JoinHandle<()>,
}

impl Watch {
    pub(super) fn over(store: Arc<dyn Store>, run: RunId) -> Watch {
        Watch {
            watching: tokio::spawn(watch(store, run)),
        }
    }

    /// Ends it, and says what it saw.
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
        // The store may be away: that is what the round is about.
        if let Ok(Some(summary)) = store.run(run).await {
            add_up(&summary);
            grow(&before, &summary.counts);
            before = summary.counts;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All that was extracted has one outcome or waits.
pub(super) fn add_up(summary: &RunSummary) {
    let counts = &summary.counts;
    let settled: u64 = counts.outcomes.values().sum();
    assert_eq!(counts.records, counts.waiting + settled, "{counts:?}");
}

fn grow(before: &OutcomeCounts, after: &OutcomeCounts) {
    let shrunk = |outcome: &Outcome| after.count(*outcome) < before.count(*outcome);
    let shrunk: Vec<Outcome> = Outcome::ALL.into_iter().filter(shrunk).collect();
    assert!(
        shrunk.is_empty() && after.records >= before.records,
        "{before:?} became {after:?}"
    );
}
