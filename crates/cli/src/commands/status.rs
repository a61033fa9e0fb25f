//! `status`: how far a sweep has come.

use crate::args::{self, Common};
use crate::exit::Exit;
use crate::output::{self, BAD, Table, print_json};
use crate::record;
use frostline_results::{Folder, RunStatus};
use frostline_sweep::outcome::TrialState;
use frostline_sweep::record::TaskKey;
use frostline_sweep::trial::TrialId;
use frostline_view::status::{going_on, status};
use std::io::Write;

pub(crate) fn run(common: &Common, arguments: &args::Status) -> anyhow::Result<Exit> {
    let run = RunStatus::read(&Folder::new(&common.results).status());
    let status = status(&record::open(common)?, &arguments.sweep, run)?;
    if arguments.json.json {
        return print_json(&status);
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "`{}`  {}", status.sweep, output::summary(&status.counts.0))?;
    writeln!(out, "launched from {} on {}", status.file, status.host)?;
    if let Some(note) = &status.note {
        writeln!(out, "{note}")?;
    }
    if let Some(run) = &status.run {
        writeln!(out, "{}", going_on(run))?;
    }
    let mut header = vec!["trial", "state", "epoch", "val_accuracy", "attempts"];
    header.extend(status.columns.names());
    let mut table = Table::new(&header).sparing(&["attempts", "epoch"]);
    for trial in &status.trials {
        let within = status.run.as_ref().and_then(|run| within(run, trial.trial)).unwrap_or_default();
        let epoch = format!("{}/{}{within}", trial.epoch.unwrap_or(0), trial.epochs);
        let accuracy = trial.val_accuracy.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let mut cells =
            vec![trial.trial.short(), trial.state.to_string(), epoch, accuracy, trial.attempts.to_string()];
        cells.extend(status.columns.cells(&trial.parameters));
        table.row(cells);
    }
    write!(out, "{}", table.fitted())?;
    for trial in status.trials.iter().filter(|trial| trial.state == TrialState::Failed) {
        if let Some(failure) = &trial.failure {
            let (short, kind) = (trial.trial.short(), failure.kind);
            let failed = format!("{BAD}failed{BAD:#} {short} ({kind}): {}", failure.message);
            writeln!(out, "{}", output::said(&failed))?;
        }
    }
    Ok(Exit::Done)
}

/// How far a trial has come within its epoch, such as ` + 40 %`.
fn within(run: &RunStatus, trial: TrialId) -> Option<String> {
    let running = run.running.iter().find(|running| running.task == TaskKey::Trial(trial))?;
    let (done, total) = running.steps.filter(|(_, total)| *total > 0)?;
    Some(format!(" + {} %", 100 * done / total))
}
