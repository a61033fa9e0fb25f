//! The error of an estimate whose variance is known in part only.
//!
//! The images' part rests on thousands of values, the seeds' part on two or three. Where the latter is all, Student's t says
//! how far an interval reaches, where it is nothing, the normal distribution; in between, and where most of it is noise that
//! is taken off again, the generalized pivot does (Weerahandi 1993): the estimated part is as large as each value of the chi
//! square distribution makes it, and the interval is right on average over them. It has the other two as its ends.

use crate::quantile::{Z, normal_tail, student, two_sided};

/// Steps of the integral over the chi square distribution.
const STEPS: u32 = 300;
/// In which an interval's end is found; six to ten do.
const MOST_STEPS: u32 = 60;

/// A variance: `known`, and beside it what is left of `estimated`, with so many degrees of freedom, without `noise`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uncertain {
    pub(crate) known: f64,
    pub(crate) estimated: f64,
    pub(crate) noise: f64,
    pub(crate) freedom: f64,
}

impl Uncertain {
    pub(crate) fn certain(known: f64) -> Uncertain {
        Uncertain { known, estimated: 0.0, noise: 0.0, freedom: 0.0 }
    }

    /// Its best guess.
    pub(crate) fn variance(&self) -> f64 {
        self.known + (self.estimated - self.noise).max(0.0)
    }

    /// Probability that chance reaches `distance`, to either side.
    pub(crate) fn two_sided(&self, distance: f64) -> f64 {
        let distance = distance.abs();
        let of = |variance: f64| match variance {
            _ if distance == 0.0 => 1.0,
            _ if variance > 0.0 => 2.0 * normal_tail(distance / variance.sqrt()),
            _ => 0.0,
        };
        if self.estimated <= 0.0 || self.freedom <= 0.0 {
            return of(self.known);
        }
        if self.is_estimated() {
            return two_sided(distance / self.estimated.sqrt(), self.freedom);
        }
        let (mut sum, mut whole) = (0.0, 0.0);
        for (ratio, weight) in ratios(self.freedom) {
            sum += weight * of(self.known + (self.estimated / ratio - self.noise).max(0.0));
            whole += weight;
        }
        sum / whole
    }

    /// Nothing but the estimated part: then it is Student's t.
    fn is_estimated(&self) -> bool {
        self.known == 0.0 && self.noise == 0.0
    }

    /// The half of a 95 % interval.
    pub(crate) fn half(&self) -> f64 {
        if self.estimated <= 0.0 || self.freedom <= 0.0 {
            return Z * self.known.max(0.0).sqrt();
        }
        if self.is_estimated() {
            return student(self.freedom) * self.estimated.sqrt();
        }
        let mut high = Z * (self.known + self.estimated).sqrt();
        while self.two_sided(high) > 0.05 {
            high *= 2.0;
        }
        // The logarithm of the probability bends little, so that a straight line soon meets the distance that is looked for
        // (regula falsi; an end that stands still twice is taken for half as far off: Dowell and Jarratt 1971).
        let above = |distance: f64| (self.two_sided(distance) / 0.05).ln().max(-100.0);
        let (mut low, mut at_low, mut at_high) = (0.0, above(0.0), above(high));
        let mut last = None;
        for _ in 0..MOST_STEPS {
            let middle = low + (high - low) * at_low / (at_low - at_high);
            let at_middle = above(middle);
            if at_middle.abs() < 1e-13 || middle <= low || middle >= high {
                return middle;
            }
            let is_low = at_middle > 0.0;
            let standing = if last == Some(is_low) { 0.5 } else { 1.0 };
            if is_low {
                (low, at_low, at_high) = (middle, at_middle, standing * at_high);
            } else {
                (high, at_high, at_low) = (middle, at_middle, standing * at_low);
            }
            last = Some(is_low);
        }
        0.5 * (low + high)
    }
}

/// A chi square variable over its degrees of freedom, and how likely each value is: even steps of its logarithm, of which the
/// density is exp(freedom / 2 (u - e^u)) but for a factor.
fn ratios(freedom: f64) -> impl Iterator<Item = (f64, f64)> {
    let spread = (2.0 / freedom).sqrt();
    let low = -(40.0 / freedom).max(8.0 * spread);
    let high = (1.0 + 40.0 / freedom + 9.0 * spread).ln();
    (0..=STEPS).map(move |step| {
        let u = low + (high - low) * f64::from(step) / f64::from(STEPS);
        (u.exp(), (freedom / 2.0 * (u - u.exp() + 1.0)).exp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_ends_are_students_and_the_normal_distribution() {
        for freedom in [1.0, 2.0, 4.0, 30.0, 1_000.0] {
            let seeds = Uncertain { known: 1e-12, estimated: 4.0, noise: 0.0, freedom };
            assert!((seeds.half() / (2.0 * student(freedom)) - 1.0).abs() < 1e-6, "{freedom} {}", seeds.half());
            assert!((seeds.two_sided(3.0) / two_sided(1.5, freedom) - 1.0).abs() < 1e-6);
            let images = Uncertain { known: 4.0, estimated: 0.1, noise: 1e300, freedom };
            assert!((images.half() - 2.0 * Z).abs() < 1e-6);
        }
        assert!((Uncertain::certain(4.0).half() - 2.0 * Z).abs() < 1e-9);
        assert_eq!(Uncertain::certain(0.0).two_sided(0.0), 1.0);
        assert_eq!(Uncertain::certain(0.0).two_sided(0.1), 0.0);
    }

    #[test]
    fn its_half_is_passed_by_chance_once_in_twenty_times() {
        for known in [0.0, 1e-6, 1.0] {
            for noise in [1e-3, 0.5, 0.99] {
                for freedom in [1.0, 3.0, 50.0, 900.0] {
                    let error = Uncertain { known, estimated: 1.0, noise, freedom };
                    let beyond = error.two_sided(error.half());
                    assert!((beyond - 0.05).abs() < 1e-9, "{error:?}: {beyond}");
                }
            }
        }
        // Nearly always nothing is left of the estimate, so no difference but 0 is by chance.
        let nothing = Uncertain { known: 0.0, estimated: 1.0, noise: 9.0, freedom: 50.0 };
        assert!(nothing.half() < 1e-9, "{}", nothing.half());
    }
}
