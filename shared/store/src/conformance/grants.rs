//! Grants.

use std::sync::Arc;

use crate::{GrantKey, Store, TokenGrant};

fn key(system: &str, fingerprint: &str) -> GrantKey {
    GrantKey {
        system: system.to_owned(),
        fingerprint: fingerprint.to_owned(),
    }
}

async fn found(store: &Arc<dyn Store>, key: &GrantKey) -> TokenGrant {
    store.grant(key).await.unwrap().unwrap()
}

/// Each grant names the generation that it replaces. Sealed tokens come back byte for byte.
pub async fn a_grant_follows_the_one_before_it(store: Arc<dyn Store>) {
    let shop = key("shop", "a");
    assert_eq!(store.grant(&shop).await.unwrap(), None);
    let bytes: Vec<u8> = (0..=255).collect();
    assert!(store.replace_grant(&shop, 0, &bytes).await.unwrap());
    assert_eq!(
        found(&store, &shop).await,
        TokenGrant {
            generation: 1,
            sealed: bytes,
            refused_at: None
        }
    );
    assert!(store.replace_grant(&shop, 1, b"second").await.unwrap());
    assert_eq!(found(&store, &shop).await.generation, 2);
}

/// A process that comes late with the successor of an old grant writes nothing, however often it
/// tries.
pub async fn a_grant_that_was_replaced_is_not_written_over(store: Arc<dyn Store>) {
    let shop = key("shop", "a");
    assert!(store.replace_grant(&shop, 0, b"first").await.unwrap());
    assert!(!store.replace_grant(&shop, 0, b"late").await.unwrap());
    assert!(store.replace_grant(&shop, 1, b"second").await.unwrap());
    assert!(!store.replace_grant(&shop, 0, b"first").await.unwrap());
    assert_eq!(found(&store, &shop).await.sealed, b"second");
}

/// A process that did not learn that its grant was written may write it again.
pub async fn a_grant_written_twice_is_one(store: Arc<dyn Store>) {
    let shop = key("shop", "a");
    assert!(store.replace_grant(&shop, 0, b"first").await.unwrap());
    assert!(store.replace_grant(&shop, 0, b"first").await.unwrap());
    assert_eq!(found(&store, &shop).await.generation, 1);
}

/// Many processes replace one grant at the same time, and one of them succeeds.
pub async fn of_many_successors_of_a_grant_one_is_written(store: Arc<dyn Store>) {
    let writers: Vec<_> = (0..16_u8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .replace_grant(&key("shop", "a"), 0, &[writer])
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut written = 0;
    for writer in writers {
        written += usize::from(writer.await.unwrap());
    }
    assert_eq!(written, 1);
}

/// A refusal is remembered until the next grant, also where there was none before. A refusal of an
/// older grant is ignored.
pub async fn a_refusal_lasts_until_the_next_grant(store: Arc<dyn Store>) {
    let shop = key("shop", "a");
    assert!(store.record_grant_refusal(&shop, 0).await.unwrap());
    assert!(found(&store, &shop).await.refused_at.is_some());
    assert!(store.replace_grant(&shop, 0, b"first").await.unwrap());
    assert_eq!(found(&store, &shop).await.refused_at, None);
    assert!(!store.record_grant_refusal(&shop, 0).await.unwrap());
    assert_eq!(found(&store, &shop).await.refused_at, None);
    assert!(store.record_grant_refusal(&shop, 1).await.unwrap());
    let refused = found(&store, &shop).await;
    assert!(refused.refused_at.is_some() && refused.sealed == b"first");
}

/// Another system has grants of its own, and so has another configuration of the same system.
pub async fn systems_and_configurations_do_not_share_grants(store: Arc<dyn Store>) {
    assert!(
        store
            .replace_grant(&key("shop", "a"), 0, b"first")
            .await
            .unwrap()
    );
    for other in [key("shop", "b"), key("crm", "a")] {
        assert_eq!(store.grant(&other).await.unwrap(), None);
        assert!(store.replace_grant(&other, 0, b"other").await.unwrap());
    }
    assert_eq!(found(&store, &key("shop", "a")).await.sealed, b"first");
}
