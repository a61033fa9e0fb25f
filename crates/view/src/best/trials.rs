//! Single trials, best first.

use super::Whole;
use super::finished::{Finished, columns_of_sweep};
use super::row::{Because, Best, Doubt, Rows};
use crate::{Columns, ViewError};
use frostline_ranking::{Candidate, order};
use frostline_store::Reader;
use frostline_sweep::metric::Metric;

/// Of a whole sweep: its first places, without a look at the others.
pub(super) fn of_sweep(
    reader: &Reader,
    objective: &'static Metric,
    sweep: &str,
    most: usize,
    whole: Option<&Whole>,
) -> Result<Best, ViewError> {
    // One at least: it says what the others are compared with.
    let shown = Finished::of(reader.best(sweep, most.max(1))?);
    let mut best = of_rows(objective, &shown, most);
    let Some(Whole { definition }) = whole else { return Ok(best) };
    best.total = reader.finished(sweep)?;
    if let Some(definition) = definition {
        best.columns = columns_of_sweep(definition, shown.iter());
    }
    if let (Some((low, _)), Some(doubt)) =
        (shown.first().and_then(|first| first.interval(objective)), &mut best.doubt)
    {
        doubt.close = reader.finished_from(sweep, low)?;
    }
    Ok(best)
}

/// Of all trials that count.
pub(super) fn of_rows(objective: &'static Metric, finished: &[Finished], most: usize) -> Best {
    let candidates: Vec<Candidate> = finished.iter().map(|trial| trial.candidate(objective)).collect();
    let order = order(objective.direction, &candidates);
    let ranked = order.iter().take(most).map(|place| finished[place.index].ranked(place.rank, objective));
    let doubt = order.first().and_then(|first| {
        let (low, _) = finished[first.index].interval(objective)?;
        let images = finished[first.index].validation_images()?;
        let close = candidates.iter().filter(|candidate| candidate.objective >= low).count() as u64;
        Some(Doubt { close, because: Because::Images(images) })
    });
    Best {
        objective,
        total: finished.len() as u64,
        columns: Columns::varying(finished.iter().map(|finished| &finished.row.spec)),
        rows: Rows::Trials(ranked.collect()),
        doubt,
    }
}
