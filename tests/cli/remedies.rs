//! Mistakes, and the commands that their messages name: each is typed as it was printed, and has to work.

use crate::place::{Outcome, Place};
use std::fs;

/// With two finished sweeps, whose files lie here.
fn place() -> Place {
    let place = Place::new();
    place.write("other.toml", place.read("demo.toml").replace("\"demo\"", "\"other\""));
    place.succeed("launch demo.toml");
    place.succeed("launch other.toml");
    place
}

/// The command that a message names: at its end, or between marks.
fn named(outcome: &Outcome) -> String {
    let said = format!("{}{}", outcome.stderr, outcome.stdout);
    let end = said.split("  frostline ").nth(1).and_then(|rest| rest.lines().next());
    let marked = || said.split("`frostline ").nth(1).and_then(|rest| rest.split('`').next());
    end.or_else(marked).unwrap_or_else(|| panic!("no command is named: {outcome}")).to_owned()
}

fn mend(place: &Place, mistake: &str) {
    let wrong = place.run(mistake);
    let remedy = named(&wrong);
    let mended = place.run(&remedy);
    assert_eq!(mended.code, Some(0), "frostline {mistake}\n{wrong}\nfrostline {remedy}\n{mended}");
}

#[test]
fn a_sweep_that_is_named_wrongly_is_found() {
    let place = place();
    for command in ["best", "effects", "status", "resume", "retry", "verify", "cancel"] {
        for name in ["dem", "Demo", "demo2", "othr", "zebra"] {
            mend(&place, &format!("{command} {name}"));
        }
    }
    for command in ["resume", "retry", "cancel"] {
        mend(&place, command);
    }
}

#[test]
fn a_file_that_is_named_wrongly_is_found() {
    let place = place();
    for mistake in ["plan dmo.toml", "launch othr.toml", "plan demo.tml", "plan", "launch"] {
        mend(&place, mistake);
    }
    place.write("third.toml", place.read("demo.toml").replace("\"demo\"", "\"third\""));
    mend(&place, "best third.toml");
    fs::remove_file(place.path("demo.toml")).unwrap();
    mend(&place, "launch demo");
    let empty = Place::new();
    fs::remove_file(empty.path("demo.toml")).unwrap();
    mend(&empty, "plan");
    mend(&empty, "init");
}

#[test]
fn words_of_other_programs_are_answered_with_what_works() {
    let place = place();
    for mistake in [
        "ls",
        "progress",
        "top",
        "imagenet",
        "gpu",
        "lunch",
        "plot",
        "importances",
        "continue",
        "new",
        "stop",
        "help zebra",
    ] {
        let wrong = place.run(mistake);
        assert_eq!(wrong.code, Some(2), "{wrong}");
        let remedy = named(&wrong);
        // With several sweeps these ask which one is meant, and say how.
        match place.run(&remedy) {
            mended if mended.code == Some(0) => {}
            _ => mend(&place, &remedy),
        }
    }
    mend(&place, "show 12");
    mend(&place, "show ffffffff");
    mend(&place, "show zebra");
}

#[test]
fn options_of_other_programs_are_answered_with_what_works() {
    let place = Place::new();
    for mistake in
        ["--epochs 2", "--batch-size 8", "--bs 8", "--units 4", "--seed 1", "--image-size 64", "--augment x"]
    {
        let wrong = place.run(&format!("plan demo.toml {mistake}"));
        assert_eq!(wrong.code, Some(2), "{wrong}");
        let set = wrong.stderr.split("--set ").nth(1).unwrap_or_else(|| panic!("{wrong}")).trim().replace(' ', "");
        place.succeed(&format!("plan demo.toml --set {set}"));
    }
}

#[test]
fn trials_that_will_not_run_are_had_back() {
    let place = Place::new();
    place.hold();
    let running = place.start("launch demo.toml");
    place.wait_for_epochs("demo", 2);
    let waiting = place.trials("demo").into_iter().find(|trial| trial.state == "waiting").unwrap();
    place.succeed(&format!("cancel {}", waiting.id));
    place.release();
    let ended = running.wait();
    assert!(ended.stderr.contains("`frostline retry demo --state cancelled`"), "{ended}");
    mend(&place, "retry demo");
    // It waits again, and runs when it is asked for.
    let resumed = place.succeed("resume");
    assert!(resumed.stderr.contains("4 trials: 4 complete"), "{resumed}");
}
