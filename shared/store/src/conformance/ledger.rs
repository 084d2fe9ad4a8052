//! Claims and settlements of one worker after another.

use std::{sync::Arc, time::Duration};

use pomost_models::{Outcome, SlotOutcomes, Version};

use super::{MINUTE, Worker, act_on, applied, known, manual, mask, order, read, unknown};
use crate::{BatchSettlement, Claim, ClaimResult, KnownRecord, SettledState, Store};

/// Nothing is known of a key that nobody acted on.
pub async fn a_new_key_is_ours_to_act_on(store: Arc<dyn Store>) {
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Claimed(KnownRecord::default())
    );
}

/// The ledger remembers the destination's id and what was applied.
pub async fn an_applied_record_is_known_by_its_id_and_is_unchanged_the_next_time(
    store: Arc<dyn Store>,
) {
    Worker::new(&store).apply("k", "1", 1).await;
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Unchanged
    );
    assert_eq!(Worker::new(&store).claim("k", "2", 2).await, act_on("k"));
}

/// After a delete the record is made anew.
pub async fn a_deleted_record_has_no_id(store: Arc<dyn Store>) {
    Worker::new(&store).apply("k", "1", 1).await;
    let worker = Worker::new(&store);
    assert_eq!(worker.claim("k", "2", 2).await, act_on("k"));
    worker
        .settle(
            "k",
            SettledState::Applied {
                known: KnownRecord::default(),
                version: Version::new("2"),
                hash: [2; 16],
            },
        )
        .await;
    assert_eq!(
        Worker::new(&store).claim("k", "3", 1).await,
        ClaimResult::Claimed(KnownRecord::default())
    );
}

/// Its entity tag and its incarnation come back with its id, in doubt as well, and an application
/// replaces them all.
pub async fn all_that_is_known_of_a_record_at_its_destination_is_kept(store: Arc<dyn Store>) {
    let first = KnownRecord {
        id: Some("7".into()),
        etag: Some("W/\"ż\"".into()),
        incarnation: 3,
    };
    let settled = |known: &KnownRecord| SettledState::Applied {
        known: known.clone(),
        version: Version::new("1"),
        hash: [1; 16],
    };
    let worker = Worker::new(&store);
    worker.claim("k", "1", 1).await;
    worker.settle("k", settled(&first)).await;
    let worker = Worker::new(&store);
    assert_eq!(
        worker.claim("k", "2", 2).await,
        ClaimResult::Claimed(first.clone())
    );
    worker.settle("k", SettledState::InDoubt).await;
    let worker = Worker::new(&store);
    assert_eq!(worker.claim("k", "2", 2).await, unknown(first, 2));
    let second = KnownRecord {
        id: None,
        etag: None,
        incarnation: 4,
    };
    worker.settle("k", settled(&second)).await;
    assert_eq!(
        Worker::new(&store).claim("k", "3", 3).await,
        ClaimResult::Claimed(second)
    );
}

/// Versions compare by their meaning: 9 is older than 10, and 10.0 is 10.
pub async fn an_older_version_is_stale_and_an_equal_one_is_not(store: Arc<dyn Store>) {
    Worker::new(&store).apply("k", "10", 1).await;
    assert_eq!(
        Worker::new(&store).claim("k", "9", 2).await,
        ClaimResult::Stale
    );
    assert_eq!(
        Worker::new(&store).claim("k", "9", 1).await,
        ClaimResult::Stale
    );
    assert_eq!(Worker::new(&store).claim("k", "10.0", 2).await, act_on("k"));
}

/// Sources count in whole seconds, and a deletion may have the version that its record had.
pub async fn of_equal_versions_the_one_that_was_read_earlier_is_stale(store: Arc<dyn Store>) {
    Worker::new(&store).apply("k", &read("10", 2), 2).await;
    for earlier in ["10", &read("10.0", 1)] {
        assert_eq!(
            Worker::new(&store).claim("k", earlier, 1).await,
            ClaimResult::Stale,
            "{earlier:?}"
        );
    }
    for same_content in [read("10", 2), read("10", 4)] {
        assert_eq!(
            Worker::new(&store).claim("k", &same_content, 2).await,
            ClaimResult::Unchanged
        );
    }
    assert_eq!(
        Worker::new(&store).claim("k", &read("10", 3), 3).await,
        ClaimResult::Stale
    );
    assert_eq!(
        Worker::new(&store).claim("k", &read("9", 5), 3).await,
        ClaimResult::Stale
    );
    assert_eq!(
        Worker::new(&store).claim("k", &read("10", 5), 3).await,
        act_on("k")
    );
}

