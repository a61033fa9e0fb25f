//! What the axes change, and what the differences between trials come from.

use super::words::{self, amount};
use crate::figure::effects::{Axis, Change};
use crate::figure::together::Together;
use crate::figure::variance::Share;
use crate::figure::{Words, effects as changes, together, variance};
use crate::number::{self, change, percent};
use frostline_view::effects::{self, Effects, Interaction};
use frostline_view::page::Page;
use frostline_view::shown;
use maud::{Markup, html};

/// Pairs of axes that are drawn, and what they explain at least.
const MOST_TOGETHER: usize = 2;
const LEAST_SHARE: f64 = 0.01;

pub(super) fn effect_figures(page: &Page) -> Option<Markup> {
    page.effects.as_ref().map(figures)
}

fn figures(effects: &Effects) -> Markup {
    let objective = effects.objective.name;
    let axis = |it: &effects::Axis| {
        let first = it.differences.first().map(|difference| &difference.from);
        let of_first = it.differences.iter().filter(|difference| Some(&difference.from) == first);
        let change = |it: &effects::Difference| Change {
            what: format!("{} instead of {}", shown(&it.to), shown(&it.from)),
            difference: it.difference,
            interval: it.interval,
        };
        Axis { name: it.name.replace('_', " "), changes: of_first.map(change).collect() }
    };
    let axes: Vec<Axis> = effects.axes.iter().map(axis).filter(|axis| !axis.changes.is_empty()).collect();
    let is_accuracy = words::is_accuracy(objective);
    let mut shares: Vec<Share> = Vec::new();
    let mut share = |name: String, it: effects::Explained, is_chance| {
        shares.push(Share { name, share: it.share, p: it.p, is_chance });
    };
    for it in &effects.axes {
        share(it.name.replace('_', " "), it.explained, false);
    }
    for it in &effects.interactions {
        share(format!("{} × {}", it.axes.0, it.axes.1).replace('_', " "), it.explained, false);
    }
    if let Some(higher) = effects.higher {
        share("three and more together".to_owned(), higher, false);
    }
    if let Some(seeds) = effects.seeds {
        share("seeds".to_owned(), seeds, true);
    }
    let unit = if is_accuracy { "A point is one image in a hundred. " } else { "" };
    let note = format!("{unit}Each change is the mean over pairs of configurations that differ in nothing else.");
    let words = Words {
        id: "effects".to_owned(),
        title: format!("Effects on {objective}"),
        finding: effects_finding(effects, objective),
        note: Some(note),
    };
    let of_shares = Words {
        id: "variance".to_owned(),
        title: "Where the differences come from".to_owned(),
        finding: shares_finding(&shares),
        note: (!effects.balanced)
            .then(|| "Combinations or seeds are missing, so the shares need not add up to 100 %.".to_owned()),
    };
    let changes = changes::Effects { axes, is_accuracy };
    html! {
        (changes::figure(&words, &changes))
        (variance::figure(&of_shares, &shares))
        @for (place, it) in worth_showing(&effects.interactions).enumerate() {
            (together_figure(place, it, objective))
        }
    }
}

/// Those that explain something, the one that explains most first.
fn worth_showing(interactions: &[Interaction]) -> impl Iterator<Item = &Interaction> {
    let mut shown: Vec<&Interaction> = interactions.iter().filter(|it| it.explained.share >= LEAST_SHARE).collect();
    shown.sort_by(|one, other| other.explained.share.total_cmp(&one.explained.share));
    shown.into_iter().take(MOST_TOGETHER)
}

fn together_figure(place: usize, it: &Interaction, objective: &str) -> Markup {
    let spaced = |name: &str| name.replace('_', " ");
    let axes = (spaced(it.axes.0), spaced(it.axes.1));
    let largest = it.effects.iter().max_by(|one, other| one.effect.abs().total_cmp(&other.effect.abs()));
    let finding = largest.map_or(String::new(), |largest| {
        format!(
            "{} {} with {} {}: {} beside what each does alone. That explains {}.",
            number::sentence(&axes.0),
            shown(&largest.values.0),
            axes.1,
            shown(&largest.values.1),
            amount(largest.effect, objective),
            percent(it.explained.share)
        )
    });
    let words = Words {
        id: format!("together-{place}"),
        title: format!("{} × {}", axes.0, axes.1),
        finding,
        note: Some("Each cell: how far both together are from the sum of their effects.".to_owned()),
    };
    let mut together = Together { axes, is_accuracy: words::is_accuracy(objective), ..Together::default() };
    for cell in &it.effects {
        together.add(shown(&cell.values.0), shown(&cell.values.1), cell.effect);
    }
    together::figure(&words, &together)
}

