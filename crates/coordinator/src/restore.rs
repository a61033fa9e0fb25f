//! What a run begins with: room in the cache, and the rows that the scheduler is rebuilt from.

use crate::CoordinatorError;
use crate::local::LocalLauncher;
use crate::room::make_room;
use crate::run::Job;
use frostline_protocol::WorkerId;
use frostline_scheduler::{FillPlan, Restored, TrialRow};
use frostline_store::{StoreError, Writer};
use frostline_sweep::backbone;
use frostline_sweep::features;
use frostline_sweep::reuse::{Cut, Decision};
use frostline_sweep::trial::{TrialId, TrialSpec};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// Makes room for the features that the sweep is going to keep.
pub(crate) fn make_room_for(job: &Job) {
    let filled = || job.reuse.cuts.iter().filter(|cut| cut.is_filled());
    let needed = filled().map(|cut| &cut.key).collect();
    let coming = filled().filter(|cut| !cut.present).map(|cut| cut.bytes).sum();
    for gone in make_room(&job.places.features, &needed, coming, job.cache_bytes) {
        tracing::info!("removed the features {} ({} bytes) to make room for others", gone.key, gone.bytes);
    }
}

/// Reads a sweep's rows. What is not finished goes into `specs`, and checkpoints of what is are removed.
pub(crate) fn restored(
    writer: &Writer,
    job: &Job,
    launcher: &LocalLauncher,
    survivors: BTreeSet<WorkerId>,
    specs: &mut BTreeMap<TrialId, TrialSpec>,
) -> Result<Restored, CoordinatorError> {
    let mut trials = Vec::new();
    let (mut finished, mut unfinished) = (HashSet::new(), HashSet::new());
    let portion = features::portion(job.workers.devices.iter().any(|device| device.starts_with("cuda")));
    // By backbone and frozen layers: a large sweep has few of them, and going through all layers takes a while.
    let mut divisible: BTreeMap<(String, u32), bool> = BTreeMap::new();
    for row in writer.reader().restore(&job.sweep)? {
        let (backbone, frozen) = (&row.spec.model.backbone, row.spec.parameters.frozen_layers);
        let is_divisible = *divisible.entry((backbone.clone(), frozen)).or_insert_with(|| {
            backbone::find(backbone).is_some_and(|architecture| !architecture.trains_normalization(frozen))
        });
        trials.push(TrialRow {
            trial: row.trial,
            state: row.state,
            epochs: row.spec.parameters.epochs,
            features: job.reuse.features.get(&row.trial).cloned(),
            divisible: is_divisible.then_some(portion),
            failures: row.failures,
            running: row.running.map(|running| (running.attempt, WorkerId(running.worker), running.epochs)),
        });
        match row.state.is_final() {
            true => drop(finished.insert(row.trial)),
            false => {
                unfinished.insert(row.trial);
                specs.insert(row.trial, row.spec);
            }
        }
    }
    // Those of a coordinator that died between a commit and what follows from it, and of trials that nobody asks for any
    // more. Another sweep's may still be wanted.
    let is_abandoned = |trial: TrialId| match writer.reader().find_trial(&trial.to_string()) {
        Ok(detail) => detail.row.state.is_final() || detail.sweeps.is_empty(),
        Err(error) => matches!(error, StoreError::UnknownTrial { .. }),
    };
    remove_checkpoints(&job.places.checkpoints, |trial| {
        finished.contains(&trial) || !unfinished.contains(&trial) && is_abandoned(trial)
    });
    let fill = |cut: &Cut| match &cut.decision {
        Decision::Fill { from } => Some(FillPlan { key: cut.key.clone(), from: from.clone() }),
        _ => None,
    };
    Ok(Restored {
        trials,
        fills: job.reuse.cuts.iter().filter_map(fill).collect(),
        workers: launcher.ids().collect(),
        survivors,
        next_attempt: writer.next_attempt()?,
    })
}

/// Removes the checkpoints of these trials. What cannot be removed costs disk only, and is tried again by the next run.
pub(crate) fn remove_checkpoints(folder: &Path, unwanted: impl Fn(TrialId) -> bool) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let trial = name.to_str().and_then(|name| name.split('.').next()?.parse().ok());
        if trial.is_some_and(&unwanted) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
