//! What the best one will score on new images. Its own score was picked for being the largest, so chance is in it.
//!
//! Empirical Bayes: the means of all configurations are drawn towards their common mean by the part of their variance that
//! is noise (James and Stein 1961, Efron and Morris 1975). As all saw the same images, noise is what differs from what all
//! of them had in common, image by image.

use crate::cell::{Cell, shared_images};
use crate::crossed::{SeedSpread, mean, variance};
use crate::noise::{Basis, Noise};

/// The best of several, with its luck taken off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Place of the best mean in the slice.
    pub best: usize,
    pub observed: f64,
    /// Expected on new images, and with new seeds where there are several.
    pub value: f64,
    /// The share of the differences between configurations that is no noise, 0 to 1.
    pub kept: f64,
    pub basis: Basis,
}

impl Expected {
    /// How much too good the best one's own score looks.
    pub fn optimism(&self) -> f64 {
        self.observed - self.value
    }
}

/// Of all configurations among which the best was picked. None with fewer than two of them, or where nothing is known of
/// the noise.
pub fn expected(cells: &[Cell]) -> Option<Expected> {
    let means: Vec<f64> = cells.iter().map(Cell::mean).collect();
    let best = (0..means.len()).reduce(|best, index| if means[index] > means[best] { index } else { best })?;
    if means.len() < 2 {
        return None;
    }
    let (noise, basis) = noise(cells)?;
    let spread = variance(&means);
    let kept = if spread > 0.0 { (1.0 - noise / spread).max(0.0) } else { 0.0 };
    let (observed, centre) = (means[best], mean(&means));
    Some(Expected { best, observed, value: centre + kept * (observed - centre), kept, basis })
}

/// Variance of a configuration's mean around what it is on all images, beside what all configurations have in common.
fn noise(cells: &[Cell]) -> Option<(f64, Basis)> {
    let count = cells.len() as f64;
    let Some(images) = shared_images(cells.iter()) else {
        let noise = Noise::unpaired(cells)?;
        return Some((noise.mean_variance(), noise.basis));
    };
    let mut common = vec![0.0; images];
    for cell in cells {
        for (common, own) in common.iter_mut().zip(cell.by_image()) {
            *common += own / count;
        }
    }
    let own = |cell: &Cell| {
        let apart: Vec<f64> = cell.by_image().iter().zip(&common).map(|(own, common)| own - common).collect();
        variance(&apart) / images as f64
    };
    let of_images = cells.iter().map(own).sum::<f64>() / (count - 1.0);
    let spread = SeedSpread::pooled(cells.iter(), images);
    let seeds = cells.iter().map(|cell| 1.0 / cell.seeds() as f64).sum::<f64>() / count;
    let of_seeds = spread.map_or(0.0, |spread| seeds * spread.effect(images));
    Some((of_images + of_seeds, Basis::Images { images: images as u64, seeds: spread.is_some() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::bits::Bits;

    #[test]
    fn what_differs_by_no_more_than_noise_is_drawn_to_the_common_mean() {
        // Each of four misses another tenth of the images, and the last one half an image more: all noise.
        let miss =
            |which: usize| (0..400).map(|image| image % 10 != which || (which == 3 && image == 3)).collect::<Bits>();
        let sets: Vec<Bits> = (0..4).map(miss).collect();
        let cells: Vec<Cell> = sets.iter().map(|set| Cell::of_bits(vec![set]).unwrap()).collect();
        let expected = expected(&cells).unwrap();
        assert_eq!((expected.best, expected.kept), (3, 0.0));
        assert!((expected.optimism() - (0.9025 - 0.900_625)).abs() < 1e-12, "{expected:?}");
        assert_eq!(expected.basis, Basis::Images { images: 400, seeds: false });
    }

    #[test]
    fn without_bits_each_is_taken_as_if_it_had_images_of_its_own() {
        let cell = |score| Cell::of_scores(vec![score], Some(1_000)).unwrap();
        let cells = [cell(0.70), cell(0.80), cell(0.60)];
        let expected = expected(&cells).unwrap();
        // Noise (0.21 + 0.16 + 0.24) / 3,000, variance of the means 0.01.
        let kept = 1.0 - 0.61 / 3_000.0 / 0.01;
        assert!((expected.kept - kept).abs() < 1e-12 && (expected.value - 0.7 - 0.1 * kept).abs() < 1e-12);
        assert_eq!(expected.basis, Basis::Unpaired { seeds: false });
        assert_eq!(super::expected(&cells[..1]), None);
    }
}
