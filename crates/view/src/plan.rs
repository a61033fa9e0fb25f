//! `plan`: what a sweep would run.

use crate::Columns;
use crate::need::Need;
use frostline_sweep::definition::Definition;
use frostline_sweep::expand::{Trial, Trials};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::learned::Last;
use frostline_sweep::outcome::TrialState;
use frostline_sweep::parameters::{Named, named};
use frostline_sweep::reuse::{self, Reuse};
use frostline_sweep::trial::{GroupId, TrialId};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// What was found out before: the trials, and how they would be run here.
pub struct Premises<'a> {
    pub definition: &'a Definition,
    pub trials: &'a Trials,
    pub reuse: &'a Reuse,
    pub workers: usize,
    /// libtorch threads of each worker.
    pub threads: u32,
    pub basis: Basis,
    pub need: Need,
    /// What of the catalogue is still to be downloaded; ids of trials are not known then.
    pub missing: Vec<&'static str>,
    /// How those trials stand that the results folder knows.
    pub known: &'a BTreeMap<TrialId, TrialState>,
    /// Why `launch` would not run it.
    pub refused: Option<String>,
}

/// What times follow from.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Basis {
    /// When computing was measured here, in seconds since 1970; none where times follow from operation counts.
    pub measured_at: Option<f64>,
    /// Epochs and fills of the same setting on this machine, whose times have corrected them.
    pub epochs: u64,
    pub fills: u64,
    /// The last run of this setting against its estimate.
    pub last: Option<Last>,
}

#[derive(Serialize)]
pub struct Plan<'a> {
    pub sweep: String,
    pub objective: &'static str,
    /// How many trials and epochs there are in all, and how many cells `[[exclude]]` leaves out.
    pub trial_count: usize,
    pub epochs: u64,
    pub excluded: usize,
    /// What is left to run; times and bytes are for that.
    pub to_run: usize,
    pub epochs_to_run: u64,
    /// How many of the others are in which state.
    pub done: BTreeMap<TrialState, usize>,
    /// The hyperparameters in which the trials differ.
    pub columns: Columns,
    /// All of them.
    pub trials: Listing<'a>,
    /// Every cut that trials could start from, the shallowest first, network by network.
    pub cuts: Vec<Cut>,
    /// What is left to run by network.
    pub networks: Vec<Share>,
    pub workers: usize,
    pub threads: u32,
    pub measured: bool,
    pub measured_at: Option<f64>,
    /// How many epochs and fills of this setting have corrected the times.
    pub learned_epochs: u64,
    pub learned_fills: u64,
    /// What the last run of this setting took, in seconds of one worker, and what was estimated for it.
    pub last_run: Option<Last>,
    pub expected_seconds: f64,
    /// If no features were kept.
    pub expected_seconds_without_cache: f64,
    /// Bytes that it may write, at most.
    pub disk: Need,
    pub missing: Vec<&'static str>,
    /// What is possible and probably not meant, a sentence each.
    pub remarks: Vec<String>,
    /// Why `launch` would not run it.
    pub refused: Option<String>,
}

/// The trials, made one at a time: a large sweep has a million of them.
pub struct Listing<'a> {
    trials: &'a Trials,
    reuse: &'a Reuse,
    is_known: bool,
    known: &'a BTreeMap<TrialId, TrialState>,
}

impl Listing<'_> {
    pub fn iter(&self) -> impl Iterator<Item = Planned> {
        self.trials.iter().map(|trial| {
            let Trial { id, group, spec } = trial;
            let features = self.reuse.start(&spec).cloned();
            let known = self.is_known;
            Planned {
                state: self.known.get(&id).copied(),
                trial: known.then_some(id),
                group: known.then_some(group),
                parameters: Named(named(&spec)),
                features,
            }
        })
    }
}

impl Serialize for Listing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planned {
    /// None where something that the identity follows from is not here yet.
    pub trial: Option<TrialId>,
    pub group: Option<GroupId>,
    /// None where nothing is known of it yet.
    pub state: Option<TrialState>,
    pub parameters: Named,
    /// Where it starts from; none from the images.
    pub features: Option<FeatureKey>,
}

