//! What goes wrong around a sweep: disks, memory, processes that hang, and strangers at the socket. Each ends with a
//! sentence that says what to do, and with nothing lost.

use crate::place::{Place, Running, is_alive, summaries, until};
use frostline_results::{Endpoint, Folder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// A sweep of one trial that waits after its first epoch, and its worker.
fn waiting(place: &Place, settings: &str) -> (Running, Pid) {
    place.hold();
    let one = "--set grid.learning_rate=[1e-3] --set grid.frozen_layers=[\"all\"] --set workers.count=1";
    let running = place.start(&format!("launch demo.toml {one} {settings}"));
    place.wait_for_epochs("demo", 1);
    let worker = *place.worker_processes().last().unwrap();
    (running, worker)
}

fn attempts(place: &Place) -> Vec<Value> {
    let trial = &place.trials("demo")[0].id;
    place.json(&format!("show {trial} --json"))["attempts"].as_array().unwrap().clone()
}

#[test]
fn a_full_disk_ends_the_sweep_and_loses_nothing() {
    let place = Place::edited("[0, \"all\"]", "[\"all\"]");
    place.hold();
    // With room for what the preflight asks for, until something else fills the disk.
    let script = r#"
        mkdir results && mount -t tmpfs -o size=24m tmpfs results || exit 99
        "$FROSTLINE" launch demo.toml > launched 2>&1 & launch=$!
        until "$FROSTLINE" status demo --json 2>/dev/null | grep -q '"epoch": 1'; do sleep 0.05; done
        cat /dev/zero > results/filler 2>/dev/null
        rm hold
        wait $launch
        echo "launch $?: $(tail -n 1 launched)"
        "$FROSTLINE" best demo > /dev/null 2>&1; echo "best $?"
        rm results/filler
        "$FROSTLINE" resume demo > /dev/null 2>&1; echo "resume $?"
        "$FROSTLINE" verify --json
    "#;
    let Some(outcome) = place.in_own_mounts(script) else { return };
    let mut lines = outcome.stdout.lines();
    assert_eq!(
        lines.next(),
        Some(
            "launch 1: error: no space is left to write `results/frostline.db`: free some and resume the sweep, nothing \
             committed is lost"
        ),
        "{outcome}"
    );
    assert_eq!((lines.next(), lines.next()), (Some("best 0"), Some("resume 0")), "{outcome}");
    let verify: Value = serde_json::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!((&verify["sound"], &verify["trials"]), (&true.into(), &2.into()), "{outcome}");
}

#[test]
fn a_disk_without_room_is_refused_before_anything_is_written() {
    let place = Place::new();
    let script = r#"
        mkdir disk && mount -t tmpfs -o size=4m tmpfs disk || exit 99
        "$FROSTLINE" launch demo.toml --results disk/results; echo "launch $?"
        ls disk
    "#;
    let Some(outcome) = place.in_own_mounts(script) else { return };
    assert_eq!(outcome.stdout, "launch 1\n", "{outcome}");
    assert!(outcome.stderr.starts_with("error: `disk/results` has 4"), "{outcome}");
    assert!(outcome.stderr.contains("checkpoints") && outcome.stderr.contains("another disk"), "{outcome}");
}

#[test]
fn a_read_only_folder_is_named_and_can_be_read() {
    let place = Place::new();
    place.succeed("launch demo.toml --set grid.frozen_layers=[0]");
    let script = r#"
        mount --bind results results && mount -o remount,bind,ro results || exit 99
        "$FROSTLINE" launch demo.toml; echo "launch $?"
        "$FROSTLINE" best demo --json > best.json; echo "best $?"
        mkdir new && mount --bind new new && mount -o remount,bind,ro new || exit 99
        "$FROSTLINE" launch demo.toml --results new/results; echo "launch $?"
    "#;
    let Some(outcome) = place.in_own_mounts(script) else { return };
    assert_eq!(outcome.stdout, "launch 1\nbest 0\nlaunch 1\n", "{outcome}");
    let remedy = "cannot be written: allow writing to the file and its folder, or name another folder with --results";
    assert_eq!(outcome.stderr.matches(remedy).count(), 2, "{outcome}");
}

#[test]
fn a_worker_that_hangs_for_longer_than_its_lease_is_replaced() {
    let place = Place::new();
    let (running, worker) = waiting(&place, "--set workers.lease=3");
    kill_process(worker, Signal::STOP).unwrap();
    running.wait_until_it_says("will be tried again (worker_lost)");
    place.release();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(!is_alive(worker), "it held memory, and perhaps a GPU");
    let attempts = attempts(&place);
    // On a machine that is busy enough, another worker may seem to hang, too.
    assert!(attempts.len() >= 2, "{attempts:?}");
    assert_eq!(attempts[0]["failure"]["message"], "the worker said nothing for 3 s");
    assert!(attempts[0]["failure"]["log"][0].as_str().unwrap().contains("worker started"), "{attempts:?}");
}

#[test]
fn neither_a_hung_trainer_nor_a_stopped_worker_outlives_its_coordinator() {
    let mut place = Place::new();
    let hold = place.path("hold");
    place.set("FROSTLINE_WORKER_ARGUMENTS", format!("--trainer idle --hold {} --deaf", hold.display()));
    for stop in [false, true] {
        let (running, worker) = waiting(&place, "--set workers.reconnect_grace=0.2");
        if stop {
            kill_process(worker, Signal::STOP).unwrap();
        }
        running.signal(Signal::KILL);
        running.wait();
        until("the worker to end", || (!is_alive(worker)).then_some(()));
        std::fs::remove_dir_all(place.path("results")).unwrap();
    }
}

#[test]
fn what_is_no_message_closes_its_connection_and_is_counted() {
    let place = Place::new();
    let (running, _) = waiting(&place, "");
    let endpoint = Endpoint::read(&Folder::new(place.path("results")).endpoint()).unwrap();
    let socket = endpoint.unwrap().socket;
    let greeting = r#"{"worker":{"protocol":2,"token":"guessed","who":{"guest":1},"process":1,"build":{"version":"","libtorch":"","device":"","threads":1,"host":""},"running":null}}"#;
    let framed = |text: &str| [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    for (fault, bytes) in [
        ("can't be read", framed("hello")),
        ("longer than the 4194304 allowed", u32::MAX.to_be_bytes().to_vec()),
        ("wrong token", framed(greeting)),
        ("ended within a message", vec![0, 0]),
    ] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // Closed with bytes unread is reset.
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"", "{fault}");
        until(fault, || place.read("results/logs/coordinator.log").contains(fault).then_some(()));
    }
    place.release();
    assert_eq!(running.wait().code, Some(0));
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"], "the sweep took no notice");
    assert!(place.read("results/logs/coordinator.log").contains("faults=4"));
}

