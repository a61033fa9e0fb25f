//! Least squares by the normal equations, with a rank: Cholesky's decomposition with pivoting.
//!
//! The columns are contrasts of a factorial design, so they are of one size and near to orthogonal: the normal equations lose
//! no digits that matter.

/// A column whose part that the earlier ones do not explain is smaller than this, of its own size, adds no rank.
const TOLERANCE: f64 = 1e-9;

/// Products of the columns with each other and with the values.
pub(super) struct Normal {
    columns: usize,
    /// By row; the lower triangle counts.
    gram: Vec<f64>,
    with_values: Vec<f64>,
}

impl Normal {
    pub(super) fn new(columns: usize) -> Normal {
        Normal { columns, gram: vec![0.0; columns * columns], with_values: vec![0.0; columns] }
    }

    /// `weight` observations of the mean `value` with this row of columns.
    pub(super) fn add(&mut self, row: &[f64], weight: f64, value: f64) {
        for (place, &entry) in row.iter().enumerate().filter(|(_, entry)| **entry != 0.0) {
            let products = &mut self.gram[place * self.columns..=place * self.columns + place];
            for (product, other) in products.iter_mut().zip(row) {
                *product += weight * entry * other;
            }
            self.with_values[place] += weight * entry * value;
        }
    }

    /// The fit with these columns only, in any order.
    pub(super) fn fit(&self, chosen: &[usize]) -> Fit {
        let entry = |one: usize, other: usize| {
            let (low, high) = (chosen[one].min(chosen[other]), chosen[one].max(chosen[other]));
            self.gram[high * self.columns + low]
        };
        let size = chosen.len();
        let mut factor: Vec<Vec<f64>> = Vec::new();
        let mut left: Vec<f64> = (0..size).map(|column| entry(column, column)).collect();
        let whole = left.clone();
        let mut pivots: Vec<usize> = Vec::new();
        let share =
            |left: &[f64], column: usize| if whole[column] > 0.0 { left[column] / whole[column] } else { 0.0 };
        while let Some(pivot) = (0..size)
            .filter(|column| !pivots.contains(column))
            .reduce(|best, column| if share(&left, column) > share(&left, best) { column } else { best })
        {
            if share(&left, pivot) < TOLERANCE {
                break;
            }
            let root = left[pivot].sqrt();
            let mut row = vec![0.0; size];
            for (column, value) in row.iter_mut().enumerate() {
                if column == pivot {
                    *value = root;
                } else if !pivots.contains(&column) {
                    let known: f64 = factor.iter().map(|row| row[pivot] * row[column]).sum();
                    *value = (entry(pivot, column) - known) / root;
                    left[column] -= value.powi(2);
                }
            }
            pivots.push(pivot);
            factor.push(row);
        }
        let mut fit =
            Fit { columns: pivots.iter().map(|&pivot| chosen[pivot]).collect(), pivots, factor, half: Vec::new() };
        let values: Vec<f64> = fit.columns.iter().map(|&column| self.with_values[column]).collect();
        fit.half = fit.forward(&values);
        fit
    }
}

/// A fit: the columns that it keeps, in the order in which they were taken, and the decomposition of their products.
pub(super) struct Fit {
    columns: Vec<usize>,
    pivots: Vec<usize>,
    factor: Vec<Vec<f64>>,
    /// The values, half solved: its square is the sum of squares that the fit explains.
    half: Vec<f64>,
}

impl Fit {
    pub(super) fn rank(&self) -> usize {
        self.pivots.len()
    }

    /// Sum of squares that the fit explains, the mean's included where a column is constant.
    pub(super) fn explained(&self) -> f64 {
        self.half.iter().map(|value| value * value).sum()
    }

    /// A sum of coefficients with these factors: its value, and its variance where a single value's is 1. None where one of
    /// the columns was dropped.
    pub(super) fn combination(&self, factors: &[(usize, f64)]) -> Option<(f64, f64)> {
        let mut by_place = vec![0.0; self.rank()];
        for &(column, factor) in factors {
            by_place[self.columns.iter().position(|&kept| kept == column)?] += factor;
        }
        let half = self.forward(&by_place);
        let value = half.iter().zip(&self.half).map(|(one, other)| one * other).sum();
        Some((value, half.iter().map(|value| value * value).sum()))
    }

    fn forward(&self, values: &[f64]) -> Vec<f64> {
        let mut solved: Vec<f64> = Vec::with_capacity(values.len());
        for (place, value) in values.iter().enumerate() {
            let column = self.pivots[place];
            let known: f64 = self.factor.iter().zip(&solved).map(|(row, solved)| row[column] * solved).sum();
            solved.push((value - known) / self.factor[place][column]);
        }
        solved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns 1, x, 2x + 1: the third adds nothing.
    fn line() -> Normal {
        let mut normal = Normal::new(3);
        for (x, value) in [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 8.0)] {
            normal.add(&[1.0, x, 2.0 * x + 1.0], 1.0, value);
        }
        normal
    }

    #[test]
    fn a_line_is_fitted() {
        // Slope 2.3 and intercept 0.8; residual sum of squares 0.3 of 99.
        let fit = line().fit(&[0, 1]);
        let coefficient = |column| fit.combination(&[(column, 1.0)]).unwrap().0;
        assert!((coefficient(1) - 2.3).abs() < 1e-12 && (coefficient(0) - 0.8).abs() < 1e-12);
        assert!((fit.explained() - 98.7).abs() < 1e-10);
        // At x = 4: 10, with the variance 1 / 4 + (4 - 1.5)² / 5.
        let (value, variance) = fit.combination(&[(0, 1.0), (1, 4.0)]).unwrap();
        assert!((value - 10.0).abs() < 1e-12 && (variance - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_column_that_others_explain_adds_no_rank() {
        let (three, two) = (line().fit(&[0, 1, 2]), line().fit(&[0, 1]));
        assert_eq!((three.rank(), two.rank()), (2, 2));
        assert!((three.explained() - two.explained()).abs() < 1e-9);
        assert_eq!(three.columns.len(), 2);
    }
}
