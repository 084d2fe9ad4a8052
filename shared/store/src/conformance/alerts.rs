//! Systems that are down, and what has been announced.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use pomost_models::{Outcome, RunId, RunTrigger};

use super::{
    MINUTE,
    dead_letters::letter,
    manual, mask,
    runs::{lease, page},
};
use crate::{Outage, RunRequest, Store};

async fn outages(store: &Arc<dyn Store>) -> Vec<(String, String, String)> {
    let outages = store.outages(MINUTE).await.unwrap().into_iter();
    outages
        .map(
            |Outage {
                 system,
                 class,
                 reason,
                 ..
             }| (system, class, reason),
        )
        .collect()
}

fn outage(system: &str, class: &str, reason: &str) -> (String, String, String) {
    (system.to_owned(), class.to_owned(), reason.to_owned())
}

/// The reason may change while it lasts: people are to know what is to be mended now.
pub async fn an_outage_lasts_since_somebody_noticed_it_first_and_has_the_reason_that_was_seen_last(
    store: Arc<dyn Store>,
) {
    store
        .begin_outage(
            "shop",
            "transient",
            "shop: POST /things answered 500",
            MINUTE,
        )
        .await
        .unwrap();
    let began = store.outages(MINUTE).await.unwrap()[0].since;
    store
        .begin_outage(
            "shop",
            "unauthorised",
            "shop: POST /things answered 401",
            MINUTE,
        )
        .await
        .unwrap();
    store
        .begin_outage("crm", "unreachable", "crm: a\0b", MINUTE)
        .await
        .unwrap();
    let both = [
        outage("crm", "unreachable", "crm: a\0b"),
        outage("shop", "unauthorised", "shop: POST /things answered 401"),
    ];
    assert_eq!(outages(&store).await, both);
    assert_eq!(store.outages(MINUTE).await.unwrap()[1].since, began);
    store.end_outage("shop").await.unwrap();
    store.end_outage("shop").await.unwrap();
    assert_eq!(outages(&store).await, both[..1]);
}

/// Who saw it may be gone, and somebody sees another.
pub async fn an_outage_that_nobody_sees_any_more_is_forgotten(store: Arc<dyn Store>) {
    store
        .begin_outage("crm", "unreachable", "nobody answered", MINUTE)
        .await
        .unwrap();
    assert_eq!(store.outages(std::time::Duration::ZERO).await.unwrap(), []);
    let long_ago = std::time::Duration::ZERO;
    store
        .begin_outage("crm", "transient", "crm: GET /a answered 500", long_ago)
        .await
        .unwrap();
    assert_eq!(
        outages(&store).await,
        [outage("crm", "transient", "crm: GET /a answered 500")]
    );
}

/// Raised twice it is one, as it was raised first.
pub async fn an_alert_stands_until_it_is_cleared(store: Arc<dyn Store>) {
    store
        .raise_alert("outage:shop", "the shop is down")
        .await
        .unwrap();
    store
        .raise_alert("outage:shop", "the shop is still down")
        .await
        .unwrap();
    let standing = store.alerts().await.unwrap();
    assert_eq!(standing.len(), 1);
    assert_eq!(
        (&*standing[0].subject, &*standing[0].text),
        ("outage:shop", "the shop is down")
    );
    store.clear_alert("outage:shop").await.unwrap();
    store.clear_alert("outage:shop").await.unwrap();
    assert_eq!(store.alerts().await.unwrap(), []);
}

/// Those that somebody has seen to do not count, nor those that died before.
pub async fn open_dead_letters_are_counted_by_flow_from_a_time_on(store: Arc<dyn Store>) {
    let run = RunId::generate();
    let letters = [0, 1, 2, 3].map(|slot| letter(run, "1", slot));
    store.archive_dead_letters(&letters).await.unwrap();
    let since = |second| Timestamp::from_second(second).unwrap();
    let counted = async |second| store.count_dead_letters(since(second)).await.unwrap();
    assert_eq!(
        counted(1_001).await,
        BTreeMap::from([("customers".to_owned(), 3)])
    );
    store
        .discard_dead_letters(std::slice::from_ref(&letters[3].id))
        .await
        .unwrap();
    assert_eq!(
        counted(1_001).await,
        BTreeMap::from([("customers".to_owned(), 2)])
    );
    assert_eq!(counted(1_003).await, BTreeMap::new());
}

/// A run that failed or waits is none, and neither is what was delivered or replayed.
pub async fn the_last_success_is_the_newest_run_of_which_all_has_settled(store: Arc<dyn Store>) {
    let requested = async |run: RunId| store.run(run).await.unwrap().unwrap().requested_at;
    let success = async || store.last_success_time("customers").await.unwrap();
    let lease = lease(&store, "a", MINUTE).await;
    let first = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_page(&lease, &page(first, &[("1", 1)], "2"))
        .await
        .unwrap();
    store
        .finish_extraction(&lease, first, None, None)
        .await
        .unwrap();
    assert_eq!(success().await, None);
    store
        .record_outcomes(first, "1", &mask(&[(0, Outcome::Created)]))
        .await
        .unwrap();
    assert_eq!(success().await, Some(requested(first).await));
    let failed = store.request_run(&manual("customers")).await.unwrap();
    store.fail_run(&lease, failed, "it is gone").await.unwrap();
    let waiting = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_page(&lease, &page(waiting, &[("1", 1)], "2"))
        .await
        .unwrap();
    store
        .finish_extraction(&lease, waiting, None, None)
        .await
        .unwrap();
    assert_eq!(success().await, Some(requested(first).await));
    let scheduled = RunRequest {
        trigger: RunTrigger::Schedule,
        ..manual("customers")
    };
    let empty = store.request_run(&scheduled).await.unwrap();
    store
        .finish_extraction(&lease, empty, None, None)
        .await
        .unwrap();
    assert_eq!(success().await, Some(requested(empty).await));
}
