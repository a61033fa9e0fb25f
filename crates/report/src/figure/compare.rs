//! Two trials side by side: what differs, and where one confuses more than the other.

use super::frame::{Table, Words, frame};
use maud::{Markup, html};

/// Shades of a cell to either side.
const SHADES: f64 = 4.0;
const MOST_CLASSES: usize = 20;

/// By how many images the first exceeds the second in each cell of their confusion matrices.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub classes: Vec<String>,
    pub names: (String, String),
    /// `[truth][said]`.
    pub counts: Vec<Vec<i64>>,
}

impl Difference {
    /// None where the two do not tell the same classes apart.
    pub fn of(
        classes: Vec<String>,
        names: (String, String),
        first: &[Vec<u32>],
        second: &[Vec<u32>],
    ) -> Option<Difference> {
        let sizes = |counts: &[Vec<u32>]| counts.iter().map(Vec::len).collect::<Vec<_>>();
        let wanted = vec![classes.len(); classes.len()];
        if classes.is_empty() || sizes(first) != wanted || sizes(second) != wanted {
            return None;
        }
        let row = |(one, other): (&Vec<u32>, &Vec<u32>)| {
            one.iter().zip(other).map(|(&one, &other)| i64::from(one) - i64::from(other)).collect()
        };
        let counts = first.iter().zip(second).map(row).collect();
        Some(Difference { classes, names, counts })
    }

    /// Where they differ most, off the diagonal.
    pub fn finding(&self) -> String {
        let each = self.counts.iter().enumerate().flat_map(|(truth, row)| {
            row.iter().enumerate().filter(move |(said, _)| *said != truth).map(move |(said, &by)| (truth, said, by))
        });
        let most = each.max_by_key(|&(truth, said, by)| (by.abs(), std::cmp::Reverse((truth, said))));
        match most {
            Some((truth, said, by)) if by != 0 => {
                let (truth, said) = (&self.classes[truth], &self.classes[said]);
                let (more, less) =
                    if by > 0 { (&self.names.0, &self.names.1) } else { (&self.names.1, &self.names.0) };
                let by = by.abs();
                format!("{more} takes {truth} for {said} more often than {less}, by {by}.")
            }
            _ => "Both make the same mistakes.".to_owned(),
        }
    }
}

pub fn figure(words: &Words, difference: &Difference) -> Markup {
    let largest = difference.counts.iter().flatten().map(|by| by.unsigned_abs()).max().unwrap_or(0).max(1) as f64;
    let drawing = html! {
        @if difference.classes.len() <= MOST_CLASSES {
            div.scroll tabindex="0" role="group" aria-label=(words.title) {
                table.matrix {
                    thead {
                        tr {
                            th scope="col" { span.muted { "truth ↓ said →" } }
                            @for name in &difference.classes { th.said scope="col" { span { (name) } } }
                        }
                    }
                    tbody {
                        @for (truth, row) in difference.counts.iter().enumerate() {
                            tr {
                                th scope="row" { (difference.classes[truth]) }
                                @for by in row {
                                    td class=(shade(*by, largest)) { @if *by != 0 { (crate::number::signed(*by as f64, 0)) } }
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

/// More of the first is earth, more of the second ice.
fn shade(by: i64, largest: f64) -> String {
    let level = (SHADES * by.unsigned_abs() as f64 / largest).ceil() as u32;
    match by {
        0 => "d0".to_owned(),
        1.. => format!("more{level}"),
        _ => format!("less{level}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (String, String) {
        ("aaaa".to_owned(), "bbbb".to_owned())
    }

    fn classes() -> Vec<String> {
        ["cat", "dog"].map(str::to_owned).into()
    }

    #[test]
    fn it_says_who_confuses_more() {
        let difference =
            Difference::of(classes(), names(), &[vec![6, 4], vec![0, 10]], &[vec![9, 1], vec![1, 9]]).unwrap();
        assert_eq!(difference.counts, [[-3, 3], [-1, 1]]);
        assert_eq!(difference.finding(), "aaaa takes cat for dog more often than bbbb, by 3.");
        let words = Words { id: "d".into(), title: "D".into(), finding: difference.finding(), note: None };
        let drawn = figure(&words, &difference).0;
        assert!(drawn.contains(r#"<td class="less4">−3</td><td class="more4">+3</td>"#), "{drawn}");
        let same = Difference::of(classes(), names(), &[vec![1, 0], vec![0, 1]], &[vec![1, 0], vec![0, 1]]).unwrap();
        assert_eq!(same.finding(), "Both make the same mistakes.");
    }

    #[test]
    fn other_classes_are_not_compared() {
        assert_eq!(Difference::of(classes(), names(), &[vec![1, 0], vec![0, 1]], &[vec![1]]), None);
        assert_eq!(Difference::of(Vec::new(), names(), &[], &[]), None);
    }
}
