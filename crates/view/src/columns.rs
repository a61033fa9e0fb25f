//! Which hyperparameters to show: those in which the trials differ.

use frostline_sweep::depth::Depths;
use frostline_sweep::parameters::{self, BACKBONE, Named};
use frostline_sweep::trial::TrialSpec;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// Names of hyperparameters, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Columns {
    names: Vec<&'static str>,
    /// What numbers of frozen layers stand for, where that is to be shown.
    #[serde(skip)]
    depths: Depths,
}

impl Columns {
    pub(crate) fn of_names(names: Vec<&'static str>) -> Columns {
        Columns { names, depths: Depths::default() }
    }

    /// The names in which these trials differ. What the widths of the head say already is left out: its depth, and its
    /// dropout where each head has one.
    pub fn varying(specs: impl Iterator<Item = impl Borrow<TrialSpec>>) -> Columns {
        let mut varying = Varying::default();
        for spec in specs {
            varying.add(&parameters::named(spec.borrow()));
        }
        varying.columns()
    }

    /// For rows that stand for all seeds of a configuration.
    pub fn without_seed(mut self) -> Columns {
        self.names.retain(|name| *name != "seed");
        self
    }

    /// Shows numbers of frozen layers with what they stand for.
    pub fn with_depths(self, depths: Depths) -> Columns {
        Columns { depths, ..self }
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied()
    }

    /// The values of one trial.
    pub fn of(&self, spec: &TrialSpec) -> Map<String, Value> {
        let named = parameters::named(spec).into_iter();
        named.filter(|(name, _)| self.names.contains(name)).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The values among these parameters in words, in the order of the names.
    pub fn cells(&self, parameters: &Map<String, Value>) -> Vec<String> {
        self.names
            .iter()
            .map(|name| {
                parameters.get(*name).map_or_else(String::new, |it| self.cell(name, it, parameters.get(BACKBONE)))
            })
            .collect()
    }

    fn cell(&self, name: &str, value: &Value, network: Option<&Value>) -> String {
        let network = network.and_then(Value::as_str);
        let depth = if name == "frozen_layers" { self.depths.words(network, value) } else { None };
        depth.map_or_else(|| shown(value), str::to_owned)
    }

    /// The same of [`parameters::named`].
    pub fn cells_of(&self, named: &Named) -> Vec<String> {
        let value = |name: &str| named.0.iter().find(|(known, _)| *known == name);
        let network = value(BACKBONE).map(|(_, network)| network);
        let cell =
            |name: &&str| value(name).map_or_else(String::new, |(name, value)| self.cell(name, value, network));
        self.names.iter().map(cell).collect()
    }

    /// One trial in a few words: "frozen_layers 154, optimizer adam".
    pub fn words(&self, parameters: &Map<String, Value>) -> String {
        self.words_by(parameters, |name| name)
    }

    /// The same, with other names.
    pub fn words_by(&self, parameters: &Map<String, Value>, called: fn(&str) -> &str) -> String {
        let words =
            self.names.iter().zip(self.cells(parameters)).map(|(name, cell)| format!("{} {cell}", called(name)));
        words.collect::<Vec<_>>().join(", ")
    }
}

/// Finds out in which names trials differ that come one after another: a large sweep has more than should be described at
/// a time.
#[derive(Debug, Default)]
pub struct Varying {
    first: Vec<(&'static str, Value)>,
    varies: Vec<bool>,
    /// The dropout of each head that was seen, and whether there was one for each.
    dropouts: BTreeMap<String, String>,
    dropout_varies: bool,
}

impl Varying {
    /// A trial by [`parameters::named`].
    pub fn add(&mut self, trial: &[(&'static str, Value)]) {
        if self.first.is_empty() {
            self.first = trial.to_vec();
            self.varies = vec![false; trial.len()];
        }
        for (place, varies) in self.varies.iter_mut().enumerate() {
            *varies |= trial[place] != self.first[place];
        }
        let value = |name: &str| {
            trial.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()).unwrap_or_default()
        };
        let (units, dropout) = (value("head_units"), value("head_dropout"));
        self.dropout_varies |= *self.dropouts.entry(units).or_insert_with(|| dropout.clone()) != dropout;
    }

    pub fn columns(self) -> Columns {
        let names = self.first.iter().zip(self.varies).filter(|(_, varies)| *varies).map(|((name, _), _)| *name);
        let shown = |name: &&str| match *name {
            "head_depth" => false,
            "head_dropout" => self.dropout_varies,
            _ => true,
        };
        Columns::of_names(names.filter(shown).collect())
    }
}

/// `[256, 128]` as 256-128, a word without its quotes.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(Value::to_string).collect::<Vec<_>>().join("-"),
        other => other.to_string(),
    }
}
