//! A sweep's page from a database.

// clippy.toml allows it in tests, which does not cover the functions that they share.
#![allow(clippy::unwrap_used)]

use frostline_store::{Provenance, Reader, Sweep, Writer};
use frostline_sweep::expand::Trial;
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::outcome::AttemptId;
use frostline_sweep::record::{Build, Record, TaskKey};
use frostline_sweep::reuse::Estimate;
use frostline_sweep::trial::TrialSpec;
use frostline_view::page::{Saved, Wanted, page, ranking};
use serde_json::json;
use tempfile::TempDir;

fn trial(frozen_layers: u32) -> Trial {
    let spec = json!({
        "data": {
            "dataset": "shapes", "digest": "d", "validation": { "share": 0.2 }, "image_size": 64,
            "augment": "none", "train_limit": 1000, "test_limit": 20,
        },
        "model": { "backbone": "efficientnet_lite0", "weights": "random" },
        "parameters": {
            "frozen_layers": frozen_layers, "head_units": [8], "head_dropout": [0.0], "optimizer": "adam",
            "learning_rate": 0.001,
            "recipe": {
                "schedule": "constant", "warmup_epochs": 0, "momentum": 0.0, "weight_decay": 0.0,
                "label_smoothing": 0.0, "clip_norm": 0.0,
            },
            "epochs": 1, "batch_size": 20, "precision": "float32",
        },
        "seed": 0,
    });
    let spec: TrialSpec = serde_json::from_value(spec).unwrap();
    Trial { id: spec.id(), group: spec.group(), spec }
}

fn started(attempt: u64, task: TaskKey) -> Record {
    let build = Build {
        version: "0.1.0".into(),
        libtorch: "2.13.0 (cpu)".into(),
        device: "cpu".into(),
        threads: 2,
        host: "there".into(),
    };
    Record::Started { attempt: AttemptId(attempt), task, worker: 1, build, micro_batch: None }
}

/// A trial that took so many seconds, with what was estimated before.
fn completed(attempt: u64, trial: &Trial, accuracy: f64, seconds: f64, plan: Option<(u32, Estimate)>) -> Vec<Record> {
    let id = AttemptId(attempt);
    let metrics = json!({
        "epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 1.0, "val_accuracy": accuracy,
        "learning_rate": 0.001, "seconds": seconds, "images_per_second": 80.0, "peak_memory": 1,
    });
    let evaluation = json!({
        "test_loss": 0.6, "test_accuracy": 0.5, "class_accuracy": [0.5, 0.5], "confusion": [[5, 5], [5, 5]],
        "trained_parameters": 10, "seconds": seconds, "validation_images": 200,
    });
    let mut records = vec![started(attempt, TaskKey::Trial(trial.id))];
    records.extend(plan.map(|(cut, estimate)| Record::Planned { attempt: id, cut, estimate: Some(estimate) }));
    let metrics = serde_json::from_value(metrics).unwrap();
    records.push(Record::Epoch { attempt: id, trial: trial.id, metrics });
    let evaluation = serde_json::from_value(evaluation).unwrap();
    records.push(Record::Completed { attempt: id, trial: trial.id, evaluation });
    records
}

fn fill(attempt: u64, of: &Trial, cut: u32, seconds: f64) -> Vec<Record> {
    let key = FeatureSpec::of(&of.spec, cut).key();
    let filled = Record::Filled { attempt: AttemptId(attempt), bytes: 1, seconds, computed: true };
    vec![started(attempt, TaskKey::Fill(key)), filled]
}