/// The axis that explains most, and its largest change.
fn effects_finding(effects: &Effects, objective: &str) -> String {
    let Some(axis) = effects.axes.first() else { return String::new() };
    let largest =
        axis.differences.iter().max_by(|one, other| one.difference.abs().total_cmp(&other.difference.abs()));
    let Some(largest) = largest else { return String::new() };
    let interval = largest.interval.map_or(String::new(), |(low, high)| {
        let bound = |value| change(value, words::is_accuracy(objective));
        format!(" ({} to {})", bound(low), bound(high))
    });
    format!(
        "Most depends on {}: {} instead of {} changes {objective} by {}{interval}.",
        axis.name.replace('_', " "),
        shown(&largest.to),
        shown(&largest.from),
        amount(largest.difference, objective)
    )
}

fn shares_finding(shares: &[Share]) -> String {
    let most = shares.iter().filter(|it| !it.is_chance).max_by(|one, other| one.share.total_cmp(&other.share));
    let Some(most) = most else { return String::new() };
    let seeds = shares.iter().find(|it| it.is_chance);
    let beside = seeds.map_or(String::new(), |seeds| format!(", {} from chance between seeds", percent(seeds.share)));
    format!("{} of the differences come from {}{beside}.", percent(most.share), most.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::metric;
    use frostline_view::effects::{Basis, Explained, Together as Cell};
    use serde_json::json;

    #[test]
    fn the_share_of_chance_is_said_where_seeds_tell_it() {
        let of = |name: &str, share, is_chance| Share { name: name.to_owned(), share, p: None, is_chance };
        let axes = [of("optimizer", 0.1, false), of("frozen layers", 0.7, false)];
        assert_eq!(shares_finding(&axes), "70 % of the differences come from frozen layers.");
        let with_seeds: Vec<Share> = axes.into_iter().chain([of("seeds", 0.8, true)]).collect();
        assert_eq!(
            shares_finding(&with_seeds),
            "70 % of the differences come from frozen layers, 80 % from chance between seeds."
        );
        assert_eq!(shares_finding(&[]), "");
    }

    #[test]
    fn pairs_of_axes_that_explain_something_are_drawn_the_one_that_explains_most_first() {
        let interaction = |other: &'static str, share: f64| Interaction {
            axes: ("frozen_layers", other),
            explained: Explained { share, freedom: 1, p: None },
            effects: vec![
                Cell { values: (json!(75), json!("x")), effect: 0.002 },
                Cell { values: (json!(151), json!("x")), effect: -0.012 },
            ],
        };
        let effects = Effects {
            objective: metric::find("val_accuracy").unwrap(),
            mean: 0.5,
            trials: 4,
            configurations: 4,
            unfinished: 0,
            balanced: true,
            axes: Vec::new(),
            interactions: vec![
                interaction("epochs", 0.009),
                interaction("optimizer", 0.2),
                interaction("batch_size", 0.05),
                interaction("head_depth", 0.3),
            ],
            higher: None,
            seeds: None,
            residual: Basis::Nothing,
            undetermined: Vec::new(),
        };
        let drawn = figures(&effects).0;
        let place = |title: &str| drawn.find(&format!("<h3>frozen layers × {title}</h3>"));
        assert!(place("head depth").unwrap() < place("optimizer").unwrap());
        assert_eq!((place("batch size"), place("epochs")), (None, None));
        let finding =
            "Frozen layers 151 with head depth x: −1.2 points beside what each does alone. That explains 30 %.";
        assert!(drawn.contains(finding), "{drawn}");
    }
}
