//! What `best` answers where a sweep has several seeds: by trials that a store holds.

// clippy.toml allows it in tests, which does not cover the functions that they share.
#![allow(clippy::unwrap_used)]

use frostline_store::{Provenance, Reader, Sweep, Writer};
use frostline_sweep::definition::Definition;
use frostline_sweep::expand::{Sources, Trial};
use frostline_sweep::filter::Filter;
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Evaluation};
use frostline_sweep::record::{Build, Record, TaskKey};
use frostline_sweep::trial::WeightsIdentity;
use frostline_view::best::{Because, Best, Doubt, Group, Question, Rows, best};
use tempfile::TempDir;

/// Three configurations with three seeds each.
const TEXT: &str = r#"
[sweep]
name = "demo"
seeds = [0, 1, 2]
[data]
dataset = "shapes"
[model]
backbone = "efficientnet_lite0"
weights = "random"
[grid]
learning_rate = [0.1, 0.2, 0.3]
[train]
frozen_layers = "all"
head_units = [8]
epochs = 1
"#;

/// A results folder in which the trials, in their order, have come to these accuracies; those without one wait.
fn filled(accuracies: [Option<f64>; 9]) -> (TempDir, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let definition = Definition::parse("demo.toml", TEXT, &[]).unwrap();
    let trials = definition.expand(&Sources::plain("data".to_owned(), WeightsIdentity::Random));
    let host = "here".to_owned();
    let sweep = Sweep {
        name: "demo".to_owned(),
        objective: "val_accuracy".to_owned(),
        definition: definition.text.clone(),
        file: "demo.toml".to_owned(),
        provenance: Provenance { program: "test".to_owned(), git_commit: None, libtorch: None, device: None, host },
        threads: Some(1),
    };
    let mut writer = Writer::open(folder.path()).unwrap();
    writer.put_sweep(&sweep, &trials, false).unwrap();
    let lives = (1..).zip(trials.iter().zip(accuracies));
    let records: Vec<Record> =
        lives.filter_map(|(attempt, (trial, value))| Some(life(attempt, trial, value?))).flatten().collect();
    writer.apply("demo", &records).unwrap();
    drop(writer);
    let reader = Reader::open(folder.path()).unwrap();
    (folder, reader)
}

fn life(attempt: u64, trial: &Trial, val_accuracy: f64) -> [Record; 3] {
    let (attempt, trial) = (AttemptId(attempt), trial.id);
    let word = || "test".to_owned();
    let build = Build { version: word(), libtorch: word(), device: word(), threads: 1, host: word() };
    let metrics = EpochMetrics {
        epoch: 1,
        train_loss: 1.0,
        train_accuracy: 0.5,
        val_loss: 1.0,
        val_accuracy,
        learning_rate: 0.1,
        seconds: 1.0,
        images_per_second: 1.0,
        peak_memory: 1,
    };
    let evaluation = Evaluation {
        test_loss: 1.0,
        test_accuracy: 0.5,
        class_accuracy: vec![0.5],
        confusion: vec![vec![1]],
        trained_parameters: 1,
        seconds: 1.0,
        validation_images: Some(100),
    };
    [
        Record::Started { attempt, task: TaskKey::Trial(trial), worker: 1, build, micro_batch: None },
        Record::Epoch { attempt, trial, metrics },
        Record::Completed { attempt, trial, evaluation },
    ]
}

fn ask(reader: &Reader, filters: &[Filter]) -> Best {
    best(reader, Question { sweep: "demo", most: 10, filters, trials: false, whole: true }).unwrap()
}

fn groups(best: &Best) -> &[Group] {
    match &best.rows {
        Rows::Groups(groups) => groups,
        Rows::Trials(_) => panic!("trials: {best:?}"),
    }
}

/// Learning rates of the rows, best first.
fn rates(best: &Best) -> Vec<f64> {
    groups(best).iter().map(|group| group.parameters["learning_rate"].as_f64().unwrap()).collect()
}

#[test]
fn the_luckiest_trial_does_not_make_its_configuration_the_best() {
    let values = [0.9, 0.2, 0.1, 0.7, 0.71, 0.72, 0.5, 0.5, 0.5].map(Some);
    let (_folder, reader) = filled(values);
    let best = ask(&reader, &[]);
    assert_eq!(rates(&best), [0.2, 0.3, 0.1]);
    let first = &groups(&best)[0];
    assert!((first.objective - 0.71).abs() < 1e-12 && (first.deviation.unwrap() - 0.01).abs() < 1e-12);
    assert_eq!((first.seeds, first.seeds_wanted, best.total), (3, 3, 3));
    assert_eq!(best.columns.names().collect::<Vec<_>>(), ["learning_rate"], "a row stands for all seeds");
    let trials = best_trials(&reader);
    assert_eq!((trials[0], trials.len()), (0.9, 9), "which `--trials` shows");
}

fn best_trials(reader: &Reader) -> Vec<f64> {
    let best = best(reader, Question { sweep: "demo", most: 10, filters: &[], trials: true, whole: true }).unwrap();
    match best.rows {
        Rows::Trials(trials) => trials.iter().map(|trial| trial.objective).collect(),
        Rows::Groups(_) => panic!("groups"),
    }
}

#[test]
fn what_the_seeds_do_not_explain_is_told_apart() {
    let close = |values: [f64; 9]| ask(&filled(values.map(Some)).1, &[]).doubt;
    let seeds = |close| Some(Doubt { close, because: Because::Seeds });
    // Seeds move each by 0.01: least significant difference 0.02.
    assert_eq!(close([0.5, 0.51, 0.52, 0.6, 0.61, 0.62, 0.7, 0.71, 0.72]), seeds(1));
    assert_eq!(close([0.5, 0.51, 0.52, 0.7, 0.71, 0.72, 0.71, 0.72, 0.73]), seeds(2));
    assert_eq!(close([0.5, 0.6, 0.7, 0.51, 0.61, 0.71, 0.52, 0.62, 0.72]), seeds(3));
}

#[test]
fn while_each_has_one_seed_the_validation_images_say_what_is_told_apart() {
    let (_folder, reader) = filled([Some(0.5), None, None, Some(0.9), None, None, Some(0.88), None, None]);
    let best = ask(&reader, &[]);
    assert_eq!(rates(&best), [0.2, 0.3, 0.1]);
    assert_eq!(best.doubt, Some(Doubt { close: 2, because: Because::Images(100) }));
    let first = &groups(&best)[0];
    assert_eq!((first.deviation, first.seeds, first.seeds_wanted), (None, 1, 3));
}

#[test]
fn conditions_choose_the_trials_that_are_grouped() {
    let (_folder, reader) = filled([0.9, 0.2, 0.1, 0.7, 0.71, 0.72, 0.5, 0.5, 0.5].map(Some));
    let filter = |text| Filter::parse(text).unwrap();
    assert_eq!(rates(&ask(&reader, &[filter("learning_rate!=0.2")])), [0.3, 0.1]);
    let best = ask(&reader, &[filter("seed=0")]);
    assert_eq!(rates(&best), [0.1, 0.2, 0.3]);
    assert!(groups(&best).iter().all(|group| group.trials.len() == 1 && group.deviation.is_none()));
}
