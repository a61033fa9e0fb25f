//! What computing takes on one machine, and what a trial or a fill would take then.

use crate::layers::Row;
use crate::trial::{Parameters, Validation};
use serde::{Deserialize, Serialize};

/// Multiplications a second in convolutions, where nothing was measured: of one thread, and of a CUDA device.
const ESTIMATED_RATE: f64 = 2e10;
const ESTIMATED_CUDA_RATE: f64 = 1e12;
/// A training pass against one in inference, where nothing was measured: forward, and backward twice.
const ESTIMATED_TRAINING: f64 = 3.0;
/// Seconds of a step apart from its images and parameters, where nothing was measured.
const ESTIMATED_STEP: f64 = 5e-4;

/// Seconds and speeds of one network at one image size in one precision, while all workers of the machine are busy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Timed on this machine; else estimated from operation counts.
    pub measured: bool,
    /// Seconds to scale and resize one image.
    pub prepare: f64,
    /// In the order of [`Architecture::segments`].
    pub segments: Vec<SegmentCosts>,
    /// Seconds of an optimizer step for each trained parameter.
    pub update: f64,
    /// Seconds of a step of training however few its images and parameters: operations have to be begun, on a GPU most of
    /// all. 0 in what was measured before there was this.
    #[serde(default)]
    pub step: f64,
    /// Bytes a second that a fill writes to the cache, synced.
    pub write: f64,
    /// Bytes a second that a trial gathers from mapped features.
    pub read: f64,
    /// Peak bytes of a worker while it trains the whole network; 0 where nothing was measured.
    pub memory: u64,
}

/// Seconds an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentCosts {
    /// Forward in inference mode.
    pub infer: f64,
    /// Forward and backward while it trains.
    pub train: f64,
}

impl Costs {
    /// From multiplications alone.
    pub fn estimated(rows: &[Row], threads: u32, is_cuda: bool) -> Costs {
        let rate = if is_cuda { ESTIMATED_CUDA_RATE } else { ESTIMATED_RATE * f64::from(threads.max(1)) };
        let mut segments = Vec::new();
        let mut multiplications = 0;
        for row in rows {
            multiplications += row.multiplications;
            if row.boundary.is_some() {
                let infer = multiplications as f64 / rate;
                segments.push(SegmentCosts { infer, train: ESTIMATED_TRAINING * infer });
                multiplications = 0;
            }
        }
        Costs {
            measured: false,
            prepare: 2e-5,
            segments,
            update: 1e-9,
            step: ESTIMATED_STEP,
            write: 3e8,
            read: 2e9,
            memory: 0,
        }
    }
}

/// How many images a trial sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageCounts {
    /// Of the training pool, validation included.
    pub train: u64,
    /// Of those in the training pool, the ones that the data set has for validation alone.
    pub own_validation: u64,
    pub test: u64,
}

/// Where a trial or a fill begins: at the images, or at the features of a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub cut: u32,
    /// Of one image's features; 0 for images.
    pub bytes: u64,
}

/// What takes equally long for each image, but for what the batches share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// Epochs that start at a cut (0 for the images) and train what lies behind another.
    Train { start: u32, cut: u32, batch_size: u32 },
    /// Features of a cut, computed from those of another (0 for the images).
    Fill { start: u32, cut: u32 },
}

impl Kind {
    /// Where it starts, and the cut that frozen layers reach to.
    pub fn cuts(self) -> (u32, u32) {
        match self {
            Kind::Train { start, cut, .. } | Kind::Fill { start, cut } => (start, cut),
        }
    }

    pub fn is_fill(self) -> bool {
        matches!(self, Kind::Fill { .. })
    }
}

/// How much there is to compute: all that its time follows from. Amounts of one kind add up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    pub kind: Kind,
    /// Bytes of one image's features where it starts; 0 for images.
    pub start_bytes: u64,
    /// Images that are trained on, or whose features are computed; each one counts as often as that happens.
    pub images: f64,
    /// Images that go through the whole network in inference.
    pub evaluated: f64,
    /// Trained parameters, each counted once a step.
    pub updates: f64,
    /// Bytes of features that are stored.
    pub written: f64,
}

