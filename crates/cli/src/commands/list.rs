//! `list`: what sweeps there are.

use crate::args::{Common, Json};
use crate::exit::Exit;
use crate::output::{self, DIM, Table, below, print_json};
use crate::record;
use frostline_sweep::outcome::TrialState;
use frostline_view::kinds::{of_each, remark};
use frostline_view::list::list;
use std::io::Write;

pub(crate) fn run(common: &Common, json: Json) -> anyhow::Result<Exit> {
    let reader = record::open(common)?;
    let sweeps = list(&reader)?;
    if json.json {
        return print_json(&sweeps);
    }
    let kinds = of_each(&reader, sweeps.iter().map(|sweep| sweep.name.as_str()))?;
    let remarks: Vec<String> =
        kinds.iter().filter_map(|(name, kinds)| remark(&format!("`{name}` was"), kinds)).collect();
    // A state that no trial is in needs no column.
    let states = [TrialState::Waiting, TrialState::Running, TrialState::Failed, TrialState::Cancelled];
    let states: Vec<TrialState> =
        states.into_iter().filter(|state| sweeps.iter().any(|sweep| sweep.trials.0.of(*state) > 0)).collect();
    let mut header = vec!["sweep", "objective", "trials", "complete"];
    header.extend(states.iter().map(|state| state.as_str()));
    header.push("changed");
    let has_notes = sweeps.iter().any(|sweep| sweep.note.is_some());
    if has_notes {
        header.push("note");
    }
    let mut table = Table::new(&header).sparing(&["objective"]);
    for sweep in sweeps {
        let counts = sweep.trials.0;
        let of = |state: &TrialState| counts.of(*state).to_string();
        let mut row = vec![sweep.name, sweep.objective, counts.total().to_string(), of(&TrialState::Complete)];
        row.extend(states.iter().map(of));
        row.push(output::ago(sweep.updated_at));
        if has_notes {
            row.push(sweep.note.unwrap_or_default());
        }
        table.row(row);
    }
    let mut out = anstream::stdout().lock();
    write!(out, "{}", table.fitted())?;
    for remark in remarks {
        writeln!(out, "{DIM}{}{DIM:#}", below(&remark))?;
    }
    Ok(Exit::Done)
}
