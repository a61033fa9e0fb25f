//! What starts, ends and takes up work.

use crate::place::{Place, empty_mirror, summaries, until};
use rustix::process::Signal;

fn threads(place: &Place, settings: &str) -> String {
    let launch = place.succeed(&format!("launch demo.toml {settings}"));
    let line = launch.stderr.lines().find(|line| line.contains("to run")).unwrap_or_default();
    line.rsplit("; ").next().unwrap().to_owned()
}

#[test]
fn threads_stay_until_a_sweep_is_replaced() {
    let place = Place::new();
    assert_eq!(threads(&place, "--set grid.learning_rate=[1e-3]"), "2 workers of 1 thread on cpu");
    // Results depend on them.
    assert_eq!(threads(&place, "--set workers.threads=2"), "2 workers of 1 thread on cpu");
    let freed = threads(&place, "--set workers.threads=2 --set train.epochs=1 --force-new");
    assert_eq!(freed, "2 workers of 2 threads on cpu");
    assert_eq!(place.run("launch demo.toml --force-new --set train.epochs=1").code, Some(0));
}

#[test]
fn a_resumed_sweep_has_the_threads_that_it_was_launched_with() {
    let place = Place::new();
    place.hold();
    let running = place.start("launch demo.toml --set workers.threads=2 --set workers.count=1");
    place.wait_for_epochs("demo", 1);
    running.signal(Signal::INT);
    assert_eq!(running.wait().code, Some(130));
    place.release();
    let resumed = place.succeed("resume demo");
    assert!(resumed.stderr.contains("4 trials to run, 0 done; 1 worker of 2 threads on cpu"), "{resumed}");
    assert_eq!(summaries(&place.trials("demo")).iter().filter(|it| it.starts_with("complete")).count(), 4);
}

/// Measured for a plan, measured anew by who is told to, whether it launches or resumes.
#[test]
fn a_launch_and_a_resume_measure_where_asked() {
    let mut place = Place::that_trains();
    place.set("FROSTLINE_LOAD", "0");
    place.edit("[0, \"all\"]", "[0]");
    place.edit("[1e-3, 1e-2]", "[1e-3]");
    place.edit("epochs = 2", "epochs = 100000");
    let measured = || place.json("plan demo.toml --json")["measured_at"].as_f64().unwrap();
    let mut before = measured();
    for (started, command) in (1..).zip(["launch demo.toml --remeasure", "resume demo --remeasure"]) {
        let running = place.start(command);
        let is_started =
            || place.path("results/logs/coordinator.log").exists().then(|| place.worker_processes().len());
        until("a worker", || is_started().filter(|workers| *workers >= started));
        running.signal(Signal::INT);
        let outcome = running.wait();
        assert_eq!(outcome.code, Some(130), "{outcome}");
        assert!(outcome.stderr.contains("measuring what computing takes here"), "{outcome}");
        let now = measured();
        assert!(now > before, "{command}: {now} {before}");
        before = now;
    }
}

#[test]
fn a_folder_on_a_shared_disk_stays_one() {
    let place = Place::new();
    place.succeed("launch demo.toml --shared-disk");
    let names = ["shared-disk", "snapshot.db"].map(|name| place.path("results").join(name));
    assert!(names.iter().all(|name| name.exists()));
    std::fs::remove_file(&names[1]).unwrap();
    place.succeed("launch demo.toml --set sweep.name=second");
    assert!(names[1].exists());
}

