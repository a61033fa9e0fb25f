//! `list`: what sweeps there are.

use crate::args::{Common, Json};
use crate::exit::Exit;
use crate::output::{self, Table, print_json};
use frostline_sweep::outcome::TrialState;
use frostline_view::list::list;
use std::io::Write;

pub(crate) fn run(common: &Common, json: Json) -> anyhow::Result<Exit> {
    let sweeps = list(&frostline_store::open(&common.results)?)?;
    if json.json {
        return print_json(&sweeps);
    }
    let mut table =
        Table::new(&["sweep", "objective", "trials", "complete", "waiting", "running", "failed", "changed"]);
    for sweep in sweeps {
        let counts = sweep.trials.0;
        let of = |state| counts.of(state).to_string();
        table.row([
            sweep.name,
            sweep.objective,
            counts.total().to_string(),
            of(TrialState::Complete),
            of(TrialState::Waiting),
            of(TrialState::Running),
            of(TrialState::Failed),
            output::ago(sweep.updated_at),
        ]);
    }
    write!(anstream::stdout().lock(), "{table}")?;
    Ok(Exit::Done)
}
