//! Outcomes of the batches of a run.

use std::sync::Arc;

use pomost_models::{Outcome, SlotOutcomes};

use super::{
    runs::{counts, lease, page},
    support::{Dice, MINUTE, manual, mask},
};
use crate::Store;

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
        (8, 7, 1)
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
            (expected.len() as u64, count(SlotOutcomes::WAITING))
        );
        assert!(
            Outcome::ALL
                .iter()
                .all(|&outcome| counts.count(outcome) == count(outcome.letter())),
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
    let mut outcomes = SlotOutcomes::waiting(size);
    for slot in 0..size {
        if dice.roll(2) == 0 {
            outcomes.settle(slot, Outcome::ALL[dice.roll(Outcome::ALL.len())]);
        }
    }
    outcomes
}
