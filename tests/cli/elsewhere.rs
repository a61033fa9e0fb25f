//! Workers that come by themselves, as from other machines: over TLS, with features of their own, for as long as they may.

use crate::place::{Place, Running, not_run, summaries, until};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// All is left to others.
const OPEN: &str = "launch demo.toml --set workers.count=0 --set workers.listen=127.0.0.1:0";

/// A worker with a scratch folder of this name.
fn joins(place: &Place, name: &str) -> Running {
    fs::create_dir_all(place.path(name)).unwrap();
    until("the way in to be open", || place.path("results/run/access.json").exists().then_some(()));
    place.start(&format!("join results/run/access.json --scratch {name}"))
}

/// Losses and accuracies, which do not depend on how fast a machine is.
fn measured(place: &Place) -> Vec<(Value, Vec<Value>)> {
    let names = ["train_loss", "val_loss", "test_loss", "train_accuracy", "val_accuracy", "test_accuracy"];
    let of = |(trial, metrics): (Value, Value)| (trial, names.map(|name| metrics[name].clone()).to_vec());
    place.metrics().into_iter().map(of).collect()
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
    assert_eq!(place.metrics(), calm.metrics());
    assert_eq!(place.json("verify --json")["sound"], true);
    for file in ["access.json", "authority.pem"] {
        assert!(!place.path("results/run").join(file).exists(), "{file}");
    }
}

