//! Several configurations against one that was named before: is it worth leaving the default?

use crate::cell::Cell;
use crate::compare::{Comparison, compare};

/// A configuration against the default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Versus {
    /// Place in the slice that was compared.
    pub index: usize,
    /// This configuration less the default. Its interval is that of one comparison, and its `p` too.
    pub comparison: Comparison,
    /// Holm's: below 0.05 the two differ, with an error rate of 5 % over all comparisons together.
    pub adjusted: f64,
}

/// Adjusted probabilities (Holm 1979): in order, the smallest times their number, the next times one less, and so on;
/// never falling, at most 1. In the order of `p`.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&one, &other| p[one].total_cmp(&p[other]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest: f64 = 0.0;
    for (place, index) in order.into_iter().enumerate() {
        largest = largest.max((p.len() - place) as f64 * p[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// Each of `others` against `default`, those that cannot be compared left out.
pub fn against(default: &Cell, others: &[Cell]) -> Vec<Versus> {
    let compared = others.iter().enumerate().filter_map(|(index, other)| Some((index, compare(other, default)?)));
    let compared: Vec<(usize, Comparison)> = compared.collect();
    let p: Vec<f64> = compared.iter().map(|(_, comparison)| comparison.p).collect();
    let versus = |((index, comparison), adjusted)| Versus { index, comparison, adjusted };
    compared.into_iter().zip(holm(&p)).map(versus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::bits::Bits;

    #[test]
    fn what_differs_from_the_default_is_told_over_all_comparisons_together() {
        let bits = |right: usize| (0..400).map(|image| image < right).collect::<Bits>();
        let sets = [bits(300), bits(330), bits(306), bits(300)];
        let cells: Vec<Cell> = sets.iter().map(|set| Cell::of_bits(vec![set]).unwrap()).collect();
        let versus = against(&cells[0], &cells[1..]);
        assert!(versus[0].adjusted < 0.001 && versus[0].comparison.difference > 0.0);
        // Six images alone differ: 2 / 2^6 for itself, twice that beside another one.
        assert!((versus[1].comparison.p - 0.03125).abs() < 1e-9);
        assert!((versus[1].adjusted - 0.0625).abs() < 1e-9);
        assert_eq!((versus[2].comparison.difference, versus[2].adjusted), (0.0, 1.0));
    }
}