impl Work {
    /// `epochs` epochs of a trial that trains `trained` parameters behind `cut`, and the evaluation after the last of them
    /// where it `is_complete`.
    pub fn train(trial: &TrialSize, start: Start, epochs: u32, is_complete: bool) -> Work {
        let TrialSize { validation, parameters, images, trained, cut } = *trial;
        let (learned, validated) = match validation {
            Validation::Test => (images.train, images.test),
            Validation::Share(share) => {
                let validated = ((images.train as f64 * share).round() as u64).min(images.train);
                (images.train - validated, validated)
            }
            Validation::Own => (images.train - images.own_validation, images.own_validation),
        };
        let batch_size = parameters.batch_size.max(1);
        let steps = learned.div_ceil(u64::from(batch_size));
        let epochs = f64::from(epochs);
        Work {
            kind: Kind::Train { start: start.cut, cut, batch_size },
            start_bytes: start.bytes,
            images: epochs * learned as f64,
            evaluated: epochs * validated as f64 + if is_complete { images.test as f64 } else { 0.0 },
            updates: epochs * (steps * trained) as f64,
            written: 0.0,
        }
    }

    /// Features of `bytes` an image at `cut` for so many images.
    pub fn fill(images: u64, start: Start, cut: u32, bytes: u64) -> Work {
        Work {
            kind: Kind::Fill { start: start.cut, cut },
            start_bytes: start.bytes,
            images: images as f64,
            evaluated: 0.0,
            updates: 0.0,
            written: (images * bytes) as f64,
        }
    }

    /// All that adds up, times `share`, and `more` of the same kind.
    pub(crate) fn scaled_with(&self, share: f64, more: &Work) -> Work {
        Work {
            images: share * self.images + more.images,
            evaluated: share * self.evaluated + more.evaluated,
            updates: share * self.updates + more.updates,
            written: share * self.written + more.written,
            ..*more
        }
    }

    /// Whether a network of so many segments has such work, and every amount is a number.
    pub(crate) fn is_sound(&self, segments: usize) -> bool {
        let (start, cut) = self.kind.cuts();
        let amounts = [self.images, self.evaluated, self.updates, self.written];
        start <= cut && cut as usize <= segments && amounts.iter().all(|amount| amount.is_finite() && *amount >= 0.0)
    }
}

impl Costs {
    fn infer(&self, from: u32, to: u32) -> f64 {
        self.segments[from as usize..to as usize].iter().map(|segment| segment.infer).sum()
    }

    fn train(&self, from: u32) -> f64 {
        self.segments[from as usize..].iter().map(|segment| segment.train).sum()
    }

    /// Seconds of one worker.
    pub fn seconds(&self, work: &Work) -> f64 {
        let (start, cut) = work.kind.cuts();
        // But for the last one of each epoch, which may be smaller.
        let steps = match work.kind {
            Kind::Train { batch_size, .. } => work.images / f64::from(batch_size.max(1)),
            Kind::Fill { .. } => 0.0,
        };
        let load = if start == 0 { self.prepare } else { work.start_bytes as f64 / self.read };
        let trained = if work.kind.is_fill() { 0.0 } else { self.train(cut) };
        work.images * (load + self.infer(start, cut) + trained)
            + work.evaluated * (load + self.infer(start, self.segments.len() as u32))
            + work.updates * self.update
            + steps * self.step
            + work.written / self.write
    }
}

/// A trial, as far as its time is concerned.
#[derive(Debug, Clone, Copy)]
pub struct TrialSize<'a> {
    pub validation: Validation,
    pub parameters: &'a Parameters,
    pub images: ImageCounts,
    /// Trained parameters, of backbone and head.
    pub trained: u64,
    /// The last cut at or before its frozen boundary.
    pub cut: u32,
}
