//! The hyperparameters by name: what each accepts, and its value in a trial.

use crate::backbone::Architecture;
use crate::suggest;
use crate::trial::{Optimizer, Parameters, Precision, Recipe, Schedule, TrialSpec};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A key that may stand in `[train]` with one value, or in `[grid]` with a list of them.
pub struct Key {
    pub name: &'static str,
    /// The value in its canonical form, or what is wrong with it.
    check: fn(&Value, &Architecture) -> Result<Value, String>,
    /// What holds where a definition does not say; none where it has to.
    default: fn() -> Option<Value>,
}

/// Keras' default of AdamW.
const KERAS_ADAMW_DECAY: f64 = 0.004;

static KEYS: [Key; 17] = [
    Key { name: "frozen_layers", check: frozen_layers, default: || None },
    Key { name: "head_depth", check: |value, _| count(value, 0, 16), default: || None },
    Key {
        name: "head_units",
        check: |value, _| list(value, |unit| count(unit, 1, 65_536)),
        default: || Some(json!([])),
    },
    Key { name: "head_dropout", check: |value, _| list(value, rate), default: || Some(json!([])) },
    Key { name: "optimizer", check: |value, _| word(value, &Optimizer::NAMES), default: || Some(json!("adam")) },
    Key { name: "momentum", check: |value, _| rate(value), default: || Some(json!(0.9)) },
    // None: what holds depends on the optimizer.
    Key { name: "weight_decay", check: |value, _| rate(value), default: || Some(Value::Null) },
    Key { name: "learning_rate", check: |value, _| positive(value), default: || Some(json!(1e-3)) },
    Key {
        name: "schedule",
        check: |value, _| word(value, &["constant", "cosine", "step"]),
        default: || Some(json!("constant")),
    },
    Key { name: "warmup_epochs", check: |value, _| count(value, 0, 100_000), default: || Some(json!(0)) },
    Key { name: "step_epochs", check: |value, _| count(value, 1, 100_000), default: || Some(json!(3)) },
    Key { name: "step_factor", check: |value, _| positive(value), default: || Some(json!(0.1)) },
    Key { name: "label_smoothing", check: |value, _| rate(value), default: || Some(json!(0.0)) },
    Key { name: "clip_norm", check: |value, _| not_negative(value), default: || Some(json!(0.0)) },
    Key { name: "epochs", check: |value, _| count(value, 1, 100_000), default: || Some(json!(10)) },
    Key { name: "batch_size", check: |value, _| count(value, 1, 65_536), default: || Some(json!(64)) },
    Key {
        name: "precision",
        check: |value, _| word(value, &["float32", "bfloat16"]),
        default: || Some(json!("float32")),
    },
];

/// The key called `name`.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

pub fn keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter()
}

impl Key {
    pub fn check(&self, value: &Value, architecture: &Architecture) -> Result<Value, String> {
        (self.check)(value, architecture)
    }

    pub fn default(&self) -> Option<Value> {
        (self.default)()
    }
}

/// A count, a share of all layers, or "all"; canonical is the count. A share is rounded down.
fn frozen_layers(value: &Value, architecture: &Architecture) -> Result<Value, String> {
    let all = architecture.layer_count();
    match value {
        Value::String(word) if word == "all" => Ok(json!(all)),
        Value::Number(number) if number.is_f64() => {
            let share = number.as_f64().unwrap_or(f64::NAN);
            if (0.0..=1.0).contains(&share) {
                Ok(json!((share * f64::from(all)).floor() as u32))
            } else {
                Err(format!("a share from 0.0 to 1.0, a count or \"all\", not {share}"))
            }
        }
        Value::Number(_) => match count(value, 0, all) {
            Ok(count) => Ok(count),
            Err(_) => {
                Err(format!("0 to {all} or \"all\", since {} has {all} layers, not {value}", architecture.name))
            }
        },
        _ => Err(format!("a count (256), a share (0.5) or \"all\", not {value}")),
    }
}

fn count(value: &Value, least: u32, most: u32) -> Result<Value, String> {
    match value.as_u64().and_then(|count| u32::try_from(count).ok()) {
        Some(count) if (least..=most).contains(&count) => Ok(json!(count)),
        _ => Err(format!("a whole number from {least} to {most}, not {value}")),
    }
}

fn positive(value: &Value) -> Result<Value, String> {
    match value.as_f64() {
        Some(number) if number > 0.0 && number.is_finite() => Ok(json!(number)),
        _ => Err(format!("a number above 0, not {value}")),
    }
}

fn not_negative(value: &Value) -> Result<Value, String> {
    match value.as_f64() {
        Some(number) if number >= 0.0 && number.is_finite() => Ok(json!(number)),
        _ => Err(format!("a number of at least 0, not {value}")),
    }
}

fn rate(value: &Value) -> Result<Value, String> {
    match value.as_f64() {
        Some(rate) if (0.0..1.0).contains(&rate) => Ok(json!(rate)),
        _ => Err(format!("a rate from 0.0 to below 1.0, not {value}")),
    }
}