/// What the trials of one network take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    pub backbone: &'static str,
    pub trials: u64,
    /// Of one worker, fills included.
    pub seconds: f64,
    /// If no features were kept.
    pub seconds_without_cache: f64,
    /// Bytes of the features that are kept of it, at most.
    pub features: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cut {
    pub key: FeatureKey,
    pub backbone: String,
    /// Name of the last segment before the cut.
    pub after: String,
    pub trials: u32,
    pub epochs: u64,
    /// At most, on disk.
    pub bytes: u64,
    pub compute_share: f64,
    pub fill: bool,
    pub decision: Decision,
    /// The cut whose features it is computed from; none from the images.
    pub from: Option<String>,
    pub present: bool,
    pub fill_seconds: f64,
    pub saved_seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Fill,
    /// It would cost more than it saves.
    Costly,
    /// There is no room for it.
    TooLarge,
}

pub fn plan(premises: Premises) -> Plan {
    let Premises { definition, trials, reuse, workers, threads, basis, need, missing, known, refused } = premises;
    let mut done = BTreeMap::new();
    known.values().filter(|state| state.is_final()).for_each(|state| *done.entry(*state).or_default() += 1);
    let epochs_to_run = match done.is_empty() {
        true => trials.epochs(),
        // Only then it matters who they are, and a large sweep's identities take seconds.
        false => {
            let left = trials.iter().filter(|trial| !known.get(&trial.id).is_some_and(|state| state.is_final()));
            left.map(|trial| u64::from(trial.spec.parameters.epochs)).sum()
        }
    };
    Plan {
        to_run: trials.len() - done.values().sum::<usize>(),
        epochs_to_run,
        done,
        remarks: definition.remarks(),
        refused,
        sweep: definition.name.clone(),
        objective: definition.objective.name,
        trial_count: trials.len(),
        epochs: trials.epochs(),
        excluded: definition.excluded(),
        columns: Columns::varying(trials.specs()).with_depths(definition.depths()),
        trials: Listing { trials, reuse, is_known: missing.is_empty(), known },
        cuts: reuse.cuts.iter().map(|one| cut(one, reuse)).collect(),
        networks: definition.networks.iter().map(|network| share(network.architecture.name, reuse)).collect(),
        workers,
        threads,
        measured: basis.measured_at.is_some(),
        measured_at: basis.measured_at,
        learned_epochs: basis.epochs,
        learned_fills: basis.fills,
        last_run: basis.last,
        expected_seconds: reuse.expected(workers),
        expected_seconds_without_cache: reuse.expected_without(workers),
        disk: need,
        missing,
    }
}

fn share(backbone: &'static str, reuse: &Reuse) -> Share {
    let reuse::Share { trials, seconds, without } = reuse.share(backbone);
    let of_it = |cut: &&reuse::Cut| cut.spec.model.backbone == backbone && cut.is_filled();
    let features = reuse.cuts.iter().filter(of_it).map(|cut| cut.bytes).sum();
    Share { backbone, trials, seconds, seconds_without_cache: without, features }
}

fn cut(cut: &reuse::Cut, reuse: &Reuse) -> Cut {
    let (decision, from) = match &cut.decision {
        reuse::Decision::Fill { from } => (Decision::Fill, from.as_ref()),
        reuse::Decision::Costly => (Decision::Costly, None),
        reuse::Decision::TooLarge => (Decision::TooLarge, None),
    };
    let after = |key: &FeatureKey| reuse.cuts.iter().find(|cut| cut.key == *key).map(|cut| cut.after.clone());
    Cut {
        key: cut.key.clone(),
        backbone: cut.spec.model.backbone.clone(),
        after: cut.after.clone(),
        trials: cut.trials,
        epochs: cut.epochs,
        bytes: cut.bytes,
        compute_share: cut.compute_share,
        fill: cut.is_filled(),
        decision,
        from: from.and_then(after),
        present: cut.present,
        fill_seconds: cut.fill,
        saved_seconds: cut.gain,
    }
}
