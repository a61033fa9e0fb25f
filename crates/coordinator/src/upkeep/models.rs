//! Trained models on disk: after each completion, those that fall out of the sweep's rule are removed.
//!
//! Models are kept in the order of the ranking that people see: those of the better configuration first.

use crate::job::Ties;
use frostline_results::models;
use frostline_store::{Reader, StoreError};
use frostline_sweep::definition::{Keep, KeepModels};
use frostline_sweep::outcome::{AttemptId, TrialState};
use frostline_sweep::trial::TrialId;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The models of one sweep.
pub(crate) struct Models {
    folder: PathBuf,
    rule: Keep,
    sweep: String,
    ties: Ties,
    /// Those that lie on disk, in bytes.
    kept: BTreeMap<TrialId, u64>,
}

impl Models {
    /// Finds the models that earlier runs of the sweep have left in `folder`, and keeps what workers had sent of trials that
    /// are complete. Those that somebody has had trained once more are no business of the rule.
    ///
    /// # Errors
    /// Failures of the database.
    pub(crate) fn find(
        folder: PathBuf,
        rule: Keep,
        sweep: String,
        reader: &Reader,
        ties: Ties,
    ) -> Result<Models, StoreError> {
        for (trial, attempt, arrived) in models::arrived(&folder) {
            let is_wanted = !models::path(&folder, trial).exists()
                && reader.find_trial(&trial.to_string()).is_ok_and(|found| found.row.state == TrialState::Complete);
            match is_wanted {
                true => keep(&folder, trial, attempt),
                // The worker that has sent it sends it again.
                false => drop(fs::remove_file(arrived)),
            }
        }
        let found = models::files(&folder).into_iter().filter(|(trial, _)| !models::is_retrained(&folder, *trial));
        let found: BTreeMap<TrialId, u64> = found.collect();
        let trials: Vec<TrialId> = found.keys().copied().collect();
        let ours = reader.best_first(&sweep, &trials)?;
        let kept = ours.into_iter().map(|trial| (trial, found[&trial])).collect();
        Ok(Models { folder, rule, sweep, ties, kept })
    }

    /// A trial is complete: that may remove models, its own among them. Says which.
    pub(crate) fn completed(&mut self, trial: TrialId, attempt: AttemptId, reader: &Reader) -> Vec<TrialId> {
        keep(&self.folder, trial, attempt);
        let Ok(file) = fs::metadata(models::path(&self.folder, trial)) else { return Vec::new() };
        self.kept.insert(trial, file.len());
        let trials: Vec<TrialId> = self.kept.keys().copied().collect();
        match reader.best_first(&self.sweep, &trials) {
            Ok(order) => self.remove_fallen(&order, reader),
            // It costs disk only, and the next completion asks again.
            Err(error) => {
                tracing::warn!("which models to keep cannot be decided: {error}");
                Vec::new()
            }
        }
    }

    fn remove_fallen(&mut self, best_first: &[TrialId], reader: &Reader) -> Vec<TrialId> {
        let sizes: Vec<(TrialId, u64)> = best_first.iter().map(|trial| (*trial, self.kept[trial])).collect();
        let mut removed = fallen(&self.rule, &sizes, &BTreeSet::new());
        if self.rule.models == KeepModels::Best && !removed.is_empty() {
            // That takes a moment, and decides nothing where all have their place.
            let tied = (self.ties)(reader, &self.sweep).into_iter().collect();
            removed = fallen(&self.rule, &sizes, &tied);
        }
        for trial in &removed {
            let path = models::path(&self.folder, *trial);
            match fs::remove_file(&path) {
                Ok(()) => {
                    tracing::info!("removed the model of trial {trial}: keep.models and its bounds leave it out")
                }
                // It costs disk only, and the next run of the sweep finds it again.
                Err(error) => tracing::warn!("the model {} cannot be removed: {error}", path.display()),
            }
            self.kept.remove(trial);
        }
        removed
    }
}

/// Gives its name to the model that a worker has sent with this attempt, if it has.
fn keep(folder: &Path, trial: TrialId, attempt: AttemptId) {
    let arrived = models::arrived_as(folder, trial, attempt);
    match fs::rename(&arrived, models::path(folder, trial)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!("the model {} cannot be kept: {error}", arrived.display());
        }
        _ => {}
    }
}

/// The models that the rule does not keep, of all with their bytes, best first. The better of two has the first claim on
/// the space; one that does not fit makes room for a smaller one behind it. What is tied with the best stays where there is
/// space, however many there are.
fn fallen(rule: &Keep, best_first: &[(TrialId, u64)], tied: &BTreeSet<TrialId>) -> Vec<TrialId> {
    let mut places = match rule.models {
        KeepModels::All => usize::MAX,
        KeepModels::Best => rule.count as usize,
        KeepModels::None => 0,
    };
    let mut space = rule.max_bytes;
    let mut fallen = Vec::new();
    for (trial, bytes) in best_first {
        match space.checked_sub(*bytes) {
            Some(left) if places > 0 || tied.contains(trial) => {
                space = left;
                places = places.saturating_sub(1);
            }
            _ => fallen.push(*trial),
        }
    }
    fallen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(models: KeepModels, count: u32, max_bytes: u64, bytes: &[u64]) -> Vec<u8> {
        let models_on_disk: Vec<(TrialId, u64)> =
            (1..).zip(bytes).map(|(number, bytes)| (TrialId([number; 16]), *bytes)).collect();
        let fallen = fallen(&Keep { models, count, max_bytes }, &models_on_disk, &BTreeSet::new());
        fallen.into_iter().map(|trial| trial.0[0]).collect()
    }

    #[test]
    fn the_best_stay() {
        let models = [10, 10, 10];
        assert_eq!(numbers(KeepModels::Best, 1, 1000, &models), [2, 3]);
        assert_eq!(numbers(KeepModels::Best, 2, 1000, &models), [3]);
        assert_eq!(numbers(KeepModels::Best, 3, 1000, &models), [0; 0]);
    }

    #[test]
    fn all_and_none_are_what_they_say() {
        assert_eq!(numbers(KeepModels::All, 1, 20, &[10, 10]), [0; 0]);
        assert_eq!(numbers(KeepModels::None, 9, 20, &[10, 10]), [1, 2]);
    }

    #[test]
    fn space_goes_to_the_better_ones_first() {
        assert_eq!(numbers(KeepModels::All, 1, 100, &[60, 60, 40]), [2]);
        assert_eq!(numbers(KeepModels::Best, 1, 50, &[60, 60, 40]), [1, 2]);
        assert_eq!(numbers(KeepModels::All, 1, 0, &[60, 60, 40]), [1, 2, 3]);
    }

    #[test]
    fn what_cannot_be_told_from_the_best_stays_where_there_is_space() {
        let models = [1, 2, 3, 4].map(|number| (TrialId([number; 16]), 10));
        let tied = BTreeSet::from([models[0].0, models[2].0]);
        let rule = |max_bytes| Keep { models: KeepModels::Best, count: 1, max_bytes };
        let numbers = |max_bytes| -> Vec<u8> {
            fallen(&rule(max_bytes), &models, &tied).into_iter().map(|trial| trial.0[0]).collect()
        };
        assert_eq!((numbers(100), numbers(10)), (vec![2, 4], vec![2, 3, 4]));
    }
}
