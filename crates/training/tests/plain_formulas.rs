//! Trials against the same trials by plain formulas: which images a step sees, which of them are mirrored, labels, loss,
//! gradients, rates and optimizers are all written out here once more, in float64 and without libtorch's derivatives.
//!
//! What is taken from the program under test are the network's outputs (`tests/goldens.rs` holds those against other
//! libraries) and the splits (`frostline_assets::subset` has tests of its own).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, its helpers too, and the errors are to be seen"
)]

#[path = "../src/testing.rs"]
mod testing;

use frostline_assets::data::shapes;
use frostline_assets::subset;
use frostline_assets::weights::{self, WeightsFile};
use frostline_protocol::{Ended, Observer, Places, Stop};
use frostline_results::features as kept;
use frostline_sweep::backbone;
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::outcome::{ClassMetrics, EpochMetrics, Evaluation};
use frostline_sweep::trial::{
    Augment, ClassWeights, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, Recipe, Schedule,
    TrialSpec, Validation, WeightsIdentity,
};
use frostline_training::Session;
use frostline_training::backbone::{Backbone, Network, Source, prepare};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;
use std::path::Path;
use tch::{Device, Kind, Tensor};
use testing::alone;

const SIDE: usize = 32;
const SEED: u64 = 11;
/// Ten of nine classes and eleven of one. Two of each are for validation, so 81 are left to train on: in batches of 16 the
/// last has a single image.
const TRAIN_LIMIT: u32 = 101;
const BATCH: usize = 16;
/// An evaluation takes 250 at a time: the second batch is a short one.
const TEST_LIMIT: u32 = 260;
const CLASSES: usize = 10;

#[derive(Default)]
struct Listener(Vec<EpochMetrics>);

impl Observer for Listener {
    fn epoch(&mut self, metrics: EpochMetrics) {
        self.0.push(metrics);
    }

    fn progress(&mut self, _done: u64, _total: u64) {}

    fn should_stop(&self) -> Stop {
        Stop::No
    }
}

fn spec(backbone: &str, frozen_layers: u32) -> TrialSpec {
    TrialSpec {
        data: DataSpec {
            dataset: Dataset::Shapes,
            digest: shapes::digest(),
            validation: Validation::Share(0.2),
            image_size: SIDE as u32,
            augment: Augment::Flip,
            train_limit: Some(TRAIN_LIMIT),
            test_limit: Some(TEST_LIMIT),
            pictures: None,
        },
        model: ModelSpec { backbone: backbone.to_owned(), weights: WeightsIdentity::Random },
        parameters: Parameters {
            frozen_layers,
            head_units: vec![24, 8],
            head_dropout: vec![0.3, 0.0],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-2,
            recipe: Recipe::default(),
            epochs: 3,
            batch_size: BATCH as u32,
            precision: Precision::Float32,
        },
        seed: SEED,
    }
}

fn places(folder: &Path) -> Places {
    Places {
        data: None,
        weights: Default::default(),
        features: folder.join("features"),
        checkpoints: folder.join("checkpoints"),
        models: Some(folder.join("models")),
    }
}

/// Trains to the end: all epochs, and the evaluation.
fn train(folder: &Path, spec: &TrialSpec, features: Option<&FeatureSpec>) -> (Vec<EpochMetrics>, Evaluation) {
    let mut listener = Listener::default();
    let ended = Session::new(Device::Cpu, places(folder)).train(spec, features, &mut listener).unwrap();
    let Ended::Complete(evaluation) = ended else { panic!("nobody asked to stop: {ended:?}") };
    (listener.0, evaluation)
}

// The images.

/// One pool: its images as they are and mirrored, `[n, 3, 32, 32]`, and their classes.
struct Pool {
    plain: Tensor,
    mirrored: Tensor,
    labels: Vec<u16>,
}

impl Pool {
    fn new(pixels: &[u8], labels: &[u16], limit: u32) -> Pool {
        let chosen = subset::stratified_limit(labels, limit as usize, 0);
        let image = 3 * SIDE * SIDE;
        let plain: Vec<u8> =
            chosen.iter().flat_map(|&index| &pixels[index as usize * image..][..image]).copied().collect();
        let mirrored: Vec<u8> = plain.chunks(SIDE).flat_map(|row| row.iter().rev()).copied().collect();
        let tensor = |bytes: &[u8]| Tensor::from_slice(bytes).view([-1, 3, SIDE as i64, SIDE as i64]);
        let labels = chosen.iter().map(|&index| labels[index as usize]).collect();
        Pool { plain: tensor(&plain), mirrored: tensor(&mirrored), labels }
    }

