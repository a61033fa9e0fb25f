//! Optimizers by Keras' formulas and defaults, on one flat buffer.
//!
//! Keras and PyTorch differ where results show it: Keras' Adam adds epsilon to the uncorrected second moment's root
//! and folds both bias corrections into the rate; Keras' RMSProp adds epsilon inside the root. `tests/optimizers.rs`
//! holds the steps against recorded ones. Sources: `keras/src/optimizers/{adam,rmsprop,sgd,adamw}.py` of Keras 3,
//! Kingma & Ba 2014 (arXiv:1412.6980).

use crate::flat::Gradients;
use crate::fused;
use crate::shim;
use frostline_sweep::trial::{Optimizer as Rule, Parameters, Recipe};
use tch::{Kind, Tensor};

const ADAM_BETA_1: f64 = 0.9;
const ADAM_BETA_2: f64 = 0.999;
const RMSPROP_RHO: f64 = 0.9;
const EPSILON: f64 = 1e-7;

/// A rule and what it remembers between steps.
pub struct Optimizer {
    rule: Rule,
    step: u64,
    /// Tensors of the buffer's shape: Adam's two moments, RMSProp's mean square, SGD's velocity.
    moments: Vec<Tensor>,
    recipe: Recipe,
}

impl Optimizer {
    /// Ready for the first step on `values`, `[n]`.
    pub fn new(parameters: &Parameters, values: &Tensor) -> Optimizer {
        let moments = parameters.optimizer.moments();
        Optimizer {
            rule: parameters.optimizer,
            step: 0,
            moments: (0..moments).map(|_| values.zeros_like()).collect(),
            recipe: parameters.recipe.clone(),
        }
    }

