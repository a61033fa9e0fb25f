//! Workers on machines that ssh reaches. Each is one `ssh`, whose standard input and output carry the wire to the coordinator's
//! own socket: no port is opened, no certificate is needed, and nothing is left behind.
//!
//! The connection is the worker's life. Where it breaks, the worker there ends, and another one is started: after a pause
//! that grows, since the machine may be starting up. A coordinator that dies takes its connections with it.

use super::failures::Failures;
use super::log::LogStart;
use super::{Access, Engine, Exit, Launcher, Notices, join_line};
use frostline_protocol::{Incarnation, PREAMBLE, WorkerId};
use frostline_results::{Conditions, Endpoint, Folder, Pass, quoted};
use frostline_scheduler::Survivor;
use frostline_sweep::definition::Ssh;
use frostline_sweep::device::Device;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional, join};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// A worker whose connection has ended has this long to end, too.
const LINGER: Duration = Duration::from_secs(5);
/// What a login shell may say before the worker does.
const NOISE: usize = 64 << 10;
/// How `ssh` says that it did not reach a machine, or lost it.
const LOST: i32 = 255;

/// The machines, and what runs there.
#[derive(Debug, Clone)]
pub struct SshWorkers {
    pub options: Ssh,
    /// One worker each: worker 1 has the first.
    pub places: Vec<SshPlace>,
    pub conditions: Conditions,
    /// The results folder, for their logs.
    pub folder: Folder,
}

/// A worker's machine, and its device there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshPlace {
    pub host: String,
    pub device: Device,
}

/// A line of a shell on a machine, without a terminal or a question to anybody. Whatever the login shell there is, it is given
/// one command; and a shell of ours between it and the program tells a program that was killed from a connection that was
/// lost: for both `ssh` alone would say 255.
pub fn ssh_command(options: &Ssh, host: &str, line: &str) -> Command {
    let mut command = Command::new("ssh");
    command.args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]);
    // A cut cable says nothing.
    command.args(["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"]);
    command.args(&options.options).args(["--", host]);
    command.arg(format!("exec sh -c {}", quoted(Path::new(&format!("{line}; exit $?")))));
    command
}

impl Engine for SshWorkers {
    fn is_cuda(&self) -> bool {
        self.conditions.on_gpu
    }

    /// A machine may be away for a while: its workers wait as others do in a queue.
    fn backlog(&self) -> Option<u32> {
        Some(self.places.len() as u32)
    }

    fn start(self: Box<Self>, access: Access) -> io::Result<Box<dyn Launcher>> {
        let Access { endpoint, token, notices, runtime } = access;
        let pass = Pass { conditions: self.conditions.clone(), token };
        let shared = Shared { workers: *self, pass: pass.line()?, endpoint, notices };
        Ok(Box::new(SshLauncher { shared: Arc::new(shared), runtime, processes: BTreeMap::new() }))
    }
}

struct SshLauncher {
    shared: Arc<Shared>,
    runtime: Handle,
    processes: BTreeMap<WorkerId, Process>,
}

struct Process {
    is_wanted_no_more: Arc<Notify>,
    /// Starts in a row that came to nothing.
    failures: Arc<Failures>,
    log: LogStart,
}

impl Launcher for SshLauncher {
    fn workers(&self) -> Vec<WorkerId> {
        (1..=self.shared.workers.places.len() as u32).map(WorkerId).collect()
    }

    fn survivors(&self) -> BTreeMap<WorkerId, Survivor> {
        BTreeMap::new()
    }

    fn launch(&mut self, worker: WorkerId, incarnation: Incarnation) -> io::Result<()> {
        let (file, log) = LogStart::open(&self.shared.workers.folder, worker)?;
        let failures = self.processes.remove(&worker).map_or_else(Arc::default, |before| before.failures);
        let is_wanted_no_more = Arc::new(Notify::new());
        let life = Life {
            shared: Arc::clone(&self.shared),
            worker,
            incarnation,
            is_wanted_no_more: Arc::clone(&is_wanted_no_more),
            failures: Arc::clone(&failures),
        };
        let (notices, start) = (self.shared.notices.clone(), log.clone());
        self.runtime.spawn(async move {
            let (is_excused, description) = life.live(file).await;
            notices.exit(Exit { worker, is_excused, description, log: start.tail() });
        });
        self.processes.insert(worker, Process { is_wanted_no_more, failures, log });
        Ok(())
    }

