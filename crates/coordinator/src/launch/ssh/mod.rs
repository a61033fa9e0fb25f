//! Workers on machines that ssh reaches. Each is one `ssh`, whose standard input and output carry the wire to the coordinator's
//! own socket: no port is opened, no certificate is needed, and nothing is left behind.
//!
//! The connection is the worker's life. Where it breaks, the worker there ends, and another one is started: after a pause
//! that grows, since the machine may be starting up. A coordinator that dies takes its connections with it.

mod said;

pub use said::ssh_command;

use super::lives::{Life, Lives};
use super::{Access, Engine, Launcher, Notices};
use frostline_protocol::{Incarnation, WorkerId};
use frostline_results::{Conditions, Endpoint, Folder, Pass};
use frostline_scheduler::Survivor;
use frostline_sweep::definition::Ssh;
use frostline_sweep::device::Device;
use said::{LOST, behind_preamble, command_there, describe};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional, join};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::time::timeout;

/// A worker whose connection has ended has this long to end, too.
const LINGER: Duration = Duration::from_secs(5);

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
        Ok(Box::new(SshLauncher { shared: Arc::new(shared), lives: Lives::new(runtime) }))
    }
}

struct SshLauncher {
    shared: Arc<Shared>,
    lives: Lives,
}

impl Launcher for SshLauncher {
    fn workers(&self) -> Vec<WorkerId> {
        (1..=self.shared.workers.places.len() as u32).map(WorkerId).collect()
    }

    fn survivors(&self) -> BTreeMap<WorkerId, Survivor> {
        BTreeMap::new()
    }

    fn launch(&mut self, worker: WorkerId, incarnation: Incarnation) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        self.lives.begin(&self.shared.workers.folder, worker, incarnation, |life, log| async move {
            let (is_excused, description) = shared.live(&life, log).await;
            shared.notices.exit(life.exit(is_excused, description));
        })
    }

    fn kill(&mut self, worker: WorkerId) {
        self.lives.end(worker);
    }

    fn log(&self, worker: WorkerId) -> Vec<String> {
        self.lives.log(worker)
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

impl Shared {
    /// How it ended, and whether that is the machine's or the connection's affair.
    async fn live(&self, life: &Life, log: File) -> (bool, String) {
        let Some(place) = self.workers.places.get(life.worker.0 as usize - 1) else {
            return (false, format!("there is no worker {}", life.worker.0));
        };
        if !life.may_start().await {
            return (true, "ended before its start".to_owned());
        }
        let mut child = match self.spawn(life, place, log) {
            Ok(child) => child,
            Err(error) => return (false, format!("ssh: {error}")),
        };
        let was_ended = tokio::select! {
            carried = self.carry(life, &mut child) => {
                if let Err(error) = carried {
                    tracing::warn!(worker = life.worker.0, host = place.host, "the wire has ended: {error}");
                }
                false
            }
            () = life.told_to_end() => true,
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

    fn spawn(&self, life: &Life, place: &SshPlace, log: File) -> io::Result<Child> {
        let options = &self.workers.options;
        let line = command_there(options, life.worker, life.incarnation, place.device);
        let command = ssh_command(options, &place.host, &line);
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // Its own group: a terminal's Ctrl-C is for the coordinator, which ends its workers in good order.
        command.process_group(0).kill_on_drop(true).spawn()
    }

    /// Carries what the worker and the coordinator say, until one of them has no more to say.
    async fn carry(&self, life: &Life, child: &mut Child) -> io::Result<()> {
        let (Some(input), Some(output)) = (&mut child.stdin, &mut child.stdout) else { return Ok(()) };
        input.write_all(&self.pass).await?;
        let first = behind_preamble(output).await?;
        life.failures.none();
        self.notices.began(life.worker);
        let endpoint = Endpoint::read(&self.endpoint)?.ok_or(io::ErrorKind::NotFound)?;
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
