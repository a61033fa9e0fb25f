//! Sweeps from plan to ranking, undisturbed.

use crate::place::{DEMO, Place, Trial, is_trial_id, summaries};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The keys of an object, in order.
pub fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// How often each trial was tried.
fn attempts(trials: &[Trial]) -> BTreeMap<String, u64> {
    trials.iter().map(|trial| (trial.id.clone(), trial.attempts)).collect()
}

#[test]
fn a_plan_shows_the_trials_and_starts_nothing() {
    let place = Place::new();
    says!(place, "plan demo.toml", @r"
    exit code 0
    --- output
    `demo`: 4 trials x 2 epochs (8 in all), ranked by val_accuracy
    efficientnet_lite0, 151 layers, 3.41 M parameters, weights random
    the same for all: head_units 8, epochs 2, batch_size 20

      trial     frozen_layers  learning_rate  starts from
      b933d29b              0          0.001  images
      d5a6349e              0           0.01  images
      b2fc4d73      151 (all)          0.001  output of top
      dfa706ea      151 (all)           0.01  output of top

    Frozen layers are computed once for all the trials that share them:

      through  trials  share  size (max)   time  saves
      top           2  100 %      410 kB  [TIME]  [TIME]  computed once

    time: about [TIME] with 2 workers of 1 thread on cpu; [TIME] without the cache
      (estimated)
    disk: at most 310 MB (features 410 kB, checkpoints 246 MB, models 54.8 MB,
      database 8.4 MB)
    ");
    let plan = place.json("plan demo.toml --json");
    let times = ["expected_seconds", "expected_seconds_without_cache"];
    let first = ["columns", "cuts", "disk", "done", "epochs", "epochs_to_run", "excluded"];
    let learned = ["last_run", "learned_epochs", "learned_fills"];
    let others = [
        "measured",
        "measured_at",
        "missing",
        "networks",
        "objective",
        "refused",
        "remarks",
        "sweep",
        "threads",
        "to_run",
        "trial_count",
        "trials",
        "workers",
    ];
    assert_eq!(keys(&plan), [&first[..], &times, &learned, &others].concat());
    let time = |name: &str| plan[name].as_f64().unwrap();
    assert!(0.0 < time(times[0]) && time(times[0]) < time(times[1]), "{plan}");
    let trials = plan["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 4);
    for trial in trials {
        assert_eq!(keys(trial), ["features", "group", "parameters", "state", "trial"]);
        assert!(is_trial_id(trial["trial"].as_str().unwrap()));
    }
    assert!(!place.path("results").exists());
}

#[test]
fn a_plan_without_the_weights_says_what_is_missing() {
    let place = Place::edited("weights = \"random\"", "weights = \"efficientnet_lite0.imagenet1k\"");
    says!(place, "plan demo.toml", @r"
    exit code 0
    --- output
    `demo`: 4 trials x 2 epochs (8 in all), ranked by val_accuracy
    efficientnet_lite0, 151 layers, 3.41 M parameters, weights
      efficientnet_lite0.imagenet1k
    the same for all: head_units 8, epochs 2, batch_size 20

      trial  frozen_layers  learning_rate  starts from
          -              0          0.001  images
          -              0           0.01  images
          -      151 (all)          0.001  output of top
          -      151 (all)           0.01  output of top

    Frozen layers are computed once for all the trials that share them:

      through  trials  share  size (max)   time  saves
      top           2  100 %      410 kB  [TIME]  [TIME]  computed once

    time: about [TIME] with 2 workers of 1 thread on cpu; [TIME] without the cache
      (estimated)
    disk: at most 310 MB (features 410 kB, checkpoints 246 MB, models 54.8 MB,
      database 8.4 MB)
    `efficientnet_lite0.imagenet1k` (18.8 MB) is not here yet: `launch` downloads
      it, or `frostline fetch efficientnet_lite0.imagenet1k`
    ");
    let plan = place.json("plan demo.toml --json");
    assert_eq!(plan["missing"], json!(["efficientnet_lite0.imagenet1k"]));
    assert_eq!(plan["trials"][0]["trial"], Value::Null);
    assert!(!place.path("cache").exists());
}

#[test]
fn a_launch_runs_every_trial_that_the_plan_shows() {
    let place = Place::new();
    let plan = place.json("plan demo.toml --json");
    let launch = place.succeed("launch demo.toml");
    assert!(launch.stderr.contains("`demo`: 4 trials to run, 0 done; 2 workers of 1 thread on cpu"), "{launch}");
    assert!(launch.stderr.contains("4 trials: 4 complete"), "{launch}");
    assert!(launch.stdout.trim_start().starts_with("rank"), "{launch}");
    let trials = place.trials("demo");
    assert_eq!(summaries(&trials), ["complete after 1"; 4]);
    let planned = plan["trials"].as_array().unwrap().iter().map(|trial| trial["trial"].as_str().unwrap());
    let ran: BTreeSet<&str> = trials.iter().map(|trial| trial.id.as_str()).collect();
    assert_eq!(ran, planned.collect());
}

#[test]
fn list_status_and_show_agree() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let list = place.json("list --json");
    assert_eq!(keys(&list[0]), ["created_at", "name", "note", "objective", "trials", "updated_at"]);
    assert_eq!((&list[0]["name"], &list[0]["trials"]["complete"]), (&json!("demo"), &json!(4)));
    let status = place.json("status demo --json");
    assert_eq!(keys(&status), ["columns", "counts", "file", "host", "note", "objective", "run", "sweep", "trials"]);
    assert_eq!(status["counts"], list[0]["trials"]);
    for trial in place.trials("demo") {
        let show = place.json(&format!("show {} --json", &trial.id[..12]));
        let form = [
            "attempts",
            "classes",
            "epochs",
            "evaluation",
            "group",
            "model",
            "parameters",
            "spec",
            "state",
            "sweeps",
            "trial",
            "weights",
        ];
        assert_eq!(keys(&show), form);
        assert_eq!((&show["trial"], &show["sweeps"]), (&json!(trial.id), &json!(["demo"])));
        assert_eq!((show["epochs"].as_array().unwrap().len(), show["attempts"].as_array().unwrap().len()), (2, 1));
    }
    let text = place.succeed("status demo").stdout;
    assert!(text.starts_with("`demo`  4 trials: 4 complete\nlaunched from demo.toml on "), "{text}");
}

#[test]
fn a_second_launch_runs_nothing() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let (trials, best) = (place.trials("demo"), place.json("best demo --json"));
    let again = place.succeed("launch demo.toml");
    assert!(
        again.stderr.starts_with("`demo`: nothing new, all 4 trials are finished\n4 trials: 4 complete"),
        "{again}"
    );
    assert_eq!((place.trials("demo"), place.json("best demo --json")), (trials, best));
}

#[test]
fn a_value_added_to_an_axis_runs_its_cells_only() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let before = place.trials("demo");
    place.edit("[1e-3, 1e-2]", "[1e-3, 1e-2, 1e-1]");
    let launch = place.succeed("launch demo.toml");
    assert!(
        launch.stderr.starts_with("`demo`: 4 trials finished, 2 added\n`demo`: 2 trials to run, 4 done"),
        "{launch}"
    );
    let after = place.trials("demo");
    assert_eq!(summaries(&after), ["complete after 1"; 6]);
    let after = attempts(&after);
    assert!(before.iter().all(|trial| after.contains_key(&trial.id)));
}

