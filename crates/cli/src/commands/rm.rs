//! `rm`: a sweep that nobody needs any more.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output::{self, count};
use frostline_results::{Folder, checkpoint, models};
use frostline_store::Writer;
use frostline_sweep::trial::TrialId;
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

pub(crate) fn run(common: &Common, arguments: &args::Rm) -> anyhow::Result<Exit> {
    let sweep = &arguments.sweep;
    let folder = Folder::new(&common.results);
    // Of a sweep that runs somebody else holds the folder.
    let mut writer = Writer::open(&common.results)?;
    let alone: BTreeSet<TrialId> = writer.reader().alone(sweep)?.into_iter().collect();
    let shared = writer.reader().counts(sweep)?.total() - alone.len() as u64;
    let kept = models::files(&folder.models()).into_iter().filter(|(trial, _)| alone.contains(trial)).count() as u64;
    let goes = |verb: &str| {
        let models = if kept > 0 { format!(" and {}", count(kept, "kept model")) } else { String::new() };
        let stay = match shared {
            0 => String::new(),
            1 => "; 1 stays, since another sweep has it".to_owned(),
            shared => format!("; {shared} stay, since other sweeps have them"),
        };
        format!("{verb} `{sweep}` with {}{models}{stay}", count(alone.len() as u64, "trial"))
    };
    if !arguments.yes && !agreed(&goes("Remove"))? {
        output::note("Nothing was removed");
        return Ok(Exit::Done);
    }
    let trials: BTreeSet<TrialId> = writer.remove_sweep(sweep)?.into_iter().collect();
    // The rows are gone: a file that stays would be of no trial, and harms nothing.
    for file in files(&folder, &trials) {
        if let Err(error) = std::fs::remove_file(&file) {
            output::note(&format!("{} stays: {error}", file.display()));
        }
    }
    output::note(&goes("Removed"));
    Ok(Exit::Done)
}

/// Models and checkpoints of these trials.
fn files(folder: &Folder, trials: &BTreeSet<TrialId>) -> Vec<PathBuf> {
    let kept = folder.models();
    let of_model = |(trial, _): (TrialId, u64)| {
        let mark = models::mark(&kept, trial);
        [Some((trial, folder.model(trial))), mark.exists().then_some((trial, mark))]
    };
    let models = models::files(&kept).into_iter().flat_map(of_model).flatten();
    let all = models.chain(checkpoint::files(&folder.checkpoints()));
    all.filter(|(trial, _)| trials.contains(trial)).map(|(_, file)| file).collect()
}

/// # Errors
/// Nobody is there who could answer.
fn agreed(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(wrong_input(
            "what is removed cannot be had back, and nobody is here to be asked: say so with --yes",
        ));
    }
    let mut err = anstream::stderr().lock();
    write!(err, "{question}? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
