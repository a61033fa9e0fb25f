//! A results folder, and things to put into it.

use frostline_store::{Provenance, Sweep, Writer};
use frostline_sweep::expand::Trial;
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Evaluation, Failure, FailureKind, Right, TrialState};
use frostline_sweep::record::{Build, Ending, Record, Start, TaskKey};
use frostline_sweep::trial::{
    Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, TrialId, TrialSpec, Validation,
    WeightsIdentity,
};
use std::path::Path;
use tempfile::TempDir;

/// A writer in a folder of its own.
pub struct Results {
    pub writer: Writer,
    pub folder: TempDir,
}

impl Results {
    pub fn new() -> Results {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let writer = Writer::open(folder.path()).expect("a new database");
        Results { writer, folder }
    }

    /// With a sweep called "demo" of this many trials.
    pub fn with_trials(count: u32) -> (Results, Vec<Trial>) {
        let mut results = Results::new();
        let trials: Vec<Trial> = (0..count).map(trial).collect();
        results.writer.put_sweep(&sweep("demo"), &trials, false).expect("a new sweep");
        (results, trials)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The only trial of the sweep "demo" at this position.
    pub fn state(&self, position: usize) -> TrialState {
        self.writer.reader().trials("demo").expect("the trials")[position].state
    }

    /// Ends the writer and opens another.
    pub fn reopen(self) -> Results {
        let Results { writer, folder } = self;
        drop(writer);
        let writer = Writer::open(folder.path()).expect("the same database");
        Results { writer, folder }
    }
}

pub fn sweep(name: &str) -> Sweep {
    Sweep {
        name: name.into(),
        objective: "val_accuracy".into(),
        definition: format!("[sweep]\nname = \"{name}\"\n"),
        file: format!("sweeps/{name}.toml"),
        provenance: Provenance {
            program: "0.1.0".into(),
            git_commit: Some("0123abc".into()),
            libtorch: Some("2.13.0 (cpu)".into()),
            device: None,
            host: "here".into(),
        },
        threads: Some(2),
    }
}

/// Trials of different numbers differ in what they freeze.
pub fn trial(number: u32) -> Trial {
    let data = DataSpec {
        dataset: Dataset::Shapes,
        digest: "1".into(),
        validation: Validation::Share(0.1),
        image_size: 64,
        augment: Augment::None,
        train_limit: Some(1000),
        test_limit: None,
        pictures: None,
    };
    let model = ModelSpec { backbone: "efficientnet_v2_s".into(), weights: WeightsIdentity::Random };
    let parameters = Parameters {
        frozen_layers: number,
        head_units: vec![256],
        head_dropout: vec![0.3],
        optimizer: Optimizer::Adam,
        learning_rate: 1e-3,
        recipe: Default::default(),
        epochs: 2,
        batch_size: 64,
        precision: Precision::Float32,
    };
    let spec = TrialSpec { data, model, parameters, seed: u64::MAX };
    Trial { id: spec.id(), group: spec.group(), spec }
}

pub fn build() -> Build {
    Build {
        version: "0.1.0".into(),
        libtorch: "2.13.0 (cpu)".into(),
        device: "cpu".into(),
        threads: 2,
        host: "there".into(),
        processor: None,
    }
}

pub fn started(attempt: u64, trial: TrialId) -> Record {
    let task = TaskKey::Trial(trial);
    Record::Started { attempt: AttemptId(attempt), task, worker: 3, build: build(), micro_batch: None, start: None }
}

pub fn metrics(epoch: u32) -> EpochMetrics {
    EpochMetrics {
        epoch,
        train_loss: 1.0 / f64::from(epoch),
        train_accuracy: 0.1 + 0.2,
        val_loss: 0.5,
        val_accuracy: 0.75,
        learning_rate: 1e-3,
        seconds: 12.5,
        images_per_second: 80.0,
        peak_memory: 3 << 30,
        by_class: None,
    }
}

pub fn epoch(attempt: u64, trial: TrialId, number: u32) -> Record {
    Record::Epoch { attempt: AttemptId(attempt), trial, metrics: metrics(number) }
}

pub fn evaluation() -> Evaluation {
    Evaluation {
        test_loss: 0.625,
        test_accuracy: 0.7,
        class_accuracy: vec![0.1 + 0.2, 1.0],
        confusion: vec![vec![3, 7], vec![0, 10]],
        trained_parameters: 20_177_488,
        // What the two epochs took.
        seconds: 25.0,
        validation_images: Some(90),
        by_class: None,
        right: None,
    }
}

pub fn completed(attempt: u64, trial: TrialId) -> Record {
    Record::Completed { attempt: AttemptId(attempt), trial, evaluation: evaluation() }
}

/// Which images are right, as the accuracies of [`metrics`] and [`evaluation`] have it: 9 of 12, and 14 of 20.
pub fn right() -> Right {
    Right {
        validation: (0..12).map(|image| image % 4 != 3).collect(),
        test: (0..20).map(|image| image < 14).collect(),
    }
}

/// A start of a trial from the features of a cut.
pub fn started_from(attempt: u64, trial: TrialId, from: Start) -> Record {
    let mut record = started(attempt, trial);
    if let Record::Started { start, .. } = &mut record {
        *start = Some(from);
    }
    record
}

pub fn failure(kind: FailureKind) -> Failure {
    Failure { kind, message: "the loss is inf in epoch 1".into(), log: vec!["step 1".into(), "step 2".into()] }
}

pub fn failed(attempt: u64, trial: TrialId, kind: FailureKind, state: TrialState) -> Record {
    let ending = Ending::Failed(failure(kind));
    Record::Ended { attempt: AttemptId(attempt), ending, trial: Some((trial, state)) }
}

/// All of a trial's life, by one attempt.
pub fn life(attempt: u64, trial: TrialId) -> Vec<Record> {
    vec![started(attempt, trial), epoch(attempt, trial, 1), epoch(attempt, trial, 2), completed(attempt, trial)]
}
