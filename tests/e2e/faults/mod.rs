//! Random faults of all kinds at random moments, round after round.
//!
//! [`fault`] lists the faults, [`schedule`] draws a round from them, [`servers`] has what can be
//! broken beside the services, [`round`] runs the round and [`check`] has the conditions at its
//! end.

mod check;
mod counts;
mod fault;
mod round;
mod schedule;
mod servers;

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::{FutureExt, future::join_all};

use schedule::RoundPlan;
use servers::RoundServers;

/// Number of rounds at a time, each on servers of its own.
const LANES: u64 = 2;

/// A few rounds, the same ones each time; `./tests/run faults` runs many others. The seed of a
/// round is that of the round before it plus one, so that any round can be repeated as the first
/// one.
#[tokio::test(flavor = "multi_thread")]
async fn faults_at_any_moment_lose_and_double_nothing() {
    let rounds = std::env::var("POMOST_TEST_ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    let (first, next) = (pomost_tests::seed(), AtomicU64::new(0));
    let lane = async || {
        let (mut servers, mut failed) = (RoundServers::start().await, Vec::new());
        while let Some(number) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < rounds)
        {
            let seed = first.wrapping_add(number);
            if !passes(seed, &mut servers).await {
                failed.push(seed);
                servers = RoundServers::start().await;
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
async fn passes(seed: u64, servers: &mut RoundServers) -> bool {
    let (schedule, started) = (RoundPlan::draw(seed), std::time::Instant::now());
    let passed = AssertUnwindSafe(round::run(&schedule, servers))
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
