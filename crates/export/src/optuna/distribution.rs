//! The values of a hyperparameter as Optuna has them: a range with steps, a range, or a choice.

use crate::cell::Cell;
use crate::outline::Hyperparameter;
use serde_json::{Value, json};

/// From this ratio of the largest to the smallest on, a real number is searched by its logarithm.
const DECADE: f64 = 10.0;

pub(super) struct Distribution {
    pub(super) name: &'static str,
    /// As `distribution_json` holds it.
    pub(super) json: String,
    /// Of a choice, whose values are stored by their places.
    choices: Vec<Cell>,
}

impl Distribution {
    pub(super) fn of(parameter: &Hyperparameter) -> Distribution {
        let integers = parameter.values.iter().map(|cell| match cell {
            Cell::Integer(number) => Some(*number),
            _ => None,
        });
        let numbers = parameter.values.iter().map(|cell| match cell {
            Cell::Number(number) => Some(*number),
            _ => None,
        });
        let integers: Option<Vec<i64>> = integers.collect();
        let numbers: Option<Vec<f64>> = numbers.collect();
        let (kind, attributes, choices) = match (integers.as_deref(), numbers.as_deref()) {
            // Numbers rise.
            (Some([low, .., high]), _) => ("IntDistribution", whole(*low, *high, &parameter.values), Vec::new()),
            (Some([only]), _) => ("IntDistribution", whole(*only, *only, &parameter.values), Vec::new()),
            (_, Some([low, .., high])) => ("FloatDistribution", real(*low, *high), Vec::new()),
            (_, Some([only])) => ("FloatDistribution", real(*only, *only), Vec::new()),
            _ => ("CategoricalDistribution", json!({ "choices": parameter.values }), parameter.values.clone()),
        };
        let json = json!({ "name": kind, "attributes": attributes }).to_string();
        Distribution { name: parameter.name, json, choices }
    }

    /// A trial's value as `param_value` holds it; none where there is none.
    pub(super) fn value(&self, cell: &Cell) -> Option<f64> {
        match cell {
            Cell::Integer(number) => Some(*number as f64),
            Cell::Number(number) => Some(*number),
            Cell::Null => None,
            choice => self.choices.iter().position(|other| other == choice).map(|place| place as f64),
        }
    }
}

/// Its steps reach every value.
fn whole(low: i64, high: i64, values: &[Cell]) -> Value {
    let from_low = values.iter().filter_map(|cell| match cell {
        Cell::Integer(number) => Some(number.abs_diff(low)),
        _ => None,
    });
    let step = from_low.fold(0, greatest_common_divisor).max(1);
    json!({ "log": false, "step": step, "low": low, "high": high })
}

fn real(low: f64, high: f64) -> Value {
    let log = low > 0.0 && high >= DECADE * low;
    json!({ "step": null, "low": low, "high": high, "log": log })
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::type_of;

    fn distribution(name: &'static str, values: Vec<Cell>) -> Distribution {
        Distribution::of(&Hyperparameter { name, holds: type_of(name), values })
    }

    fn described(name: &'static str, values: Vec<Cell>) -> (String, Value) {
        let json: Value = serde_json::from_str(&distribution(name, values).json).unwrap();
        (json["name"].as_str().unwrap().to_owned(), json["attributes"].clone())
    }

    #[test]
    fn whole_numbers_are_a_range_whose_steps_reach_all_of_them() {
        let range = |values: &[i64]| described("frozen_layers", values.iter().map(|it| Cell::Integer(*it)).collect());
        let attributes =
            |low: i64, high: i64, step: i64| json!({"log": false, "low": low, "high": high, "step": step});
        assert_eq!(range(&[135, 151]), ("IntDistribution".to_owned(), attributes(135, 151, 16)));
        assert_eq!(range(&[0, 6, 9, 15]).1, attributes(0, 15, 3));
        assert_eq!(range(&[7]).1, attributes(7, 7, 1));
    }

    #[test]
    fn real_numbers_of_several_magnitudes_are_searched_by_their_logarithm() {
        let range =
            |values: &[f64]| described("learning_rate", values.iter().map(|it| Cell::Number(*it)).collect()).1;
        assert_eq!(range(&[1e-3, 1e-2]), json!({"step": null, "low": 1e-3, "high": 1e-2, "log": true}));
        assert_eq!(range(&[1e-3, 2e-3])["log"], false);
        assert_eq!(range(&[0.0, 0.1])["log"], false);
    }

    #[test]
    fn text_is_a_choice_stored_by_its_place() {
        let values = || vec![Cell::text("none"), Cell::text("256-128")];
        assert_eq!(
            described("head_units", values()),
            ("CategoricalDistribution".to_owned(), json!({"choices": ["none", "256-128"]}))
        );
        let choice = distribution("head_units", values());
        assert_eq!([Cell::text("256-128"), Cell::Null].map(|cell| choice.value(&cell)), [Some(1.0), None]);
    }
}