    /// `[batch, 3, 32, 32]`, mirrored where it is said.
    fn images(&self, chosen: &[u32], mirrored: &[bool]) -> Tensor {
        let image = |(&index, &mirrored): (&u32, &bool)| {
            let from = if mirrored { &self.mirrored } else { &self.plain };
            from.get(i64::from(index))
        };
        Tensor::stack(&chosen.iter().zip(mirrored).map(image).collect::<Vec<_>>(), 0)
    }

    fn truth(&self, chosen: &[u32]) -> Vec<usize> {
        chosen.iter().map(|&index| usize::from(self.labels[index as usize])).collect()
    }
}

/// Training and test pool.
fn pools(train_limit: u32, test_limit: u32) -> [Pool; 2] {
    let all = shapes::load();
    [(all.train, train_limit), (all.test, test_limit)]
        .map(|(images, limit)| Pool::new(&images.pixels, &images.labels, limit))
}

/// A random stream of the trial. Its derivation is part of what results mean; so is its use in `order` and `views`.
fn stream(purpose: &str, epoch: u32) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(derived(purpose, epoch))
}

fn derived(purpose: &str, epoch: u32) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("frostline 2026 randomness of a trial");
    hasher.update(&SEED.to_le_bytes());
    hasher.update(&epoch.to_le_bytes());
    hasher.update(purpose.as_bytes());
    u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().unwrap())
}

/// The order of the images in an epoch.
fn order(train: &[u32], epoch: u32) -> Vec<u32> {
    let mut order = train.to_vec();
    order.shuffle(&mut stream("order", epoch));
    order
}

fn seed_step(epoch: u32, step: u64) {
    let seed = derived("dropout", epoch).wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    tch::manual_seed(seed as i64);
}

/// What each image is multiplied by after a dense layer.
fn mask(shape: &[i64], rate: f64) -> Tensor {
    let ones = Tensor::ones(shape, (Kind::Float, Device::Cpu));
    if rate > 0.0 { ones.dropout(rate, true).to_kind(Kind::Double) } else { ones.to_kind(Kind::Double) }
}

/// Glorot's uniform weights and biases of zero, in turn.
fn initial_head(widths: &[i64]) -> Vec<Tensor> {
    let mut random = stream("head weights", 0);
    let layer = |pair: &[i64]| {
        let limit = (6.0 / (pair[0] + pair[1]) as f64).sqrt() as f32;
        let weights: Vec<f32> =
            (0..pair[0] * pair[1]).map(|_| (2.0 * random.random::<f32>() - 1.0) * limit).collect();
        let weights = Tensor::from_slice(&weights).view([pair[1], pair[0]]);
        [weights.to_kind(Kind::Double), Tensor::zeros([pair[1]], (Kind::Double, Device::Cpu))]
    };
    widths.windows(2).flat_map(layer).collect()
}

/// The rate of a step, counted over the whole trial.
fn rate(parameters: &Parameters, step: usize, steps_per_epoch: usize) -> f64 {
    let (step, epoch) = (step as f64, steps_per_epoch as f64);
    let warm = f64::from(parameters.recipe.warmup_epochs) * epoch;
    let full = parameters.learning_rate;
    if step < warm {
        return full * step / warm;
    }
    match parameters.recipe.schedule {
        Schedule::Constant => full,
        Schedule::Cosine => {
            full * (1.0 + (PI * (step - warm) / (f64::from(parameters.epochs) * epoch - warm)).cos()) / 2.0
        }
        Schedule::Step { epochs, factor } => full * factor.powf((step / epoch / f64::from(epochs)).floor()),
    }
}

/// A parameter by itself, by the formulas that Keras' sources have.
struct Parameter {
    value: Tensor,
    first: Tensor,
    second: Tensor,
}

impl Parameter {
    fn new(value: &Tensor) -> Parameter {
        let value = value.detach().to_kind(Kind::Double).copy();
        Parameter { first: value.zeros_like(), second: value.zeros_like(), value }
    }

