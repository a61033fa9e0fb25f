//! A ranking as a table, as CSV, and how far it can be trusted.

use super::{DIM, Table, Voice, below, seconds, width};
use frostline_sweep::metric;
use frostline_view::best::{Ranking, Row, answer, remarks};
use frostline_view::csv::Lines;
use frostline_view::shown;
use std::io::Write;

/// Measured on the split that selects nothing; shown, unless it is what is ranked by.
const TEST: &str = "test_accuracy";
const SECONDS: &str = "seconds";

/// Long names, and what stands for them where a line is short.
const SHORT: [(&str, &str); 12] = [
    ("best trial", "best"),
    ("95 % interval", "95 %"),
    ("val_accuracy", "val_acc"),
    ("test_accuracy", "test_acc"),
    ("train_accuracy", "train_acc"),
    ("frozen_layers", "frozen"),
    ("head_units", "head"),
    ("head_dropout", "dropout"),
    ("learning_rate", "rate"),
    ("optimizer", "opt"),
    ("batch_size", "batch"),
    ("weight_decay", "decay"),
];

/// `columns` are names of hyperparameters and metrics to show instead of the usual ones.
pub(crate) fn ranking(best: &Ranking, columns: Option<&[String]>) -> anyhow::Result<()> {
    let rows = &best.rows;
    let mut out = anstream::stdout().lock();
    write!(out, "{}", fitting(table(best, columns), width(&std::io::stdout())))?;
    let hidden = best.total.saturating_sub(rows.len() as u64);
    if hidden > 0 {
        writeln!(out, "{DIM}  {} and {hidden} more{DIM:#}", Voice::get().drawn("…", "..."))?;
    }
    for sentence in answer(best).into_iter().chain(remarks(best)) {
        writeln!(out, "{DIM}{}{DIM:#}", below(&sentence))?;
    }
    Ok(())
}

/// A column, and how early it goes where a line is short: the lowest first, never where it is none.
struct Column {
    name: String,
    cells: Vec<String>,
    goes: Option<u8>,
}

fn table(best: &Ranking, columns: Option<&[String]>) -> Vec<Column> {
    let rows = &best.rows;
    let column = |name: &str, goes: Option<u8>, cell: &dyn Fn(&Row) -> String| Column {
        name: name.to_owned(),
        cells: rows.iter().map(cell).collect(),
        goes,
    };
    let digits = best.decimals();
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let as_groups = rows.iter().any(|row| row.is_group);
    let mut table = vec![
        column("rank", None, &|row| row.label()),
        column(if as_groups { "best trial" } else { "trial" }, None, &|row| row.trial.short()),
        column(best.objective.name, None, &|row| number(Some(row.value))),
    ];
    if as_groups {
        table.push(column("±", Some(3), &|row| number(row.deviation)));
    }
    if rows.iter().any(|row| row.interval.is_some()) {
        table.push(column("95 % interval", Some(1), &|row| match row.interval {
            Some((low, high)) => format!("{low:.digits$} to {high:.digits$}"),
            None => "-".to_owned(),
        }));
    }
    if as_groups {
        table.push(column("seeds", None, &|row| match row.seeds_wanted > row.seeds {
            true => format!("{} of {}", row.seeds, row.seeds_wanted),
            false => row.seeds.to_string(),
        }));
    }
    let measured = |name: &str, goes: Option<u8>| {
        column(if name == SECONDS { "time" } else { name }, goes, &|row| match row.metrics.get(name) {
            Some(value) if name == SECONDS => seconds(*value),
            value => number(value.copied()),
        })
    };
    let parameter = |name: &str| column(name, None, &|row| row.parameters.get(name).map_or(String::new(), shown));
    match columns {
        Some(names) => table.extend(names.iter().map(|name| match is_measured(name) {
            true => measured(name, None),
            false => parameter(name),
        })),
        None => {
            if best.objective.name != TEST {
                table.push(measured(TEST, Some(0)));
            }
            table.extend(best.columns.names().map(parameter));
            table.push(measured(SECONDS, Some(2)));
            if rows.iter().any(|row| row.has_model) {
                table.push(column("model", Some(0), &|row| if row.has_model { "kept" } else { "-" }.to_owned()));
            }
        }
    }
    table
}

fn is_measured(name: &str) -> bool {
    name == SECONDS || metric::find(name).is_some()
}

/// The names that `--columns` knows.
pub(crate) fn column_names(best: &Ranking) -> Vec<String> {
    let parameters = best.rows.first().map(|row| row.parameters.keys().cloned().collect()).unwrap_or_default();
    let parameters: Vec<String> = parameters;
    parameters.into_iter().chain(metric::names().chain([SECONDS]).map(str::to_owned)).collect()
}

/// In full where there is room, then with short names, then without the columns that matter least.
fn fitting(mut columns: Vec<Column>, width: Option<usize>) -> Table {
    let of = |columns: &[Column]| {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let mut table = Table::new(&names);
        for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
            table.row(columns.iter().map(|column| column.cells[row].clone()));
        }
        table
    };
    let fits = |table: &Table| width.is_none_or(|width| table.line_width() <= width);
    let mut table = of(&columns);
    if fits(&table) {
        return table;
    }
    for column in &mut columns {
        if let Some((_, short)) = SHORT.iter().find(|(name, _)| *name == column.name) {
            column.name = (*short).to_owned();
        }
    }
    loop {
        table = of(&columns);
        let least = columns.iter().enumerate().filter_map(|(place, column)| Some((column.goes?, place))).min();
        match least {
            Some((_, place)) if !fits(&table) => drop(columns.remove(place)),
            _ => return table,
        }
    }
}

/// One row a line, with every metric and hyperparameter.
pub(crate) fn ranking_csv(best: &Ranking) -> anyhow::Result<()> {
    let mut lines = Lines::of(best)?;
    best.rows.iter().try_for_each(|row| lines.add(row))?;
    std::io::stdout().lock().write_all(&lines.end()?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, cell: &str, goes: Option<u8>) -> Column {
        Column { name: name.to_owned(), cells: vec![cell.to_owned()], goes }
    }

    #[test]
    fn what_does_not_fit_is_shortened_and_then_left_out() {
        let columns = || {
            vec![
                column("rank", "=1", None),
                column("val_accuracy", "0.796", None),
                column("95 % interval", "0.770 to 0.820", Some(1)),
                column("test_accuracy", "0.776", Some(0)),
            ]
        };
        let at = |width| anstream::adapter::strip_str(&fitting(columns(), width).to_string()).to_string();
        assert_eq!(
            at(None),
            "  rank  val_accuracy   95 % interval  test_accuracy\n    =1         0.796  0.770 to 0.820          0.776\n"
        );
        assert_eq!(at(Some(51)), at(None));
        assert_eq!(
            at(Some(50)),
            "  rank  val_acc            95 %  test_acc\n    =1    0.796  0.770 to 0.820     0.776\n"
        );
        assert_eq!(at(Some(32)), "  rank  val_acc            95 %\n    =1    0.796  0.770 to 0.820\n");
        assert_eq!(at(Some(9)), "  rank  val_acc\n    =1    0.796\n");
    }
}
