//! Outcomes of the batches of a run.

use std::sync::Arc;

use pomost_models::{Outcome, SlotOutcomes};

use super::{
    runs::{counts, lease, page, state},
    support::{Dice, MINUTE, manual, mask},
};
use crate::{RunState, Store};

/// A page that is read again after a crash has the same batches, perhaps with more records.
pub async fn a_page_recorded_twice_counts_once_and_may_have_grown(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(run, &[("1", 100), ("2", 3)], "2"))
        .await
        .unwrap();
    store
        .record_outcomes(run, "2", &mask(&[(2, Outcome::Updated)]))
        .await
        .unwrap();
    store
        .record_page(&lease, &page(run, &[("1", 100), ("2", 5)], "2"))
        .await
        .unwrap();
    let counts = counts(&store, run).await;
    assert_eq!(
        (
            counts.records,
            counts.waiting,
            counts.count(Outcome::Updated)
        ),
        (105, 104, 1)
    );
}

/// Records that have settled stay counted. Records that were never published would never settle.
pub async fn a_page_recorded_with_fewer_records_waits_for_no_others(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(run, &[("1", 9), ("2", 9)], "2"))
        .await
        .unwrap();
    store
        .record_outcomes(run, "1", &mask(&[(4, Outcome::Updated)]))
        .await
        .unwrap();
    store
        .record_page(&lease, &page(run, &[("1", 3), ("2", 3)], "2"))
        .await
        .unwrap();
    let counts = counts(&store, run).await;
    assert_eq!(
        (
            counts.records,
            counts.waiting,
            counts.count(Outcome::Updated)
        ),
        (7, 6, 1)
    );
}

/// A loader may be faster than the extractor that records the page.
pub async fn outcomes_that_come_before_their_page_are_counted(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_outcomes(run, "1", &mask(&[(1, Outcome::Created)]))
        .await
        .unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(run, &[("1", 3)], "2"))
        .await
        .unwrap();
    let counts = counts(&store, run).await;
    assert_eq!(
        (
            counts.records,
            counts.waiting,
            counts.count(Outcome::Created)
        ),
        (3, 2, 1)
    );
}

/// The counts are those of [`SlotOutcomes::merge`], in whatever order outcomes are recorded.
pub async fn counts_add_up_however_often_outcomes_are_recorded(store: Arc<dyn Store>) {
    let mut dice = Dice(7);
    for _ in 0..40 {
        let run = store.request_run(&manual("customers")).await.unwrap();
        let mut expected = String::new();
        for _ in 0..4 {
            let outcomes = random_mask(&mut dice);
            store.record_outcomes(run, "1", &outcomes).await.unwrap();
            expected = SlotOutcomes::merge(&expected, outcomes.mask());
        }
        let counts = counts(&store, run).await;
        let count = |letter| expected.chars().filter(|&found| found == letter).count() as u64;
        assert_eq!(
            (counts.records, counts.waiting),
            (expected.len() as u64, count(SlotOutcomes::UNSETTLED))
        );
        assert!(
            Outcome::ALL
                .iter()
                .all(|&outcome| counts.count(outcome) == count(outcome.symbol())),
            "{expected}"
        );
        assert_eq!(
            counts.records,
            counts.waiting + counts.outcomes.values().sum::<u64>()
        );
    }
}

fn random_mask(dice: &mut Dice) -> SlotOutcomes {
    let size = dice.roll(12) as u32;
    let mut outcomes = SlotOutcomes::unsettled(size);
    for slot in 0..size {
        if dice.roll(2) == 0 {
            outcomes.settle(slot, Outcome::ALL[dice.roll(Outcome::ALL.len())]);
        }
    }
    outcomes
}

/// The outcomes of a first reading leave gaps, where its records were never published. Nobody
/// settles those, whether the outcomes come before the page is recorded again or after that.
pub async fn a_page_read_again_with_fewer_rows_settles(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    let settle = async |slot| {
        let outcomes = mask(&[(slot, Outcome::Created)]);
        store.record_outcomes(run, "1", &outcomes).await.unwrap();
    };
    settle(4).await;
    store
        .record_page(&lease, &page(run, &[("1", 2)], "2"))
        .await
        .unwrap();
    store
        .finish_extraction(&lease, run, None, None)
        .await
        .unwrap();
    settle(0).await;
    settle(6).await;
    assert_eq!(state(&store, run).await, RunState::Settling);
    settle(1).await;
    let counts = counts(&store, run).await;
    assert_eq!(
        (
            counts.records,
            counts.waiting,
            counts.count(Outcome::Created)
        ),
        (4, 0, 4)
    );
    assert_eq!(state(&store, run).await, RunState::Settled);
}