/// Two trials to train, with so many workers of the coordinator's own.
fn trains(count: u32) -> Place {
    let place = Place::that_trains();
    place.edit("[0, \"all\"]", "[0.9, \"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place.edit("count = 2", &format!("count = {count}"));
    place
}

#[test]
fn a_sweep_that_was_trained_elsewhere_is_the_same_to_the_bit() {
    let (far, near) = (trains(0), trains(1));
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
fn results_of_two_kinds_of_processor_are_marked() {
    let place = Place::edited("count = 2", "count = 1");
    place.hold();
    let running = place.start("launch demo.toml --set workers.listen=127.0.0.1:0");
    until("the way in to be open", || place.path("results/run/access.json").exists().then_some(()));
    place.write("cpuinfo", "processor\t: 0\nmodel name\t: Another Processor 9\n");
    let script = "mount --bind cpuinfo /proc/cpuinfo || exit 99\nmkdir far\n\
        \"$FROSTLINE\" join results/run/access.json --scratch far & worker=$!\n\
        while ! \"$FROSTLINE\" status demo --json | grep -q '\"running\": 2'; do sleep 0.1; done\nrm hold\nwait $worker";
    let Some(worker) = place.in_own_mounts(script) else { return running.signal(Signal::KILL) };
    assert_eq!(worker.code, Some(0), "{worker}");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let builds: BTreeSet<String> = place
        .trials("demo")
        .iter()
        .map(|trial| {
            let show = place.json(&format!("show {} --json", trial.id));
            show["attempts"][0]["build"]["processor"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(builds.len(), 2, "{builds:?}");
    let other = builds.iter().find(|name| name.starts_with("Another Processor 9 (")).unwrap();
    let names = builds.iter().cloned().collect::<Vec<_>>().join("; ");
    let said = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = |what: &str| {
        let marked =
            "whose results may differ in the last bits: `constraint` under [slurm] holds a sweep to one kind.";
        said(&format!("{what} computed on two kinds of processor ({names}), {marked}"))
    };
    assert!(said(&outcome.stdout).contains(&expected("These trials were")), "{outcome}");
    for (command, what) in [("best demo", "These trials were"), ("list", "`demo` was")] {
        let outcome = place.succeed(command);
        assert_eq!(said(&outcome.stdout).matches(&expected(what)).count(), 1, "{outcome}");
    }
    let trials = place.trials("demo");
    let shown: Vec<String> =
        trials.iter().map(|it| said(&place.succeed(&format!("show {}", it.id)).stdout)).collect();
    assert!(shown.iter().any(|shown| shown.contains(&format!("(cpu, {other}, 1 thread"))), "{shown:?}");
    // Of one kind nothing is to be said.
    let calm = Place::new();
    let outcome = calm.succeed("launch demo.toml");
    assert!(
        !outcome.stdout.contains("kinds of processor") && !calm.succeed("list").stdout.contains("kinds"),
        "{outcome}"
    );
}

/// Every model's file.
fn models(place: &Place) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = fs::read_dir(place.path("results/models")).unwrap().map(Result::unwrap);
    let mut models: Vec<_> = entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect();
    models.sort();
    models
}

#[test]
fn models_come_from_a_machine_that_does_not_see_the_results_folder() {
    let (far, near) = (trains(0), trains(1));
    let running = far.start(&format!("{OPEN} --set keep.models=all"));
    until("the way in to be open", || far.path("results/run/access.json").exists().then_some(()));
    fs::copy(far.path("results/run/access.json"), far.path("access.json")).unwrap();
    let script =
        "mount -t tmpfs none results || exit 99\nmkdir far\nexec \"$FROSTLINE\" join access.json --scratch far";
    let Some(worker) = far.in_own_mounts(script) else { return running.signal(Signal::KILL) };
    assert_eq!(worker.code, Some(0), "{worker}");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    near.succeed("launch demo.toml --set keep.models=all");
    let models = [&far, &near].map(models);
    assert_eq!(models[0].len(), 2);
    assert!(models[0] == models[1], "they are the same to the byte");
    assert_eq!(far.shell("find far -name 'outgoing*'").stdout, "", "nothing is left of it there");
}

/// What an attempt's epochs took, by the database: one that goes on reports what it has taken over with the seconds that it took
/// then.
fn seconds(place: &Place) -> Vec<Vec<f64>> {
    let database = rusqlite::Connection::open(place.path("results/frostline.db")).unwrap();
    let sql =
        "SELECT attempt.id, seconds FROM epoch JOIN attempt ON attempt.id = epoch.attempt ORDER BY 1, epoch.epoch";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?))).unwrap();
    let rows: Vec<(i64, f64)> = rows.map(Result::unwrap).collect();
    rows.chunk_by(|a, b| a.0 == b.0).map(|chunk| chunk.iter().map(|(_, seconds)| *seconds).collect()).collect()
}

#[test]
fn a_trial_goes_on_where_another_machine_has_left_it_though_they_share_no_disk() {
    // Nothing frozen and larger images: an epoch takes many times as long as a look at the status, and a checkpoint has 40 MB.
    let trains = |count| {
        let place = trains(count);
        place.edit("[0.9, \"all\"]", "[0]");
        place.edit("image_size = 32", "image_size = 64");
        place.edit("epochs = 2", "epochs = 12");
        place
    };
    let (mut far, near) = (trains(0), trains(1));
    far.set("FROSTLINE_WORKER_ARGUMENTS", "--checkpoint-seconds 3600");
    let running = far.start(OPEN);
    until("the way in to be open", || far.path("results/run/access.json").exists().then_some(()));
    fs::copy(far.path("results/run/access.json"), far.path("access.json")).unwrap();
    // The first one is told to leave once a few epochs are recorded, by which it has kept nothing on its own.
    let script = "mount -t tmpfs none results || exit 99\nmkdir one two\n\
        \"$FROSTLINE\" join access.json --scratch one & first=$!\n\
        while ! [ -e leave ]; do sleep 0.01; done\nkill -TERM $first\nwait $first || exit 98\n\
        exec \"$FROSTLINE\" join access.json --scratch two";
    let workers = std::thread::scope(|scope| {
        let workers = scope.spawn(|| far.in_own_mounts(script));
        until("a few epochs, or the end", || {
            let is_begun = far.run("status demo --json").code == Some(0) && far.trials("demo")[0].epoch >= 3;
            (is_begun || workers.is_finished()).then_some(())
        });
        far.write("leave", "");
        workers.join().unwrap()
    });
    let Some(workers) = workers else { return running.signal(Signal::KILL) };
    assert_eq!(workers.code, Some(0), "{workers}");
    assert!(workers.stderr.contains("leaving: SIGTERM"), "{workers}");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let seconds = seconds(&far);
    let [first, second] = &seconds[..] else { panic!("two attempts: {seconds:?}") };
    assert!((3..12).contains(&first.len()) && second.len() == 12, "{seconds:?}");
    assert_eq!(first[..], second[..first.len()], "what the first had done was not done again");
    near.succeed("launch demo.toml");
    assert_eq!(measured(&far), measured(&near));
    assert_eq!(far.json("verify --json")["sound"], true);
    assert_eq!(fs::read_dir(far.path("results/checkpoints")).unwrap().count(), 0, "nothing is left of it");
}

#[test]
fn what_had_arrived_when_a_coordinator_ended_is_kept_where_its_trial_is_complete() {
    let place = Place::edited("[1e-3, 1e-2]", "[1e-3]");
    place.succeed("launch demo.toml --set keep.models=all");
    let trial = place.trials("demo").remove(0).id;
    let show = place.json(&format!("show {trial} --json"));
    let attempt = &show["attempts"][0]["attempt"];
    let other = "0".repeat(32);
    for name in [format!("{trial}.{attempt}.arrived"), format!("{other}.9.arrived"), format!("{trial}.8.arriving")] {
        place.write(&format!("results/models/{name}"), "what it has learnt");
    }
    place.edit("[1e-3]", "[1e-3, 1e-2]");
    place.succeed("launch demo.toml --set keep.models=all");
    let kept = models(&place);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].0.to_str().unwrap(), format!("{trial}.safetensors"));
    assert_eq!(kept[0].1, b"what it has learnt");
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
    assert_eq!(place.metrics(), calm.metrics());
}

