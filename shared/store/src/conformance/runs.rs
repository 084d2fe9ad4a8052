//! Runs, their counts, and cursors.

use std::{sync::Arc, time::Duration};

use pomost_models::{Outcome, RunId, RunTrigger, SlotOutcomes};
use serde_json::json;

use super::{Dice, MINUTE, manual, mask};
use crate::{Error, Lease, OutcomeCounts, PageProgress, RunRequest, RunState, RunSummary, Store};

pub(super) async fn lease(store: &Arc<dyn Store>, holder: &str, ttl: Duration) -> Lease {
    store
        .acquire_lease("extract.customers", holder, ttl)
        .await
        .unwrap()
        .unwrap()
}

pub(super) fn page(run: RunId, batches: &[(&str, u32)], checkpoint: &str) -> PageProgress {
    let batches = batches
        .iter()
        .map(|(batch, size)| ((*batch).to_owned(), *size))
        .collect();
    let (listed, forgotten) = Default::default();
    PageProgress {
        run,
        batches,
        checkpoint: json!({ "next": checkpoint }),
        listed_keys: listed,
        deleted_keys: forgotten,
    }
}

async fn summary(store: &Arc<dyn Store>, run: RunId) -> RunSummary {
    store.run(run).await.unwrap().unwrap()
}

async fn state(store: &Arc<dyn Store>, run: RunId) -> RunState {
    summary(store, run).await.state
}

async fn counts(store: &Arc<dyn Store>, run: RunId) -> OutcomeCounts {
    summary(store, run).await.counts
}

async fn next_run(store: &Arc<dyn Store>) -> Option<RunId> {
    store.next_run("customers").await.unwrap().map(|run| run.id)
}

/// Runs are taken up in the order of their requests, apart from one that was begun.
pub async fn the_run_that_was_begun_comes_before_the_oldest_requested_one(store: Arc<dyn Store>) {
    assert_eq!(next_run(&store).await, None);
    let first = store.request_run(&manual("customers")).await.unwrap();
    let second = store.request_run(&manual("customers")).await.unwrap();
    store.request_run(&manual("orders")).await.unwrap();
    assert_eq!(next_run(&store).await, Some(first));
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(second, &[], "2"))
        .await
        .unwrap();
    assert_eq!(next_run(&store).await, Some(second));
    store
        .finish_extraction(&lease, second, None, None)
        .await
        .unwrap();
    assert_eq!(next_run(&store).await, Some(first));
}

/// Who takes up a run that was begun learns all that is needed to go on with it.
pub async fn a_run_is_read_on_from_its_last_recorded_page(store: Arc<dyn Store>) {
    let request = RunRequest {
        since: Some("2026-01-01".to_owned()),
        ..manual("customers")
    };
    let id = store.request_run(&request).await.unwrap();
    let fresh = store.next_run("customers").await.unwrap().unwrap();
    assert_eq!(
        (fresh.id, fresh.trigger, fresh.since.as_deref()),
        (id, RunTrigger::Manual, Some("2026-01-01"))
    );
    assert_eq!(fresh.checkpoint, None);
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(id, &[("1", 2)], "page two"))
        .await
        .unwrap();
    let begun = store.next_run("customers").await.unwrap().unwrap();
    assert_eq!(begun.checkpoint, Some(json!({ "next": "page two" })));
}

/// The state follows from what was recorded, step by step.
pub async fn a_run_goes_from_requested_to_settled(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    assert_eq!(state(&store, run).await, RunState::Requested);
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(run, &[("1", 2)], "2"))
        .await
        .unwrap();
    store
        .record_outcomes(run, "1", &mask(&[(0, Outcome::Created)]))
        .await
        .unwrap();
    assert_eq!(state(&store, run).await, RunState::Extracting);
    assert_eq!(summary(&store, run).await.extracted_at, None);
    store
        .finish_extraction(&lease, run, None, None)
        .await
        .unwrap();
    assert_eq!(state(&store, run).await, RunState::Settling);
    store
        .record_outcomes(run, "1", &mask(&[(1, Outcome::Split)]))
        .await
        .unwrap();
    let settled = summary(&store, run).await;
    assert_eq!(
        (
            settled.state,
            settled.counts.records,
            settled.counts.waiting
        ),
        (RunState::Settled, 2, 0)
    );
    assert_eq!(
        (
            settled.counts.count(Outcome::Created),
            settled.counts.count(Outcome::Split)
        ),
        (1, 1)
    );
    assert!(settled.extracted_at.unwrap() >= settled.requested_at);
    assert!(store.run(RunId::generate()).await.unwrap().is_none());
}

/// Nothing to wait for.
pub async fn a_run_without_records_settles_when_it_has_been_read(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    store
        .finish_extraction(&lease, run, None, None)
        .await
        .unwrap();
    assert_eq!(state(&store, run).await, RunState::Settled);
    assert_eq!(counts(&store, run).await, OutcomeCounts::default());
}

/// A failed run is over; the next one begins where it began.
pub async fn a_run_that_cannot_be_read_fails_with_its_reason_and_keeps_the_cursor(
    store: Arc<dyn Store>,
) {
    store.set_cursor("customers", Some("5")).await.unwrap();
    let run = store.request_run(&manual("customers")).await.unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    store
        .fail_run(&lease, run, "page 3 was seen twice")
        .await
        .unwrap();
    let failed = summary(&store, run).await;
    assert_eq!(
        (failed.state, failed.error.as_deref()),
        (RunState::Failed, Some("page 3 was seen twice"))
    );
    assert!(failed.extracted_at.is_some());
    assert_eq!(next_run(&store).await, None);
    store
        .finish_extraction(&lease, run, Some("9"), None)
        .await
        .unwrap();
    assert_eq!(state(&store, run).await, RunState::Failed);
    assert_eq!(
        store.cursor("customers").await.unwrap().as_deref(),
        Some("5")
    );
}

