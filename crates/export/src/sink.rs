//! One format's files while they are written.

use crate::ExportError;
use crate::outline::Outline;
use frostline_store::Recorded;
use std::path::Path;

/// Begins to write into an empty folder.
pub(crate) type Begin = for<'a> fn(&'a Outline, &Path) -> Result<Box<dyn Sink + 'a>, ExportError>;

pub(crate) trait Sink {
    /// Trials come in the order of the sweep's definition.
    ///
    /// # Errors
    /// A file cannot be written.
    fn trial(&mut self, trial: &Recorded) -> Result<(), ExportError>;

    /// Writes what is left; without it the files are not whole.
    ///
    /// # Errors
    /// A file cannot be written.
    fn finish(self: Box<Self>) -> Result<(), ExportError>;
}
