//! How sure a ranking is: which places cannot be told from the first, what the first one will score on images that nobody
//! has chosen it by, and what it would take to know better.

use super::finished::Finished;
use super::places::Place;
use super::row::{Basis, Verdict, VersusBest, Wanted};
use crate::ViewError;
use frostline_ranking::{self as statistics, Cell, Comparison, Method, Promise, compare, contenders, expected, need};
use frostline_store::Reader;
use frostline_sweep::bits::Bits;
use frostline_sweep::metric::{Direction, Metric};
use frostline_sweep::outcome::Right;

/// Chance is drawn from here: the same trials give the same verdict for good.
const DRAWS: u64 = 0;

/// Of `places`, best first; `all` says that there are no others. One answer a place, none where nothing is known of how far
/// chance moves it, and the verdict.
pub(super) fn verdict(
    reader: &Reader,
    objective: &Metric,
    places: &[Place],
    all: bool,
) -> Result<(Vec<Option<VersusBest>>, Option<Verdict>), ViewError> {
    let trials: Vec<Vec<&Finished>> = places.iter().map(|place| place.trials.iter().collect()).collect();
    let right = trials.iter().map(|trials| right_of(reader, objective, trials)).collect::<Result<Vec<_>, _>>()?;
    // What comes after a value that is not a number is not a number either, and not compared.
    let cells: Vec<Cell> =
        trials.iter().zip(&right).map_while(|(trials, right)| cell_of(objective, trials, right)).collect();
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
pub(crate) fn right_of(reader: &Reader, objective: &Metric, trials: &[&Finished]) -> Result<Vec<Bits>, ViewError> {
    let split: fn(Right) -> Bits = match objective.name {
        "val_accuracy" => |right| right.validation,
        "test_accuracy" => |right| right.test,
        _ => return Ok(Vec::new()),
    };
    let trials: Vec<_> = trials.iter().map(|finished| finished.row.trial).collect();
    let right = reader.right(&trials)?.into_iter().map(|right| right.map(split));
    Ok(right.collect::<Option<Vec<Bits>>>().unwrap_or_default())
}

/// A configuration by its finished trials, with what they got right. In it larger is better: [`sign`] turns a metric round
/// that is better the smaller it is. None where a value is not a number.
pub(crate) fn cell_of<'a>(objective: &Metric, trials: &[&Finished], right: &'a [Bits]) -> Option<Cell<'a>> {
    if !right.is_empty()
        && let Ok(cell) = Cell::of_bits(right.iter().collect())
    {
        return Some(cell);
    }
    let images = |finished: &&Finished| match objective.name {
        "val_accuracy" => finished.validation_images(),
        "test_accuracy" => finished.test_images(),
        _ => None,
    };
    let value = |finished: &&Finished| sign(objective) * objective.value(&finished.last, &finished.evaluation);
    Cell::of_scores(trials.iter().map(value).collect(), trials.first().and_then(images)).ok()
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

fn wanted(places: &[Place], cells: &[Cell]) -> Option<Wanted> {
    let [first, second, ..] = cells else { return None };
    let need = need(first, second, cells)?;
    let [one, other, ..] = places else { return None };
    let further = |place: &Place| {
        let mean =
            place.trials.iter().map(|finished| finished.evaluation.seconds).sum::<f64>() / place.trials.len() as f64;
        need.seeds.map(|seeds| seeds.saturating_sub(place.trials.len() as u64) as f64 * mean)
    };
    let seconds = further(one).zip(further(other)).map(|(one, other)| one + other);
    Some(Wanted { seeds: need.seeds, images: need.images, both: need.both, seconds })
}
