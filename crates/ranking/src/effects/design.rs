//! A sweep's grid as a factorial design: the columns of its model, and the sums of its cells.

use super::least_squares::Normal;
use super::{DesignError, Observation};
use std::collections::{BTreeMap, BTreeSet};

/// With more columns, interactions are left out: their fits would take minutes.
const MOST_COLUMNS: usize = 400;

/// A main effect (one axis) or an interaction of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) axes: Vec<usize>,
    /// Its columns in the model, with the contrast of each axis that is multiplied.
    pub(super) columns: Vec<(usize, Vec<usize>)>,
}

impl Term {
    pub(super) fn contains(&self, other: &Term) -> bool {
        other.axes.iter().all(|axis| self.axes.contains(axis))
    }
}

/// The values of one cell, that is of one configuration.
struct Sums {
    count: f64,
    mean: f64,
    /// Squared distances from the mean.
    within: f64,
}

pub(super) struct Design {
    /// By axis, the levels that occur.
    pub(super) present: Vec<Vec<usize>>,
    /// Column 0 is the mean's.
    pub(super) terms: Vec<Term>,
    columns: usize,
    cells: BTreeMap<Vec<usize>, Sums>,
    pub(super) pairs_left_out: bool,
}

impl Design {
    pub(super) fn of(observations: &[Observation]) -> Result<Design, DesignError> {
        let first = observations.first().ok_or(DesignError::Empty)?;
        let axes = first.levels.len();
        let mut levels: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); axes];
        let mut values: BTreeMap<Vec<usize>, Vec<f64>> = BTreeMap::new();
        for Observation { levels: own, value } in observations {
            if own.len() != axes {
                return Err(DesignError::Axes { expected: axes, found: own.len() });
            }
            if !value.is_finite() {
                return Err(DesignError::NoNumber);
            }
            levels.iter_mut().zip(own).for_each(|(levels, &level)| {
                levels.insert(level);
            });
            values.entry(own.clone()).or_default().push(*value);
        }
        let present: Vec<Vec<usize>> = levels.into_iter().map(|levels| levels.into_iter().collect()).collect();
        let (terms, columns, pairs_left_out) = terms(&present);
        let cells = values.into_iter().map(|(levels, values)| (levels, sums(&values))).collect();
        Ok(Design { present, terms, columns, cells, pairs_left_out })
    }

    pub(super) fn cells(&self) -> usize {
        self.cells.len()
    }

    /// Every combination of levels is there, with as many seeds each.
    pub(super) fn is_balanced(&self) -> bool {
        let whole: usize = self.present.iter().map(Vec::len).fold(1, usize::saturating_mul);
        let mut counts = self.cells.values().map(|sums| sums.count);
        let first = counts.next();
        self.cells.len() == whole && counts.all(|count| Some(count) == first)
    }

    pub(super) fn count(&self) -> f64 {
        self.cells.values().map(|sums| sums.count).sum()
    }

    pub(super) fn mean(&self) -> f64 {
        self.cells.values().map(|sums| sums.count * sums.mean).sum::<f64>() / self.count()
    }

    /// Sum of squares within the cells: the seeds'.
    pub(super) fn within(&self) -> f64 {
        self.cells.values().map(|sums| sums.within).sum()
    }

    /// Sum of squares between the cells, around the mean.
    pub(super) fn between(&self) -> f64 {
        let mean = self.mean();
        self.cells.values().map(|sums| sums.count * (sums.mean - mean).powi(2)).sum()
    }

    /// The normal equations of all columns, the values taken from their mean.
    pub(super) fn normal(&self) -> Normal {
        let (mut normal, mean) = (Normal::new(self.columns), self.mean());
        let mut row = vec![0.0; self.columns];
        for (levels, sums) in &self.cells {
            row[0] = 1.0;
            for term in &self.terms {
                for (column, contrasts) in &term.columns {
                    let of_axis = |(&axis, &contrast): (&usize, &usize)| {
                        let place = self.present[axis].iter().position(|&level| level == levels[axis]);
                        place.map_or(0.0, |place| contrast_of(place, contrast, self.present[axis].len()))
                    };
                    row[*column] = term.axes.iter().zip(contrasts).map(of_axis).product();
                }
            }
            normal.add(&row, sums.count, sums.mean - mean);
        }
        normal
    }
}

/// Sum-to-zero coding: the last level is the negated sum of the others.
pub(super) fn contrast_of(place: usize, contrast: usize, levels: usize) -> f64 {
    match place {
        _ if place == contrast => 1.0,
        _ if place + 1 == levels => -1.0,
        _ => 0.0,
    }
}

fn sums(values: &[f64]) -> Sums {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    Sums { count, mean, within: values.iter().map(|value| (value - mean).powi(2)).sum() }
}

/// Main effects, then interactions of two, with how many columns they take beside the mean's.
fn terms(present: &[Vec<usize>]) -> (Vec<Term>, usize, bool) {
    let contrasts = |axis: usize| present[axis].len() - 1;
    let varied: Vec<usize> = (0..present.len()).filter(|&axis| contrasts(axis) > 0).collect();
    let mut columns = 1;
    let mut column = |contrasts: Vec<usize>| {
        columns += 1;
        (columns - 1, contrasts)
    };
    let mut terms: Vec<Term> = Vec::new();
    for &axis in &varied {
        terms.push(Term { axes: vec![axis], columns: (0..contrasts(axis)).map(|it| column(vec![it])).collect() });
    }
    let later = |one: usize| varied.iter().filter(move |&&other| other > one).map(move |&other| (one, other));
    let pairs: Vec<(usize, usize)> = varied.iter().flat_map(|&one| later(one)).collect();
    let singles: usize = varied.iter().map(|&axis| contrasts(axis)).sum();
    let wanted: usize = pairs.iter().map(|&(one, other)| contrasts(one) * contrasts(other)).sum();
    let pairs_left_out = singles + wanted > MOST_COLUMNS;
    if !pairs_left_out {
        for (one, other) in pairs {
            let products = (0..contrasts(one)).flat_map(|it| (0..contrasts(other)).map(move |its| vec![it, its]));
            terms.push(Term { axes: vec![one, other], columns: products.map(&mut column).collect() });
        }
    }
    (terms, columns, pairs_left_out)
}
