//! Configurations and states in words.

use crate::number;
use frostline_sweep::outcome::TrialState;
use frostline_view::best::Row;
use frostline_view::{Columns, shown};
use serde_json::Value;

/// What sets a configuration apart: "freeze 135 of 151 layers, head 256-128-64, RMSProp".
pub(super) fn configuration(columns: &Columns, row: &Row) -> String {
    let layers = row.network().map(|network| network.layer_count());
    let words = columns.names().filter_map(|name| Some(parameter(name, row.parameters.get(name)?, layers)));
    words.collect::<Vec<_>>().join(", ")
}

/// One hyperparameter. `layers` are those of the whole network.
pub(super) fn parameter(name: &str, value: &Value, layers: Option<u32>) -> String {
    let said = shown(value);
    match name {
        "frozen_layers" => frozen(value.as_u64().unwrap_or_default() as u32, layers),
        "head_units" if said == "none" => "no dense layer".to_owned(),
        "head_units" => format!("head {said}"),
        "optimizer" => optimizer(&said).to_owned(),
        // No other value looks like one.
        "backbone" => said,
        _ => format!("{} {said}", name.replace('_', " ")),
    }
}

fn frozen(frozen: u32, layers: Option<u32>) -> String {
    match (frozen, layers) {
        (0, _) => "freeze nothing".to_owned(),
        (frozen, Some(layers)) if frozen >= layers => format!("freeze all {layers} layers"),
        (frozen, Some(layers)) => format!("freeze {frozen} of {layers} layers"),
        (frozen, None) => format!("freeze {}", number::count(u64::from(frozen), "layer")),
    }
}

fn optimizer(name: &str) -> &str {
    match name {
        "adam" => "Adam",
        "adamw" => "AdamW",
        "rmsprop" => "RMSProp",
        "sgd" => "SGD",
        other => other,
    }
}

/// In a table's head.
pub(super) fn heading(name: &str) -> String {
    match name {
        "frozen_layers" => "frozen".to_owned(),
        "head_units" => "head".to_owned(),
        name => name.replace('_', " "),
    }
}

pub(super) fn is_accuracy(metric: &str) -> bool {
    metric.ends_with("accuracy")
}

/// A class, and how far a sweep has come.
pub fn state(of: &dyn Fn(TrialState) -> u64) -> (&'static str, String) {
    let total: u64 = TrialState::ALL.iter().map(|&state| of(state)).sum();
    let (complete, failed, running) = (of(TrialState::Complete), of(TrialState::Failed), of(TrialState::Running));
    let done = format!("{} of {} done", number::whole(complete), number::whole(total));
    match () {
        () if running > 0 => ("running", format!("running, {done}")),
        () if failed > 0 => ("failed", format!("{done}, {} failed", number::whole(failed))),
        () if complete == total && total > 0 => ("done", format!("complete, {done}")),
        () => ("", done),
    }
}

/// A class, and how a trial stands.
pub fn trial_state(state: TrialState) -> (&'static str, String) {
    let class = match state {
        TrialState::Complete => "done",
        TrialState::Running => "running",
        TrialState::Failed => "failed",
        TrialState::Waiting | TrialState::Pruned | TrialState::Cancelled => "waiting",
    };
    (class, state.to_string())
}

/// "+2.9 points".
pub(super) fn amount(difference: f64, metric: &str) -> String {
    let unit = if is_accuracy(metric) { " points" } else { "" };
    format!("{}{unit}", number::change(difference, is_accuracy(metric)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hyperparameters_read_as_people_say_them() {
        let said = |name, value, layers| parameter(name, &value, layers);
        assert_eq!(said("frozen_layers", json!(135), Some(151)), "freeze 135 of 151 layers");
        assert_eq!(said("frozen_layers", json!(151), Some(151)), "freeze all 151 layers");
        assert_eq!(said("frozen_layers", json!(0), None), "freeze nothing");
        assert_eq!(said("head_units", json!([256, 128]), None), "head 256-128");
        assert_eq!(said("head_units", json!([]), None), "no dense layer");
        assert_eq!(said("optimizer", json!("rmsprop"), None), "RMSProp");
        assert_eq!(said("learning_rate", json!(0.001), None), "learning rate 0.001");
    }

    #[test]
    fn a_state_says_what_matters_most() {
        let of = |running, failed, complete| {
            state(&move |state| match state {
                TrialState::Running => running,
                TrialState::Failed => failed,
                TrialState::Complete => complete,
                _ => 0,
            })
        };
        assert_eq!(of(1, 1, 2), ("running", "running, 2 of 4 done".to_owned()));
        assert_eq!(of(0, 1, 2), ("failed", "2 of 3 done, 1 failed".to_owned()));
        assert_eq!(of(0, 0, 2), ("done", "complete, 2 of 2 done".to_owned()));
        assert_eq!(of(0, 0, 0), ("", "0 of 0 done".to_owned()));
    }
}