    /// `step` is counted from 1.
    fn step(&mut self, parameters: &Parameters, gradient: &Tensor, rate: f64, step: i32) {
        let recipe = &parameters.recipe;
        let Parameter { value, first, second } = self;
        let squared = gradient * gradient;
        *value *= 1.0 - rate * recipe.weight_decay;
        *value -= match parameters.optimizer {
            Optimizer::Adam | Optimizer::Adamw => {
                *first = &*first * 0.9 + gradient * 0.1;
                *second = &*second * 0.999 + squared * 0.001;
                let correction = (1.0 - 0.999f64.powi(step)).sqrt() / (1.0 - 0.9f64.powi(step));
                &*first * (rate * correction) / (second.sqrt() + 1e-7)
            }
            Optimizer::Rmsprop => {
                *second = &*second * 0.9 + squared * 0.1;
                gradient * rate / (&*second + 1e-7).sqrt()
            }
            Optimizer::Sgd => {
                *first = &*first * recipe.momentum + gradient * rate;
                first.copy()
            }
        };
    }
}

/// Scales gradients down where the norm of all of them is above `most`.
fn clip(gradients: &mut [Tensor], most: f64) {
    let norm =
        gradients.iter().map(|gradient| gradient.square().sum(Kind::Double).double_value(&[])).sum::<f64>().sqrt();
    if most > 0.0 && norm > most {
        gradients.iter_mut().for_each(|gradient| *gradient *= most / norm);
    }
}

// The head.

struct PlainHead {
    /// Weight and bias of each layer in turn.
    parameters: Vec<Parameter>,
    dropout: Vec<f64>,
}

/// What a forward pass leaves behind.
struct Pass {
    /// Input of each layer.
    inputs: Vec<Tensor>,
    /// What the outputs of each layer but the last were multiplied by: 0 where ReLU or dropout let nothing through.
    factors: Vec<Tensor>,
    scores: Vec<Vec<f64>>,
}

impl PlainHead {
    fn forward(&self, features: &Tensor, training: bool) -> Pass {
        let (mut inputs, mut factors) = (Vec::new(), Vec::new());
        let mut x = features.to_kind(Kind::Double);
        for (index, layer) in self.parameters.chunks(2).enumerate() {
            let out = x.matmul(&layer[0].value.transpose(0, 1)) + &layer[1].value;
            inputs.push(x);
            x = match self.dropout.get(index) {
                None => out,
                Some(&rate) => {
                    let passed = out.gt(0.0).to_kind(Kind::Double);
                    let factor = if training { passed * mask(&out.size(), rate) } else { passed };
                    factors.push(factor.copy());
                    out * factor
                }
            };
        }
        Pass { inputs, factors, scores: rows(&x) }
    }

    /// Derivatives of the mean loss by each parameter; `errors` are its derivatives by the scores.
    fn gradients(&self, pass: &Pass, errors: &[Vec<f64>]) -> Vec<Tensor> {
        let flat: Vec<f64> = errors.concat();
        let mut delta = Tensor::from_slice(&flat).view([errors.len() as i64, -1]);
        let mut gradients = Vec::new();
        for (index, layer) in self.parameters.chunks(2).enumerate().rev() {
            gradients.push(delta.sum_dim_intlist(0, false, Kind::Double));
            gradients.push(delta.transpose(0, 1).matmul(&pass.inputs[index]));
            if index > 0 {
                delta = delta.matmul(&layer[0].value) * &pass.factors[index - 1];
            }
        }
        gradients.reverse();
        gradients
    }
}

