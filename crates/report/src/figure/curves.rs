//! Learning curves: the best in colour, the others grey.

use super::axis::{self, Tick};
use super::frame::{Table, Words, frame, svg};
use crate::number::{Percent, Px, fixed};
use crate::scale::Scale;
use maud::{Markup, html};
use std::fmt::Write;

#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub label: String,
    /// One value an epoch, from the first; what is no number leaves a gap.
    pub values: Vec<f64>,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Best,
    Other,
    /// Beside the first, in dashes: the training split's.
    Beside,
}

const HEIGHT: f64 = 230.0;
/// Of the drawing that is stretched to the figure's width.
const UNITS: f64 = 1000.0;

pub fn figure(words: &Words, curves: &[Curve], metric: &str) -> Markup {
    let epochs = curves.iter().map(|curve| curve.values.len()).max().unwrap_or(0).max(1);
    let y = Scale::around(curves.iter().flat_map(|curve| curve.values.iter().copied()), 0.05);
    // From the first epoch to the last; a single one stands in the middle.
    let x = Scale::linear(1.0, epochs as f64);
    let found = y.ticks(5);
    let y_ticks: Vec<Tick> = found.values.iter().map(|&it| (y.share(it), fixed(it, found.decimals))).collect();
    let x_ticks: Vec<Tick> = whole_ticks(epochs).into_iter().map(|it| (x.share(it as f64), it.to_string())).collect();
    // Later ones are drawn over earlier ones: the best last.
    let in_order = || {
        let of = |kind| curves.iter().filter(move |curve| curve.kind == kind);
        of(Kind::Other).chain(of(Kind::Beside)).chain(of(Kind::Best))
    };
    let drawing = html! {
        (axis::y(&y_ticks, 0.0, HEIGHT))
        (axis::x(&x_ticks, HEIGHT, "epoch"))
        svg x="0" y="0" width="100%" height=(Px(HEIGHT)) viewBox="0 0 1000 1000" preserveAspectRatio="none" {
            @for curve in in_order() {
                polyline class={ "curve " (class(curve.kind)) } points=(points(&curve.values, x, y)) { title { (curve.label) } }
            }
        }
        @for curve in curves.iter().filter(|curve| curve.kind != Kind::Other) {
            @if let Some((place, value)) = last(&curve.values) {
                g class=(class(curve.kind)) {
                    circle.dot cx=(Percent(x.share(place))) cy=(Px(HEIGHT * (1.0 - y.share(value)))) r="3.5" {
                        title { (curve.label) }
                    }
                }
            }
        }
    };
    let mut table = Table::new(&["trial", "after the first epoch", "after the last epoch", "epochs", "metric"]);
    for curve in curves {
        let first = curve.values.first().copied().unwrap_or(f64::NAN);
        let last = curve.values.last().copied().unwrap_or(f64::NAN);
        let count = curve.values.len().to_string();
        table.rows.push(vec![curve.label.clone(), fixed(first, 3), fixed(last, 3), count, metric.to_owned()]);
    }
    frame(words, svg(words, "", HEIGHT as u32 + 40, drawing), &table)
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Best => "chosen",
        Kind::Other => "other",
        Kind::Beside => "beside",
    }
}

fn last(values: &[f64]) -> Option<(f64, f64)> {
    let value = values.last().copied().filter(|value| value.is_finite())?;
    Some((values.len() as f64, value))
}

/// Points of a polyline, in thousandths of the figure.
fn points(values: &[f64], x: Scale, y: Scale) -> String {
    let mut points = String::new();
    for (epoch, value) in (1..).zip(values).filter(|(_, value)| value.is_finite()) {
        let place = (UNITS * x.share(f64::from(epoch)), UNITS * (1.0 - y.share(*value)));
        let space = if points.is_empty() { "" } else { " " };
        let _ = write!(points, "{space}{:.0},{:.0}", place.0, place.1);
    }
    points
}

/// At most eight epochs: the first, the last, and round ones between.
fn whole_ticks(epochs: usize) -> Vec<usize> {
    if epochs <= 8 {
        return (1..=epochs).collect();
    }
    let step =
        [2, 5, 10, 20, 25, 50, 100, 200, 500, 1000].into_iter().find(|step| epochs / step <= 6).unwrap_or(epochs);
    let between = (1..).map(|number| number * step).take_while(|&epoch| epoch + step / 2 < epochs);
    std::iter::once(1).chain(between).chain([epochs]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_whole() {
        assert_eq!(whole_ticks(3), [1, 2, 3]);
        assert_eq!(whole_ticks(10), [1, 2, 4, 6, 8, 10]);
        assert_eq!(whole_ticks(100), [1, 20, 40, 60, 80, 100]);
        assert_eq!(whole_ticks(1), [1]);
    }

    #[test]
    fn a_curve_goes_from_the_first_epoch_to_the_last() {
        let (x, y) = (Scale::linear(1.0, 3.0), Scale::linear(0.0, 1.0));
        assert_eq!(points(&[0.0, f64::NAN, 1.0], x, y), "0,1000 1000,0");
        let curve = |kind, values: &[f64]| Curve { label: "a".to_owned(), values: values.to_vec(), kind };
        let words = Words { id: "curves".into(), title: "Curves".into(), finding: "Up.".into(), note: None };
        let drawn = figure(&words, &[curve(Kind::Best, &[0.1, 0.2]), curve(Kind::Other, &[0.1])], "val_accuracy").0;
        let (best, other) = (drawn.find(r#"class="curve chosen""#), drawn.find(r#"class="curve other""#));
        assert!(other.unwrap() < best.unwrap(), "the best lies on top: {drawn}");
        figure(&words, &[], "val_accuracy");
    }
}
