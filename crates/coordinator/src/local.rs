//! Workers as processes of this machine.
//!
//! A worker outlives a coordinator that dies, so that the next one finds it where it was: [`LocalLauncher::launch`]
//! adopts a process that still waits for a coordinator of this results folder instead of starting a second one.
//! Processes are held by file descriptor, so a process id that was given to somebody else is never killed.

use crate::event::Exits;
use crate::launcher::{Exit, Launcher};
use frostline_protocol::WorkerId;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getuid, pidfd_open, pidfd_send_signal};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A worker's log is put aside once it is longer than this.
const LOG_BYTES: u64 = 1 << 20;
/// How much of a log's end is read for a failure.
const TAIL_BYTES: u64 = 16 << 10;
const TAIL_LINES: usize = 40;

/// Where worker processes come from and what they are told.
#[derive(Debug, Clone)]
pub struct LocalWorkers {
    /// The `frostline-worker` to run, see [`worker_program`].
    pub program: PathBuf,
    /// One worker a device, in the words of `--device`: worker 1 has the first.
    pub devices: Vec<String>,
    /// Threads of each worker; libtorch's results depend on it.
    pub threads: u32,
    /// Further arguments for each worker.
    pub arguments: Vec<OsString>,
    /// Folder of the workers' log files.
    pub logs: PathBuf,
}

/// `FROSTLINE_WORKER`, else `frostline-worker` beside the running program.
pub fn worker_program() -> io::Result<PathBuf> {
    if let Some(program) = std::env::var_os("FROSTLINE_WORKER") {
        return Ok(program.into());
    }
    let program = std::env::current_exe()?.with_file_name("frostline-worker");
    if program.is_file() {
        return Ok(program);
    }
    let message = format!("there is no {}; build it, or name another in FROSTLINE_WORKER", program.display());
    Err(io::Error::new(io::ErrorKind::NotFound, message))
}

pub(crate) struct LocalLauncher {
    workers: LocalWorkers,
    socket: PathBuf,
    token: String,
    processes: BTreeMap<WorkerId, Process>,
    /// Workers of the coordinator before this one that still wait for somebody.
    survivors: BTreeMap<WorkerId, OwnedFd>,
}

#[derive(Clone)]
struct Process {
    handle: Arc<OwnedFd>,
    /// We ended it: its signal needs no explanation.
    killed: Arc<AtomicBool>,
    log: LogStart,
}

impl LocalLauncher {
    /// Finds the workers that a dead coordinator left behind, and ends those that don't fit the new one.
    pub(crate) fn new(workers: LocalWorkers, socket: PathBuf, token: String) -> io::Result<LocalLauncher> {
        std::fs::create_dir_all(&workers.logs)?;
        let mut launcher =
            LocalLauncher { workers, socket, token, processes: BTreeMap::new(), survivors: BTreeMap::new() };
        for (arguments, handle) in
            processes_with(&["connect".as_ref(), "--socket".as_ref(), launcher.socket.as_os_str()])
        {
            match launcher.ids().find(|worker| launcher.arguments(*worker) == arguments) {
                Some(worker) => drop(launcher.survivors.insert(worker, handle)),
                None => drop(pidfd_send_signal(&handle, Signal::KILL)),
            }
        }
        Ok(launcher)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (1..=self.workers.devices.len() as u32).map(WorkerId)
    }

    /// Workers of the coordinator before this one that can be taken over.
    pub(crate) fn survivors(&self) -> BTreeSet<WorkerId> {
        self.survivors.keys().copied().collect()
    }

    fn arguments(&self, worker: WorkerId) -> Vec<OsString> {
        let device = self.workers.devices.get(worker.0 as usize - 1).map_or("cpu", String::as_str);
        let mut arguments = vec!["connect".into(), "--socket".into(), self.socket.clone().into_os_string()];
        arguments.extend(["--worker".into(), worker.0.to_string().into(), "--device".into(), device.into()]);
        arguments.extend(["--threads".into(), self.workers.threads.to_string().into()]);
        arguments.extend(self.workers.arguments.iter().cloned());
        arguments
    }

    fn log(&self, worker: WorkerId) -> PathBuf {
        self.workers.logs.join(format!("worker-{}.log", worker.0))
    }

    /// The last lines that this worker's process has written so far.
    pub(crate) fn tail(&self, worker: WorkerId) -> Vec<String> {
        self.processes.get(&worker).map_or(Vec::new(), |process| process.log.tail())
    }

    /// Puts long logs aside. What cannot be put aside is tried again the next time.
    pub(crate) fn bound_logs(&self) {
        for worker in self.ids() {
            if let Err(error) = bound_log(&self.log(worker)) {
                tracing::warn!(worker = worker.0, "the log cannot be put aside: {error}");
            }
        }
    }

    fn spawn(&self, worker: WorkerId) -> io::Result<(Child, LogStart)> {
        let path = self.log(worker);
        bound_log(&path)?;
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        let start = LogStart { offset: log.metadata()?.len(), path };
        let child = Command::new(&self.workers.program)
            .args(self.arguments(worker))
            .env("FROSTLINE_TOKEN", &self.token)
            // A backtrace of an allocation that fails allocates, and waits for its own lock for ever.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Its own group: a terminal's Ctrl-C is for the coordinator, which ends its workers in good order.
            .process_group(0)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.workers.program.display())))?;
        Ok((child, start))
    }
}