/// Three depths, of which the deepest starts from features.
fn results(plans: bool) -> (TempDir, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(folder.path()).unwrap();
    let provenance =
        Provenance { program: "0.1.0".into(), git_commit: None, libtorch: None, device: None, host: "here".into() };
    let sweep = Sweep {
        name: "demo".into(),
        objective: "val_accuracy".into(),
        definition: String::new(),
        file: "demo.toml".into(),
        provenance,
        threads: None,
    };
    let trials = [0, 135, 151].map(trial);
    writer.put_sweep(&sweep, &trials, false).unwrap();
    let plan = |cut, seconds, without| plans.then_some((cut, Estimate { seconds, without }));
    writer.apply("demo", &completed(1, &trials[0], 0.5, 40.0, plan(0, 30.0, 30.0))).unwrap();
    writer.apply("demo", &completed(2, &trials[1], 0.75, 20.0, plan(0, 25.0, 25.0))).unwrap();
    writer.apply("demo", &fill(3, &trials[2], 18, 8.0)).unwrap();
    // Features of a cut that is behind the frozen part of all of them would be another sweep's.
    let other =
        Trial { spec: TrialSpec { data: trial_data("other"), ..trials[2].spec.clone() }, ..trials[2].clone() };
    writer.apply("demo", &fill(4, &other, 18, 100.0)).unwrap();
    writer.apply("demo", &completed(5, &trials[2], 0.625, 2.0, plan(18, 1.0, 10.0))).unwrap();
    drop(writer);
    let reader = Reader::open(folder.path()).unwrap();
    (folder, reader)
}

fn trial_data(digest: &str) -> frostline_sweep::trial::DataSpec {
    frostline_sweep::trial::DataSpec { digest: digest.to_owned(), ..trial(0).spec.data }
}

const WANTED: Wanted = Wanted { rows: 10, curves: 2, trials: 1, effects_of: 3 };

#[test]
fn a_page_has_the_ranking_and_what_it_is_seen_beside() {
    let (_folder, reader) = results(true);
    let page = page(&reader, "demo", WANTED).unwrap();
    let frozen: Vec<u32> = page.rows.iter().map(|row| row.frozen_layers()).collect();
    assert_eq!(frozen, [135, 151, 0]);
    assert_eq!((page.rows[0].value, page.rows[0].metric("seconds"), page.rows[0].is_group), (0.75, 20.0, false));
    assert_eq!((page.curves.len(), page.trials.len()), (2, 1));
    assert_eq!(page.curves[0].trial, page.rows[0].trial);
    assert_eq!(page.effects.unwrap().axes[0].name, "frozen_layers");
    assert_eq!(page.network.unwrap().layers, 151);
    let few = page_of(&reader, Wanted { rows: 1, curves: 0, trials: 0, effects_of: 2 });
    assert_eq!((few.rows.len(), few.trials.len(), few.effects.is_none()), (1, 0, true));
    assert!(few.spec.is_some(), "what trials have in common is known without one in full");
}

fn page_of(reader: &Reader, wanted: Wanted) -> frostline_view::page::Page {
    page(reader, "demo", wanted).unwrap()
}

#[test]
fn time_saved_scales_what_was_measured_by_what_was_estimated() {
    let (_folder, reader) = results(true);
    // 40 and 20 seconds as they were, and 2 that would have been ten times as long; one fill of this data.
    let saved = Saved { without: 80.0, fills: 8.0, trials: 62.0 };
    assert_eq!(page_of(&reader, WANTED).saved, Some(saved));
    let (_folder, reader) = results(false);
    assert_eq!(page_of(&reader, WANTED).saved, None, "nobody wrote down where trials started");
}

#[test]
fn rows_come_in_the_order_of_any_column() {
    let (_folder, reader) = results(true);
    let frozen = |order, after, most| -> Vec<u32> {
        let found = ranking(&reader, "demo", &[], order, after, most).unwrap();
        assert_eq!(found.best.total, 3);
        found.rows.iter().map(|row| row.frozen_layers()).collect()
    };
    assert_eq!(frozen(None, 0, 10), [135, 151, 0]);
    assert_eq!(frozen(None, 1, 1), [151]);
    assert_eq!(frozen(Some(("seconds", false)), 0, 10), [151, 135, 0]);
    assert_eq!(frozen(Some(("frozen_layers", true)), 0, 2), [151, 135]);
    assert_eq!(frozen(Some(("val_accuracy", false)), 0, 10), [0, 151, 135]);
    assert_eq!(frozen(Some(("unheard_of", false)), 0, 10), [135, 151, 0]);
}
