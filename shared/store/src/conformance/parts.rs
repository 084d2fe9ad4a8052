//! The shapes of records that may be split.

use std::sync::Arc;

use pomost_models::Version;

use super::support::Worker;
use crate::{KnownShape, RecordShape, ShapeChange, Store};

fn shape(version: &str, outputs: u32, parts: u32, whole: bool) -> RecordShape {
    RecordShape {
        version: Version::new(version).order_key(),
        outputs,
        parts,
        whole,
    }
}

async fn known(store: &Arc<dyn Store>, key: &str) -> KnownShape {
    let mut known = store.known_shapes("customers", &[key]).await.unwrap();
    known.remove(0)
}

async fn change(
    store: &Arc<dyn Store>,
    changes: &[(&str, Option<RecordShape>, RecordShape)],
) -> bool {
    let change = |(key, before, after): &(&str, Option<RecordShape>, RecordShape)| ShapeChange {
        key: (*key).to_owned(),
        before: before.clone(),
        after: after.clone(),
    };
    let changes: Vec<_> = changes.iter().map(change).collect();
    store.change_shapes("customers", &changes).await.unwrap()
}

/// A shape is noted while the one that it was decided on holds; of several, those that do are
/// noted.
pub async fn a_shape_is_noted_while_the_one_before_it_holds(store: Arc<dyn Store>) {
    let (first, second) = (shape("1", 3, 3, false), shape("2", 2, 3, true));
    let odd = "k\0\u{10}";
    assert!(
        change(
            &store,
            &[("b", None, first.clone()), (odd, None, second.clone())]
        )
        .await
    );
    assert_eq!(known(&store, odd).await.shape, Some(second.clone()));
    assert!(!change(&store, &[("b", None, second.clone())]).await);
    assert_eq!(known(&store, "b").await.shape, Some(first.clone()));
    let other = shape("1", 3, 4, false);
    assert!(!change(&store, &[("b", Some(other), second.clone())]).await);
    let changes = [
        ("a", None, first.clone()),
        ("b", Some(first.clone()), second.clone()),
        (odd, Some(first.clone()), first.clone()),
    ];
    assert!(!change(&store, &changes).await);
    let shapes = store
        .known_shapes("customers", &["b", "none", "a", odd])
        .await
        .unwrap();
    let shapes: Vec<_> = shapes.into_iter().map(|known| known.shape).collect();
    assert_eq!(
        shapes,
        [Some(second.clone()), None, Some(first), Some(second)]
    );
    let elsewhere = store.known_shapes("orders", &["b"]).await.unwrap();
    assert_eq!(elsewhere, [KnownShape::default()]);
}

/// A part that the newest change does not have remains until the ledger has it at that change's
/// version.
pub async fn a_part_that_went_away_remains_until_that_is_in_the_ledger(store: Arc<dyn Store>) {
    let (worker, two_of_five) = (Worker::new(&store), shape("2", 2, 5, false));
    worker.apply("a/3", "1", 1).await;
    worker.apply("a/4", "1", 1).await;
    change(&store, &[("a", None, two_of_five.clone())]).await;
    assert_eq!(known(&store, "a").await.remaining_parts, 5);
    worker.apply("a/4", "2", 2).await;
    worker.apply("a/2", "3", 2).await;
    assert_eq!(known(&store, "a").await.remaining_parts, 4);
    worker.apply("a/3", "3", 2).await;
    assert_eq!(known(&store, "a").await.remaining_parts, 2);
    worker.apply("a/1", "3", 2).await;
    assert_eq!(known(&store, "a").await.remaining_parts, 2);
    let one = shape("4", 1, 2, false);
    change(&store, &[("a", Some(two_of_five), one)]).await;
    assert_eq!(known(&store, "a").await.remaining_parts, 2);
    worker.apply("a/0", "4", 3).await;
    worker.apply("a/1", "4", 3).await;
    assert_eq!(known(&store, "a").await.remaining_parts, 0);
}

/// The whole of a record remains until its deletion is in the ledger, and as long as the newest
/// change has it.
pub async fn a_whole_record_remains_until_its_deletion_is_in_the_ledger(store: Arc<dyn Store>) {
    assert!(!known(&store, "a").await.whole_remains);
    let worker = Worker::new(&store);
    worker.apply("a", "1", 1).await;
    assert!(known(&store, "a").await.whole_remains);
    let shapes = [
        shape("1", 1, 0, true),
        shape("2", 3, 3, true),
        shape("2", 3, 3, false),
    ];
    change(&store, &[("a", None, shapes[0].clone())]).await;
    assert!(known(&store, "a").await.whole_remains);
    change(&store, &[("a", Some(shapes[0].clone()), shapes[1].clone())]).await;
    assert!(known(&store, "a").await.whole_remains);
    worker.apply("a", "2", 2).await;
    assert!(!known(&store, "a").await.whole_remains);
    change(&store, &[("a", Some(shapes[1].clone()), shapes[2].clone())]).await;
    assert!(!known(&store, "a").await.whole_remains);
}

/// Shapes are noted of flows alone that may split records. They stay, also when no record has parts
/// any more: a mapping that splits again has to know which records were loaded as a whole.
pub async fn a_flow_has_split_records_once_any_record_has_a_shape(store: Arc<dyn Store>) {
    assert!(!store.has_split("customers").await.unwrap());
    change(&store, &[("a", None, shape("1", 1, 0, true))]).await;
    assert!(store.has_split("customers").await.unwrap());
    assert!(!store.has_split("orders").await.unwrap());
}
