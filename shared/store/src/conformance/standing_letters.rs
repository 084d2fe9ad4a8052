//! Standing letters: dead letters whose records are read again.

use std::sync::Arc;

use pomost_models::{
    AttemptFingerprint, Batch, DeadLetter, DeadLetterReason, Lane, Outcome, RunId, Stage, Version,
};

use super::{
    dead_letters::{any, found, letter},
    support::{MINUTE, Worker, claimed, manual, read},
};
use crate::{ClaimResult, KnownRecord, Replay, Store};

/// The letter of a record with this key and version, which was read as this row.
fn dead(run: RunId, slot: u32, key: &str, version: &str, row: usize) -> DeadLetter {
    let mut letter = DeadLetter {
        flow_version: Some("one".into()),
        ..letter(run, "1", slot)
    };
    let record = letter.record.as_mut().unwrap();
    (record.key, record.version) = (key.to_owned(), Version::new(read(version, row)));
    DeadLetter {
        id: DeadLetter::id_of(run, "1", letter.stage, record),
        ..letter
    }
}

fn new_dead(slot: u32, key: &str, version: &str, row: usize) -> DeadLetter {
    dead(RunId::generate(), slot, key, version, row)
}

fn latest_only(letter: DeadLetter) -> DeadLetter {
    DeadLetter {
        newest_alone: true,
        ..letter
    }
}

/// The result for a worker that claims the record of a letter again.
async fn claim_again(
    store: &Arc<dyn Store>,
    letter: &DeadLetter,
    fingerprint: Option<AttemptFingerprint>,
) -> ClaimResult {
    let record = letter.record.as_ref().unwrap();
    let worker = Worker::new(store);
    let mut claim = worker.claim_of(&[(&record.key, "", 7)]);
    (claim.entries[0].version, claim.entries[0].fingerprint) =
        (record.version.clone(), fingerprint);
    let result = store.claim(&claim, MINUTE).await.unwrap().remove(0);
    if result.known().is_some() {
        worker
            .settle(&record.key, crate::SettledState::Released)
            .await;
    }
    result
}

async fn is_dead(store: &Arc<dyn Store>, letter: &DeadLetter) -> bool {
    claim_again(store, letter, letter.fate()).await == ClaimResult::Dead
}

async fn archive(store: &Arc<dyn Store>, letters: &[&DeadLetter]) {
    let letters: Vec<DeadLetter> = letters.iter().map(|&letter| letter.clone()).collect();
    store.archive_dead_letters(&letters).await.unwrap();
}

fn ids(letters: &[&DeadLetter]) -> Vec<String> {
    let mut ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
    ids.sort();
    ids
}

async fn open(store: &Arc<dyn Store>) -> Vec<String> {
    let mut open = found(store, any()).await;
    open.sort();
    open
}

/// The key is not claimed. It is claimed for a record of another fingerprint, and for one without.
pub async fn a_record_that_died_is_dead_when_it_is_read_again(store: Arc<dyn Store>) {
    archive(&store, &[&new_dead(0, "a", "1", 0)]).await;
    let again = new_dead(3, "a", "1", 7);
    assert_eq!(
        claim_again(&store, &again, again.fate()).await,
        ClaimResult::Dead
    );
    let changed = DeadLetter {
        flow_version: Some("two".into()),
        ..again.clone()
    };
    for fingerprint in [None, changed.fate(), new_dead(3, "a", "2", 7).fate()] {
        assert_eq!(
            claim_again(&store, &again, fingerprint).await,
            ClaimResult::Claimed(KnownRecord::default())
        );
    }
    assert!(!is_dead(&store, &new_dead(3, "b", "1", 7)).await);
    let worker = Worker::new(&store);
    assert_eq!(
        worker.claim("a", "1", 1).await,
        ClaimResult::Claimed(KnownRecord::default())
    );
    assert_eq!(
        claim_again(&store, &again, again.fate()).await,
        ClaimResult::ClaimedElsewhere
    );
}

