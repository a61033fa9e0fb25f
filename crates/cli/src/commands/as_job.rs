//! `launch --as-job`: the coordinator itself as a job of Slurm, where processes on the login node do not last.

use crate::args::{self, Common};
use crate::engine::own_program;
use crate::exit::{Exit, wrong_input};
use crate::output;
use anyhow::{Context, bail};
use frostline_coordinator::{CoordinatorJob, OwnJob};
use frostline_results::{Folder, host, quoted};
use frostline_sweep::definition::{Definition, LauncherChoice};
use std::path::{Path, PathBuf};

/// # Errors
/// Workers that no Slurm starts.
pub(crate) fn check(definition: &Definition) -> anyhow::Result<()> {
    match definition.workers.launcher {
        LauncherChoice::Slurm => Ok(()),
        _ => Err(wrong_input(
            "--as-job makes the coordinator a job of Slurm, and `workers.launcher` is another: say  --set \
             workers.launcher=slurm",
        )),
    }
}

/// Hands the coordinator of a sweep that can run to Slurm.
///
/// # Errors
/// Slurm does not take it, or it waits or runs already.
pub(crate) fn submit(
    common: &Common,
    arguments: &args::Launch,
    file: &Path,
    definition: &Definition,
) -> anyhow::Result<Exit> {
    let results = std::path::absolute(&common.results)?;
    let folder = Folder::new(&results);
    let (name, shown) = (&definition.name, common.results_argument());
    let here = std::env::current_dir().context("the place of this process is not known")?;
    let command = command(common, arguments, &results, &std::path::absolute(file)?, name)?;
    let job = || {
        let (options, command) = (definition.launchers.slurm.clone(), command.clone());
        CoordinatorJob::new(options, folder.clone(), here.clone(), command).context("the results folder is of no use")
    };
    // Its name is of the folder's secret: before there is one, there is no job.
    if folder.token().exists()
        && let Some((id, state)) = job()?.living().context("Slurm does not say which jobs there are")?
    {
        bail!(
            "job {id} ({}) is the coordinator of `{}` already: `frostline status{shown}` shows what it does, `scancel {id}` \
             ends it",
            state.to_lowercase(),
            common.results.display()
        );
    }
    // Refused here rather than in a queue; and the folder is there for the job, with its mark.
    drop(arguments.opened(&results)?);
    let job = job()?;
    let refused = |error| {
        wrong_input(format!(
            "Slurm does not take the coordinator's job as `slurm.coordinator_…` describes it: {error}"
        ))
    };
    job.test().map_err(refused)?;
    let id = job.submit().map_err(refused)?;
    let (look, end) = (format!("frostline status {name}{shown}"), format!("scancel {id}"));
    let width = look.len().max(end.len());
    output::note(&format!(
        "Job {id} runs `{name}`, and comes back by itself when its time is over. Its log: {}\n  \
         {look:<width$}  how far it is; `watch` and `best`, too\n  \
         {end:<width$}  ends it for good; launched again, it goes on",
        quoted(&folder.job_log())
    ));
    Ok(Exit::Done)
}

/// What the job runs: this launch, with whole paths.
fn command(
    common: &Common,
    arguments: &args::Launch,
    results: &Path,
    file: &Path,
    name: &str,
) -> anyhow::Result<Vec<String>> {
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| wrong_input(format!("the path `{}` is not UTF-8 text", path.display())))
    };
    let program: PathBuf = own_program()?;
    let mut command = vec![text(&program)?, "launch".to_owned(), text(file)?];
    command.extend([format!("--results={}", text(results)?), format!("--job-of={name}")]);
    command.extend(arguments.definition.set.iter().flat_map(|(key, value)| {
        let set = format!("{key}={value}");
        ["--set".to_owned(), set]
    }));
    let flags = [
        ("--force-new", arguments.force_new),
        ("--shared-disk", arguments.shared_disk),
        ("--remeasure", arguments.measuring.remeasure),
    ];
    command.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| (*flag).to_owned()));
    command.extend(arguments.telling.again());
    command.extend(std::iter::repeat_n("-v".to_owned(), usize::from(common.verbose)));
    Ok(command)
}

/// The job that this process is, where it was submitted here.
///
/// # Errors
/// This machine does not see the results folder that it was submitted for.
pub(crate) fn own(common: &Common, arguments: &args::Launch) -> anyhow::Result<Option<OwnJob>> {
    let Some(_) = &arguments.job_of else { return Ok(None) };
    if !Folder::new(&common.results).token().exists() {
        return Err(wrong_input(format!(
            "{} does not see the results folder {}: name one with --results that is on a disk of all nodes (--shared-disk)",
            host(),
            common.results.display()
        )));
    }
    Ok(OwnJob::of_this_process())
}
