//! Workers as jobs of an engine that is known by three commands only: here a shell that puts them into the background.

use crate::place::{Place, Running, summaries, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// All is left to jobs. An engine's commands are scripts of the place.
fn engine(place: &Place) -> String {
    // Its jobs have sessions of their own, as on another machine.
    place.script("submit", "setsid sh \"$1\" > \"$2\" 2>&1 < /dev/null &\necho \"Job $3 is submitted.\"\necho $!");
    place.script("cancel", "kill \"$1\"");
    place.script("alive", "kill -0 \"$1\"");
    let path = |name: &str| place.path(name).display().to_string();
    place.write(
        "demo.toml",
        format!(
            "{}\nlauncher = \"command\"\n[command]\nsubmit = \"{} {{script}} {{log}} {{name}}\"\ncancel = \"{} {{id}}\"\nalive = \"{} {{id}}\"\n\
             jobs = 1\npoll = 1\n",
            place.read("demo.toml"),
            path("submit"),
            path("cancel"),
            path("alive")
        ),
    );
    "launch demo.toml".to_owned()
}

/// Numbers of jobs that were written down, as processes.
fn jobs(place: &Place) -> Vec<Pid> {
    let entries = fs::read_dir(place.path("results/run/jobs")).unwrap().flatten();
    let numbers = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "id"));
    let process = |text: String| Pid::from_raw(text.trim().parse().unwrap());
    numbers.filter_map(|number| process(fs::read_to_string(number.path()).unwrap())).collect()
}

fn held() -> (Place, Running) {
    let place = Place::new();
    let launch = engine(&place);
    place.hold();
    let running = place.start(&launch);
    place.wait_for_epochs("demo", 1);
    (place, running)
}

#[test]
fn a_sweep_runs_as_jobs_of_an_engine_that_is_known_by_its_commands() {
    let (place, running) = held();
    assert_eq!(jobs(&place).len(), 1);
    place.release();
    place.ends_as_undisturbed(running);
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4]);
    assert_eq!(jobs(&place), []);
}

#[test]
fn a_job_that_is_gone_is_nobodys_fault() {
    let (place, running) = held();
    kill_process(jobs(&place)[0], Signal::KILL).unwrap();
    until("another worker to come", || (place.worker_processes().len() == 2).then_some(()));
    place.release();
    place.ends_as_undisturbed(running);
    let log = place.read("results/logs/coordinator.log");
    assert!(log.contains("is gone"), "{log}");
    assert_eq!(summaries(&place.trials("demo")).iter().filter(|it| *it == "complete after 2").count(), 1);
}

#[test]
fn the_next_coordinator_ends_the_jobs_of_one_that_was_killed() {
    let (place, running) = held();
    let before = jobs(&place);
    running.signal(Signal::KILL);
    running.wait();
    let resumed = place.start("resume demo");
    until("the job before to end", || (!crate::place::is_alive(before[0])).then_some(()));
    place.release();
    place.ends_as_undisturbed(resumed);
}

#[test]
fn an_engine_that_takes_no_job_says_so() {
    let place = Place::new();
    let launch = engine(&place);
    place.script("submit", "echo 'qsub: no such queue' >&2\nexit 3");
    let stuck = place.start(&launch);
    let log = || fs::read_to_string(place.path("results/logs/coordinator.log")).unwrap_or_default();
    until("the refusal to be logged", || log().contains("qsub: no such queue").then_some(()));
    stuck.signal(Signal::INT);
    stuck.wait();
    let text = place.read("demo.toml").replace("alive = ", "#").replace(" {id}", "");
    place.write("demo.toml", text);
    let refused = place.run("plan demo.toml");
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("[command] needs `alive`, which succeeds while it waits or runs"), "{refused}");
    assert!(refused.stderr.contains("`cancel` must have {id} in it, as in \"qdel {id}\""), "{refused}");
}
