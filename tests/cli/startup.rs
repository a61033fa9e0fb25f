//! What `frostline` itself needs in order to start.

use crate::place::{Place, worker};
use std::process::Command;

fn libraries(program: impl AsRef<std::ffi::OsStr>) -> String {
    let output = Command::new("ldd").arg(program).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn libtorch_is_linked_to_the_worker_and_not_to_the_command_line() {
    let ours = libraries(env!("CARGO_BIN_EXE_frostline"));
    assert!(ours.contains("libc.so") && !ours.contains("torch"), "{ours}");
    // Where libtorch is linked, `ldd` says so.
    let of_worker = libraries(worker());
    assert!(of_worker.contains("torch"), "{of_worker}");
}

/// As behind `| head -1`, whatever the form.
#[test]
fn output_that_nobody_reads_is_no_error() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let trial = place.trials("demo")[0].id.clone();
    let commands =
        ["plan demo.toml", "best demo", "list", "status demo", "verify", "doctor", "layers efficientnet_lite0"];
    let commands = commands.map(str::to_owned).into_iter().chain([format!("show {trial}")]);
    let with_json = commands.flat_map(|command| [command.clone(), command + " --json"]);
    for command in with_json.chain(["fetch".to_owned(), "completions bash".to_owned(), "--help".to_owned()]) {
        let outcome = place.run_unread(&command);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{command}");
    }
}

#[test]
fn definitions_are_planned_without_a_worker() {
    let mut place = Place::new();
    place.set("FROSTLINE_WORKER", "nowhere");
    place.succeed("plan demo.toml");
    place.succeed("layers efficientnet_lite0");
}
