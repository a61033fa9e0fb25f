//! What `export` writes is what other programs read: the packages themselves, number by number.

use crate::place::{Place, not_run};
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A failure as no format likes it.
const ODD: &str = "the loss is \"inf\", in epoch 1;\n\tÄrger mit ❄, 'so' 100 %\r\nund weiter";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/exports").join(name)
}

/// A sweep under the name of the documentation's: two depths, two seeds, and a rate by which nothing can be learned.
fn trained() -> Place {
    let place = Place::that_trains();
    place.edit("\"demo\"", "\"cifar10-lite0\"\nseeds = [0, 1]");
    place.edit("[0, \"all\"]", "[135, \"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3, 1e38]");
    let launched = place.run("launch demo.toml");
    assert_eq!(launched.code, Some(3), "{launched}");
    let database = Connection::open(place.path("results/frostline.db")).unwrap();
    let sql = "UPDATE attempt SET failure_message = ?1 WHERE outcome = 'failed'";
    assert_eq!(database.execute(sql, [ODD]).unwrap(), 4);
    place
}

#[test]
fn packages_of_python_read_every_format_number_by_number() {
    let place = trained();
    for format in ["csv", "json", "parquet"] {
        place.succeed(&format!("export cifar10-lite0 --format {format} -o tables/{format}"));
    }
    place.succeed("export cifar10-lite0 --format tensorboard -o logs");
    place.succeed("export cifar10-lite0 --format optuna -o study");
    for (file, question) in [
        ("best.json", "best cifar10-lite0 --trials -n 1000 --json"),
        ("groups.json", "best cifar10-lite0 -n 1000 --json"),
        ("status.json", "status cifar10-lite0 --json"),
    ] {
        place.write(file, place.json(question).to_string());
    }
    for trial in place.trials("cifar10-lite0") {
        place.write(&format!("show/{}.json", trial.id), place.json(&format!("show {} --json", trial.id)).to_string());
    }
    let checked = Command::new("python3").arg(script("check.py")).arg(place.path("")).output();
    let Ok(checked) = checked else { return not_run("there is no python3") };
    let said = format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    if checked.status.code() == Some(99) {
        return not_run(&said);
    }
    assert!(checked.status.success(), "{said}");
    assert!(said.contains("8 trials read by csv, json, pandas, pyarrow, TensorBoard and Optuna"), "{said}");
}

/// What a running sweep has so far; what has no place in a format yet is left out, and said.
#[test]
fn an_export_of_a_running_sweep_is_of_one_moment() {
    let place = Place::new();
    place.hold();
    let running = place.start("launch demo.toml");
    let begun = place.wait_for_epochs("demo", 2);
    let said = place.succeed("export demo --format json -o tables").stdout;
    assert!(said.starts_with("tables: `demo` for json, 4 trials, 2 epochs\n"), "{said}");
    let rows = |file: &str| -> Vec<Value> {
        place.read(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let states: Vec<Value> = rows("tables/trials.jsonl").iter().map(|row| row["state"].clone()).collect();
    let stand: Vec<Value> = begun.iter().map(|trial| trial.state.clone().into()).collect();
    assert_eq!(states, stand);
    assert!(rows("tables/trials.jsonl").iter().all(|row| row["rank"].is_null() && row["val_accuracy"].is_null()));
    assert!(rows("tables/epochs.jsonl").iter().all(|row| row["accepted"] == false && row["epoch"] == 1));
    let said = place.succeed("export demo --format optuna -o study").stdout;
    assert!(said.ends_with("Left out: 4 trials of which optuna can hold nothing yet\n"), "{said}");
    let said = place.succeed("export demo --format tensorboard -o logs").stdout;
    assert!(said.contains("2 trials, 2 epochs\n") && said.contains("Left out: 2 trials"), "{said}");
    place.release();
    assert_eq!(running.wait().code, Some(0));
    // The same folder again, and the same bytes each time.
    place.succeed("export demo --format json -o tables");
    let first = place.read("tables/trials.jsonl");
    place.succeed("export demo --format json -o tables");
    assert_eq!(place.read("tables/trials.jsonl"), first);
    assert!(rows("tables/trials.jsonl").iter().all(|row| row["state"] == "complete"));
}

#[test]
fn a_folder_with_anything_else_is_left_alone() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let refused = place.run("export demo --format csv -o results");
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("which no export has put there: name another folder with -o"), "{refused}");
    place.succeed("export demo --format optuna -o study");
    let study = Connection::open(place.path("study/optuna.db")).unwrap();
    study.execute("INSERT INTO studies VALUES (3, 'mine')", []).unwrap();
    drop(study);
    let refused = place.run("export demo --format optuna -o study");
    assert!(refused.code == Some(2) && refused.stderr.contains("has changed since it was exported"), "{refused}");
    // Neither an unknown sweep nor an unknown format leaves a folder.
    assert_eq!(place.run("export dem --format csv -o none").code, Some(2));
    assert_eq!(place.run("export demo --format xlsx -o none").code, Some(2));
    assert!(!place.path("none").exists());
    assert!(fs::read_dir(place.path("study")).unwrap().count() == 2);
}
