//! Outages.

use std::{sync::Arc, time::Duration};

use super::support::MINUTE;
use crate::{Outage, Store};

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

/// The reason may change while the outage lasts: people need to know what to repair now.
pub async fn an_outage_lasts_since_it_was_seen_first_and_has_the_reason_that_was_seen_last(
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

/// The process that saw it may be gone. The next one that is seen is another outage.
pub async fn an_outage_that_nobody_sees_any_more_is_forgotten(store: Arc<dyn Store>) {
    store
        .begin_outage("crm", "unreachable", "nobody answered", MINUTE)
        .await
        .unwrap();
    assert_eq!(store.outages(Duration::ZERO).await.unwrap(), []);
    let long_ago = Duration::ZERO;
    store
        .begin_outage("crm", "transient", "crm: GET /a answered 500", long_ago)
        .await
        .unwrap();
    assert_eq!(
        outages(&store).await,
        [outage("crm", "transient", "crm: GET /a answered 500")]
    );
}