#[test]
fn a_worker_that_starts_while_its_coordinator_is_away_waits_for_it_until_it_has_to_go() {
    let place = Place::new();
    let running = place.start(OPEN);
    until("the way in to be open", || place.path("results/run/access.json").exists().then_some(()));
    running.signal(Signal::KILL);
    running.wait();
    let workers = ["one", "two"].map(|name| joins(&place, name));
    for worker in &workers {
        worker.wait_until_it_says("waiting for the coordinator that results/run/access.json names: 127.0.0.1:");
    }
    let [stays, goes] = workers;
    goes.signal(Signal::TERM);
    let gone = goes.wait();
    assert!(gone.code == Some(0) && gone.stderr.contains("leaving: SIGTERM"), "{gone}");
    place.ends_as_undisturbed(place.start("resume demo"));
    let outcome = stays.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
}

#[test]
fn what_lets_workers_in_is_kept_from_others() {
    let place = Place::new();
    let running = place.start(&format!("{OPEN} --set workers.deterministic=true"));
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
    assert_eq!(access["deterministic"], true, "workers elsewhere compute as those here do");
    for secret in ["token", "key"] {
        assert!(!log.contains(access[secret].as_str().unwrap()), "{secret}");
    }
    running.signal(Signal::INT);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(130), "{outcome}");
    assert!(place.path("results/run/authority.pem").exists(), "the sweep goes on another time");
}

