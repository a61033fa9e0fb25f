//! What to run: a TOML sweep definition, checked, expanded into trials with a stable identity. Pure: no files, no
//! clock, no libtorch.

pub mod backbone;
pub mod costs;
pub mod definition;
pub mod device;
pub mod difference;
pub mod expand;
pub mod features;
pub mod keys;
pub mod layers;
pub mod metric;
pub mod outcome;
pub mod parameters;
pub mod record;
pub mod reuse;
pub mod schedule;
pub mod suggest;
pub mod trial;