/// A Slurm that takes everything, and starts nothing.
#[test]
fn a_coordinator_is_handed_to_slurm() {
    let mut place = Place::new();
    let here = place.path("");
    let here = here.display().to_string();
    place.script("bin/sbatch", "cat > script.txt\necho \"$@\" >> arguments.txt\necho 12");
    place.script("bin/squeue", "cat queue.txt 2> /dev/null || true");
    place.set("PATH", format!("{here}/bin:{}", std::env::var("PATH").unwrap()));
    place.edit("count = 2", "count = 2\nlauncher = \"slurm\"");
    says!(place, "launch demo.toml --as-job --set slurm.account=vision --set grid.learning_rate=[0.5,1e-3]", @r"
    exit code 0
    --- error
    Job 12 runs `demo`, and comes back by itself when its time is over. Its log: [PLACE]/results/logs/job.log
      frostline status demo  how far it is; `watch` and `best`, too
      scancel 12             ends it for good; launched again, it goes on
    ");
    let arguments = place.read("arguments.txt");
    let lines: Vec<&str> = arguments.lines().collect();
    // A worker's job is tried, then the coordinator's.
    assert_eq!(lines.len(), 3, "{arguments}");
    assert!(lines[0].starts_with("--test-only") && lines[0].contains("--no-requeue"), "{arguments}");
    assert_eq!(lines[1], format!("--test-only {}", lines[2]));
    let name = lines[2].split_once("--job-name=").unwrap().1.split(' ').next().unwrap();
    let asked = lines[2].replace(name, "[NAME]").replace(here.trim_end_matches('/'), "[PLACE]");
    assert_eq!(
        asked,
        "--parsable --job-name=[NAME] --requeue --open-mode=append --signal=B:TERM@120 --ntasks=1 --cpus-per-task=1 \
         --output=[PLACE]/results/logs/job.log --chdir=[PLACE] --account=vision"
    );
    let script = place.read("script.txt").replace(env!("CARGO_BIN_EXE_frostline"), "[PROGRAM]");
    assert_eq!(
        script.replace(here.trim_end_matches('/'), "[PLACE]"),
        "#!/bin/sh\n\nexec [PROGRAM] launch [PLACE]/demo.toml --results=[PLACE]/results --job-of=demo \
         --set slurm.account=vision --set 'grid.learning_rate=[0.5,1e-3]' --no-progress\n"
    );
    place.write("queue.txt", format!("11 RUNNING other\n12 PENDING {name}\n"));
    let second = place.run("launch demo.toml --as-job");
    assert_eq!(second.code, Some(1), "{second}");
    assert!(second.stderr.contains("job 12 (pending) is the coordinator of `results` already"), "{second}");
    // On a machine that has another disk under that name.
    let elsewhere = place.run("launch demo.toml --results other --job-of demo");
    assert_eq!(elsewhere.code, Some(2), "{elsewhere}");
    assert!(elsewhere.stderr.contains("does not see the results folder other"), "{elsewhere}");
}

#[test]
fn a_request_to_end_ends_a_sweep_in_good_order() {
    let place = Place::new();
    place.hold();
    let running = place.start("launch demo.toml");
    place.wait_for_epochs("demo", 2);
    running.signal(Signal::TERM);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(130), "{outcome}");
    assert!(outcome.stderr.contains("Continue:  frostline resume demo\n"), "{outcome}");
    place.release();
    place.succeed("resume demo");
    let trials = place.trials("demo");
    assert!(trials.iter().all(|trial| trial.state == "complete" && trial.epoch == 2), "{trials:?}");
    assert_eq!(place.json("verify demo --json")["sound"], true);
}

