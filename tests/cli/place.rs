//! A folder for each test, and the programs that run in it.

use frostline_sweep::trial::TrialId;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A sweep of four trials that needs no file.
pub const DEMO: &str = r#"[sweep]
name = "demo"

[data]
dataset = "shapes"
image_size = 32
train_limit = 60
test_limit = 20

[model]
backbone = "efficientnet_lite0"
weights = "random"

[grid]
frozen_layers = [0, "all"]
learning_rate = [1e-3, 1e-2]

[train]
epochs = 2
batch_size = 20
head_units = [8]

[workers]
count = 2
threads = 1
device = "cpu"
"#;

/// What differs from run to run, and what a snapshot shows instead.
pub const FILTERS: [(&str, &str); 4] = [
    (r"\d+\.\d s\b", "[TIME]"),
    (r"process \d+", "process [ID]"),
    (r"(?m)(launched from .* on) .*$", "$1 [HOST]"),
    (r"\d+(\.\d)? [kMGT]?B free", "[SPACE] free"),
];

/// Runs `frostline` in a place and compares its exit code and everything that it says.
macro_rules! says {
    ($place:expr, $arguments:expr, @$expected:literal) => {
        insta::with_settings!({ filters => crate::place::FILTERS }, {
            insta::assert_snapshot!($place.run($arguments), @$expected);
        })
    };
}

/// How long something may take that has to happen: far longer than it does on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A temporary folder. Programs that run in it find nothing of the user's.
pub struct Place {
    folder: TempDir,
    trainer: Trainer,
    environment: Vec<(&'static str, OsString)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trainer {
    /// Made-up metrics, at once.
    Idle,
    Libtorch,
}

impl Place {
    /// With `demo.toml`, which is [`DEMO`], and workers that learn nothing.
    pub fn new() -> Place {
        Place::made(Trainer::Idle)
    }

    /// With workers that train.
    pub fn that_trains() -> Place {
        Place::made(Trainer::Libtorch)
    }

    fn made(trainer: Trainer) -> Place {
        let mut place = Place { folder: TempDir::new().unwrap(), trainer, environment: Vec::new() };
        place.write("demo.toml", DEMO);
        // Sockets go with the place, where a path to one of them is short enough for the system.
        let runtime = place.path("sockets");
        if runtime.as_os_str().len() < 60 {
            fs::create_dir(&runtime).unwrap();
            place.set("XDG_RUNTIME_DIR", runtime);
        }
        place
    }

    /// With another line in `demo.toml`.
    pub fn edited(old: &str, new: &str) -> Place {
        let place = Place::new();
        place.edit(old, new);
        place
    }

    /// Changes one line of `demo.toml`.
    pub fn edit(&self, old: &str, new: &str) {
        let text = self.read("demo.toml");
        assert_eq!(text.matches(old).count(), 1, "{old}");
        self.write("demo.toml", text.replace(old, new));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Sets a variable for the programs of this place.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.push((name, value.into()));
    }

