//! A ranking as CSV: a row a line, with every metric and hyperparameter.

use crate::best::{Ranking, Row};
use crate::shown;
use frostline_sweep::metric::measured;

/// Lines of one table.
pub struct Lines {
    writer: csv::Writer<Vec<u8>>,
    as_groups: bool,
    parameters: Vec<String>,
}

impl Lines {
    /// With the names of the columns, for rows like those of `ranking`.
    ///
    /// # Errors
    /// None that memory does not make.
    pub fn of(ranking: &Ranking) -> Result<Lines, csv::Error> {
        let first = ranking.first.as_ref();
        let as_groups = first.is_some_and(|row| row.is_group);
        let parameters: Vec<String> = first.map(|row| row.parameters.keys().cloned().collect()).unwrap_or_default();
        let trial = if as_groups { "best_trial" } else { "trial" };
        let mut header: Vec<String> = ["rank", "tied_with_best", trial].map(str::to_owned).into();
        header.extend(["low", "high"].map(|end| format!("{}_{end}", ranking.objective.name)));
        if as_groups {
            header.extend(["deviation", "seeds", "seeds_wanted"].map(str::to_owned));
        }
        header.extend(measured().map(str::to_owned));
        header.extend(parameters.iter().cloned());
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&header)?;
        Ok(Lines { writer, as_groups, parameters })
    }

    /// # Errors
    /// As of [`Lines::of`].
    pub fn add(&mut self, row: &Row) -> Result<(), csv::Error> {
        let tied = row.tied_with_best.map_or(String::new(), |tied| tied.to_string());
        let (low, high) = row.interval.unzip();
        let mut record = vec![row.rank.to_string(), tied, row.trial.short(), number(low), number(high)];
        if self.as_groups {
            record.extend([number(row.deviation), row.seeds.to_string(), row.seeds_wanted.to_string()]);
        }
        record.extend(measured().map(|name| number(row.metrics.get(name).copied())));
        record.extend(self.parameters.iter().map(|name| row.parameters.get(name).map_or(String::new(), shown)));
        self.writer.write_record(&record)
    }

    /// # Errors
    /// As of [`Lines::of`].
    pub fn end(mut self) -> Result<Vec<u8>, csv::Error> {
        self.writer.flush()?;
        self.writer.into_inner().map_err(|error| error.into_error().into())
    }
}

/// Nothing for what is not a number.
fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or(String::new(), |value| value.to_string())
}
