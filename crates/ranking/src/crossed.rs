//! Two crossed sources of variance: images and seeds, both drawn at random from many.
//!
//! All seeds see the same images, so the values are a table of seeds by images, whose variance the two-way analysis of
//! variance takes apart: images, seeds, and what is of neither alone.

use crate::cell::Cell;

/// A table of values, row by row: a row is a seed, or a pair of configurations, a column is an image.
pub(crate) struct Crossed {
    means: Vec<f64>,
    /// Sums of the columns.
    columns: Vec<f64>,
    squares: f64,
}

impl Crossed {
    pub(crate) fn new(images: usize) -> Crossed {
        Crossed { means: Vec::new(), columns: vec![0.0; images], squares: 0.0 }
    }

    pub(crate) fn add(&mut self, row: impl Iterator<Item = f64>) {
        let mut sum = 0.0;
        for (column, value) in self.columns.iter_mut().zip(row) {
            *column += value;
            sum += value;
            self.squares += value * value;
        }
        self.means.push(sum / self.columns.len() as f64);
    }

    pub(crate) fn rows(&self) -> f64 {
        self.means.len() as f64
    }

    /// Sample variance of the columns' means.
    pub(crate) fn between_images(&self) -> f64 {
        variance(&self.columns) / self.rows().powi(2)
    }

    /// Mean square of what neither the row nor the column explains.
    pub(crate) fn residual(&self) -> f64 {
        let of_columns = self.columns.iter().map(|sum| sum * sum).sum();
        residual(&self.means, self.columns.len(), of_columns, self.squares)
    }
}

/// The same of a table whose rows have these means, its columns sums with squares of `of_columns` together, and all its
/// values squares of `squares`.
fn residual(means: &[f64], images: usize, of_columns: f64, squares: f64) -> f64 {
    let (rows, images) = (means.len() as f64, images as f64);
    let of_rows: f64 = means.iter().map(|mean| mean * mean).sum();
    let squares = squares - images * of_rows - of_columns / rows + rows * images * mean(means).powi(2);
    (squares / ((rows - 1.0) * (images - 1.0))).max(0.0)
}

/// How far seeds move accuracies, from all configurations that have several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeedSpread {
    /// Variance of a seed's accuracy on these images around its configuration's mean.
    pub(crate) between: f64,
    /// The part of a single answer's variance that is neither the seed's nor the image's.
    pub(crate) residual: f64,
    /// Degrees of freedom of `between`.
    pub(crate) freedom: f64,
}

impl SeedSpread {
    /// None where no configuration has several seeds. Each has bits of `images` images.
    pub(crate) fn pooled<'a, 'b: 'a>(cells: impl Iterator<Item = &'a Cell<'b>>, images: usize) -> Option<SeedSpread> {
        let mut spread = SeedSpread { between: 0.0, residual: 0.0, freedom: 0.0 };
        for cell in cells.filter(|cell| cell.seeds() > 1) {
            let freedom = cell.seeds() as f64 - 1.0;
            // A right answer is 1, a wrong one 0.
            let right: u64 = cell.right().iter().map(|bits| bits.count()).sum();
            let of_images = cell.tally().times(cell.tally());
            spread.between += freedom * variance(cell.scores());
            spread.residual += freedom * residual(cell.scores(), images, of_images as f64, right as f64);
            spread.freedom += freedom;
        }
        (spread.freedom > 0.0).then(|| SeedSpread {
            between: spread.between / spread.freedom,
            residual: spread.residual / spread.freedom,
            freedom: spread.freedom,
        })
    }

    /// Variance of the accuracy over seeds on all images there could be: less what so few images add to it.
    pub(crate) fn effect(&self, images: usize) -> f64 {
        (self.between - self.added(images)).max(0.0)
    }

    /// What so few images add to `between`.
    pub(crate) fn added(&self, images: usize) -> f64 {
        self.residual / images as f64
    }
}

/// Variance of scores over seeds, of all configurations together, and its degrees of freedom: 0 and 0 with one seed each.
pub(crate) fn pooled_scores<'a, 'b: 'a>(cells: impl Iterator<Item = &'a Cell<'b>>) -> (f64, f64) {
    let (mut squares, mut freedom) = (0.0, 0.0);
    for cell in cells {
        let own = cell.seeds() as f64 - 1.0;
        squares += cell.replicates().deviation.map_or(0.0, |deviation| own * deviation.powi(2));
        freedom += own;
    }
    if freedom > 0.0 { (squares / freedom, freedom) } else { (0.0, 0.0) }
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sample variance; not a number with fewer than two values.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::bits::Bits;

    #[test]
    fn the_table_is_taken_apart_as_by_the_analysis_of_variance() {
        // Two seeds, four images. Rows' means 0.5 and 0.75, columns' 1, 0.5, 1, 0.
        let bits: [Bits; 2] =
            [[true, false, true, false].into_iter().collect(), [true, true, true, false].into_iter().collect()];
        let cell = Cell::of_bits(bits.iter().collect()).unwrap();
        let mut crossed = Crossed::new(4);
        for bits in &bits {
            crossed.add(bits.iter().map(|right| f64::from(u8::from(right))));
        }
        assert_eq!(crossed.means, [0.5, 0.75]);
        assert!((crossed.between_images() - 0.229_166_666_666).abs() < 1e-9);
        // Total 1.875 less rows 4 * 2 * 0.125² = 0.125 less columns 2 * 0.6875 = 1.375: 0.375 with 3 degrees of freedom.
        assert!((crossed.residual() - 0.125).abs() < 1e-12);
        let spread = SeedSpread::pooled([&cell, &cell].into_iter(), 4).unwrap();
        assert!((spread.between - 0.03125).abs() < 1e-12 && (spread.residual - 0.125).abs() < 1e-12, "{spread:?}");
        assert_eq!((spread.freedom, spread.effect(4)), (2.0, 0.0));
    }
}
