//! Trained models on disk: after each completion, those that fall out of the sweep's rule are removed.

use crate::CoordinatorError;
use frostline_ranking::{Candidate, order};
use frostline_store::Reader;
use frostline_sweep::definition::{Keep, KeepModels};
use frostline_sweep::metric::{Direction, Metric};
use frostline_sweep::outcome::{EpochMetrics, Evaluation};
use frostline_sweep::record::Record;
use frostline_sweep::trial::{GroupId, TrialId};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A model that lies on disk.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    trial: TrialId,
    bytes: u64,
    /// What it is ranked by.
    candidate: Candidate,
}

/// The models of one sweep.
pub(crate) struct Models {
    folder: PathBuf,
    rule: Keep,
    objective: &'static Metric,
    kept: Vec<Kept>,
    /// The newest epoch of each trial that runs.
    last: BTreeMap<TrialId, EpochMetrics>,
}

impl Models {
    /// Finds the models that earlier runs of the sweep have left in `folder`.
    ///
    /// # Errors
    /// Failures of the database.
    pub(crate) fn find(
        folder: &Path,
        rule: Keep,
        objective: &'static Metric,
        reader: &Reader,
        sweep: &str,
    ) -> Result<Models, CoordinatorError> {
        let mut models =
            Models { folder: folder.to_owned(), rule, objective, kept: Vec::new(), last: BTreeMap::new() };
        // A folder that is not there yet saves reading all trials.
        if folder.exists() {
            for row in reader.trials(sweep)? {
                if let (Some(last), Some(evaluation)) = (&row.last, &row.evaluation) {
                    models.add(row.trial, last, evaluation);
                }
            }
        }
        Ok(models)
    }

    /// Follows what is committed. A completion may remove a model, its own among them.
    pub(crate) fn note(&mut self, record: &Record) {
        match record {
            Record::Epoch { trial, metrics, .. } => drop(self.last.insert(*trial, metrics.clone())),
            Record::Completed { trial, evaluation, .. } => {
                if let Some(last) = self.last.remove(trial) {
                    self.add(*trial, &last, evaluation);
                    self.remove_fallen();
                }
            }
            Record::Ended { trial: Some((trial, _)), .. } => drop(self.last.remove(trial)),
            _ => {}
        }
    }

    fn path(&self, trial: TrialId) -> PathBuf {
        self.folder.join(trial.model_file())
    }

    fn add(&mut self, trial: TrialId, last: &EpochMetrics, evaluation: &Evaluation) {
        let Ok(file) = fs::metadata(self.path(trial)) else { return };
        let objective = self.objective.value(last, evaluation);
        // Replicates do not matter here: each model is ranked for itself.
        let candidate = Candidate { group: GroupId([0; 16]), objective, val_loss: last.val_loss };
        self.kept.push(Kept { trial, bytes: file.len(), candidate });
    }

    fn remove_fallen(&mut self) {
        for trial in fallen(&self.rule, self.objective.direction, &self.kept) {
            let path = self.path(trial);
            match fs::remove_file(&path) {
                Ok(()) => {
                    tracing::info!("removed the model of trial {trial}: keep.models and its bounds leave it out")
                }
                // It costs disk only, and the next run of the sweep finds it again.
                Err(error) => tracing::warn!("the model {} cannot be removed: {error}", path.display()),
            }
            self.kept.retain(|kept| kept.trial != trial);
        }
    }
}

