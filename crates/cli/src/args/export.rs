//! What can be asked of an export.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use frostline_export::{FORMATS, Format, find};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Export {
    /// Name of the sweep, or its file; without it, the latest
    #[arg(default_value = "", hide_default_value = true, add = super::complete::sweeps())]
    pub(crate) sweep: String,
    /// What to write
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    pub(crate) format: &'static Format,
    /// The folder to write; created if missing, must be empty or an earlier export, which is replaced
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

/// By the list that `export` has.
fn format() -> impl TypedValueParser<Value = &'static Format> {
    let names = FORMATS.iter().map(|format| PossibleValue::new(format.name).help(format.meaning));
    PossibleValuesParser::new(names).try_map(|name| find(&name).ok_or_else(|| format!("there is no format `{name}`")))
}