#[test]
fn trials_of_a_value_that_was_removed_stay_where_they_are_finished() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let (before, best) = (attempts(&place.trials("demo")), place.json("best demo --json"));
    place.edit("[1e-3, 1e-2]", "[1e-2]");
    let launch = place.succeed("launch demo.toml");
    assert!(
        launch.stderr.starts_with("`demo`: nothing new, all 4 trials are finished\n4 trials: 4 complete"),
        "{launch}"
    );
    assert_eq!((attempts(&place.trials("demo")), place.json("best demo --json")), (before, best));
}

#[test]
fn force_new_replaces_a_sweep_whose_values_changed() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let before = attempts(&place.trials("demo"));
    place.succeed("launch demo.toml --set train.epochs=3 --force-new");
    let after = place.trials("demo");
    assert_eq!(summaries(&after), ["complete after 1"; 4]);
    assert!(after.iter().all(|trial| trial.epoch == 3 && !before.contains_key(&trial.id)), "{after:?}");
    // What was measured is still known, and has not to be measured again.
    place.succeed("launch demo.toml --set sweep.name=old");
    assert_eq!(attempts(&place.trials("old")), before);
}

#[test]
fn overrides_are_part_of_the_sweep() {
    let place = Place::new();
    place.succeed("launch demo.toml --set train.epochs=1 --set grid.learning_rate=[0.5] --set sweep.name=short");
    let best = place.json("best short --json");
    assert_eq!(best.as_array().unwrap().len(), 2);
    for trial in best.as_array().unwrap() {
        let parameters = &trial["parameters"];
        assert_eq!((&parameters["epochs"], &parameters["learning_rate"]), (&json!(1), &json!(0.5)));
    }
    assert_eq!(place.read("demo.toml"), DEMO);
    // The database has them too: without the file there is nothing to run.
    std::fs::remove_file(place.path("demo.toml")).unwrap();
    assert_eq!(
        place.succeed("resume short").stderr.lines().next().map(|line| line.contains("2 complete")),
        Some(true)
    );
}

