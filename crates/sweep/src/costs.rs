//! What computing takes on one machine, and what a trial or a fill would take then.

use crate::layers::Row;
use crate::trial::{DataSpec, Parameters, Validation};
use serde::{Deserialize, Serialize};

/// Multiplications a second of one thread in convolutions, where nothing was measured.
const ESTIMATED_RATE: f64 = 2e10;
/// A training pass against one in inference, where nothing was measured: forward, and backward twice.
const ESTIMATED_TRAINING: f64 = 3.0;

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
    /// Reckons costs from multiplications alone.
    pub fn estimated(rows: &[Row], threads: u32) -> Costs {
        let rate = ESTIMATED_RATE * f64::from(threads.max(1));
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
        Costs { measured: false, prepare: 2e-5, segments, update: 1e-9, write: 3e8, read: 2e9, memory: 0 }
    }
}

/// How many images a trial sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Images {
    /// Of the training pool, validation included.
    pub train: u64,
    pub test: u64,
}

/// Where a trial or a fill begins: at the images, or at the features of a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) cut: u32,
    /// Of one image's features; 0 for images.
    pub(crate) bytes: u64,
}

impl Costs {
    fn load(&self, start: Start) -> f64 {
        if start.cut == 0 { self.prepare } else { start.bytes as f64 / self.read }
    }

    fn infer(&self, from: u32, to: u32) -> f64 {
        self.segments[from as usize..to as usize].iter().map(|segment| segment.infer).sum()
    }

    fn train(&self, from: u32) -> f64 {
        self.segments[from as usize..].iter().map(|segment| segment.train).sum()
    }

    /// Seconds to compute and store features of `bytes` an image at `cut` for so many images.
    pub(crate) fn fill(&self, images: u64, start: Start, cut: u32, bytes: u64) -> f64 {
        let image = self.load(start) + self.infer(start.cut, cut) + bytes as f64 / self.write;
        images as f64 * image
    }

    /// Seconds of a whole trial on one worker.
    pub(crate) fn trial(&self, work: &TrialWork, start: Start) -> f64 {
        let TrialWork { data, parameters, images, trained, cut } = *work;
        let (learned, validated) = match data.validation {
            Validation::Test => (images.train, images.test),
            Validation::Share(share) => {
                let validated = ((images.train as f64 * share).round() as u64).min(images.train);
                (images.train - validated, validated)
            }
        };
        let evaluate = self.load(start) + self.infer(start.cut, self.segments.len() as u32);
        let learn = self.load(start) + self.infer(start.cut, cut) + self.train(cut);
        let steps = learned.div_ceil(u64::from(parameters.batch_size.max(1)));
        let updates = (steps * trained) as f64 * self.update;
        let epoch = learned as f64 * learn + updates + validated as f64 * evaluate;
        f64::from(parameters.epochs) * epoch + images.test as f64 * evaluate
    }
}

/// A trial, as far as its time is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrialWork<'a> {
    pub(crate) data: &'a DataSpec,
    pub(crate) parameters: &'a Parameters,
    pub(crate) images: Images,
    /// Trained parameters, of backbone and head.
    pub(crate) trained: u64,
    /// The last cut at or before its frozen boundary.
    pub(crate) cut: u32,
}
