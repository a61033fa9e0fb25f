//! Numbers in words: as many digits as what is known of them warrants.

pub use frostline_view::amount::{count, grouped as whole, seconds};
use maud::Render;

/// A value with its sign, where a minus is as wide as a plus.
const MINUS: &str = "\u{2212}";

/// How many decimals a column of numbers has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits(usize);

impl Digits {
    /// More of them say nothing to people; the exact value is for programs.
    const MOST: usize = 3;

    /// Two figures of the half of an interval; where there is none, three decimals.
    pub fn of(interval: Option<(f64, f64)>) -> Digits {
        let half = interval.map_or(f64::NAN, |(low, high)| 0.5 * (high - low));
        if !half.is_finite() || half <= 0.0 {
            return Digits(Digits::MOST);
        }
        Digits(((1.0 - half.log10().floor()).max(0.0) as usize).min(Digits::MOST))
    }

    /// One number of decimals for all of a column: that of the narrowest interval.
    pub fn of_all(intervals: impl Iterator<Item = Option<(f64, f64)>>) -> Digits {
        let width = |interval: &(f64, f64)| interval.1 - interval.0;
        let narrowest = intervals.flatten().filter(|it| width(it) > 0.0).min_by(|a, b| width(a).total_cmp(&width(b)));
        Digits::of(narrowest)
    }

    pub fn show(self, value: f64) -> String {
        decimals(value, self.0)
    }

    /// "0.770 to 0.820".
    pub fn interval(self, (low, high): (f64, f64)) -> String {
        format!("{} to {}", self.show(low), self.show(high))
    }
}

/// With so many decimals, and a minus that is one.
pub fn decimals(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let shown = format!("{value:.decimals$}");
    match shown.strip_prefix('-') {
        Some(zero) if zero.chars().all(|digit| matches!(digit, '0' | '.')) => zero.to_owned(),
        Some(size) => format!("{MINUS}{size}"),
        None => shown,
    }
}

/// With a sign.
pub fn signed(value: f64, places: usize) -> String {
    let shown = decimals(value, places);
    if value > 0.0 && shown.chars().any(|digit| ('1'..='9').contains(&digit)) { format!("+{shown}") } else { shown }
}

/// A difference of a metric: of accuracies in points, of which one is an image in a hundred.
pub fn change(difference: f64, is_accuracy: bool) -> String {
    if is_accuracy { signed(100.0 * difference, 1) } else { signed(difference, 3) }
}

/// "31 %"; what is there at all is at least "<1 %".
pub fn percent(share: f64) -> String {
    match 100.0 * share {
        share if !share.is_finite() => "–".to_owned(),
        share if share > 0.0 && share < 0.5 => "<1 %".to_owned(),
        share => format!("{share:.0} %"),
    }
}

/// "about" so long: the larger unit only, for what is not known better.
pub fn about(seconds_: f64) -> String {
    match seconds_ {
        ..90.0 => seconds(seconds_),
        ..5400.0 => format!("{:.0} min", seconds_ / 60.0),
        ..129_600.0 => format!("{:.0} h", seconds_ / 3600.0),
        _ => format!("{:.0} d", seconds_ / 86_400.0),
    }
}

/// The first letter large.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A share of 1 as an SVG length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Percent(pub(crate) f64);

impl Render for Percent {
    fn render_to(&self, out: &mut String) {
        out.push_str(&trimmed(100.0 * self.0, 2));
        out.push('%');
    }
}

/// A length in pixels, or a number of another kind that needs no more than two decimals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Px(pub(crate) f64);

impl Render for Px {
    fn render_to(&self, out: &mut String) {
        out.push_str(&trimmed(self.0, 2));
    }
}

fn trimmed(value: f64, decimals: usize) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_the_interval() {
        assert_eq!(Digits::of(Some((0.770, 0.820))).show(0.79612), "0.796");
        assert_eq!(Digits::of(Some((0.55, 0.95))).show(0.79612), "0.80");
        assert_eq!(Digits::of(Some((0.7950, 0.7970))).show(0.79612), "0.796", "never more than three");
        assert_eq!(Digits::of(None).show(0.5), "0.500");
        assert_eq!(Digits::of(Some((0.5, 0.5))).show(0.5), "0.500");
        assert_eq!(Digits::of(Some((0.0, 80.0))).show(31.4), "31");
        assert_eq!(Digits::of_all([None, Some((0.1, 0.9)), Some((0.77, 0.82))].into_iter()).show(0.8), "0.800");
    }

    #[test]
    fn amounts_read_well() {
        assert_eq!([70.0, 130.0, 9000.0].map(about), ["1 min 10 s", "2 min", "2 h"]);
        assert_eq!([0.031, -0.0312, 0.0002, -0.0002].map(|it| change(it, true)), ["+3.1", "−3.1", "0.0", "0.0"]);
        assert_eq!(change(-0.25, false), "−0.250");
        assert_eq!([0.0, 0.004, 0.314].map(percent), ["0 %", "<1 %", "31 %"]);
        assert_eq!(decimals(f64::INFINITY, 2), "–");
    }

    #[test]
    fn lengths_are_short() {
        assert_eq!(Percent(0.12345).render().0, "12.35%");
        assert_eq!(Percent(1.0).render().0, "100%");
        assert_eq!(Px(-0.001).render().0, "0");
        assert_eq!(Px(12.5).render().0, "12.5");
        assert_eq!(Px(f64::NAN).render().0, "0");
    }
}
