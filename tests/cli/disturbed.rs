//! Sweeps that are interrupted, killed, cancelled and taken up again: nothing is lost and nothing is done twice.

use crate::place::{Place, Running, Trial, is_alive, summaries, until};
use rustix::process::{Signal, kill_process};
use std::collections::BTreeSet;

/// A sweep that waits with two trials complete, one running since its first epoch, and one waiting for its worker.
fn half_done() -> (Place, Running, Vec<Trial>) {
    let place = Place::new();
    place.succeed("launch demo.toml --set grid.learning_rate=[1e-3]");
    place.hold();
    let running = place.start("launch demo.toml --set workers.count=1");
    let trials = place.wait_for_epochs("demo", 1);
    (place, running, trials)
}

fn ids(trials: &[Trial], state: &str) -> Vec<String> {
    trials.iter().filter(|trial| trial.state == state).map(|trial| trial.id.clone()).collect()
}

/// The only trial in this state.
fn only(trials: &[Trial], state: &str) -> String {
    let found = ids(trials, state);
    assert_eq!(found.len(), 1, "{trials:?}");
    found[0].clone()
}

fn find(trials: &[Trial], id: &str) -> Trial {
    trials.iter().find(|trial| trial.id == id).unwrap().clone()
}

/// What every sweep comes to at last, and that this was proved.
fn assert_all_complete_once(place: &Place) {
    let trials = place.trials("demo");
    assert_eq!(ids(&trials, "complete").len(), 4, "{trials:?}");
    let verify = place.json("verify --json");
    assert_eq!((&verify["sound"], &verify["trials"]), (&true.into(), &4.into()));
    for trial in trials {
        let show = place.json(&format!("show {} --json", trial.id));
        let accepted = show["attempts"].as_array().unwrap().iter().filter(|attempt| attempt["outcome"] == "complete");
        assert_eq!((accepted.count(), show["epochs"].as_array().unwrap().len()), (1, 2));
    }
    // Made-up metrics follow from the trial alone: a sweep that nobody disturbed has the same.
    let calm = Place::new();
    calm.succeed("launch demo.toml");
    assert_eq!(place.metrics(), calm.metrics());
}

#[test]
fn an_interrupted_sweep_is_resumed_where_it_stood() {
    let (place, running, before) = half_done();
    let done = ids(&before, "complete");
    assert_eq!(done.len(), 2);
    running.signal(Signal::INT);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(130), "{outcome}");
    assert!(outcome.stderr.contains("Continue:  frostline resume demo\n"), "{outcome}");
    let left = place.trials("demo");
    assert_eq!((ids(&left, "complete"), ids(&left, "waiting").len()), (done.clone(), 2));
    assert!(place.worker_processes().into_iter().all(|process| !is_alive(process)));

    place.release();
    let resumed = place.succeed("resume demo");
    assert!(resumed.stderr.starts_with("`demo`: 2 trials to run, 2 done"), "{resumed}");
    let after = place.trials("demo");
    assert!(done.iter().all(|id| find(&after, id).attempts == 1), "{after:?}");
    assert_all_complete_once(&place);
}

#[test]
fn a_closed_terminal_ends_a_sweep_as_ctrl_c_does() {
    let (place, running, _) = half_done();
    running.signal(Signal::HUP);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(130), "{outcome}");
    assert!(outcome.stderr.contains("Continue:  frostline resume demo\n"), "{outcome}");
    place.release();
    place.succeed("resume demo");
    assert_all_complete_once(&place);
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_so() {
    let place = Place::new();
    place.hold();
    let running = place.start_ignoring("HUP", "launch demo.toml --set workers.count=1");
    place.wait_for_epochs("demo", 1);
    running.signal(Signal::HUP);
    place.release();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
}

#[test]
fn a_database_that_another_program_holds_is_waited_for() {
    let (place, running, _) = half_done();
    let browser = rusqlite::Connection::open(place.path("results/frostline.db")).unwrap();
    browser.execute_batch("BEGIN IMMEDIATE").unwrap();
    place.release();
    running.wait_until_it_says("Another program holds the database");
    drop(browser);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_all_complete_once(&place);
}

