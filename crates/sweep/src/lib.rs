//! What to run: a TOML sweep definition, checked by one table of keys, expanded into trials with a stable identity; which
//! cuts of the network are worth keeping; and what is recorded of it all.
//!
//! It owns the words that every other crate speaks in (trials, features, metrics, records). It must not know files, clocks,
//! SQL or libtorch: the same text gives the same trials everywhere.

pub mod backbone;
pub mod bits;
pub mod costs;
pub mod dataset;
pub mod definition;
pub mod depth;
pub mod device;
pub mod difference;
pub mod expand;
pub mod features;
pub mod filter;
pub mod keys;
pub mod layers;
pub mod learned;
pub mod metric;
pub mod outcome;
pub mod parameters;
pub mod record;
mod remarks;
pub mod reuse;
pub mod schedule;
pub mod suggest;
pub mod trial;