    /// A program of this place.
    pub fn script(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        self.write(name, format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program in place of `frostline-worker`.
    pub fn worker_script(&mut self, script: &str) {
        self.script("worker", script);
        self.set("FROSTLINE_WORKER", self.path("worker"));
    }

    /// From now on trials wait after their first epoch.
    pub fn hold(&self) {
        self.write("hold", "");
    }

    pub fn release(&self) {
        fs::remove_file(self.path("hold")).unwrap();
    }

    pub fn command(&self, arguments: &str) -> Command {
        // Whoever runs the tests in the background has them ignore Ctrl-C, which frostline would take over.
        self.command_with("--default-signal=HUP,INT,TERM,USR2", arguments)
    }

    /// `signals` says what `env` does with them before it becomes `frostline`.
    fn command_with(&self, signals: &str, arguments: &str) -> Command {
        let mut command = Command::new("/usr/bin/env");
        command.args([signals, env!("CARGO_BIN_EXE_frostline")]).args(arguments.split_whitespace());
        self.prepared(command)
    }

    /// In this place, with its environment.
    fn prepared(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let is_ours = |name: &str| name.starts_with("FROSTLINE_") || name == "CLICOLOR_FORCE";
            // Servers of tests are on this machine.
            let is_proxy = |name: &str| name.to_ascii_lowercase().ends_with("_proxy");
            if name.to_str().is_some_and(|name| is_ours(name) || is_proxy(name)) {
                command.env_remove(name);
            }
        }
        command.env("FROSTLINE_CACHE", self.path("cache")).env("FROSTLINE_WORKER", worker());
        // Whatever GPUs this machine has: what is said of them is for tests that bring their own.
        command.env("CUDA_VISIBLE_DEVICES", "");
        if self.trainer == Trainer::Idle {
            let hold = self.path("hold");
            command.env("FROSTLINE_WORKER_ARGUMENTS", format!("--trainer idle --hold {}", hold.display()));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a shell script that may mount what nobody else sees, and that ends with 99 where it cannot; `$FROSTLINE` is
    /// the program. None, with a note, where the system does not allow mounts; with `CI` set that is a failure.
    pub fn in_own_mounts(&self, script: &str) -> Option<Outcome> {
        self.write("script", script);
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "script"]);
        let mut command = self.prepared(command);
        command.env("FROSTLINE", env!("CARGO_BIN_EXE_frostline"));
        let outcome = self.spawn(command).ok().map(Running::wait);
        let allowed = |outcome: &Outcome| outcome.code != Some(99) && !outcome.stderr.starts_with("unshare: ");
        if !outcome.as_ref().is_some_and(allowed) {
            not_run(&format!("this system does not let a test mount a disk of its own ({outcome:?})"));
            return None;
        }
        outcome
    }

    /// Runs a line of a shell; `$FROSTLINE` is the program.
    pub fn shell(&self, line: &str) -> Outcome {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("FROSTLINE", env!("CARGO_BIN_EXE_frostline"));
        self.spawn(self.prepared(command)).unwrap().wait()
    }

    /// Runs `frostline` to its end; arguments are separated by spaces.
    pub fn run(&self, arguments: &str) -> Outcome {
        self.start(arguments).wait()
    }

    /// Runs `frostline` with nobody left who reads its output.
    pub fn run_unread(&self, arguments: &str) -> Outcome {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = self.command(arguments).stdout(writer).output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::new(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same as [`Place::run`], for what has to succeed.
    pub fn succeed(&self, arguments: &str) -> Outcome {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "frostline {arguments}\n{outcome}");
        outcome
    }

    /// What a command prints as JSON.
    pub fn json(&self, arguments: &str) -> Value {
        let outcome = self.succeed(arguments);
        serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|error| panic!("frostline {arguments}: {error}\n{outcome}"))
    }

    /// Each trial of `demo` with its metrics, by rank.
    pub fn metrics(&self) -> Vec<(Value, Value)> {
        let best = self.json("best demo --json");
        let row = |row: &Value| (row["trial"].clone(), row["metrics"].clone());
        best.as_array().unwrap().iter().map(row).collect()
    }

    /// Holds what the sweep of `demo.toml` came to against a quiet run of it on this machine's own workers: all trials, once,
    /// with the same numbers.
    pub fn assert_as_undisturbed(&self) {
        let calm = Place::new();
        calm.succeed("launch demo.toml");
        assert_eq!(self.metrics(), calm.metrics());
        assert_eq!(self.json("verify --json")["sound"], true);
    }

    /// Waits for a run of it, which must go well.
    pub fn ends_as_undisturbed(&self, running: Running) {
        let outcome = running.wait();
        assert_eq!(outcome.code, Some(0), "{outcome}\n{}", self.read("results/logs/coordinator.log"));
        self.assert_as_undisturbed();
    }

    pub fn start(&self, arguments: &str) -> Running {
        self.spawn(self.command(arguments)).unwrap()
    }

    /// The same on another host: a network namespace of this name.
    pub fn start_on(&self, host: &str, arguments: &str) -> Running {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", host, "/usr/bin/env", "--default-signal=HUP,INT,TERM,USR2"]);
        command.arg(env!("CARGO_BIN_EXE_frostline")).args(arguments.split_whitespace());
        self.spawn(self.prepared(command)).unwrap()
    }

    /// The same, started with this signal ignored, as `nohup` does.
    pub fn start_ignoring(&self, signal: &str, arguments: &str) -> Running {
        self.spawn(self.command_with(&format!("--ignore-signal={signal}"), arguments)).unwrap()
    }

    fn spawn(&self, mut command: Command) -> std::io::Result<Running> {
        let said = TempDir::new().unwrap();
        let file = |name| File::create(said.path().join(name)).unwrap();
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn()?;
        let place = self.path("").display().to_string().trim_end_matches('/').to_owned();
        Ok(Running { child, said, place })
    }

    /// The trials of a sweep by `status`, in its order.
    pub fn trials(&self, sweep: &str) -> Vec<Trial> {
        let status = self.json(&format!("status {sweep} --json"));
        let trial = |row: &Value| Trial {
            id: row["trial"].as_str().unwrap().to_owned(),
            state: row["state"].as_str().unwrap().to_owned(),
            attempts: row["attempts"].as_u64().unwrap(),
            epoch: row["epoch"].as_u64().unwrap_or(0),
        };
        status["trials"].as_array().unwrap().iter().map(trial).collect()
    }

    /// Waits until as many trials have their first epoch in the database.
    pub fn wait_for_epochs(&self, sweep: &str, trials: usize) -> Vec<Trial> {
        let begun = |trial: &&Trial| trial.state == "running" && trial.epoch == 1;
        until(&format!("{trials} trials of `{sweep}` to have an epoch"), || {
            // No database yet, or no sweep in it.
            let outcome = self.run(&format!("status {sweep} --json"));
            let there = outcome.code == Some(0) && outcome.stdout.starts_with('{');
            let rows = if there { self.trials(sweep) } else { Vec::new() };
            (rows.iter().filter(begun).count() == trials).then_some(rows)
        })
    }

    /// Processes of the workers that ever connected, in that order, by the coordinator's log.
    pub fn worker_processes(&self) -> Vec<Pid> {
        let log = self.read("results/logs/coordinator.log");
        let connected = log.lines().filter(|line| line.contains("worker connected"));
        let process = |line: &str| {
            let number = line.split("process=").nth(1)?.split_whitespace().next()?;
            Pid::from_raw(number.parse().ok()?)
        };
        connected.map(|line| process(line).unwrap_or_else(|| panic!("no process: {line}"))).collect()
    }
}

/// A row of `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    pub id: String,
    pub state: String,
    pub attempts: u64,
    /// The last epoch that is recorded of its newest attempt.
    pub epoch: u64,
}

impl Trial {
    /// What happened to it, in short: "complete after 1".
    pub fn summary(&self) -> String {
        format!("{} after {}", self.state, self.attempts)
    }
}

/// How trials of one sweep stand, in its order.
pub fn summaries(trials: &[Trial]) -> Vec<String> {
    trials.iter().map(Trial::summary).collect()
}

/// A `frostline` that may still run; it is killed where a test fails.
pub struct Running {
    child: Child,
    said: TempDir,
    place: String,
}

impl Running {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What it has written on standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.said.path().join("stderr")).unwrap()
    }

    pub fn wait_until_it_says(&self, text: &str) {
        until(&format!("the program to say `{text}`"), || self.stderr().contains(text).then_some(()));
    }

    pub fn wait(mut self) -> Outcome {
        let ended = until("the program to end", || self.child.try_wait().unwrap());
        let said = |name| fs::read_to_string(self.said.path().join(name)).unwrap().replace(&self.place, "[PLACE]");
        Outcome { code: ended.code(), stdout: said("stdout"), stderr: said("stderr") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// How a program ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit code {code}")?,
            None => writeln!(f, "ended by a signal")?,
        }
        for (name, text) in [("output", &self.stdout), ("error", &self.stderr)] {
            if !text.is_empty() {
                write!(f, "--- {name}\n{text}")?;
            }
        }
        Ok(())
    }
}

/// Says that a test cannot run here, and why.
///
/// # Panics
/// Where `CI` is set: a whole check has to check everything.
#[allow(clippy::print_stderr)]
pub fn not_run(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "this test has to run where CI is set, and cannot: {why}");
    eprintln!("not run: {why}");
}

/// Whether a process still runs; what has ended and waits for its parent to ask does not.
pub fn is_alive(process: Pid) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())) else { return false };
    // The name, in parentheses, may have spaces and parentheses itself.
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    !matches!(state, Some("Z" | "X"))
}

/// Looks again and again until there is an answer.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited {} s for {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `FROSTLINE_WORKER`, else the worker that was built with the program under test.
pub fn worker() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_frostline")).with_file_name("frostline-worker");
    let program = std::env::var_os("FROSTLINE_WORKER").map_or(beside, PathBuf::from);
    assert!(
        program.is_file(),
        "there is no {}: build the workspace first: cargo build --workspace",
        program.display()
    );
    program
}

/// Whether a text is a trial's whole id.
pub fn is_trial_id(text: &str) -> bool {
    text.parse::<TrialId>().is_ok()
}

/// A server that has nothing.
pub fn empty_mirror() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    base
}
