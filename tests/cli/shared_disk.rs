//! Results on a disk that several machines share, which a folder of this machine stands for: one process has the database.

use crate::place::{Place, Running};
use rustix::process::Signal;

const ASKED: [&str; 9] = [
    "best demo",
    "best demo --json",
    "status demo",
    "list",
    "watch demo",
    "verify",
    "report demo -o report.html",
    "export demo --format csv -o tables",
    "backup copy.db",
];

/// A sweep of which two trials have their first epoch and wait.
fn held() -> (Place, Running) {
    let place = Place::new();
    place.hold();
    let running = place.start("launch demo.toml --shared-disk");
    place.wait_for_epochs("demo", 2);
    (place, running)
}

fn assert_alone(place: &Place) {
    assert!(!place.path("results/frostline.db-shm").exists(), "no memory is shared");
}

#[test]
fn a_sweep_that_is_killed_there_ends_as_it_would_elsewhere() {
    let (place, running) = held();
    assert_alone(&place);
    for command in ASKED {
        let said = place.succeed(command).stderr;
        assert_eq!(said.matches("As of ").count(), 1, "{command}: {said}");
        assert!(said.contains(" ago: process ") && said.contains("holds the results, or was killed"), "{said}");
    }
    for command in ["extend demo --seeds 7", "resume demo", "rm demo --yes", "launch demo.toml"] {
        let refused = place.run(command);
        assert_eq!(refused.code, Some(1), "{command}: {refused}");
        assert!(refused.stderr.contains("is in use by process "), "{command}: {refused}");
    }

    running.signal(Signal::KILL);
    running.wait();
    assert!(place.succeed("best demo").stderr.contains("As of "));
    let audit = place.succeed("verify demo --json");
    assert_eq!(audit.stderr, "", "nobody holds the database, so it is looked at itself");
    assert!(audit.stdout.contains("\"sound\": true"), "{audit}");

    let resumed = place.start("resume demo");
    resumed.wait_until_it_says("to run");
    assert_alone(&place);
    place.release();
    place.ends_as_undisturbed(resumed);
    for command in ASKED.iter().filter(|command| !command.starts_with("backup")) {
        let said = place.succeed(command).stderr;
        assert!(!said.contains("As of "), "{command}: {said}");
    }
}

#[test]
fn what_a_command_has_written_is_seen_by_the_next() {
    let place = Place::new();
    place.succeed("launch demo.toml --shared-disk");
    place.succeed("note demo wide");
    assert_eq!(place.succeed("note demo").stdout, "wide\n");
    place.succeed("extend demo --seeds 7 --top 1");
    assert_eq!(place.trials("demo").len(), 5);
    place.succeed("cancel demo");
    assert!(place.succeed("status demo").stdout.contains("1 cancelled"));
    place.succeed("retry demo --state cancelled");
    place.succeed("resume demo");
    assert_eq!(place.json("best demo --trials --json").as_array().unwrap().len(), 5);
    // Others take over what is there, and see that at once.
    place.succeed("launch demo.toml --set sweep.name=second");
    assert_eq!(place.json("best second --json").as_array().unwrap().len(), 4);
    place.succeed("rm demo --yes");
    assert!(!place.succeed("list").stdout.contains("demo"));
}

#[test]
fn a_trial_is_trained_once_more_there() {
    let place = Place::that_trains();
    place.edit("[0, \"all\"]", "[\"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place.succeed("launch demo.toml --shared-disk --set keep.models=none");
    let trial = place.trials("demo").remove(0).id;
    place.succeed(&format!("retrain {trial}"));
    assert!(place.path(&format!("results/models/{trial}.safetensors")).exists());
}
