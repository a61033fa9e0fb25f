//! Optimizers by Keras' formulas and defaults, on one flat buffer.
//!
//! Keras and PyTorch differ where results show it: Keras' Adam adds epsilon to the uncorrected second moment's root
//! and folds both bias corrections into the rate; Keras' RMSProp adds epsilon inside the root. Sources:
//! `keras/src/optimizers/{adam,rmsprop,sgd,adamw}.py` of Keras 3, Kingma & Ba 2014 (arXiv:1412.6980).

use frostline_sweep::trial::{Optimizer as Rule, Parameters};
use tch::Tensor;

const ADAM_BETA_1: f64 = 0.9;
const ADAM_BETA_2: f64 = 0.999;
const RMSPROP_RHO: f64 = 0.9;
const EPSILON: f64 = 1e-7;

/// A rule and what it remembers between steps.
pub struct Optimizer {
    rule: Rule,
    step: u64,
    /// Tensors of the buffer's shape: Adam's two moments, RMSProp's mean square.
    moments: Vec<Tensor>,
}

impl Optimizer {
    /// Ready for the first step on `values`, `[n]`.
    pub fn new(parameters: &Parameters, values: &Tensor) -> Optimizer {
        let moments = match parameters.optimizer {
            Rule::Adam => 2,
            Rule::Rmsprop => 1,
        };
        Optimizer {
            rule: parameters.optimizer,
            step: 0,
            moments: (0..moments).map(|_| values.zeros_like()).collect(),
        }
    }

    /// Changes `values` by one step against `gradients`, both `[n]`, at this learning rate.
    pub fn step(&mut self, values: &Tensor, gradients: &Tensor, learning_rate: f64) {
        self.step += 1;
        let _guard = tch::no_grad_guard();
        let mut values = values.shallow_clone();
        match (self.rule, &mut self.moments[..]) {
            (Rule::Adam, [first, second]) => {
                let step = self.step as f64;
                let rate = learning_rate * (1.0 - ADAM_BETA_2.powf(step)).sqrt() / (1.0 - ADAM_BETA_1.powf(step));
                let _ = first.lerp_(gradients, 1.0 - ADAM_BETA_1);
                let _ = second.g_mul_scalar_(ADAM_BETA_2);
                *second = second.addcmul_(gradients, &(gradients * (1.0 - ADAM_BETA_2)));
                let denominator = second.sqrt().g_add_scalar_(EPSILON);
                let _ = values.addcdiv_(&(&*first * -rate), &denominator);
            }
            (Rule::Rmsprop, [mean_square]) => {
                let _ = mean_square.g_mul_scalar_(RMSPROP_RHO);
                *mean_square = mean_square.addcmul_(gradients, &(gradients * (1.0 - RMSPROP_RHO)));
                let scale = (&*mean_square + EPSILON).rsqrt_();
                let _ = values.addcmul_(&(gradients * -learning_rate), &scale);
            }
            _ => unreachable!("`new` makes as many moments as the rule has"),
        }
    }

    /// What a checkpoint has to hold besides the values.
    pub fn state(&self) -> (u64, &[Tensor]) {
        (self.step, &self.moments)
    }

    /// Takes over a checkpoint's state; false where it is not of this rule and shape.
    pub fn restore(&mut self, step: u64, moments: &[Tensor]) -> bool {
        let fits = moments.len() == self.moments.len()
            && moments.iter().zip(&self.moments).all(|(theirs, ours)| theirs.size() == ours.size());
        if fits {
            self.step = step;
            for (ours, theirs) in self.moments.iter_mut().zip(moments) {
                ours.copy_(theirs);
            }
        }
        fits
    }
}
