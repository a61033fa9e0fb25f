//! What is recorded in the results folder, for commands that ask.

use crate::args::Common;
use crate::output;
use frostline_store::{Reader, StoreError};
use std::sync::atomic::{AtomicBool, Ordering};

/// Opens it, and says how old it is where there may be more by now.
///
/// # Errors
/// As [`frostline_store::open`].
pub(crate) fn open(common: &Common) -> Result<Reader, StoreError> {
    told(frostline_store::open(&common.results)?)
}

/// The same of the database itself, where nobody holds it.
///
/// # Errors
/// As [`Reader::open_itself`].
pub(crate) fn open_itself(common: &Common) -> Result<Reader, StoreError> {
    // One of an earlier version is brought up to date.
    drop(frostline_store::open(&common.results)?);
    told(Reader::open_itself(&common.results)?)
}

fn told(reader: Reader) -> Result<Reader, StoreError> {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    if let Some((at, holder)) = reader.as_of()
        && !IS_TOLD.swap(true, Ordering::Relaxed)
    {
        let holder = holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
        output::note(&format!("As of {}: {holder} holds the results, or was killed", output::ago(at)));
    }
    Ok(reader)
}
