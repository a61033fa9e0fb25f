//! The learning rate of each step.

use crate::trial::{Parameters, Schedule};
use std::f64::consts::PI;

impl Parameters {
    /// The learning rate of step `step` (from 0 over the whole training) where an epoch has `steps_per_epoch` steps.
    ///
    /// As `keras.optimizers.schedules`: `CosineDecay` with `alpha = 0` and its linear warm-up from 0, and
    /// `ExponentialDecay` with `staircase = True`, here by epochs from the first one on.
    pub fn rate_at(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let warmup = u64::from(self.recipe.warmup_epochs) * steps_per_epoch;
        if step < warmup {
            return self.learning_rate * step as f64 / warmup as f64;
        }
        match self.recipe.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Cosine => {
                let decay = (u64::from(self.epochs) * steps_per_epoch - warmup).max(1);
                let done = (step - warmup).min(decay) as f64 / decay as f64;
                self.learning_rate * 0.5 * (1.0 + (PI * done).cos())
            }
            Schedule::Step { epochs, factor } => {
                let drops = step / (u64::from(epochs) * steps_per_epoch).max(1);
                self.learning_rate * factor.powf(drops as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::{Optimizer, Parameters, Precision, Recipe, Schedule};

    fn rates(schedule: Schedule, warmup_epochs: u32) -> Vec<f64> {
        let parameters = Parameters {
            frozen_layers: 0,
            head_units: Vec::new(),
            head_dropout: Vec::new(),
            optimizer: Optimizer::Adam,
            learning_rate: 0.8,
            recipe: Recipe { schedule, warmup_epochs, ..Recipe::default() },
            epochs: 4,
            batch_size: 1,
            precision: Precision::Float32,
        };
        (0..8).map(|step| parameters.rate_at(step, 2)).collect()
    }

    fn assert_near(actual: &[f64], expected: &[f64]) {
        let near = actual.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-12);
        assert!(near && actual.len() == expected.len(), "{actual:?}");
    }

    #[test]
    fn each_schedule_has_its_shape() {
        assert_near(&rates(Schedule::Constant, 0), &[0.8; 8]);
        assert_near(&rates(Schedule::Constant, 2)[..5], &[0.0, 0.2, 0.4, 0.6, 0.8]);
        let step = Schedule::Step { epochs: 1, factor: 0.5 };
        assert_near(&rates(step, 0), &[0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1]);
        let cosine = rates(Schedule::Cosine, 0);
        assert_near(&[cosine[0], cosine[4]], &[0.8, 0.4]);
        assert!(cosine.windows(2).all(|pair| pair[0] > pair[1]) && cosine[7] > 0.0);
        assert_near(&[rates(Schedule::Cosine, 2)[4], rates(Schedule::Cosine, 2)[6]], &[0.8, 0.4]);
    }
}