/// The record has reached the loader, so its cause of death was removed.
pub async fn a_record_that_died_before_the_load_is_tried_there(store: Arc<dyn Store>) {
    for (key, stage) in [("a", Stage::Extract), ("b", Stage::Transform)] {
        let mapped = DeadLetter {
            stage,
            ..new_dead(0, key, "1", 0)
        };
        archive(&store, &[&mapped]).await;
        assert_eq!(
            claim_again(&store, &mapped, mapped.fate()).await,
            ClaimResult::Claimed(KnownRecord::default())
        );
    }
}

/// A record that changed, was applied and changed back is not the one that died.
pub async fn a_dead_record_is_tried_again_after_another_was_applied(store: Arc<dyn Store>) {
    let discarded = new_dead(0, "a", "1", 0);
    archive(&store, &[&discarded]).await;
    store
        .discard_dead_letters(&ids(&[&discarded]))
        .await
        .unwrap();
    Worker::new(&store).apply("a", &read("1", 3), 1).await;
    let again = new_dead(0, "a", "1", 7);
    assert_eq!(
        claim_again(&store, &again, again.fate()).await,
        claimed("a")
    );
    assert_eq!(
        store
            .supersede_dead_letters("customers", &["a"])
            .await
            .unwrap(),
        1
    );
    archive(&store, &[&again]).await;
    assert_eq!(open(&store).await, ids(&[&again]));
}

/// The first letter stays as it is, when they come together and when they come one after the other.
pub async fn of_equal_letters_one_is_kept_and_every_slot_counts(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let first = dead(run, 0, "a", "1", 0);
    archive(&store, &[&first]).await;
    archive(&store, &[&dead(run, 1, "a", "1", 1)]).await;
    let counts = store.run(run).await.unwrap().unwrap().counts;
    assert_eq!(
        (counts.count(Outcome::Dead), open(&store).await),
        (2, ids(&[&first]))
    );
    archive(
        &store,
        &[
            &dead(run, 2, "b", "1", 1),
            &dead(run, 3, "b", "1", 2),
            &dead(run, 4, "a", "1", 3),
        ],
    )
    .await;
    let counts = store.run(run).await.unwrap().unwrap().counts;
    assert_eq!(
        (counts.count(Outcome::Dead), open(&store).await.len()),
        (5, 2)
    );
    let mapped = DeadLetter {
        stage: Stage::Transform,
        ..dead(run, 5, "a", "1", 5)
    };
    let changed = DeadLetter {
        flow_version: Some("two".into()),
        ..dead(run, 6, "a", "1", 6)
    };
    let without_fingerprint = DeadLetter {
        flow_version: None,
        ..dead(run, 7, "a", "1", 7)
    };
    archive(
        &store,
        &[
            &mapped,
            &changed,
            &without_fingerprint,
            &dead(run, 8, "a", "2", 8),
        ],
    )
    .await;
    assert_eq!(open(&store).await.len(), 6);
}

/// The process that archived it may have died before it acknowledged the message.
pub async fn a_letter_that_is_archived_again_is_not_its_own_repetition(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let (first, second) = (
        latest_only(dead(run, 0, "a", "1", 0)),
        latest_only(dead(run, 1, "b", "1", 0)),
    );
    for _ in 0..2 {
        archive(&store, &[&first, &second]).await;
        archive(&store, &[&first]).await;
    }
    assert_eq!(open(&store).await, ids(&[&first, &second]));
    assert_eq!(
        store
            .run(run)
            .await
            .unwrap()
            .unwrap()
            .counts
            .count(Outcome::Dead),
        2
    );
}

/// Rows whose keys cannot be read are no newer versions of each other.
pub async fn a_record_without_a_key_is_known_by_its_content(store: Arc<dyn Store>) {
    let row = |slot, version, row| {
        latest_only(DeadLetter {
            stage: Stage::Extract,
            ..new_dead(slot, "", version, row)
        })
    };
    let (first, other) = (row(0, "1", 0), row(1, "2", 1));
    archive(&store, &[&first, &other]).await;
    archive(&store, &[&row(0, "1", 7), &row(1, "2", 8)]).await;
    assert_eq!(open(&store).await, ids(&[&first, &other]));
}

