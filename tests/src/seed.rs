//! A small seeded generator of our own, so that a printed seed replays the same run for ever,
//! whatever a dependency does in its next version.

use std::ops::RangeInclusive;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator that gives the same numbers for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// An independent stream of the same seed. Each use of chance has its own label, so that one
    /// more draw in one place does not change what happens in another.
    #[must_use]
    pub fn stream(seed: u64, label: &str) -> Self {
        let mut state = seed;
        for byte in label.bytes() {
            state = Self::new(state ^ u64::from(byte)).next_u64();
        }
        Self { state }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0. The bias is below 2⁻³² for every bound used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number of the range.
    pub fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        let span = range.end().saturating_sub(*range.start()).saturating_add(1);
        range.start().saturating_add(self.below(span))
    }

    /// One of the choices; `None` only if there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let index = self.below(choices.len() as u64);
        choices.get(usize::try_from(index).ok()?)
    }

    /// Fills a buffer with noise.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(word) {
                *to = from;
            }
        }
    }
}

/// The seed of this run: `SANAGA_SEED` if it is set (decimal or 0x…), else one from the process id
/// and the monotonic clock. The caller prints it.
#[must_use]
pub fn chosen() -> u64 {
    std::env::var("SANAGA_SEED")
        .ok()
        .and_then(|text| parse(&text))
        .unwrap_or_else(|| {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let mixed = now.tv_nsec.cast_unsigned() ^ (u64::from(std::process::id()) << 32);
            // Short seeds are easier to read out over a telephone.
            Rng::new(mixed).below(1_000_000)
        })
}

/// Reads a seed as people write it.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_numbers_of_splitmix64() {
        // First outputs for seed 1234567, as published with the reference implementation in C.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(rng.next_u64(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn ranges_are_inclusive_and_streams_differ() {
        let mut rng = Rng::new(1);
        let mut seen = [false; 3];
        for _ in 0..200 {
            let drawn = rng.within(&(4..=6));
            seen[usize::try_from(drawn - 4).unwrap()] = true;
        }
        assert_eq!(seen, [true; 3]);
        assert_ne!(
            Rng::stream(7, "cuts").next_u64(),
            Rng::stream(7, "jitter").next_u64()
        );
        assert_eq!(
            Rng::stream(7, "cuts").next_u64(),
            Rng::stream(7, "cuts").next_u64()
        );
        assert_eq!(parse("0x10"), Some(16));
    }
}
