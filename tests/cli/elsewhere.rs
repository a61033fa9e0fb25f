//! Workers that come by themselves, as from other machines: over TLS, with features of their own, for as long as they may.

use crate::place::{Place, Running, summaries, until};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// All is left to others.
const OPEN: &str = "launch demo.toml --set workers.count=0 --set workers.listen=127.0.0.1:0";

/// A worker with a scratch folder of this name.
fn joins(place: &Place, name: &str) -> Running {
    fs::create_dir_all(place.path(name)).unwrap();
    until("the way in to be open", || place.path("results/run/access.json").exists().then_some(()));
    place.start(&format!("join results/run/access.json --scratch {name}"))
}

fn metrics(place: &Place) -> Vec<(Value, Value)> {
    let best = place.json("best demo --json");
    let row = |row: &Value| (row["trial"].clone(), row["metrics"].clone());
    best.as_array().unwrap().iter().map(row).collect()
}

/// Losses and accuracies, which do not depend on how fast a machine is.
fn measured(place: &Place) -> Vec<(Value, Vec<Value>)> {
    let names = ["train_loss", "val_loss", "test_loss", "train_accuracy", "val_accuracy", "test_accuracy"];
    let of = |(trial, metrics): (Value, Value)| (trial, names.map(|name| metrics[name].clone()).to_vec());
    metrics(place).into_iter().map(of).collect()
}

#[test]
fn workers_that_join_run_a_sweep_to_its_end_and_nobody_can_join_afterwards() {
    let place = Place::new();
    place.hold();
    let running = place.start(OPEN);
    let workers = ["one", "two"].map(|name| joins(&place, name));
    place.wait_for_epochs("demo", 2);
    place.release();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let said = "workers of other machines may join at 127.0.0.1:0: `frostline join [PLACE]/results/run/access.json`";
    assert!(outcome.stderr.contains(said), "{outcome}");
    for worker in workers {
        let outcome = worker.wait();
        assert_eq!(outcome.code, Some(0), "{outcome}");
        assert!(outcome.stderr.contains("no more work"), "{outcome}");
    }
    let calm = Place::new();
    calm.succeed("launch demo.toml");
    assert_eq!(metrics(&place), metrics(&calm));
    assert_eq!(place.json("verify --json")["sound"], true);
    for file in ["access.json", "authority.pem"] {
        assert!(!place.path("results/run").join(file).exists(), "{file}");
    }
}

#[test]
fn a_sweep_that_was_trained_elsewhere_is_the_same_to_the_bit() {
    let place = |count: u32| {
        let place = Place::that_trains();
        place.edit("[0, \"all\"]", "[0.9, \"all\"]");
        place.edit("[1e-3, 1e-2]", "[1e-3]");
        place.edit("count = 2", &format!("count = {count}"));
        place
    };
    let (far, near) = (place(0), place(1));
    let running = far.start(OPEN);
    let worker = joins(&far, "far");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    worker.wait();
    near.succeed("launch demo.toml");
    assert_eq!(measured(&far), measured(&near));
    // What it computed ahead stays on its machine; what is worth keeping lies where its disk is shared.
    assert!(!far.path("results/cache/features-v1").exists());
    assert_eq!(
        fs::read_dir(far.path("results/models")).unwrap().count(),
        fs::read_dir(near.path("results/models")).unwrap().count()
    );
}

#[test]
fn a_worker_that_has_to_go_leaves_its_trial_to_the_next_at_nobodys_charge() {
    for signal in [Signal::TERM, Signal::USR2] {
        let place = Place::new();
        place.hold();
        let running = place.start(OPEN);
        let worker = joins(&place, "first");
        place.wait_for_epochs("demo", 1);
        worker.signal(signal);
        worker.wait_until_it_says("leaving: SIG");
        place.release();
        let outcome = worker.wait();
        assert_eq!(outcome.code, Some(0), "{outcome}");
        let next = joins(&place, "second");
        assert_eq!(running.wait().code, Some(0));
        assert_eq!(next.wait().code, Some(0));
        let mut ended = summaries(&place.trials("demo"));
        ended.sort();
        assert_eq!(ended, ["complete after 1", "complete after 1", "complete after 1", "complete after 2"]);
        let log = place.read("results/logs/coordinator.log");
        assert!(!log.contains("turned a worker away"), "{log}");
    }
}

#[test]
fn workers_come_back_to_the_next_coordinator() {
    let place = Place::new();
    place.hold();
    let running = place.start(&format!("{OPEN} --set workers.reconnect_grace=120"));
    let worker = joins(&place, "one");
    place.wait_for_epochs("demo", 1);
    running.signal(Signal::KILL);
    running.wait();
    let resumed = place.start("resume demo");
    until("the worker to come back", || (place.worker_processes().len() == 2).then_some(()));
    place.release();
    let outcome = resumed.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(worker.wait().code, Some(0));
    assert_eq!(place.json("verify --json")["sound"], true);
    let calm = Place::new();
    calm.succeed("launch demo.toml");
    assert_eq!(metrics(&place), metrics(&calm));
}

#[test]
fn what_lets_workers_in_is_kept_from_others() {
    let place = Place::new();
    let running = place.start(OPEN);
    until("the way in to be open", || place.path("results/run/access.json").exists().then_some(()));
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    for (name, expected) in [("run", 0o700), ("run/access.json", 0o600), ("run/authority.pem", 0o600)] {
        assert_eq!(mode(&format!("results/{name}")), expected, "{name}");
    }
    // A copy that others may read.
    fs::copy(place.path("results/run/access.json"), place.path("copy.json")).unwrap();
    fs::set_permissions(place.path("copy.json"), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = place.run("join copy.json");
    assert_eq!(refused.code, Some(2));
    let said =
        "error: the access file copy.json cannot be used: it is open to others (mode 644): chmod 600 copy.json\n";
    assert_eq!(refused.stderr, said);
    let missing = place.run("join nothing.json");
    assert!(missing.stderr.contains("nothing.json cannot be used: No such file"), "{missing}");
    // Nothing of it is said where others may read it.
    let access: Value = serde_json::from_str(&place.read("results/run/access.json")).unwrap();
    let log = place.read("results/logs/coordinator.log");
    for secret in ["token", "key"] {
        assert!(!log.contains(access[secret].as_str().unwrap()), "{secret}");
    }
    running.signal(Signal::INT);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(130), "{outcome}");
    assert!(place.path("results/run/authority.pem").exists(), "the sweep goes on another time");
}

#[test]
fn a_sweep_without_workers_lets_somebody_in() {
    let outcome = Place::new().run("launch demo.toml --set workers.count=0");
    assert_eq!(outcome.code, Some(2), "{outcome}");
    assert!(outcome.stderr.contains("workers.count = 0, and nobody else is let in"), "{outcome}");
}