fn rows(scores: &Tensor) -> Vec<Vec<f64>> {
    Vec::<Vec<f64>>::try_from(scores).unwrap()
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// What each class should have: 1 for the truth, of which `smoothing` is spread over all.
fn target(truth: usize, smoothing: f64) -> Vec<f64> {
    let spread = smoothing / CLASSES as f64;
    (0..CLASSES).map(|class| if class == truth { 1.0 - smoothing + spread } else { spread }).collect()
}

/// Sum of the cross-entropies in nats.
fn loss(scores: &[Vec<f64>], truth: &[usize], smoothing: f64, weights: &[f64]) -> f64 {
    let of_image = |(scores, &truth): (&Vec<f64>, &usize)| -> f64 {
        let of_class = |(probability, wanted): (&f64, f64)| -wanted * probability.ln();
        weights[truth] * softmax(scores).iter().zip(target(truth, smoothing)).map(of_class).sum::<f64>()
    };
    scores.iter().zip(truth).map(of_image).sum()
}

/// Derivatives of the mean cross-entropy by the scores.
fn errors(scores: &[Vec<f64>], truth: &[usize], smoothing: f64, weights: &[f64]) -> Vec<Vec<f64>> {
    let count = scores.len() as f64;
    let of_image = |(scores, &truth): (&Vec<f64>, &usize)| {
        let of_class = |(found, wanted): (&f64, f64)| weights[truth] * (found - wanted) / count;
        softmax(scores).iter().zip(target(truth, smoothing)).map(of_class).collect()
    };
    scores.iter().zip(truth).map(of_image).collect()
}

/// What each class counts for where all of them count alike.
const ALIKE: [f64; CLASSES] = [1.0; CLASSES];

/// scikit-learn's `compute_class_weight("balanced")` (1.8): `n_samples / (n_classes * np.bincount(y))`.
fn class_weights(kind: ClassWeights, labels: &[usize]) -> [f64; CLASSES] {
    let of = |class: usize| labels.iter().filter(|label| **label == class).count() as f64;
    match kind {
        ClassWeights::None => ALIKE,
        ClassWeights::Balanced => std::array::from_fn(|class| labels.len() as f64 / (CLASSES as f64 * of(class))),
    }
}

fn guesses(scores: &[Vec<f64>]) -> Vec<usize> {
    let best =
        |scores: &Vec<f64>| (0..scores.len()).max_by(|&one, &other| scores[one].total_cmp(&scores[other])).unwrap();
    scores.iter().map(best).collect()
}

/// By scikit-learn's definitions (1.8): `balanced_accuracy_score`, `f1_score(average="macro")`, `top_k_accuracy_score(k=5)`.
fn by_class(scores: &[Vec<f64>], truth: &[usize]) -> ClassMetrics {
    let guesses = guesses(scores);
    let count =
        |is: &dyn Fn(usize, usize) -> bool| truth.iter().zip(&guesses).filter(|(t, g)| is(**t, **g)).count() as f64;
    let (mut recalls, mut f1s) = (Vec::new(), Vec::new());
    for class in 0..CLASSES {
        let (of_it, said) = (count(&|truth, _| truth == class), count(&|_, guess| guess == class));
        let right = count(&|truth, guess| truth == class && guess == class);
        if of_it > 0.0 {
            recalls.push(right / of_it);
        }
        if of_it + said > 0.0 {
            let (precision, recall) =
                (if said > 0.0 { right / said } else { 0.0 }, if of_it > 0.0 { right / of_it } else { 0.0 });
            f1s.push(if right > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 });
        }
    }
    let near =
        |(scores, truth): (&Vec<f64>, &usize)| scores.iter().filter(|score| **score > scores[*truth]).count() < 5;
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    ClassMetrics {
        balanced_accuracy: mean(recalls),
        macro_f1: mean(f1s),
        top5_accuracy: scores.iter().zip(truth).filter(|it| near(*it)).count() as f64 / truth.len() as f64,
    }
}

fn same_shares(found: Option<ClassMetrics>, expected: ClassMetrics, name: &str) {
    let found = found.unwrap_or_else(|| panic!("{name}: a trainer measures by class"));
    let shares = |it: ClassMetrics| [it.balanced_accuracy, it.macro_f1, it.top5_accuracy];
    for (found, expected) in shares(found).into_iter().zip(shares(expected)) {
        assert!((found - expected).abs() < 1e-12, "{name}: {found}, not {expected}");
    }
}

/// Which of them are right.
fn hits(scores: &[Vec<f64>], truth: &[usize]) -> Vec<bool> {
    guesses(scores).iter().zip(truth).map(|(guess, truth)| guess == truth).collect()
}

fn right(scores: &[Vec<f64>], truth: &[usize]) -> usize {
    hits(scores, truth).into_iter().filter(|hit| *hit).count()
}

// A whole trial of a head.

/// Features of a whole pool, by its images and by the mirrored ones: `[n, channels]`.
fn features(network: &Network, backbone: &Backbone, images: &Tensor) -> Tensor {
    let portions = images.split(32, 0).into_iter().map(|images| {
        let prepared = prepare(backbone.conventions(), &images, SIDE as i64, Device::Cpu, Kind::Float);
        network.forward(&prepared, 0, network.cuts(), false)
    });
    Tensor::cat(&portions.collect::<Vec<_>>(), 0).detach()
}

/// Features of both pools of EfficientNet-Lite0 with random weights.
struct Features {
    train: [Tensor; 2],
    test: Tensor,
    labels: [Vec<u16>; 2],
}

