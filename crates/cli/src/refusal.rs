//! What keeps a sweep from being launched into a results folder that knows it: said by `plan` as by `launch`.

use crate::exit::wrong_input;
use crate::output::count;
use crate::prepare::Prepared;
use frostline_store::{Reader, StoreError, Sweep};
use frostline_sweep::definition::DefinitionErrors;
use frostline_sweep::difference::{Change, changes};
use frostline_view::stored;

/// The sweep of this name, where the folder has one.
///
/// # Errors
/// Failures of the database.
pub(crate) fn earlier(reader: &Reader, name: &str) -> anyhow::Result<Option<Sweep>> {
    match reader.sweep(name) {
        Ok(known) => Ok(Some(known)),
        Err(StoreError::UnknownSweep { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether finished trials of the sweep stay in it.
///
/// # Errors
/// A value that they all share has changed, so that they could not be ranked together with the new ones.
pub(crate) fn compare(reader: &Reader, known: &Sweep, prepared: &Prepared) -> anyhow::Result<bool> {
    let finished = reader.finished(&known.name)?;
    if finished == 0 {
        return Ok(false);
    }
    let old = stored::definition(known).map_err(outdated)?;
    let mut lines: Vec<String> = changes(&old, &prepared.definition)
        .into_iter()
        .map(|Change { key, old, new }| format!("  {key}: {old} is now {new}"))
        .collect();
    // Of files that are not here yet, or pictures that are not decoded, the content is not known.
    let is_known = prepared.missing.is_empty() && prepared.is_final;
    if lines.is_empty() && is_known {
        lines = changed_files(reader, &known.name, prepared)?;
    }
    if lines.is_empty() {
        return Ok(true);
    }
    Err(wrong_input(format!(
        "`{}` has {} that {} run with other values:\n{}\nGive the sweep another name (`--set sweep.name=…`), or replace \
         it with --force-new: its trials stay in the database, and leave the ranking.",
        known.name,
        count(finished, "finished trial"),
        if finished == 1 { "was" } else { "were" },
        lines.join("\n")
    )))
}

/// Says that a newer program does not read what an older one stored.
pub(crate) fn outdated(errors: DefinitionErrors) -> anyhow::Error {
    wrong_input(format!("the definition that the database holds is not valid any more:\n{errors}"))
}

fn changed_files(reader: &Reader, sweep: &str, prepared: &Prepared) -> Result<Vec<String>, StoreError> {
    let networks = &prepared.definition.networks;
    // Each network has a finished trial among them, where it has any.
    let most = if networks.len() > 1 { usize::MAX } else { 1 };
    let finished = reader.best(sweep, most)?;
    let mut lines = Vec::new();
    if finished.first().is_some_and(|row| row.spec.data.digest != prepared.sources.data_digest) {
        lines.push("  the content of the data files".to_owned());
    }
    for network in networks.iter().map(|network| network.architecture.name) {
        let old = finished.iter().map(|row| &row.spec.model).find(|model| model.backbone == network);
        if old.is_some_and(|old| old.weights != prepared.sources.weights_of(network)) {
            let whose = if networks.len() > 1 { format!(" of {network}") } else { String::new() };
            lines.push(format!("  the content of the weights file{whose}"));
        }
    }
    Ok(lines)
}