/// A deletion that the source gives no version is newer than what was read before it, whatever its version.
pub async fn what_has_no_version_is_ordered_by_when_it_was_read(store: Arc<dyn Store>) {
    Worker::new(&store).apply("k", &read("10", 2), 2).await;
    assert_eq!(
        Worker::new(&store).claim("k", order(1).as_str(), 1).await,
        ClaimResult::Stale
    );
    Worker::new(&store).apply("k", order(4).as_str(), 1).await;
    assert_eq!(
        Worker::new(&store).claim("k", &read("11", 3), 3).await,
        ClaimResult::Stale
    );
    assert_eq!(
        Worker::new(&store).claim("k", &read("1", 5), 3).await,
        act_on("k")
    );
}

/// A source that changed from numbers to times starts anew.
pub async fn versions_of_different_types_do_not_compare(store: Arc<dyn Store>) {
    Worker::new(&store)
        .apply("k", "2026-01-01T00:00:00Z", 1)
        .await;
    Worker::new(&store).apply("k", "1", 2).await;
    Worker::new(&store).apply("k", "b", 3).await;
    assert_eq!(
        Worker::new(&store).claim("k", "a", 4).await,
        ClaimResult::Stale
    );
    assert_eq!(
        Worker::new(&store).claim("k", "Z", 5).await,
        ClaimResult::Stale,
        "text compares byte by byte"
    );
}

/// Version 3 changed nothing, but is known; what version 2 says is old.
pub async fn unchanged_content_of_a_newer_version_makes_late_older_content_stale(
    store: Arc<dyn Store>,
) {
    Worker::new(&store).apply("k", "1", 1).await;
    assert_eq!(
        Worker::new(&store).claim("k", "3", 1).await,
        ClaimResult::Unchanged
    );
    assert_eq!(
        Worker::new(&store).claim("k", "2", 2).await,
        ClaimResult::Stale
    );
    assert_eq!(Worker::new(&store).claim("k", "4", 2).await, act_on("k"));
}

/// A key is held by one worker, and free when it has settled, whatever that was.
pub async fn a_key_is_busy_while_another_worker_holds_it(store: Arc<dyn Store>) {
    let worker = Worker::new(&store);
    worker.claim("k", "1", 1).await;
    assert_eq!(
        Worker::new(&store).claim("k", "2", 2).await,
        ClaimResult::ClaimedElsewhere
    );
    worker.settle("k", SettledState::Released).await;
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Claimed(KnownRecord::default())
    );
}

/// A worker that did not hear the answer asks again.
pub async fn claiming_again_with_the_same_token_gives_the_same_answer(store: Arc<dyn Store>) {
    let worker = Worker::new(&store);
    for _ in 0..2 {
        assert_eq!(
            worker.claim("k", "1", 1).await,
            ClaimResult::Claimed(KnownRecord::default())
        );
    }
    worker.settle("k", SettledState::InDoubt).await;
    let worker = Worker::new(&store);
    for _ in 0..2 {
        assert_eq!(
            worker.claim("k", "1", 1).await,
            unknown(KnownRecord::default(), 1)
        );
    }
    let worker = Worker::new(&store);
    for _ in 0..2 {
        let answers = worker.claim_for(Duration::ZERO, &[("other", "1", 1)]).await;
        assert_eq!(
            answers,
            [ClaimResult::Claimed(KnownRecord::default())],
            "its own claim that ran out tells it nothing new"
        );
    }
}

/// A worker died: whether it acted is not known, and stays so until somebody applied something.
pub async fn a_claim_that_ran_out_leaves_its_keys_in_doubt_until_something_is_applied(
    store: Arc<dyn Store>,
) {
    Worker::new(&store).apply("k", "1", 1).await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "2", 2)])
        .await;
    let finder = Worker::new(&store);
    assert_eq!(finder.claim("k", "2", 2).await, unknown(known("k"), 2));
    finder.settle("k", SettledState::Released).await;
    let next = Worker::new(&store);
    assert_eq!(
        next.claim("k", "1", 1).await,
        unknown(known("k"), 2),
        "even what was applied before may be gone"
    );
    next.settle("k", applied("k", "2", 2)).await;
    assert_eq!(
        Worker::new(&store).claim("k", "2", 2).await,
        ClaimResult::Unchanged
    );
    assert_eq!(Worker::new(&store).claim("k", "3", 3).await, act_on("k"));
}

