//! Which class was taken for which: a real table, whose cells are the darker the more images they have.

use super::frame::{Table, Words, frame};
use crate::number::{count, percent, whole};
use maud::{Markup, html};

/// More classes are told by their largest confusions alone.
const MOST_CLASSES: usize = 20;
const MOST_PAIRS: usize = 20;
/// Shades of a cell, from none.
const SHADES: f64 = 5.0;

#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    /// In the order of their numbers.
    pub classes: Vec<String>,
    /// `counts[truth][said]`: images.
    pub counts: Vec<Vec<u32>>,
}

impl Confusion {
    fn is_whole(&self) -> bool {
        self.counts.len() == self.classes.len() && self.counts.iter().all(|row| row.len() == self.classes.len())
    }

    fn images(&self) -> u64 {
        self.counts.iter().flatten().map(|&count| u64::from(count)).sum()
    }

    /// Truth, what was said instead, and for how many images; the most first.
    fn mistakes(&self) -> Vec<(usize, usize, u32)> {
        let each = self.counts.iter().enumerate().flat_map(|(truth, row)| {
            let wrong = row.iter().enumerate().filter(move |(said, count)| *said != truth && **count > 0);
            wrong.map(move |(said, &count)| (truth, said, count))
        });
        let mut mistakes: Vec<_> = each.collect();
        mistakes.sort_by(|one, other| other.2.cmp(&one.2).then((one.0, one.1).cmp(&(other.0, other.1))));
        mistakes
    }

    /// "cat taken for dog most often, 14 of 100 images".
    pub fn finding(&self) -> String {
        if !self.is_whole() {
            return "No counts by class were kept.".to_owned();
        }
        match self.mistakes().first() {
            Some(&(truth, said, number)) => {
                let all = self.counts[truth].iter().map(|&count| u64::from(count)).sum();
                let (truth, said) = (&self.classes[truth], &self.classes[said]);
                format!("The commonest mistake: {truth} is taken for {said}, {number} of {}.", count(all, "image"))
            }
            None => format!("Not one of {} is taken for another class.", count(self.images(), "image")),
        }
    }
}

pub fn figure(words: &Words, confusion: &Confusion) -> Markup {
    let drawing = html! {
        @if confusion.is_whole() && confusion.classes.len() <= MOST_CLASSES {
            div.scroll tabindex="0" role="group" aria-label=(words.title) { (matrix(confusion)) }
        } @else if confusion.is_whole() {
            (pairs(confusion))
        }
    };
    frame(words, drawing, &Table::default())
}

fn matrix(confusion: &Confusion) -> Markup {
    let classes = &confusion.classes;
    html! {
        table.matrix {
            thead {
                tr {
                    th scope="col" { span.muted { "truth ↓ said →" } }
                    @for name in classes { th.said scope="col" { span { (name) } } }
                    th.said scope="col" { span { "right" } }
                }
            }
            tbody {
                @for (truth, row) in confusion.counts.iter().enumerate() {
                    @let all: u32 = row.iter().sum();
                    tr {
                        th scope="row" { (classes[truth]) }
                        @for (said, count) in row.iter().enumerate() {
                            td class=(shade(truth == said, *count, all)) { @if *count > 0 { (count) } }
                        }
                        td.number { (percent(f64::from(row[truth]) / f64::from(all.max(1)))) }
                    }
                }
            }
        }
    }
}

/// Of right answers earth's, of mistakes the accent's, by their share of the class' images; mistakes are seen sooner.
fn shade(is_right: bool, count: u32, all: u32) -> String {
    let share = f64::from(count) / f64::from(all.max(1));
    let level = if is_right { share } else { (2.5 * share).min(1.0) };
    let level = (SHADES * level).ceil() as u32;
    format!("{}{level}", if is_right { 'r' } else { 'w' })
}

fn pairs(confusion: &Confusion) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Commonest mistakes" {
            table.plain {
                thead { tr { th scope="col" { "truth" } th scope="col" { "said" } th scope="col" { "images" } } }
                tbody {
                    @for (truth, said, count) in confusion.mistakes().into_iter().take(MOST_PAIRS) {
                        tr {
                            th scope="row" { (confusion.classes[truth]) }
                            td { (confusion.classes[said]) }
                            td.number { (whole(u64::from(count))) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion() -> Confusion {
        let classes = ["cat", "<dog>", "frog"].map(str::to_owned).into();
        Confusion { classes, counts: vec![vec![6, 4, 0], vec![1, 9, 0], vec![0, 0, 10]] }
    }

    #[test]
    fn the_commonest_mistake_is_named() {
        assert_eq!(confusion().finding(), "The commonest mistake: cat is taken for <dog>, 4 of 10 images.");
        let perfect = Confusion { counts: vec![vec![1, 0, 0], vec![0, 1, 0], vec![0, 0, 1]], ..confusion() };
        assert_eq!(perfect.finding(), "Not one of 3 images is taken for another class.");
        let none = Confusion { counts: Vec::new(), ..confusion() };
        assert_eq!(none.finding(), "No counts by class were kept.");
    }

    #[test]
    fn cells_are_shaded_by_their_share_and_names_are_escaped() {
        let words = Words { id: "c".into(), title: "C".into(), finding: confusion().finding(), note: None };
        let drawn = figure(&words, &confusion()).0;
        assert!(drawn.contains(r#"<td class="r3">6</td><td class="w5">4</td><td class="w0"></td>"#), "{drawn}");
        assert!(!drawn.contains("<dog>"));
        figure(&words, &Confusion { counts: vec![vec![1]], ..confusion() });
    }

    #[test]
    fn of_many_classes_the_largest_confusions_are_told() {
        let classes: Vec<String> = (0..21).map(|class| format!("class {class}")).collect();
        let mut counts = vec![vec![0; 21]; 21];
        counts[3][4] = 5;
        counts[2][1] = 7;
        let mistakes = Confusion { classes, counts }.mistakes();
        assert_eq!(mistakes, [(2, 1, 7), (3, 4, 5)]);
    }
}
