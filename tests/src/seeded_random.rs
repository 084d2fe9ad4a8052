//! Plans that look like chance and can be repeated.

use std::time::Duration;

use fastrand::Rng;

/// The seed where the environment names none. A test tries the same plan each time, so that it does
/// not fail by chance; `./tests/run faults` tries others. From this seed on, four rounds of faults
/// have all kinds of them and take little time.
const USUAL_SEED: u64 = 15_371;

/// Random numbers from a seed. The same seed makes the same plan; the machine still decides when
/// the processes get to run.
pub struct SeededRandom(Rng);

/// The seed in `POMOST_TEST_SEED`, or the usual one. It is printed where the test fails.
#[expect(clippy::print_stderr, reason = "shown where the test fails")]
pub fn seed() -> u64 {
    let named = std::env::var("POMOST_TEST_SEED").ok();
    let seed = named.map_or(USUAL_SEED, |seed| seed.parse().expect("a seed is a number"));
    eprintln!("POMOST_TEST_SEED={seed}");
    seed
}

impl SeededRandom {
    /// Random numbers from the [`seed`] of this process.
    pub fn new() -> SeededRandom {
        SeededRandom::from_seed(seed())
    }

    /// Random numbers from a seed.
    pub fn from_seed(seed: u64) -> SeededRandom {
        SeededRandom(Rng::with_seed(seed))
    }

    /// So many moments between 0 and `end`, in order, one in each equal part.
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

    /// Waits for a part of a second. Progress is seen from outside in steps, and a fault is to
    /// strike between two of them as well.
    pub async fn short_pause(&mut self) {
        tokio::time::sleep(Duration::from_micros(self.0.u64(0..80_000))).await;
    }
}

impl Default for SeededRandom {
    fn default() -> SeededRandom {
        SeededRandom::new()
    }
}