fn list(value: &Value, check: impl Fn(&Value) -> Result<Value, String>) -> Result<Value, String> {
    let Value::Array(items) = value else { return Err(format!("a list, not {value}")) };
    items.iter().map(check).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn word(value: &Value, words: &[&str]) -> Result<Value, String> {
    match value.as_str() {
        Some(word) if words.contains(&word) => Ok(json!(word)),
        Some(word) => {
            let hint = suggest::hint(word, words.iter().copied());
            Err(format!("one of \"{}\", not {value}{hint}", words.join("\", \"")))
        }
        None => Err(format!("one of \"{}\", not {value}", words.join("\", \""))),
    }
}

/// Builds the hyperparameters of one cell from its canonical values.
///
/// # Errors
/// What does not fit together: `head_depth` above the number of `head_units`, more dropout rates than layers, a warm-up
/// longer than the training.
pub fn resolve(value: impl Fn(&str) -> Value) -> Result<Parameters, String> {
    let number = |name: &str| value(name).as_u64().unwrap_or_default() as u32;
    let numbers = |name: &str| value(name).as_array().cloned().unwrap_or_default();
    let units = numbers("head_units");
    let dropout = numbers("head_dropout");
    let depth = match value("head_depth") {
        Value::Null => units.len(),
        _ => number("head_depth") as usize,
    };
    if depth > units.len() {
        return Err(format!("head_depth = {depth} needs {depth} head_units, and there are {}", units.len()));
    }
    if dropout.len() > units.len() {
        return Err(format!("{} head_dropout rates for {} head_units", dropout.len(), units.len()));
    }
    let rate = |layer: usize| dropout.get(layer).and_then(Value::as_f64).unwrap_or(0.0);
    Ok(Parameters {
        frozen_layers: number("frozen_layers"),
        head_units: units.iter().take(depth).map(|unit| unit.as_u64().unwrap_or_default() as u32).collect(),
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
fn named_value<T: DeserializeOwned>(name: Value) -> Option<T> {
    serde_json::from_value(name).ok()
}

/// What does not apply is left at its default, so that it makes no second trial of the same training.
fn recipe(value: impl Fn(&str) -> Value) -> Result<Recipe, String> {
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
        momentum: if optimizer == "sgd" { real("momentum") } else { 0.0 },
        weight_decay: match value("weight_decay") {
            Value::Null if optimizer == "adamw" => KERAS_ADAMW_DECAY,
            decay => decay.as_f64().unwrap_or_default(),
        },
        label_smoothing: real("label_smoothing"),
        clip_norm: real("clip_norm"),
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
        ("clip_norm", json!(recipe.clip_norm)),
        ("epochs", json!(parameters.epochs)),
        ("batch_size", json!(parameters.batch_size)),
        ("precision", json!(parameters.precision)),
        ("seed", json!(spec.seed)),
    ]
}

/// A condition on a trial: `frozen_layers=256`, `learning_rate<0.01`, `optimizer!=adam`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    name: &'static str,
    comparison: Comparison,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Filter {
    /// # Errors
    /// A sentence that names what is wrong with the condition.
    pub fn parse(text: &str) -> Result<Filter, String> {
        use Comparison::{AtLeast, AtMost, Equal, Greater, Less, Unequal};
        let signs = [("!=", Unequal), ("<=", AtMost), (">=", AtLeast), ("=", Equal), ("<", Less), (">", Greater)];
        let start = text.find(['=', '!', '<', '>']).ok_or_else(|| {
            format!("`{text}` is no condition: write a name, one of = != < <= > >=, and a value (frozen_layers=256)")
        })?;
        let (name, rest) = (text[..start].trim(), &text[start..]);
        let (sign, comparison) = signs
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or_else(|| format!("`{text}` is no condition: `!` stands before `=` only"))?;
        let names = || KEYS.iter().map(|key| key.name).chain(["seed"]);
        let known = names().find(|known| *known == name);
        let name =
            known.ok_or_else(|| format!("no hyperparameter is called `{name}`{}", suggest::hint(name, names())))?;
        Ok(Filter { name, comparison, value: rest[sign.len()..].trim().to_owned() })
    }

    /// Whether a trial of this network meets the condition. `frozen_layers` may be given as in a definition.
    pub fn matches(&self, spec: &TrialSpec, architecture: &Architecture) -> bool {
        let Some((_, actual)) = named(spec).into_iter().find(|(name, _)| *name == self.name) else { return false };
        let wanted = serde_json::from_str(&self.value).unwrap_or_else(|_| Value::String(self.value.clone()));
        let wanted = find(self.name).and_then(|key| key.check(&wanted, architecture).ok()).unwrap_or(wanted);
        let order = match (actual.as_f64(), wanted.as_f64()) {
            (Some(actual), Some(wanted)) => actual.partial_cmp(&wanted),
            _ => (actual == wanted).then_some(std::cmp::Ordering::Equal),
        };
        match self.comparison {
            Comparison::Equal => order.is_some_and(|order| order.is_eq()),
            Comparison::Unequal => !order.is_some_and(|order| order.is_eq()),
            Comparison::Less => order.is_some_and(|order| order.is_lt()),
            Comparison::AtMost => order.is_some_and(|order| order.is_le()),
            Comparison::Greater => order.is_some_and(|order| order.is_gt()),
            Comparison::AtLeast => order.is_some_and(|order| order.is_ge()),
        }
    }
}
