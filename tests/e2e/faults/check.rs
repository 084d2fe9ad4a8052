//! The conditions at the end of a round.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pomost_models::{DeadLetter, Outcome};
use pomost_sandbox::{Crm, ExpectedState, ShopCounts};
use pomost_store::{DeadLetterFilter, RunSummary};
use pomost_tests::{FLOW, Stack};

use super::counts;

/// The customers that the shop must have once a wave has crossed, and the rows that its run reads.
pub(super) struct ExpectedWave {
    pub(super) expected: ExpectedState,
    /// The keys of the rows.
    pub(super) rows: BTreeSet<String>,
}

/// The overlap of the example's flow: it begins to read this long before its cursor.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

impl ExpectedWave {
    /// Everything in the CRM, for a first run.
    pub(super) fn at_first(crm: &Crm) -> ExpectedWave {
        ExpectedWave {
            expected: crm.expected(),
            rows: crm.customers().map(|customer| customer.id).collect(),
        }
    }

    /// The rows that changed after the cursor, for a run that is not requested yet.
    pub(super) async fn since_the_cursor(stack: &Stack) -> ExpectedWave {
        let cursor = stack.store.cursor(FLOW).await.unwrap().unwrap();
        let since = cursor.parse::<Timestamp>().unwrap() - OVERLAP;
        let changed = stack
            .crm
            .customers()
            .filter(|customer| time(&customer.updated_at) >= since);
        ExpectedWave {
            rows: changed.map(|customer| customer.id).collect(),
            expected: stack.crm.expected(),
        }
    }

    /// Checks that every row was counted once and that exactly the hopeless rows are dead.
    pub(super) async fn assert_was_read(&self, stack: &Stack, summary: &RunSummary) {
        counts::assert_counts_add_up(summary);
        assert_eq!(
            (summary.counts.waiting, summary.counts.records),
            (0, self.rows.len() as u64)
        );
        let hopeless: BTreeSet<&str> = self.hopeless().collect();
        let letters = letters(stack).await;
        let of_run = letters
            .iter()
            .filter(|letter| letter.run == summary.id)
            .map(DeadLetter::key);
        assert!(
            of_run.clone().all(|key| hopeless.contains(key)),
            "{:?}",
            of_run.collect::<Vec<_>>()
        );
        let died: BTreeSet<&str> = letters.iter().map(DeadLetter::key).collect();
        assert!(
            hopeless.is_subset(&died),
            "{:?} have no letter",
            hopeless.difference(&died)
        );
        assert_eq!(
            summary.counts.count(Outcome::Dead),
            hopeless.len() as u64,
            "{:?}",
            summary.counts
        );
    }

    fn hopeless(&self) -> impl Iterator<Item = &str> {
        self.expected
            .dead
            .keys()
            .map(String::as_str)
            .filter(|key| self.rows.contains(*key))
    }
}

/// All dead letters, closed ones too: an outdated letter is closed, and a record that is read again
/// unchanged keeps the letter of an earlier run.
async fn letters(stack: &Stack) -> Vec<DeadLetter> {
    let all = DeadLetterFilter {
        include_closed: true,
        limit: u32::MAX,
        ..DeadLetterFilter::default()
    };
    stack.store.dead_letters(&all).await.unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Checks that the shop has the right customers and got the right requests: it created nobody
/// twice, and every repeated request had the same content.
pub(super) fn assert_shop_got_the_right_requests(
    stack: &Stack,
    waves: [&ExpectedWave; 2],
    some_are_skipped: bool,
) {
    stack.shop_has_the_right_customers();
    let twice: BTreeMap<_, _> = stack
        .shop
        .snapshot()
        .tallies
        .into_iter()
        .filter(|(_, tally)| tally.created > 1)
        .collect();
    assert!(twice.is_empty(), "created more than once: {twice:?}");
    let (due, counts) = (requests(waves), stack.shop.counts());
    let done = [
        counts.created,
        counts.updated - counts.repeated,
        counts.deleted,
    ];
    // Of a record that changes while it is under way, the state before need not arrive where the
    // latest counts.
    let as_due = if some_are_skipped {
        done.iter().zip(due).all(|(done, due)| *done <= due)
    } else {
        done == due
    };
    assert!(
        as_due,
        "due to create, update and delete were {due:?}, done were {done:?}: {counts:?}"
    );
    assert_nothing_was_refused(&counts);
}

/// Numbers of creates, updates and deletes that two waves need.
fn requests([before, after]: [&ExpectedWave; 2]) -> [u64; 3] {
    let (before, after) = (&before.expected.present, &after.expected.present);
    let new = after
        .keys()
        .filter(|key| !before.contains_key(*key))
        .count();
    let gone = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .count();
    let changed = after
        .iter()
        .filter(|(key, now)| before.get(*key).is_some_and(|then| then != *now))
        .count();
    [before.len() + new, changed, gone].map(|requests| requests as u64)
}

fn assert_nothing_was_refused(counts: &ShopCounts) {
    assert_eq!((counts.refused, counts.conflicts), (0, 0), "{counts:?}");
}
