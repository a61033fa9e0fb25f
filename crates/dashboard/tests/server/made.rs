//! A results folder with a made-up sweep: three depths, two heads, two seeds; one trial has failed in an odd way.

use frostline_store::{Provenance, Sweep, Writer};
use frostline_sweep::expand::Trial;
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Evaluation, Failure, FailureKind, Right, TrialState};
use frostline_sweep::record::{Build, Ending, Record, TaskKey};
use frostline_sweep::trial::TrialSpec;
use serde_json::json;
use tempfile::TempDir;

pub const ODD: &str = "the loss is <script>alert(1)</script> & \"inf\"";

pub struct Made {
    pub folder: TempDir,
    pub writer: Writer,
    pub trials: Vec<Trial>,
}

fn trial(frozen_layers: u32, units: u32, seed: u64) -> Trial {
    let spec = json!({
        "data": {
            "dataset": "shapes", "digest": "0123456789abcdef0123", "validation": { "share": 0.2 }, "image_size": 64,
            "augment": "none", "train_limit": 1000, "test_limit": 20,
        },
        "model": { "backbone": "efficientnet_lite0", "weights": "random" },
        "parameters": {
            "frozen_layers": frozen_layers, "head_units": [units], "head_dropout": [0.0], "optimizer": "adam",
            "learning_rate": 0.001,
            "recipe": {
                "schedule": "constant", "warmup_epochs": 0, "momentum": 0.0, "weight_decay": 0.0,
                "label_smoothing": 0.0, "clip_norm": 0.0,
            },
            "epochs": 3, "batch_size": 20, "precision": "float32",
        },
        "seed": seed,
    });
    let spec: TrialSpec = serde_json::from_value(spec).unwrap();
    Trial { id: spec.id(), group: spec.group(), spec }
}

fn sweep() -> Sweep {
    Sweep {
        name: "made".into(),
        objective: "val_accuracy".into(),
        definition: "[sweep]\nname = \"made\"\n".into(),
        file: "sweeps/made.toml".into(),
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

fn started(attempt: u64, trial: &Trial) -> Record {
    let build = Build {
        version: "0.1.0".into(),
        libtorch: "2.13.0 (cpu)".into(),
        device: "cpu".into(),
        threads: 2,
        host: "there".into(),
        processor: None,
    };
    let task = TaskKey::Trial(trial.id);
    Record::Started { attempt: AttemptId(attempt), task, worker: 1, build, micro_batch: None, start: None }
}

/// Whole images of 200: better where less is frozen, and a little by head and seed.
fn right(trial: &Trial) -> u32 {
    let parameters = &trial.spec.parameters;
    let depth = (151 - parameters.frozen_layers) / 12;
    120 + 2 * depth + parameters.head_units[0] / 32 + trial.spec.seed as u32 * 3
}

fn completed(attempt: u64, trial: &Trial) -> Vec<Record> {
    let (id, right) = (AttemptId(attempt), right(trial));
    let seconds = 1.0 + f64::from(151 - trial.spec.parameters.frozen_layers) / 10.0;
    let epoch = |epoch: u32| -> EpochMetrics {
        let metrics = json!({
            "epoch": epoch, "train_loss": 1.0 / f64::from(epoch), "train_accuracy": 0.3 * f64::from(epoch),
            "val_loss": 1.0 - f64::from(right) / 400.0, "val_accuracy": f64::from(right - 10 * (3 - epoch)) / 200.0,
            "learning_rate": 0.001, "seconds": seconds, "images_per_second": 80.0, "peak_memory": 1 << 30,
        });
        serde_json::from_value(metrics).unwrap()
    };
    let mut records = vec![started(attempt, trial)];
    records.extend((1..=3).map(|number| Record::Epoch { attempt: id, trial: trial.id, metrics: epoch(number) }));
    let evaluation = json!({
        "test_loss": 0.6, "test_accuracy": 0.65, "class_accuracy": [0.3, 1.0], "confusion": [[3, 7], [0, 10]],
        "trained_parameters": 12_345, "seconds": 3.0 * seconds, "validation_images": 200,
    });
    let mut evaluation: Evaluation = serde_json::from_value(evaluation).unwrap();
    // The first images are easy; one of the test images nobody recognises.
    evaluation.right = Some(Right {
        validation: (0..200).map(|image| image < right).collect(),
        test: (0..20).map(|image| image != 19 && (image < 12 || image % 2 == trial.spec.seed as u32 % 2)).collect(),
    });
    records.push(Record::Completed { attempt: id, trial: trial.id, evaluation });
    records
}

impl Made {
    /// Launched, and nothing more.
    pub fn unstarted() -> Made {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(folder.path()).unwrap();
        let mut trials = Vec::new();
        for frozen_layers in [91, 135, 151] {
            for units in [64, 256] {
                trials.extend([0, 1].map(|seed| trial(frozen_layers, units, seed)));
            }
        }
        trials.push(trial(0, 64, 0));
        trials.push(trial(0, 64, 1));
        writer.put_sweep(&sweep(), &trials, false).unwrap();
        Made { folder, writer, trials }
    }

    pub fn new() -> Made {
        let Made { folder, mut writer, trials } = Made::unstarted();
        for (number, trial) in (1..).zip(&trials[..12]) {
            let records = completed(number, trial);
            // At two moments, as it would be.
            writer.apply("made", &records[..1]).unwrap();
            writer.apply("made", &records[1..]).unwrap();
        }
        let failure = Failure { kind: FailureKind::Diverged, message: ODD.to_owned(), log: vec![ODD.to_owned()] };
        let ended = Record::Ended {
            attempt: AttemptId(13),
            ending: Ending::Failed(failure),
            trial: Some((trials[12].id, TrialState::Failed)),
        };
        writer.apply("made", &[started(13, &trials[12]), ended]).unwrap();
        Made { folder, writer, trials }
    }

    /// Completes the trial that waits.
    pub fn go_on(&mut self) {
        self.writer.apply("made", &completed(14, &self.trials[13])).unwrap();
    }

    pub fn server(&self) -> crate::browser::Server {
        crate::browser::Server::of(self.folder.path())
    }

    pub fn results(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn reader(&self) -> frostline_store::Reader {
        frostline_store::Reader::open(self.folder.path()).unwrap()
    }
}
