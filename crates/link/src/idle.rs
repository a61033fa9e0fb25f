//! A trainer that learns nothing: it reports made-up metrics that are a function of trial and epoch.
//!
//! It speaks the real protocol, so it tests and measures everything but the training, and a disturbed sweep can be
//! compared with an undisturbed one to the bit.

use crate::{Problem, Trainer};
use frostline_protocol::{Ended, Filled, Observer, Places, Stop, Work};
use frostline_sweep::outcome::{EpochMetrics, Evaluation};
use frostline_sweep::trial::TrialId;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Idle {
    /// After a trial's first epoch, wait for as long as this file exists: a test decides when the trial goes on.
    pub hold: Option<PathBuf>,
    /// While it waits, it does not ask whether it should stop, as a trainer that hangs in libtorch does not.
    pub deaf: bool,
}

impl Trainer for Idle {
    fn run(&mut self, _places: &Places, work: &Work, observer: &mut dyn Observer) -> Result<Ended, Problem> {
        let (trial, epochs) = match work {
            Work::Train { trial, spec, .. } => (trial, spec.parameters.epochs),
            Work::Fill { .. } => return Ok(Ended::Filled(Filled { bytes: 0, seconds: 0.0, computed: true })),
        };
        for epoch in 1..=epochs {
            if observer.should_stop() != Stop::No {
                return Ok(Ended::Stopped);
            }
            observer.epoch(metrics(*trial, epoch));
            while self.hold.as_ref().is_some_and(|file| file.exists())
                && (self.deaf || observer.should_stop() == Stop::No)
            {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(Ended::Complete(evaluation(*trial)))
    }
}

/// What [`Idle`] reports for this epoch.
pub fn metrics(trial: TrialId, epoch: u32) -> EpochMetrics {
    let share = |purpose| share(trial, epoch, purpose);
    EpochMetrics {
        epoch,
        train_loss: 1.0 - share(1),
        train_accuracy: share(2),
        val_loss: 1.0 - share(3),
        val_accuracy: share(4),
        learning_rate: 1e-3,
        seconds: 0.0,
        images_per_second: 0.0,
        peak_memory: 0,
        by_class: None,
    }
}

/// What [`Idle`] reports at the end.
pub fn evaluation(trial: TrialId) -> Evaluation {
    Evaluation {
        test_loss: 1.0 - share(trial, 0, 5),
        test_accuracy: share(trial, 0, 6),
        class_accuracy: vec![share(trial, 0, 7), share(trial, 0, 8)],
        confusion: vec![vec![1, 0], vec![0, 1]],
        trained_parameters: 1,
        seconds: 0.0,
        validation_images: None,
        by_class: None,
        right: None,
    }
}

/// A number from 0 to 1 that looks random: the finaliser of SplitMix64 (Steele, Lea, Flood 2014) over the arguments.
fn share(trial: TrialId, epoch: u32, purpose: u64) -> f64 {
    let (high, low) = trial.0.split_at(8);
    let word = |half: &[u8]| half.iter().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let bits = [word(high), word(low), u64::from(epoch), purpose]
        .into_iter()
        .fold(0x9e37_79b9_7f4a_7c15, |hash: u64, part| mix(hash.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ part));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed apart, in Python, with the mixing step checked against SplitMix64's first number of seed 1234567.
    #[test]
    fn what_is_made_up_is_the_same_for_ever() {
        let trial = TrialId(std::array::from_fn(|place| place as u8 + 1));
        let EpochMetrics { epoch, train_loss, train_accuracy, val_loss, val_accuracy, .. } = metrics(trial, 3);
        assert_eq!(epoch, 3);
        assert_eq!([train_loss, train_accuracy], [0.7129489835929559, 0.7493440640843807]);
        assert_eq!([val_loss, val_accuracy], [0.44617626410900135, 0.6522431644480782]);
        let Evaluation { test_loss, test_accuracy, class_accuracy, .. } = evaluation(trial);
        assert_eq!([test_loss, test_accuracy], [0.05083959247911796, 0.14940342971836962]);
        assert_eq!(class_accuracy, [0.4902758394200025, 0.7727853371912168]);
    }
}