/// A worker that does not know how its request ended says so.
pub async fn doubt_that_a_worker_reported_is_told_to_the_next(store: Arc<dyn Store>) {
    let worker = Worker::new(&store);
    worker.claim("k", "1", 1).await;
    worker.settle("k", SettledState::InDoubt).await;
    Worker::new(&store).apply("k", "1", 1).await;
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Unchanged
    );
}

/// Whoever looked at the destination knows what no worker can tell.
pub async fn somebody_s_word_resolves_a_doubt(store: Arc<dyn Store>) {
    for key in ["reported", "abandoned"] {
        Worker::new(&store).apply(key, "1", 1).await;
    }
    let worker = Worker::new(&store);
    worker.claim("reported", "2", 2).await;
    worker.settle("reported", SettledState::InDoubt).await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("abandoned", "2", 2)])
        .await;
    for key in ["reported", "abandoned"] {
        assert!(
            store
                .resolve_in_doubt("customers", key, Some("found"))
                .await
                .unwrap()
        );
        let worker = Worker::new(&store);
        assert_eq!(worker.claim(key, "0", 1).await, ClaimResult::Stale);
        let found = ClaimResult::Claimed(KnownRecord {
            id: Some("found".to_owned()),
            ..KnownRecord::default()
        });
        assert_eq!(
            worker.claim(key, "1", 1).await,
            found,
            "what its content is is not known"
        );
        worker.settle(key, SettledState::InDoubt).await;
        assert!(
            store
                .resolve_in_doubt("customers", key, None)
                .await
                .unwrap()
        );
        let absent = ClaimResult::Claimed(KnownRecord {
            incarnation: 1,
            ..KnownRecord::default()
        });
        assert_eq!(
            Worker::new(&store).claim(key, "2", 2).await,
            absent,
            "it is not the one made before"
        );
    }
}

/// Nor is a doubt resolved that a worker is about to resolve, or of which nobody knows.
pub async fn somebody_s_word_changes_nothing_where_there_is_no_doubt(store: Arc<dyn Store>) {
    Worker::new(&store).apply("k", "1", 1).await;
    for key in ["k", "never seen"] {
        assert!(
            store
                .resolve_in_doubt("customers", key, None)
                .await
                .unwrap()
        );
    }
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Unchanged
    );
    assert_eq!(
        Worker::new(&store).claim("never seen", "1", 1).await,
        ClaimResult::Claimed(KnownRecord::default())
    );
    let worker = Worker::new(&store);
    worker.claim("k", "2", 2).await;
    assert!(
        !store
            .resolve_in_doubt("customers", "k", None)
            .await
            .unwrap()
    );
    assert!(
        worker.settle("k", applied("k", "2", 2)).await.is_empty(),
        "its claim was taken away"
    );
}

/// Who comes with other content is told what may have been applied, however many come.
pub async fn while_a_key_is_in_doubt_what_was_attempted_first_is_known(store: Arc<dyn Store>) {
    let released = Worker::new(&store);
    released.claim("k", "1", 9).await;
    released.settle("k", SettledState::Released).await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "1", 1)])
        .await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "2", 2)])
        .await;
    for (content, settled) in [
        (3, SettledState::InDoubt),
        (4, SettledState::Released),
        (1, applied("k", "4", 1)),
    ] {
        let worker = Worker::new(&store);
        assert_eq!(
            worker.claim("k", "4", content).await,
            unknown(KnownRecord::default(), 1)
        );
        worker.settle("k", settled).await;
    }
    let worker = Worker::new(&store);
    assert_eq!(worker.claim("k", "5", 5).await, act_on("k"));
    worker.settle("k", SettledState::InDoubt).await;
    assert_eq!(
        Worker::new(&store).claim("k", "5", 6).await,
        unknown(known("k"), 5)
    );
}

/// What is asked for and not answered may take effect later, however often somebody looked meanwhile; a
/// failure that was answered has ended.
pub async fn what_is_in_doubt_may_be_under_way_for_a_while(store: Arc<dyn Store>) {
    for (key, settled) in [
        ("ended", SettledState::InDoubt),
        ("asked", SettledState::StillInFlight),
    ] {
        let worker = Worker::new(&store);
        worker.claim(key, "1", 1).await;
        worker.settle(key, settled).await;
    }
    assert!(!is_under_way(&store, "ended", MINUTE).await);
    assert!(is_under_way(&store, "asked", MINUTE).await);
    while is_under_way(&store, "asked", Duration::from_millis(50)).await {}
    Worker::new(&store).apply("asked", "1", 1).await;
    let worker = Worker::new(&store);
    worker.claim("asked", "2", 2).await;
    worker.settle("asked", SettledState::InDoubt).await;
    assert!(
        !is_under_way(&store, "asked", MINUTE).await,
        "what was before is known"
    );
}

