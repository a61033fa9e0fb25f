//! What to run: a TOML sweep definition, checked, expanded into trials with a stable identity. Pure: no files, no
//! clock, no libtorch.

pub mod backbone;
pub mod features;
pub mod outcome;
pub mod trial;
