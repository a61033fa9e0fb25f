//! One level of an axis against another: "Adam or RMSProp?", over all configurations that differ in nothing else.

use crate::cell::{Cell, shared_images};
use crate::compare::{Comparison, Method, compare};
use crate::crossed::{Crossed, mean, variance};
use crate::uncertain::Uncertain;
use std::collections::BTreeMap;

/// How two levels of an axis differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AxisDifference {
    pub from: usize,
    pub to: usize,
    /// Pairs of configurations that have the one and the other, and are alike in all other axes.
    pub pairs: usize,
    /// Mean over the pairs: `to` less `from`.
    pub difference: f64,
    /// With its interval, which takes the pairs for a sample of all that there could be: it covers the mean over other
    /// values of the other axes too. None where one pair is all there is, and nothing is known of its spread.
    pub comparison: Option<Comparison>,
}

/// Each level of `axis` against each that follows it, where there is a pair of them. `levels` has the levels of each cell in
/// all axes, in the order of `cells`.
pub fn axis_differences(levels: &[Vec<usize>], cells: &[Cell], axis: usize) -> Vec<AxisDifference> {
    let mut alike: BTreeMap<Vec<usize>, BTreeMap<usize, usize>> = BTreeMap::new();
    for (index, levels) in levels.iter().enumerate().take(cells.len()) {
        let mut others = levels.clone();
        if axis < others.len() {
            let level = others.remove(axis);
            alike.entry(others).or_default().insert(level, index);
        }
    }
    let mut pairs: BTreeMap<(usize, usize), Vec<(&Cell, &Cell)>> = BTreeMap::new();
    for by_level in alike.values() {
        for (&from, &first) in by_level {
            for (&to, &second) in by_level.range(from + 1..) {
                pairs.entry((from, to)).or_default().push((&cells[first], &cells[second]));
            }
        }
    }
    pairs.into_iter().map(|((from, to), pairs)| difference(from, to, &pairs)).collect()
}

fn difference(from: usize, to: usize, pairs: &[(&Cell, &Cell)]) -> AxisDifference {
    let differences: Vec<f64> = pairs.iter().map(|(from, to)| to.mean() - from.mean()).collect();
    let comparison = match pairs {
        [(from, to)] => compare(to, from),
        _ => Some(over_pairs(pairs, &differences)),
    };
    AxisDifference { from, to, pairs: pairs.len(), difference: mean(&differences), comparison }
}

/// Pairs and images as two crossed sources of variance, as seeds and images are; without bits, pairs alone.
fn over_pairs(pairs: &[(&Cell, &Cell)], differences: &[f64]) -> Comparison {
    let count = pairs.len() as f64;
    let (estimated, freedom) = (variance(differences) / count, count - 1.0);
    let cells = pairs.iter().flat_map(|&(from, to)| [from, to]);
    let images = shared_images(cells);
    let (known, noise) = images.map_or((0.0, 0.0), |images| {
        let mut crossed = Crossed::new(images);
        for (from, to) in pairs {
            crossed.add(to.by_image().iter().zip(from.by_image()).map(|(to, from)| to - from));
        }
        (crossed.between_images() / images as f64, crossed.residual() / (count * images as f64))
    });
    let method = Method::Pairs { freedom, images: images.is_some() };
    Comparison::of(mean(differences), Uncertain { known, estimated, noise, freedom }, method)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two axes, of which the second one's first level has no partner at the first one's last.
    fn grid() -> (Vec<Vec<usize>>, Vec<Cell<'static>>) {
        let values = [([0, 0], 0.70), ([0, 1], 0.74), ([1, 0], 0.72), ([1, 1], 0.78), ([2, 1], 0.75)];
        let cell = |value| Cell::of_scores(vec![value], None).unwrap();
        values.map(|(levels, value)| (levels.to_vec(), cell(value))).into_iter().unzip()
    }

    #[test]
    fn only_configurations_that_are_alike_otherwise_are_compared() {
        let (levels, cells) = grid();
        let of_second = axis_differences(&levels, &cells, 1);
        assert_eq!(of_second.len(), 1);
        let AxisDifference { pairs, difference, comparison, .. } = of_second[0];
        assert_eq!(pairs, 2);
        assert!((difference - 0.05).abs() < 1e-12);
        // 0.05 ± 12.7062 * 0.01, one degree of freedom.
        let comparison = comparison.unwrap();
        assert!((comparison.high - 0.177_062).abs() < 1e-6, "{comparison:?}");
        let of_first = axis_differences(&levels, &cells, 0);
        let found: Vec<_> = of_first.iter().map(|it| (it.from, it.to, it.pairs, it.comparison.is_some())).collect();
        assert_eq!(found, [(0, 1, 2, true), (0, 2, 1, false), (1, 2, 1, false)]);
        assert!(axis_differences(&levels, &cells, 2).is_empty());
    }
}
