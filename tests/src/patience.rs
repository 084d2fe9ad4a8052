//! Waiting for conditions, and seeing that they stay.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(120);

/// What was to change would have changed by then.
const WHILE: Duration = Duration::from_secs(5);

const TURN: Duration = Duration::from_millis(20);

/// Looks again and again until the look returns something. One that does not returns how things
/// stand instead; that is what the panic says when patience is over.
pub async fn eventually<T, Standing: Display>(
    mut look: impl AsyncFnMut() -> Result<T, Standing>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(standing) => {
                assert!(
                    Instant::now() < deadline,
                    "after {} s, still {standing}",
                    PATIENCE.as_secs()
                );
            }
        }
        tokio::time::sleep(TURN).await;
    }
}

/// Looks again and again for some seconds: what the look finds is to stay as it is.
pub async fn for_a_while(mut look: impl AsyncFnMut()) {
    let end = Instant::now() + WHILE;
    while Instant::now() < end {
        look().await;
        tokio::time::sleep(TURN).await;
    }
}
