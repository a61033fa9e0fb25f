//! Where a sweep's workers come from.

use crate::exit::wrong_input;
use crate::hosts;
use crate::machine::{WorkerInfo, worker_arguments};
use crate::team::Team;
use anyhow::Context;
use frostline_coordinator::{
    Engine, Invitation, LocalWorkers, QueuedWorkers, SlurmWorkers, SshWorkers, worker_program,
};
use frostline_results::{Conditions, Folder};
use frostline_sweep::definition::{Definition, LauncherChoice};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Starts workers as the definition says.
///
/// # Errors
/// There is no program to start.
pub(crate) fn engine(
    definition: &Definition,
    team: &Team,
    info: &WorkerInfo,
    folder: Folder,
) -> anyhow::Result<Box<dyn Engine>> {
    match definition.workers.launcher {
        LauncherChoice::Local => Ok(Box::new(LocalWorkers {
            program: worker_program()?,
            devices: team.devices.clone(),
            gpus: info.access(definition.workers.deterministic),
            threads: team.threads,
            arguments: worker_arguments(),
            folder,
        })),
        LauncherChoice::Ssh => {
            let hosts = info.hosts.as_ref().map_err(wrong_input)?;
            Ok(Box::new(SshWorkers {
                options: definition.launchers.ssh.clone(),
                places: hosts::places(&definition.launchers.ssh, hosts, team.is_cuda(), team.threads),
                conditions: conditions(definition, team),
                folder,
            }))
        }
        LauncherChoice::Slurm => Ok(Box::new(slurm(definition, team, folder)?)),
        LauncherChoice::Command => Ok(Box::new(QueuedWorkers {
            commands: definition.launchers.command.clone(),
            program: own_program()?,
            on_gpu: team.is_cuda(),
            folder: Folder::new(std::path::absolute(folder.path())?),
        })),
    }
}

/// # Errors
/// This program's own place is not known.
fn slurm(definition: &Definition, team: &Team, folder: Folder) -> anyhow::Result<SlurmWorkers> {
    let mut options = definition.launchers.slurm.clone();
    options.folder = options.folder.map(std::path::absolute).transpose()?;
    Ok(SlurmWorkers {
        options,
        program: own_program()?,
        on_gpu: team.is_cuda(),
        threads: team.threads,
        folder: Folder::new(std::path::absolute(folder.path())?),
    })
}

/// # Errors
/// The system does not say where it is.
pub(crate) fn own_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("the place of this program is not known")
}

/// What lets workers of other machines in, where any may come.
pub(crate) fn invitation(definition: &Definition, team: &Team) -> Option<Invitation> {
    let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let is_lent = matches!(definition.workers.launcher, LauncherChoice::Slurm | LauncherChoice::Command);
    let lent = is_lent.then_some(anywhere);
    let conditions = || conditions(definition, team);
    definition.workers.listen.or(lent).map(|address| Invitation { address, conditions: conditions() })
}

/// What the sweep asks of workers elsewhere.
fn conditions(definition: &Definition, team: &Team) -> Conditions {
    Conditions {
        sweep: definition.name.clone(),
        on_gpu: team.is_cuda(),
        deterministic: definition.workers.deterministic,
        threads: team.threads,
    }
}

/// Asks whoever lends machines whether it would; what it says, where anybody does.
///
/// # Errors
/// Slurm refuses such jobs, or is not here.
pub(crate) fn tried(definition: &Definition, team: &Team, folder: Folder) -> anyhow::Result<Option<String>> {
    if definition.workers.launcher != LauncherChoice::Slurm {
        return Ok(None);
    }
    let said = slurm(definition, team, folder)?.test();
    said.map(Some)
        .map_err(|error| wrong_input(format!("Slurm does not take a worker's job as [slurm] describes it: {error}")))
}
