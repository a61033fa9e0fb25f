//! What a run begins with: room in the cache, and the rows that its core is rebuilt from.

use crate::core::Worklist;
use crate::launch::Launcher;
use crate::upkeep::make_room;
use frostline_protocol::{Incarnation, WorkerId};
use frostline_results::checkpoint;
use frostline_scheduler::{FillPlan, Restored, RestoredTrial, Survivor};
use frostline_store::{RestoreRow, StoreError, Writer};
use frostline_sweep::outcome::EpochMetrics;
use frostline_sweep::reuse::{Cut, Decision, Reuse};
use frostline_sweep::trial::{TrialId, TrialSpec};
use frostline_sweep::{backbone, features};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) struct Start {
    pub(crate) restored: Restored,
    pub(crate) worklist: Worklist,
    /// The newest epoch of each trial that may be running already.
    pub(crate) newest: BTreeMap<TrialId, EpochMetrics>,
}

/// Makes room for the features that the sweep is going to keep.
pub(crate) fn make_room_for(reuse: &Reuse, cache: &Path, most: u64) {
    let filled = || reuse.cuts.iter().filter(|cut| cut.is_filled());
    let needed = filled().map(|cut| &cut.key).collect();
    let coming = filled().filter(|cut| !cut.present).map(|cut| cut.bytes).sum();
    for gone in make_room(cache, &needed, coming, most) {
        tracing::info!("removed the features {} ({} bytes) to make room for others", gone.key, gone.bytes);
    }
}

/// Reads a sweep's rows. Checkpoints of what is finished are removed.
///
/// # Errors
/// Failures of the database.
pub(crate) fn start(
    writer: &Writer,
    sweep: &str,
    reuse: &Reuse,
    checkpoints: &Path,
    launcher: &dyn Launcher,
    is_cuda: bool,
) -> Result<Start, StoreError> {
    let reader = writer.reader();
    let mut trials = Vec::new();
    let mut specs: BTreeMap<TrialId, TrialSpec> = BTreeMap::new();
    let mut newest = BTreeMap::new();
    let mut finished = HashSet::new();
    let portion = features::portion(is_cuda);
    // By backbone and frozen layers: a large sweep has few of them, and going through all layers takes a while.
    let mut divisible: BTreeMap<(String, u32), bool> = BTreeMap::new();
    let mut rows = reader.restore(sweep)?;
    cheapest_first(&mut rows, reuse);
    let mut expected = BTreeMap::new();
    for row in rows {
        let (backbone, frozen) = (&row.spec.model.backbone, row.spec.parameters.frozen_layers);
        let is_divisible = *divisible.entry((backbone.clone(), frozen)).or_insert_with(|| {
            backbone::find(backbone).is_some_and(|architecture| !architecture.trains_normalization(frozen))
        });
        if row.running.as_ref().is_some_and(|running| running.epochs > 0)
            && let Some(last) = reader.find_trial(&row.trial.to_string())?.row.last
        {
            newest.insert(row.trial, last);
        }
        trials.push(RestoredTrial {
            trial: row.trial,
            state: row.state,
            epochs: row.spec.parameters.epochs,
            features: reuse.start(&row.spec).cloned(),
            divisible: is_divisible.then_some(portion),
            failures: row.failures,
            running: row.running.map(|running| (running.attempt, WorkerId(running.worker), running.epochs)),
        });
        let epochs = f64::from(row.spec.parameters.epochs.max(1));
        if let Some(seconds) = reuse.seconds(&row.spec) {
            expected.insert(frozen, seconds / epochs);
        }
        match row.state.is_final() {
            true => drop(finished.insert(row.trial)),
            false => drop(specs.insert(row.trial, row.spec)),
        }
    }
    // Those of a coordinator that died between a commit and what follows from it, and of trials that nobody asks for any
    // more. Another sweep's may still be wanted.
    let is_abandoned = |trial: TrialId| match reader.find_trial(&trial.to_string()) {
        Ok(detail) => detail.row.state.is_final() || detail.sweeps.is_empty(),
        Err(error) => matches!(error, StoreError::UnknownTrial { .. }),
    };
    checkpoint::remove(checkpoints, |trial| {
        finished.contains(&trial) || !specs.contains_key(&trial) && is_abandoned(trial)
    });
    let fill = |cut: &Cut| match &cut.decision {
        Decision::Fill { from } => {
            Some(FillPlan { key: cut.key.clone(), from: from.clone(), portion, takes: milliseconds(cut.fill) })
        }
        _ => None,
    };
    let survivors = launcher.survivors();
    let restored = Restored {
        trials,
        fills: reuse.cuts.iter().filter_map(fill).collect(),
        workers: launcher.workers(),
        next_attempt: writer.next_attempt()?,
        next_incarnation: next_incarnation(&survivors),
        survivors,
    };
    let features = reuse.cuts.iter().map(|cut| (cut.key.clone(), cut.spec.clone())).collect();
    Ok(Start { restored, worklist: Worklist::new(specs, features).expecting(expected, reuse.clone()), newest })
}

/// By the clock, in microseconds: no other coordinator of this folder has given out as many. Those that live are asked, too,
/// since a clock may be set back.
fn next_incarnation(survivors: &BTreeMap<WorkerId, Survivor>) -> Incarnation {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as u64);
    Incarnation(survivors.values().map(|known| known.incarnation.0 + 1).fold(now, u64::max))
}

fn milliseconds(seconds: f64) -> u64 {
    (1000.0 * seconds.max(0.0)) as u64
}

/// The order in which trials are given out: the shortest by estimate first, which brings answers early; the sweep's order
/// among those that take equally long, and what nobody has estimated last.
fn cheapest_first(rows: &mut [RestoreRow], reuse: &Reuse) {
    rows.sort_by_cached_key(|row| {
        let seconds = reuse.seconds(&row.spec).unwrap_or(f64::INFINITY);
        // Positive numbers are in the order of their bits.
        seconds.max(0.0).to_bits()
    });
}
