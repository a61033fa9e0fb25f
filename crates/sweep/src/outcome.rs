//! What comes out of running a trial: states, failures and measurements, in the words that every part shares.

use crate::bits::Bits;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One try at running a trial or filling a cache; unique in a database and never used again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub u64);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! named_variants {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            /// The word used in the database, on the wire and on the screen.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }

            pub fn parse(text: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|variant| variant.as_str() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

named_variants!(
    /// How a trial stands in one sweep. What was computed is the trial's, in every sweep that has it; that it is not
    /// wanted (pruned, cancelled) is said of one sweep only.
    TrialState {
        Waiting = "waiting",
        Running = "running",
        Complete = "complete",
        Pruned = "pruned",
        Failed = "failed",
        Cancelled = "cancelled",
    }
);

impl TrialState {
    /// Whether a trial in this state is done with, unless somebody asks for it again.
    pub fn is_final(self) -> bool {
        !matches!(self, TrialState::Waiting | TrialState::Running)
    }

    /// Whether this state says that one sweep does not want the trial, and so nothing of other sweeps.
    pub fn is_unwanted(self) -> bool {
        matches!(self, TrialState::Pruned | TrialState::Cancelled)
    }
}

named_variants!(
    /// How an attempt stands.
    AttemptOutcome {
        Running = "running",
        /// Its result counts.
        Complete = "complete",
        Failed = "failed",
        /// It was told to end, or its coordinator died before it.
        Interrupted = "interrupted",
        Cancelled = "cancelled",
    }
);

named_variants!(
    /// Why an attempt failed; each kind has a retry rule of its own.
    FailureKind {
        OutOfMemory = "out_of_memory",
        /// The loss became infinite or not a number.
        Diverged = "diverged",
        /// The worker process ended or fell silent.
        WorkerLost = "worker_lost",
        /// A GPU or its driver failed: whatever the same process does next fails too.
        Device = "device",
        /// A file from outside is missing, damaged or of the wrong network.
        BadData = "bad_data",
        Internal = "internal",
    }
);

impl FailureKind {
    /// What libtorch's or the allocator's own words say of a failure that has no other explanation.
    pub fn of_message(message: &str) -> FailureKind {
        let says = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
        match () {
            () if says(&OUT_OF_MEMORY) => FailureKind::OutOfMemory,
            () if says(&DEVICE) => FailureKind::Device,
            () => FailureKind::Internal,
        }
    }
}

/// CUDA's allocator, libtorch's for the CPU, C++'s; oneDNN, which says no more than that it could not make what it wanted;
/// cuBLAS and cuDNN, and cuDNN where no algorithm has room for its workspace.
const OUT_OF_MEMORY: [&str; 9] = [
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "could not create a primitive",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "unable to find an engine to execute this computation",
    "nable to find a valid cuDNN algorithm",
];

/// After one of these every later call of the process fails: a context that has seen an illegal access stays broken
/// (CUDA Runtime API, `cudaErrorIllegalAddress` and its neighbours).
const DEVICE: [&str; 7] = [
    "CUDA error",
    "CUDA driver error",
    "CUDNN_STATUS_",
    "CUBLAS_STATUS_",
    "CUSOLVER_STATUS_",
    "device-side assert",
    "cuDNN error",
];

/// An attempt that ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    /// One sentence with the value and the remedy.
    pub message: String,
    /// The last lines of the worker's log.
    pub log: Vec<String>,
}

/// One epoch's measurements. Accuracies are shares of 1; losses are mean cross-entropy in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: u32,
    /// Measured while training, with dropout on, as Keras' `fit` reports it.
    pub train_loss: f64,
    pub train_accuracy: f64,
    pub val_loss: f64,
    pub val_accuracy: f64,
    /// At the epoch's last step.
    pub learning_rate: f64,
    /// Training and validation together.
    pub seconds: f64,
    /// Training images over the training part's seconds.
    pub images_per_second: f64,
    /// Peak resident memory of the worker process so far (CPU) or peak device memory (CUDA), in bytes.
    pub peak_memory: u64,
    /// On the validation images; none where there are none, or the worker did not say.
    #[serde(default)]
    pub by_class: Option<ClassMetrics>,
}

/// How well classes are recognised whatever their sizes: where one class has most of the images, accuracy is that class'.
/// Shares of 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Mean of each class' recall, over the classes that have images.
    pub balanced_accuracy: f64,
    /// Mean of each class' F1 score, the harmonic mean of precision and recall, over the classes that an image has or was
    /// said to have.
    pub macro_f1: f64,
    /// Share of the images whose class is among the five with the highest scores, or among all where there are fewer.
    pub top5_accuracy: f64,
}