impl Features {
    fn new() -> Features {
        let architecture = backbone::find("efficientnet_lite0").unwrap();
        let backbone = Backbone::load(architecture, Source::Random(0), Device::Cpu, Kind::Float).unwrap();
        let network = backbone.instance(architecture.layer_count());
        let [train, test] = pools(TRAIN_LIMIT, TEST_LIMIT);
        let of = |images: &Tensor| features(&network, &backbone, images);
        Features {
            train: [of(&train.plain), of(&train.mirrored)],
            test: of(&test.plain),
            labels: [train.labels, test.labels],
        }
    }
}

struct Expected {
    epochs: Vec<EpochMetrics>,
    test_loss: f64,
    confusion: Vec<Vec<u32>>,
    tested: ClassMetrics,
    /// Of the validation split after the last epoch, and of the test split.
    right: [Vec<bool>; 2],
}

fn expected(spec: &TrialSpec, features: &Features) -> Expected {
    let parameters = &spec.parameters;
    let smoothing = parameters.recipe.label_smoothing;
    let labels = &features.labels;
    let truth = |pool: usize, chosen: &[u32]| -> Vec<usize> {
        chosen.iter().map(|&index| usize::from(labels[pool][index as usize])).collect()
    };
    let all = |pool: usize| (0..labels[pool].len() as u32).collect::<Vec<u32>>();
    let (train, validation, validation_pool) = match spec.data.validation {
        Validation::Share(share) => {
            let (train, validation) = subset::stratified_split(&labels[0], share, 0);
            (train, validation, 0)
        }
        Validation::Test => (all(0), all(1), 1),
        Validation::Own => unreachable!("shapes have no validation images of their own"),
    };
    let rows_of = |from: &Tensor, chosen: &[u32]| {
        let index: Vec<i64> = chosen.iter().map(|&index| i64::from(index)).collect();
        from.index_select(0, &Tensor::from_slice(&index))
    };
    let channels = features.test.size()[1];
    let units = parameters.head_units.iter().map(|&units| i64::from(units));
    let widths: Vec<i64> = std::iter::once(channels).chain(units).chain([CLASSES as i64]).collect();
    let initial = initial_head(&widths);
    let mut head = PlainHead {
        parameters: initial.iter().map(Parameter::new).collect(),
        dropout: parameters.head_dropout.clone(),
    };
    let steps = train.len().div_ceil(BATCH);
    let weights = class_weights(parameters.recipe.class_weights, &truth(0, &train));
    let mut taken = 0;
    let (mut epochs, mut right_last) = (Vec::new(), Vec::new());
    for epoch in 1..=parameters.epochs {
        let (mut loss_sum, mut correct, mut learning_rate) = (0.0, 0, 0.0);
        let mut views = stream("view", epoch);
        for (step, chosen) in (0..).zip(order(&train, epoch).chunks(BATCH)) {
            let mirrored: Vec<bool> = match spec.data.augment {
                Augment::None => vec![false; chosen.len()],
                Augment::Flip => chosen.iter().map(|_| views.random()).collect(),
                Augment::Views { .. } => unreachable!("no plain trial has them"),
            };
            let batch: Vec<Tensor> = chosen
                .iter()
                .zip(&mirrored)
                .map(|(&index, &mirrored)| features.train[usize::from(mirrored)].get(i64::from(index)))
                .collect();
            seed_step(epoch, step);
            let pass = head.forward(&Tensor::stack(&batch, 0), true);
            let truth = truth(0, chosen);
            loss_sum += loss(&pass.scores, &truth, smoothing, &weights);
            correct += right(&pass.scores, &truth);
            learning_rate = rate(parameters, taken, steps);
            let mut gradients = head.gradients(&pass, &errors(&pass.scores, &truth, smoothing, &weights));
            clip(&mut gradients, parameters.recipe.clip_norm);
            taken += 1;
            for (parameter, gradient) in head.parameters.iter_mut().zip(&gradients) {
                parameter.step(parameters, gradient, learning_rate, taken as i32);
            }
        }
        let from = if validation_pool == 0 { &features.train[0] } else { &features.test };
        let seen = head.forward(&rows_of(from, &validation), false).scores;
        let known = truth(validation_pool, &validation);
        right_last = hits(&seen, &known);
        epochs.push(EpochMetrics {
            epoch,
            train_loss: loss_sum / train.len() as f64,
            train_accuracy: correct as f64 / train.len() as f64,
            // Smoothing is for training: what is measured is the cross-entropy of the true class.
            val_loss: loss(&seen, &known, 0.0, &ALIKE) / validation.len() as f64,
            val_accuracy: right(&seen, &known) as f64 / validation.len() as f64,
            learning_rate,
            seconds: 0.0,
            images_per_second: 0.0,
            peak_memory: 0,
            by_class: Some(by_class(&seen, &known)),
        });
    }
    let seen = head.forward(&features.test, false).scores;
    let known = truth(1, &all(1));
    let right = [right_last, hits(&seen, &known)];
    let mut confusion = vec![vec![0; CLASSES]; CLASSES];
    for (truth, guess) in known.iter().zip(guesses(&seen)) {
        confusion[*truth][guess] += 1;
    }
    let test_loss = loss(&seen, &known, 0.0, &ALIKE) / known.len() as f64;
    Expected { epochs, test_loss, confusion, tested: by_class(&seen, &known), right }
}

