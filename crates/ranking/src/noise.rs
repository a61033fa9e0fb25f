//! How chance moves the means of many configurations together: drawn again and again, as by a bootstrap.

use crate::cell::{Cell, shared_images};
use crate::crossed::{SeedSpread, pooled_scores};
use crate::random::Random;
use crate::tally::Tally;

/// What a statement over many configurations rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Which images each got right, the images drawn anew for all of them together. Without `seeds`, because none has
    /// several, it speaks of the trained models, and of their configurations only as far as seeds do nothing.
    Images { images: u64, seeds: bool },
    /// No bits stored for some: accuracies as if each were measured on images of its own, which tells less apart.
    Unpaired { seeds: bool },
    /// Neither bits nor numbers of images: the spread over seeds alone, these images given.
    Seeds,
}

/// Draws how far the means lie from where they would lie with all images and seeds that there could be.
pub(crate) struct Noise<'a, 'b> {
    cells: &'a [Cell<'b>],
    pub(crate) basis: Basis,
    /// Where they are drawn by image: over these, the sums of the squares of how many seeds got it right.
    squares: Vec<u64>,
    /// What images add to each mean's variance, where it is not drawn by image.
    own: Vec<f64>,
    /// Variance over seeds, of one seed, what noise of the images adds to it, and its degrees of freedom: 0 where it is not
    /// known.
    between: f64,
    added: f64,
    freedom: f64,
}

impl<'a, 'b> Noise<'a, 'b> {
    /// None where nothing is known of it, or there is no configuration.
    pub(crate) fn of(cells: &'a [Cell<'b>]) -> Option<Noise<'a, 'b>> {
        let Some(images) = shared_images(cells.iter()) else { return Noise::unpaired(cells) };
        let spread = SeedSpread::pooled(cells.iter(), images);
        let basis = Basis::Images { images: images as u64, seeds: spread.is_some() };
        let seeds = |spread: SeedSpread| (spread.between, spread.added(images), spread.freedom);
        let (between, added, freedom) = spread.map_or((0.0, 0.0, 0.0), seeds);
        let squares = cells.iter().map(|cell| cell.tally().times(cell.tally())).collect();
        Some(Noise { cells, basis, squares, own: Vec::new(), between, added, freedom })
    }

    /// Without a look at bits.
    pub(crate) fn unpaired(cells: &'a [Cell<'b>]) -> Option<Noise<'a, 'b>> {
        let (between, freedom) = pooled_scores(cells.iter());
        let binomial = |cell: &Cell| {
            let accuracy = cell.mean().clamp(0.0, 1.0);
            Some(accuracy * (1.0 - accuracy) / cell.images()? as f64)
        };
        let (basis, own) = match cells.iter().map(binomial).collect::<Option<Vec<f64>>>() {
            Some(own) if !own.is_empty() => (Basis::Unpaired { seeds: freedom > 0.0 }, own),
            _ if freedom > 0.0 => (Basis::Seeds, vec![0.0; cells.len()]),
            _ => return None,
        };
        Some(Noise { cells, basis, squares: Vec::new(), own, between, added: 0.0, freedom })
    }

    /// Degrees of freedom for a single comparison of two of them: those of the seeds where these are all that counts.
    pub(crate) fn freedom(&self) -> f64 {
        if self.basis == Basis::Seeds { self.freedom } else { f64::INFINITY }
    }

    fn seed_variance(&self) -> f64 {
        (self.between - self.added).max(0.0)
    }

    /// Variance of a mean, on average, where it is not drawn by image.
    pub(crate) fn mean_variance(&self) -> f64 {
        let of_seeds = |cell: &Cell| self.seed_variance() / cell.seeds() as f64;
        let variances = self.own.iter().zip(self.cells).map(|(own, cell)| own + of_seeds(cell));
        variances.sum::<f64>() / self.cells.len() as f64
    }

    /// Standard error of the difference of two configurations.
    pub(crate) fn error(&self, one: usize, other: usize) -> f64 {
        let (first, second) = (&self.cells[one], &self.cells[other]);
        let of_images = match self.basis {
            Basis::Images { images, .. } => self.paired_variance(one, other, images as f64),
            Basis::Unpaired { .. } | Basis::Seeds => self.own[one] + self.own[other],
        };
        let share = 1.0 / first.seeds() as f64 + 1.0 / second.seeds() as f64;
        (of_images + share * self.seed_variance()).sqrt()
    }

    /// Variance of the difference of two means over images: of the mean over seeds, image by image.
    fn paired_variance(&self, one: usize, other: usize, images: f64) -> f64 {
        let (first, second) = (&self.cells[one], &self.cells[other]);
        let per = |sum: u64, seeds: usize| sum as f64 / seeds as f64;
        let both = first.tally().times(second.tally());
        let squares = per(self.squares[one], first.seeds().pow(2)) - 2.0 * per(both, first.seeds() * second.seeds())
            + per(self.squares[other], second.seeds().pow(2));
        let variance = (squares - images * (first.mean() - second.mean()).powi(2)) / (images - 1.0).max(1.0);
        variance.max(0.0) / images
    }

    /// Draws once, into `deviations`, one for each configuration.
    ///
    /// Images are drawn with replacement, and count for all alike. Two or three seeds are too few to draw from: their part
    /// is normal with the pooled variance, which is itself as uncertain as its degrees of freedom make it.
    pub(crate) fn draw(&self, random: &mut Random, weights: &mut Weights, deviations: &mut [f64]) {
        if let Basis::Images { images, .. } = self.basis {
            weights.draw(random, images as usize);
            for (cell, deviation) in self.cells.iter().zip(deviations.iter_mut()) {
                let right = cell.tally().times(&weights.tally);
                *deviation = right as f64 / (images as f64 * cell.seeds() as f64) - cell.mean();
            }
        } else {
            for (own, deviation) in self.own.iter().zip(deviations.iter_mut()) {
                *deviation = own.sqrt() * random.normal();
            }
        }
        if self.between > 0.0 {
            let squares = random.chi_square(self.freedom as usize);
            let scale = (self.between * self.freedom / squares - self.added).max(0.0).sqrt();
            for (cell, deviation) in self.cells.iter().zip(deviations.iter_mut()) {
                *deviation += scale / (cell.seeds() as f64).sqrt() * random.normal();
            }
        }
    }
}