/// Whoever held it may have asked for something at its very end.
pub async fn what_an_expired_claim_asked_for_may_be_under_way_for_a_while(store: Arc<dyn Store>) {
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "1", 1)])
        .await;
    assert!(is_under_way(&store, "k", MINUTE).await);
    while is_under_way(&store, "k", Duration::from_millis(50)).await {}
    assert!(is_under_way(&store, "k", MINUTE).await);
}

/// What somebody is told who looks and finds nothing out.
async fn is_under_way(store: &Arc<dyn Store>, key: &str, patience: Duration) -> bool {
    let worker = Worker::new(store);
    let claim = Claim {
        in_flight_for: patience,
        ..worker.claim_of(&[(key, "9", 9)])
    };
    let answer = store.claim(&claim, MINUTE).await.unwrap().remove(0);
    worker.settle(key, SettledState::Released).await;
    match answer {
        ClaimResult::InDoubt {
            still_in_flight: under_way,
            ..
        } => under_way,
        other => panic!("{other:?}"),
    }
}

/// Whatever the worker that died did, content older than what was applied before it is old.
pub async fn an_older_version_is_stale_even_in_doubt(store: Arc<dyn Store>) {
    Worker::new(&store).apply("k", "3", 1).await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "4", 2)])
        .await;
    assert_eq!(
        Worker::new(&store).claim("k", "2", 3).await,
        ClaimResult::Stale
    );
    assert_eq!(
        Worker::new(&store).claim("k", "4", 2).await,
        unknown(known("k"), 2)
    );
}

/// Renewing keeps the keys that a claim got, and takes none that it did not get.
pub async fn a_renewed_claim_does_not_run_out(store: Arc<dyn Store>) {
    let other = Worker::new(&store);
    other.claim_for(Duration::ZERO, &[("taken", "1", 1)]).await;
    let worker = Worker::new(&store);
    worker.claim_for(Duration::ZERO, &[("k", "1", 1)]).await;
    let claim = worker.claim_of(&[("k", "1", 1), ("taken", "1", 1), ("missing", "1", 1)]);
    assert!(
        !store.renew_claim(&claim, MINUTE).await.unwrap(),
        "it has not got all of these"
    );
    assert!(
        store
            .renew_claim(&worker.claim_of(&[("k", "1", 1)]), MINUTE)
            .await
            .unwrap()
    );
    let answers = Worker::new(&store)
        .claim_for(
            MINUTE,
            &[("k", "1", 1), ("taken", "1", 1), ("missing", "1", 1)],
        )
        .await;
    assert_eq!(
        answers,
        [
            ClaimResult::ClaimedElsewhere,
            unknown(KnownRecord::default(), 1),
            ClaimResult::Claimed(KnownRecord::default())
        ]
    );
}

/// A worker that was paused past its claim does not write over its successor, and counts nothing: who settled its
/// records is told by that.
pub async fn who_lost_a_claim_cannot_settle_it_and_is_told_so(store: Arc<dyn Store>) {
    let paused = Worker::new(&store);
    paused
        .claim_for(Duration::ZERO, &[("lost", "1", 1), ("kept", "1", 1)])
        .await;
    Worker::new(&store).apply("lost", "2", 2).await;
    let entries = [
        ("lost", applied("lost", "1", 1)),
        ("kept", applied("kept", "1", 1)),
        ("never", SettledState::InDoubt),
    ];
    let run = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_outcomes(run, "1", &SlotOutcomes::unsettled(2))
        .await
        .unwrap();
    let outcomes = mask(&[(0, Outcome::Created), (1, Outcome::Created)]);
    let lost = store
        .settle(&BatchSettlement {
            run,
            outcomes,
            ..paused.settlement(&entries)
        })
        .await
        .unwrap();
    assert_eq!(lost, ["lost", "never"]);
    assert_eq!(store.run(run).await.unwrap().unwrap().counts.waiting, 2);
    let answers = Worker::new(&store)
        .claim_for(
            MINUTE,
            &[("lost", "2", 2), ("kept", "1", 1), ("never", "1", 1)],
        )
        .await;
    assert_eq!(
        answers,
        [
            ClaimResult::Unchanged,
            ClaimResult::Unchanged,
            ClaimResult::Claimed(KnownRecord::default())
        ]
    );
}