/// An extractor that was paused past its lease writes nothing over its successor.
pub async fn nothing_is_recorded_for_who_lost_the_lease(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let lost = lease(&store, "a", Duration::ZERO).await;
    lease(&store, "b", MINUTE).await;
    let results = [
        store.record_page(&lost, &page(run, &[("1", 3)], "2")).await,
        store.finish_extraction(&lost, run, Some("9"), None).await,
        store.fail_run(&lost, run, "too late").await,
    ];
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(Error::LeaseLost(_)))),
        "{results:?}"
    );
    let untouched = summary(&store, run).await;
    assert_eq!(
        (untouched.state, untouched.counts),
        (RunState::Requested, OutcomeCounts::default())
    );
    assert_eq!(store.cursor("customers").await.unwrap(), None);
}

/// A page that is read again after a crash gives the same batches, perhaps with more records.
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

/// Records that were settled stay counted; nobody settles those that were never sent.
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

/// The cursor moves with the end of a run; the same end told again later does not turn it back.
pub async fn the_cursor_moves_when_a_run_ends_and_not_by_a_late_repetition(store: Arc<dyn Store>) {
    let (first, second) = (
        store.request_run(&manual("customers")).await.unwrap(),
        store.request_run(&manual("customers")).await.unwrap(),
    );
    let lease = lease(&store, "a", MINUTE).await;
    store
        .finish_extraction(&lease, first, Some("5"), None)
        .await
        .unwrap();
    assert_eq!(
        store.cursor("customers").await.unwrap().as_deref(),
        Some("5")
    );
    store.set_cursor("customers", Some("2")).await.unwrap();
    store
        .finish_extraction(&lease, first, Some("5"), None)
        .await
        .unwrap();
    store
        .finish_extraction(&lease, second, None, None)
        .await
        .unwrap();
    assert_eq!(
        store.cursor("customers").await.unwrap().as_deref(),
        Some("2")
    );
}

/// Cursors are set and cleared by hand, flow by flow.
pub async fn a_cursor_can_be_set_and_cleared(store: Arc<dyn Store>) {
    for value in [Some("1"), Some("2026-01-01T00:00:00Z"), None, None] {
        store.set_cursor("customers", value).await.unwrap();
        assert_eq!(store.cursor("customers").await.unwrap().as_deref(), value);
        assert_eq!(store.cursor("orders").await.unwrap(), None);
    }
}

/// The newest so many, of one flow or of all.
pub async fn runs_are_listed_newest_first(store: Arc<dyn Store>) {
    let mut requested = Vec::new();
    for flow in ["customers", "orders", "customers"] {
        requested.push(store.request_run(&manual(flow)).await.unwrap());
    }
    let ids = async |flow, limit| -> Vec<RunId> {
        store
            .runs(flow, limit)
            .await
            .unwrap()
            .iter()
            .map(|run| run.id)
            .collect()
    };
    assert_eq!(ids(None, 2).await, [requested[2], requested[1]]);
    assert_eq!(
        ids(Some("customers"), 9).await,
        [requested[2], requested[0]]
    );
    assert!(ids(Some("stock"), 9).await.is_empty());
}

/// A schedule looks at its own runs only.
pub async fn the_newest_request_of_each_trigger_is_known(store: Arc<dyn Store>) {
    store.request_run(&manual("customers")).await.unwrap();
    assert_eq!(
        store
            .last_request_time("customers", RunTrigger::Schedule)
            .await
            .unwrap(),
        None
    );
    let scheduled = RunRequest {
        trigger: RunTrigger::Schedule,
        ..manual("customers")
    };
    store.request_run(&scheduled).await.unwrap();
    let newest = store.request_run(&scheduled).await.unwrap();
    let newest = summary(&store, newest).await.requested_at;
    assert_eq!(
        store
            .last_request_time("customers", RunTrigger::Schedule)
            .await
            .unwrap(),
        Some(newest)
    );
}

/// Whatever is recorded in whatever order, the counts are those of [`SlotOutcomes::merge`].
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

/// Sources send anything that is text, and it comes back as it was.
pub async fn texts_cross_with_every_character_they_have(store: Arc<dyn Store>) {
    let odd = "zażółć '\"; \\ % _ \u{10} \0 \u{10}0 \u{1F309}";
    store.set_cursor("customers", Some(odd)).await.unwrap();
    assert_eq!(
        store.cursor("customers").await.unwrap().as_deref(),
        Some(odd)
    );
    let run = RunRequest {
        since: Some(odd.to_owned()),
        ..manual("customers")
    };
    let run = store.request_run(&run).await.unwrap();
    assert_eq!(
        store
            .next_run("customers")
            .await
            .unwrap()
            .unwrap()
            .since
            .as_deref(),
        Some(odd)
    );
    let lease = lease(&store, "a", MINUTE).await;
    store
        .record_page(&lease, &page(run, &[(odd, 1)], odd))
        .await
        .unwrap();
    let checkpoint = store
        .next_run("customers")
        .await
        .unwrap()
        .unwrap()
        .checkpoint;
    assert_eq!(checkpoint, Some(json!({ "next": odd })));
    store.fail_run(&lease, run, odd).await.unwrap();
    assert_eq!(summary(&store, run).await.error.as_deref(), Some(odd));
}