/// The models that the rule does not keep, worst last. The better of two has the first claim on the space; one that
/// does not fit makes room for a smaller one behind it.
fn fallen(rule: &Keep, direction: Direction, kept: &[Kept]) -> Vec<TrialId> {
    let candidates: Vec<Candidate> = kept.iter().map(|kept| kept.candidate.clone()).collect();
    let mut places = match rule.models {
        KeepModels::All => usize::MAX,
        KeepModels::Best => rule.count as usize,
        KeepModels::None => 0,
    };
    let mut space = rule.max_bytes;
    let mut fallen = Vec::new();
    for rank in order(direction, &candidates) {
        let Kept { trial, bytes, .. } = &kept[rank.index];
        match space.checked_sub(*bytes) {
            Some(left) if places > 0 => {
                space = left;
                places -= 1;
            }
            _ => fallen.push(*trial),
        }
    }
    fallen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(number: u8, objective: f64, bytes: u64) -> Kept {
        let candidate = Candidate { group: GroupId([0; 16]), objective, val_loss: 0.0 };
        Kept { trial: TrialId([number; 16]), bytes, candidate }
    }

    fn rule(models: KeepModels, count: u32, max_bytes: u64) -> Keep {
        Keep { models, count, max_bytes }
    }

    fn numbers(rule: Keep, direction: Direction, kept: &[Kept]) -> Vec<u8> {
        fallen(&rule, direction, kept).into_iter().map(|trial| trial.0[0]).collect()
    }

    #[test]
    fn the_best_stay_in_the_direction_of_the_objective() {
        let models = [kept(1, 0.5, 10), kept(2, 0.9, 10), kept(3, 0.7, 10)];
        let best = |count| rule(KeepModels::Best, count, 1000);
        assert_eq!(numbers(best(1), Direction::Maximise, &models), [3, 1]);
        assert_eq!(numbers(best(2), Direction::Maximise, &models), [1]);
        assert_eq!(numbers(best(1), Direction::Minimise, &models), [3, 2]);
        assert_eq!(numbers(best(3), Direction::Maximise, &models), [] as [u8; 0]);
    }

    #[test]
    fn all_and_none_are_what_they_say() {
        let models = [kept(1, 0.5, 10), kept(2, f64::NAN, 10)];
        assert_eq!(numbers(rule(KeepModels::All, 1, 20), Direction::Maximise, &models), [] as [u8; 0]);
        assert_eq!(numbers(rule(KeepModels::None, 9, 20), Direction::Maximise, &models), [1, 2]);
    }

    #[test]
    fn space_goes_to_the_better_ones_first() {
        let models = [kept(1, 0.9, 60), kept(2, 0.8, 60), kept(3, 0.7, 40)];
        assert_eq!(numbers(rule(KeepModels::All, 1, 100), Direction::Maximise, &models), [2]);
        assert_eq!(numbers(rule(KeepModels::Best, 1, 50), Direction::Maximise, &models), [1, 2]);
        assert_eq!(numbers(rule(KeepModels::All, 1, 0), Direction::Maximise, &models), [1, 2, 3]);
    }

    #[test]
    fn a_completion_removes_the_file_that_falls_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut models = Models {
            folder: folder.path().to_owned(),
            rule: rule(KeepModels::Best, 1, 1000),
            objective: frostline_sweep::metric::find("val_accuracy").unwrap(),
            kept: Vec::new(),
            last: BTreeMap::new(),
        };
        let attempt = frostline_sweep::outcome::AttemptId(1);
        let mut complete = |number: u8, val_accuracy: f64, leaves_model: bool| {
            let trial = TrialId([number; 16]);
            if leaves_model {
                fs::write(models.path(trial), [0; 10]).unwrap();
            }
            let metrics = EpochMetrics {
                epoch: 1,
                train_loss: 1.0,
                train_accuracy: 0.5,
                val_loss: 1.0,
                val_accuracy,
                learning_rate: 1e-3,
                seconds: 1.0,
                images_per_second: 1.0,
                peak_memory: 0,
            };
            let evaluation = Evaluation {
                test_loss: 1.0,
                test_accuracy: 0.5,
                class_accuracy: Vec::new(),
                confusion: Vec::new(),
                trained_parameters: 1,
                seconds: 1.0,
                validation_images: None,
            };
            models.note(&Record::Epoch { attempt, trial, metrics });
            models.note(&Record::Completed { attempt, trial, evaluation });
            let mut left: Vec<u8> = (0..9).filter(|&n| models.path(TrialId([n; 16])).exists()).collect();
            left.sort_unstable();
            left
        };
        assert_eq!(complete(1, 0.5, true), [1]);
        assert_eq!(complete(2, 0.4, true), [1], "worse than what is there");
        assert_eq!(complete(3, 0.8, true), [3]);
        assert_eq!(complete(4, 0.9, false), [3], "a trial without a model takes no place");
    }
}
