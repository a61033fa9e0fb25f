//! Two trials side by side, and in sentences what tells them apart.

use super::{DIM, Table, below, count};
use frostline_view::compare::{Compared, Configurations, PairedImages};
use frostline_view::shown;
use std::fmt::Write;

/// `classes` are the names of the classes in the order of their numbers.
pub(crate) fn comparison(compared: &Compared, classes: &[String]) -> String {
    let ids = compared.trials.each_ref().map(|side| side.trial.short());
    if compared.same {
        return format!("Both are trial {}: the same content is one trial, whichever sweep asks for it.\n", ids[0]);
    }
    let mut text = String::new();
    let mut differs = Table::new(&["differs", ids[0].as_str(), ids[1].as_str()]);
    for it in &compared.differs {
        let [one, other] = it.values.each_ref().map(|value| short(&shown(value)));
        differs.row([it.name.clone(), one, other]);
    }
    let mut measured = Table::new(&["metric", ids[0].as_str(), ids[1].as_str(), "difference"]);
    for it in &compared.metrics {
        let [one, other] = it.values.map(|value| value.map_or("-".to_owned(), |value| format!("{value:.4}")));
        let difference = it.difference.map_or("-".to_owned(), |difference| amount(it.name, difference));
        measured.row([it.name.to_owned(), one, other, difference]);
    }
    let _ = write!(text, "{}\n{}", differs.fitted(), measured.fitted());
    let splits = [("validation", &compared.validation), ("test", &compared.test)];
    let mut sentences: Vec<String> = splits
        .into_iter()
        .filter_map(|(split, images)| images.as_ref().map(|images| by_image(split, images, &ids)))
        .collect();
    sentences.extend(compared.configurations.as_ref().map(|it| over_seeds(it, &ids)));
    if compared.validation.is_none() && compared.metrics.iter().all(|it| it.difference.is_some()) {
        sentences.push(
            "They cannot be compared image by image: they saw other images, or which ones they got right is not stored."
                .to_owned(),
        );
    }
    for sentence in sentences {
        let _ = writeln!(text, "\n{}", below(&sentence));
    }
    if !compared.confusion.is_empty() {
        let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| class.to_string());
        let mut moved = Table::new(&["test images of", "said to be", ids[0].as_str(), ids[1].as_str()]);
        for it in &compared.confusion {
            moved.row([name(it.truth), name(it.said), it.images[0].to_string(), it.images[1].to_string()]);
        }
        let _ = write!(text, "\n{DIM}  where their answers differ most{DIM:#}\n{}", moved.fitted());
    }
    text
}

/// A digest is long, and its beginning is enough to see that it is another.
fn short(text: &str) -> String {
    match text.char_indices().nth(24) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn amount(metric: &str, difference: f64) -> String {
    match metric.ends_with("accuracy") {
        // The same difference, whether it was taken of shares or of counts.
        true => format!("{:+.1} points", (1e6 * difference).round() / 1e4),
        false => format!("{difference:+.4}"),
    }
}

fn points((low, high): (f64, f64)) -> String {
    format!("95 % {:+.1} to {:+.1}", 100.0 * low, 100.0 * high)
}

fn chance(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

fn by_image(split: &str, it: &PairedImages, [first, second]: &[String; 2]) -> String {
    let images = count(it.images, &format!("{split} image"));
    let (both, one, other, none) = (it.both_right, it.only_first, it.only_second, it.both_wrong);
    format!(
        "Of {images} both are right on {both}, only {first} on {one}, only {second} on {other}, neither on {none}: {} \
         ({}; {}, McNemar's exact test).",
        amount("accuracy", it.difference),
        points(it.interval),
        chance(it.p)
    )
}

fn over_seeds(it: &Configurations, [first, second]: &[String; 2]) -> String {
    let sides = [(first, 0), (second, 1)].map(|(id, side)| {
        format!("that of {id} has {:.4} over {}", it.means[side], count(it.seeds[side] as u64, "seed"))
    });
    let is_accuracy = it.objective.ends_with("accuracy");
    let interval = match is_accuracy {
        true => points(it.interval),
        false => format!("95 % {:+.4} to {:+.4}", it.interval.0, it.interval.1),
    };
    let basis = if it.by_image { ", by images and seeds" } else { "" };
    format!(
        "By configuration, in `{}`: {} and {}, {} ({interval}; {}{basis}).",
        it.sweep,
        sides[0],
        sides[1],
        amount(it.objective, it.difference),
        chance(it.p)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_shares_and_one_of_counts_are_rounded_alike() {
        // One is a little less than 0.35 points, the other a little more.
        for difference in [0.9010 - 0.9045, (271.0 - 306.0) / 10_000.0] {
            assert_eq!(amount("test_accuracy", difference), "-0.3 points");
        }
    }
}
