//! Which configurations their seeds cannot tell apart.
//!
//! The spread over seeds is estimated from all configurations together, as the analysis of variance does: two or three
//! seeds of one configuration say little about it. Two means are told apart where their difference exceeds Fisher's least
//! significant difference at 95 %.

use crate::quantile::student;
use crate::replicates::Replicates;

/// How far the seed alone moves the objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Standard deviation over seeds, pooled over the configurations that have several.
    pub deviation: f64,
    /// Degrees of freedom that it rests on.
    pub freedom: u32,
}

impl Spread {
    /// None where no configuration has several seeds, or a value is not a number.
    pub fn pooled<'a>(groups: impl Iterator<Item = &'a Replicates>) -> Option<Spread> {
        let (mut squares, mut freedom) = (0.0, 0);
        for group in groups {
            if let Some(deviation) = group.deviation.filter(|deviation| deviation.is_finite()) {
                squares += deviation.powi(2) * f64::from(group.count - 1);
                freedom += group.count - 1;
            }
        }
        (freedom > 0).then(|| Spread { deviation: (squares / f64::from(freedom)).sqrt(), freedom })
    }

    /// Whether the means of two configurations differ by more than their seeds explain; what is not a number is apart.
    pub fn tells_apart(&self, one: &Replicates, other: &Replicates) -> bool {
        let difference = (one.mean - other.mean).abs();
        let error = self.deviation * (1.0 / f64::from(one.count) + 1.0 / f64::from(other.count)).sqrt();
        difference.is_nan() || difference > student(f64::from(self.freedom)) * error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(count: u32, mean: f64, deviation: Option<f64>) -> Replicates {
        Replicates { count, mean, deviation }
    }

    #[test]
    fn the_spread_is_pooled_over_configurations() {
        let groups = [group(3, 0.4, Some(0.02)), group(2, 0.3, Some(0.05)), group(1, 0.5, None)];
        let spread = Spread::pooled(groups.iter()).unwrap();
        assert_eq!(spread.freedom, 3);
        assert!((spread.deviation - ((2.0 * 0.0004 + 0.0025) / 3.0f64).sqrt()).abs() < 1e-12);
        assert_eq!(Spread::pooled([group(1, 0.5, None)].iter()), None);
    }

    #[test]
    fn means_are_told_apart_beyond_the_least_significant_difference() {
        // Three seeds each, four degrees of freedom: 2.776 * 0.01 * sqrt(2 / 3) = 0.0227.
        let spread = Spread { deviation: 0.01, freedom: 4 };
        let best = group(3, 0.5, Some(0.01));
        assert!(!spread.tells_apart(&best, &group(3, 0.478, Some(0.01))));
        assert!(spread.tells_apart(&best, &group(3, 0.477, Some(0.01))));
        let exact = Spread { deviation: 0.0, ..spread };
        assert!(!exact.tells_apart(&best, &best), "equals are not apart, however exact they are");
        // A single seed says less.
        assert!(!spread.tells_apart(&best, &group(1, 0.477, None)));
    }
}