/// An operator who discards a letter wants its record left alone. One who replays it wants it
/// tried.
pub async fn a_discarded_letter_stands_and_a_replayed_one_does_not(store: Arc<dyn Store>) {
    let (discarded, replayed, free) = (
        new_dead(0, "a", "1", 0),
        new_dead(1, "b", "1", 0),
        new_dead(2, "c", "1", 0),
    );
    archive(&store, &[&discarded, &replayed, &free]).await;
    store
        .discard_dead_letters(&ids(&[&discarded]))
        .await
        .unwrap();
    let replay = Replay {
        run: RunId::generate(),
        flow: "customers".into(),
        stage: Stage::Load,
    };
    store
        .begin_replay(&replay, &ids(&[&replayed, &free]))
        .await
        .unwrap();
    let are_dead = async || {
        [
            is_dead(&store, &discarded).await,
            is_dead(&store, &replayed).await,
            is_dead(&store, &free).await,
        ]
    };
    assert_eq!(are_dead().await, [true, false, false]);
    store
        .end_replay(replay.run, &[], &ids(&[&replayed]))
        .await
        .unwrap();
    assert_eq!(are_dead().await, [true, false, true]);
    archive(&store, &[&new_dead(0, "a", "1", 7)]).await;
    assert_eq!(open(&store).await, ids(&[&free]));
    let died_again = dead(replay.run, 0, "b", "1", 0);
    archive(&store, &[&died_again]).await;
    assert_eq!(
        (open(&store).await, are_dead().await),
        (ids(&[&free, &died_again]), [true, true, true])
    );
}

/// The slot of the older letter stays dead, since the newer record is dead as well. A letter that
/// comes late supersedes nothing newer.
pub async fn a_letter_supersedes_those_of_older_versions_where_only_the_latest_matters(
    store: Arc<dyn Store>,
) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let (old, other) = (
        latest_only(dead(run, 0, "a", "1", 0)),
        latest_only(dead(run, 1, "b", "9", 1)),
    );
    let changed_flow = |row| {
        latest_only(DeadLetter {
            flow_version: Some("two".into()),
            ..new_dead(2, "a", "1", row)
        })
    };
    archive(&store, &[&old, &other]).await;
    let new = changed_flow(5);
    archive(&store, &[&new]).await;
    assert_eq!(open(&store).await, ids(&[&other, &new]));
    assert_eq!(
        store
            .run(run)
            .await
            .unwrap()
            .unwrap()
            .counts
            .count(Outcome::Dead),
        2
    );
    assert_eq!(
        (is_dead(&store, &old).await, is_dead(&store, &new).await),
        (false, true)
    );
    archive(&store, &[&latest_only(new_dead(3, "b", "8", 9))]).await;
    assert_eq!(open(&store).await.len(), 3);
    store.discard_dead_letters(&ids(&[&new])).await.unwrap();
    archive(&store, &[&latest_only(new_dead(4, "a", "2", 9))]).await;
    assert!(!is_dead(&store, &new).await);
}

/// No letter supersedes another.
pub async fn letters_of_all_versions_are_kept_where_every_change_matters(store: Arc<dyn Store>) {
    let (first, second) = (new_dead(0, "a", "1", 0), new_dead(0, "a", "2", 1));
    archive(&store, &[&first]).await;
    archive(&store, &[&second]).await;
    assert_eq!(open(&store).await, ids(&[&first, &second]));
}

