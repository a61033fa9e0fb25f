//! What changed between two definitions of one sweep.

use crate::definition::Definition;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Values that an axis has gained; their cells are new.
    Gained { axis: &'static str, values: Vec<Value> },
    /// Values that an axis has lost; their trials stay in the database and no longer belong to the sweep.
    Lost { axis: &'static str, values: Vec<Value> },
    /// A value that all trials share: every finished trial was run with the old one.
    Altered { key: String, old: Value, new: Value },
}

/// Compares what trials are made of; how they are run is of no concern.
pub fn changes(old: &Definition, new: &Definition) -> Vec<Change> {
    let (old_axes, new_axes) = (axes(old), axes(new));
    let mut changes = Vec::new();
    for (&name, old_values) in &old_axes {
        let Some(new_values) = new_axes.get(name) else { continue };
        let without = |these: &[Value], those: &[Value]| -> Vec<Value> {
            these.iter().filter(|value| !those.contains(value)).cloned().collect()
        };
        let (gained, lost) = (without(new_values, old_values), without(old_values, new_values));
        match (&old_values[..], &new_values[..]) {
            ([old], [new]) if old != new => {
                changes.push(Change::Altered { key: name.to_owned(), old: old.clone(), new: new.clone() });
            }
            _ => {
                if !gained.is_empty() {
                    changes.push(Change::Gained { axis: name, values: gained });
                }
                if !lost.is_empty() {
                    changes.push(Change::Lost { axis: name, values: lost });
                }
            }
        }
    }
    let (old_settings, new_settings) = (settings(old), settings(new));
    for (key, old) in old_settings {
        let new = new_settings[&key].clone();
        if old != new {
            changes.push(Change::Altered { key: key.to_owned(), old, new });
        }
    }
    changes
}

/// Every hyperparameter as an axis; a fixed value is an axis of one.
fn axes(definition: &Definition) -> BTreeMap<&'static str, Vec<Value>> {
    let fixed = definition.fixed.iter().map(|(&name, value)| (name, vec![value.clone()]));
    let axes = definition.axes.iter();
    let axes = axes.map(|axis| (axis.name, axis.values.iter().map(|(_, canonical)| canonical.clone()).collect()));
    let seeds = definition.seeds.iter().map(|&seed| json!(seed)).collect();
    fixed.chain(axes).chain([("seeds", seeds)]).collect()
}

fn settings(definition: &Definition) -> BTreeMap<&'static str, Value> {
    let data = &definition.data;
    BTreeMap::from([
        ("data.dataset", json!(data.dataset)),
        ("data.validation", json!(data.validation)),
        ("data.image_size", json!(data.image_size)),
        ("data.augment", json!(data.augment)),
        ("data.train_limit", json!(data.train_limit)),
        ("data.test_limit", json!(data.test_limit)),
        ("model.backbone", json!(definition.model.architecture.name)),
        ("model.weights", json!(definition.model.weights)),
    ])
}
