//! The hyperparameters by name, and their values in a trial.

use crate::backbone::Architecture;
use crate::keys::{Key, Kind};
use crate::trial::{ClassWeights, Optimizer, Parameters, Precision, Recipe, Schedule, TrialSpec};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// Name of the network among the hyperparameters.
pub const BACKBONE: &str = "backbone";

/// Keras' default of AdamW.
const KERAS_ADAMW_DECAY: f64 = 0.004;

/// A hyperparameter's value in canonical form, in which layers are counted: one number, or an object of them by network
/// where they are not the same for all `networks`. Where no network is known, they stay as they are written.
///
/// # Errors
/// What it must be and is not, in words that follow "must be".
pub fn canonical(key: &Key, value: &Value, networks: &[&Architecture]) -> Result<Value, String> {
    let value = key.kind.check(value)?;
    if !matches!(key.kind, Kind::Layers) {
        return Ok(value);
    }
    let counts = networks.iter().map(|network| Ok((network.name.to_owned(), layers(&value, network)?)));
    let counts: Vec<(String, Value)> = counts.collect::<Result<_, String>>()?;
    Ok(match counts.first() {
        None => value,
        Some((_, first)) if counts.iter().all(|(_, count)| count == first) => first.clone(),
        Some(_) => counts.into_iter().collect(),
    })
}

/// How many layers of this network a canonical value freezes.
pub fn frozen_layers(canonical: &Value, network: &str) -> Option<u32> {
    canonical.get(network).unwrap_or(canonical).as_u64().map(|count| count as u32)
}

/// The count that a count, a share of all layers, a block with all before it, or "all" is; a share is rounded down.
fn layers(value: &Value, architecture: &Architecture) -> Result<Value, String> {
    let all = architecture.layer_count();
    match value {
        Value::Number(number) if number.is_f64() => {
            let share = number.as_f64().unwrap_or_default();
            Ok(json!((share * f64::from(all)).floor() as u32))
        }
        Value::Number(count) if count.as_u64().is_some_and(|count| count <= u64::from(all)) => Ok(value.clone()),
        Value::Number(_) => {
            Err(format!("0 to {all} or \"all\", since {} has {all} layers, not {value}", architecture.name))
        }
        Value::String(word) if word != "all" => match architecture.frozen_through(word) {
            Some(count) => Ok(json!(count)),
            None => Err(format!(
                "\"all\" or one of {}'s blocks, {}, not {value}",
                architecture.name,
                architecture.stages_in_words()
            )),
        },
        _ => Ok(json!(all)),
    }
}

/// Widths of dense layers that are asked for by their number alone, and of all behind them.
const WIDTHS: [u32; 2] = [256, 128];
const NARROWEST: u32 = 64;

/// Builds the hyperparameters of one cell from its canonical values.
///
/// # Errors
/// What does not fit together: `head_depth` above the number of `head_units`, more dropout rates than layers, a warm-up
/// longer than the training.
pub fn resolve<'v>(value: impl Fn(&str) -> &'v Value) -> Result<Parameters, String> {
    let number = |name: &str| value(name).as_u64().unwrap_or_default() as u32;
    let numbers = |name: &str| value(name).as_array().map_or(&[][..], Vec::as_slice);
    let mut units: Vec<u32> =
        numbers("head_units").iter().map(|unit| unit.as_u64().unwrap_or_default() as u32).collect();
    let dropout = numbers("head_dropout");
    let depth = match value("head_depth") {
        Value::Null => units.len(),
        _ => number("head_depth") as usize,
    };
    if units.is_empty() {
        units.extend((0..depth).map(|layer| WIDTHS.get(layer).map_or(NARROWEST, |width| *width)));
    }
    if depth > units.len() {
        return Err(format!("head_depth = {depth} needs {depth} head_units, and there are {}", units.len()));
    }
    if dropout.len() > units.len() {
        return Err(format!("{} head_dropout rates for {} head_units", dropout.len(), units.len()));
    }
    let rate = |layer: usize| dropout.get(layer).and_then(Value::as_f64).unwrap_or(0.0);
    Ok(Parameters {
        frozen_layers: frozen_layers(value("frozen_layers"), value(BACKBONE).as_str().unwrap_or_default())
            .unwrap_or_default(),
        head_units: units.into_iter().take(depth).collect(),
        head_dropout: (0..depth).map(rate).collect(),
        optimizer: named_value(value("optimizer")).unwrap_or(Optimizer::Adam),
        learning_rate: value("learning_rate").as_f64().unwrap_or_default(),
        recipe: recipe(&value)?,
        epochs: number("epochs"),
        batch_size: number("batch_size"),
        precision: named_value(value("precision")).unwrap_or(Precision::Float32),
    })
}

/// A variant by its name, which was checked.
fn named_value<T: DeserializeOwned>(name: &Value) -> Option<T> {
    T::deserialize(name).ok()
}

