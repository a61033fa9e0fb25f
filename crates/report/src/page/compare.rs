//! Two trials side by side: what differs, how their accuracies differ, their curves, and where one confuses more.

use super::document::{Links, trial_link};
use super::words::is_accuracy;
use crate::figure::compare::{self as difference, Difference};
use crate::figure::curves::{Curve, Kind};
use crate::figure::{Words, curves};
use crate::number::{self, change, fixed, seconds};
use frostline_sweep::parameters::named;
use frostline_sweep::trial::WeightsIdentity;
use frostline_view::compare::{Compared, Configurations, PairedImages};
use frostline_view::show::Shown;
use frostline_view::shown;
use maud::{Markup, html};
use serde_json::Value;

/// Two trials, and the names of the classes that they tell apart.
pub struct Pair<'a> {
    pub first: &'a Shown,
    pub second: &'a Shown,
    pub compared: &'a Compared,
    pub classes: Vec<String>,
}

pub fn compare(pair: &Pair, links: &Links) -> Markup {
    let Pair { first, second, compared, .. } = pair;
    if compared.same {
        return html! { section { p { "Both are the same trial, " (trial_link(links, first.trial)) ": same data, weights, hyperparameters and seed." } } };
    }
    html! {
        div.answer {
            p.says { (headline(first, second)) }
            @if let Some(found) = &compared.configurations { p { (configurations(found)) } }
        }
        h2.hidden { "In full" }
        div.grid {
            div { (differences(pair, links)) }
            div {
                (curve_figure(first, second))
                (by_image(compared))
            }
            @if let Some(figure) = confusion(pair) { div.wide { (figure) } }
        }
    }
}

/// Points by which the second is better, or worse.
fn headline(first: &Shown, second: &Shown) -> String {
    let (one, other) = (first.trial.short(), second.trial.short());
    let (Some(a), Some(b)) = (first.epochs.last(), second.epochs.last()) else {
        return format!("{one} and {other} have not both been trained yet.");
    };
    let by = change(b.val_accuracy - a.val_accuracy, true);
    let test = first.evaluation.as_ref().zip(second.evaluation.as_ref());
    let tested = test.map_or(String::new(), |(a, b)| {
        format!(", {} on test images", change(b.test_accuracy - a.test_accuracy, true))
    });
    format!("{other} instead of {one}: {by} points of val_accuracy{tested}.")
}

fn configurations(found: &Configurations) -> String {
    let is_accuracy = is_accuracy(found.objective);
    let (by, (low, high)) = (change(found.difference, is_accuracy), found.interval);
    let unit = if is_accuracy { " points" } else { "" };
    let basis = if found.by_image { "image by image, " } else { "" };
    format!(
        "Their configurations, over {} and {} in {}: {by}{unit} ({} to {}, {basis}p = {}).",
        number::count(found.seeds[0] as u64, "seed"),
        number::count(found.seeds[1] as u64, "seed"),
        found.sweep,
        change(low, is_accuracy),
        change(high, is_accuracy),
        fixed(found.p, 3)
    )
}

/// What each got right of the same images.
fn by_image(compared: &Compared) -> Markup {
    let splits = [("validation", &compared.validation), ("test", &compared.test)];
    let splits: Vec<(&str, &PairedImages)> =
        splits.into_iter().filter_map(|(name, images)| Some((name, images.as_ref()?))).collect();
    type Cell = fn(&PairedImages) -> String;
    let cells: [(&str, Cell); 8] = [
        ("images", |it| number::whole(it.images)),
        ("both right", |it| number::whole(it.both_right)),
        ("only the first right", |it| number::whole(it.only_first)),
        ("only the second right", |it| number::whole(it.only_second)),
        ("both wrong", |it| number::whole(it.both_wrong)),
        ("difference, points", |it| change(it.difference, true)),
        ("95 % interval", |it| format!("{} to {}", change(it.interval.0, true), change(it.interval.1, true))),
        ("p (McNemar)", |it| fixed(it.p, 3)),
    ];
    html! {
        @if !splits.is_empty() {
            h3 { "Image by image" }
            div.scroll tabindex="0" role="group" aria-label="Image by image" {
                table.pairs {
                    thead { tr { th scope="col" { span.hidden { "what" } } @for (name, _) in &splits { th.number scope="col" { (name) } } } }
                    tbody {
                        @for (name, cell) in cells {
                            tr { th scope="row" { (name) } @for (_, images) in &splits { td.number { (cell(images)) } } }
                        }
                    }
                }
            }
        }
    }
}

