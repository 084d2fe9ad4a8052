//! Cursors.

use std::sync::Arc;

use super::{
    runs::lease,
    support::{MINUTE, manual},
};
use crate::Store;

/// The cursor moves with the end of a run. The same end recorded again later does not move it back.
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

/// Whatever it is set to, also to the value that it had, or to none: the run that reads meanwhile
/// leaves it, and says so. Runs that begin later move it.
pub async fn a_cursor_that_is_set_before_a_run_has_ended_stays_as_it_was_set(
    store: Arc<dyn Store>,
) {
    let lease = lease(&store, "a", MINUTE).await;
    let cursor = async || store.cursor("customers").await.unwrap();
    for set in [Some("5"), Some("2"), None] {
        store.set_cursor("customers", Some("5")).await.unwrap();
        let run = store.request_run(&manual("customers")).await.unwrap();
        store.set_cursor("customers", set).await.unwrap();
        store
            .finish_extraction(&lease, run, Some("9"), Some("odd"))
            .await
            .unwrap();
        assert_eq!(cursor().await.as_deref(), set);
        let warning = store.run(run).await.unwrap().unwrap().warning.unwrap();
        assert_eq!(
            warning,
            "the cursor was set before this run had ended, so it stays as it was set; odd"
        );
        let next = store.request_run(&manual("customers")).await.unwrap();
        store
            .finish_extraction(&lease, next, Some("9"), None)
            .await
            .unwrap();
        assert_eq!(cursor().await.as_deref(), Some("9"));
        assert_eq!(store.run(next).await.unwrap().unwrap().warning, None);
    }
}

/// An operator sets and removes cursors, flow by flow.
pub async fn a_cursor_can_be_set_and_cleared(store: Arc<dyn Store>) {
    for value in [Some("1"), Some("2026-01-01T00:00:00Z"), None, None] {
        store.set_cursor("customers", value).await.unwrap();
        assert_eq!(store.cursor("customers").await.unwrap().as_deref(), value);
        assert_eq!(store.cursor("orders").await.unwrap(), None);
    }
}