#[test]
fn completions_know_commands_options_sweeps_and_trials() {
    let mut place = Place::new();
    place.succeed("launch demo.toml");
    let trials = place.trials("demo");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.succeed(&format!("completions {shell}")).stdout.contains("FROSTLINE_COMPLETE"), "{shell}");
    }
    // As the script of bash asks.
    place.set("FROSTLINE_COMPLETE", "bash");
    let mut offered = |line: &str| {
        place.set("_CLAP_COMPLETE_INDEX", line.matches(' ').count().to_string());
        let outcome = place.shell(&format!("$FROSTLINE -- {line}"));
        outcome.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(offered("frostline laun"), ["launch"]);
    assert!(offered("frostline launch --force").contains(&"--force-new".to_owned()));
    assert_eq!(offered("frostline best de"), ["demo"]);
    let short = |trial: &Trial| trial.id[..8].to_owned();
    let prefix = &short(&trials[0])[..6];
    assert_eq!(offered(&format!("frostline show {prefix}")), [short(&trials[0])]);
    assert!(offered("frostline best --results nowhere de").is_empty());
}

#[test]
fn fetch_without_a_name_lists_the_catalogue() {
    let listed = Place::new().succeed("fetch").stdout;
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["name", "size", "here", "licence"]);
    for expected in [
        "cifar10 170 MB no free to use with attribution (Krizhevsky 2009)",
        "cifar100 169 MB no free to use with attribution (Krizhevsky 2009)",
        "efficientnet_v2_s.imagenet1k ? no BSD-3-Clause (torchvision)",
        "efficientnet_v2_s.keras-imagenet1k 82.4 MB no Apache-2.0 (Keras)",
        "efficientnet_lite0.imagenet1k 18.8 MB no Apache-2.0",
        "efficientnet_b7.keras-imagenet1k ? no Apache-2.0 (Keras)",
    ] {
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(rows.iter().filter(|row| **row == expected).count(), 1, "{expected:?} in {listed}");
    }
    // One edge for each column.
    let edge = listed.find("here").unwrap();
    assert!(listed.lines().skip(1).all(|line| ["yes", "no "].contains(&&line[edge..edge + 3])), "{listed}");
}

#[test]
fn doctor_says_what_there_is() {
    let place = Place::new();
    let doctor = place.json("doctor --json");
    assert_eq!((&doctor["worker_error"], &doctor["sweeps"]), (&Value::Null, &Value::Null));
    assert_eq!(doctor["worker"]["version"], doctor["version"]);
    assert!(doctor["cores"].as_u64().unwrap() >= 1 && doctor["free_bytes"].as_u64().unwrap() > 0);
    assert!(doctor["catalogue"].as_array().unwrap().iter().all(|entry| entry["present"] == json!(false)));
    assert!(!place.path("results").exists());
    place.succeed("launch demo.toml");
    assert_eq!(place.json("doctor --json")["sweeps"], json!(1));
}

#[test]
fn a_finished_sweep_is_sound_and_so_is_its_copy() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let verify = place.json("verify --json");
    assert_eq!((&verify["sound"], &verify["trials"], &verify["epochs"]), (&json!(true), &json!(4), &json!(8)));
    place.write("copied/file", "");
    place.succeed("backup copied/frostline.db");
    assert_eq!(place.json("best demo --json --results copied"), place.json("best demo --json"));
    assert_eq!(place.json("verify --json --results copied"), verify);
}

/// By estimate: the file's order is that of the tables alone.
#[test]
fn the_shortest_trials_are_given_out_first() {
    let place = Place::edited("[0, \"all\"]", "[0, 100, \"all\", 60]");
    place.succeed("launch demo.toml --set workers.count=1 --set cache.features=off");
    let depth = |trial: &Trial| {
        let detail = place.json(&format!("show {} --json", trial.id));
        let attempt = detail["attempts"][0]["attempt"].as_u64().unwrap();
        (attempt, detail["parameters"]["frozen_layers"].as_u64().unwrap(), trial.id.clone())
    };
    let trials = place.trials("demo");
    let mut begun: Vec<_> = trials.iter().map(depth).collect();
    let file: Vec<u64> = begun.iter().map(|(_, frozen, _)| *frozen).collect();
    assert_eq!(file, [0, 0, 100, 100, 151, 151, 60, 60]);
    begun.sort();
    assert_eq!(begun.iter().map(|(_, frozen, _)| *frozen).collect::<Vec<_>>(), [151, 151, 100, 100, 60, 60, 0, 0]);
    // Of trials that take equally long, the file's first goes first.
    let order: Vec<&String> = begun.iter().map(|(_, _, id)| id).collect();
    let places: Vec<usize> =
        order.iter().map(|id| trials.iter().position(|trial| trial.id == **id).unwrap()).collect();
    assert_eq!(places, [4, 5, 2, 3, 6, 7, 0, 1]);
}
