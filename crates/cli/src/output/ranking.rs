//! A ranking as a table, and how far it can be trusted.

use super::{DIM, Table, count, seconds};
use frostline_sweep::metric::Metric;
use frostline_view::best::{Because, Best, Doubt, Group, Ranked, Rows};
use std::collections::BTreeMap;
use std::io::Write;

/// Measured on the split that selects nothing; shown, unless it is what the sweep is ranked by.
const TEST: &str = "test_accuracy";

pub(crate) fn ranking(best: &Best) -> anyhow::Result<()> {
    let (table, shown) = match &best.rows {
        Rows::Trials(rows) => (trials(rows, best), rows.len()),
        Rows::Groups(rows) => (groups(rows, best), rows.len()),
    };
    let mut out = anstream::stdout().lock();
    write!(out, "{table}")?;
    let hidden = best.total.saturating_sub(shown as u64);
    if hidden > 0 {
        writeln!(out, "{DIM}  … and {hidden} more{DIM:#}")?;
    }
    let named = match &best.rows {
        Rows::Groups(rows) => rows.first().map(|first| named(first, best)),
        Rows::Trials(_) => None,
    };
    for remark in named.into_iter().chain(best.doubt.and_then(doubt)) {
        writeln!(out, "{DIM}  {remark}{DIM:#}")?;
    }
    Ok(())
}

fn trials(rows: &[Ranked], best: &Best) -> Table {
    let intervals = rows.iter().any(|row| row.interval.is_some());
    let mut header = vec!["rank", "trial", best.objective.name];
    if intervals {
        header.push("95 % interval");
    }
    let mut table = Table::new(&rest_of(header, best));
    for row in rows {
        let mut cells = vec![row.rank.to_string(), row.trial.short(), format!("{:.4}", row.objective)];
        if intervals {
            cells.push(row.interval.map_or("-".to_owned(), |(low, high)| format!("{low:.3} to {high:.3}")));
        }
        cells.extend(values(&row.metrics, best.objective));
        cells.extend(best.columns.cells(&row.parameters));
        cells.push(took(&row.metrics));
        table.row(cells);
    }
    table
}

fn groups(rows: &[Group], best: &Best) -> Table {
    let mut table = Table::new(&rest_of(vec!["rank", "best trial", best.objective.name, "±", "seeds"], best));
    for row in rows {
        let seeds = match row.seeds_wanted > row.seeds {
            true => format!("{} of {}", row.seeds, row.seeds_wanted),
            false => row.seeds.to_string(),
        };
        let deviation = row.deviation.map_or("-".to_owned(), |deviation| format!("{deviation:.4}"));
        let trial = row.trials.first().map_or("-".to_owned(), |first| first.trial.short());
        let mut cells = vec![row.rank.to_string(), trial, format!("{:.4}", row.objective), deviation, seeds];
        cells.extend(values(&row.metrics, best.objective));
        cells.extend(best.columns.cells(&row.parameters));
        cells.push(took(&row.metrics));
        table.row(cells);
    }
    table
}

fn rest_of(mut header: Vec<&'static str>, best: &Best) -> Vec<&'static str> {
    if best.objective.name != TEST {
        header.push(TEST);
    }
    header.extend(best.columns.names());
    header.push("time");
    header
}

fn values(metrics: &BTreeMap<&str, f64>, objective: &Metric) -> Option<String> {
    (objective.name != TEST).then(|| metrics.get(TEST).map_or("-".to_owned(), |value| format!("{value:.4}")))
}

fn took(metrics: &BTreeMap<&str, f64>) -> String {
    metrics.get("seconds").map_or("-".to_owned(), |value| seconds(*value))
}

/// Which configuration is the best, by the mean over its seeds.
fn named(first: &Group, best: &Best) -> String {
    let words = best.columns.words(&first.parameters);
    let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
    let (name, mean) = (best.objective.name, first.objective);
    let spread = first.deviation.map_or(String::new(), |deviation| format!(" ± {deviation:.4}"));
    let seeds = count(u64::from(first.seeds), "seed");
    let meaning = if first.deviation.is_some() { "; ± is the standard deviation over seeds" } else { "" };
    format!("The best configuration{words} has {name} {mean:.4}{spread} over {seeds}{meaning}.")
}

/// How far the order at the top can be trusted.
fn doubt(doubt: Doubt) -> Option<String> {
    let Doubt { close, because } = doubt;
    if close < 2 {
        return None;
    }
    Some(match because {
        Because::Images(images) => format!(
            "{images} validation images cannot tell the first {close} apart: they lie within the best one's interval. \
             More seeds or images would."
        ),
        Because::Seeds => format!(
            "The first {close} cannot be told apart: their means differ by no more than the spread over seeds explains. \
             More seeds would."
        ),
    })
}
