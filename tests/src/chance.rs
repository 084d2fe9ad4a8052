//! Moments that no one chose.

use std::time::Duration;

use fastrand::Rng;

/// Chance from a seed. The same seed makes the same plan; when the processes get to run is still the
/// machine's affair.
pub struct Chance(Rng);

/// The seed in `POMOST_TEST_SEED` or a new one, which is printed where the test fails.
#[expect(clippy::print_stderr, reason = "shown where the test fails")]
pub fn seed() -> u64 {
    let told = std::env::var("POMOST_TEST_SEED").ok();
    // Short enough to be copied by hand.
    let seed = told.map_or_else(
        || fastrand::u32(..).into(),
        |seed| seed.parse().expect("a seed is a number"),
    );
    eprintln!("POMOST_TEST_SEED={seed}");
    seed
}

impl Chance {
    /// From a [`seed`].
    pub fn new() -> Chance {
        Chance::of(seed())
    }

    /// From this seed.
    pub fn of(seed: u64) -> Chance {
        Chance(Rng::with_seed(seed))
    }

    /// As many moments as asked for between 0 and `end`, in order, one in each equal part.
    pub fn moments(&mut self, count: u64, end: u64) -> Vec<u64> {
        let part = end / count;
        (0..count)
            .map(|number| number * part + self.0.u64(0..part))
            .collect()
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.0.usize(0..end) }
    }

    /// One of several.
    pub fn pick<T>(&mut self, mut from: Vec<T>) -> T {
        from.swap_remove(self.0.usize(0..from.len()))
    }

    /// Lets a moment pass: what progress can be seen from outside comes in steps, and what is
    /// between two of them is to be hit as well.
    pub async fn moment(&mut self) {
        tokio::time::sleep(Duration::from_micros(self.0.u64(0..80_000))).await;
    }
}

impl Default for Chance {
    fn default() -> Chance {
        Chance::new()
    }
}