    fn kill(&mut self, worker: WorkerId) {
        if let Some(process) = self.processes.get(&worker) {
            process.is_wanted_no_more.notify_one();
        }
    }

    fn log(&self, worker: WorkerId) -> Vec<String> {
        self.processes.get(&worker).map_or(Vec::new(), |process| process.log.tail())
    }

    fn folder(&self) -> &Folder {
        &self.shared.workers.folder
    }
}

/// Between the launcher and those who carry the wires.
struct Shared {
    workers: SshWorkers,
    /// A worker's [`Pass`], as it reads it first.
    pass: Vec<u8>,
    endpoint: PathBuf,
    notices: Notices,
}

/// One process in a worker's place, from before its start to its end.
struct Life {
    shared: Arc<Shared>,
    worker: WorkerId,
    incarnation: Incarnation,
    is_wanted_no_more: Arc<Notify>,
    failures: Arc<Failures>,
}

impl Life {
    /// How it ended, and whether that is the machine's or the connection's affair.
    async fn live(&self, log: File) -> (bool, String) {
        let Some(place) = self.shared.workers.places.get(self.worker.0 as usize - 1) else {
            return (false, format!("there is no worker {}", self.worker.0));
        };
        tokio::select! {
            () = sleep(self.failures.pause()) => {}
            () = self.is_wanted_no_more.notified() => return (true, "ended before its start".to_owned()),
        }
        self.failures.one_more();
        let mut child = match self.spawn(place, log) {
            Ok(child) => child,
            Err(error) => return (false, format!("ssh: {error}")),
        };
        let was_ended = tokio::select! {
            carried = self.carry(&mut child) => {
                if let Err(error) = carried {
                    tracing::warn!(worker = self.worker.0, host = place.host, "the wire has ended: {error}");
                }
                false
            }
            () = self.is_wanted_no_more.notified() => true,
        };
        // The worker there hears the end of its input and ends, with what it has to put in order.
        drop((child.stdin.take(), child.stdout.take()));
        let status = match timeout(LINGER, child.wait()).await {
            Ok(status) => status,
            Err(_) => child.kill().await.and(child.wait().await),
        };
        match status {
            // Its own end by a signal says nothing of the worker either.
            Ok(status) => {
                (was_ended || matches!(status.code(), None | Some(LOST)), describe(&place.host, status, was_ended))
            }
            Err(error) => (was_ended, format!("{}: its end could not be read: {error}", place.host)),
        }
    }

    fn spawn(&self, place: &SshPlace, log: File) -> io::Result<Child> {
        let workers = &self.shared.workers;
        let line = command_there(&workers.options, self.worker, self.incarnation, place.device);
        let command = ssh_command(&workers.options, &place.host, &line);
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // Its own group: a terminal's Ctrl-C is for the coordinator, which ends its workers in good order.
        command.process_group(0).kill_on_drop(true).spawn()
    }

    /// Carries what the worker and the coordinator say, until one of them has no more to say.
    async fn carry(&self, child: &mut Child) -> io::Result<()> {
        let (Some(input), Some(output)) = (&mut child.stdin, &mut child.stdout) else { return Ok(()) };
        input.write_all(&self.shared.pass).await?;
        let first = behind_preamble(output).await?;
        self.failures.none();
        self.shared.notices.began(self.worker);
        let endpoint = Endpoint::read(&self.shared.endpoint)?.ok_or(io::ErrorKind::NotFound)?;
        let wire = UnixStream::connect(&endpoint.socket).await?;
        passed_on(wire, &first, join(output, input)).await
    }
}

