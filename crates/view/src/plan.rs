//! `plan`: what a sweep would run.

use crate::Columns;
use crate::need::Need;
use frostline_sweep::definition::Definition;
use frostline_sweep::expand::Trial;
use frostline_sweep::features::FeatureKey;
use frostline_sweep::reuse::{self, Reuse};
use frostline_sweep::trial::{GroupId, TrialId};
use serde::Serialize;
use serde_json::{Map, Value};

/// What was found out before: the trials, and how they would be run here.
pub struct Premises<'a> {
    pub definition: &'a Definition,
    pub trials: &'a [Trial],
    pub reuse: &'a Reuse,
    pub workers: usize,
    /// libtorch threads of each worker.
    pub threads: u32,
    /// When the times were measured here, in seconds since 1970; none where they follow from operation counts.
    pub measured_at: Option<f64>,
    pub need: Need,
    /// What of the catalogue is still to be downloaded; ids of trials are not known then.
    pub missing: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub sweep: String,
    pub objective: &'static str,
    /// How many trials and epochs there are in all, and how many cells `[[exclude]]` leaves out.
    pub trial_count: usize,
    pub epochs: u64,
    pub excluded: usize,
    /// The hyperparameters in which the trials differ.
    pub columns: Columns,
    /// The first ones, as many as were asked for.
    pub trials: Vec<Planned>,
    /// Every cut that trials could start from, the shallowest first.
    pub cuts: Vec<Cut>,
    pub workers: usize,
    pub threads: u32,
    pub measured: bool,
    pub measured_at: Option<f64>,
    pub expected_seconds: f64,
    /// If no features were kept.
    pub expected_seconds_without_cache: f64,
    /// Bytes that it may write, at most.
    pub disk: Need,
    pub missing: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planned {
    /// None where something that the identity follows from is not here yet.
    pub trial: Option<TrialId>,
    pub group: Option<GroupId>,
    pub parameters: Map<String, Value>,
    /// Where it starts from; none from the images.
    pub features: Option<FeatureKey>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cut {
    pub key: FeatureKey,
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

/// With the first `listed` trials.
pub fn plan(premises: Premises, listed: usize) -> Plan {
    let Premises { definition, trials, reuse, workers, threads, measured_at, need, missing } = premises;
    let known = missing.is_empty();
    let planned = |trial: &Trial| Planned {
        trial: known.then_some(trial.id),
        group: known.then_some(trial.group),
        parameters: trial.spec.named_object(),
        features: reuse.features.get(&trial.id).cloned(),
    };
    Plan {
        sweep: definition.name.clone(),
        objective: definition.objective.name,
        trial_count: trials.len(),
        epochs: trials.iter().map(|trial| u64::from(trial.spec.parameters.epochs)).sum(),
        excluded: definition.excluded(),
        columns: Columns::varying(trials.iter().map(|trial| &trial.spec)),
        trials: trials.iter().take(listed).map(planned).collect(),
        cuts: reuse.cuts.iter().map(|one| cut(one, reuse)).collect(),
        workers,
        threads,
        measured: measured_at.is_some(),
        measured_at,
        expected_seconds: reuse.expected(workers),
        expected_seconds_without_cache: reuse.expected_without(workers),
        disk: need,
        missing,
    }
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
