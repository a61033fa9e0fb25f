//! `best`: the ranking, of trials or, where a sweep has several seeds, of configurations.

pub(crate) mod finished;
mod groups;
mod row;
mod trials;

pub use row::{Because, Best, Doubt, Group, Ranked, Rows};

use crate::{ViewError, stored};
use finished::Finished;
use frostline_store::{Reader, Sweep, TrialRow};
use frostline_sweep::backbone;
use frostline_sweep::definition::Definition;
use frostline_sweep::filter::Filter;
use frostline_sweep::metric::{self, Metric};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub sweep: &'a str,
    /// Rows that are wanted.
    pub most: usize,
    /// Only trials that meet all of them.
    pub filters: &'a [Filter],
    /// Single trials also where there are several seeds.
    pub trials: bool,
    /// What only a table says, too: how many have finished and in what the whole sweep varies, which takes a while for a
    /// large one, and needs its definition.
    pub whole: bool,
}

/// What a table says of a sweep beside its rows.
struct Whole {
    definition: Option<Definition>,
}

/// # Errors
/// There is no such sweep, or a failure of the database.
pub fn best(reader: &Reader, question: Question) -> Result<Best, ViewError> {
    let Question { sweep: name, most, filters, trials, whole } = question;
    let sweep = reader.sweep(name)?;
    let objective = objective(&sweep)?;
    // A definition that an older program stored may not be one any more: then the trials decide.
    let whole = whole.then(|| Whole { definition: stored::definition(&sweep).ok() });
    let as_groups = !trials && has_seeds(reader, name)?;
    if filters.is_empty() {
        return match as_groups {
            true => groups::of_sweep(reader, objective, name, most, whole.as_ref()),
            false => trials::of_sweep(reader, objective, name, most, whole.as_ref()),
        };
    }
    let rows = meeting(reader, name, filters)?;
    Ok(match as_groups {
        true => groups::of_rows(objective, rows, most),
        false => trials::of_rows(objective, &Finished::of(rows), most),
    })
}

/// What a sweep is ranked by.
pub(crate) fn objective(sweep: &Sweep) -> Result<&'static Metric, ViewError> {
    let unknown = || ViewError::UnknownMetric { sweep: sweep.name.clone(), metric: sweep.objective.clone() };
    metric::find(&sweep.objective).ok_or_else(unknown)
}

/// Whether configurations of a sweep have several seeds, finished or not: by its best one.
fn has_seeds(reader: &Reader, sweep: &str) -> Result<bool, ViewError> {
    Ok(reader.best_groups(sweep, 1)?.first().is_some_and(|best| best.seeds > 1))
}

/// A sweep's trials that meet the conditions, finished or not.
pub(crate) fn meeting(reader: &Reader, sweep: &str, filters: &[Filter]) -> Result<Vec<TrialRow>, ViewError> {
    let meets = |row: &TrialRow| {
        let architecture = backbone::find(&row.spec.model.backbone);
        architecture.is_some_and(|network| filters.iter().all(|filter| filter.matches(&row.spec, network)))
    };
    Ok(reader.trials(sweep)?.into_iter().filter(meets).collect())
}
