//! Workers on machines that a real sshd lets in: two names of this one.

use crate::place::{Place, Running, not_run, summaries, until, worker};
use rustix::process::{Pid, Signal, getuid, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A server, until it is dropped, and what a client needs to reach it.
struct Server {
    folder: TempDir,
}

impl Server {
    /// None, with a note, where there is no sshd; with `CI` set that is a failure.
    fn start() -> Option<Server> {
        let sshd = Path::new("/usr/sbin/sshd");
        let has_client = Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_ok();
        if !sshd.exists() || !has_client {
            not_run("a server of ssh needs Debian's openssh-server and openssh-client");
            return None;
        }
        if getuid().is_root() {
            // Where Debian's service has never run.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let server = Server { folder: TempDir::new().unwrap() };
        for key in ["host", "id"] {
            let mut generate = Command::new("ssh-keygen");
            generate.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(server.path(key));
            assert!(generate.status().unwrap().success());
        }
        fs::copy(server.path("id.pub"), server.path("authorized")).unwrap();
        let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (open, closed) = (port(), port());
        let dir = server.folder.path().display();
        let known = format!("{dir}/known");
        fs::write(
            server.path("sshd_config"),
            format!(
                "Port {open}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/authorized\n\
                 StrictModes no\nUsePAM no\nPidFile {dir}/pid\nPermitRootLogin yes\nMaxStartups 100\n"
            ),
        )
        .unwrap();
        fs::write(
            server.path("config"),
            format!(
                "Host gpu1 gpu2 away\n  HostName 127.0.0.1\n  IdentityFile {dir}/id\n  StrictHostKeyChecking no\n  \
                 UserKnownHostsFile {known}\n  LogLevel ERROR\nHost gpu1 gpu2\n  Port {open}\nHost away\n  Port {closed}\n"
            ),
        )
        .unwrap();
        let log = server.path("log");
        let status = Command::new(sshd).arg("-f").arg(server.path("sshd_config")).arg("-E").arg(&log).status();
        assert!(status.unwrap().success(), "sshd does not start: see {}", log.display());
        until("sshd to listen", || std::net::TcpStream::connect(("127.0.0.1", open)).ok());
        Some(server)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `launch` and `plan` are told in a place whose machines learn nothing, as its own workers do.
    fn machines(&self, place: &Place, hosts: &[&str]) -> String {
        let hold = place.path("hold");
        let arguments = format!("--trainer idle --hold {}", hold.display());
        place.script(
            "there",
            &format!(
                "export FROSTLINE_WORKER='{}' FROSTLINE_WORKER_ARGUMENTS='{arguments}' CUDA_VISIBLE_DEVICES=\nexec '{}' \"$@\"",
                worker().display(),
                env!("CARGO_BIN_EXE_frostline")
            ),
        );
        let hosts = hosts.iter().map(|host| format!("{host:?}")).collect::<Vec<_>>().join(",");
        format!(
            "--set workers.launcher=ssh --set ssh.hosts=[{hosts}] --set ssh.count=1 --set ssh.options=[\"-F\",\"{}\"] \
             --set ssh.program={} --set ssh.scratch={}",
            self.path("config").display(),
            place.path("there").display(),
            self.folder.path().display()
        )
    }

    /// The clients that carry a wire.
    fn clients(&self) -> Vec<Pid> {
        let config = self.path("config").display().to_string();
        processes(|line| line.starts_with("ssh\0") && line.contains(&config))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.path("pid")).ok().and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Processes whose command line is such a one.
fn processes(is_one: impl Fn(&str) -> bool) -> Vec<Pid> {
    let of_entry = |entry: fs::DirEntry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        is_one(&String::from_utf8_lossy(&line)).then_some(pid)
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(of_entry).collect()
}

/// A sweep on one machine of which one trial has its first epoch and waits.
fn held(server: &Server) -> (Place, Running) {
    let place = Place::new();
    place.hold();
    let running = place.start(&format!("launch demo.toml {}", server.machines(&place, &["gpu1"])));
    place.wait_for_epochs("demo", 1);
    (place, running)
}

fn outcomes(place: &Place) -> Vec<String> {
    let of_trial = |id: &str| {
        let show = place.json(&format!("show {id} --json"));
        let attempts = show["attempts"].as_array().unwrap();
        attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(", ")
    };
    let mut all: Vec<String> = place.trials("demo").iter().map(|trial| of_trial(&trial.id)).collect();
    all.sort();
    all
}

#[test]
fn a_sweep_runs_on_the_machines_that_ssh_reaches() {
    let Some(server) = Server::start() else { return };
    let place = Place::new();
    let machines = server.machines(&place, &["gpu1", "gpu2"]);
    place.succeed(&format!("plan demo.toml {machines}"));
    place.hold();
    let running = place.start(&format!("launch demo.toml {machines}"));
    place.wait_for_epochs("demo", 2);
    assert_eq!(server.clients().len(), 2);
    // Nobody who lists processes learns what lets workers in.
    let token = place.read("results/run/token");
    assert_eq!(processes(|line| line.contains(&token)), []);
    place.release();
    place.ends_as_undisturbed(running);
    assert_eq!(summaries(&place.trials("demo")), ["complete after 1"; 4]);
    assert_eq!(server.clients(), []);
}

#[test]
fn a_connection_that_is_lost_is_nobodys_fault() {
    let Some(server) = Server::start() else { return };
    let (place, running) = held(&server);
    let before = place.worker_processes();
    for client in server.clients() {
        kill_process(client, Signal::KILL).unwrap();
    }
    until("the worker there to end", || (!before.iter().any(|worker| crate::place::is_alive(*worker))).then_some(()));
    place.release();
    place.ends_as_undisturbed(running);
    assert_eq!(outcomes(&place), ["complete", "complete", "complete", "interrupted, complete"]);
}

#[test]
fn a_worker_that_is_killed_there_is_told_from_a_lost_connection() {
    let Some(server) = Server::start() else { return };
    let (place, running) = held(&server);
    kill_process(place.worker_processes()[0], Signal::KILL).unwrap();
    place.release();
    place.ends_as_undisturbed(running);
    assert_eq!(outcomes(&place), ["complete", "complete", "complete", "failed, complete"]);
    let log = place.read("results/logs/coordinator.log");
    assert!(log.contains("signal 9 on gpu1; the kernel ends processes so when memory runs out"), "{log}");
}

#[test]
fn a_coordinator_that_is_killed_takes_its_connections_with_it_and_the_next_makes_new_ones() {
    let Some(server) = Server::start() else { return };
    let (place, running) = held(&server);
    running.signal(Signal::KILL);
    running.wait();
    until("its connections to end", || server.clients().is_empty().then_some(()));
    place.release();
    place.ends_as_undisturbed(place.start("resume demo"));
    assert_eq!(outcomes(&place), ["complete", "complete", "complete", "interrupted, complete"]);
}

#[test]
fn machines_that_cannot_work_are_named_before_anything_begins() {
    let Some(server) = Server::start() else { return };
    let place = Place::new();
    for command in ["plan", "launch"] {
        let machines = server.machines(&place, &["away", "gpu1"]);
        let refused = place.run(&format!("{command} demo.toml {machines} --set ssh.program=nosuch"));
        assert_eq!(refused.code, Some(2), "{refused}");
        let said = "machines of [ssh] that cannot work:\n  away: ssh does not reach it without a password: ssh: connect to host \
                    127.0.0.1 port ";
        assert!(refused.stderr.contains(said), "{refused}");
        let said =
            "gpu1: there is no nosuch that runs there (sh: 1: exec: nosuch: not found): name it with ssh.program";
        let other = "gpu1: there is no nosuch that runs there (sh: 1: nosuch: not found): name it with ssh.program";
        assert!(refused.stderr.contains(said) || refused.stderr.contains(other), "{refused}");
        let machines = server.machines(&place, &["gpu1"]);
        place.script("there", "echo '{\"version\": \"0.0.1\", \"cores\": 1}'");
        let refused =
            place.run(&format!("{command} demo.toml {machines} --set ssh.program={}", place.path("there").display()));
        assert!(refused.stderr.contains("it is version 0.0.1, and this is "), "{refused}");
    }
    assert!(!place.path("results/frostline.db").exists());
    let refused = place.run("launch demo.toml --set workers.launcher=ssh");
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("[ssh] names no `hosts`"), "{refused}");
    let refused = place.run("launch demo.toml --set ssh.hosts=[\"-oProxyCommand=x\"]");
    assert!(refused.stderr.contains("which is no machine but an option of ssh"), "{refused}");
}
