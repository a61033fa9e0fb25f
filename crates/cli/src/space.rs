//! Whether the disk has room for what a sweep writes, asked before anything is written.

use crate::costs::Arrangement;
use crate::machine::free_space;
use crate::output;
use crate::prepare::Prepared;
use anyhow::bail;
use frostline_sweep::trial::TrialId;
use frostline_view::need::{Need, Premises};
use std::collections::BTreeSet;
use std::path::Path;

/// For the trials that are not among `complete`; what lies in `results` already is not needed again.
pub(crate) fn need(
    prepared: &Prepared,
    arrangement: &Arrangement,
    complete: &BTreeSet<TrialId>,
    results: &Path,
) -> Need {
    let models = prepared.places(results).models;
    Need::of(&Premises {
        definition: &prepared.definition,
        trials: &prepared.trials,
        reuse: &arrangement.reuse,
        workers: arrangement.team.devices.len(),
        classes: prepared.classes.len() as u64,
        complete,
        is_kept: &|trial| models.as_ref().is_some_and(|folder| folder.join(trial.model_file()).exists()),
    })
}

/// # Errors
/// The disk of `results` has less room than that.
pub(crate) fn check(need: &Need, results: &Path) -> anyhow::Result<()> {
    let Some(free) = free_space(results) else { return Ok(()) };
    if need.total() <= free {
        return Ok(());
    }
    let parts = [
        (need.features, "features", "`cache.max_bytes`"),
        (need.checkpoints, "checkpoints", "`workers.count`"),
        (need.models, "models", "`keep.models`"),
        (need.database, "database", ""),
    ];
    let needed = parts.iter().filter(|(bytes, _, _)| *bytes > 0);
    let needed: Vec<String> = needed.map(|(bytes, what, _)| format!("{what} {}", output::bytes(*bytes))).collect();
    let knobs: Vec<&str> =
        parts.iter().filter(|(bytes, _, knob)| *bytes > 0 && !knob.is_empty()).map(|(_, _, knob)| *knob).collect();
    bail!(
        "`{}` has {} free, and this sweep may write {} there ({}): free some, name a folder on another disk with \
         --results, or lower {}",
        results.display(),
        output::bytes(free),
        output::bytes(need.total()),
        needed.join(", "),
        knobs.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_refused_with_what_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let need = Need { features: 1 << 60, checkpoints: 1 << 20, models: 0, database: 1 << 10 };
        let refused = check(&need, &folder.path().join("results")).unwrap_err().to_string();
        assert!(
            refused.contains("features") && refused.contains("`cache.max_bytes` or `workers.count`"),
            "{refused}"
        );
        assert!(!refused.contains("models"), "{refused}");
        let small = Need { features: 0, checkpoints: 0, models: 0, database: 1 };
        check(&small, folder.path()).unwrap();
    }
}
