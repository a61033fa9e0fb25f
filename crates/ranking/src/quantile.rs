//! Quantiles and tails of the distributions that intervals and tests rest on.

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, FisherSnedecor, Normal, StudentsT};
use std::sync::OnceLock;

/// The 97.5 % quantile of the normal distribution.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// From here on Student's t is the normal distribution to five digits.
const AS_NORMAL: f64 = 1e6;

/// The 97.5 % quantile of Student's t distribution; the normal one's where `freedom` is infinite. The seeds of each row of a
/// ranking ask for one of a few.
pub(crate) fn student(freedom: f64) -> f64 {
    static OF_FEW: [OnceLock<f64>; 64] = [const { OnceLock::new() }; 64];
    let found = || if freedom < AS_NORMAL { student_above(0.025, freedom) } else { Z };
    match OF_FEW.get(freedom as usize) {
        Some(known) if freedom.fract() == 0.0 => *known.get_or_init(found),
        _ => found(),
    }
}

/// The value that a variable of Student's t distribution exceeds with probability `tail`, below a half.
pub(crate) fn student_above(tail: f64, freedom: f64) -> f64 {
    let Some(student) = of_student(freedom) else { return normal_above(tail) };
    // By halves of its tail, as the library's quantile is good to five digits only.
    let (mut low, mut high) = (0.0, 1.0);
    while student.sf(high) > tail && high < f64::MAX / 4.0 {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if student.sf(middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Probability that |t| is as large or larger.
pub(crate) fn two_sided(t: f64, freedom: f64) -> f64 {
    let tail = match of_student(freedom) {
        Some(student) => student.sf(t.abs()),
        None => normal_tail(t.abs()),
    };
    (2.0 * tail).min(1.0)
}

/// Probability that a normal variable is as large or larger.
pub(crate) fn normal_tail(z: f64) -> f64 {
    Normal::standard().sf(z)
}

/// The value that a normal variable exceeds with probability `tail`.
pub(crate) fn normal_above(tail: f64) -> f64 {
    -Normal::standard().inverse_cdf(tail)
}

/// Probability that an F ratio is as large or larger; none without degrees of freedom.
pub(crate) fn f_tail(ratio: f64, above: f64, below: f64) -> Option<f64> {
    let fisher = FisherSnedecor::new(above, below).ok()?;
    ratio.is_finite().then(|| fisher.sf(ratio.max(0.0)))
}

/// Probability that of `count` throws of a fair coin as few or fewer than `few` show heads, or as few tails.
pub(crate) fn fair_coin(few: u64, count: u64) -> f64 {
    let coin = Binomial::new(0.5, count);
    coin.map_or(1.0, |coin| (2.0 * coin.cdf(few.min(count - few.min(count)))).min(1.0))
}

fn of_student(freedom: f64) -> Option<StudentsT> {
    (freedom < AS_NORMAL).then(|| StudentsT::new(0.0, 1.0, freedom).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_t_is_the_normal_distribution_without_an_end_of_freedom() {
        assert_eq!(student(f64::INFINITY), Z);
        assert!((student(9e5) - Z).abs() < 1e-5);
        assert!((two_sided(Z, f64::INFINITY) - 0.05).abs() < 1e-9);
        assert!((normal_above(0.025) - Z).abs() < 1e-9);
    }

    #[test]
    fn quantiles_fall_with_the_degrees_of_freedom() {
        let quantiles: Vec<f64> = (1..400).map(|freedom| student(f64::from(freedom) / 2.0)).collect();
        assert!(quantiles.is_sorted_by(|one, other| one > other));
    }
}