/// The largest relative error of a loss.
fn compare(name: &str, expected: &Expected, found: &(Vec<EpochMetrics>, Evaluation)) -> f64 {
    let (epochs, test) = found;
    assert_eq!(epochs.len(), expected.epochs.len());
    let mut worst = 0f64;
    for (found, expected) in epochs.iter().zip(&expected.epochs) {
        for (found, expected) in [(found.train_loss, expected.train_loss), (found.val_loss, expected.val_loss)] {
            worst = worst.max((found - expected).abs() / expected);
        }
        assert!((found.learning_rate - expected.learning_rate).abs() <= 1e-12, "{name}: {found:?} {expected:?}");
        let accuracies = |of: &EpochMetrics| (of.epoch, of.train_accuracy, of.val_accuracy);
        assert_eq!(accuracies(found), accuracies(expected), "{name}");
        same_shares(found.by_class, expected.by_class.unwrap(), name);
    }
    worst = worst.max((test.test_loss - expected.test_loss).abs() / expected.test_loss);
    assert_eq!(test.confusion, expected.confusion, "{name}");
    let shares = expected
        .confusion
        .iter()
        .enumerate()
        .map(|(class, row)| f64::from(row[class]) / f64::from(row.iter().sum::<u32>()));
    assert_eq!(test.class_accuracy, shares.collect::<Vec<f64>>(), "{name}");
    let hits: u32 = (0..CLASSES).map(|class| expected.confusion[class][class]).sum();
    assert_eq!(test.test_accuracy, f64::from(hits) / f64::from(TEST_LIMIT), "{name}");
    assert_eq!(test.validation_images, Some(expected.right[0].len() as u64), "{name}");
    same_shares(test.by_class, expected.tested, name);
    let found = test.right.as_ref().expect("a trainer says which images are right");
    let found = [&found.validation, &found.test].map(|bits| bits.iter().collect::<Vec<bool>>());
    assert_eq!(found, expected.right, "{name}");
    worst
}

const TOLERANCE: f64 = 1e-5;

#[test]
fn a_head_trains_as_the_formulas_say_with_every_optimizer_schedule_and_recipe() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let features = Features::new();
    let all = backbone::find("efficientnet_lite0").unwrap().layer_count();
    let cosine = Recipe { schedule: Schedule::Cosine, warmup_epochs: 1, ..Recipe::default() };
    let staircase = Recipe { schedule: Schedule::Step { epochs: 1, factor: 0.5 }, ..Recipe::default() };
    let warm = Recipe { warmup_epochs: 2, ..Recipe::default() };
    let (share, test) = (Validation::Share(0.2), Validation::Test);
    let (flip, plain) = (Augment::Flip, Augment::None);
    for (name, optimizer, learning_rate, recipe, augment, validation, cached) in [
        (
            "sgd",
            Optimizer::Sgd,
            0.02,
            Recipe { momentum: 0.9, label_smoothing: 0.2, ..cosine.clone() },
            flip,
            share,
            false,
        ),
        ("sgd, clipped", Optimizer::Sgd, 0.5, Recipe { clip_norm: 0.5, ..staircase.clone() }, flip, share, true),
        ("adam", Optimizer::Adam, 3e-3, Recipe { label_smoothing: 0.1, ..staircase.clone() }, flip, test, true),
        (
            "adam, balanced",
            Optimizer::Adam,
            3e-3,
            Recipe { class_weights: ClassWeights::Balanced, label_smoothing: 0.1, ..staircase },
            flip,
            share,
            true,
        ),
        ("rmsprop", Optimizer::Rmsprop, 1e-3, warm, flip, share, true),
        ("adamw", Optimizer::Adamw, 3e-3, Recipe { weight_decay: 5.0, clip_norm: 1.0, ..cosine }, plain, share, true),
    ] {
        let mut spec = spec("efficientnet_lite0", all);
        spec.data.augment = augment;
        spec.data.validation = validation;
        spec.parameters.optimizer = optimizer;
        spec.parameters.learning_rate = learning_rate;
        spec.parameters.recipe = recipe;
        let cut = backbone::find("efficientnet_lite0").unwrap().cut_at(all);
        let wanted = cached.then(|| FeatureSpec::of(&spec, cut));
        let expected = expected(&spec, &features);
        if spec.parameters.recipe.class_weights == ClassWeights::Balanced {
            let mut alike = spec.clone();
            alike.parameters.recipe.class_weights = ClassWeights::None;
            let alike = self::expected(&alike, &features);
            let moved = (alike.epochs[2].train_loss - expected.epochs[2].train_loss).abs();
            assert!(moved > 10.0 * TOLERANCE, "{name}: weights change what is trained: {moved:.1e}");
        }
        let losses: Vec<f64> = expected.epochs.iter().map(|epoch| epoch.val_loss).collect();
        assert!(
            losses.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 10.0 * TOLERANCE),
            "{name} moves: {losses:?}"
        );
        let worst = compare(name, &expected, &train(folder.path(), &spec, wanted.as_ref()));
        println!("{name}: losses within {worst:.1e}, {losses:.3?}");
        assert!(worst < TOLERANCE, "{name}: {worst:.1e}");
    }
}

