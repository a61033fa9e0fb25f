//! What a sweep does not own, changing under its feet: the environment, folders for sockets, the results folder.

use crate::place::{Place, Running, summaries, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A sweep of one trial that waits after its first epoch.
fn waiting(place: &Place, settings: &str) -> Running {
    place.hold();
    let one = "--set grid.learning_rate=[1e-3] --set grid.frozen_layers=[\"all\"] --set workers.count=1";
    let running = place.start(&format!("launch demo.toml {one} {settings}"));
    place.wait_for_epochs("demo", 1);
    running
}

fn worker(place: &Place) -> Pid {
    *place.worker_processes().last().unwrap()
}

fn attempts(place: &Place) -> Vec<Value> {
    let trial = &place.trials("demo")[0].id;
    place.json(&format!("show {trial} --json"))["attempts"].as_array().unwrap().clone()
}

fn socket(results: &Path) -> PathBuf {
    let endpoint: Value = serde_json::from_slice(&fs::read(results.join("run/endpoint.json")).unwrap()).unwrap();
    endpoint["socket"].as_str().unwrap().into()
}

/// A place whose user has a runtime folder of its own.
fn place_with_runtime_folder() -> Place {
    let mut place = Place::new();
    fs::create_dir(place.path("runtime")).unwrap();
    place.set("XDG_RUNTIME_DIR", place.path("runtime"));
    place
}

#[test]
fn what_workers_compute_does_not_depend_on_the_environment() {
    let metrics = |variables: &[(&'static str, &str)]| {
        let mut place = Place::that_trains();
        place.edit("threads = 1", "threads = 2");
        variables.iter().for_each(|(name, value)| place.set(name, *value));
        place.succeed("launch demo.toml --set grid.learning_rate=[1e-3] --set grid.frozen_layers=[0]");
        let mut best = place.json("best demo --json");
        best[0]["metrics"]["seconds"] = Value::Null;
        best[0]["metrics"].clone()
    };
    let expected = metrics(&[]);
    assert!(expected["val_loss"].is_number(), "{expected}");
    assert_eq!(metrics(&[("OMP_THREAD_LIMIT", "1")]), expected);
    assert_eq!(metrics(&[("OMP_NUM_THREADS", "1"), ("ATEN_CPU_CAPABILITY", "default")]), expected);
}

#[test]
fn a_trainer_that_makes_no_step_is_replaced() {
    let mut place = Place::new();
    let hold = place.path("hold");
    place.set("FROSTLINE_WORKER_ARGUMENTS", format!("--trainer idle --hold {} --deaf", hold.display()));
    let running = waiting(&place, "--set workers.stall=1");
    running.wait_until_it_says("will be tried again (worker_lost)");
    place.release();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let attempts = attempts(&place);
    let message = attempts[0]["failure"]["message"].as_str().unwrap();
    assert!(message.starts_with("the worker lived, but made no step for "), "{message}");
    assert_eq!(place.json("verify --json")["sound"], true);
}

#[test]
fn a_folder_for_sockets_that_goes_is_made_again() {
    let place = place_with_runtime_folder();
    let running = waiting(&place, "");
    let before = socket(&place.path("results"));
    assert!(before.starts_with(place.path("runtime")), "{}", before.display());
    fs::remove_dir_all(place.path("runtime")).unwrap();
    // A new worker has to find its coordinator.
    kill_process(worker(&place), Signal::KILL).unwrap();
    until("a second worker", || (place.worker_processes().len() == 2).then_some(()));
    place.release();
    assert_eq!(running.wait().code, Some(0));
    assert_eq!(summaries(&place.trials("demo")), ["complete after 2"]);
}

#[test]
fn word_of_the_socket_that_is_removed_is_left_again() {
    let place = place_with_runtime_folder();
    let running = waiting(&place, "");
    fs::remove_dir_all(place.path("results/run")).unwrap();
    until("the word of the socket", || place.path("results/run/endpoint.json").exists().then_some(()));
    place.release();
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn commands_of_another_environment_find_the_coordinator() {
    let mut place = place_with_runtime_folder();
    let running = waiting(&place, "");
    fs::create_dir(place.path("other")).unwrap();
    place.set("XDG_RUNTIME_DIR", place.path("other"));
    let outcome = place.succeed("cancel demo");
    assert_eq!(outcome.stderr, "1 trial of `demo` cancelled\n");
    assert_eq!(running.wait().code, Some(0));
    assert_eq!(summaries(&place.trials("demo")), ["cancelled after 1"]);
}

#[test]
fn a_folder_for_sockets_that_cannot_be_used_is_passed_over() {
    let mut place = Place::new();
    let long = place.path(&"r".repeat(100));
    fs::create_dir(&long).unwrap();
    place.set("XDG_RUNTIME_DIR", &long);
    place.set("TMPDIR", place.path("nowhere"));
    place.succeed("launch demo.toml");
    assert!(fs::read_dir(long).unwrap().next().is_none());
    assert!(!place.path("results/run/endpoint.json").exists(), "nobody listens any more");
}

#[test]
fn a_results_folder_that_is_moved_ends_the_sweep_with_its_new_place() {
    let place = Place::new();
    let running = waiting(&place, "");
    fs::rename(place.path("results"), place.path("elsewhere")).unwrap();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert_eq!(
        outcome.stderr.lines().last(),
        Some(
            "error: the results folder `[PLACE]/results` was moved to `[PLACE]/elsewhere` while a sweep ran in it; all \
             that was measured is there, and `frostline resume demo --results [PLACE]/elsewhere` continues"
        ),
        "{outcome}"
    );
    assert!(!place.path("results").exists(), "nothing is made anew in its old place");
    place.release();
    place.succeed("resume demo --results elsewhere");
    assert_eq!(place.json("verify --results elsewhere --json")["sound"], true);
}

#[test]
fn a_results_folder_or_a_database_that_is_removed_ends_the_sweep() {
    for (gone, said) in [
        ("results", "was removed while a sweep ran in it, and its results with it"),
        ("results/frostline.db", "has lost its database, or has got another one, while a sweep ran in it"),
    ] {
        let place = Place::new();
        let running = waiting(&place, "");
        let path = place.path(gone);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
        let outcome = running.wait();
        assert_eq!(outcome.code, Some(1), "{outcome}");
        let expected = format!("error: the results folder `[PLACE]/results` {said}");
        assert_eq!(outcome.stderr.lines().last(), Some(expected.as_str()), "{outcome}");
    }
}

#[test]
fn a_folder_whose_name_is_not_text_is_refused_at_once() {
    use std::os::unix::ffi::OsStringExt;
    let mut place = Place::new();
    let name = std::ffi::OsString::from_vec(b"r\xe9sultats".to_vec());
    place.set("FROSTLINE_RESULTS", &name);
    let outcome = place.run("launch demo.toml");
    assert_eq!(outcome.code, Some(2), "{outcome}");
    assert!(
        outcome.stderr.contains("is not UTF-8 text, which definitions and workers are told paths in"),
        "{outcome}"
    );
    assert!(!place.path("").join(&name).exists(), "nothing is left behind");
    // Data and weights are told the same way.
    let folder = place.path("").join(&name);
    fs::create_dir(&folder).unwrap();
    place.set("FROSTLINE_RESULTS", "results");
    place.set("FROSTLINE_CACHE", &folder);
    place.succeed("launch demo.toml");
}

#[test]
fn a_file_that_may_not_grow_any_more_is_an_error_and_not_the_end() {
    let place = Place::new();
    let outcome = place.shell("ulimit -f 1000; exec \"$FROSTLINE\" launch demo.toml --set train.epochs=1000");
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("results/frostline.db") && outcome.stderr.contains("ulimit -f"), "{outcome}");
    place.succeed("resume demo");
    assert_eq!(place.json("verify --json")["sound"], true);
}

#[test]
fn when_a_sweep_is_over_its_database_is_one_file() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    place.write("copy/frostline.db", fs::read(place.path("results/frostline.db")).unwrap());
    // For reading alone, as on a disk that is mounted so.
    fs::set_permissions(place.path("copy/frostline.db"), fs::Permissions::from_mode(0o444)).unwrap();
    let best = |arguments: &str| place.json(&format!("best demo --json{arguments}"));
    assert_eq!(best(" --results copy"), best(""));
    assert_eq!(best("").as_array().unwrap().len(), 4);
}

#[test]
fn a_folder_for_logs_that_is_removed_is_made_again() {
    let place = Place::new();
    let running = waiting(&place, "");
    let first = worker(&place);
    fs::remove_dir_all(place.path("results/logs")).unwrap();
    kill_process(first, Signal::KILL).unwrap();
    let log = place.path("results/logs/worker-1.log");
    until("a second worker", || fs::read_to_string(&log).ok()?.contains("worker started").then_some(()));
    place.release();
    assert_eq!(running.wait().code, Some(0));
    assert!(place.read("results/logs/worker-1.log").contains("worker started"));
    assert_eq!(summaries(&place.trials("demo")), ["complete after 2"]);
}
