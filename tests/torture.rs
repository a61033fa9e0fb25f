//! Kills and stops coordinators and workers in the middle of real training, again and again, and then asks whether
//! anything was lost: every row of every trial must be the one of an undisturbed run, to the bit.
//!
//! `FROSTLINE_TORTURE_KILLS=200` (see `./just torture`) chooses how often; `FROSTLINE_TORTURE_SEED` repeats the choices,
//! though not the moments, which the machine decides.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Of a sweep.
const WORKERS: u64 = 2;

/// Ends of a worker, one after another without a trial between them, after which it is not started any more.
const LOSSES: u64 = 5;

/// The database may stand still for so long: a worker that is stopped before it connects is waited for for two minutes, and where
/// one trial is left nobody else is started meanwhile.
const PATIENCE: Duration = Duration::from_secs(300);

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

struct Bench {
    folder: tempfile::TempDir,
    definition: PathBuf,
    epochs: u32,
    trials: u64,
}

impl Bench {
    /// Short trials of real training, a multiple of four.
    fn new(trials: u64, epochs: u32) -> Bench {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let definition = folder.path().join("torture.toml");
        for name in ["calm", "torn", "runtime"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let mut bench = Bench { folder, definition, epochs, trials: 0 };
        bench.grow(trials);
        bench
    }

    /// Adds trials to the definition: a frozen and a half-frozen network in turn.
    fn grow(&mut self, trials: u64) {
        self.trials += trials;
        let rates: Vec<String> = (1..=self.trials / 4).map(|place| format!("{place}e-4")).collect();
        let text = format!(
            "[sweep]\nname = \"torture\"\n\
             [data]\ndataset = \"shapes\"\nimage_size = 32\ntrain_limit = 60\ntest_limit = 20\nvalidation = 0.2\n\
             [model]\nbackbone = \"efficientnet_lite0\"\nweights = \"random\"\n\
             [grid]\nfrozen_layers = [\"all\", 0.95]\noptimizer = [\"adam\", \"rmsprop\"]\nlearning_rate = [{}]\n\
             [train]\nepochs = {}\nbatch_size = 16\nhead_units = [16]\nhead_dropout = [0.2]\n\
             [workers]\ncount = 2\nthreads = 1\ndevice = \"cpu\"\nlease = 5.0\nreconnect_grace = 2.0\n",
            rates.join(", "),
            self.epochs
        );
        std::fs::write(&self.definition, text).expect("a definition");
    }

    fn results(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn frostline(&self, results: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frostline"));
        command
            .args(arguments)
            .env("FROSTLINE_RESULTS", self.results(results))
            // Trials that are shorter than half a minute would keep nothing.
            .env("FROSTLINE_WORKER_ARGUMENTS", "--checkpoint-seconds 0")
            // Sockets of this test's own.
            .env("XDG_RUNTIME_DIR", self.results("runtime"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn run(&self, results: &str, arguments: &[&str]) -> ExitStatus {
        self.frostline(results, arguments).status().expect("frostline runs")
    }

    fn start(&self, results: &str) -> Coordinator {
        let definition = self.definition.to_str().expect("UTF-8");
        // A coordinator that died before it stored all trials leaves too few to resume.
        let known = count(&self.results(results), "trial") == self.trials;
        let arguments: &[&str] = if known { &["resume", "torture"] } else { &["launch", definition] };
        Coordinator(self.frostline(results, arguments).spawn().expect("frostline starts"))
    }

    /// Processes of workers of this test.
    fn workers(&self) -> Vec<Pid> {
        // They are told where the results folder leaves word of the socket.
        let mark = self.folder.path().as_os_str().as_encoded_bytes();
        let entries = std::fs::read_dir("/proc").expect("a table of processes").flatten();
        let pid = |entry: std::fs::DirEntry| {
            let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let is_worker = line.split(|byte| *byte == 0).any(|part| part == b"connect");
            (is_worker && line.windows(mark.len()).any(|part| part == mark)).then_some(pid)
        };
        entries.filter_map(pid).collect()
    }
}

/// Does not outlive the test.
struct Coordinator(Child);

impl Coordinator {
    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("our process")
    }

    fn kill(&mut self) {
        self.0.kill().expect("our process");
        self.0.wait().expect("our process");
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for worker in self.workers() {
            let _ = kill_process(worker, Signal::KILL);
        }
    }
}

fn query(results: &Path, sql: &str) -> Vec<Vec<rusqlite::types::Value>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let read = || {
        let connection = Connection::open_with_flags(results.join("frostline.db"), flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect())?;
        rows.collect::<rusqlite::Result<Vec<Vec<rusqlite::types::Value>>>>()
    };
    // Before the first commit there is no table.
    read().unwrap_or_default()
}

fn count(results: &Path, table: &str) -> u64 {
    match query(results, &format!("SELECT count(*) FROM {table}")).first().and_then(|row| row.first()) {
        Some(rusqlite::types::Value::Integer(count)) => *count as u64,
        _ => 0,
    }
}

/// What was measured, without what the clock and the memory measured.
const MEASURED: &str = "SELECT hex(trial), epoch.epoch, epoch.train_loss, epoch.train_accuracy, epoch.val_loss,
        epoch.val_accuracy, epoch.learning_rate, trial.test_loss, trial.test_accuracy, trial.confusion
    FROM attempt JOIN epoch ON epoch.attempt = attempt.id JOIN trial ON trial.id = attempt.trial
    WHERE outcome = 'complete' ORDER BY 1, 2";

/// Waits for `done`, for as long as the database grows.
fn wait_until(results: &Path, mut done: impl FnMut() -> bool) {
    let (mut seen, mut since) = (0, Instant::now());
    while !done() {
        let now = count(results, "epoch") + count(results, "attempt");
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < PATIENCE, "nothing has happened for {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What nobody disturbed is not done again: each kill, and each stop, costs an attempt of every worker at most, and each
/// attempt an epoch at most.
fn assert_nothing_ran_in_vain(bench: &Bench, results: &Path, disturbances: u64) {
    // An attempt that goes on from a checkpoint reports the epochs before it once more, with the seconds that they took.
    let computed = "(SELECT DISTINCT trial, epoch.epoch, epoch.seconds
        FROM epoch JOIN attempt ON attempt.id = epoch.attempt)";
    let (attempts, epochs) = (count(results, "attempt"), count(results, computed));
    let most = bench.trials + WORKERS * disturbances;
    assert!(attempts <= most, "{attempts} attempts of {} trials after {disturbances} disturbances", bench.trials);
    let most = bench.trials * u64::from(bench.epochs) + attempts;
    assert!(epochs <= most, "{epochs} epochs were computed, of {most} at most");
}

#[test]
fn whatever_is_killed_nothing_is_lost_and_nothing_counts_twice() {
    let kills = number("FROSTLINE_TORTURE_KILLS", 12);
    let seed = number("FROSTLINE_TORTURE_SEED", 1);
    let trials = (kills / 3).clamp(8, 64).next_multiple_of(4);
    let mut bench = Bench::new(trials, (8 * kills / trials).clamp(6, 30) as u32);
    let torn = bench.results("torn");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut killed, mut stopped, mut coordinators, mut stuck) = (0, 0, 0, 0);
    let mut coordinator = bench.start("torn");
    loop {
        if let Some(ended) = coordinator.ended() {
            if !ended.success() {
                match ended.code() {
                    // Trials that lost too many workers: ask for them again.
                    Some(3) => assert!(bench.run("torn", &["retry", "torture"]).success()),
                    // Workers that were killed too often.
                    Some(1) => stuck += 1,
                    _ => panic!("a coordinator that nobody killed ended with {ended}"),
                }
                assert!(LOSSES * (stuck * WORKERS) <= killed + stopped, "{stuck} times no worker stayed alive");
            } else if killed < kills {
                // It was quicker than its killer.
                bench.grow(8);
            } else {
                break;
            }
            coordinator = bench.start("torn");
            continue;
        }
        let target = count(&torn, "epoch") + random.random_range(0..4);
        wait_until(&torn, || count(&torn, "epoch") >= target || coordinator.ended().is_some());
        if killed >= kills {
            continue;
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
        let workers = bench.workers();
        match random.random_range(0..10) {
            0..3 => {
                coordinator.kill();
                coordinators += 1;
                killed += 1;
                coordinator = bench.start("torn");
            }
            // Longer than the lease: it is given up, killed, and replaced.
            3 if !workers.is_empty() => {
                let _ = kill_process(workers[random.random_range(0..workers.len())], Signal::STOP);
                stopped += 1;
            }
            4 => {
                let pid = Pid::from_child(&coordinator.0);
                let _ = kill_process(pid, Signal::STOP);
                std::thread::sleep(Duration::from_millis(random.random_range(0..3000)));
                let _ = kill_process(pid, Signal::CONT);
                stopped += 1;
            }
            _ if !workers.is_empty() => {
                let worker = workers[random.random_range(0..workers.len())];
                killed += u64::from(kill_process(worker, Signal::KILL).is_ok());
            }
            _ => {}
        }
    }
    println!(
        "{} trials of {} epochs: {killed} killed ({coordinators} coordinators), {stopped} stopped, {} attempts",
        bench.trials,
        bench.epochs,
        count(&torn, "attempt")
    );
    assert!(kills < 12 || coordinators < killed, "no worker was found to be killed");
    assert_nothing_ran_in_vain(&bench, &torn, killed + stopped);
    assert!(bench.run("torn", &["verify"]).success());
    assert_eq!(count(&torn, "trial WHERE state = 'complete'"), bench.trials);
    assert!(bench.run("calm", &["launch", bench.definition.to_str().expect("UTF-8")]).success());
    let (measured, expected) = (query(&torn, MEASURED), query(&bench.results("calm"), MEASURED));
    assert_eq!((measured.len(), expected.len() as u64), (expected.len(), bench.trials * u64::from(bench.epochs)));
    for (ours, theirs) in measured.iter().zip(&expected) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn no_worker_outlives_its_coordinator_for_longer_than_the_grace_period() {
    let bench = Bench::new(4, 20);
    let torn = bench.results("torn");
    let mut coordinator = bench.start("torn");
    wait_until(&torn, || count(&torn, "epoch") > 0);
    assert!(!bench.workers().is_empty());
    coordinator.kill();
    // The grace period is 2 s, and a trainer that hangs has 2 s more.
    let deadline = Instant::now() + PATIENCE;
    while !bench.workers().is_empty() {
        assert!(Instant::now() < deadline, "workers are left: {:?}", bench.workers());
        std::thread::sleep(Duration::from_millis(20));
    }
}
