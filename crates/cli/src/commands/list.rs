//! `list`: what sweeps there are.

use crate::args::{Common, Json};
use crate::exit::Exit;
use crate::output::{self, Table, print_json};
use frostline_store::Reader;
use frostline_sweep::outcome::TrialState;
use frostline_view::list::list;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn run(common: &Common, json: Json) -> anyhow::Result<Exit> {
    let sweeps = list(&Reader::open(&common.results)?)?;
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
            ago(sweep.updated_at),
        ]);
    }
    write!(anstream::stdout().lock(), "{table}")?;
    Ok(Exit::Done)
}

/// How long a moment lies back, from seconds since 1970.
fn ago(moment: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    format!("{} ago", output::seconds((now - moment).max(0.0)))
}
