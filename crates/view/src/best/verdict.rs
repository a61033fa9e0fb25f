//! How sure a ranking is: which places cannot be told from the first, what the first one will score on images that nobody
//! has chosen it by, and what it would take to know better.

use super::row::{Basis, Verdict, VersusBest, Wanted};
use crate::ViewError;
use frostline_ranking::{self as statistics, Cell, Comparison, Method, Promise, compare, contenders, expected, need};
use frostline_store::Reader;
use frostline_sweep::bits::Bits;
use frostline_sweep::metric::{Direction, Metric};
use frostline_sweep::outcome::Right;
use frostline_sweep::trial::TrialId;

/// Chance is drawn from here: the same trials give the same verdict for good.
const DRAWS: u64 = 0;

/// A finished trial, as far as comparisons are concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contestant {
    pub(crate) trial: TrialId,
    /// Of the objective.
    pub(crate) value: f64,
    /// On how many images it was measured, where it is an accuracy and that is known.
    pub(crate) images: Option<u64>,
    pub(crate) seconds: f64,
}

/// Of `places` by their trials, best first; `all` says that there are no others. One answer a place, none where nothing is
/// known of how far chance moves it, and the verdict.
pub(crate) fn verdict(
    reader: &Reader,
    objective: &Metric,
    places: &[Vec<Contestant>],
    all: bool,
) -> Result<(Vec<Option<VersusBest>>, Option<Verdict>), ViewError> {
    let right = places.iter().map(|trials| right_of(reader, objective, trials)).collect::<Result<Vec<_>, _>>()?;
    // What comes after a value that is not a number is not a number either, and not compared.
    let cells: Vec<Cell> =
        places.iter().zip(&right).map_while(|(trials, right)| cell_of(objective, trials, right)).collect();
    let sign = sign(objective);
    let Some(found) = contenders(&cells, Promise::AllBest, DRAWS) else { return Ok((Vec::new(), None)) };
    let mut tied = vec![false; cells.len()];
    for &place in &found.members {
        tied[place] = true;
    }
    let versus = |(place, is_tied): (usize, bool)| {
        let found = compare(&cells[place], &cells[0])?;
        let interval = interval_of(&found, sign);
        let method = match found.method {
            Method::McNemar { .. } => "mcnemar",
            Method::Crossed { .. } => "images_and_seeds",
            Method::Unpaired { .. } => "unpaired",
            Method::Seeds { .. } | Method::Pairs { .. } => "seeds",
        };
        Some(VersusBest { difference: sign * found.difference, interval, p: found.p, method, is_tied })
    };
    let compared: Vec<Option<VersusBest>> = tied.iter().copied().enumerate().map(versus).collect();
    let verdict = Verdict {
        compared: cells.len(),
        contenders: found.members.len(),
        basis: match found.basis {
            statistics::Basis::Images { images, seeds } => Basis::Images { images, seeds },
            statistics::Basis::Unpaired { seeds } => Basis::Unpaired { seeds },
            statistics::Basis::Seeds => Basis::Seeds,
        },
        expected: all.then(|| expected(&cells)).flatten().map(|expected| sign * expected.value),
        wanted: wanted(places, &cells),
    };
    Ok((compared, Some(verdict)))
}

/// Which images each of these trials got right, of the split that the objective is measured on; nothing where that is not
/// known of all of them, and for an objective that is no such accuracy.
pub(crate) fn right_of(reader: &Reader, objective: &Metric, trials: &[Contestant]) -> Result<Vec<Bits>, ViewError> {
    let split: fn(Right) -> Bits = match objective.name {
        "val_accuracy" => |right| right.validation,
        "test_accuracy" => |right| right.test,
        _ => return Ok(Vec::new()),
    };
    let trials: Vec<_> = trials.iter().map(|it| it.trial).collect();
    let right = reader.right(&trials)?.into_iter().map(|right| right.map(split));
    Ok(right.collect::<Option<Vec<Bits>>>().unwrap_or_default())
}

/// A configuration by its finished trials, with what they got right. In it larger is better: [`sign`] turns a metric round
/// that is better the smaller it is. None where a value is not a number.
pub(crate) fn cell_of<'a>(objective: &Metric, trials: &[Contestant], right: &'a [Bits]) -> Option<Cell<'a>> {
    if !right.is_empty()
        && let Ok(cell) = Cell::of_bits(right.iter().collect())
    {
        return Some(cell);
    }
    let scores = trials.iter().map(|it| sign(objective) * it.value).collect();
    Cell::of_scores(scores, trials.first().and_then(|first| first.images)).ok()
}

/// What an objective is multiplied by so that larger is better.
pub(crate) fn sign(objective: &Metric) -> f64 {
    if objective.direction == Direction::Minimise { -1.0 } else { 1.0 }
}

/// The interval of a difference between such cells, in the objective's own direction.
pub(crate) fn interval_of(found: &Comparison, sign: f64) -> (f64, f64) {
    let ends = [sign * found.low, sign * found.high];
    (ends[0].min(ends[1]), ends[0].max(ends[1]))
}

fn wanted(places: &[Vec<Contestant>], cells: &[Cell]) -> Option<Wanted> {
    let [first, second, ..] = cells else { return None };
    let need = need(first, second, cells)?;
    let [one, other, ..] = places else { return None };
    let further = |trials: &Vec<Contestant>| {
        let mean = trials.iter().map(|it| it.seconds).sum::<f64>() / trials.len() as f64;
        need.seeds.map(|seeds| seeds.saturating_sub(trials.len() as u64) as f64 * mean)
    };
    let seconds = further(one).zip(further(other)).map(|(one, other)| one + other);
    Some(Wanted { seeds: need.seeds, images: need.images, both: need.both, seconds })
}