    /// Changes `values`, `[n]`, by one step against the gradients at this learning rate.
    pub fn step(&mut self, values: &Tensor, mut gradients: Gradients, learning_rate: f64) {
        self.step += 1;
        let _guard = tch::no_grad_guard();
        let mut values = values.shallow_clone();
        if values.device().is_cuda() {
            gradients = Gradients::of(gradients.gathered(&values));
        }
        if self.recipe.clip_norm > 0.0 {
            gradients.clip(self.recipe.clip_norm);
        }
        if self.recipe.weight_decay > 0.0 {
            let _ = values.g_mul_scalar_(1.0 - self.recipe.weight_decay * learning_rate);
        }
        if fused::applies(&values, &gradients) {
            match (self.rule, &mut self.moments[..]) {
                (Rule::Adam | Rule::Adamw, [first, second]) => {
                    let rate = corrected(learning_rate, self.step, Kind::Float) as f32;
                    let shares = [1.0 - ADAM_BETA_1, 1.0 - ADAM_BETA_2].map(|share| share as f32);
                    return fused::adam(&mut values, &gradients, [first, second], shares, rate, EPSILON as f32);
                }
                (Rule::Rmsprop, [square]) => {
                    let (share, rate) = ((1.0 - RMSPROP_RHO) as f32, learning_rate as f32);
                    return fused::rmsprop(&mut values, &gradients, square, share, rate, EPSILON as f32);
                }
                _ => {}
            }
        }
        let gradients = gradients.gathered(&values);
        if values.device().is_cuda()
            && let (Rule::Adam | Rule::Adamw, [first, second]) = (self.rule, &mut self.moments[..])
        {
            return one_kernel(&mut values, gradients, [first, second], self.step, learning_rate);
        }
        match (self.rule, &mut self.moments[..]) {
            (Rule::Adam | Rule::Adamw, [first, second]) => {
                let rate = corrected(learning_rate, self.step, values.kind());
                let _ = first.lerp_(&gradients, 1.0 - ADAM_BETA_1);
                let _ = second.g_mul_scalar_(ADAM_BETA_2);
                *second = second.addcmul_(&gradients, &(&gradients * (1.0 - ADAM_BETA_2)));
                let denominator = second.sqrt().g_add_scalar_(EPSILON);
                let _ = values.addcdiv_(&(&*first * -rate), &denominator);
            }
            (Rule::Rmsprop, [mean_square]) => {
                let _ = mean_square.g_mul_scalar_(RMSPROP_RHO);
                *mean_square = mean_square.addcmul_(&gradients, &(&gradients * (1.0 - RMSPROP_RHO)));
                let scale = (&*mean_square + EPSILON).rsqrt_();
                let _ = values.addcmul_(&(&gradients * -learning_rate), &scale);
            }
            (Rule::Sgd, [velocity]) => {
                let _ = velocity.g_mul_scalar_(self.recipe.momentum);
                let _ = velocity.g_add_(&(&gradients * -learning_rate));
                let _ = values.g_add_(velocity);
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

/// Adam's step in one kernel of libtorch instead of eight, on a GPU. PyTorch adds epsilon to the corrected root, Keras to the
/// uncorrected one: with this epsilon they are one formula.
fn one_kernel(values: &mut Tensor, mut gradients: Tensor, [first, second]: [&mut Tensor; 2], step: u64, rate: f64) {
    let epsilon = EPSILON / (1.0 - ADAM_BETA_2.powf(step as f64)).sqrt();
    // Filled on the device: a copy would wait for all that it was given.
    let mut before = Tensor::full([] as [i64; 0], (step - 1) as f64, (Kind::Float, values.device()));
    let mut state = shim::AdamState { values, gradients: &mut gradients, first, second, step: &mut before };
    if let Err(error) = shim::adam(&mut state, rate, [ADAM_BETA_1, ADAM_BETA_2], epsilon) {
        // As every other operation of tch: what libtorch throws is caught where the trial is run.
        panic!("{error}");
    }
}

/// The rate with both of Adam's corrections for moments that start at zero.
///
/// Keras computes it in the type of the values. In float32 that moves it in the sixth digit, by the rounding of 0.999,
/// and a step here has to be the step there.
fn corrected(learning_rate: f64, step: u64, kind: Kind) -> f64 {
    if kind == Kind::Float {
        let [first, second] = [ADAM_BETA_1, ADAM_BETA_2].map(|beta| 1.0 - (beta as f32).powf(step as f32));
        return f64::from(learning_rate as f32 * second.sqrt() / first);
    }
    let [first, second] = [ADAM_BETA_1, ADAM_BETA_2].map(|beta| 1.0 - beta.powf(step as f64));
    learning_rate * second.sqrt() / first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flat::FlatParameters;
    use crate::testing::alone_on;
    use tch::Device;

    const RATE: f64 = 1e-2;
    const STEPS: u32 = 3;
    const MOMENTUM: f64 = 0.9;

    /// The same steps in float64, which goes the other way.
    #[test]
    fn one_pass_takes_the_steps_of_the_tensor_operations() {
        let _alone = alone_on(2);
        for rule in [Rule::Adam, Rule::Rmsprop] {
            let start = Tensor::arange(700_000, (Kind::Float, Device::Cpu)).sin();
            let (mut fused, mut plain) = (optimizer(rule, &start), optimizer(rule, &start.to_kind(Kind::Double)));
            let (values, exact) = (start.copy(), start.to_kind(Kind::Double));
            for step in 1..=STEPS {
                let gradients = (&start * f64::from(step)).cos() * 0.1;
                plain.step(&exact, Gradients::of(gradients.to_kind(Kind::Double)), RATE);
                fused.step(&values, Gradients::of(gradients), RATE);
            }
            let difference = (values.to_kind(Kind::Double) - &exact).norm() / (exact - start).norm();
            assert!(difference.double_value(&[]) < 1e-5, "{rule:?}: {difference}");
        }
    }

    /// What a GPU takes, held on the CPU against the formula in float64.
    #[test]
    fn one_kernel_takes_keras_steps() {
        let _alone = alone_on(1);
        let start = Tensor::arange(1000, (Kind::Double, Device::Cpu)).sin();
        let mut plain = Plain { value: start.copy(), first: start.zeros_like(), second: start.zeros_like() };
        let mut values = start.to_kind(Kind::Float);
        let (mut first, mut second) = (values.zeros_like(), values.zeros_like());
        for step in 1..=50 {
            // Some so small that epsilon, added at the wrong place, would show.
            let gradient = (&start * f64::from(step)).cos() * 10f64.powi(-(step as i32 % 8));
            plain.step(Rule::Adam, &gradient, step);
            let moments = [&mut first, &mut second];
            one_kernel(&mut values, gradient.to_kind(Kind::Float), moments, step.into(), RATE);
        }
        let error = (values.to_kind(Kind::Double) - &plain.value).norm() / (&plain.value - &start).norm();
        assert!(error.double_value(&[]) < 1e-5, "{error}");
    }

    /// A parameter by itself, in float64, by the formulas that Keras' sources have.
    struct Plain {
        value: Tensor,
        first: Tensor,
        second: Tensor,
    }

    impl Plain {
        fn step(&mut self, rule: Rule, gradient: &Tensor, step: u32) {
            let Plain { value, first, second } = self;
            let squared = gradient * gradient;
            *value -= match rule {
                Rule::Adam | Rule::Adamw => {
                    *first = &*first * 0.9 + gradient * 0.1;
                    *second = &*second * 0.999 + squared * 0.001;
                    let correction = (1.0 - 0.999f64.powf(step.into())).sqrt() / (1.0 - 0.9f64.powf(step.into()));
                    &*first * (RATE * correction) / (second.sqrt() + 1e-7)
                }
                Rule::Rmsprop => {
                    *second = &*second * 0.9 + squared * 0.1;
                    gradient * RATE / (&*second + 1e-7).sqrt()
                }
                Rule::Sgd => {
                    *first = &*first * MOMENTUM + gradient * RATE;
                    first.copy()
                }
            };
        }
    }

    /// None but one is as long as its place in the buffer, two are cut where a thread's share ends, and each has gradients
    /// of another size, so that a gradient in a neighbour's place shows.
    #[test]
    fn a_step_on_padded_parameters_is_that_of_each_alone_on_any_number_of_threads() {
        let shapes: [&[i64]; 7] = [&[10], &[24], &[300_001], &[5, 3, 1, 2], &[16], &[7], &[250_003]];
        let waves = |scale: f64| {
            let wave = |(part, shape): (i64, &&[i64])| {
                let places = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu)).view(*shape);
                (places * scale + part).sin() * (part + 1)
            };
            (0..).zip(&shapes).map(wave).collect::<Vec<Tensor>>()
        };
        for (threads, rule) in [1, 2, 3].iter().flat_map(|&n| [Rule::Adam, Rule::Rmsprop, Rule::Sgd].map(|r| (n, r)))
        {
            let _alone = alone_on(threads);
            let start = waves(0.7);
            let flat = FlatParameters::new(&start, Device::Cpu);
            let mut optimizer = optimizer(rule, flat.values());
            let plain = |value: &Tensor| {
                let zero = value.zeros_like();
                Plain { value: value.to_kind(Kind::Float).to_kind(Kind::Double), first: zero.copy(), second: zero }
            };
            let mut plain: Vec<Plain> = start.iter().map(plain).collect();
            for step in 1..=STEPS {
                let wanted = waves(0.1 * f64::from(step));
                // Its derivatives are what is wanted.
                let products =
                    flat.leaves().iter().zip(&wanted).map(|(leaf, wanted)| (leaf * wanted).sum(Kind::Float));
                let loss = products.reduce(|one, other| one + other).unwrap();
                let gradients = flat.gradients(&loss);
                assert!(fused::applies(flat.values(), &gradients) && gradients.parts().len() == shapes.len());
                optimizer.step(flat.values(), gradients, RATE);
                for (plain, wanted) in plain.iter_mut().zip(&wanted) {
                    plain.step(rule, &wanted.to_kind(Kind::Float).to_kind(Kind::Double), step);
                }
            }
            for ((leaf, plain), (start, shape)) in flat.leaves().iter().zip(&plain).zip(start.iter().zip(&shapes)) {
                let error = (leaf.detach() - &plain.value).norm() / (&plain.value - start).norm();
                let error = error.double_value(&[]);
                // A step is a hundredth of the values it is rounded with.
                assert!(error < 1e-4, "{rule:?}, {threads} threads, {shape:?}: {error:.1e}");
            }
            let used: i64 = flat.leaves().iter().map(|leaf| leaf.count_nonzero(None::<i64>).int64_value(&[])).sum();
            assert_eq!(flat.values().count_nonzero(None::<i64>).int64_value(&[]), used, "padding stays zero");
        }
    }

    fn optimizer(rule: Rule, values: &Tensor) -> Optimizer {
        let moments = (0..rule.moments()).map(|_| values.zeros_like()).collect();
        let momentum = if rule == Rule::Sgd { MOMENTUM } else { 0.0 };
        Optimizer { rule, step: 0, moments, recipe: Recipe { momentum, ..Recipe::default() } }
    }
}
