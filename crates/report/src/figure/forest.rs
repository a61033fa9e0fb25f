//! A dot and its interval in a cell of a table: rows of them are a forest plot. The cell's numbers stand beside it.

use super::axis::Tick;
use crate::number::{Percent, Px, fixed};
use crate::scale::Scale;
use maud::{Markup, html};

const HEIGHT: f64 = 28.0;

/// What a column of dots has in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    scale: Scale,
    ticks: Vec<Tick>,
    /// Where what cannot be told from the best lies; or, of differences, a line at no difference.
    band: Option<(f64, f64)>,
    zero: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    /// Drawn in colour; others are grey.
    pub is_chosen: bool,
}

impl Column {
    /// Of these dots; `band` is shaded in every row.
    pub fn of(dots: impl Iterator<Item = Dot>, band: Option<(f64, f64)>) -> Column {
        let ends = dots.flat_map(|it| {
            let (low, high) = it.interval.unwrap_or((it.value, it.value));
            [low, it.value, high]
        });
        let scale = Scale::around(ends, 0.04);
        let shade = band.map(|(low, high)| (scale.share(low), scale.share(high)));
        Column { ticks: ticks(scale, 4), scale, band: shade, zero: None }
    }

    /// Of differences, around a line at zero.
    pub fn of_differences(dots: impl Iterator<Item = Dot>, factor: f64) -> Column {
        let ends = dots.flat_map(|it| {
            let (low, high) = it.interval.unwrap_or((it.value, it.value));
            [low * factor, it.value * factor, high * factor, 0.0]
        });
        let scale = Scale::around(ends, 0.06);
        Column { ticks: ticks(scale, 4), scale, band: None, zero: Some(scale.share(0.0)) }
    }

    /// The numbers above the column.
    pub fn head(&self) -> Markup {
        html! {
            svg.cell aria-hidden="true" width="100%" height="16" {
                @for (share, label) in &self.ticks {
                    text.tick.middle x=(Percent(*share)) y="12" { (label) }
                }
            }
        }
    }

    pub fn row(&self, dot: Dot) -> Markup {
        let middle = Px(0.5 * HEIGHT);
        let at = Percent(self.scale.share(dot.value));
        let class = if dot.is_chosen { "chosen" } else { "other" };
        html! {
            svg.cell aria-hidden="true" width="100%" height=(Px(HEIGHT)) {
                @if let Some((low, high)) = self.band {
                    rect.band x=(Percent(low)) y="0" width=(Percent(high - low)) height=(Px(HEIGHT)) {}
                }
                @for (share, _) in &self.ticks {
                    line.grid x1=(Percent(*share)) x2=(Percent(*share)) y1="0" y2=(Px(HEIGHT)) {}
                }
                @if let Some(zero) = self.zero {
                    line.axis x1=(Percent(zero)) x2=(Percent(zero)) y1="0" y2=(Px(HEIGHT)) {}
                }
                g class=(class) {
                    @if let Some((low, high)) = dot.interval {
                        line.interval x1=(Percent(self.scale.share(low))) x2=(Percent(self.scale.share(high)))
                            y1=(middle) y2=(middle) {}
                    }
                    @if dot.value.is_finite() { circle.dot cx=(at) cy=(middle) r="4" {} }
                }
            }
        }
    }
}

/// Round values inside the scale, those at its very ends left out, where their numbers would be cut off.
fn ticks(scale: Scale, most: usize) -> Vec<Tick> {
    let found = scale.ticks(most);
    let tick = |&value: &f64| (scale.share(value), fixed(value, found.decimals));
    found.values.iter().map(tick).filter(|(share, _)| (0.03..=0.97).contains(share)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(value: f64, interval: (f64, f64)) -> Dot {
        Dot { value, interval: Some(interval), is_chosen: true }
    }

    #[test]
    fn dots_stand_at_their_values_over_one_scale() {
        let dots = [dot(0.5, (0.2, 0.8)), dot(0.9, (0.8, 1.2))];
        let column = Column::of(dots.into_iter(), Some((0.2, 0.8)));
        // 0.2 to 1.2 with 4 % of room: 0.16 to 1.24, so 0.5 lies at 34 / 108.
        insta::assert_snapshot!(column.row(dots[0]).0, @r#"<svg class="cell" aria-hidden="true" width="100%" height="28"><rect class="band" x="3.7%" y="0" width="55.56%" height="28"></rect><line class="grid" x1="31.48%" x2="31.48%" y1="0" y2="28"></line><line class="grid" x1="77.78%" x2="77.78%" y1="0" y2="28"></line><g class="chosen"><line class="interval" x1="3.7%" x2="59.26%" y1="14" y2="14"></line><circle class="dot" cx="31.48%" cy="14" r="4"></circle></g></svg>"#);
        assert!(column.head().0.contains(">0.5</text>") && column.head().0.contains(">1.0</text>"));
    }

    #[test]
    fn differences_stand_around_zero_and_what_is_no_number_is_not_drawn() {
        let column = Column::of_differences([dot(0.03, (0.01, 0.05))].into_iter(), 100.0);
        assert_eq!(column.zero, Some(Scale::linear(-0.3, 5.3).share(0.0)));
        let drawn = column.row(Dot { value: f64::NAN, interval: None, is_chosen: false }).0;
        assert!(!drawn.contains("circle"), "{drawn}");
    }
}
