//! Rate slots and holds.
//!
//! Slots are hours apart, so that the time the tests take does not matter.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

use crate::{ReservedSlots, SlotPace, Store};

const HOUR: Duration = Duration::from_secs(3600);

fn pace(burst: u32, ahead: u32) -> SlotPace {
    SlotPace {
        interval: HOUR,
        burst,
        ahead: ahead * HOUR,
    }
}

/// Reserves slots of the shop. Returns their number and the rounded hours until the first of them
/// is due.
async fn reserve(store: &Arc<dyn Store>, pace: SlotPace, count: u32) -> (u32, i64) {
    counted(store.reserve_slots("shop", pace, count).await.unwrap())
}

fn counted(
    ReservedSlots {
        count, first_in, ..
    }: ReservedSlots,
) -> (u32, i64) {
    (
        count,
        (first_in + SignedDuration::from_mins(30))
            .as_secs()
            .div_euclid(3600),
    )
}

/// The first slot is due at once, and the next caller gets those that follow.
pub async fn slots_are_given_away_one_interval_apart(store: Arc<dyn Store>) {
    let first = store.reserve_slots("shop", pace(0, 100), 2).await.unwrap();
    assert_eq!(
        first,
        ReservedSlots {
            count: 2,
            first_in: SignedDuration::ZERO,
            interval: HOUR
        }
    );
    assert_eq!(reserve(&store, pace(0, 100), 3).await, (3, 2));
    assert_eq!(reserve(&store, pace(0, 100), 1).await, (1, 5));
}

/// A slot that is too far ahead is not given away and stays for a later caller.
pub async fn slots_are_given_away_no_further_ahead_than_asked_for(store: Arc<dyn Store>) {
    assert_eq!(reserve(&store, pace(0, 1), 5).await, (2, 0));
    for _ in 0..3 {
        assert_eq!(reserve(&store, pace(0, 1), 5).await, (0, 2));
    }
    assert_eq!(reserve(&store, pace(0, 2), 5).await, (1, 2));
}

/// As many slots as the burst allows may be late. Slots before those are lost.
pub async fn slots_that_nobody_took_in_time_are_late_up_to_the_burst(store: Arc<dyn Store>) {
    assert_eq!(reserve(&store, pace(3, 0), 2).await, (2, -3));
    assert_eq!(reserve(&store, pace(3, 0), 5).await, (2, -1));
    assert_eq!(reserve(&store, pace(3, 0), 5).await, (0, 1));
}

/// A hold stops all processes that share the system, until the end of the longest hold.
pub async fn a_hold_moves_the_next_slot_of_its_system(store: Arc<dyn Store>) {
    store.hold_system("shop", 5 * HOUR).await.unwrap();
    store.hold_system("shop", 2 * HOUR).await.unwrap();
    assert_eq!(reserve(&store, pace(3, 1), 1).await, (0, 5));
    let of_another = store.reserve_slots("crm", pace(0, 1), 1).await.unwrap();
    assert_eq!(counted(of_another), (1, 0));
    assert_eq!(reserve(&store, pace(3, 9), 2).await, (2, 5));
    store.hold_system("shop", HOUR).await.unwrap();
    assert_eq!(reserve(&store, pace(3, 9), 1).await, (1, 7));
}

/// Callers that need no slots can ask for it too.
pub async fn the_remaining_hold_of_a_system_is_known(store: Arc<dyn Store>) {
    assert_eq!(store.remaining_hold("shop").await.unwrap(), Duration::ZERO);
    store.hold_system("shop", 5 * HOUR).await.unwrap();
    let left = store.remaining_hold("shop").await.unwrap();
    assert!(left > 4 * HOUR && left <= 5 * HOUR, "{left:?}");
    assert_eq!(store.remaining_hold("crm").await.unwrap(), Duration::ZERO);
    reserve(&store, pace(0, 1), 1).await;
    assert!(store.remaining_hold("shop").await.unwrap() > 4 * HOUR);
}

/// Only the hold of this system ends, and a later hold counts again.
pub async fn a_released_hold_ends_at_once(store: Arc<dyn Store>) {
    assert!(!store.release_hold("shop").await.unwrap());
    store.hold_system("shop", 5 * HOUR).await.unwrap();
    store.hold_system("crm", 5 * HOUR).await.unwrap();
    assert!(store.release_hold("shop").await.unwrap());
    assert!(!store.release_hold("shop").await.unwrap());
    assert_eq!(store.remaining_hold("shop").await.unwrap(), Duration::ZERO);
    assert_eq!(reserve(&store, pace(0, 1), 1).await, (1, 0));
    assert!(store.remaining_hold("crm").await.unwrap() > 4 * HOUR);
    store.hold_system("shop", 2 * HOUR).await.unwrap();
    assert_eq!(reserve(&store, pace(0, 1), 1).await, (0, 2));
}

/// The pace is halved each time, except within the given time, and never becomes zero.
pub async fn slots_of_a_slowed_system_are_further_apart(store: Arc<dyn Store>) {
    assert_eq!(reserve(&store, pace(0, 100), 1).await, (1, 0));
    for expected in [2, 2, 4] {
        let since = if expected == 2 { HOUR } else { Duration::ZERO };
        store.halve_pace("shop", since).await.unwrap();
        let interval = store
            .reserve_slots("shop", pace(0, 0), 1)
            .await
            .unwrap()
            .interval;
        let hours = interval.as_secs_f64() / HOUR.as_secs_f64();
        assert!(
            hours > f64::from(expected) - 0.5 && hours <= f64::from(expected),
            "{hours}"
        );
    }
    assert_eq!(reserve(&store, pace(0, 100), 2).await, (2, 4));
    assert_eq!(reserve(&store, pace(0, 100), 1).await, (1, 12));
    for _ in 0..20 {
        store.halve_pace("shop", Duration::ZERO).await.unwrap();
    }
    let interval = store
        .reserve_slots("shop", pace(0, 0), 1)
        .await
        .unwrap()
        .interval;
    assert!(
        interval > 50 * HOUR && interval <= 100 * HOUR,
        "{interval:?}"
    );
}

/// After a change of the limit, nothing waits for a slot that followed from the old one.
pub async fn a_new_pace_counts_from_the_last_slot_on(store: Arc<dyn Store>) {
    let slow = SlotPace {
        interval: 100 * HOUR,
        ..pace(0, 1)
    };
    assert_eq!(reserve(&store, slow, 1).await, (1, 0));
    assert_eq!(reserve(&store, slow, 1).await, (0, 100));
    assert_eq!(reserve(&store, pace(0, 1), 1).await, (1, 1));
}

/// Many callers reserve slots at the same time: each slot goes to one of them, and none is left
/// out.
pub async fn of_many_callers_that_reserve_slots_each_gets_its_own(store: Arc<dyn Store>) {
    let takers: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut firsts = Vec::new();
                for _ in 0..10 {
                    let (count, first) = reserve(&store, pace(0, 10_000), 3).await;
                    assert_eq!(count, 3);
                    firsts.push(first);
                }
                firsts
            })
        })
        .collect();
    let mut firsts = Vec::new();
    for taker in takers {
        firsts.extend(taker.await.unwrap());
    }
    firsts.sort_unstable();
    assert_eq!(
        firsts,
        (0..160).map(|number| number * 3).collect::<Vec<i64>>()
    );
}
