//! Reproducible randomness: the same seed and stream roll the same numbers on every machine.

/// A generator after SplitMix64; small, and good enough for names and amounts.
pub(crate) struct SeededDice(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl SeededDice {
    /// Dice for one purpose (`stream`) of one customer. Rolling more often in one stream does not
    /// change the numbers of others.
    pub(crate) fn new(seed: u64, position: u32, stream: u64) -> SeededDice {
        SeededDice(scramble(
            scramble(seed ^ scramble(position.into())).wrapping_add(stream),
        ))
    }

    /// A number under `limit`, which is at least 1.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scramble(self.0) % limit
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in `rolls` times on average.
    pub(crate) fn one_in(&mut self, rolls: u64) -> bool {
        self.below(rolls) == 0
    }

    /// Picks one of several values.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
