//! Dead letters whose records are read again.

use std::sync::Arc;

use pomost_models::{
    AttemptFingerprint, Batch, DeadLetter, DeadLetterReason, Lane, Outcome, RunId, Stage, Version,
};

use super::{
    MINUTE, Worker, act_on,
    dead_letters::{any, found, letter},
    manual, read,
};
use crate::{ClaimResult, KnownRecord, Replay, Store};

/// The letter of a record of this key and version, read in that place of the order of extraction.
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

fn newest(letter: DeadLetter) -> DeadLetter {
    DeadLetter {
        latest_only: true,
        ..letter
    }
}

/// What is answered to who brings the record of a letter again.
async fn answer(
    store: &Arc<dyn Store>,
    letter: &DeadLetter,
    fate: Option<AttemptFingerprint>,
) -> ClaimResult {
    let record = letter.record.as_ref().unwrap();
    let worker = Worker::new(store);
    let mut claim = worker.claim_of(&[(&record.key, "", 7)]);
    (claim.entries[0].version, claim.entries[0].fingerprint) = (record.version.clone(), fate);
    let answer = store.claim(&claim, MINUTE).await.unwrap().remove(0);
    if answer.known().is_some() {
        worker
            .settle(&record.key, crate::SettledState::Released)
            .await;
    }
    answer
}

