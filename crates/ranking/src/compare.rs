//! Two configurations against each other: image by image where it is stored which images they got right.

use crate::accuracy::accuracy_interval;
use crate::cell::{Cell, shared_images};
use crate::crossed::{SeedSpread, pooled_scores, variance};
use crate::quantile::fair_coin;
use crate::uncertain::Uncertain;

/// How the first configuration stands to the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The first one's mean less the second one's.
    pub difference: f64,
    /// Standard error of the difference.
    pub error: f64,
    /// Its 95 % interval.
    pub low: f64,
    pub high: f64,
    /// Probability of a difference as large or larger where there is none, two-sided.
    pub p: f64,
    pub method: Method,
}

/// What a comparison rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// One seed each, image by image: McNemar's exact test (1947), Newcombe's interval for paired proportions (1998,
    /// method 10). It speaks of these two trained models; of their configurations only as far as seeds do nothing.
    McNemar { only_first: u64, only_second: u64 },
    /// Images and seeds as two crossed sources of variance; that over seeds is estimated with so many degrees of freedom.
    Crossed { freedom: f64 },
    /// No bits stored: two accuracies as if measured on different images, which takes far more of them.
    Unpaired { freedom: f64 },
    /// Neither bits nor a number of images: the spread over seeds alone.
    Seeds { freedom: f64 },
    /// Over pairs of configurations that differ in one axis only, crossed with images where bits are stored.
    Pairs { freedom: f64, images: bool },
}

impl Comparison {
    pub(crate) fn of(difference: f64, error: Uncertain, method: Method) -> Comparison {
        let (half, p) = (error.half(), error.two_sided(difference));
        let (low, high) = (difference - half, difference + half);
        Comparison { difference, error: error.variance().max(0.0).sqrt(), low, high, p, method }
    }

    /// Whether the interval leaves out no difference.
    pub fn tells_apart(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Compares two configurations of one sweep by the best that is known of both. None where nothing is known of how far
/// chance moves them: one seed each, and neither bits nor a number of images.
pub fn compare(first: &Cell, second: &Cell) -> Option<Comparison> {
    let single = first.seeds() == 1 && second.seeds() == 1;
    match shared_images([first, second].into_iter()) {
        Some(images) if !single => Some(crossed(first, second, images)),
        Some(_) => Some(mcnemar(first, second)),
        None => unpaired(first, second),
    }
}

fn mcnemar(first: &Cell, second: &Cell) -> Comparison {
    let (one, other) = (first.right()[0], second.right()[0]);
    let (images, both) = (one.images() as u64, one.and(other));
    let (only_first, only_second) = (one.count() - both, other.count() - both);
    let table = [both, only_first, only_second, images - both - only_first - only_second].map(|count| count as f64);
    let (low, high) = newcombe(table);
    let [_, b, c, _] = table;
    let n = images as f64;
    Comparison {
        difference: (b - c) / n,
        error: (b + c - (b - c).powi(2) / n).sqrt() / n,
        low,
        high,
        p: fair_coin(only_first.min(only_second), only_first + only_second),
        method: Method::McNemar { only_first, only_second },
    }
}

/// Interval for the difference of two proportions of the same images: `[both, only first, only second, none]` right.
/// Newcombe 1998, Statistics in Medicine 17, 2635, method 10: two score intervals, put together by their correlation, that
/// with a correction for continuity.
fn newcombe([a, b, c, d]: [f64; 4]) -> (f64, f64) {
    let n = a + b + c + d;
    let margins = (a + b) * (c + d) * (a + c) * (b + d);
    let product = a * d - b * c;
    let product = if product > 0.0 { (product - n / 2.0).max(0.0) } else { product };
    let correlation = if margins > 0.0 { product / margins.sqrt() } else { 0.0 };
    square_and_add((a + b) / n, (a + c) / n, n as u64, n as u64, correlation)
}

/// The interval for a difference from those of its parts.
fn square_and_add(one: f64, other: f64, images_one: u64, images_other: u64, correlation: f64) -> (f64, f64) {
    let of = |value: f64, images| accuracy_interval(value.clamp(0.0, 1.0), images).unwrap_or((0.0, 1.0));
    let ((low_one, high_one), (low_other, high_other)) = (of(one, images_one), of(other, images_other));
    let reach = |x: f64, y: f64| (x * x - 2.0 * correlation * x * y + y * y).max(0.0).sqrt();
    let difference = one - other;
    (difference - reach(one - low_one, high_other - other), difference + reach(high_one - one, other - low_other))
}

/// SE² = V_images + max(0, V_seeds - V_residual), as bootstrapping images and seeds would find it.
fn crossed(first: &Cell, second: &Cell, images: usize) -> Comparison {
    let differences: Vec<f64> =
        first.by_image().iter().zip(second.by_image()).map(|(one, other)| one - other).collect();
    let known = variance(&differences) / images as f64;
    let share = 1.0 / first.seeds() as f64 + 1.0 / second.seeds() as f64;
    let error = SeedSpread::pooled([first, second].into_iter(), images).map_or(Uncertain::certain(known), |spread| {
        let (estimated, noise) = (share * spread.between, share * spread.added(images));
        Uncertain { known, estimated, noise, freedom: spread.freedom }
    });
    Comparison::of(first.mean() - second.mean(), error, Method::Crossed { freedom: error.freedom })
}

fn unpaired(first: &Cell, second: &Cell) -> Option<Comparison> {
    let difference = first.mean() - second.mean();
    let share = 1.0 / first.seeds() as f64 + 1.0 / second.seeds() as f64;
    let (between, freedom) = pooled_scores([first, second].into_iter());
    let estimated = share * between;
    let error = |known| Uncertain { known, estimated, noise: 0.0, freedom };
    match (first.images(), second.images()) {
        (Some(one), Some(other)) => {
            let binomial = |accuracy: f64, images: u64| accuracy * (1.0 - accuracy) / images as f64;
            let error = error(binomial(first.mean(), one) + binomial(second.mean(), other));
            let compared = Comparison::of(difference, error, Method::Unpaired { freedom });
            if freedom > 0.0 {
                return Some(compared);
            }
            let (low, high) = square_and_add(first.mean(), second.mean(), one, other, 0.0);
            Some(Comparison { low, high, ..compared })
        }
        _ if freedom > 0.0 => Some(Comparison::of(difference, error(0.0), Method::Seeds { freedom })),
        _ => None,
    }
}