#[test]
fn a_second_interrupt_does_not_wait_for_workers() {
    let (place, running, _) = half_done();
    // This one will not answer to the first interrupt.
    let worker = *place.worker_processes().last().unwrap();
    kill_process(worker, Signal::STOP).unwrap();
    running.signal(Signal::INT);
    running.wait_until_it_says("Press Ctrl-C again to stop now");
    running.signal(Signal::INT);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(130), "{outcome}");
    assert!(!is_alive(worker));
    // Whoever waits for a silent worker calls it lost in the end. This attempt was not waited for.
    let interrupted = place.trials("demo").into_iter().find(|trial| trial.epoch == 1).unwrap();
    let show = place.json(&format!("show {} --json", interrupted.id));
    assert_eq!(show["attempts"][0]["failure"], serde_json::Value::Null);

    place.release();
    place.succeed("resume demo");
    assert_all_complete_once(&place);
}

#[test]
fn a_killed_coordinator_leaves_its_worker_to_the_next() {
    let (place, running, before) = half_done();
    let (done, trial) = (ids(&before, "complete"), only(&before, "running"));
    let worker = *place.worker_processes().last().unwrap();
    running.signal(Signal::KILL);
    assert_eq!(running.wait().code, None);
    assert!(is_alive(worker));

    place.release();
    place.succeed("resume demo");
    assert!(place.read("results/logs/coordinator.log").contains("took over a worker of the coordinator before"));
    let after = place.trials("demo");
    assert!(done.iter().chain([&trial]).all(|id| find(&after, id).attempts == 1), "{after:?}");
    assert_all_complete_once(&place);
}

#[test]
fn a_killed_coordinator_and_its_killed_worker_lose_no_trial() {
    let (place, running, before) = half_done();
    let (done, trial) = (ids(&before, "complete"), only(&before, "running"));
    running.signal(Signal::KILL);
    running.wait();
    kill_process(*place.worker_processes().last().unwrap(), Signal::KILL).unwrap();
    place.release();
    place.succeed("resume demo");
    let after = place.trials("demo");
    assert!(done.iter().all(|id| find(&after, id).attempts == 1), "{after:?}");
    assert_eq!(find(&after, &trial).attempts, 2);
    assert_all_complete_once(&place);
}

