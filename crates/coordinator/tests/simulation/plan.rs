//! What a seed decides before anything happens: the sweep, the times, and what will go wrong.

use frostline_scheduler::{FillPlan, Settings};
use frostline_sweep::features::{FeatureKey, FeatureSpec};
use frostline_sweep::outcome::{EpochMetrics, Evaluation};
use frostline_sweep::trial::{
    Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, Recipe, TrialId, TrialSpec, Validation,
    WeightsIdentity,
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// What a fill is estimated to take, in milliseconds.
pub(crate) const FILL: u64 = 5_000;
/// Images that a fill takes at a time.
pub(crate) const PORTION: u32 = 4;

/// What may go wrong, or is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// A worker process ends at once.
    Crash,
    /// A worker process stands still, for a while or for ever.
    Hang,
    /// A connection breaks.
    Cut,
    /// The coordinator ends at once.
    Kill,
    /// The coordinator ends at its next commit: before it, after it, or while it does what follows.
    KillAtCommit,
    /// Somebody cancels some trials.
    Cancel,
    /// Somebody presses Ctrl-C, once or twice.
    Drain,
    /// The coordinator's process stands still.
    Stall,
    /// The coordinator's clock jumps ahead.
    Jump,
    /// A worker's next report is wrong.
    Lie,
    /// The next worker process cannot be started, dies before it connects, or is too slow.
    BadStart,
    /// A worker's next step fails.
    Fail,
    /// A worker's trainer stands still for ever, while its process says that it lives.
    Stick,
    /// A worker's GPU fails, and with it all that its process does from then on.
    Poison,
    /// A worker's time is over: it says so, stops, and ends.
    Retire,
    /// Whoever lent a worker its machine ends its process at once, and says that it was so.
    Evict,
    /// A node is said to be gone, and its process lives on: another gets its place.
    Part,
}

impl Disturbance {
    pub(crate) const ALL: [Disturbance; 17] = [
        Disturbance::Crash,
        Disturbance::Hang,
        Disturbance::Cut,
        Disturbance::Kill,
        Disturbance::KillAtCommit,
        Disturbance::Cancel,
        Disturbance::Drain,
        Disturbance::Stall,
        Disturbance::Jump,
        Disturbance::Lie,
        Disturbance::BadStart,
        Disturbance::Fail,
        Disturbance::Stick,
        Disturbance::Poison,
        Disturbance::Retire,
        Disturbance::Evict,
        Disturbance::Part,
    ];
}

pub(crate) struct PlannedTrial {
    pub(crate) id: TrialId,
    pub(crate) spec: TrialSpec,
    pub(crate) features: Option<FeatureKey>,
    /// Images at a time, where it may take fewer.
    pub(crate) divisible: Option<u32>,
    /// The epoch in which its loss becomes infinite.
    pub(crate) diverges: Option<u32>,
}

/// Times in milliseconds.
pub(crate) struct Plan {
    /// In the order of the sweep.
    pub(crate) trials: Vec<PlannedTrial>,
    pub(crate) fills: Vec<FillPlan>,
    pub(crate) features: BTreeMap<FeatureKey, FeatureSpec>,
    pub(crate) workers: u32,
    /// Machines with features of their own; none where all use the coordinator's.
    pub(crate) hosts: u32,
    /// Processes that come by themselves, beside the workers.
    pub(crate) guests: u32,
    pub(crate) settings: Settings,
    /// A worker without a coordinator gives up after this.
    pub(crate) grace: u64,
    /// The longest that a message takes.
    pub(crate) latency: u64,
    /// The longest that an epoch or a fill takes.
    pub(crate) step: u64,
    /// Messages of a connection that was replaced are still heard.
    pub(crate) hears_old_connections: bool,
    /// What happens between now and `calm`; empty where nothing goes wrong.
    pub(crate) disturbances: Vec<Disturbance>,
    /// The longest time between two disturbances.
    pub(crate) pause: u64,
    /// From then on nothing more goes wrong.
    pub(crate) calm: u64,
}

