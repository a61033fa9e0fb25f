//! Wrong command lines, and questions about what is not in the database, or no database.

use crate::place::{Place, summaries};
use rusqlite::Connection;

/// With a finished `demo`.
fn finished() -> Place {
    let place = Place::new();
    place.succeed("launch demo.toml");
    place
}

fn database(place: &Place) -> Connection {
    Connection::open(place.path("results/frostline.db")).unwrap()
}

#[test]
fn a_command_line_that_is_none() {
    let place = Place::new();
    says!(place, "lunch demo.toml", @r"
    exit code 2
    --- error
    error: there is no command `lunch`, did you mean `launch`; `frostline help` lists them all
    ");
    says!(place, "best demo -n many", @r"
    exit code 2
    --- error
    error: invalid value 'many' for '-n <COUNT>': invalid digit found in string

    For more information, try '--help'.
    ");
    says!(place, "best demo --wehre seed=1", @r"
    exit code 2
    --- error
    error: unexpected argument '--wehre' found

      tip: a similar argument exists: '--where'

    Usage: frostline best --where <CONDITION> <SWEEP>

    For more information, try '--help'.
    ");
    says!(place, "retry demo --state running", @r"
    exit code 2
    --- error
    error: invalid value 'running' for '--state <STATE>': only `failed` and `cancelled` trials can be tried again

    For more information, try '--help'.
    ");
    says!(place, "retry demo --kind tired", @r"
    exit code 2
    --- error
    error: invalid value 'tired' for '--kind <KIND>'
      [possible values: out_of_memory, diverged, worker_lost, device, bad_data, internal]

    For more information, try '--help'.
    ");
    says!(place, "completions tcsh", @r"
    exit code 2
    --- error
    error: invalid value 'tcsh' for '<SHELL>'
      [possible values: bash, elvish, fish, powershell, zsh]

      tip: a similar value exists: 'zsh'

    For more information, try '--help'.
    ");
    says!(place, "layers efficientnet_v2", @r"
    exit code 2
    --- error
    error: there is no network `efficientnet_v2`, did you mean `efficientnet_v2_s`; use one of efficientnet_v2_s, efficientnet_v2_m, efficientnet_v2_l, efficientnet_v2_b0, efficientnet_v2_b1, efficientnet_v2_b2, efficientnet_v2_b3, efficientnet_b0, efficientnet_b1, efficientnet_b2, efficientnet_b3, efficientnet_b4, efficientnet_b5, efficientnet_b6, efficientnet_b7, efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, efficientnet_lite3, efficientnet_lite4
    ");
    says!(place, "layers efficientnet_v2_s --size 0", @r"
    exit code 2
    --- error
    error: invalid value '0' for '--size <PIXELS>': 0 is not in 1..=4096

    For more information, try '--help'.
    ");
}

#[test]
fn questions_before_anything_was_launched() {
    let place = Place::new();
    says!(place, "best demo", @r"
    exit code 2
    --- error
    error: there are no results in `results`: launch a sweep first, or name another folder with --results
    ");
    says!(place, "list --results elsewhere", @r"
    exit code 2
    --- error
    error: there are no results in `elsewhere`: launch a sweep first, or name another folder with --results
    ");
    says!(place, "resume demo", @r"
    exit code 2
    --- error
    error: there are no results in `results`: launch a sweep first, or name another folder with --results
    ");
    says!(place, "cancel demo", @r"
    exit code 2
    --- error
    error: there are no results in `results`: launch a sweep first, or name another folder with --results
    ");
    says!(place, "retry demo", @r"
    exit code 2
    --- error
    error: there are no results in `results`: launch a sweep first, or name another folder with --results
    ");
    says!(place, "verify", @r"
    exit code 2
    --- error
    error: there are no results in `results`: launch a sweep first, or name another folder with --results
    ");
    says!(place, "backup copy.db", @r"
    exit code 2
    --- error
    error: there are no results in `results`: launch a sweep first, or name another folder with --results
    ");
    assert!(!place.path("results").exists());
}

#[test]
fn a_sweep_that_is_not_there() {
    let place = finished();
    place.succeed("launch demo.toml --set sweep.name=demo-2");
    says!(place, "best dem", @r"
    exit code 2
    --- error
    error: there is no sweep `dem` in `results`, which has `demo-2`, `demo`; did you mean  frostline best demo
    ");
    says!(place, "status Demo", @r"
    exit code 2
    --- error
    error: there is no sweep `Demo` in `results`, which has `demo-2`, `demo`; did you mean  frostline status demo
    ");
    says!(place, "resume zebra", @r"
    exit code 2
    --- error
    error: there is no sweep `zebra` in `results`, which has `demo-2`, `demo`; `frostline list` says more of them, and --results names another folder
    ");
    says!(place, "cancel zebra", @r"
    exit code 2
    --- error
    error: there is no sweep `zebra` in `results`, which has `demo-2`, `demo`; `frostline list` says more of them, and --results names another folder
    ");
    says!(place, "retry demo2", @r"
    exit code 2
    --- error
    error: there is no sweep `demo2` in `results`, which has `demo-2`, `demo`; did you mean  frostline retry demo
    ");
    says!(place, "verify demo3", @r"
    exit code 2
    --- error
    error: there is no sweep `demo3` in `results`, which has `demo-2`, `demo`; did you mean  frostline verify demo
    ");
}

#[test]
fn a_trial_that_is_not_there() {
    let place = finished();
    says!(place, "show ffffffff", @r"
    exit code 2
    --- error
    error: no trial begins with `ffffffff`: `frostline status` lists the trials of a sweep
    ");
    says!(place, "show 12", @r"
    exit code 2
    --- error
    error: `12` is too short to name a trial: give at least 4 digits of its id, which `frostline status` lists
    ");
    says!(place, "show first", @r"
    exit code 2
    --- error
    error: `first` is no trial: a trial is named by the first digits of its id (0 to 9, a to f), which `frostline status` lists
    ");
    says!(place, "cancel ffffffff", @r"
    exit code 2
    --- error
    error: no trial begins with `ffffffff`: `frostline status` lists the trials of a sweep
    ");
}

#[test]
fn a_trial_named_by_too_few_digits() {
    let place = finished();
    let database = database(&place);
    let sql = "INSERT INTO trial (id, group_id, spec) SELECT ?1, group_id, spec FROM trial LIMIT 1";
    for last in [1, 2] {
        let id = [&[0xab; 15][..], &[last]].concat();
        assert_eq!(database.execute(sql, [id]).unwrap(), 1);
    }
    says!(place, "show abababab", @r"
    exit code 2
    --- error
    error: `abababab` is the beginning of several trials (ababababababababababababababab01, ababababababababababababababab02): give more digits
    ");
}

#[test]
fn a_condition_that_is_none() {
    let place = finished();
    says!(place, "best demo --where frozen", @r"
    exit code 2
    --- error
    error: --where frozen: `frozen` is not a condition: write a name, one of = != < <= > >=, and a value: frozen_layers=256, or 'frozen_layers>=256', in quotes so that the shell leaves < and > alone
    ");
    says!(place, "best demo --where frozen_layer=0", @r"
    exit code 2
    --- error
    error: --where frozen_layer=0: no hyperparameter or metric is called `frozen_layer`, did you mean `frozen_layers`?
    ");
    says!(place, "best demo --where zebra=0", @r"
    exit code 2
    --- error
    error: --where zebra=0: no hyperparameter or metric is called `zebra`
    ");
    says!(place, "best demo --where val_accuracy=high", @r#"
    exit code 2
    --- error
    error: --where val_accuracy=high: `val_accuracy` is a number of any size, not "high"
    "#);
    says!(place, "effects demo --where val_loss<1", @r"
    exit code 2
    --- error
    error: effects of trials that were chosen by their `val_loss` would be effects of the choice: name hyperparameters only
    ");
    says!(place, "best demo --where seed!1", @r"
    exit code 2
    --- error
    error: --where seed!1: `seed!1` is not a condition: `!` stands before `=` only
    ");
    says!(place, "best demo --where frozen_layers=many", @r#"
    exit code 2
    --- error
    error: --where frozen_layers=many: `frozen_layers` is a count (256), a share from 0.0 to 1.0 (0.5), a block ("block5b") or "all", not "many"
    "#);
    says!(place, "best demo --where seed=7", @r"
    exit code 0
    --- output
    `demo` has no finished trial that meets the conditions (4 trials: 4 complete)
    ");
}

#[test]
fn a_database_of_another_version() {
    let place = finished();
    let known: i64 = database(&place).query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    database(&place).pragma_update(None, "user_version", 99).unwrap();
    says!(place, "best demo", @r"
    exit code 1
    --- error
    error: `results/frostline.db` was written by a newer Frostline (format 99, this one knows 8): use that version, or name another folder with --results
    ");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: `results/frostline.db` was written by a newer Frostline (format 99, this one knows 8): use that version, or name another folder with --results
    ");
    let doctor = place.run("doctor --json");
    assert_eq!(doctor.code, Some(1));
    assert!(doctor.stdout.contains("format 99"), "{doctor}");
    database(&place).pragma_update(None, "user_version", known).unwrap();
    place.succeed("best demo");
}

#[test]
fn a_file_that_is_no_database_of_ours() {
    let place = Place::new();
    place.write("results/frostline.db", "This is a text, and longer than the head of a database is.\n".repeat(100));
    says!(place, "best demo", @r"
    exit code 1
    --- error
    error: `results/frostline.db` is not a Frostline database: move it away, or name another folder with --results
    ");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: `results/frostline.db` is not a Frostline database: move it away, or name another folder with --results
    ");
    std::fs::remove_file(place.path("results/frostline.db")).unwrap();
    database(&place).execute_batch("CREATE TABLE something (x)").unwrap();
    says!(place, "list", @r"
    exit code 1
    --- error
    error: `results/frostline.db` is not a Frostline database: move it away, or name another folder with --results
    ");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: `results/frostline.db` is not a Frostline database: move it away, or name another folder with --results
    ");
}

#[test]
fn a_results_folder_that_is_none() {
    let place = Place::new();
    place.write("results", "");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: cannot create the folder `results`: File exists (os error 17); repair it, or name another folder with --results
    ");
    says!(place, "best demo", @r"
    exit code 1
    --- error
    error: cannot look for `results/frostline.db`: Not a directory (os error 20); repair it, or name another folder with --results
    ");
    says!(place, "cancel demo", @r"
    exit code 1
    --- error
    error: cannot look for `results/frostline.db`: Not a directory (os error 20); repair it, or name another folder with --results
    ");
    let place = Place::new();
    place.write("results/logs", "");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: cannot create `results/logs`: File exists (os error 17); move it away, or name another folder with --results
    ");
    let place = Place::new();
    place.write("results/frostline.db/file", "");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: SQLite failed on `results/frostline.db`: unable to open database file: results/frostline.db; check the disk and the folder's permissions
    ");
}

#[test]
fn a_second_coordinator() {
    let place = Place::new();
    place.hold();
    let first = place.start("launch demo.toml");
    place.wait_for_epochs("demo", 2);
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: `results` is in use by process [ID]: wait until it ends, stop it, or name another folder with --results
    ");
    says!(place, "resume demo", @r"
    exit code 1
    --- error
    error: `results` is in use by process [ID]: wait until it ends, stop it, or name another folder with --results
    ");
    says!(place, "retry demo --state cancelled", @r"
    exit code 1
    --- error
    error: `results` is in use by process [ID]: wait until it ends, stop it, or name another folder with --results
    ");
    place.release();
    assert_eq!(first.wait().code, Some(0));
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4]);
}

#[test]
fn values_that_changed_under_finished_trials() {
    let place = finished();
    let before = place.trials("demo");
    says!(place, "launch demo.toml --set train.epochs=3", @r"
    exit code 2
    --- error
    error: `demo` has 4 finished trials that were run with other values:
      epochs: 2 is now 3
    Give the sweep another name (`--set sweep.name=…`), or replace it with --force-new: its trials stay in the database, and leave the ranking.
    ");
    says!(place, "launch demo.toml --set data.image_size=64 --set train.optimizer=sgd --set sweep.seeds=[1]", @r#"
    exit code 2
    --- error
    error: `demo` has 4 finished trials that were run with other values:
      optimizer: "adam" is now "sgd"
      seeds: 0 is now 1
      data.image_size: 32 is now 64
    Give the sweep another name (`--set sweep.name=…`), or replace it with --force-new: its trials stay in the database, and leave the ranking.
    "#);
    assert_eq!(place.trials("demo"), before);
}

#[test]
fn a_device_that_is_not_there() {
    let mut place = Place::edited("device = \"cpu\"", "device = \"cuda\"");
    let info = |built| {
        format!(
            r#"echo '{{"version": "0.1.0", "libtorch": "2", "cuda_built": {built}, "devices": ["cpu"], "cores": 2}}'"#
        )
    };
    place.worker_script(&info(false));
    says!(place, "launch demo.toml", @r#"
    exit code 2
    --- error
    error: workers.device = "cuda", and here there is no GPU of NVIDIA, or no driver for it: check with `nvidia-smi`; or use `--set workers.device=cpu`
    "#);
    place.worker_script(&info(true));
    says!(place, "launch demo.toml", @r#"
    exit code 2
    --- error
    error: workers.device = "cuda", and here there is no CUDA device (libtorch has CUDA and finds none): check the driver with `nvidia-smi`; or use `--set workers.device=cpu`
    "#);
    assert!(!place.path("results").exists());
}

#[test]
fn a_worker_program_that_does_not_work() {
    let mut place = Place::new();
    place.set("FROSTLINE_WORKER", "nowhere/worker");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: frostline-worker does not work: `nowhere/worker` could not be started: No such file or directory (os error 2); `./just setup` and `cargo build --release --workspace` make one that does
    ");
    place.worker_script("echo 'error: libtorch_cpu.so: cannot open shared object file' >&2; exit 1");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: frostline-worker does not work: libtorch_cpu.so: cannot open shared object file; `./just setup` and `cargo build --release --workspace` make one that does
    ");
    place.worker_script("echo hello");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: frostline-worker does not work: `info --json` printed something else: expected value at line 1 column 1; `./just setup` and `cargo build --release --workspace` make one that does
    ");
    place.worker_script("kill -9 $$");
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    error: frostline-worker does not work: `[PLACE]/worker` ended with signal: 9 (SIGKILL); `./just setup` and `cargo build --release --workspace` make one that does
    ");
    assert!(!place.path("results").exists());
    let info = r#"{"version": "0.1.0", "libtorch": "2", "cuda_built": false, "devices": ["cpu"], "cores": 2}"#;
    place.worker_script(&format!("[ $1 = connect ] && echo 'no such argument' && exit 7; echo '{info}'"));
    says!(place, "launch demo.toml", @r"
    exit code 1
    --- error
    `demo`: 4 trials to run, 0 done; 2 workers of 1 thread on cpu
    error: no worker stays alive: the last one ended with exit status: 7: no such argument (see results/logs); once that is mended, `frostline resume demo` continues
    ");
}

#[test]
fn a_backup_onto_something() {
    let place = finished();
    place.write("copy.db", "mine");
    says!(place, "backup copy.db", @r"
    exit code 2
    --- error
    error: `copy.db` already exists: name a new file, or remove it first
    ");
    says!(place, "backup no/such/folder/copy.db", @r"
    exit code 2
    --- error
    error: `no/such/folder/copy.db` cannot be made: there is no folder `no/such/folder`
    ");
    assert_eq!(place.read("copy.db"), "mine");
}
