//! `list` and `status`: what there is, and how far it has come.

use crate::Exit;
use crate::args::{self, Common, Json};
use crate::output::{self, BAD, Columns, Table};
use frostline_store::Reader;
use frostline_sweep::outcome::TrialState;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn list(common: &Common, json: Json) -> anyhow::Result<Exit> {
    let reader = Reader::open(&common.results)?;
    let sweeps = reader.sweeps()?;
    if json.json {
        let object = |sweep: &frostline_store::SweepSummary| {
            json!({
                "name": sweep.name,
                "objective": sweep.objective,
                "created_at": sweep.created_at,
                "updated_at": sweep.updated_at,
                "trials": counts(&sweep.counts),
            })
        };
        return print_json(&sweeps.iter().map(object).collect::<Vec<_>>());
    }
    let mut table =
        Table::new(&["sweep", "objective", "trials", "complete", "waiting", "running", "failed", "changed"]);
    for sweep in sweeps {
        let of = |state| sweep.counts.of(state).to_string();
        table.row([
            sweep.name,
            sweep.objective,
            sweep.counts.total().to_string(),
            of(TrialState::Complete),
            of(TrialState::Waiting),
            of(TrialState::Running),
            of(TrialState::Failed),
            ago(sweep.updated_at),
        ]);
    }
    write!(anstream::stdout().lock(), "{table}")?;
    Ok(Exit::Done)
}

pub(crate) fn status(common: &Common, arguments: &args::Status) -> anyhow::Result<Exit> {
    let reader = Reader::open(&common.results)?;
    let sweep = reader.sweep(&arguments.sweep)?;
    let rows = reader.trials(&arguments.sweep)?;
    let total = reader.counts(&arguments.sweep)?;
    if arguments.json.json {
        let trials: Vec<Value> = rows
            .iter()
            .map(|row| {
                json!({
                    "trial": row.trial,
                    "group": row.group,
                    "state": row.state,
                    "attempts": row.attempts,
                    "epoch": row.last.as_ref().map(|last| last.epoch),
                    "epochs": row.spec.parameters.epochs,
                    "val_accuracy": row.last.as_ref().map(|last| last.val_accuracy),
                    "failure": row.failure.as_ref().map(|(kind, message)| json!({"kind": kind, "message": message})),
                })
            })
            .collect();
        return print_json(
            &json!({ "sweep": sweep.name, "objective": sweep.objective, "counts": counts(&total), "trials": trials }),
        );
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "`{}`  {}", sweep.name, output::summary(&total))?;
    writeln!(out, "launched from {} on {}", sweep.file, sweep.provenance.host)?;
    let columns = Columns::varying(rows.iter().map(|row| &row.spec));
    let mut header = vec!["trial", "state", "epoch", "val_accuracy", "attempts"];
    header.extend(columns.names());
    let mut table = Table::new(&header);
    for row in &rows {
        let epoch = row.last.as_ref().map_or(0, |last| last.epoch);
        let accuracy = row.last.as_ref().map_or("-".to_owned(), |last| format!("{:.4}", last.val_accuracy));
        let mut cells = vec![row.trial.to_string()[..8].to_owned(), row.state.to_string()];
        cells.extend([format!("{epoch}/{}", row.spec.parameters.epochs), accuracy, row.attempts.to_string()]);
        cells.extend(columns.cells(&row.spec));
        table.row(cells);
    }
    write!(out, "{table}")?;
    for row in rows.iter().filter(|row| row.state == TrialState::Failed) {
        if let Some((kind, message)) = &row.failure {
            writeln!(out, "{BAD}failed{BAD:#} {} ({kind}): {message}", &row.trial.to_string()[..8])?;
        }
    }
    Ok(Exit::Done)
}

pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(Exit::Done)
}

fn counts(counts: &frostline_store::Counts) -> Map<String, Value> {
    TrialState::ALL.iter().map(|state| (state.to_string(), json!(counts.of(*state)))).collect()
}

/// How long a moment lies back, from seconds since 1970.
fn ago(moment: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    format!("{} ago", output::seconds((now - moment).max(0.0)))
}
