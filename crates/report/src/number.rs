//! Numbers in words: as many digits as what is known of them warrants.

pub use frostline_view::amount::{count, grouped as whole, seconds};
use frostline_view::best::Ranking;
use maud::Render;

/// A value with its sign, where a minus is as wide as a plus.
const MINUS: &str = "\u{2212}";

/// How many decimals a column of numbers has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits(pub usize);

impl Digits {
    /// Those of all that is ranked.
    pub fn of(ranking: &Ranking) -> Digits {
        Digits(ranking.decimals())
    }

    pub fn show(self, value: f64) -> String {
        fixed(value, self.0)
    }

    /// "0.770 to 0.820".
    pub fn interval(self, (low, high): (f64, f64)) -> String {
        format!("{} to {}", self.show(low), self.show(high))
    }
}

/// With so many decimals, and a minus that is one.
pub fn fixed(value: f64, decimals: usize) -> String {
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
    let shown = fixed(value, places);
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
    fn an_interval_has_the_decimals_of_its_column() {
        assert_eq!((Digits(3).show(0.79612), Digits(0).show(31.4)), ("0.796".to_owned(), "31".to_owned()));
        assert_eq!(Digits(2).interval((0.5512, 0.95)), "0.55 to 0.95");
    }

    #[test]
    fn amounts_read_well() {
        assert_eq!([70.0, 130.0, 9000.0].map(about), ["1 min 10 s", "2 min", "2 h"]);
        assert_eq!([0.031, -0.0312, 0.0002, -0.0002].map(|it| change(it, true)), ["+3.1", "−3.1", "0.0", "0.0"]);
        assert_eq!(change(-0.25, false), "−0.250");
        assert_eq!([0.0, 0.004, 0.314].map(percent), ["0 %", "<1 %", "31 %"]);
        assert_eq!(fixed(f64::INFINITY, 2), "–");
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
