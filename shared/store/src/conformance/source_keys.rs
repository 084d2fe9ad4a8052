//! What a source listed.

use std::sync::Arc;

use pomost_models::RunId;

use super::{MINUTE, Worker, manual, runs};
use crate::{Error, Lease, PageProgress, SourceKeyCounts, Store};

fn listing(run: RunId, keys: &[&str]) -> PageProgress {
    let listed = keys.iter().map(|&key| key.to_owned()).collect();
    PageProgress {
        listed_keys: listed,
        ..runs::page(run, &[], "")
    }
}

async fn missing(store: &Arc<dyn Store>, run: RunId) -> Vec<String> {
    store.missing_keys("customers", run, "", 10).await.unwrap()
}

async fn run_with(store: &Arc<dyn Store>, lease: &Lease, keys: &[&str]) -> RunId {
    let run = store.request_run(&manual("customers")).await.unwrap();
    store.record_page(lease, &listing(run, keys)).await.unwrap();
    store
        .finish_extraction(lease, run, None, None)
        .await
        .unwrap();
    run
}

/// A warning is kept with its run, which was read to its end all the same.
pub async fn what_is_odd_about_a_run_is_kept_with_it(store: Arc<dyn Store>) {
    let lease = runs::lease(&store, "a", MINUTE).await;
    let run = store.request_run(&manual("customers")).await.unwrap();
    store
        .finish_extraction(&lease, run, None, Some("nothing came"))
        .await
        .unwrap();
    let summary = store.run(run).await.unwrap().unwrap();
    assert_eq!(
        (summary.warning.as_deref(), summary.error),
        (Some("nothing came"), None)
    );
}

/// Keys that an earlier run listed and this one has not are missing from it, until they are forgotten.
pub async fn a_key_that_a_run_does_not_list_is_missing_from_it(store: Arc<dyn Store>) {
    let lease = runs::lease(&store, "a", MINUTE).await;
    let odd = "k\0ey";
    run_with(&store, &lease, &["a", "b", "b", odd]).await;
    let run = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_page(&lease, &listing(run, &["a", "c"]))
        .await
        .unwrap();
    assert_eq!(missing(&store, run).await, ["b", odd]);
    assert_eq!(
        store.missing_keys("customers", run, "b", 10).await.unwrap(),
        [odd]
    );
    assert_eq!(
        store.missing_keys("customers", run, "", 1).await.unwrap(),
        ["b"]
    );
    assert_eq!(
        store.count_keys("customers", run).await.unwrap(),
        SourceKeyCounts {
            known: 4,
            missing: 2
        }
    );
    assert_eq!(
        store.count_keys("orders", run).await.unwrap(),
        SourceKeyCounts {
            known: 0,
            missing: 0
        }
    );
    let forgotten = vec!["b".to_owned(), odd.to_owned()];
    store
        .record_page(
            &lease,
            &PageProgress {
                deleted_keys: forgotten,
                ..listing(run, &[])
            },
        )
        .await
        .unwrap();
    assert_eq!(
        store.count_keys("customers", run).await.unwrap(),
        SourceKeyCounts {
            known: 2,
            missing: 0
        }
    );
}

/// Who was succeeded cannot say what the source lists.
pub async fn keys_of_who_lost_the_lease_are_not_noted(store: Arc<dyn Store>) {
    let lost = runs::lease(&store, "a", std::time::Duration::ZERO).await;
    let lease = runs::lease(&store, "b", MINUTE).await;
    let first = run_with(&store, &lease, &["a"]).await;
    let page = PageProgress {
        deleted_keys: vec!["a".to_owned()],
        ..listing(first, &["b"])
    };
    assert!(matches!(
        store.record_page(&lost, &page).await,
        Err(Error::LeaseLost(_))
    ));
    let run = store.request_run(&manual("customers")).await.unwrap();
    assert_eq!(missing(&store, run).await, ["a"]);
}

/// A flow has applied something once its ledger has a key.
pub async fn a_flow_has_applied_something_when_its_ledger_has_a_key(store: Arc<dyn Store>) {
    assert!(!store.has_applied_records("customers").await.unwrap());
    Worker::new(&store).apply("a", "1", 1).await;
    assert!(store.has_applied_records("customers").await.unwrap());
    assert!(!store.has_applied_records("orders").await.unwrap());
}
