//! Effects as tables, and what they rest on.

use super::{DIM, Table, below, count};
use frostline_view::effects::{Axis, Basis, Difference, Effects, Explained};
use frostline_view::shown;
use std::fmt::Write;

pub(crate) fn effects(effects: &Effects) -> String {
    let name = effects.objective.name;
    let points = name.ends_with("accuracy");
    let mut text = format!(
        "Mean {name} {:.4} over {} of {}\n",
        effects.mean,
        count(effects.trials as u64, "trial"),
        count(effects.configurations as u64, "configuration")
    );
    if effects.axes.is_empty() {
        text += "The finished trials differ in no hyperparameter.\n";
        return text;
    }
    text += &changes(effects, points).fitted().to_string();
    text += &shares(effects).fitted().to_string();
    for remark in remarks(effects, points) {
        let _ = writeln!(text, "{DIM}{}{DIM:#}", below(&remark));
    }
    text
}

/// Each level against the first of its axis.
fn changes(effects: &Effects, points: bool) -> Table {
    let unit = if points { "points" } else { "difference" };
    let mut table = Table::new(&["axis", "change", unit, "95 % interval", "pairs"]).sparing(&["pairs"]);
    for axis in &effects.axes {
        for it in axis.differences.iter().filter(|it| Some(&it.from) == first_of(axis)) {
            let interval = it
                .interval
                .map_or("-".to_owned(), |(low, high)| format!("{} to {}", amount(low, points), amount(high, points)));
            let change = format!("{} instead of {}", shown(&it.to), shown(&it.from));
            table.row([axis.name.to_owned(), change, amount(it.difference, points), interval, it.pairs.to_string()]);
        }
    }
    table
}

fn first_of(axis: &Axis) -> Option<&serde_json::Value> {
    axis.differences.first().map(|Difference { from, .. }| from)
}

/// How much of all differences each part explains.
fn shares(effects: &Effects) -> Table {
    let mut table = Table::new(&["share of the differences", "", "p"]);
    let mut row = |what: String, it: Explained| {
        let p = it.p.map_or("-".to_owned(), |p| if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") });
        table.row([what, format!("{:.0} %", 100.0 * it.share), p]);
    };
    for axis in &effects.axes {
        row(axis.name.to_owned(), axis.explained);
    }
    for it in &effects.interactions {
        row(format!("{} x {}", it.axes.0, it.axes.1), it.explained);
    }
    if let Some(higher) = effects.higher {
        row("interactions of three and more".to_owned(), higher);
    }
    if let Some(seeds) = effects.seeds {
        row("seeds".to_owned(), seeds);
    }
    table
}

fn amount(value: f64, points: bool) -> String {
    if points { format!("{:+.1}", 100.0 * value) } else { format!("{value:+.4}") }
}

fn remarks(effects: &Effects, points: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    if points {
        remarks.push(
            "A point is one image in a hundred. Each change is over pairs that differ in nothing else.".to_owned(),
        );
    }
    remarks.extend(match effects.residual {
        Basis::Seeds => None,
        Basis::HigherInteractions => {
            Some("With one seed, p compares with what interactions of three and more axes explain.".to_owned())
        }
        Basis::Nothing => Some("With one seed and two axes, nothing is left to judge the shares by.".to_owned()),
    });
    if !effects.balanced {
        remarks.push("Combinations or seeds are missing, so the shares need not add up to 100 %.".to_owned());
    }
    for axes in &effects.undetermined {
        remarks.push(format!("The trials that have finished do not determine {}.", axes.join(" x ")));
    }
    if effects.unfinished > 0 {
        remarks.push(format!(
            "{} not finished yet.",
            match effects.unfinished {
                1 => "1 trial has".to_owned(),
                more => format!("{more} trials have"),
            }
        ));
    }
    remarks
}
