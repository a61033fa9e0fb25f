//! `best`: the ranking.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output::{self, column_names, print_json, ranking, ranking_csv};
use crate::record;
use frostline_results::{Folder, models};
use frostline_sweep::filter::Filter;
use frostline_sweep::metric::{self, Metric};
use frostline_sweep::suggest;
use frostline_view::best::{Question, best};
use std::io::Write;

pub(crate) fn run(common: &Common, arguments: &args::Best) -> anyhow::Result<Exit> {
    let filters = filters(&arguments.conditions)?;
    let metric = arguments.metric.as_deref().map(known_metric).transpose()?;
    let reader = record::open(common)?;
    let sweep = &arguments.sweep;
    let (most, trials, whole) = (arguments.n, arguments.trials, !arguments.json.json && !arguments.csv);
    let models = models::trials(&Folder::new(&common.results).models());
    let question = Question { sweep, most, filters: &filters, trials, metric, whole, models: &models };
    let best = best(&reader, question)?;
    if let Some(names) = &arguments.columns
        && !best.rows.is_empty()
    {
        let known = column_names(&best.ranking);
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            return Err(wrong_input(format!(
                "--columns {unknown}: there is no such column{}; there are {}",
                suggest::hint(unknown, known.iter().map(String::as_str)),
                known.join(", ")
            )));
        }
    }
    if arguments.json.json {
        return print_json(&best.rows);
    }
    if arguments.csv {
        ranking_csv(&best.ranking)?;
        return Ok(Exit::Done);
    }
    if best.ranking.total == 0 {
        let counts = reader.counts(sweep)?;
        let which = if filters.is_empty() { "" } else { " that meets the conditions" };
        let summary = output::summary(&counts);
        writeln!(anstream::stdout().lock(), "`{sweep}` has no finished trial{which} ({summary})")?;
        return Ok(Exit::Done);
    }
    ranking(&best, arguments.columns.as_deref())?;
    Ok(Exit::Done)
}

/// What `--where` says.
pub(crate) fn filters(conditions: &[String]) -> anyhow::Result<Vec<Filter>> {
    let filter = |text: &String| Filter::parse(text).map_err(|error| wrong_input(format!("--where {text}: {error}")));
    conditions.iter().map(filter).collect()
}

fn known_metric(name: &str) -> anyhow::Result<&'static Metric> {
    metric::find(name).ok_or_else(|| {
        let names: Vec<&str> = metric::names().collect();
        wrong_input(format!(
            "--metric {name}: no metric is called that{}; there are {}",
            suggest::hint(name, names.iter().copied()),
            names.join(", ")
        ))
    })
}