#[test]
fn a_machine_with_other_files_says_so_and_harms_no_trial() {
    let mut place = Place::that_trains();
    place.set("TMPDIR", place.path(""));
    cifar(&place, "data", 1);
    cifar(&place, "other", 2);
    place.edit("dataset = \"shapes\"", "dataset = \"cifar10\"\npath = \"data\"");
    place.edit("[0, \"all\"]", "[\"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    let running = place.start(OPEN);
    fs::create_dir(place.path("scratch")).unwrap();
    until("the way in to be open", || place.path("results/run/access.json").exists().then_some(()));
    let wrong = place.run("join results/run/access.json --scratch scratch --data other");
    assert_eq!(wrong.code, Some(1), "{wrong}");
    let said = "error: this machine cannot do what the sweep needs: the data in other are others than the sweep's: copy those, \
                or name their folder\n";
    assert!(wrong.stderr.ends_with(said), "{wrong}");
    let missing = place.run("join results/run/access.json --scratch scratch --data nowhere");
    assert!(missing.stderr.ends_with("error: the data nowhere is not on this machine\n"), "{missing}");
    let right = place.run("join results/run/access.json --scratch scratch");
    assert_eq!(right.code, Some(0), "{right}");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let show = place.json(&format!("show {} --json", place.trials("demo")[0].id));
    let outcomes: Vec<&Value> = show["attempts"].as_array().unwrap().iter().map(|it| &it["outcome"]).collect();
    assert!(outcomes.iter().all(|it| *it == "complete" || *it == "interrupted"), "{outcomes:?}");
}

/// CIFAR-10's files with 20 images each, of pixels that are all `pixel`.
fn cifar(place: &Place, folder: &str, pixel: u8) {
    let records: Vec<u8> = (0..20).flat_map(|image| [&[image % 10][..], &[pixel; 3072]].concat()).collect();
    for name in (1..=5).map(|batch| format!("data_batch_{batch}.bin")).chain(["test_batch.bin".to_owned()]) {
        place.write(&format!("{folder}/{name}"), &records);
    }
}

/// Two hosts with a cable between them: network namespaces, until it is dropped.
struct Cable {
    hosts: [String; 2],
}

impl Cable {
    /// None, with a note, where the system does not allow it; with `CI` set that is a failure.
    fn lay() -> Option<Cable> {
        let name = |end: &str| format!("frost-{end}-{}", std::process::id());
        let cable = Cable { hosts: [name("a"), name("b")] };
        let [a, b] = &cable.hosts;
        let laid = ip(&format!("netns add {a}"))
            && ip(&format!("netns add {b}"))
            && ip(&format!("link add cable netns {a} type veth peer name cable netns {b}"))
            && ip(&format!("-n {a} addr add 10.77.0.1/24 dev cable"))
            && ip(&format!("-n {b} addr add 10.77.0.2/24 dev cable"))
            && cable.hosts.iter().all(|host| ip(&format!("-n {host} link set lo up")))
            && cable.is("up");
        if !laid {
            not_run("two network namespaces need root and iproute2");
        }
        laid.then_some(cable)
    }

    /// Whole, or cut.
    fn is(&self, state: &str) -> bool {
        self.hosts.iter().all(|host| ip(&format!("-n {host} link set cable {state}")))
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.hosts.iter().for_each(|host| _ = ip(&format!("netns delete {host}")));
    }
}

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split_whitespace()).output();
    output.is_ok_and(|output| output.status.success())
}

/// A cut cable says nothing: who is cut off notices that what it says is not confirmed.
#[test]
fn a_cable_that_is_cut_and_mended_costs_nothing() {
    let Some(cable) = Cable::lay() else { return };
    let place = Place::new();
    place.hold();
    let [first, second] = &cable.hosts;
    let launch = "launch demo.toml --set workers.count=0 --set workers.listen=10.77.0.1:0 --set workers.lease=3600 --set \
                  workers.reconnect_grace=3600";
    let running = place.start_on(first, launch);
    until("the way in to be open", || place.path("results/run/access.json").exists().then_some(()));
    let worker = place.start_on(second, "join results/run/access.json --scratch sockets");
    place.wait_for_epochs("demo", 1);
    assert!(cable.is("down"));
    worker.wait_until_it_says("lost the coordinator");
    assert!(cable.is("up"));
    until("the worker to come back", || (place.worker_processes().len() == 2).then_some(()));
    place.release();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(worker.wait().code, Some(0));
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4]);
    let calm = Place::new();
    calm.succeed("launch demo.toml");
    assert_eq!(place.metrics(), calm.metrics());
}

#[test]
fn a_sweep_without_workers_lets_somebody_in() {
    let outcome = Place::new().run("launch demo.toml --set workers.count=0");
    assert_eq!(outcome.code, Some(2), "{outcome}");
    assert!(outcome.stderr.contains("workers.count = 0, and nobody else is let in"), "{outcome}");
}
