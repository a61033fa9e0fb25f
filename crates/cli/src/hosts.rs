//! The machines of `[ssh]`: what each of them has, asked of the `frostline` there.

use anyhow::{Context, anyhow, bail};
use frostline_coordinator::{SshPlace, ssh_command};
use frostline_results::quoted;
use frostline_sweep::definition::Ssh;
use frostline_sweep::device::Device;
use serde::Deserialize;
use std::thread;

/// What a machine has to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) gpus: usize,
    pub(crate) cores: usize,
}

/// What `frostline doctor --json` says, as far as it matters here.
#[derive(Deserialize)]
struct Report {
    version: String,
    worker: Option<Worker>,
    worker_error: Option<String>,
    cores: usize,
}

#[derive(Deserialize)]
struct Worker {
    devices: Vec<String>,
}

/// Asks all machines at the same time.
///
/// # Errors
/// Names every machine that cannot work, and why.
pub(crate) fn ask(ssh: &Ssh) -> anyhow::Result<Vec<Host>> {
    let answers: Vec<anyhow::Result<Host>> = thread::scope(|scope| {
        let asking: Vec<_> = ssh.hosts.iter().map(|host| scope.spawn(move || ask_one(ssh, host))).collect();
        asking.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(anyhow!("it could not be asked")))).collect()
    });
    let (mut hosts, mut refused) = (Vec::new(), Vec::new());
    for (name, answer) in ssh.hosts.iter().zip(answers) {
        match answer {
            Ok(host) => hosts.push(host),
            Err(error) => refused.push(format!("{name}: {error:#}")),
        }
    }
    if !refused.is_empty() {
        bail!("machines of [ssh] that cannot work:\n  {}", refused.join("\n  "));
    }
    Ok(hosts)
}

fn ask_one(ssh: &Ssh, host: &str) -> anyhow::Result<Host> {
    let program = quoted(&ssh.program);
    let output = ssh_command(ssh, host, &format!("{program} doctor --json")).output().context("ssh")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing").trim();
    match output.status.code() {
        Some(255) => bail!("ssh does not reach it without a password: {last}"),
        Some(126 | 127) => bail!("there is no {program} that runs there ({last}): name it with ssh.program"),
        _ => {}
    }
    let text = String::from_utf8_lossy(&output.stdout);
    host_of(host, &text).with_context(|| format!("`{program} doctor --json` there ({last})"))
}

/// What a machine answers; a login shell may have said something before.
fn host_of(name: &str, text: &str) -> anyhow::Result<Host> {
    let begin = text.find('{').context("no report was printed")?;
    let report: Report = serde_json::from_str(&text[begin..]).context("no report was printed")?;
    if report.version != env!("CARGO_PKG_VERSION") {
        bail!("it is version {}, and this is {}: use the same on both", report.version, env!("CARGO_PKG_VERSION"));
    }
    let Some(worker) = report.worker else {
        bail!("{}", report.worker_error.unwrap_or_else(|| "its worker program does not work".to_owned()));
    };
    let gpus = worker.devices.iter().filter(|device| device.starts_with("cuda")).count();
    Ok(Host { name: name.to_owned(), gpus, cores: report.cores })
}

/// Where the workers of a sweep go: as many to each machine as are wanted, or as it has GPUs, or room for their threads.
pub(crate) fn places(ssh: &Ssh, known: &[Host], on_gpu: bool, threads: u32) -> Vec<SshPlace> {
    let of_host = |name: &String| {
        let host = known.iter().find(|host| host.name == *name);
        let (gpus, cores) = host.map_or((1, 1), |host| (host.gpus, host.cores));
        let own = if on_gpu { gpus } else { (cores / threads.max(1) as usize).max(1) };
        let count = ssh.count.map_or(own, |count| count as usize);
        let name = name.clone();
        (0..count).map(move |worker| {
            let device = if on_gpu { Device::Cuda((worker % gpus.max(1)) as u32) } else { Device::Cpu };
            SshPlace { host: name.clone(), device }
        })
    };
    ssh.hosts.iter().flat_map(of_host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = env!("CARGO_PKG_VERSION");

    #[test]
    fn what_a_machine_has_is_read_from_its_report() {
        let report = |version: &str, worker: &str| {
            format!(
                "Welcome!\n{{\"version\":\"{version}\",\"cores\":8,\"worker\":{worker},\"worker_error\":\"no torch\"}}\n"
            )
        };
        let two = r#"{"devices":["cpu","cuda:0 (NVIDIA H100)","cuda:1 (NVIDIA H100)"],"cores":8}"#;
        let host = host_of("gpu1", &report(VERSION, two)).unwrap();
        assert_eq!(host, Host { name: "gpu1".to_owned(), gpus: 2, cores: 8 });
        let refused = |text: &str| format!("{:#}", host_of("gpu1", text).unwrap_err());
        assert_eq!(refused(&report(VERSION, "null")), "no torch");
        assert_eq!(
            refused(&report("0.0.1", two)),
            format!("it is version 0.0.1, and this is {VERSION}: use the same on both")
        );
        assert_eq!(refused("bash: frostline: command not found"), "no report was printed");
    }

    #[test]
    fn a_machine_gets_a_worker_a_gpu_or_as_many_as_its_cores_have_room_for() {
        let host = |name: &str, gpus, cores| Host { name: name.to_owned(), gpus, cores };
        let known = [host("a", 2, 8), host("b", 1, 4)];
        let ssh = Ssh { hosts: vec!["a".to_owned(), "b".to_owned()], ..Ssh::default() };
        let said = |ssh: &Ssh, on_gpu, threads| -> Vec<String> {
            let places = places(ssh, &known, on_gpu, threads);
            places.iter().map(|place| format!("{} {}", place.host, place.device)).collect()
        };
        assert_eq!(said(&ssh, true, 4), ["a cuda:0", "a cuda:1", "b cuda:0"]);
        assert_eq!(said(&ssh, false, 4), ["a cpu", "a cpu", "b cpu"]);
        let shared = Ssh { count: Some(3), ..ssh };
        assert_eq!(said(&shared, true, 4), ["a cuda:0", "a cuda:1", "a cuda:0", "b cuda:0", "b cuda:0", "b cuda:0"]);
    }
}
