//! `best`: the ranking, of trials or, where a sweep has several seeds, of configurations, and how sure it is.

pub(crate) mod finished;
mod places;
mod ranking;
mod row;
mod verdict;
mod words;

pub(crate) use places::{Shape, interval_of_mean};
pub use ranking::{Best, Ranking, Row};
pub use row::{Basis, Group, Missing, Ranked, Rows, Verdict, VersusBest, Wanted};
pub(crate) use verdict::{Contestant, cell_of, interval_of, right_of, sign, verdict};
pub use words::{answer, remarks};

use crate::{Columns, ViewError, kinds, stored};
use finished::columns_of_sweep;
use frostline_store::{Reader, Sweep, TrialRow};
use frostline_sweep::backbone;
use frostline_sweep::filter::Filter;
use frostline_sweep::metric::{self, Metric};
use frostline_sweep::trial::TrialId;
use places::Place;
use std::collections::BTreeSet;

/// Of a sweep with more finished trials, only the first places are read, from an index.
pub(crate) const MOST_READ: usize = 2_000;

/// The first ones of a larger sweep that are compared with the best, shown or not.
pub(crate) const COMPARED: usize = 100;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub sweep: &'a str,
    /// Rows that are wanted.
    pub most: usize,
    /// Only trials whose hyperparameters meet all of them are ranked; only rows whose measurements meet them are shown.
    pub filters: &'a [Filter],
    /// Single trials also where there are several seeds.
    pub trials: bool,
    /// What to rank by, if not by what the sweep is ranked by.
    pub metric: Option<&'static Metric>,
    /// What only people are told, too: how many have finished and in what the whole sweep varies, which takes a while for
    /// a large one, and needs its definition.
    pub whole: bool,
    /// Trials whose models are kept.
    pub models: &'a [TrialId],
}

impl<'a> Question<'a> {
    /// The `most` best of a sweep, by its own objective, for people.
    pub fn of(sweep: &'a str, most: usize) -> Question<'a> {
        Question { sweep, most, filters: &[], trials: false, metric: None, whole: true, models: &[] }
    }
}

/// # Errors
/// There is no such sweep, or a failure of the database.
pub fn best(reader: &Reader, question: Question) -> Result<Best, ViewError> {
    let Question { sweep: name, most, filters, trials, metric, whole, models } = question;
    let sweep = reader.sweep(name)?;
    let objective = metric.map_or_else(|| objective(&sweep), Ok)?;
    let shape = if !trials && has_seeds(reader, name)? { Shape::Groups } else { Shape::Trials };
    let is_read = !filters.is_empty() || metric.is_some() || !reader.has_more_finished(name, MOST_READ)?;
    let (measured, filters): (Vec<&Filter>, Vec<&Filter>) = filters.iter().partition(|filter| filter.is_measured());
    let (places, missing) = match is_read {
        true => places::of_rows(objective, shape, meeting(reader, name, &filters)?),
        false => (places::first(reader, objective, shape, name, most.max(COMPARED))?, Missing::default()),
    };
    let contestants: Vec<Vec<Contestant>> = places.iter().map(|place| place.contestants(objective)).collect();
    let (compared, verdict) = verdict(reader, objective, &contestants, is_read)?;
    let shown: Vec<usize> = (0..places.len()).filter(|&place| meets(&places[place], &measured)).collect();
    let rows_of = |shown: &[usize]| {
        let versus = |&place: &usize| (&places[place], compared.get(place).copied().flatten());
        let shown = shown.iter().map(versus);
        let mut rows = match shape {
            Shape::Groups => Rows::Groups(shown.map(|(place, versus)| place.group(objective, versus)).collect()),
            Shape::Trials => {
                Rows::Trials(shown.filter_map(|(place, versus)| place.trial(objective, versus)).collect())
            }
        };
        rows.trials_mut().for_each(|trial| trial.model = models.contains(&trial.trial));
        rows
    };
    let rows = rows_of(&shown[..most.min(shown.len())]);
    let first = rows_of(&[0][..1.min(places.len())]);
    let mut ranking = Ranking {
        objective,
        total: shown.len() as u64,
        columns: columns(&places, shape),
        first: ranking::rows(&first, verdict.as_ref()).pop(),
        rows: ranking::rows(&rows, verdict.as_ref()),
        verdict,
        missing,
    };
    if whole && !is_read {
        let counts = reader.counts(name)?;
        ranking.missing.trials = counts.total() - counts.complete;
        ranking.total = match shape {
            Shape::Groups => reader.finished_groups(name)?,
            Shape::Trials => reader.finished(name)?,
        };
    }
    if whole && filters.is_empty() {
        // A definition that an older program stored may not be one any more: then the trials decide.
        if let Ok(definition) = stored::definition(&sweep) {
            let shown = places.iter().take(most.max(1)).flat_map(|it| &it.trials);
            ranking.columns = shape.of(columns_of_sweep(&definition, shown));
        }
    }
    let kinds = if whole { kinds::kinds(reader, name)? } else { BTreeSet::new() };
    Ok(Best { rows, ranking, kinds })
}

/// Trials that cannot be told from the best one, that included: of the first places, the best first.
///
/// # Errors
/// There is no such sweep, or a failure of the database.
pub fn tied(reader: &Reader, sweep: &str, most: usize) -> Result<Vec<TrialId>, ViewError> {
    let objective = objective(&reader.sweep(sweep)?)?;
    let shape = if has_seeds(reader, sweep)? { Shape::Groups } else { Shape::Trials };
    let places = places::first(reader, objective, shape, sweep, most)?;
    let contestants: Vec<Vec<Contestant>> = places.iter().map(|place| place.contestants(objective)).collect();
    let (compared, _) = verdict(reader, objective, &contestants, false)?;
    let tied = contestants.iter().zip(compared).filter(|(_, versus)| versus.is_some_and(|versus| versus.is_tied));
    Ok(tied.flat_map(|(trials, _)| trials.iter().map(|it| it.trial)).take(most).collect())
}

fn columns(places: &[Place], shape: Shape) -> Columns {
    shape.of(Columns::varying(places.iter().flat_map(|it| &it.trials).map(|finished| &finished.row.spec)))
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

/// Whether what was measured meets the conditions on it: over seeds, their mean.
fn meets(place: &Place, measured: &[&Filter]) -> bool {
    if measured.is_empty() {
        return true;
    }
    let metrics = place.metrics();
    measured.iter().all(|it| metrics.get(it.name()).is_some_and(|&value| it.accepts_measured(value)))
}

/// A sweep's trials whose hyperparameters meet the conditions, finished or not.
fn meeting(reader: &Reader, sweep: &str, filters: &[&Filter]) -> Result<Vec<TrialRow>, ViewError> {
    let meets = |row: &TrialRow| {
        let architecture = backbone::find(&row.spec.model.backbone);
        architecture.is_some_and(|network| filters.iter().all(|filter| filter.matches(&row.spec, network)))
    };
    let rows = reader.trials(sweep)?;
    Ok(if filters.is_empty() { rows } else { rows.into_iter().filter(meets).collect() })
}