/// How often each image was drawn.
#[derive(Default)]
pub(crate) struct Weights {
    counts: Vec<u8>,
    tally: Tally,
}

impl Weights {
    fn draw(&mut self, random: &mut Random, images: usize) {
        self.counts.clear();
        self.counts.resize(images, 0);
        for _ in 0..images {
            let count = &mut self.counts[random.below(images)];
            *count = count.saturating_add(1);
        }
        self.tally.set(&self.counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::bits::Bits;

    #[test]
    fn as_many_images_are_drawn_as_there_are() {
        let bits: Bits = (0..130).map(|image| image % 3 != 1).collect();
        let (one, mut random, mut weights) = (Tally::of_sets(&[&bits]), Random::new(3), Weights::default());
        for _ in 0..20 {
            weights.draw(&mut random, 130);
            let drawn =
                bits.iter().zip(&weights.counts).filter(|(right, _)| *right).map(|(_, &count)| u64::from(count));
            assert_eq!(one.times(&weights.tally), drawn.sum::<u64>());
            assert_eq!(weights.counts.iter().map(|&count| u64::from(count)).sum::<u64>(), 130);
        }
    }

    #[test]
    fn drawn_differences_spread_as_their_error_says() {
        let of = |seed: usize| (0..500).map(|image| (image * seed + image / 7) % 10 < 7).collect::<Bits>();
        let sets: Vec<Bits> = (1..7).map(of).collect();
        let cells: Vec<Cell> = sets.chunks(3).map(|seeds| Cell::of_bits(seeds.iter().collect()).unwrap()).collect();
        let noise = Noise::of(&cells).unwrap();
        let (mut random, mut weights, mut drawn) = (Random::new(5), Weights::default(), [0.0; 2]);
        let differences: Vec<f64> = (0..4_000)
            .map(|_| {
                noise.draw(&mut random, &mut weights, &mut drawn);
                drawn[0] - drawn[1]
            })
            .collect();
        let spread = crate::crossed::variance(&differences).sqrt();
        // The seeds' part has four degrees of freedom, so it is drawn wider by up to the square root of 4 / (4 - 2).
        assert!((0.95..1.45).contains(&(spread / noise.error(0, 1))), "{spread} {}", noise.error(0, 1));
    }
}
