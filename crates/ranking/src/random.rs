//! Random numbers that stay the same for good: what a sweep's page says must not change with a library's version.

use std::f64::consts::TAU;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `count`; its bias is below `count` in 2^64.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    /// In (0, 1].
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Of mean 0 and variance 1 (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    /// A sum of so many squares of normal variables. Two of them are -2 times the logarithm of a uniform variable, and sums
    /// of logarithms are taken as one of a product, as far as it does not vanish.
    pub(crate) fn chi_square(&mut self, freedom: usize) -> f64 {
        let mut sum = if freedom.is_multiple_of(2) { 0.0 } else { self.normal().powi(2) };
        let mut pairs = freedom / 2;
        while pairs > 0 {
            // Each is at least 2^-53.
            let some = pairs.min(16);
            sum -= 2.0 * (0..some).map(|_| self.uniform()).product::<f64>().ln();
            pairs -= some;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64s() {
        // As the authors' reference program prints it for the seed 1234567.
        let mut random = Random::new(1234567);
        let values = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431];
        assert_eq!([(); 4].map(|()| random.next()), values);
    }

    #[test]
    fn a_chi_square_variable_has_its_mean_and_its_variance() {
        let mut random = Random::new(9);
        for freedom in [1, 2, 5, 40, 901] {
            let values: Vec<f64> = (0..20_000).map(|_| random.chi_square(freedom) / freedom as f64).collect();
            let mean = values.iter().sum::<f64>() / 20_000.0;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 20_000.0;
            let expected = 2.0 / freedom as f64;
            assert!((mean - 1.0).abs() < 4.0 * (expected / 20_000.0).sqrt(), "{freedom}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.1, "{freedom}: {variance}");
        }
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut random = Random::new(7);
        let values: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let square = values.iter().map(|value| value * value).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.04, "{mean} {square}");
    }
}
