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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alone;
    use tch::{Device, Kind, Tensor};

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

    /// Results of resumed trials depend on it: a change needs a new `frostline_sweep::trial::FORMAT`. The numbers come from
    /// another program's BLAKE3.
    #[test]
    fn the_derivation_never_changes() {
        for (seed, purpose, epoch, expected) in [
            (7, Purpose::Order, 3, 0x014a_ed34_bc0f_4144),
            (7, Purpose::View, 3, 0x4e8e_87b2_8163_9d28),
            (7, Purpose::Dropout, 1, 0x162d_9ccf_0f9b_2d63),
            (7, Purpose::HeadWeights, 0, 0x829d_c613_2f63_a4f0),
            (0, Purpose::Order, 1, 0xe8a8_d6af_db4d_f98e),
            (u64::MAX, Purpose::Order, 4_000_000_000, 0x624c_ccf8_e0a8_1cc1),
        ] {
            let found = derived_seed(seed, purpose, epoch);
            assert_eq!(found, expected, "{seed} {purpose:?} {epoch}: {found:#x}");
        }
    }

    #[test]
    fn every_step_of_an_epoch_draws_other_numbers_and_the_same_ones_again() {
        let _alone = alone();
        let drawn = |step| {
            seed_libtorch(7, Purpose::Dropout, 1, step);
            Vec::<f32>::try_from(Tensor::rand([8], (Kind::Float, Device::Cpu))).unwrap()
        };
        // What the step adds is as fixed as the rest of the derivation.
        tch::manual_seed(0x162d_9ccf_0f9b_2d63u64.wrapping_add(0x9e37_79b9_7f4a_7c15) as i64);
        assert_eq!(Vec::<f32>::try_from(Tensor::rand([8], (Kind::Float, Device::Cpu))).unwrap(), drawn(1));
        assert_eq!(drawn(0), drawn(0));
        assert_ne!(drawn(0), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}
