//! A sweep definition: what its TOML says, checked.

mod document;
mod grid;
mod overrides;
mod problems;
mod reader;
mod sections;
mod types;

pub use overrides::toml_string;
pub use problems::{DefinitionErrors, Place, Problem};
pub use types::{Axis, Cache, Data, Definition, DeviceChoice, Exclusion, Keep, KeepModels, Model, Workers};

impl Definition {
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
