//! What changed between two definitions of one sweep.

use crate::definition::Definition;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A value that all trials share and that is not as it was: every finished trial was run with the old one.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub key: String,
    pub old: Value,
    pub new: Value,
}

/// Compares what all trials are made of; how they are run is of no concern, nor which values an axis has gained (their cells
/// are new) or lost (their trials stay in the database).
pub fn changes(old: &Definition, new: &Definition) -> Vec<Change> {
    let (old_axes, new_axes) = (axes(old), axes(new));
    let axes = old_axes.iter().filter_map(|(&name, old)| match (&old[..], &new_axes.get(name)?[..]) {
        ([old], [new]) => Some((name, old.clone(), new.clone())),
        _ => None,
    });
    let new_settings = settings(new);
    let settings = settings(old).into_iter().map(|(key, old)| (key, old, new_settings[&key].clone()));
    // Of networks that only one of them has, no trial is the other's.
    let weights = old.networks.iter().filter_map(|network| {
        let now = new.network(network.architecture.name)?;
        Some(("model.weights", json!(network.weights), json!(now.weights)))
    });
    let all = axes.chain(settings).chain(weights).filter(|(_, old, new)| old != new);
    all.map(|(key, old, new)| Change { key: key.to_owned(), old, new }).collect()
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
        ("data.test_share", json!(data.test_share)),
        ("data.image_size", json!(data.image_size)),
        ("data.fit", json!(data.fit)),
        ("data.augment", json!(data.augment.name())),
        ("data.views", json!(data.views)),
        ("data.magnitude", json!(data.magnitude)),
        ("data.train_limit", json!(data.train_limit)),
        ("data.test_limit", json!(data.test_limit)),
    ])
}