impl ClassMetrics {
    /// From counts of each class: its images, those of them that were recognised, and the images that were said to be of it;
    /// and how many images have their class among the five highest. None without images.
    pub fn of(images: &[u32], recognised: &[u32], said: &[u32], among_five: u64) -> Option<ClassMetrics> {
        let all: u64 = images.iter().map(|&count| u64::from(count)).sum();
        let share = |part: u32, whole: u32| f64::from(part) / f64::from(whole);
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let classes =
            || images.iter().zip(recognised).zip(said).map(|((&images, &right), &said)| (images, right, said));
        let recalls = classes().filter(|(images, ..)| *images > 0).map(|(images, right, _)| share(right, images));
        // 2 precision recall / (precision + recall), with both by their counts.
        let scores = classes()
            .filter(|(images, _, said)| images + said > 0)
            .map(|(images, right, said)| 2.0 * f64::from(right) / f64::from(images + said));
        (all > 0).then(|| ClassMetrics {
            balanced_accuracy: mean(recalls.collect()),
            macro_f1: mean(scores.collect()),
            top5_accuracy: among_five as f64 / all as f64,
        })
    }
}

/// Measured once, after the last epoch, on the test split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub test_loss: f64,
    pub test_accuracy: f64,
    /// Share of each class' images that was recognised, in the order of the classes.
    pub class_accuracy: Vec<f64>,
    /// `confusion[truth][prediction]`, counts of images; empty where there are more than 256 classes.
    pub confusion: Vec<Vec<u32>>,
    /// How many parameters were trained, head included.
    pub trained_parameters: u64,
    /// As reported: wall time of the attempt. As read from the database: the sum over the trial's epochs, those that an
    /// earlier attempt computed among them.
    pub seconds: f64,
    /// How many images the epochs' `val_loss` and `val_accuracy` are measured on, counted from the split itself. None
    /// where the worker did not say.
    #[serde(default)]
    pub validation_images: Option<u64>,
    /// On the test images; none where there are none, or the worker did not say.
    #[serde(default)]
    pub by_class: Option<ClassMetrics>,
    /// None where the worker did not say. The database keeps it apart, so it is none in what is read with a trial's row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<Right>,
}

/// Which images the trained model got right after its last epoch, each split in its own order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    pub validation: Bits,
    pub test: Bits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_database() {
        let words: Vec<String> = TrialState::ALL.iter().map(TrialState::to_string).collect();
        assert_eq!(words, ["waiting", "running", "complete", "pruned", "failed", "cancelled"]);
        assert_eq!(format!("{:>4}", AttemptId(7)), "   7");
        let that = |is: fn(TrialState) -> bool| TrialState::ALL.iter().map(|state| is(*state)).collect::<Vec<_>>();
        assert_eq!(that(TrialState::is_final), [false, false, true, true, true, true]);
        assert_eq!(that(TrialState::is_unwanted), [false, false, false, true, false, true]);
    }

    #[test]
    fn a_message_tells_the_kind_of_its_failure() {
        for (message, kind) in [
            ("CUDA out of memory. Tried to allocate 2.00 GiB", FailureKind::OutOfMemory),
            ("CUDNN_STATUS_ALLOC_FAILED", FailureKind::OutOfMemory),
            ("std::bad_alloc", FailureKind::OutOfMemory),
            ("CUDA error: an illegal memory access was encountered", FailureKind::Device),
            ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", FailureKind::Device),
            ("mat1 and mat2 shapes cannot be multiplied", FailureKind::Internal),
        ] {
            assert_eq!(FailureKind::of_message(message), kind, "{message}");
        }
    }

    #[test]
    fn classes_count_alike_whatever_their_sizes() {
        // Nine of ten of the first class are recognised, one of two of the second, none of the third, which has no image
        // and is said once. sklearn.metrics: balanced_accuracy_score 0.7, f1_score(average="macro") 0.482456.
        let found = ClassMetrics::of(&[10, 2, 0], &[9, 1, 0], &[9, 2, 1], 12).unwrap();
        assert!((found.balanced_accuracy - 0.7).abs() < 1e-12);
        assert!(
            (found.macro_f1 - (18.0 / 19.0 + 0.5 + 0.0) / 3.0).abs() < 1e-12
                && (found.macro_f1 - 0.482_456).abs() < 1e-6
        );
        assert_eq!(found.top5_accuracy, 1.0);
        assert_eq!(ClassMetrics::of(&[0], &[0], &[0], 0), None);
        // A class that nothing is of and nothing was said to be of counts for neither.
        let found = ClassMetrics::of(&[4, 0], &[2, 0], &[2, 0], 4).unwrap();
        assert_eq!((found.balanced_accuracy, found.macro_f1), (0.5, 2.0 / 3.0));
    }
}
