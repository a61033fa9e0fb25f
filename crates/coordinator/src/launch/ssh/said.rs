//! What is said to a machine that ssh reaches, and what comes back.

use crate::launch::join_line;
use frostline_protocol::{Incarnation, PREAMBLE, WorkerId};
use frostline_results::quoted;
use frostline_sweep::definition::Ssh;
use frostline_sweep::device::Device;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a login shell may say before the worker does.
const NOISE: usize = 64 << 10;
/// How `ssh` says that it did not reach a machine, or lost it.
pub(super) const LOST: i32 = 255;

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

/// Reads past whatever is said before a worker speaks; what it has said already.
pub(super) async fn behind_preamble(output: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
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
pub(super) fn command_there(options: &Ssh, worker: WorkerId, incarnation: Incarnation, device: Device) -> String {
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

/// How a worker's `ssh` has ended.
pub(super) fn describe(host: &str, status: ExitStatus, was_ended: bool) -> String {
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
