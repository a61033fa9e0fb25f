//! From values to places: linear and logarithmic scales, and round values along them.

/// Maps values to 0 (left, bottom) to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
}

/// Round values along a scale, and how many decimals they are written with.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticks {
    pub values: Vec<f64>,
    pub decimals: usize,
}

/// What people count seconds in.
const TIMES: [f64; 25] = [
    0.001, 0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0,
    3_600.0, 7_200.0, 18_000.0, 36_000.0, 86_400.0, 172_800.0, 432_000.0, 864_000.0,
];

impl Scale {
    /// Of values that are no range at all, one around them.
    pub fn linear(low: f64, high: f64) -> Scale {
        match (low.is_finite() && high.is_finite(), high > low) {
            (true, true) => Scale { low, high, is_log: false },
            (true, false) => Scale { low: low - 0.5, high: low + 0.5, is_log: false },
            (false, _) => Scale { low: 0.0, high: 1.0, is_log: false },
        }
    }

    /// Around finite values, with `room` of their range to each side.
    pub fn around(values: impl Iterator<Item = f64>, room: f64) -> Scale {
        let (low, high) = range(values);
        let room = room * (high - low);
        Scale::linear(low - room, high + room)
    }

    /// Around positive values; equal steps are equal ratios.
    pub fn log(values: impl Iterator<Item = f64>) -> Scale {
        let (low, high) = range(values.filter(|value| *value > 0.0).map(f64::ln));
        if !low.is_finite() {
            return Scale { low: 0.0, high: 1.0, is_log: true };
        }
        // Half an octave of room at least, so that near values do not look far apart.
        let room = (0.06 * (high - low)).max(0.35);
        Scale { low: low - room, high: high + room, is_log: true }
    }

    /// 0 to 1; what lies beyond the ends is put there.
    pub fn share(&self, value: f64) -> f64 {
        let value = if self.is_log { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let share = (value - self.low) / (self.high - self.low);
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// At most `most` round values of a linear scale.
    pub fn ticks(&self, most: usize) -> Ticks {
        let range = self.high - self.low;
        let rough = range / most.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let decimals = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        // Without the sum of a step's rounding errors.
        let value = |number: i64| number as f64 * step;
        Ticks { values: (first..=last).map(value).collect(), decimals }
    }

    /// At most `most` of the seconds that people count in, along a logarithmic scale.
    pub fn times(&self, most: usize) -> Vec<f64> {
        let inside = |time: &f64| (self.low..=self.high).contains(&time.ln());
        let all: Vec<f64> = TIMES.into_iter().filter(inside).collect();
        let every = all.len().div_ceil(most.max(1)).max(1);
        all.into_iter().step_by(every).collect()
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = |low, high| Scale::linear(low, high).ticks(5);
        let found = ticks(0.713, 0.827);
        assert_eq!(found.decimals, 2);
        assert_eq!(found.values.len(), 2);
        assert!(found.values.iter().zip([0.75, 0.8]).all(|(found, wanted)| (found - wanted).abs() < 1e-12));
        assert_eq!(ticks(0.0, 10.0), Ticks { values: vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0], decimals: 0 });
        assert_eq!(ticks(-3.0, 4.5).values, [-2.0, 0.0, 2.0, 4.0]);
        assert_eq!(ticks(0.0, 1.0).decimals, 1);
        assert_eq!(ticks(0.0, 130.0).values, [0.0, 50.0, 100.0]);
    }

    #[test]
    fn shares_stay_inside_whatever_the_values_are() {
        let scale = Scale::around([2.0, f64::NAN, 4.0].into_iter(), 0.0);
        assert_eq!([1.0, 2.0, 3.0, 9.0, f64::NAN].map(|it| scale.share(it)), [0.0, 0.0, 0.5, 1.0, 0.0]);
        assert_eq!(Scale::linear(3.0, 3.0).share(3.0), 0.5);
        assert_eq!(Scale::around(std::iter::empty(), 0.1).share(0.25), 0.25);
        assert_eq!(Scale::log([0.0, f64::NAN].into_iter()).share(1.0), 0.0);
    }

    #[test]
    fn seconds_lie_by_their_ratios() {
        let scale = Scale::log([1.0, 100.0].into_iter());
        assert!((scale.share(10.0) - 0.5).abs() < 1e-12);
        assert_eq!(scale.times(4), [1.0, 5.0, 20.0, 60.0]);
        let near = Scale::log([20.0, 21.0].into_iter());
        assert!(near.share(21.0) - near.share(20.0) < 0.1);
    }
}
