//! Alerts.

use std::sync::Arc;

use crate::Store;

/// An alert that is raised twice is one alert, with the text and the time of the first.
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
