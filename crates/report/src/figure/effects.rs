//! Effects: what each value of an axis does against the first one, as rows of dots and intervals around zero. The rows are a
//! table, so it needs no other one.

use super::forest::{Column, Dot};
use super::frame::{Table, Words, frame};
use crate::number::change;
use maud::{Markup, html};

#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    pub axes: Vec<Axis>,
    /// Whether differences are of accuracies, which are told in points.
    pub is_accuracy: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub name: String,
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// "135 instead of 151".
    pub what: String,
    pub difference: f64,
    pub interval: Option<(f64, f64)>,
}

impl Change {
    /// Whether chance alone does not explain it.
    fn is_clear(&self) -> bool {
        self.interval.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }

    fn dot(&self) -> Dot {
        Dot { value: self.difference, interval: self.interval, is_chosen: self.is_clear() }
    }

    fn interval(&self, is_accuracy: bool) -> String {
        let bound = |value| change(value, is_accuracy);
        self.interval.map_or("one pair only".to_owned(), |(low, high)| format!("{} to {}", bound(low), bound(high)))
    }
}

pub fn figure(words: &Words, effects: &Effects) -> Markup {
    let changes = || effects.axes.iter().flat_map(|axis| &axis.changes);
    let factor = if effects.is_accuracy { 100.0 } else { 1.0 };
    let column = Column::of_differences(changes().map(Change::dot), factor);
    let scaled = |dot: Dot| Dot {
        value: factor * dot.value,
        interval: dot.interval.map(|(low, high)| (factor * low, factor * high)),
        ..dot
    };
    let unit = if effects.is_accuracy { "points" } else { "difference" };
    let drawing = html! {
        div.scroll tabindex="0" role="group" aria-label=(words.title) {
            table.forest {
                thead {
                    tr {
                        th scope="col" { "change" }
                        th.plotted scope="col" { span.hidden { "drawn" } (column.head()) }
                        th.number scope="col" { (unit) }
                        th.number scope="col" { "95 % interval" }
                    }
                }
                @for axis in &effects.axes {
                    tbody {
                        tr.group { th scope="rowgroup" colspan="4" { (axis.name) } }
                        @for change in &axis.changes {
                            tr {
                                th scope="row" { (change.what) }
                                td.plotted { (column.row(scaled(change.dot()))) }
                                td.number { (crate::number::change(change.difference, effects.is_accuracy)) }
                                td.number { (change.interval(effects.is_accuracy)) }
                            }
                        }
                    }
                }
            }
        }
    };
    frame(words, drawing, &Table::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_clear_is_coloured_and_every_number_is_text() {
        let change = |what: &str, difference, interval| Change { what: what.to_owned(), difference, interval };
        let clear = change("135 instead of 151", 0.029, Some((0.011, 0.047)));
        let unclear = change("adam instead of rmsprop", -0.004, Some((-0.02, 0.012)));
        let unknown = change("2 instead of 1", 0.01, None);
        assert!(clear.is_clear() && !unclear.is_clear() && !unknown.is_clear());
        let axis = Axis { name: "a<b".to_owned(), changes: vec![clear, unclear, unknown] };
        let words = Words { id: "effects".into(), title: "Effects".into(), finding: "Depth.".into(), note: None };
        let drawn = figure(&words, &Effects { axes: vec![axis], is_accuracy: true }).0;
        for text in ["+2.9", "+1.1 to +4.7", "−0.4", "−2.0 to +1.2", "one pair only", "a&lt;b"] {
            assert!(drawn.contains(text), "{text}: {drawn}");
        }
        assert_eq!(drawn.matches(r#"class="chosen""#).count(), 1);
    }
}