fn rows(shown_trial: &Shown) -> Vec<(String, String)> {
    let spec = &shown_trial.spec;
    let word = |value: Value| shown(&value);
    // By content alone: two sweeps may call the same file by two names.
    let weights = match &spec.model.weights {
        WeightsIdentity::Random => "random".to_owned(),
        WeightsIdentity::File(digest) => format!("BLAKE3 {}…", digest.chars().take(16).collect::<String>()),
    };
    let mut rows = vec![
        ("weights".to_owned(), weights),
        ("data".to_owned(), serde_json::to_value(spec.data.dataset).map(word).unwrap_or_default()),
        ("data digest".to_owned(), spec.data.digest.chars().take(16).collect()),
        ("image size".to_owned(), spec.data.image_size.to_string()),
    ];
    rows.extend(named(spec).into_iter().map(|(name, value)| (name.replace('_', " "), shown(&value))));
    rows.push(("state".to_owned(), shown_trial.state.to_string()));
    if let Some(last) = shown_trial.epochs.last() {
        rows.push(("val accuracy".to_owned(), fixed(last.val_accuracy, 3)));
    }
    if let Some(evaluation) = &shown_trial.evaluation {
        rows.push(("test accuracy".to_owned(), fixed(evaluation.test_accuracy, 3)));
        rows.push(("trained parameters".to_owned(), number::whole(evaluation.trained_parameters)));
        rows.push(("time".to_owned(), seconds(evaluation.seconds)));
    }
    rows
}

fn differences(pair: &Pair, links: &Links) -> Markup {
    let (first, second) = (rows(pair.first), rows(pair.second));
    let other =
        |name: &str| second.iter().find(|(known, _)| known == name).map_or("–", |(_, value)| value.as_str());
    html! {
        h3 { "What differs" }
        div.scroll tabindex="0" role="group" aria-label="What differs" {
            table.pairs {
                thead { tr { th scope="col" { span.hidden { "what" } } th scope="col" { (trial_link(links, pair.first.trial)) } th scope="col" { (trial_link(links, pair.second.trial)) } } }
                tbody {
                    @for (name, value) in &first {
                        tr.differs[value != other(name)] {
                            th scope="row" { (name) }
                            td { (value) }
                            td { (other(name)) }
                        }
                    }
                }
            }
        }
    }
}

fn curve_figure(first: &Shown, second: &Shown) -> Markup {
    let curve = |shown: &Shown, kind| Curve {
        label: shown.trial.short(),
        values: shown.epochs.iter().map(|epoch| epoch.val_accuracy).collect(),
        kind,
    };
    let finding = format!("Line: {}. Dashes: {}.", first.trial.short(), second.trial.short());
    let words =
        Words { id: "curves".to_owned(), title: "Learning curves, val_accuracy".to_owned(), finding, note: None };
    curves::figure(&words, &[curve(first, Kind::Best), curve(second, Kind::Beside)], "val_accuracy")
}

fn confusion(pair: &Pair) -> Option<Markup> {
    let (one, other) = (pair.first.evaluation.as_ref()?, pair.second.evaluation.as_ref()?);
    let names = (pair.first.trial.short(), pair.second.trial.short());
    let found = Difference::of(pair.classes.clone(), names.clone(), &one.confusion, &other.confusion)?;
    let words = Words {
        id: "confusion".to_owned(),
        title: "Where one confuses more than the other".to_owned(),
        finding: found.finding(),
        note: Some(format!("Test images: those of {} less those of {}.", names.0, names.1)),
    };
    Some(difference::figure(&words, &found))
}
