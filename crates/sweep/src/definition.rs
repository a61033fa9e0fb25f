//! A sweep definition: what its TOML says, checked.

mod document;
mod grid;
mod launchers;
mod networks;
mod overrides;
mod problems;
mod reader;
mod sections;
mod types;

pub use grid::Cell;
pub use overrides::toml_string;
pub use problems::{DefinitionErrors, Place, Problem};
pub use types::{
    Axis, Cache, Commands, Data, Definition, DeviceChoice, Exclusion, Keep, KeepModels, LauncherChoice, Launchers,
    Network, Slurm, Ssh, Workers,
};

use crate::depth::Depths;
use crate::parameters::frozen_layers;
use serde_json::Value;

/// What a definition is called, whatever else may be wrong with it.
pub fn name_in(text: &str) -> Option<String> {
    let document = document::parse(text).ok()?;
    let sweep = document::find(&document, "sweep")?;
    let name = document::find(sweep.node.table()?, "name")?.node.json().ok()?;
    name.as_str().map(str::to_owned)
}

impl Definition {
    /// The numbers of frozen layers that it asks for, in the words of each network.
    pub fn depths(&self) -> Depths {
        let depths = self.networks.iter().flat_map(|network| {
            let written = |(written, canonical): &(Value, Value)| {
                let count = frozen_layers(canonical, network.architecture.name)?;
                Some((network.architecture, count, written.as_f64().filter(|_| written.is_f64())))
            };
            self.axis("frozen_layers").filter_map(written)
        });
        Depths::of(depths)
    }

    /// The values of an axis, as written and in canonical form; none where it is no axis.
    pub fn axis(&self, name: &str) -> impl Iterator<Item = &(Value, Value)> {
        self.axes.iter().filter(move |axis| axis.name == name).flat_map(|axis| &axis.values)
    }

    /// What it says of a network; none where it has none of that name.
    pub fn network(&self, backbone: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.architecture.name == backbone)
    }

    /// Checks a definition. `overrides` are `key = value` pairs such as `train.epochs`, `2`, which stand for what the text
    /// says; a value that is no TOML is taken for text.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place, not only the first.
    pub fn parse(file: &str, text: &str, overrides: &[(String, String)]) -> Result<Definition, DefinitionErrors> {
        sections::definition(file, text, overrides, true)
    }

    /// The same with other values of keys that no cell depends on, such as paths.
    ///
    /// # Errors
    /// As [`Definition::parse`].
    pub fn with(&self, file: &str, overrides: &[(String, String)]) -> Result<Definition, DefinitionErrors> {
        sections::definition(file, &self.text, overrides, false)
    }

    /// A definition that was checked when it was stored: its cells, of which there may be very many, are not put together
    /// once more.
    ///
    /// # Errors
    /// As [`Definition::parse`], where the format has changed since.
    pub fn stored(file: &str, text: &str) -> Result<Definition, DefinitionErrors> {
        sections::definition(file, text, &[], false)
    }
}