#[test]
fn the_second_view_of_cached_features_is_that_of_the_mirrored_images() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let architecture = backbone::find("efficientnet_lite0").unwrap();
    let spec = spec(architecture.name, architecture.layer_count());
    let wanted = FeatureSpec::of(&spec, architecture.cut_at(architecture.layer_count()));
    Session::new(Device::Cpu, places(folder.path())).fill(&wanted, None, 1, &mut Listener::default()).unwrap();
    let cached = kept::folder(&folder.path().join("features"), &wanted.key());
    let Features { train, test, .. } = Features::new();
    let stored = |name: &str| values(&weights::open(&cached.join(name)).unwrap(), "features");
    let views = stored("train.safetensors");
    assert_eq!(views.size(), [2, i64::from(TRAIN_LIMIT), 1280]);
    for (view, ours) in (0..).zip(&train) {
        assert!(relative_error(&views.get(view), ours) < 1e-5, "view {view}");
    }
    assert!(relative_error(&train[0], &train[1]) > 1e-2, "mirroring does change them");
    assert!(relative_error(&stored("test.safetensors").get(0), &test) < 1e-5);
}

// A network that trains in part.

fn values(file: &WeightsFile, name: &str) -> Tensor {
    let shape = file.shape(name).unwrap_or_else(|| panic!("a tensor `{name}`"));
    Tensor::from_slice(&file.f32(name).unwrap()).view(&shape[..])
}

/// Norm of the difference over the norm.
fn relative_error(one: &Tensor, other: &Tensor) -> f64 {
    assert_eq!(one.size(), other.size());
    ((one - other).norm() / other.norm()).double_value(&[])
}