/// Later changes are blocked by the change of the letter instead.
pub async fn a_dead_change_that_is_read_again_is_not_blocked_and_blocks_nothing(
    store: Arc<dyn Store>,
) {
    let (first, again, next) = (
        new_dead(0, "a", "1", 0),
        new_dead(0, "a", "1", 5),
        new_dead(1, "a", "2", 6),
    );
    store.expect_changes(&[&batch_of(&[&first])]).await.unwrap();
    archive(&store, &[&first]).await;
    let read_again = batch_of(&[&again, &next]);
    store.expect_changes(&[&read_again]).await.unwrap();
    let are_blocked = async || {
        store
            .are_blocked(&read_again, &[again.fate(), next.fate()])
            .await
            .unwrap()
    };
    assert_eq!(are_blocked().await, [false, true]);
    assert_eq!(
        store.are_blocked(&read_again, &[None, None]).await.unwrap(),
        [true, true]
    );
    archive(&store, &[&again]).await;
    assert_eq!(are_blocked().await, [false, true]);
    store.discard_dead_letters(&ids(&[&first])).await.unwrap();
    assert_eq!(are_blocked().await, [false, false]);
}

/// The process that archived its letter may have died before it acknowledged the message.
pub async fn a_dead_change_still_blocks_when_its_message_is_redelivered(store: Arc<dyn Store>) {
    let (first, next) = (new_dead(0, "a", "1", 0), new_dead(1, "a", "2", 1));
    let changes = batch_of(&[&first, &next]);
    store.expect_changes(&[&changes]).await.unwrap();
    archive(&store, &[&first]).await;
    store.settle_changes(&batch_of(&[&first])).await.unwrap();
    let is_blocked = async || {
        store
            .are_blocked(&batch_of(&[&next]), &[next.fate()])
            .await
            .unwrap()
    };
    assert_eq!(is_blocked().await, [true]);
    let replay = Replay {
        run: RunId::generate(),
        flow: "customers".into(),
        stage: Stage::Load,
    };
    store.begin_replay(&replay, &ids(&[&first])).await.unwrap();
    store.settle_changes(&batch_of(&[&first])).await.unwrap();
    assert_eq!(is_blocked().await, [false]);
}

/// The letter of the record is outdated.
pub async fn a_record_that_a_claim_would_try_is_blocked_as_others_are(store: Arc<dyn Store>) {
    let (died, between, again) = (
        new_dead(0, "a", "1", 0),
        new_dead(1, "a", "1", 4),
        new_dead(0, "a", "1", 7),
    );
    archive(&store, &[&died]).await;
    store
        .expect_changes(&[&batch_of(&[&between, &again])])
        .await
        .unwrap();
    let is_blocked = async || {
        store
            .are_blocked(&batch_of(&[&again]), &[again.fate()])
            .await
            .unwrap()
    };
    assert_eq!(is_blocked().await, [false]);
    Worker::new(&store).apply("a", &read("1", 3), 1).await;
    assert_eq!(is_blocked().await, [true]);
}

/// A version that is applied late is older than the one that was read last, though newer than the
/// one that died first.
pub async fn a_letter_is_as_new_as_its_record_that_was_read_last(store: Arc<dyn Store>) {
    let [found, died] = ["a", "b"].map(|key| latest_only(new_dead(0, key, "1", 1)));
    archive(&store, &[&found, &died]).await;
    assert!(is_dead(&store, &new_dead(3, "a", "1", 5)).await);
    archive(&store, &[&latest_only(new_dead(3, "b", "1", 5))]).await;
    let worker = Worker::new(&store);
    for key in ["a", "b"] {
        worker.apply(key, &read("1", 3), 1).await;
    }
    assert_eq!(
        store
            .supersede_dead_letters("customers", &["a", "b"])
            .await
            .unwrap(),
        0
    );
    let open = store.dead_letters(&any()).await.unwrap();
    let versions = open.iter().map(|letter| letter.version().unwrap().clone());
    assert!(
        versions.eq([5, 5].map(|row| Version::new(read("1", row)))),
        "{open:?}"
    );
    for key in ["a", "b"] {
        worker.apply(key, &read("1", 6), 2).await;
    }
    assert_eq!(
        store
            .supersede_dead_letters("customers", &["a", "b"])
            .await
            .unwrap(),
        2
    );
}