#[test]
fn failed_and_cancelled_trials_wait_again() {
    let place = Place::that_trains();
    place.edit("[0, \"all\"]", "[\"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3, 1e30]");
    place.edit("epochs = 2", "epochs = 3\noptimizer = \"sgd\"");
    let launch = place.run("launch demo.toml");
    assert_eq!(launch.code, Some(3), "{launch}");
    // Another try would end alike.
    assert!(launch.stderr.contains("What diverged will do so again"), "{launch}");
    assert!(!launch.stderr.contains("`frostline retry"), "{launch}");
    let status = place.succeed("status demo").stdout;
    let failed = place.trials("demo").into_iter().find(|trial| trial.state == "failed").unwrap();
    assert!(status.contains(&format!("failed {} (diverged): ", &failed.id[..8])), "{status}");
    says!(place, "retry demo --kind diverged", @r"
    exit code 0
    --- error
    1 trial of `demo` will be tried again by `frostline resume demo`
    What diverged will do so again, since a trial repeats itself: lower `learning_rate`, or set `clip_norm`
    ");
    says!(place, &format!("cancel {}", failed.id), @r"
    exit code 0
    --- error
    1 trial of `demo` cancelled
    ");
    says!(place, "retry demo --state cancelled", @r"
    exit code 0
    --- error
    1 trial of `demo` will be tried again by `frostline resume demo`
    ");
    // It fails again, by itself.
    assert_eq!(place.run("resume demo").code, Some(3));
    assert_eq!(place.trials("demo").into_iter().find(|trial| trial.id == failed.id).unwrap().attempts, 2);
}

#[test]
fn no_checkpoint_outlives_its_trial() {
    let mut place = Place::that_trains();
    place.set("FROSTLINE_WORKER_ARGUMENTS", "--checkpoint-seconds 0");
    place.edit("[0, \"all\"]", "[0.9, \"all\"]");
    place.succeed("launch demo.toml");
    let folder = place.path("results/checkpoints");
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_optional_may_be_missing_and_is_said_in_one_line() {
    let mut place = Place::new();
    assert!(place.succeed("fetch").stdout.contains("cifar10"));
    place.set("FROSTLINE_MIRROR", empty_mirror());
    let outcome = place.run("fetch cifar10 --optional");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{outcome}");
    let said: Vec<&str> = outcome.stderr.lines().filter(|line| !line.starts_with("downloading")).collect();
    let &[line] = &said[..] else { panic!("{outcome}") };
    assert!(line.starts_with("`cifar10` cannot be downloaded here (http://127.0.0.1:"), "{outcome}");
    assert!(line.contains("HTTP status 404"), "{outcome}");
    assert!(!place.path("cache/data/cifar-10-batches-bin").exists());
}

#[test]
fn a_server_prints_its_link_and_ends_when_it_is_told_to() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let running = place.start("serve --host 127.0.0.1 --port 0 --allow-remote");
    running.wait_until_it_says("Open this link");
    running.signal(Signal::INT);
    let ended = running.wait();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.starts_with("http://127.0.0.1:") && ended.stdout.contains("/?token="), "{ended}");
    let refused = place.run("serve --host 0.0.0.0");
    assert!(refused.code == Some(2) && refused.stderr.contains("--allow-remote"), "{refused}");
}

#[test]
fn a_worker_joins_with_all_that_it_can_be_told() {
    let place = Place::new();
    let running = place.start("launch demo.toml --set workers.count=0 --set workers.listen=127.0.0.1:0");
    until("the way in to be open", || place.path("results/run/access.json").exists().then_some(()));
    place.write("mine/weights.safetensors", "");
    let joined = place.run(
        "join results/run/access.json --data mine --weights mine/weights.safetensors --scratch mine --checkpoints mine --device cpu --minutes 60",
    );
    assert_eq!(joined.code, Some(0), "{joined}");
    assert_eq!(running.wait().code, Some(0));
    let wrong = place.run("join results/run/access.json");
    assert_eq!(wrong.code, Some(2), "{wrong}");
}

/// The page of a run is there while it runs, whether it is launched or resumed.
#[test]
fn a_run_shows_its_page_while_it_runs() {
    let place = Place::new();
    place.hold();
    for command in ["launch demo.toml --serve", "resume demo --serve"] {
        let running = place.start(command);
        running.wait_until_it_says("Its page, for as long as it runs: http://127.0.0.1:");
        place.wait_for_epochs("demo", 2);
        running.signal(Signal::INT);
        let ended = running.wait();
        assert_eq!(ended.code, Some(130), "{ended}");
        let link = ended.stderr.split("Its page, for as long as it runs: ").nth(1).unwrap();
        let link = link.split_whitespace().next().unwrap();
        assert!(link.contains("/s/demo?token="), "{link}");
        // Nobody listens there any more.
        let address = link.trim_start_matches("http://").split('/').next().unwrap();
        assert!(std::net::TcpStream::connect(address).is_err(), "{address}");
    }
}

#[test]
fn what_is_noted_of_a_sweep_is_shown_with_it() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    says!(place, "note demo", @r"
    exit code 0
    --- output
    nothing is noted of `demo`
    ");
    place.succeed("note demo.toml wide");
    place.succeed("launch demo.toml");
    assert_eq!(place.succeed("note demo").stdout, "wide\n");
    assert!(place.succeed("list").stdout.lines().nth(1).unwrap().ends_with("  wide"));
    assert!(place.succeed("status demo").stdout.contains("\nwide\n"));
    for json in [&place.json("list --json")[0], &place.json("status demo --json")] {
        assert_eq!(json["note"], "wide");
    }
    place.succeed("report demo -o page.html");
    assert!(std::fs::read_to_string(place.path("page.html")).unwrap().contains("Note: wide"));
    let long = place.run(&format!("note demo {}", "x".repeat(501)));
    assert_eq!(long.code, Some(2), "{long}");
    assert!(long.stderr.contains("501 characters, and room for 500"), "{long}");
    assert_eq!(place.run("note").code, Some(2), "one sweep is meant");
}

/// What is asked for is said in any case, and what went wrong unless nobody wants to hear it.
#[test]
fn a_run_says_as_much_as_it_is_told_to() {
    let place = Place::that_trains();
    place.edit("[0, \"all\"]", "[\"all\"]");
    place.edit("[1e-3, 1e-2]", "[1e-3, 1e30]");
    place.edit("epochs = 2", "epochs = 2\noptimizer = \"sgd\"");
    let loud = place.run("launch demo.toml --no-progress --ascii --results loud");
    let quiet = place.run("launch demo.toml -q --results quiet");
    let silent = place.run("launch demo.toml -qq --results silent");
    assert_eq!([loud.code, quiet.code, silent.code], [Some(3); 3], "{loud}{quiet}{silent}");
    assert!(loud.stderr.contains("2 trials to run") && loud.stderr.contains("val_accuracy"), "{loud}");
    assert!(!quiet.stderr.contains("to run") && quiet.stderr.contains("failed (diverged)"), "{quiet}");
    assert!(quiet.stdout.contains("rank  trial"), "{quiet}");
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    let again = place.run("resume demo --results loud --quiet --no-progress --ascii");
    assert!(again.stdout.contains("rank  trial") && !again.stderr.contains("done"), "{again}");
}

#[test]
fn colours_are_used_where_they_are_wanted() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let is_coloured = |command: &str| place.succeed(command).stdout.contains('\u{1b}');
    assert!(!is_coloured("best demo") && is_coloured("best demo --color always"));
    assert!(!is_coloured("best demo --color never"));
}

#[test]
fn the_best_configurations_get_further_seeds() {
    let place = Place::new();
    place.succeed("launch demo.toml");
    let best = place.json("best demo --json");
    let groups: Vec<_> = best.as_array().unwrap()[..2].iter().map(|row| row["group"].clone()).collect();
    says!(place, "extend demo --seeds 1,2 --top 2", @r"
    exit code 0
    --- error
    4 trials added to `demo`, of its best 2 configurations: `frostline resume demo` runs what is missing
    ");
    says!(place, "extend demo --seeds 2 --top 2", @r"
    exit code 0
    --- error
    `demo` has these seeds of its best 2 configurations already
    ");
    let resumed = place.succeed("resume demo");
    assert!(resumed.stderr.contains("4 trials to run, 4 done"), "{resumed}");
    let rows = place.json("best demo --json");
    let seeds = |row: &serde_json::Value| (groups.contains(&row["group"]), row["seeds"].as_u64().unwrap());
    let mut found: Vec<(bool, u64)> = rows.as_array().unwrap().iter().map(seeds).collect();
    found.sort_unstable();
    assert_eq!(found, [(false, 1), (false, 1), (true, 3), (true, 3)]);
    assert_eq!(place.json("verify --json")["sound"], true);
}
