//! A ranking as a table, as CSV, and how far it can be trusted.

use super::{DIM, Table, below, dots, seconds};
use frostline_sweep::metric::{SECONDS, is_measured, measured};
use frostline_view::best::{self, Best, Ranking, Row, remarks};
use frostline_view::csv::Lines;
use frostline_view::kinds::remark;
use frostline_view::shown;
use std::io::Write;

/// Measured on the split that selects nothing; shown, unless it is what is ranked by.
const TEST: &str = "test_accuracy";
const INTERVAL: &str = "95 % interval";
const DEVIATION: &str = "±";
const MODEL: &str = "model";

/// `columns` are names of hyperparameters and metrics to show instead of the usual ones.
pub(crate) fn ranking(answer: &Best, columns: Option<&[String]>) -> anyhow::Result<()> {
    let best = &answer.ranking;
    let rows = &best.rows;
    let mut out = anstream::stdout().lock();
    write!(out, "{}", table(best, columns).fitted())?;
    let hidden = best.total.saturating_sub(rows.len() as u64);
    if hidden > 0 {
        writeln!(out, "{DIM}  {} and {hidden} more{DIM:#}", dots())?;
    }
    let sentences = best::answer(best).into_iter().chain(remarks(best));
    for sentence in sentences.chain(remark("These trials were", &answer.kinds)) {
        writeln!(out, "{DIM}{}{DIM:#}", below(&sentence))?;
    }
    Ok(())
}

/// A name, and what stands below it in each row.
type Column = (String, Vec<String>);

fn table(best: &Ranking, columns: Option<&[String]>) -> Table {
    let rows = &best.rows;
    let column =
        |name: &str, cell: &dyn Fn(&Row) -> String| -> Column { (name.to_owned(), rows.iter().map(cell).collect()) };
    let digits = best.decimals();
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let as_groups = rows.iter().any(|row| row.is_group);
    let mut all = vec![
        column("rank", &|row| row.label()),
        column(if as_groups { "best trial" } else { "trial" }, &|row| row.trial.short()),
        column(best.objective.name, &|row| number(Some(row.value))),
    ];
    if as_groups {
        all.push(column(DEVIATION, &|row| number(row.deviation)));
    }
    if rows.iter().any(|row| row.interval.is_some()) {
        all.push(column(INTERVAL, &|row| match row.interval {
            Some((low, high)) => format!("{low:.digits$} to {high:.digits$}"),
            None => "-".to_owned(),
        }));
    }
    if as_groups {
        all.push(column("seeds", &|row| match row.seeds_wanted > row.seeds {
            true => format!("{} of {}", row.seeds, row.seeds_wanted),
            false => row.seeds.to_string(),
        }));
    }
    let measured_column = |name: &str| {
        column(if name == SECONDS { "time" } else { name }, &|row| match row.metrics.get(name) {
            Some(value) if name == SECONDS => seconds(*value),
            value => number(value.copied()),
        })
    };
    let parameter = |name: &str| column(name, &|row| row.parameters.get(name).map_or(String::new(), shown));
    match columns {
        Some(names) => all.extend(names.iter().map(|name| match is_measured(name) {
            true => measured_column(name),
            false => parameter(name),
        })),
        None => {
            if best.objective.name != TEST {
                all.push(measured_column(TEST));
            }
            all.extend(best.columns.names().map(parameter));
            all.push(measured_column(SECONDS));
            if rows.iter().any(|row| row.has_model) {
                all.push(column(MODEL, &|row| if row.has_model { "kept" } else { "-" }.to_owned()));
            }
        }
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    // What was asked for by name stays.
    let spare: &[&str] = match columns {
        Some(_) => &[INTERVAL, DEVIATION],
        None => &[TEST, MODEL, INTERVAL, "time", DEVIATION],
    };
    let spare: Vec<&str> = spare.iter().copied().filter(|name| *name != best.objective.name).collect();
    let mut table = Table::new(&names).sparing(&spare);
    for row in 0..rows.len() {
        table.row(all.iter().map(|(_, cells)| cells[row].clone()));
    }
    table
}

/// The names that `--columns` knows.
pub(crate) fn column_names(best: &Ranking) -> Vec<String> {
    let parameters = best.rows.first().map(|row| row.parameters.keys().cloned().collect()).unwrap_or_default();
    let parameters: Vec<String> = parameters;
    parameters.into_iter().chain(measured().map(str::to_owned)).collect()
}

/// One row a line, with every metric and hyperparameter.
pub(crate) fn ranking_csv(best: &Ranking) -> anyhow::Result<()> {
    let mut lines = Lines::of(best)?;
    best.rows.iter().try_for_each(|row| lines.add(row))?;
    std::io::stdout().lock().write_all(&lines.end()?)?;
    Ok(())
}