async fn passed_on(
    mut wire: UnixStream,
    first: &[u8],
    mut there: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<()> {
    wire.write_all(first).await?;
    copy_bidirectional(&mut wire, &mut there).await?;
    Ok(())
}

/// Reads past whatever is said before a worker speaks; what it has said already.
async fn behind_preamble(output: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    loop {
        if let Some(at) = said.windows(PREAMBLE.len()).position(|window| window == PREAMBLE) {
            return Ok(said.split_off(at + PREAMBLE.len()));
        }
        if said.len() > NOISE {
            return Err(io::Error::other("the machine says much, and no worker speaks"));
        }
        if output.read_buf(&mut said).await? == 0 {
            return Err(io::Error::other("no worker has spoken"));
        }
    }
}

/// What a machine runs to become a worker.
fn command_there(options: &Ssh, worker: WorkerId, incarnation: Incarnation, device: Device) -> String {
    let mut script = join_line(&options.program, Path::new("-"), worker, incarnation, device);
    let paths = [
        ("data", &options.data),
        ("weights", &options.weights),
        ("scratch", &options.scratch),
        ("checkpoints", &options.checkpoints),
    ];
    for (name, path) in paths {
        if let Some(path) = path {
            script.push_str(&format!(" --{name} {}", quoted(path)));
        }
    }
    script
}

fn describe(host: &str, status: ExitStatus, was_ended: bool) -> String {
    match status.code() {
        _ if was_ended => format!("ended by the coordinator on {host} ({status})"),
        Some(LOST) => format!("ssh did not reach {host}, or lost it"),
        None => format!("ssh to {host} was ended ({status})"),
        Some(code @ 129..LOST) => {
            let memory = if code == 128 + 9 { "; the kernel ends processes so when memory runs out" } else { "" };
            format!("signal {} on {host}{memory}", code - 128)
        }
        _ => format!("{status} on {host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_machine_is_told_one_command_whatever_its_shell_is() {
        let options = Ssh {
            hosts: vec!["gpu1".to_owned()],
            program: "/opt/it's here/frostline".into(),
            scratch: Some("/fast disk".into()),
            ..Ssh::default()
        };
        let line = command_there(&options, WorkerId(2), Incarnation(77), Device::Cuda(1));
        let options = Ssh { options: vec!["-p".to_owned(), "2222".to_owned()], ..options };
        let command = ssh_command(&options, "gpu1", &line);
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        let (said, before) = arguments.split_last().unwrap();
        assert_eq!(before[before.len() - 4..], ["-p", "2222", "--", "gpu1"]);
        // As a shell takes it apart, twice.
        let inner = Command::new("sh").args(["-c", &said.replace("exec sh -c", "printf %s")]).output();
        let inner = String::from_utf8(inner.unwrap().stdout).unwrap();
        assert_eq!(
            inner,
            r"'/opt/it'\''s here/frostline' join - --worker 2 --incarnation 77 --device cuda:1 --scratch '/fast disk'; exit $?"
        );
    }

    #[tokio::test]
    async fn what_a_login_shell_says_is_not_taken_for_the_worker() {
        let said = [b"Welcome to gpu1!\n\x01frostline".as_slice(), PREAMBLE, b"abc"].concat();
        assert_eq!(behind_preamble(&mut said.as_slice()).await.unwrap(), b"abc");
        let nothing = behind_preamble(&mut b"frostline: not found".as_slice()).await.unwrap_err();
        assert_eq!(nothing.to_string(), "no worker has spoken");
        let noise = vec![b'x'; NOISE + 2];
        let much = behind_preamble(&mut noise.as_slice()).await.unwrap_err();
        assert_eq!(much.to_string(), "the machine says much, and no worker speaks");
    }

    #[test]
    fn a_worker_that_was_killed_is_told_from_a_lost_connection() {
        let status = |code: i32| ExitStatus::from_raw(code << 8);
        let said = [1, 137, 255].map(|code| describe("gpu1", status(code), false));
        assert_eq!(
            said,
            [
                "exit status: 1 on gpu1",
                "signal 9 on gpu1; the kernel ends processes so when memory runs out",
                "ssh did not reach gpu1, or lost it"
            ]
        );
    }
}
