//! Waiting for conditions.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(120);

const TURN: Duration = Duration::from_millis(20);

/// Looks again and again until the look returns something. One that does not returns how things
/// stand instead; that is what the panic says when patience is over.
pub async fn eventually<T, Standing: Display>(mut look: impl AsyncFnMut() -> Result<T, Standing>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(standing) => {
                assert!(Instant::now() < deadline, "after {} s, still {standing}", PATIENCE.as_secs());
            }
        }
        tokio::time::sleep(TURN).await;
    }
}
