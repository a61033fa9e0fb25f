//! `frostline` alone: the commands of a day, and the sweeps of this folder.

use crate::args::Common;
use crate::exit::Exit;
use crate::output::{self, BOLD, Table};
use crate::record;
use frostline_store::StoreError;
use frostline_sweep::outcome::TrialState;
use frostline_view::list::{Listed, list};
use std::io::Write;

/// The latest sweeps that are shown.
const SHOWN: usize = 8;

pub(crate) fn run(common: &Common) -> anyhow::Result<Exit> {
    let sweeps = match record::open(common).map(|reader| list(&reader)) {
        Ok(sweeps) => sweeps?,
        Err(StoreError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let results = common.results_argument();
    let mut out = anstream::stdout().lock();
    writeln!(out, "Frostline finds how deep to freeze a pretrained network, and which head and")?;
    writeln!(out, "optimizer to put on it.\n")?;
    for (command, meaning) in [
        ("init", "write a first sweep; --data FOLDER for your own pictures"),
        ("plan", "what a sweep would run, and for how long"),
        ("launch", "run it; Ctrl-C is safe, and `frostline resume` goes on"),
        ("best", "rank what has finished"),
    ] {
        writeln!(out, "  {BOLD}frostline {command:<8}{BOLD:#} {meaning}")?;
    }
    writeln!(out)?;
    if sweeps.is_empty() {
        writeln!(out, "`{}` has no sweep yet.", common.results.display())?;
    } else {
        write!(out, "{}", table(&sweeps).fitted())?;
        if let Some(hidden) = sweeps.len().checked_sub(SHOWN).filter(|hidden| *hidden > 0) {
            writeln!(out, "  {} and {hidden} more: frostline list{results}", output::dots())?;
        }
        writeln!(out)?;
    }
    writeln!(out, "`frostline help` lists all commands, `frostline help launch` explains one.")?;
    Ok(Exit::Done)
}

/// The latest first.
fn table(sweeps: &[Listed]) -> Table {
    let mut sweeps: Vec<&Listed> = sweeps.iter().collect();
    sweeps.sort_by(|one, other| other.updated_at.total_cmp(&one.updated_at));
    let mut table = Table::new(&["sweep", "done", "", "changed"]);
    for sweep in sweeps.iter().take(SHOWN) {
        let counts = &sweep.trials.0;
        let others = [TrialState::Running, TrialState::Waiting, TrialState::Failed, TrialState::Cancelled];
        let others = others.iter().filter(|state| counts.of(**state) > 0);
        let others: Vec<String> = others.map(|state| format!("{} {state}", counts.of(*state))).collect();
        table.row([
            sweep.name.clone(),
            format!("{} of {}", counts.of(TrialState::Complete), output::count(counts.total(), "trial")),
            others.join(", "),
            output::ago(sweep.updated_at),
        ]);
    }
    table
}
