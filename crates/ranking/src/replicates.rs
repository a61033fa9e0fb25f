//! What the seeds of one configuration say together.

use crate::quantile::student;
use std::f64::consts::SQRT_2;

/// What the replicates of one configuration say together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replicates {
    pub count: u32,
    pub mean: f64,
    /// Sample standard deviation over the seeds; none with one seed only.
    pub deviation: Option<f64>,
}

/// Mean and spread of the values of one group's trials.
pub fn summarise(values: &[f64]) -> Replicates {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
    Replicates { count: values.len() as u32, mean, deviation }
}

/// What the seeds of one configuration allow to be said of their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Certainty {
    /// One seed: nothing is known of how far another would lie.
    OneSeed,
    /// Two seeds, so far apart: too few for an interval that says anything (it would reach 12.7 standard errors).
    TwoSeeds { apart: f64 },
    /// Student's t interval at 95 % for the mean over all seeds, these images given.
    Interval { low: f64, high: f64 },
    /// A value is not a number.
    Unknown,
}

impl Replicates {
    pub fn certainty(&self) -> Certainty {
        let Replicates { count, mean, deviation } = *self;
        match deviation {
            _ if !mean.is_finite() => Certainty::Unknown,
            None => Certainty::OneSeed,
            Some(deviation) if count == 2 => Certainty::TwoSeeds { apart: deviation * SQRT_2 },
            Some(deviation) => {
                let count = f64::from(count);
                let half = student(count - 1.0) * deviation / count.sqrt();
                Certainty::Interval { low: mean - half, high: mean + half }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_three_seeds_on_the_mean_has_an_interval() {
        assert_eq!(summarise(&[0.5]).certainty(), Certainty::OneSeed);
        let Certainty::TwoSeeds { apart } = summarise(&[0.5, 0.25]).certainty() else { panic!() };
        assert!((apart - 0.25).abs() < 1e-12);
        // scipy.stats.t.interval(0.95, 2, 2, 1 / sqrt(3)): 2 ± 2.484138
        let Certainty::Interval { low, high } = summarise(&[1.0, 2.0, 3.0]).certainty() else { panic!() };
        assert!((low + 0.484_137_7).abs() < 1e-6 && (high - 4.484_137_7).abs() < 1e-6, "{low} {high}");
        assert_eq!(summarise(&[0.5, f64::NAN]).certainty(), Certainty::Unknown);
    }
}