/// One trial of real training on images so large that a whole portion of them takes more than the worker may have.
fn place_with_little_memory(frozen_layers: &str) -> Place {
    let mut place = Place::that_trains();
    place.edit("[0, \"all\"]", &format!("[{frozen_layers}]"));
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place.edit("image_size = 32", "image_size = 448");
    place.edit("train_limit = 60", "train_limit = 40");
    place.edit("epochs = 2", "epochs = 1");
    place.edit("batch_size = 20", "batch_size = 32");
    place.edit("count = 2", "count = 1");
    let worker = crate::place::worker();
    place.worker_script(&format!("ulimit -d 900000\nexec {} \"$@\"", worker.display()));
    place
}

#[test]
fn where_memory_runs_out_fewer_images_at_a_time_get_through() {
    let place = place_with_little_memory("\"all\"");
    let outcome = place.run("launch demo.toml --set cache.features=off");
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let attempts = attempts(&place);
    let (last, failed) = attempts.split_last().unwrap();
    assert!(!failed.is_empty());
    let mut images = 32;
    for (place, attempt) in failed.iter().enumerate() {
        assert_eq!(attempt["failure"]["kind"], "out_of_memory", "{attempt}");
        assert_eq!(attempt["micro_batch"].as_u64(), (place > 0).then_some(images));
        images = images.div_ceil(2);
    }
    assert_eq!((last["outcome"].as_str(), last["micro_batch"].as_u64()), (Some("complete"), Some(images)));
    let show = place.succeed(&format!("show {}", place.trials("demo")[0].id)).stdout;
    assert!(show.contains(&format!("{images} images at a time, because memory had run out")), "{show}");
    assert_eq!(place.json("verify --json")["sound"], true);
}

#[test]
fn where_memory_runs_out_for_a_batch_that_cannot_be_divided_the_trial_fails_with_advice() {
    let place = place_with_little_memory("0");
    let outcome = place.run("launch demo.toml");
    assert_eq!(outcome.code, Some(3), "{outcome}");
    let attempts = attempts(&place);
    assert_eq!(attempts.len(), 1);
    let failure = &attempts[0]["failure"];
    assert_eq!(failure["kind"], "out_of_memory");
    let message = failure["message"].as_str().unwrap();
    assert!(message.starts_with("memory ran out: make `batch_size` or `image_size` smaller"), "{message}");
    assert!(failure["log"].as_array().unwrap().iter().any(|line| line.as_str().unwrap().contains("memory")));
}

#[test]
fn a_damaged_checkpoint_is_found_and_costs_no_more_than_its_epochs() {
    let mut place = Place::that_trains();
    place.set("FROSTLINE_WORKER_ARGUMENTS", "--checkpoint-seconds 0");
    // Nothing frozen and larger images: an epoch takes many times as long as a look at the status.
    place.edit("[0, \"all\"]", "[0]");
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place.edit("image_size = 32", "image_size = 64");
    place.edit("epochs = 2", "epochs = 12");
    place.edit("count = 2", "count = 1");
    let calm = place.path("calm");
    place.succeed(&format!("launch demo.toml --results {}", calm.display()));
    let running = place.start("launch demo.toml --set workers.reconnect_grace=0.1");
    until("a few epochs", || {
        let status = place.run("status demo --json");
        let there = status.code == Some(0) && status.stdout.starts_with('{');
        (there && place.trials("demo")[0].epoch >= 3).then_some(())
    });
    running.signal(Signal::KILL);
    running.wait();
    until("the workers to end", || place.worker_processes().into_iter().all(|it| !is_alive(it)).then_some(()));
    let checkpoints: Vec<PathBuf> =
        std::fs::read_dir(place.path("results/checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!checkpoints.is_empty());
    for path in &checkpoints {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    let verify = place.run("verify");
    assert_eq!(verify.code, Some(1), "{verify}");
    assert!(verify.stdout.contains("this checkpoint is damaged; it is recreated when it is needed"), "{verify}");
    place.succeed("resume demo");
    assert!(place.read("results/logs/worker-1.log").contains("is damaged or of another trial: passed over"));
    assert_eq!(place.json("verify --json")["sound"], true);
    let metrics = |arguments: &str| {
        let mut best = place.json(&format!("best demo --json{arguments}"));
        best[0]["metrics"]["seconds"] = Value::Null;
        best[0]["metrics"].clone()
    };
    assert_eq!(metrics(""), metrics(&format!(" --results {}", calm.display())));
}
