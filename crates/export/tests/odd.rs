//! What is no number, has no meaning for a trial or has nothing yet, in the files of others.

// clippy.toml allows it in tests, which does not cover the functions that they share.
#![allow(clippy::unwrap_used)]

use frostline_export::{Exported, export, find};
use frostline_store::{Provenance, Reader, Sweep, Writer};
use frostline_sweep::definition::Definition;
use frostline_sweep::expand::{Sources, Trial};
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Evaluation};
use frostline_sweep::record::{Build, Record, TaskKey};
use rusqlite::Connection;
use std::fs;
use tempfile::TempDir;

/// Four trials, of which two have a momentum.
const TEXT: &str = r#"
[sweep]
name = "demo"
objective = "val_loss"
[data]
dataset = "shapes"
[model]
backbone = "efficientnet_lite0"
weights = "random"
[grid]
optimizer = ["sgd", "adam"]
head_units = [[], [8, 4]]
[train]
frozen_layers = "all"
epochs = 1
"#;

/// With these losses; the fourth trial waits.
const LOSSES: [f64; 3] = [0.5, f64::NAN, f64::INFINITY];

fn life(attempt: u64, trial: &Trial, val_loss: f64) -> [Record; 3] {
    let (attempt, trial) = (AttemptId(attempt), trial.id);
    let text = || "here".to_owned();
    let build =
        Build { version: text(), libtorch: text(), device: text(), threads: 1, host: text(), processor: None };
    let metrics = EpochMetrics {
        epoch: 1,
        train_loss: 1.0,
        train_accuracy: 0.25,
        val_loss,
        val_accuracy: 0.5,
        learning_rate: 0.1,
        seconds: 2.0,
        images_per_second: 100.0,
        peak_memory: 1 << 40,
        by_class: None,
    };
    let evaluation = Evaluation {
        test_loss: 1.0,
        test_accuracy: 0.5,
        class_accuracy: vec![0.5],
        confusion: vec![vec![1]],
        trained_parameters: 1,
        seconds: 2.0,
        validation_images: None,
        by_class: None,
        right: None,
    };
    [
        Record::Started { attempt, task: TaskKey::Trial(trial), worker: 0, build, micro_batch: None, start: None },
        Record::Epoch { attempt, trial, metrics },
        Record::Completed { attempt, trial, evaluation },
    ]
}

fn exported(format: &str) -> (TempDir, Exported) {
    let folder = tempfile::tempdir().unwrap();
    let definition = Definition::parse("demo.toml", TEXT, &[]).unwrap();
    let trials = definition.expand(&Sources::plain("data".to_owned()));
    let sweep = Sweep {
        name: "demo".to_owned(),
        objective: "val_loss".to_owned(),
        definition: definition.text.clone(),
        file: "demo.toml".to_owned(),
        provenance: Provenance {
            program: "test".to_owned(),
            git_commit: None,
            libtorch: None,
            device: None,
            host: "here".to_owned(),
        },
        threads: Some(1),
    };
    let mut writer = Writer::open(folder.path()).unwrap();
    writer.put_sweep(&sweep, &trials, false).unwrap();
    let records: Vec<Record> = (1..)
        .zip(trials.iter().zip(LOSSES))
        .flat_map(|(attempt, (trial, loss))| life(attempt, trial, loss))
        .collect();
    writer.apply("demo", &records).unwrap();
    drop(writer);
    let mut reader = Reader::open(folder.path()).unwrap();
    let exported = export(&mut reader, "demo", find(format).unwrap(), &folder.path().join("out")).unwrap();
    (folder, exported)
}

#[test]
fn a_value_that_is_no_number_fails_in_optuna_and_an_infinite_one_does_not() {
    let (folder, exported) = exported("optuna");
    assert_eq!((exported.trials, exported.left_out), (3, 1));
    let database = Connection::open(folder.path().join("out/optuna.db")).unwrap();
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(
        rows("SELECT number || ' ' || state FROM trials WHERE study_id = 1"),
        ["0 COMPLETE", "1 FAIL", "2 COMPLETE"]
    );
    let values = "SELECT number || ' ' || objective || ' ' || value_type || ' ' || ifnull(value, '-')
        FROM trial_values JOIN trials USING (trial_id) WHERE study_id = 2 ORDER BY trial_id, objective";
    assert_eq!(rows(values), ["0 0 FINITE 0.5", "0 1 FINITE 2.0", "2 0 INF_POS -", "2 1 FINITE 2.0"]);
    let epochs = "SELECT step || ' ' || intermediate_value_type FROM trial_intermediate_values ORDER BY trial_id";
    assert_eq!(rows(epochs), ["1 FINITE", "1 NAN", "1 INF_POS"]);
    assert_eq!(rows("SELECT direction FROM study_directions ORDER BY study_id, objective"), ["MINIMIZE"; 3]);
    // A trial of Adam has no momentum; a head is one of a choice, by its place.
    let parameters = "SELECT param_name || ' ' || param_value FROM trial_params JOIN trials USING (trial_id)
        WHERE study_id = 1 ORDER BY trial_id, param_name";
    assert_eq!(
        rows(parameters),
        [
            "head_units 0.0",
            "momentum 0.9",
            "optimizer 0.0",
            "head_units 1.0",
            "momentum 0.9",
            "optimizer 0.0",
            "head_units 0.0",
            "optimizer 1.0",
        ]
    );
    let choices = "SELECT DISTINCT distribution_json FROM trial_params WHERE param_name = 'head_units'";
    assert_eq!(rows(choices), [r#"{"attributes":{"choices":["none","8-4"]},"name":"CategoricalDistribution"}"#]);
}

#[test]
fn tables_tell_what_is_no_number_from_what_is_not_there() {
    let (folder, _) = exported("csv");
    let table = fs::read_to_string(folder.path().join("out/trials.csv")).unwrap();
    let mut rows = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let column = |name: &str| header.iter().position(|it| *it == name).unwrap();
    let [state, objective, rank, momentum] = ["state", "objective", "rank", "momentum"].map(column);
    let told: Vec<[&str; 4]> = rows.map(|row| [row[state], row[objective], row[rank], row[momentum]]).collect();
    assert_eq!(
        told,
        [
            ["complete", "0.5", "1", "0.9"],
            ["complete", "NaN", "3", "0.9"],
            ["complete", "inf", "2", ""],
            ["waiting", "", "", ""],
        ]
    );
}
