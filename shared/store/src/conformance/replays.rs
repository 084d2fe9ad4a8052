//! Replays of dead letters.

use std::sync::Arc;

use pomost_models::{Outcome, RunId, RunTrigger, Stage};

use super::{any, found, letter, support::mask};
use crate::{DeadLetterFilter, Replay, RunState, Store};

fn replay(stage: Stage) -> Replay {
    Replay {
        run: RunId::generate(),
        flow: "customers".to_owned(),
        stage,
    }
}

/// Archives three letters and returns their ids.
async fn three_letters(store: &Arc<dyn Store>) -> [String; 3] {
    let run = RunId::generate();
    let letters = [0, 1, 2].map(|slot| letter(run, "1", slot));
    store.archive_dead_letters(&letters).await.unwrap();
    letters.map(|letter| letter.id)
}

async fn letters_of(store: &Arc<dyn Store>, run: RunId) -> Vec<String> {
    found(
        store,
        DeadLetterFilter {
            replayed_in: Some(run),
            ..any()
        },
    )
    .await
}

async fn state(store: &Arc<dyn Store>, run: RunId) -> (RunState, u64) {
    let summary = store.run(run).await.unwrap().unwrap();
    assert_eq!(summary.trigger, RunTrigger::Replay);
    (summary.state, summary.counts.waiting)
}

/// The letters stay open until they were sent, and a process that continues the replay finds all
/// that it needs.
pub async fn a_replay_is_begun_and_ended_and_never_extracted(store: Arc<dyn Store>) {
    let ids = three_letters(&store).await;
    let replay = replay(Stage::Transform);
    for _ in 0..2 {
        assert_eq!(store.begin_replay(&replay, &ids).await.unwrap(), 3);
        assert_eq!(
            store.unfinished_replays().await.unwrap(),
            std::slice::from_ref(&replay)
        );
    }
    assert_eq!(letters_of(&store, replay.run).await, ids);
    assert_eq!(store.next_run("customers").await.unwrap(), None);
    assert_eq!(state(&store, replay.run).await, (RunState::Requested, 0));
    store
        .record_outcomes(replay.run, "2", &mask(&[(1, Outcome::Created)]))
        .await
        .unwrap();
    store
        .end_replay(
            replay.run,
            &[("1".to_owned(), 1), ("2".to_owned(), 2)],
            &ids,
        )
        .await
        .unwrap();
    assert!(store.unfinished_replays().await.unwrap().is_empty());
    assert!(found(&store, any()).await.is_empty());
    assert_eq!(state(&store, replay.run).await, (RunState::Settling, 2));
}

/// Of two operators who replay the same letter, one gets it.
pub async fn a_replay_gets_open_letters_that_no_other_has(store: Arc<dyn Store>) {
    let ids = three_letters(&store).await;
    store.discard_dead_letters(&ids[..1]).await.unwrap();
    let (first, second, none) = (
        replay(Stage::Load),
        replay(Stage::Load),
        replay(Stage::Load),
    );
    assert_eq!(store.begin_replay(&first, &ids[..2]).await.unwrap(), 1);
    assert_eq!(store.begin_replay(&second, &ids).await.unwrap(), 1);
    assert_eq!(store.begin_replay(&none, &ids).await.unwrap(), 0);
    assert_eq!(letters_of(&store, first.run).await, ids[1..2]);
    assert_eq!(letters_of(&store, second.run).await, ids[2..]);
    assert_eq!(store.unfinished_replays().await.unwrap(), [first, second]);
    assert!(store.run(none.run).await.unwrap().is_none());
}

/// Letters that could not be sent can be replayed another time, or discarded.
pub async fn letters_that_a_replay_did_not_send_are_free_again(store: Arc<dyn Store>) {
    let ids = three_letters(&store).await;
    let (first, second) = (replay(Stage::Load), replay(Stage::Load));
    store.begin_replay(&first, &ids).await.unwrap();
    store
        .end_replay(first.run, &[("1".to_owned(), 1)], &ids[..1])
        .await
        .unwrap();
    assert_eq!(found(&store, any()).await, ids[1..]);
    assert_eq!(store.begin_replay(&second, &ids).await.unwrap(), 2);
    assert_eq!(store.discard_dead_letters(&ids).await.unwrap(), 2);
    assert!(letters_of(&store, second.run).await.is_empty());
}

/// Two processes may perform the same replay when one believes the other dead.
pub async fn a_replay_that_ended_is_not_ended_again(store: Arc<dyn Store>) {
    let ids = three_letters(&store).await;
    let replay = replay(Stage::Load);
    store.begin_replay(&replay, &ids).await.unwrap();
    store
        .end_replay(replay.run, &[("1".to_owned(), 3)], &ids)
        .await
        .unwrap();
    store
        .end_replay(replay.run, &[("2".to_owned(), 9)], &[])
        .await
        .unwrap();
    assert_eq!(state(&store, replay.run).await, (RunState::Settling, 3));
    let closed = DeadLetterFilter {
        include_closed: true,
        replayed_in: Some(replay.run),
        ..any()
    };
    assert_eq!(found(&store, closed).await, ids);
}