/// libtorch's derivatives here, but each parameter by itself: taken apart from the buffer that all of them lie in.
fn compare_steps(name: &str, optimizer: Optimizer, trained_segments: usize, train_limit: u32) {
    let architecture = backbone::find(name).unwrap();
    let segments = architecture.segments();
    let frozen = segments[segments.len() - trained_segments].layers.start;
    let mut spec = spec(name, frozen);
    spec.data.train_limit = Some(train_limit);
    spec.data.test_limit = Some(10);
    spec.parameters.optimizer = optimizer;
    spec.parameters.epochs = 1;
    // As many as frozen layers are computed on at a time.
    spec.parameters.batch_size = frostline_sweep::features::portion(false);
    spec.parameters.head_units = vec![12];
    spec.parameters.head_dropout = vec![0.4];
    let parameters = &spec.parameters;
    let folder = tempfile::tempdir().unwrap();
    let (epochs, evaluation) = train(folder.path(), &spec, None);
    let model = weights::open(&folder.path().join("models").join(spec.id().model_file())).unwrap();

    let backbone = Backbone::load(architecture, Source::Random(0), Device::Cpu, Kind::Float).unwrap();
    let network = backbone.instance(frozen);
    let names = network.trainable_names();
    let head: Vec<Tensor> = initial_head(&[network.pooled_channels(), 12, CLASSES as i64])
        .iter()
        .map(|tensor| tensor.to_kind(Kind::Float).set_requires_grad(true))
        .collect();
    let mut leaves: Vec<Tensor> = head.iter().map(Tensor::shallow_clone).collect();
    leaves.extend(names.iter().map(|name| network.tensor(name).shallow_clone()));
    let start: Vec<Tensor> = leaves.iter().map(|leaf| leaf.detach().copy()).collect();
    let mut plain: Vec<Parameter> = leaves.iter().map(Parameter::new).collect();

    let [pool, _] = pools(train_limit, 10);
    let (chosen, _) = subset::stratified_split(&pool.labels, 0.2, 0);
    let batch_size = parameters.batch_size as usize;
    let cut = architecture.cut_at(frozen);
    let mut views = stream("view", 1);
    let mut loss_sum = 0.0;
    let mut sizes: Vec<f64> = Vec::new();
    for (step, chosen) in (0..).zip(order(&chosen, 1).chunks(batch_size)) {
        assert_eq!(chosen.len(), batch_size, "no batch is cut short here");
        let mirrored: Vec<bool> = chosen.iter().map(|_| views.random()).collect();
        let images = pool.images(chosen, &mirrored);
        let prepared = prepare(backbone.conventions(), &images, SIDE as i64, Device::Cpu, Kind::Float);
        let at_cut = network.forward(&prepared, 0, cut, false);
        seed_step(1, step);
        let pooled = network.forward(&at_cut, cut, network.cuts(), true);
        let hidden = pooled.linear(&head[0], Some(&head[1])).relu().dropout(0.4, true);
        let scores = hidden.linear(&head[2], Some(&head[3]));
        let truth = pool.truth(chosen);
        let classes: Vec<i64> = truth.iter().map(|&class| class as i64).collect();
        let mean = scores.log_softmax(-1, Kind::Float).nll_loss(&Tensor::from_slice(&classes));
        loss_sum += loss(&rows(&scores.detach().to_kind(Kind::Double)), &truth, 0.0, &ALIKE);
        let gradients = Tensor::run_backward(&[mean], &leaves, false, false);
        if step == 0 {
            sizes = gradients.iter().map(|gradient| gradient.square().sum(Kind::Double).double_value(&[])).collect();
        }
        for ((plain, gradient), leaf) in plain.iter_mut().zip(&gradients).zip(&leaves) {
            plain.step(parameters, &gradient.to_kind(Kind::Double), parameters.learning_rate, step as i32 + 1);
            let _guard = tch::no_grad_guard();
            leaf.shallow_clone().copy_(&plain.value);
        }
    }
    let train_loss = loss_sum / chosen.len() as f64;
    assert!(
        (epochs[0].train_loss - train_loss).abs() / train_loss < 1e-5,
        "{} and {train_loss}",
        epochs[0].train_loss
    );
    let head_names = ["head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"].map(str::to_owned);
    let count: usize = leaves.iter().map(Tensor::numel).sum();
    // A bias in front of a batch normalization has no effect: its gradient is nothing but rounding, and Adam's step is as
    // long for that as for any other.
    let least = 1e-8 * sizes.iter().sum::<f64>() / count as f64;
    let (mut worst, mut compared) = (0f64, 0);
    for (((kept, start), plain), size) in head_names.iter().chain(&names).zip(&start).zip(&plain).zip(&sizes) {
        let change = values(&model, kept).to_kind(Kind::Double) - start;
        if *size < least * start.numel() as f64 {
            continue;
        }
        let error = relative_error(&change, &(&plain.value - start));
        assert!(error < 1e-3, "{name}: {kept} changes by another amount than its formula says: {error:.1e}");
        (worst, compared) = (worst.max(error), compared + 1);
    }
    assert!(4 * compared > 3 * leaves.len(), "{name}: most have a gradient, {compared} of {}", leaves.len());
    assert_eq!(evaluation.trained_parameters, count as u64, "{name}");
    println!(
        "{name}: {compared} of {} parameters after {} steps, changes within {worst:.1e}",
        leaves.len(),
        chosen.len() / batch_size
    );
}

#[test]
fn every_parameter_of_a_network_takes_the_steps_of_its_own_gradient() {
    let _alone = alone();
    // Two of each class are for validation, and the other 64 are two batches.
    compare_steps("efficientnet_lite0", Optimizer::Adam, 4, 84);
    compare_steps("efficientnet_lite0", Optimizer::Rmsprop, 2, 84);
    compare_steps("efficientnet_v2_s", Optimizer::Adam, 2, 84);
}
