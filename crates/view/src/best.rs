//! `best`: the ranking, of trials or, where a sweep has several seeds, of configurations.

mod finished;
mod groups;
mod row;
mod trials;

pub use row::{Because, Best, Doubt, Group, Ranked, Rows};

use crate::{ViewError, stored};
use finished::Finished;
use frostline_store::Reader;
use frostline_sweep::definition::Definition;
use frostline_sweep::metric;
use frostline_sweep::parameters::Filter;

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
}

/// # Errors
/// There is no such sweep, or a failure of the database.
pub fn best(reader: &Reader, question: Question) -> Result<Best, ViewError> {
    let sweep = reader.sweep(question.sweep)?;
    let unknown = || ViewError::UnknownMetric { sweep: sweep.name.clone(), metric: sweep.objective.clone() };
    let objective = metric::find(&sweep.objective).ok_or_else(unknown)?;
    // A definition that an older program stored may not be one any more: then the trials decide.
    let definition = stored::definition(&sweep).ok();
    if !question.trials && has_seeds(reader, question.sweep, definition.as_ref())? {
        let finished = Finished::all(reader, question.sweep, question.filters)?;
        return Ok(groups::best(objective, finished, question.most, definition.as_ref()));
    }
    if question.filters.is_empty() {
        return trials::of_sweep(reader, objective, question.sweep, question.most, definition.as_ref());
    }
    Ok(trials::of_rows(objective, Finished::all(reader, question.sweep, question.filters)?, question.most))
}

/// Whether configurations of a sweep have several seeds: by its definition, else by its best trial, whose replicates may be
/// of seeds that the definition no longer has.
fn has_seeds(reader: &Reader, sweep: &str, definition: Option<&Definition>) -> Result<bool, ViewError> {
    if definition.is_some_and(|definition| definition.seeds.len() > 1) {
        return Ok(true);
    }
    let Some(first) = reader.best(sweep, 1)?.into_iter().next() else { return Ok(false) };
    Ok(reader.replicates(sweep, first.group)?.len() > 1)
}
