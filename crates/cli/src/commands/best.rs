//! `best`: the ranking.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output::{self, print_json, ranking};
use frostline_sweep::filter::Filter;
use frostline_view::best::{Question, best};
use std::io::Write;

pub(crate) fn run(common: &Common, arguments: &args::Best) -> anyhow::Result<Exit> {
    let filters = filters(&arguments.conditions)?;
    let reader = frostline_store::open(&common.results)?;
    let sweep = &arguments.sweep;
    let (most, filters, whole) = (arguments.n, filters.as_slice(), !arguments.json.json);
    let best = best(&reader, Question { sweep, most, filters, trials: arguments.trials, whole })?;
    if arguments.json.json {
        return print_json(&best.rows);
    }
    if best.total == 0 {
        let counts = reader.counts(sweep)?;
        let which = if filters.is_empty() { "" } else { " that meets the conditions" };
        let summary = output::summary(&counts);
        writeln!(anstream::stdout().lock(), "`{sweep}` has no finished trial{which} ({summary})")?;
        return Ok(Exit::Done);
    }
    ranking(&best)?;
    Ok(Exit::Done)
}

/// What `--where` says.
pub(crate) fn filters(conditions: &[String]) -> anyhow::Result<Vec<Filter>> {
    let filter = |text: &String| Filter::parse(text).map_err(|error| wrong_input(format!("--where {text}: {error}")));
    conditions.iter().map(filter).collect()
}
