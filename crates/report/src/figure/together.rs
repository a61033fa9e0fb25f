//! What two axes do together beyond the sum of their effects: a real table, whose cells are the darker the more that is.

use super::frame::{Table, Words, frame};
use crate::number::change;
use maud::{Markup, html};

/// Shades of a cell in either direction.
const SHADES: f64 = 4.0;

/// Levels in the order in which they were added first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Together {
    pub axes: (String, String),
    pub rows: Vec<String>,
    pub columns: Vec<String>,
    /// Row, column, effect.
    pub effects: Vec<(usize, usize, f64)>,
    pub is_accuracy: bool,
}

impl Together {
    pub fn add(&mut self, row: String, column: String, effect: f64) {
        let place = |names: &mut Vec<String>, name: String| match names.iter().position(|known| *known == name) {
            Some(place) => place,
            None => {
                names.push(name);
                names.len() - 1
            }
        };
        let (row, column) = (place(&mut self.rows, row), place(&mut self.columns, column));
        self.effects.push((row, column, effect));
    }

    fn of(&self, row: usize, column: usize) -> Option<f64> {
        self.effects.iter().find(|(its, other, _)| (*its, *other) == (row, column)).map(|(_, _, effect)| *effect)
    }

    fn largest(&self) -> f64 {
        self.effects.iter().map(|(_, _, effect)| effect.abs()).fold(0.0, f64::max)
    }
}

pub fn figure(words: &Words, together: &Together) -> Markup {
    let largest = together.largest();
    let drawing = html! {
        div.scroll tabindex="0" role="group" aria-label=(words.title) {
            table.matrix {
                thead {
                    tr {
                        th scope="col" { span.muted { (together.axes.0) " ↓ " (together.axes.1) " →" } }
                        @for name in &together.columns { th scope="col" { (name) } }
                    }
                }
                tbody {
                    @for (row, name) in together.rows.iter().enumerate() {
                        tr {
                            th scope="row" { (name) }
                            @for column in 0..together.columns.len() {
                                @match together.of(row, column) {
                                    Some(effect) => { td class=(shade(effect, largest)) { (change(effect, together.is_accuracy)) } }
                                    None => { td { span.muted { "–" } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    frame(words, drawing, &Table::default())
}

/// By its size against the largest; what is next to nothing has none.
fn shade(effect: f64, largest: f64) -> String {
    let level = (SHADES * effect.abs() / largest.max(f64::MIN_POSITIVE)).round() as u32;
    match level {
        0 => String::new(),
        level => format!("{}{level}", if effect > 0.0 { "more" } else { "less" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_where_their_levels_do_and_what_is_missing_is_said() {
        let mut together =
            Together { axes: ("depth".into(), "<optimizer>".into()), is_accuracy: true, ..Together::default() };
        for (row, column, effect) in [("all", "adam", 0.012), ("all", "sgd", -0.012), ("75", "adam", 0.0)] {
            together.add(row.into(), column.into(), effect);
        }
        assert_eq!(
            (together.rows.as_slice(), together.columns.as_slice()),
            (&["all".into(), "75".into()][..], &["adam".into(), "sgd".into()][..])
        );
        let words = Words { id: "t".into(), title: "T".into(), finding: String::new(), note: None };
        let drawn = figure(&words, &together).0;
        assert!(drawn.contains(r#"<td class="more4">+1.2</td><td class="less4">−1.2</td>"#), "{drawn}");
        assert!(drawn.contains(r#"<td class="">0.0</td><td><span class="muted">–</span></td>"#), "{drawn}");
        assert!(!drawn.contains("<optimizer>"));
        assert_eq!(shade(0.0, 0.0), "");
    }
}