/// What became of the keys and of the slots is written together.
pub async fn a_settlement_counts_its_batch(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_outcomes(run, "1", &SlotOutcomes::unsettled(3))
        .await
        .unwrap();
    let worker = Worker::new(&store);
    worker.claim("k", "1", 1).await;
    let outcomes = mask(&[(0, Outcome::Created), (2, Outcome::Stale)]);
    let settlement = BatchSettlement {
        run,
        outcomes,
        ..worker.settlement(&[("k", applied("k", "1", 1))])
    };
    store.settle(&settlement).await.unwrap();
    let again = |outcomes| BatchSettlement {
        entries: Vec::new(),
        outcomes,
        ..settlement.clone()
    };
    store
        .settle(&again(mask(&[(0, Outcome::Updated), (2, Outcome::Dead)])))
        .await
        .unwrap();
    let counts = async || {
        let counts = store.run(run).await.unwrap().unwrap().counts;
        assert_eq!((counts.records, counts.waiting), (3, 1));
        [Outcome::Created, Outcome::Stale, Outcome::Dead].map(|outcome| counts.count(outcome))
    };
    assert_eq!(counts().await, [1, 1, 0], "what is settled stays so");
    store
        .settle(&again(mask(&[(0, Outcome::Dead)])))
        .await
        .unwrap();
    assert_eq!(
        counts().await,
        [0, 1, 1],
        "nobody takes a run with a dead letter for a success"
    );
}

/// A worker that did not hear that it has settled settles again.
pub async fn settling_twice_changes_nothing(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let worker = Worker::new(&store);
    worker.claim("k", "1", 1).await;
    let outcomes = mask(&[(0, Outcome::Created)]);
    let settlement = BatchSettlement {
        run,
        outcomes,
        ..worker.settlement(&[("k", applied("k", "1", 1))])
    };
    assert!(store.settle(&settlement).await.unwrap().is_empty());
    store.settle(&settlement).await.unwrap();
    assert_eq!(store.run(run).await.unwrap().unwrap().counts.records, 1);
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Unchanged
    );
}

/// Each answer stands where its entry stood, and keys may have any character.
pub async fn answers_come_in_the_order_of_the_entries(store: Arc<dyn Store>) {
    let odd = "'\"; \\ % \0 \u{10}";
    for (key, version) in [("z", "5"), (odd, "1"), ("ą", "1")] {
        Worker::new(&store).apply(key, version, 1).await;
    }
    Worker::new(&store).claim("busy", "1", 1).await;
    let worker = Worker::new(&store);
    let entries = [
        ("z", "4", 2),
        ("busy", "1", 1),
        (odd, "2", 2),
        ("ą", "1", 1),
        ("a", "1", 1),
    ];
    let answers = worker.claim_for(MINUTE, &entries).await;
    assert_eq!(
        answers,
        [
            ClaimResult::Stale,
            ClaimResult::ClaimedElsewhere,
            act_on(odd),
            ClaimResult::Unchanged,
            ClaimResult::Claimed(KnownRecord::default())
        ]
    );
    let lost = store
        .settle(&worker.settlement(&[("ą", SettledState::Released), (odd, applied(odd, "2", 2))]))
        .await;
    assert_eq!(lost.unwrap(), ["ą"]);
    assert!(worker.claim_for(MINUTE, &[]).await.is_empty());
}

/// The same key in two flows is two keys.
pub async fn flows_do_not_share_keys(store: Arc<dyn Store>) {
    let worker = Worker::new(&store);
    worker.apply("k", "1", 1).await;
    let mut claim = worker.claim_of(&[("k", "1", 1)]);
    claim.flow = "orders".to_owned();
    assert_eq!(
        store.claim(&claim, MINUTE).await.unwrap(),
        [ClaimResult::Claimed(KnownRecord::default())]
    );
}

/// The largest batch.
pub async fn a_thousand_keys_are_claimed_and_settled_at_once(store: Arc<dyn Store>) {
    let keys: Vec<String> = (0..1000).map(|number| format!("key-{number}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), "1", 1)).collect();
    let worker = Worker::new(&store);
    let answers = worker.claim_for(MINUTE, &entries).await;
    assert!(
        answers
            .iter()
            .all(|answer| *answer == ClaimResult::Claimed(KnownRecord::default()))
    );
    let entries_settled: Vec<_> = keys
        .iter()
        .map(|key| (key.as_str(), applied(key, "1", 1)))
        .collect();
    let settlement = BatchSettlement {
        outcomes: SlotOutcomes::unsettled(1000),
        ..worker.settlement(&entries_settled)
    };
    assert!(store.settle(&settlement).await.unwrap().is_empty());
    let answers = Worker::new(&store).claim_for(MINUTE, &entries).await;
    assert!(
        answers
            .iter()
            .all(|answer| *answer == ClaimResult::Unchanged)
    );
}
