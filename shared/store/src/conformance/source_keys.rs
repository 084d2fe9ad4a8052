//! Source keys.

use std::sync::Arc;

use pomost_models::RunId;

use super::{
    runs,
    support::{MINUTE, manual},
};
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

/// Keys that an earlier run listed and this one did not are missing, until their deletion is
/// recorded.
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

/// An extractor that was succeeded cannot say which keys the source lists.
pub async fn keys_are_not_recorded_for_a_holder_that_lost_its_lease(store: Arc<dyn Store>) {
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
