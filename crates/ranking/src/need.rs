//! What it would take to tell two configurations apart: more seeds, more images, or both.

use crate::cell::{Cell, shared_images};
use crate::crossed::{SeedSpread, pooled_scores, variance};
use crate::quantile::{Z, normal_above};

/// How much it takes to see a difference of the size that was measured, in four of five repetitions (power 80 %). It is a
/// lower bound where it ends at few seeds, as it takes their spread for known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// The difference that is to be seen.
    pub difference: f64,
    /// So many seeds of each of the two, those that it has included, on the same images. None: more seeds alone would not
    /// do, or nothing is known of them.
    pub seeds: Option<u64>,
    /// So many images with as many seeds as there are. None: more images alone would not do, or their part is not known.
    pub images: Option<u64>,
    /// Seeds and images, where neither alone would do.
    pub both: Option<(u64, u64)>,
    /// Whether it is known how far seeds move the accuracy. Otherwise `images` tells two trained models apart, and of their
    /// configurations nothing is known.
    pub seeds_known: bool,
}

/// Variances by source, of the difference of two configurations.
struct Sources {
    /// Of a single image, however many seeds there are.
    image: f64,
    /// Of a single image and seed of each.
    residual: f64,
    /// Of a seed of each, on all images that there could be.
    seed: f64,
}

/// How much it takes for `first` and `second`; how far seeds move accuracies is learned from all of `sweep`. None where the
/// means are equal, or nothing is known of how far chance moves them.
pub fn need(first: &Cell, second: &Cell, sweep: &[Cell]) -> Option<Need> {
    let difference = (first.mean() - second.mean()).abs();
    if difference == 0.0 {
        return None;
    }
    let wanted = (difference / (Z + normal_above(0.2))).powi(2);
    let share = 0.5 / first.seeds() as f64 + 0.5 / second.seeds() as f64;
    let (sources, images, seeds_known) = sources(first, second, sweep, share)?;
    let per_image = images.map_or(0.0, |images| 1.0 / images);
    let times = |amount: f64, room: f64| (room > 0.0).then(|| (amount / room).ceil().max(1.0) as u64);
    let of_seed = sources.seed + sources.residual * per_image;
    let seeds = (seeds_known && of_seed > 0.0).then(|| times(of_seed, wanted - sources.image * per_image)).flatten();
    let of_image = sources.image + sources.residual * share;
    let by_images = images.and_then(|_| times(of_image, wanted - sources.seed * share));
    let both = (images.is_some() && seeds_known && seeds.is_none() && by_images.is_none()).then(|| {
        let seeds = (sources.seed / (wanted / 2.0)).ceil().max(1.0);
        let of_image = sources.image + sources.residual / seeds;
        (seeds as u64, (of_image / (wanted / 2.0)).ceil() as u64)
    });
    Some(Need { difference, seeds, images: by_images, both, seeds_known })
}

/// With the number of images, and whether anything is known of seeds.
fn sources(first: &Cell, second: &Cell, sweep: &[Cell], share: f64) -> Option<(Sources, Option<f64>, bool)> {
    if let Some(images) = shared_images([first, second].into_iter()) {
        let apart: Vec<f64> =
            first.by_image().iter().zip(second.by_image()).map(|(one, other)| one - other).collect();
        let has_bits = |cell: &&Cell| shared_images([first, *cell].into_iter()).is_some();
        let spread = SeedSpread::pooled(sweep.iter().filter(has_bits).chain([first, second]), images);
        let residual = spread.map_or(0.0, |spread| 2.0 * spread.residual);
        let seed = spread.map_or(0.0, |spread| 2.0 * spread.effect(images));
        let image = (variance(&apart) - residual * share).max(0.0);
        return Some((Sources { image, residual, seed }, Some(images as f64), spread.is_some()));
    }
    let (between, freedom) = pooled_scores(sweep.iter());
    let seed = 2.0 * between;
    let images = first.images().zip(second.images()).map(|(one, other)| one.min(other) as f64);
    let binomial = |cell: &Cell| cell.mean() * (1.0 - cell.mean());
    let image = if images.is_some() { binomial(first) + binomial(second) } else { 0.0 };
    let is_known = images.is_some() || freedom > 0.0;
    is_known.then_some((Sources { image, residual: 0.0, seed }, images, freedom > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::bits::Bits;

    #[test]
    fn one_seed_each_says_how_many_images_it_takes() {
        // 100 of 1,000 images differ, and 20 of them more are right with the first: 7.85 * 0.0996 / 0.02² = 1,955.
        let first: Bits = (0..1_000).map(|image| image < 860).collect();
        let second: Bits = (0..1_000).map(|image| (60..900).contains(&image)).collect();
        let cells = [Cell::of_bits(vec![&first]).unwrap(), Cell::of_bits(vec![&second]).unwrap()];
        let need = need(&cells[0], &cells[1], &cells).unwrap();
        assert!(need.images.is_some_and(|images| (1_954..=1_957).contains(&images)), "{need:?}");
        assert_eq!((need.seeds, need.both, need.seeds_known), (None, None, false));
        assert_eq!(super::need(&cells[0], &cells[0], &cells), None);
    }

    #[test]
    fn seeds_alone_follow_the_usual_formula() {
        // 15.7 (0.3 / 0.5)² = 5.65 seeds.
        let cell = |mean: f64| Cell::of_scores(vec![mean - 0.003, mean, mean + 0.003], None).unwrap();
        let cells = [cell(0.805), cell(0.8)];
        let need = need(&cells[0], &cells[1], &cells).unwrap();
        assert_eq!((need.seeds, need.images, need.both, need.seeds_known), (Some(6), None, None, true));
    }
}