/// What does not apply is left at its default, so that it makes no second trial of the same training.
fn recipe<'v>(value: &impl Fn(&str) -> &'v Value) -> Result<Recipe, String> {
    let whole = |name: &str| value(name).as_u64().unwrap_or_default() as u32;
    let real = |name: &str| value(name).as_f64().unwrap_or_default();
    let (warmup, epochs) = (whole("warmup_epochs"), whole("epochs"));
    if warmup > epochs {
        return Err(format!("warmup_epochs = {warmup} is more than epochs = {epochs}"));
    }
    let optimizer = value("optimizer");
    Ok(Recipe {
        schedule: match value("schedule").as_str() {
            Some("cosine") => Schedule::Cosine,
            Some("step") => Schedule::Step { epochs: whole("step_epochs").max(1), factor: real("step_factor") },
            _ => Schedule::Constant,
        },
        warmup_epochs: warmup,
        momentum: if *optimizer == "sgd" { real("momentum") } else { 0.0 },
        weight_decay: match value("weight_decay") {
            Value::Null if *optimizer == "adamw" => KERAS_ADAMW_DECAY,
            decay => decay.as_f64().unwrap_or_default(),
        },
        label_smoothing: real("label_smoothing"),
        clip_norm: real("clip_norm"),
        class_weights: named_value(value("class_weights")).unwrap_or(ClassWeights::None),
    })
}

/// A trial's hyperparameters and seed by name, for tables, JSON and filters.
pub fn named(spec: &TrialSpec) -> Vec<(&'static str, Value)> {
    let parameters = &spec.parameters;
    let recipe = &parameters.recipe;
    let (schedule, step_epochs, step_factor) = match recipe.schedule {
        Schedule::Constant => ("constant", Value::Null, Value::Null),
        Schedule::Cosine => ("cosine", Value::Null, Value::Null),
        Schedule::Step { epochs, factor } => ("step", json!(epochs), json!(factor)),
    };
    vec![
        (BACKBONE, json!(spec.model.backbone)),
        ("frozen_layers", json!(parameters.frozen_layers)),
        ("head_depth", json!(parameters.head_units.len())),
        ("head_units", json!(parameters.head_units)),
        ("head_dropout", json!(parameters.head_dropout)),
        ("optimizer", json!(parameters.optimizer)),
        ("momentum", if parameters.optimizer == Optimizer::Sgd { json!(recipe.momentum) } else { Value::Null }),
        ("weight_decay", json!(recipe.weight_decay)),
        ("learning_rate", json!(parameters.learning_rate)),
        ("schedule", json!(schedule)),
        ("warmup_epochs", json!(recipe.warmup_epochs)),
        ("step_epochs", step_epochs),
        ("step_factor", step_factor),
        ("label_smoothing", json!(recipe.label_smoothing)),
        ("class_weights", json!(recipe.class_weights)),
        ("clip_norm", json!(recipe.clip_norm)),
        ("epochs", json!(parameters.epochs)),
        ("batch_size", json!(parameters.batch_size)),
        ("precision", json!(parameters.precision)),
        ("seed", json!(spec.seed)),
    ]
}

/// [`named`], as programs read it: an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Named(pub Vec<(&'static str, Value)>);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl TrialSpec {
    /// [`named`], as programs read it.
    pub fn named_object(&self) -> Map<String, Value> {
        named(self).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backbone, keys};

    #[test]
    fn a_depth_is_a_count_however_it_is_written() {
        let lite0 = backbone::find("efficientnet_lite0").unwrap();
        let key = keys::hyperparameter("frozen_layers").unwrap();
        let read = |value: Value| canonical(key, &value, &[lite0]);
        assert_eq!(read(json!("block6c")), Ok(json!(130)));
        assert_eq!((read(json!("top")), read(json!("all"))), (Ok(json!(151)), Ok(json!(151))));
        assert_eq!((read(json!(0.9)), read(json!(1))), (Ok(json!(135)), Ok(json!(1))));
        assert_eq!(
            read(json!("block6e")).unwrap_err(),
            "\"all\" or one of efficientnet_lite0's blocks, block1a, block2a to b, block3a to b, block4a to c, block5a to \
             c, block6a to d, block7a, not \"block6e\""
        );
        for wrong in ["block", "block6", "blocka", "block6cd", "Block6c", "block-1a", "half"] {
            assert!(read(json!(wrong)).unwrap_err().starts_with("a count (256), a share"), "{wrong}");
        }
    }

    #[test]
    fn a_depth_is_counted_for_each_network() {
        let networks = ["efficientnet_lite0", "efficientnet_b0"].map(|name| backbone::find(name).unwrap());
        let key = keys::hyperparameter("frozen_layers").unwrap();
        let read = |value: Value| canonical(key, &value, &networks);
        let (half, all) = (read(json!(0.5)).unwrap(), read(json!("all")).unwrap());
        assert_eq!(
            (half.clone(), all.clone()),
            (json!({"efficientnet_lite0": 75, "efficientnet_b0": 119}), read(json!(1.0)).unwrap())
        );
        assert_eq!(
            (frozen_layers(&half, "efficientnet_b0"), frozen_layers(&all, "efficientnet_lite0")),
            (Some(119), Some(151))
        );
        let (seven, block) = (read(json!(7)).unwrap(), read(json!("block6d")).unwrap());
        assert_eq!(
            (seven.clone(), frozen_layers(&seven, "efficientnet_b0")),
            (json!(7), Some(7)),
            "the same for all"
        );
        assert_eq!(frozen_layers(&block, "efficientnet_lite0"), Some(140));
        // One of them has it.
        assert!(read(json!(200)).unwrap_err().contains("since efficientnet_lite0 has 151 layers"));
        let widest = ["efficientnet_lite0", "efficientnet_b3"].map(|name| backbone::find(name).unwrap());
        let missing = canonical(key, &json!("block6e"), &widest).unwrap_err();
        assert!(missing.starts_with("\"all\" or one of efficientnet_lite0's blocks"), "{missing}");
    }
}
