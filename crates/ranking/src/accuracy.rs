//! How sure one accuracy is.

use crate::quantile::Z;

/// Wilson's score interval (1927) at 95 % for an accuracy measured on `images` images: how far chance alone, in the
/// choice of these images, could have moved it. None without images.
pub fn accuracy_interval(accuracy: f64, images: u64) -> Option<(f64, f64)> {
    if images == 0 || !(0.0..=1.0).contains(&accuracy) {
        return None;
    }
    let n = images as f64;
    let scale = 1.0 + Z * Z / n;
    let centre = (accuracy + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (accuracy * (1.0 - accuracy) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(((centre - half).max(0.0), (centre + half).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // Newcombe 1998, table I: 81 of 263.
        let (low, high) = accuracy_interval(81.0 / 263.0, 263).unwrap();
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        assert!((accuracy_interval(1.0, 10).unwrap().1 - 1.0).abs() < 1e-12);
        assert_eq!(accuracy_interval(0.5, 0), None);
    }
}