/// Later changes are blocked by the change that died first.
pub async fn a_letter_keeps_the_version_that_died_where_every_change_matters(
    store: Arc<dyn Store>,
) {
    let first = new_dead(0, "a", "1", 1);
    archive(&store, &[&first]).await;
    archive(&store, &[&new_dead(3, "a", "1", 5)]).await;
    let open = store.dead_letters(&any()).await.unwrap();
    assert_eq!(open[0].version().unwrap(), first.version().unwrap());
}

/// The order of the letters does not matter.
pub async fn of_letters_of_one_key_that_come_together_the_newest_stays_open(store: Arc<dyn Store>) {
    let [old, new] = ["1", "2"].map(|version| latest_only(new_dead(0, "a", version, 0)));
    let [other_old, other_new] =
        ["1", "2"].map(|version| latest_only(new_dead(1, "b", version, 0)));
    archive(&store, &[&old, &new, &other_new, &other_old]).await;
    assert_eq!(open(&store).await, ids(&[&new, &other_new]));
}

/// Nothing else tells an operator that the destination may have the record.
pub async fn a_letter_in_doubt_is_superseded_by_a_newer_one_in_doubt_alone(store: Arc<dyn Store>) {
    let in_doubt = |version, row| {
        latest_only(DeadLetter {
            reason: DeadLetterReason::InDoubt,
            ..new_dead(0, "a", version, row)
        })
    };
    let (doubt, refused, later) = (
        in_doubt("1", 0),
        latest_only(new_dead(1, "a", "2", 1)),
        in_doubt("3", 2),
    );
    archive(&store, &[&doubt]).await;
    archive(&store, &[&refused]).await;
    assert_eq!(open(&store).await, ids(&[&doubt, &refused]));
    archive(&store, &[&later]).await;
    assert_eq!(open(&store).await, ids(&[&later]));
}

/// After the first letter was discarded the row is news.
pub async fn a_webhook_row_that_comes_again_needs_no_second_letter_while_the_first_is_open(
    store: Arc<dyn Store>,
) {
    let webhook_row = |slot, row| {
        let mut letter = DeadLetter {
            stage: Stage::Extract,
            ..latest_only(new_dead(slot, "", "1", row))
        };
        let record = letter.record.as_mut().unwrap();
        record.source = Some(record.data.clone());
        letter
    };
    let (first, again, later) = (webhook_row(0, 0), webhook_row(1, 5), webhook_row(2, 9));
    archive(&store, &[&first]).await;
    archive(&store, &[&again]).await;
    assert_eq!(open(&store).await, ids(&[&first]));
    store.discard_dead_letters(&ids(&[&first])).await.unwrap();
    archive(&store, &[&later]).await;
    assert_eq!(open(&store).await, ids(&[&later]));
}

/// Each of them sees no letter of the others when it begins.
pub async fn many_archivers_at_once_keep_one_of_equal_letters(store: Arc<dyn Store>) {
    for key in ["a", "b", "c", "d", "e"] {
        let archived = (0..16).map(|row| {
            let (store, letter) = (store.clone(), latest_only(new_dead(0, key, "1", row)));
            tokio::spawn(async move { store.archive_dead_letters(&[letter]).await.unwrap() })
        });
        for archived in archived.collect::<Vec<_>>() {
            archived.await.unwrap();
        }
    }
    assert_eq!(open(&store).await.len(), 5);
}

fn batch_of(letters: &[&DeadLetter]) -> Batch {
    let (flow, run) = ("customers".to_owned(), RunId::generate());
    let records = letters
        .iter()
        .filter_map(|letter| letter.record.clone())
        .collect();
    Batch {
        flow,
        run,
        id: "1".into(),
        size: 9,
        attempt: 0,
        waits: 0,
        lane: Lane::Live,
        records,
    }
}
