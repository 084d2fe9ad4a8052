//! Claims of one worker after another.

use std::{sync::Arc, time::Duration};

use pomost_models::{SlotOutcomes, Version};

use super::support::{MINUTE, Worker, applied, claimed, in_doubt, order, read};
use crate::{BatchSettlement, Claim, ClaimResult, KnownRecord, SettledState, Store};

/// The ledger knows no record of a key that nothing was applied for.
pub async fn a_new_key_is_claimed_without_a_known_record(store: Arc<dyn Store>) {
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Claimed(KnownRecord::default())
    );
}

/// The ledger remembers the destination's id and the content that was applied.
pub async fn an_applied_record_is_known_by_its_id_and_is_unchanged_the_next_time(
    store: Arc<dyn Store>,
) {
    Worker::new(&store).apply("k", "1", 1).await;
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Unchanged
    );
    assert_eq!(Worker::new(&store).claim("k", "2", 2).await, claimed("k"));
}

/// After a delete the next record of the key is created anew.
pub async fn a_deleted_record_has_no_id(store: Arc<dyn Store>) {
    Worker::new(&store).apply("k", "1", 1).await;
    let worker = Worker::new(&store);
    assert_eq!(worker.claim("k", "2", 2).await, claimed("k"));
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

/// The entity tag and the incarnation come back with the id, in doubt as well, until the next
/// record is applied.
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
    assert_eq!(worker.claim("k", "2", 2).await, in_doubt(first, 2));
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

/// Versions compare by their meaning: 9 is older than 10, and 10.0 equals 10.
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
    assert_eq!(
        Worker::new(&store).claim("k", "10.0", 2).await,
        claimed("k")
    );
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
        claimed("k")
    );
}

/// A deletion without a version is newer than all that was read before it, whatever its version.
pub async fn a_record_without_a_version_is_ordered_by_when_it_was_read(store: Arc<dyn Store>) {
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
        claimed("k")
    );
}

/// A source that changed from numbers to times begins anew.
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

/// Version 3 changes nothing but is stored, so that version 2 is stale afterwards.
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
    assert_eq!(Worker::new(&store).claim("k", "4", 2).await, claimed("k"));
}

/// A key is free when it has settled, in whatever way.
pub async fn a_key_that_another_worker_holds_is_claimed_elsewhere(store: Arc<dyn Store>) {
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

/// A worker that did not get the result claims again.
pub async fn claiming_again_with_the_same_token_gives_the_same_result(store: Arc<dyn Store>) {
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
            in_doubt(KnownRecord::default(), 1)
        );
    }
    let worker = Worker::new(&store);
    for _ in 0..2 {
        let results = worker.claim_for(Duration::ZERO, &[("other", "1", 1)]).await;
        assert_eq!(
            results,
            [ClaimResult::Claimed(KnownRecord::default())],
            "its own claim that ran out tells it nothing new"
        );
    }
}

/// A renewal extends the claim on the keys that it got, and takes no others.
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
    let results = Worker::new(&store)
        .claim_for(
            MINUTE,
            &[("k", "1", 1), ("taken", "1", 1), ("missing", "1", 1)],
        )
        .await;
    assert_eq!(
        results,
        [
            ClaimResult::ClaimedElsewhere,
            in_doubt(KnownRecord::default(), 1),
            ClaimResult::Claimed(KnownRecord::default())
        ]
    );
}

/// Each result is at the index of its entry, and keys may have any character.
pub async fn results_come_in_the_order_of_the_entries(store: Arc<dyn Store>) {
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
    let results = worker.claim_for(MINUTE, &entries).await;
    assert_eq!(
        results,
        [
            ClaimResult::Stale,
            ClaimResult::ClaimedElsewhere,
            claimed(odd),
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

/// A batch has at most a thousand records.
pub async fn a_thousand_keys_are_claimed_and_settled_at_once(store: Arc<dyn Store>) {
    let keys: Vec<String> = (0..1000).map(|number| format!("key-{number}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), "1", 1)).collect();
    let worker = Worker::new(&store);
    let results = worker.claim_for(MINUTE, &entries).await;
    assert!(
        results
            .iter()
            .all(|result| *result == ClaimResult::Claimed(KnownRecord::default()))
    );
    let entries_settled: Vec<_> = keys
        .iter()
        .map(|key| (key.as_str(), applied(key, "1", 1)))
        .collect();
    let settlement = BatchSettlement {
        outcomes: SlotOutcomes::waiting(1000),
        ..worker.settlement(&entries_settled)
    };
    assert!(store.settle(&settlement).await.unwrap().is_empty());
    let results = Worker::new(&store).claim_for(MINUTE, &entries).await;
    assert!(
        results
            .iter()
            .all(|result| *result == ClaimResult::Unchanged)
    );
}

/// Keys of other flows do not count.
pub async fn a_flow_has_applied_records_when_its_ledger_has_a_key(store: Arc<dyn Store>) {
    assert!(!store.has_applied_records("customers").await.unwrap());
    Worker::new(&store).apply("a", "1", 1).await;
    assert!(store.has_applied_records("customers").await.unwrap());
    assert!(!store.has_applied_records("orders").await.unwrap());
}

/// The order of extraction is no version of the source's and has no type.
pub async fn a_version_of_another_type_than_the_one_applied_is_refused_on_demand(
    store: Arc<dyn Store>,
) {
    let worker = Worker::new(&store);
    worker.apply("a", "1", 1).await;
    worker
        .apply(
            "e",
            &Version::of_extraction(uuid::Uuid::now_v7(), 0).to_string(),
            1,
        )
        .await;
    let other = Worker::new(&store);
    let claim = other.claim_of(&[("a", "rev-2", 2), ("e", "rev-2", 2), ("n", "rev-2", 2)]);
    let strict = Claim {
        same_version_type: true,
        ..claim.clone()
    };
    let results = store.claim(&strict, MINUTE).await.unwrap();
    assert_eq!(
        results[..2],
        [ClaimResult::VersionTypeMismatch, claimed("e")]
    );
    assert_eq!(other.claim("a", "2", 2).await, claimed("a"));
}
