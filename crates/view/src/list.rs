//! `list`: the sweeps of a results folder.

use crate::ViewError;
use frostline_store::{Counts, Reader, SweepSummary};
use frostline_sweep::outcome::TrialState;
use serde::{Serialize, Serializer};

/// A sweep in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    pub name: String,
    pub objective: String,
    /// Seconds since 1970.
    pub created_at: f64,
    /// Seconds since 1970: the last launch, retry or change of one of its trials.
    pub updated_at: f64,
    pub trials: States,
    /// What somebody has noted of it.
    pub note: Option<String>,
}

/// How many trials are in each state, every state by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States(pub Counts);

impl Serialize for States {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(TrialState::ALL.iter().map(|&state| (state, self.0.of(state))))
    }
}

/// Oldest first.
///
/// # Errors
/// Failures of the database.
pub fn list(reader: &Reader) -> Result<Vec<Listed>, ViewError> {
    let listed = |SweepSummary { name, objective, created_at, updated_at, counts, note }| Listed {
        name,
        objective,
        created_at,
        updated_at,
        trials: States(counts),
        note,
    };
    Ok(reader.sweeps()?.into_iter().map(listed).collect())
}