#[test]
fn the_trial_of_a_killed_worker_is_tried_again() {
    let (place, running, before) = half_done();
    let trial = only(&before, "running");
    kill_process(*place.worker_processes().last().unwrap(), Signal::KILL).unwrap();
    running.wait_until_it_says("will be tried again (worker_lost)");
    place.release();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let show = place.json(&format!("show {trial} --json"));
    let attempts = show["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &attempts[0]["failure"]["kind"]), (2, &"worker_lost".into()), "{show}");
    assert_all_complete_once(&place);
}

#[test]
fn a_trial_that_loses_worker_after_worker_fails_and_can_be_retried() {
    let place = Place::edited("count = 2", "count = 1");
    place.hold();
    let running = place.start("launch demo.toml --set grid.learning_rate=[1e-3] --set grid.frozen_layers=[0]");
    for lost in 1..=3 {
        let processes = until("another worker", || {
            let started = place.path("results/logs/coordinator.log").exists();
            let processes = if started { place.worker_processes() } else { Vec::new() };
            (processes.len() == lost).then_some(processes)
        });
        place.wait_for_epochs("demo", 1);
        kill_process(processes[lost - 1], Signal::KILL).unwrap();
    }
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(3), "{outcome}");
    assert!(outcome.stderr.contains("1 trial failed: `frostline status demo` says why"), "{outcome}");
    place.release();
    assert_eq!(summaries(&place.trials("demo")), ["failed after 3"]);
    says!(place, "retry demo --kind out_of_memory", @r"
    exit code 0
    --- error
    `demo` has no failed (out_of_memory) trial: nothing will be tried again
    ");
    says!(place, "retry demo --state cancelled", @r"
    exit code 0
    --- error
    `demo` has no cancelled trial: nothing will be tried again; 1 failed: `frostline retry demo --state failed`
    ");
    says!(place, "retry demo", @r"
    exit code 0
    --- error
    1 trial of `demo` will be tried again by `frostline resume demo`
    ");
    assert_eq!(place.succeed("resume demo").code, Some(0));
    assert_eq!(summaries(&place.trials("demo")), ["complete after 4"]);
}

#[test]
fn a_running_sweep_can_be_cancelled() {
    let (place, running, before) = half_done();
    says!(place, "cancel demo", @r"
    exit code 0
    --- error
    2 trials of `demo` cancelled
    ");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    place.release();
    let after = place.trials("demo");
    assert_eq!((ids(&after, "complete"), ids(&after, "cancelled").len()), (ids(&before, "complete"), 2));
    // Cancelled is an outcome: nothing is left to run.
    assert_eq!(place.succeed("resume demo").code, Some(0));
    assert_eq!(place.trials("demo"), after);
    says!(place, "cancel demo", @r"
    exit code 0
    --- error
    Nothing to cancel: no trial of `demo` is left to run (4 trials: 2 complete, 2 cancelled)
    ");
    says!(place, "retry demo --state cancelled", @r"
    exit code 0
    --- error
    2 trials of `demo` will be tried again by `frostline resume demo`
    ");
    place.succeed("resume demo");
    assert_all_complete_once(&place);
}

#[test]
fn one_trial_of_a_running_sweep_can_be_cancelled() {
    let (place, running, before) = half_done();
    let waiting = only(&before, "waiting");
    says!(place, &format!("cancel {}", &waiting[..8]), @r"
    exit code 0
    --- error
    1 trial of `demo` cancelled
    ");
    place.release();
    assert_eq!(running.wait().code, Some(0));
    let after = place.trials("demo");
    assert_eq!((ids(&after, "complete").len(), only(&after, "cancelled")), (3, waiting));
}

#[test]
fn what_does_not_run_can_be_cancelled_too() {
    let (place, running, before) = half_done();
    running.signal(Signal::INT);
    assert_eq!(running.wait().code, Some(130));
    place.release();
    let waiting = only(&before, "waiting");
    says!(place, &format!("cancel {}", &waiting[..8]), @r"
    exit code 0
    --- error
    1 trial of `demo` cancelled
    ");
    assert_eq!(only(&place.trials("demo"), "cancelled"), waiting);
    says!(place, "cancel demo", @r"
    exit code 0
    --- error
    1 trial of `demo` cancelled
    ");
    let after = place.trials("demo");
    assert_eq!((ids(&after, "complete").len(), ids(&after, "cancelled").len()), (2, 2));
}

#[test]
fn a_sweep_can_be_looked_at_while_it_runs() {
    let (place, running, before) = half_done();
    let states: BTreeSet<&str> = before.iter().map(|trial| trial.state.as_str()).collect();
    assert_eq!(states, BTreeSet::from(["complete", "running", "waiting"]));
    assert_eq!(place.json("best demo --json").as_array().unwrap().len(), 2);
    assert_eq!(place.json("list --json")[0]["trials"]["running"], 1);
    let show = place.json(&format!("show {} --json", only(&before, "running")));
    assert_eq!((&show["state"], show["epochs"].as_array().unwrap().len()), (&"running".into(), 1));
    place.succeed("backup copy.db");
    assert_eq!(place.json("verify --json")["sound"], true);
    place.release();
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn a_sweep_can_be_noted_while_it_runs() {
    let (place, running, _) = half_done();
    says!(place, "note demo wide", @r"
    exit code 0
    --- error
    noted of `demo`: wide
    ");
    assert_eq!(place.json("list --json")[0]["note"], "wide", "before the sweep ends");
    let refused = place.run("note demos wide");
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("demo"), "{refused}");
    place.release();
    assert_eq!(running.wait().code, Some(0));
    assert_eq!(place.succeed("note demo").stdout, "wide\n");
    assert_all_complete_once(&place);
}