impl Plan {
    pub(crate) fn draw(rng: &mut ChaCha8Rng) -> Plan {
        let base = spec();
        let cuts = rng.random_range(0..=3u32);
        let specs: Vec<FeatureSpec> = (1..=cuts).map(|cut| FeatureSpec::of(&base, cut)).collect();
        let keys: Vec<FeatureKey> = specs.iter().map(FeatureSpec::key).collect();
        let mut fills: Vec<FillPlan> = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            // Not every cut is worth a fill; a fill starts from an earlier one of the plan, if any.
            if place == 0 || rng.random_bool(0.8) {
                let from = fills.last().filter(|_| rng.random_bool(0.7)).map(|fill| fill.key.clone());
                fills.push(FillPlan { key: key.clone(), from, portion: PORTION, takes: FILL });
            }
        }
        let trials = (0..rng.random_range(1..=10)).map(|seed| {
            let mut spec = base.clone();
            spec.seed = seed;
            spec.parameters.epochs = rng.random_range(1..=4);
            let epochs = spec.parameters.epochs;
            let features =
                (!keys.is_empty() && rng.random_bool(0.6)).then(|| keys[rng.random_range(0..keys.len())].clone());
            let diverges = rng.random_bool(0.05).then(|| rng.random_range(1..=epochs));
            let divisible = rng.random_bool(0.5).then_some(spec.parameters.batch_size);
            PlannedTrial { id: spec.id(), spec, features, divisible, diverges }
        });
        let trials = trials.collect();
        let lease = rng.random_range(4_000..=12_000);
        let settings = Settings {
            lease,
            start: rng.random_range(5_000..=20_000),
            stall: rng.random_range(15_000..=60_000),
            drain: rng.random_range(1_000..=5_000),
            failed_starts: rng.random_range(2..=4),
            // Workers wait in a queue until it is their turn.
            backlog: rng.random_bool(0.3).then(|| rng.random_range(1..=2)),
            // Drawn with the lease, so that a seed goes on to mean what it meant.
            least: (lease % 3) as u32,
            awaits_guests: rng.random_bool(0.3),
        };
        let quiet = rng.random_bool(0.05);
        let disturbances = Disturbance::ALL.into_iter().filter(|_| !quiet && rng.random_bool(0.5)).collect();
        Plan {
            trials,
            fills,
            features: keys.into_iter().zip(specs).collect(),
            workers: rng.random_range(1..=4),
            hosts: [0, 0, 2, 3][rng.random_range(0..4)],
            guests: if settings.awaits_guests { rng.random_range(1..=2) } else { 0 },
            settings,
            grace: rng.random_range(2_000..=40_000),
            latency: [5, 100, lease / 4][rng.random_range(0..3)],
            step: rng.random_range(100..=2_000),
            hears_old_connections: rng.random_bool(0.5),
            disturbances,
            pause: [300, 2_000, 10_000][rng.random_range(0..3)],
            calm: rng.random_range(5_000..=60_000),
        }
    }

    pub(crate) fn trial(&self, id: TrialId) -> &PlannedTrial {
        self.trials.iter().find(|trial| trial.id == id).expect("only planned trials are given out")
    }
}

fn spec() -> TrialSpec {
    TrialSpec {
        data: DataSpec {
            dataset: Dataset::Shapes,
            digest: "d".to_owned(),
            validation: Validation::Share(0.1),
            image_size: 32,
            augment: Augment::None,
            train_limit: None,
            test_limit: None,
            pictures: None,
        },
        model: ModelSpec { backbone: "efficientnet_v2_s".to_owned(), weights: WeightsIdentity::Random },
        parameters: Parameters {
            frozen_layers: 385,
            head_units: vec![8],
            head_dropout: vec![0.5],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            recipe: Recipe::default(),
            epochs: 1,
            batch_size: 8,
            precision: Precision::Float32,
        },
        seed: 0,
    }
}

/// What every attempt at `trial` measures in this epoch, however it got there.
pub(crate) fn metrics(trial: TrialId, epoch: u32) -> EpochMetrics {
    let share = |purpose| share(trial, epoch, purpose);
    EpochMetrics {
        epoch,
        train_loss: share(1),
        train_accuracy: share(2),
        val_loss: share(3),
        val_accuracy: share(4),
        learning_rate: 1e-3,
        seconds: 1.0,
        images_per_second: 1.0,
        peak_memory: 1,
        by_class: None,
    }
}

pub(crate) fn evaluation(trial: TrialId) -> Evaluation {
    Evaluation {
        test_loss: share(trial, 0, 5),
        test_accuracy: share(trial, 0, 6),
        class_accuracy: vec![share(trial, 0, 7)],
        confusion: vec![vec![1]],
        trained_parameters: 1,
        seconds: 1.0,
        validation_images: None,
        by_class: None,
        right: None,
    }
}

/// From 0 to 1, different for each argument; ids are hashes already.
fn share(trial: TrialId, epoch: u32, purpose: u8) -> f64 {
    let word = trial.0[..8].iter().fold(u64::from(epoch) << 8 | u64::from(purpose), |word, byte| {
        (word ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
    });
    (word >> 11) as f64 / (1u64 << 53) as f64
}
