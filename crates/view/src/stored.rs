//! The definition that the database holds of a sweep.

use frostline_store::Sweep;
use frostline_sweep::definition::{Definition, DefinitionErrors};

/// As it was checked when it was stored: its cells, of which there may be very many, are not put together once more.
///
/// # Errors
/// The format has changed since.
pub fn definition(sweep: &Sweep) -> Result<Definition, DefinitionErrors> {
    Definition::stored(&sweep.file, &sweep.definition)
}

/// Checked anew, cells included, for whoever expands it.
///
/// # Errors
/// The format has changed since.
pub fn checked_definition(sweep: &Sweep) -> Result<Definition, DefinitionErrors> {
    Definition::parse(&sweep.file, &sweep.definition, &[])
}
