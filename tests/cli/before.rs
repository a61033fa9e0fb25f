//! A results folder of version 0.1.0: today's programs read it, go on with it and rank it.

use crate::place::{Place, summaries};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The losses in training, validation and test, and the accuracies, as version 0.1.0 printed them, best first.
const RECORDED: [(&str, [f64; 6]); 4] = [
    ("ec9bb375", [2.3027666807174683, 2.3025853633880615, 2.3025853633880615, 0.1, 0.1, 0.1]),
    ("bc4249c6", [2.304433584213257, 2.3026347160339355, 2.3026347160339355, 0.1, 0.1, 0.1]),
    ("65be7c71", [2.3028006553649902, 2.3025877475738525, 2.3011698722839355, 0.1, 0.0, 0.0]),
    ("27cce546", [2.3032357692718506, 2.302642345428467, 2.301234722137451, 0.1, 0.0, 0.0]),
];

/// A copy of the folder, with the two definitions beside it.
fn place() -> Place {
    let place = Place::that_trains();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets/before"), &place.path(""));
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Trials in their order, with what was measured.
fn measured(best: &Value) -> Vec<(String, [f64; 6])> {
    let names = ["train_loss", "val_loss", "test_loss", "train_accuracy", "val_accuracy", "test_accuracy"];
    let row = |trial: &Value| {
        let id = trial["trial"].as_str().unwrap()[..8].to_owned();
        (id, names.map(|name| trial["metrics"][name].as_f64().unwrap()))
    };
    best.as_array().unwrap().iter().map(row).collect()
}

fn sweep_counts(list: &Value, name: &str) -> [u64; 4] {
    let sweep = list.as_array().unwrap().iter().find(|sweep| sweep["name"] == name).unwrap();
    ["complete", "waiting", "cancelled", "failed"].map(|state| sweep["trials"][state].as_u64().unwrap())
}

#[test]
fn what_was_recorded_is_read_to_the_last_digit() {
    let place = place();
    let recorded = RECORDED.map(|(id, values)| (id.to_owned(), values));
    assert_eq!(measured(&place.json("best before --json")), recorded);
    let list = place.json("list --json");
    assert_eq!(sweep_counts(&list, "before"), [4, 5, 1, 0]);
    assert_eq!(sweep_counts(&list, "diverged"), [0, 0, 0, 1]);
    let trials = place.trials("before");
    let interrupted = trials.iter().find(|trial| trial.id.starts_with("0ad26c05")).unwrap();
    assert_eq!((interrupted.summary().as_str(), interrupted.epoch), ("waiting after 1", 22));
    let failed = place.json("show 09b94ac2 --json");
    assert_eq!(failed["attempts"][0]["failure"]["kind"], "diverged");
    let verified = place.json("verify --json");
    assert_eq!(verified["sound"], true, "{verified}");
    assert_eq!([&verified["checkpoints"], &verified["feature_caches"]], [1, 1]);
    place.succeed("export-model ec9bb375 -o exported");
}

#[test]
fn what_was_interrupted_goes_on_and_is_ranked_with_what_was_there() {
    let place = place();
    let epochs = |place: &Place| place.json("show 0ad26c05 --json")["epochs"].as_array().unwrap().clone();
    let begun = epochs(&place);
    let resumed = place.succeed("resume before");
    assert!(!resumed.stderr.contains("cached the output of block6c"), "they are there: {resumed}");
    let expected = [
        "complete after 1",
        "complete after 1",
        "complete after 1",
        "complete after 1",
        "complete after 2",
        "complete after 1",
        "complete after 1",
        "complete after 1",
        "complete after 1",
        "cancelled after 0",
    ];
    assert_eq!(summaries(&place.trials("before")), expected);
    // With the seconds that they took then: they were not computed again.
    assert_eq!((begun.len(), epochs(&place).len()), (22, 60));
    assert_eq!(epochs(&place)[..22], begun[..]);
    let ranked = measured(&place.json("best before --json"));
    assert_eq!(ranked.len(), 9);
    for (id, values) in RECORDED {
        assert!(ranked.contains(&(id.to_owned(), values)), "{id} in {ranked:?}");
    }
    let verified = place.json("verify --json");
    assert_eq!(verified["sound"], true, "{verified}");
}

/// Identities of released versions never change: each cell of the file is a trial that is known already.
#[test]
fn its_definition_still_means_the_same_trials() {
    let place = place();
    place.succeed("cancel before");
    let launched = place.succeed("launch before.toml");
    assert!(
        launched.stderr.contains("`before`: nothing new, ") && launched.stderr.contains(" of 10 trials finished"),
        "{launched}"
    );
}
