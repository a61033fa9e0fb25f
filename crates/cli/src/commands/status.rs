//! `status`: how far a sweep has come.

use crate::args::{self, Common};
use crate::exit::Exit;
use crate::output::{self, BAD, Table, print_json};
use frostline_sweep::outcome::TrialState;
use frostline_view::status::status;
use std::io::Write;

pub(crate) fn run(common: &Common, arguments: &args::Status) -> anyhow::Result<Exit> {
    let status = status(&frostline_store::open(&common.results)?, &arguments.sweep)?;
    if arguments.json.json {
        return print_json(&status);
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "`{}`  {}", status.sweep, output::summary(&status.counts.0))?;
    writeln!(out, "launched from {} on {}", status.file, status.host)?;
    let mut header = vec!["trial", "state", "epoch", "val_accuracy", "attempts"];
    header.extend(status.columns.names());
    let mut table = Table::new(&header);
    for trial in &status.trials {
        let epoch = format!("{}/{}", trial.epoch.unwrap_or(0), trial.epochs);
        let accuracy = trial.val_accuracy.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let mut cells =
            vec![trial.trial.short(), trial.state.to_string(), epoch, accuracy, trial.attempts.to_string()];
        cells.extend(status.columns.cells(&trial.parameters));
        table.row(cells);
    }
    write!(out, "{table}")?;
    for trial in status.trials.iter().filter(|trial| trial.state == TrialState::Failed) {
        if let Some(failure) = &trial.failure {
            let (short, kind) = (trial.trial.short(), failure.kind);
            writeln!(out, "{BAD}failed{BAD:#} {short} ({kind}): {}", failure.message)?;
        }
    }
    Ok(Exit::Done)
}
