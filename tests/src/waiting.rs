//! Waiting for conditions, and checking that they last.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// Time that a condition is waited for. Nothing that a test waits for takes nearly as long, also on
/// a machine that is busy with others.
const CONDITION_TIMEOUT: Duration = Duration::from_secs(120);

/// Time that a condition must last. An unwanted change would have come by then.
const OBSERVATION: Duration = Duration::from_secs(5);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Calls `look` again and again until it returns something. Until then it returns the state of
/// things, which the panic quotes when the time is over.
pub async fn eventually<T, State: Display>(mut look: impl AsyncFnMut() -> Result<T, State>) -> T {
    let deadline = Instant::now() + CONDITION_TIMEOUT;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(state) => {
                assert!(
                    Instant::now() < deadline,
                    "after {} s, still {state}",
                    CONDITION_TIMEOUT.as_secs()
                );
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Calls `look` again and again for some seconds; it panics when a condition does not hold any
/// more.
pub async fn for_a_while(mut look: impl AsyncFnMut()) {
    let end = Instant::now() + OBSERVATION;
    while Instant::now() < end {
        look().await;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
