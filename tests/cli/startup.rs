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

#[test]
fn definitions_are_planned_without_a_worker() {
    let mut place = Place::new();
    place.set("FROSTLINE_WORKER", "nowhere");
    place.succeed("plan demo.toml");
    place.succeed("layers efficientnet_lite0");
}
