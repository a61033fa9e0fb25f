//! Steps of each optimizer and schedule against those of Keras, as `scripts/goldens/record.py` wrote them down: in
//! float32 as people run it, and in float64, where rounding hides nothing.

use frostline_sweep::trial::{Optimizer as Rule, Parameters, Precision, Recipe, Schedule};
use frostline_training::Gradients;
use frostline_training::optimizer::Optimizer;
use std::collections::HashMap;
use std::path::Path;
use tch::{Kind, Tensor};

/// Norm of the difference over the norm of the original, after every step.
const FLOAT_TOLERANCE: f64 = 1e-6;
/// All but clipping, which Keras does by a float32 factor in either type, come within 2e-16.
const DOUBLE_TOLERANCE: f64 = 1e-9;

const STEPS: i64 = 20;
const RATE: f64 = 0.01;
/// An epoch has as many steps, so that the recorded schedules are whole epochs.
const STEPS_PER_EPOCH: u64 = 4;

/// Read by libtorch, which keeps float64.
fn goldens() -> HashMap<String, Tensor> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/optimizers.safetensors");
    Tensor::read_safetensors(path).expect("the goldens can be read").into_iter().collect()
}

/// What `optimizers` of `scripts/goldens/goldens.py` makes, by its name there.
fn cases() -> [(&'static str, Rule, Recipe); 8] {
    let plain = Recipe::default;
    let cosine = Recipe { schedule: Schedule::Cosine, warmup_epochs: 1, ..plain() };
    let step = Recipe { schedule: Schedule::Step { epochs: 1, factor: 0.5 }, ..plain() };
    [
        ("adam", Rule::Adam, plain()),
        ("rmsprop", Rule::Rmsprop, plain()),
        ("sgd", Rule::Sgd, Recipe { momentum: 0.9, ..plain() }),
        ("adamw", Rule::Adamw, Recipe { weight_decay: 0.1, ..plain() }),
        ("sgd_decay", Rule::Sgd, Recipe { momentum: 0.5, weight_decay: 0.2, ..plain() }),
        ("adam_cosine", Rule::Adam, cosine),
        ("rmsprop_step", Rule::Rmsprop, step),
        ("adam_clip", Rule::Adam, Recipe { clip_norm: 0.5, ..plain() }),
    ]
}

/// Where the values of a step lie: as slices are taken of, or strided, as tensor operations alone can follow.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Memory {
    OnePiece,
    Strided,
}

impl Memory {
    fn copy(self, values: &Tensor) -> Tensor {
        match self {
            Memory::OnePiece => values.copy(),
            Memory::Strided => Tensor::stack(&[values, values], 1).select(1, 0),
        }
    }
}

/// The largest relative error of all steps, and that of the last.
fn errors(
    goldens: &HashMap<String, Tensor>,
    name: &str,
    rule: Rule,
    recipe: Recipe,
    kind: Kind,
    at: Memory,
) -> [f64; 2] {
    let part = |name: &str| goldens[name].to_kind(kind);
    let (curvature, goal) = (part("curvature"), part("goal"));
    let form = if kind == Kind::Float { "float32" } else { "float64" };
    let trace = &goldens[&format!("{form}/{name}")];
    assert_eq!((trace.kind(), trace.size()[0]), (kind, STEPS), "{form}/{name}");
    let parameters = Parameters {
        frozen_layers: 0,
        head_units: Vec::new(),
        head_dropout: Vec::new(),
        optimizer: rule,
        learning_rate: RATE,
        recipe,
        epochs: (STEPS as u64 / STEPS_PER_EPOCH) as u32,
        batch_size: 1,
        precision: Precision::Float32,
    };
    let values = at.copy(&part("start"));
    let mut optimizer = Optimizer::new(&parameters, &values);
    let (mut worst, mut last) = (0.0, 0.0);
    for step in 0..STEPS {
        let gradients = at.copy(&(&curvature * (&values - &goal)));
        optimizer.step(
            &values,
            Gradients::of(gradients.shallow_clone()),
            parameters.rate_at(step as u64, STEPS_PER_EPOCH),
        );
        let theirs = trace.select(0, step).to_kind(Kind::Double);
        let difference = values.to_kind(Kind::Double) - &theirs;
        last = (difference.norm() / theirs.norm()).double_value(&[]);
        worst = f64::max(worst, last);
    }
    [worst, last]
}

#[test]
fn twenty_steps_are_those_of_keras_for_every_optimizer_and_schedule() {
    let goldens = goldens();
    for (kind, at, tolerance) in [
        (Kind::Float, Memory::OnePiece, FLOAT_TOLERANCE),
        (Kind::Float, Memory::Strided, FLOAT_TOLERANCE),
        (Kind::Double, Memory::OnePiece, DOUBLE_TOLERANCE),
    ] {
        for (name, rule, recipe) in cases() {
            let [worst, last] = errors(&goldens, name, rule, recipe, kind, at);
            println!("{name} {kind:?} {at:?}: {last:.1e} after {STEPS} steps, at most {worst:.1e}");
            assert!(worst < tolerance, "{name} {kind:?} {at:?}: {worst:.1e}");
        }
    }
}