impl Launcher for LocalLauncher {
    fn launch(&mut self, worker: WorkerId, exits: &Exits) -> io::Result<()> {
        let exits = exits.clone();
        let killed = Arc::new(AtomicBool::new(false));
        let (handle, log) = match self.survivors.remove(&worker) {
            Some(handle) => {
                tracing::info!(worker = worker.0, "took over a worker of the coordinator before");
                let handle = Arc::new(handle);
                let start = LogStart { offset: 0, path: self.log(worker) };
                let waiting = Arc::clone(&handle);
                let log = start.clone();
                std::thread::spawn(move || {
                    wait_for_end(&waiting);
                    exits.tell(worker, Exit { description: "ended".into(), log: start.tail() });
                });
                (handle, log)
            }
            None => {
                let (mut child, start) = self.spawn(worker)?;
                let handle = match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
                    Ok(handle) => Arc::new(handle),
                    Err(error) => {
                        child.kill()?;
                        return Err(error.into());
                    }
                };
                let killed = Arc::clone(&killed);
                let log = start.clone();
                std::thread::spawn(move || {
                    let description = describe(child.wait(), killed.load(Ordering::Relaxed));
                    exits.tell(worker, Exit { description, log: start.tail() });
                });
                (handle, log)
            }
        };
        self.processes.insert(worker, Process { handle, killed, log });
        Ok(())
    }

    fn kill(&mut self, worker: WorkerId) {
        if let Some(process) = self.processes.get(&worker) {
            process.killed.store(true, Ordering::Relaxed);
            // Fails where the process has ended already, and then there is nothing to do.
            let _ = pidfd_send_signal(&process.handle, Signal::KILL);
        }
    }
}

/// Survivors that nobody asked for would wait for their grace period, on a GPU perhaps.
impl Drop for LocalLauncher {
    fn drop(&mut self) {
        for handle in self.survivors.values() {
            let _ = pidfd_send_signal(handle, Signal::KILL);
        }
    }
}

fn wait_for_end(handle: &OwnedFd) {
    // A process' descriptor becomes readable when it ends.
    while let Err(rustix::io::Errno::INTR) = poll(&mut [PollFd::new(handle, PollFlags::IN)], None) {}
}

fn describe(status: io::Result<std::process::ExitStatus>, killed: bool) -> String {
    match status {
        Ok(status) if killed => format!("ended by the coordinator ({status})"),
        Ok(status) if status.signal() == Some(9) => {
            format!("{status}; not by Frostline: the kernel ends processes so when memory runs out")
        }
        Ok(status) => status.to_string(),
        Err(error) => format!("its end could not be read: {error}"),
    }
}

/// Keeps a log short: what there is becomes the older log once it is long. Its process goes on writing to the file, so it
/// is copied and cleared; a line that is written between the two is lost.
fn bound_log(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|log| log.len() > LOG_BYTES) {
        std::fs::copy(path, path.with_extension("old.log"))?;
        OpenOptions::new().write(true).open(path)?.set_len(0)?;
    }
    Ok(())
}

/// Where in its log file a process began to write.
#[derive(Clone)]
struct LogStart {
    path: PathBuf,
    offset: u64,
}

impl LogStart {
    /// The last lines that this process wrote.
    fn tail(&self) -> Vec<String> {
        let read = || {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            // A log that was put aside has begun anew.
            let offset = if self.offset > length { 0 } else { self.offset };
            file.seek(SeekFrom::Start(offset.max(length.saturating_sub(TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_else(|error| format!("{} could not be read: {error}", self.path.display()));
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| line.to_string()).collect()
    }
}

/// Processes of this user whose arguments begin with `prefix`, by the table of processes: unlike a file of process
/// ids it can't be out of date.
fn processes_with(prefix: &[&OsStr]) -> Vec<(Vec<OsString>, OwnedFd)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let ours = |arguments: &Vec<OsString>| {
            arguments.iter().map(OsString::as_os_str).take(prefix.len()).eq(prefix.iter().copied())
        };
        let Some(arguments) = arguments_of(&entry.path()).filter(ours) else { continue };
        // Between the two looks the number may have gone to another process: then its arguments differ now.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if arguments_of(&entry.path()).as_ref() == Some(&arguments) {
            found.push((arguments, handle));
        }
    }
    found
}

/// A process' arguments without the program's name; none where it is gone, not ours, or a zombie.
fn arguments_of(process: &Path) -> Option<Vec<OsString>> {
    if std::fs::metadata(process).ok()?.uid() != getuid().as_raw() {
        return None;
    }
    let line = std::fs::read(process.join("cmdline")).ok()?;
    let line = line.strip_suffix(b"\0")?;
    Some(line.split(|byte| *byte == 0).skip(1).map(|part| OsStr::from_bytes(part).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_long_log_is_put_aside_while_its_process_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker-1.log");
        let mut log = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        log.write_all(&vec![b'.'; LOG_BYTES as usize]).unwrap();
        bound_log(&path).unwrap();
        assert!(!path.with_extension("old.log").exists());
        let start = LogStart { offset: LOG_BYTES, path: path.clone() };
        writeln!(log, "\nbefore").unwrap();
        bound_log(&path).unwrap();
        writeln!(log, "after").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "after\n");
        assert!(std::fs::read_to_string(path.with_extension("old.log")).unwrap().ends_with("\nbefore\n"));
        assert_eq!(start.tail(), ["after"], "it began to write before the log began anew");
    }
}
