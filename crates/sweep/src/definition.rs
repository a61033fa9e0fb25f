//! A sweep definition: what its TOML says, checked.

mod document;
mod grid;
mod launchers;
mod overrides;
mod problems;
mod reader;
mod sections;
mod types;

pub use overrides::toml_string;
pub use problems::{DefinitionErrors, Place, Problem};
pub use types::{
    Axis, Cache, Commands, Data, Definition, DeviceChoice, Exclusion, Keep, KeepModels, LauncherChoice, Launchers,
    Model, Slurm, Ssh, Workers,
};

use crate::depth::Depths;
use serde_json::Value;

/// What a definition is called, whatever else may be wrong with it.
pub fn name_in(text: &str) -> Option<String> {
    let document = document::parse(text).ok()?;
    let sweep = document::find(&document, "sweep")?;
    let name = document::find(sweep.node.table()?, "name")?.node.json().ok()?;
    name.as_str().map(str::to_owned)
}

impl Definition {
    /// The numbers of frozen layers that it asks for, in the words of its network.
    pub fn depths(&self) -> Depths {
        let axis = self.axes.iter().find(|axis| axis.name == "frozen_layers");
        let written = |(written, count): &(Value, Value)| {
            Some((count.as_u64()? as u32, written.as_f64().filter(|_| written.is_f64())))
        };
        Depths::of(self.model.architecture, axis.into_iter().flat_map(|axis| &axis.values).filter_map(written))
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
