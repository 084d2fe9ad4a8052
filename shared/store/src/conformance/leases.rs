//! Leases.

use std::{sync::Arc, time::Duration};

use super::support::MINUTE;
use crate::{Error, Lease, LeaseName, Store};

async fn take(store: &Arc<dyn Store>, holder: &str, ttl: Duration) -> Option<Lease> {
    store
        .acquire_lease(LeaseName::Flow("customers".to_owned()), holder, ttl)
        .await
        .unwrap()
}

/// While one holder has a lease, another does not get it. Leases of other names are free.
pub async fn one_holder_at_a_time_has_a_lease(store: Arc<dyn Store>) {
    assert!(take(&store, "a", MINUTE).await.is_some());
    assert!(take(&store, "b", MINUTE).await.is_none());
    assert!(
        store
            .acquire_lease(LeaseName::Flow("orders".to_owned()), "b", MINUTE)
            .await
            .unwrap()
            .is_some()
    );
}

/// A lease that has run out goes to the next that asks for it, with a higher token than all before.
pub async fn a_lease_that_ran_out_goes_to_the_next_with_a_higher_token(store: Arc<dyn Store>) {
    let first = take(&store, "a", Duration::ZERO).await.unwrap();
    let second = take(&store, "b", Duration::ZERO).await.unwrap();
    let third = take(&store, "a", MINUTE).await.unwrap();
    assert!(first.token < second.token && second.token < third.token);
}

/// A holder that did not learn that it has the lease is not locked out by itself.
pub async fn a_holder_may_take_its_own_lease_again(store: Arc<dyn Store>) {
    let first = take(&store, "a", MINUTE).await.unwrap();
    let second = take(&store, "a", MINUTE).await.unwrap();
    assert!(first.token < second.token);
}

/// A lease that has run out can be renewed, unless another holder has taken it.
pub async fn a_lease_is_renewed_until_somebody_else_takes_it(store: Arc<dyn Store>) {
    let lease = take(&store, "a", Duration::ZERO).await.unwrap();
    store.renew_lease(&lease, MINUTE).await.unwrap();
    assert!(take(&store, "b", MINUTE).await.is_none());
    store.renew_lease(&lease, Duration::ZERO).await.unwrap();
    take(&store, "b", MINUTE).await.unwrap();
    assert!(
        matches!(store.renew_lease(&lease, MINUTE).await, Err(Error::LeaseLost(name)) if name == lease.name)
    );
}

/// A released lease can be taken at once. Releasing it again does not end the lease of the next
/// holder.
pub async fn a_released_lease_is_free_at_once_and_its_token_is_invalid(store: Arc<dyn Store>) {
    let lease = take(&store, "a", MINUTE).await.unwrap();
    store.release_lease(&lease).await.unwrap();
    assert!(matches!(
        store.renew_lease(&lease, MINUTE).await,
        Err(Error::LeaseLost(_))
    ));
    let next = take(&store, "b", MINUTE).await.unwrap();
    assert!(next.token > lease.token);
    store.release_lease(&lease).await.unwrap();
    store.renew_lease(&next, MINUTE).await.unwrap();
}

/// Many processes ask for a lease at the same time, and one of them gets it.
pub async fn of_many_takers_at_once_one_gets_the_lease(store: Arc<dyn Store>) {
    let takers: Vec<_> = (0..16)
        .map(|taker| {
            let store = store.clone();
            tokio::spawn(async move { take(&store, &format!("taker {taker}"), MINUTE).await })
        })
        .collect();
    let mut takings = 0;
    for taker in takers {
        takings += usize::from(taker.await.unwrap().is_some());
    }
    assert_eq!(takings, 1);
}
