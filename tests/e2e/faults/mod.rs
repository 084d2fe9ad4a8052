//! Faults of all kinds at moments that no one chose, round after round.
//!
//! [`fault`] is the list of what goes wrong, [`schedule`] draws from it what a round is, [`ground`] is what
//! can be broken beside the services, [`round`] runs it and [`check`] says whether all is as it must be.

mod check;
mod counts;
mod fault;
mod ground;
mod round;
mod schedule;

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::{FutureExt, future::join_all};

use ground::Ground;
use schedule::Schedule;

/// How many rounds there are at a time, each on servers of its own.
const LANES: u64 = 2;

/// A few rounds; `./tests/run faults` has many. Each has a seed, the one after the seed of the round before,
/// so that any of them can be had again as the first.
#[tokio::test(flavor = "multi_thread")]
async fn faults_at_any_moment_lose_and_double_nothing() {
    let rounds = std::env::var("POMOST_TEST_ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    let (first, next) = (pomost_tests::seed(), AtomicU64::new(0));
    let lane = async || {
        let (mut ground, mut failed) = (Ground::start().await, Vec::new());
        while let Some(number) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < rounds)
        {
            let seed = first.wrapping_add(number);
            if !passes(seed, &mut ground).await {
                failed.push(seed);
                ground = Ground::start().await;
            }
        }
        failed
    };
    let lanes = (0..LANES.min(rounds)).map(|_| lane());
    let failed = join_all(lanes).await.concat();
    assert!(
        failed.is_empty(),
        "of {rounds} rounds those of these seeds failed: {failed:?}"
    );
}

#[expect(clippy::print_stderr, reason = "says what a round was")]
async fn passes(seed: u64, ground: &mut Ground) -> bool {
    let (schedule, started) = (Schedule::draw(seed), std::time::Instant::now());
    let passed = AssertUnwindSafe(round::run(&schedule, ground))
        .catch_unwind()
        .await
        .is_ok();
    let ended = if passed { "passed" } else { "FAILED" };
    eprintln!(
        "{ended} after {:.1} s: {schedule}",
        started.elapsed().as_secs_f64()
    );
    passed
}