async fn is_dead(store: &Arc<dyn Store>, letter: &DeadLetter) -> bool {
    answer(store, letter, letter.fingerprint()).await == ClaimResult::Dead
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

/// The key is not claimed. Of another fate, or where it is to be tried all the same, it is.
pub async fn a_record_that_died_is_dead_when_it_is_read_again(store: Arc<dyn Store>) {
    archive(&store, &[&new_dead(0, "a", "1", 0)]).await;
    let again = new_dead(3, "a", "1", 7);
    assert_eq!(
        answer(&store, &again, again.fingerprint()).await,
        ClaimResult::Dead
    );
    let changed = DeadLetter {
        flow_version: Some("two".into()),
        ..again.clone()
    };
    for fate in [
        None,
        changed.fingerprint(),
        new_dead(3, "a", "2", 7).fingerprint(),
    ] {
        assert_eq!(
            answer(&store, &again, fate).await,
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
        answer(&store, &again, again.fingerprint()).await,
        ClaimResult::ClaimedElsewhere
    );
}

/// It has come as far as the load, so what was in its way is mended.
pub async fn a_record_that_died_before_the_load_is_tried_there(store: Arc<dyn Store>) {
    for (key, stage) in [("a", Stage::Extract), ("b", Stage::Transform)] {
        let mapped = DeadLetter {
            stage,
            ..new_dead(0, key, "1", 0)
        };
        archive(&store, &[&mapped]).await;
        assert_eq!(
            answer(&store, &mapped, mapped.fingerprint()).await,
            ClaimResult::Claimed(KnownRecord::default())
        );
    }
}

/// A record that changed, was applied and changed back is not what died.
pub async fn what_was_applied_meanwhile_makes_a_dead_record_one_to_be_tried_again(
    store: Arc<dyn Store>,
) {
    let discarded = new_dead(0, "a", "1", 0);
    archive(&store, &[&discarded]).await;
    store
        .discard_dead_letters(&ids(&[&discarded]))
        .await
        .unwrap();
    Worker::new(&store).apply("a", &read("1", 3), 1).await;
    let again = new_dead(0, "a", "1", 7);
    assert_eq!(
        answer(&store, &again, again.fingerprint()).await,
        act_on("a")
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

/// Whether they come together or one after the other, the first stays as it is.
pub async fn of_letters_of_equal_fate_one_is_kept_and_every_slot_counts(store: Arc<dyn Store>) {
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
    let unknown = DeadLetter {
        flow_version: None,
        ..dead(run, 7, "a", "1", 7)
    };
    archive(
        &store,
        &[&mapped, &changed, &unknown, &dead(run, 8, "a", "2", 8)],
    )
    .await;
    assert_eq!(open(&store).await.len(), 6);
}

/// Who archived it may not have lived to say so.
pub async fn a_letter_that_comes_again_is_not_its_own_repetition(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let (first, second) = (
        newest(dead(run, 0, "a", "1", 0)),
        newest(dead(run, 1, "b", "1", 0)),
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

/// Rows whose keys cannot be read are not each other's newer versions.
pub async fn a_record_without_a_key_is_known_by_its_content(store: Arc<dyn Store>) {
    let row = |slot, version, row| {
        newest(DeadLetter {
            stage: Stage::Extract,
            ..new_dead(slot, "", version, row)
        })
    };
    let (first, other) = (row(0, "1", 0), row(1, "2", 1));
    archive(&store, &[&first, &other]).await;
    archive(&store, &[&row(0, "1", 7), &row(1, "2", 8)]).await;
    assert_eq!(open(&store).await, ids(&[&first, &other]));
}

/// Who discards a letter wants its record left alone; who replays it wants it tried.
pub async fn a_discarded_letter_stands_and_a_replayed_one_does_not(store: Arc<dyn Store>) {
    let (given_up, replayed, free) = (
        new_dead(0, "a", "1", 0),
        new_dead(1, "b", "1", 0),
        new_dead(2, "c", "1", 0),
    );
    archive(&store, &[&given_up, &replayed, &free]).await;
    store
        .discard_dead_letters(&ids(&[&given_up]))
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
            is_dead(&store, &given_up).await,
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

/// Its slot stays dead: what replaced it is dead as well. A letter that comes late outdates nothing newer.
pub async fn a_letter_outdates_those_of_older_versions_where_the_newest_alone_matters(
    store: Arc<dyn Store>,
) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let (old, other) = (
        newest(dead(run, 0, "a", "1", 0)),
        newest(dead(run, 1, "b", "9", 1)),
    );
    let changed_flow = |row| {
        newest(DeadLetter {
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
    archive(&store, &[&newest(new_dead(3, "b", "8", 9))]).await;
    assert_eq!(open(&store).await.len(), 3);
    store.discard_dead_letters(&ids(&[&new])).await.unwrap();
    archive(&store, &[&newest(new_dead(4, "a", "2", 9))]).await;
    assert!(!is_dead(&store, &new).await);
}

/// Each of them matters.
pub async fn what_died_of_every_change_is_kept(store: Arc<dyn Store>) {
    let (first, second) = (new_dead(0, "a", "1", 0), new_dead(0, "a", "2", 1));
    archive(&store, &[&first]).await;
    archive(&store, &[&second]).await;
    assert_eq!(open(&store).await, ids(&[&first, &second]));
}

/// Where it is not even loaded, its letter is what the later ones wait for.
pub async fn a_dead_change_that_is_read_again_waits_for_nothing_and_nothing_for_it(
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
    let behind = async || {
        store
            .are_blocked(&read_again, &[again.fingerprint(), next.fingerprint()])
            .await
            .unwrap()
    };
    assert_eq!(behind().await, [false, true]);
    assert_eq!(
        store.are_blocked(&read_again, &[None, None]).await.unwrap(),
        [true, true]
    );
    archive(&store, &[&again]).await;
    assert_eq!(behind().await, [false, true]);
    store.discard_dead_letters(&ids(&[&first])).await.unwrap();
    assert_eq!(behind().await, [false, false]);
}

/// Its message may come again when its letter is kept already: who kept it may not have lived to acknowledge it.
pub async fn what_waits_for_a_dead_change_waits_also_when_that_is_found_dead(
    store: Arc<dyn Store>,
) {
    let (first, next) = (new_dead(0, "a", "1", 0), new_dead(1, "a", "2", 1));
    let changes = batch_of(&[&first, &next]);
    store.expect_changes(&[&changes]).await.unwrap();
    archive(&store, &[&first]).await;
    store.settle_changes(&batch_of(&[&first])).await.unwrap();
    let is_behind = async || {
        store
            .are_blocked(&batch_of(&[&next]), &[next.fingerprint()])
            .await
            .unwrap()
    };
    assert_eq!(is_behind().await, [true]);
    let replay = Replay {
        run: RunId::generate(),
        flow: "customers".into(),
        stage: Stage::Load,
    };
    store.begin_replay(&replay, &ids(&[&first])).await.unwrap();
    store.settle_changes(&batch_of(&[&first])).await.unwrap();
    assert_eq!(is_behind().await, [false]);
}

/// It would be tried, so it waits as others do.
pub async fn what_a_claim_does_not_find_dead_waits_for_its_turn(store: Arc<dyn Store>) {
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
    let is_behind = async || {
        store
            .are_blocked(&batch_of(&[&again]), &[again.fingerprint()])
            .await
            .unwrap()
    };
    assert_eq!(is_behind().await, [false]);
    Worker::new(&store).apply("a", &read("1", 3), 1).await;
    assert_eq!(is_behind().await, [true]);
}

/// What is applied late is older than what was read last, though newer than what died first.
pub async fn a_letter_is_as_new_as_its_record_that_was_read_last(store: Arc<dyn Store>) {
    let [found, died] = ["a", "b"].map(|key| newest(new_dead(0, key, "1", 1)));
    archive(&store, &[&found, &died]).await;
    assert!(is_dead(&store, &new_dead(3, "a", "1", 5)).await);
    archive(&store, &[&newest(new_dead(3, "b", "1", 5))]).await;
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

/// Others wait for the change that died first.
pub async fn a_letter_of_every_change_stays_of_the_change_that_died(store: Arc<dyn Store>) {
    let first = new_dead(0, "a", "1", 1);
    archive(&store, &[&first]).await;
    archive(&store, &[&new_dead(3, "a", "1", 5)]).await;
    let open = store.dead_letters(&any()).await.unwrap();
    assert_eq!(open[0].version().unwrap(), first.version().unwrap());
}

/// Whatever order they come in.
pub async fn of_letters_of_one_key_that_come_together_the_newest_stays_open(store: Arc<dyn Store>) {
    let [old, new] = ["1", "2"].map(|version| newest(new_dead(0, "a", version, 0)));
    let [other_old, other_new] = ["1", "2"].map(|version| newest(new_dead(1, "b", version, 0)));
    archive(&store, &[&old, &new, &other_new, &other_old]).await;
    assert_eq!(open(&store).await, ids(&[&new, &other_new]));
}

/// Nothing else tells whether the destination has the record.
pub async fn a_doubt_is_outdated_by_a_newer_doubt_alone(store: Arc<dyn Store>) {
    let in_doubt = |version, row| {
        newest(DeadLetter {
            reason: DeadLetterReason::InDoubt,
            ..new_dead(0, "a", version, row)
        })
    };
    let (doubt, refused, later) = (
        in_doubt("1", 0),
        newest(new_dead(1, "a", "2", 1)),
        in_doubt("3", 2),
    );
    archive(&store, &[&doubt]).await;
    archive(&store, &[&refused]).await;
    assert_eq!(open(&store).await, ids(&[&doubt, &refused]));
    archive(&store, &[&later]).await;
    assert_eq!(open(&store).await, ids(&[&later]));
}

/// As long as somebody still has to look at it.
pub async fn a_row_that_is_told_again_needs_no_second_letter_while_the_first_is_open(
    store: Arc<dyn Store>,
) {
    let told = |slot, row| {
        let mut letter = DeadLetter {
            stage: Stage::Extract,
            ..newest(new_dead(slot, "", "1", row))
        };
        let record = letter.record.as_mut().unwrap();
        record.source = Some(record.data.clone());
        letter
    };
    let (first, again, later) = (told(0, 0), told(1, 5), told(2, 9));
    archive(&store, &[&first]).await;
    archive(&store, &[&again]).await;
    assert_eq!(open(&store).await, ids(&[&first]));
    store.discard_dead_letters(&ids(&[&first])).await.unwrap();
    archive(&store, &[&later]).await;
    assert_eq!(open(&store).await, ids(&[&later]));
}

/// Each archiver keeps one letter of a fate that it sees no other of.
pub async fn many_archivers_at_once_keep_one_letter_of_a_fate(store: Arc<dyn Store>) {
    for key in ["a", "b", "c", "d", "e"] {
        let archived = (0..16).map(|row| {
            let (store, letter) = (store.clone(), newest(new_dead(0, key, "1", row)));
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
