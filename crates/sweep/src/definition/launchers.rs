//! Who starts the workers, and what that needs to know.

use super::document::find;
use super::problems::Place;
use super::reader::Reader;
use super::types::{Commands, LauncherChoice, Launchers, Slurm, Ssh, Workers};

/// `[workers]`, and the sections of those who can start them.
pub(super) fn workers(reader: &Reader) -> Option<(Workers, Launchers)> {
    let workers: Option<Workers> = reader.section("workers").into(reader);
    let ssh = reader.section("ssh").into(reader);
    let slurm = reader.section("slurm").into(reader);
    let command = reader.section("command").into(reader);
    let (workers, launchers) = (workers?, Launchers { ssh: ssh?, slurm: slurm?, command: command? });
    check_hosts(reader, &launchers.ssh, workers.launcher);
    check_jobs(reader, &launchers.slurm);
    check_commands(reader, &launchers.command, workers.launcher);
    Some((workers, launchers))
}

/// Machines that `ssh` would take for options, and none where some are needed.
fn check_hosts(reader: &Reader, ssh: &Ssh, launcher: LauncherChoice) {
    let entry = find(reader.entries("ssh"), "hosts");
    let place = entry.map_or(&Place::File, |entry| &entry.node.place);
    if launcher == LauncherChoice::Ssh && ssh.hosts.is_empty() {
        let message = "workers.launcher is \"ssh\", and [ssh] names no `hosts`: `hosts = [\"gpu1\"]`, or `--set \
                       ssh.hosts=[\"gpu1\"]`";
        reader.problem(place, message.to_owned());
    }
    for host in ssh.hosts.iter().filter(|host| host.starts_with('-') || host.trim().is_empty()) {
        reader.problem(place, format!("`hosts` has \"{host}\", which is no machine but an option of ssh"));
    }
}

/// No more are kept than there may be.
fn check_jobs(reader: &Reader, slurm: &Slurm) {
    if slurm.min_jobs > slurm.max_jobs {
        let entry = find(reader.entries("slurm"), "min_jobs");
        let place = entry.map_or(&Place::File, |entry| &entry.node.place);
        let Slurm { min_jobs, max_jobs, .. } = slurm;
        let message = format!("`min_jobs` is {min_jobs}, and `max_jobs` {max_jobs}: raise that, or keep fewer");
        reader.problem(place, message);
    }
}

/// All three are needed where any is.
fn check_commands(reader: &Reader, command: &Commands, launcher: LauncherChoice) {
    if launcher != LauncherChoice::Command {
        return;
    }
    let wanted = [
        (
            "submit",
            &command.submit,
            "{script}",
            "takes a job and prints its number, such as \"qsub -terse {script}\"",
        ),
        ("cancel", &command.cancel, "{id}", "ends it, such as \"qdel {id}\""),
        ("alive", &command.alive, "{id}", "succeeds while it waits or runs, such as \"qstat -j {id}\""),
    ];
    for (name, text, word, meaning) in wanted {
        let entry = find(reader.entries("command"), name);
        let place = entry.map_or(&Place::File, |entry| &entry.node.place);
        match text {
            None => {
                let message = format!("workers.launcher is \"command\": [command] needs `{name}`, which {meaning}");
                reader.problem(place, message);
            }
            Some(text) if !text.contains(word) => {
                reader.problem(
                    place,
                    format!(
                        "`{name}` must have {word} in it, as in {}",
                        meaning.rsplit("such as ").next().unwrap_or(meaning)
                    ),
                );
            }
            Some(_) => {}
        }
    }
}
