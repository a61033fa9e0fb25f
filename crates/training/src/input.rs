//! What a network is fed with: images to prepare, or features of a cut.
//!
//! The frozen part always computes the same number of images at a time, a *portion*. libtorch chooses its kernels by the
//! shape of a batch, and they differ in the last digits; with one shape an image's features depend on the image alone,
//! whichever batch of whichever trial it is in, so that cached features are those of the images to the bit (CPU,
//! float32).

use crate::backbone::{Conventions, Network, channels_last, prepare};
use crate::data::{Images, Pool, indices};
use crate::features::CachedFeatures;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// Images in a batch of validation or test; part of the arithmetic, so the same everywhere.
pub const EVALUATION_BATCH: usize = 250;

/// How images reach the part of the network that trains.
pub struct Input {
    pub source: Source,
    /// The cut that the source's tensors belong to.
    pub from: u32,
    /// The cut up to which the frozen part is computed.
    pub to: u32,
    /// Images that the frozen part computes at a time.
    pub portion: usize,
    pub device: Device,
}

pub enum Source {
    /// Prepared for every batch.
    Images {
        conventions: Conventions,
        size: i64,
        kind: Kind,
    },
    Features(Rc<CachedFeatures>),
}

/// Images that the frozen part computes at a time, as long as memory allows.
pub fn portion(device: Device) -> usize {
    frostline_sweep::features::portion(device.is_cuda()) as usize
}

impl Input {
    /// The tensors of some images of a pool at the cut where the frozen part ends. `views` says which of them are
    /// mirrored left to right; none where no image is.
    pub fn batch(
        &self,
        network: &Network,
        pool: Pool,
        images: &Images,
        chosen: &[u32],
        views: Option<&[bool]>,
    ) -> Tensor {
        if self.from == self.to {
            return self.gathered(pool, images, chosen, views);
        }
        let portion = self.portion.max(1);
        let views = |start: usize, length: usize| views.map(|views| &views[start..start + length]);
        let outputs: Vec<Tensor> = (0..chosen.len())
            .step_by(portion)
            .map(|start| {
                let length = portion.min(chosen.len() - start);
                let part = self.gathered(pool, images, &chosen[start..start + length], views(start, length));
                let whole = filled_up(part, portion as i64);
                network.forward(&whole, self.from, self.to, false).narrow(0, 0, length as i64)
            })
            .collect();
        channels_last(&Tensor::cat(&outputs, 0))
    }

    /// The source's tensors.
    fn gathered(&self, pool: Pool, images: &Images, chosen: &[u32], views: Option<&[bool]>) -> Tensor {
        match &self.source {
            Source::Images { conventions, size, kind } => {
                let pixels = select_views(images.gather(chosen), views, |pixels| pixels.flip([3]));
                prepare(conventions, &pixels, *size, self.device, *kind)
            }
            Source::Features(features) => {
                let index = indices(chosen);
                let plain = features.gather(pool, 0, &index);
                let batch = select_views(plain, views, |_| features.gather(pool, 1, &index));
                batch.to_device(self.device)
            }
        }
    }

    /// Runs a batch through the rest of the backbone, to the pooled output, `[batch, channels]`, float32.
    pub fn pooled(&self, network: &Network, batch: &Tensor, training: bool) -> Tensor {
        network.forward(batch, self.to, network.cuts(), training).to_kind(Kind::Float)
    }
}

/// As many rows as asked for: the last one stands in for those that are missing.
fn filled_up(part: Tensor, rows: i64) -> Tensor {
    let there = part.size()[0];
    if there == rows {
        return part;
    }
    let last = part.narrow(0, there - 1, 1);
    let missing = [&[rows - there], &part.size()[1..]].concat();
    channels_last(&Tensor::cat(&[part, last.expand(&missing, false)], 0))
}

fn select_views(plain: Tensor, views: Option<&[bool]>, mirrored: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    match views {
        None => plain,
        Some(views) => {
            let shape: Vec<i64> = (0..plain.dim()).map(|axis| if axis == 0 { -1 } else { 1 }).collect();
            let choice = Tensor::from_slice(views).view(&shape[..]).to_device(plain.device());
            mirrored(&plain).where_self(&choice, &plain)
        }
    }
}
