//! A sweep's page as data: the ranking, and what it is seen beside. Who draws it adds nothing that it would have to ask for.

mod curves;
mod network;
mod saved;

pub use curves::Curve;
pub use network::{Network, Segment};
pub use saved::Saved;

use crate::ViewError;
use crate::best::{Best, Question, best};
use crate::effects::{Effects, effects};
use crate::row::{self, Row};
use crate::show::{Shown, show};
use frostline_store::{Counts, Reader, Sweep};
use frostline_sweep::filter::Filter;
use frostline_sweep::trial::{TrialId, TrialSpec};

/// Of more rows the first ones are told; figures say that there are others.
pub const MOST_ROWS: usize = 1_000;

/// Everything that a sweep's page shows.
#[derive(Debug, Clone)]
pub struct Page {
    pub sweep: Sweep,
    pub counts: Counts,
    pub best: Best,
    /// The rows of `best`, whether they are trials or configurations.
    pub rows: Vec<Row>,
    /// What the trials have in common, by the best one of them; none before one has finished.
    pub spec: Option<TrialSpec>,
    pub network: Option<Network>,
    /// None where the trials differ in nothing, or a value is not a number.
    pub effects: Option<Effects>,
    /// The best one's first.
    pub curves: Vec<Curve>,
    pub saved: Option<Saved>,
    /// The trials that are shown in full.
    pub trials: Vec<Shown>,
}

/// How much of a sweep is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Rows of the ranking.
    pub rows: usize,
    /// Learning curves.
    pub curves: usize,
    /// Trials in full: the best one of each of the first rows.
    pub trials: usize,
    /// Effects of sweeps with at most as many trials: they are computed from all of them.
    pub effects_of: u64,
}

/// # Errors
/// There is no such sweep, or a failure of the database.
pub fn page(reader: &Reader, name: &str, wanted: Wanted) -> Result<Page, ViewError> {
    let sweep = reader.sweep(name)?;
    let counts = reader.counts(name)?;
    let best = best(reader, Question::of(name, wanted.rows.min(MOST_ROWS)))?;
    let rows = row::rows(&best);
    let firsts: Vec<TrialId> = rows.iter().map(|row| row.trial).collect();
    let in_full = |trial: &TrialId| show(reader, &trial.to_string());
    let trials: Vec<Shown> = firsts.iter().take(wanted.trials.max(1)).map(in_full).collect::<Result<_, _>>()?;
    let spec = trials.first().map(|first| first.spec.clone());
    Ok(Page {
        effects: effects_of(reader, name, counts.total() <= wanted.effects_of)?,
        network: spec.as_ref().and_then(Network::of),
        curves: curves::curves(reader, &firsts, wanted.curves)?,
        saved: saved::saved(reader, name, counts.total())?,
        trials: trials.into_iter().take(wanted.trials).collect(),
        sweep,
        counts,
        best,
        rows,
        spec,
    })
}

/// None where there are none, or they are not wanted.
fn effects_of(reader: &Reader, name: &str, is_wanted: bool) -> Result<Option<Effects>, ViewError> {
    if !is_wanted {
        return Ok(None);
    }
    match effects(reader, name, &[]) {
        Ok(effects) => Ok(Some(effects).filter(|effects| !effects.axes.is_empty())),
        Err(ViewError::NoEffects { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Some rows of a ranking.
#[derive(Debug, Clone)]
pub struct Ranking {
    pub best: Best,
    pub rows: Vec<Row>,
}

/// `most` rows after the first `after`, in the order of the ranking or in that of a column, downwards where it is said.
///
/// # Errors
/// There is no such sweep, or a failure of the database.
pub fn ranking(
    reader: &Reader,
    name: &str,
    filters: &[Filter],
    order: Option<(&str, bool)>,
    after: usize,
    most: usize,
) -> Result<Ranking, ViewError> {
    // Another order than that of the ranking is known when all rows are.
    let read = if order.is_some() { usize::MAX } else { after.saturating_add(most) };
    let best = best(reader, Question { filters, ..Question::of(name, read) })?;
    let mut rows = row::rows(&best);
    if let Some((column, down)) = order {
        row::sort(&mut rows, best.objective.name, column, down);
    }
    Ok(Ranking { rows: rows.into_iter().skip(after).take(most).collect(), best })
}
