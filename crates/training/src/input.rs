//! What a network is fed with: images to prepare, or features of a cut.
//!
//! The frozen part always computes the same number of images at a time, a *portion*. libtorch chooses its kernels by the
//! shape of a batch, and they differ in the last digits; with one shape an image's features depend on the image alone,
//! whichever batch of whichever trial it is in, so that cached features are those of the images to the bit (CPU,
//! float32).

use crate::backbone::{Conventions, Network, channels_last, prepare};
use crate::data::{Images, Pool};
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
    /// Feeds a network with these images, in this order. `views` says which view of each is meant; none where all are seen
    /// as they are.
    pub fn feed<'a>(
        &'a self,
        network: &'a Network,
        (pool, images): (Pool, &'a Images),
        chosen: &'a [u32],
        views: Option<&'a [u32]>,
    ) -> Feed<'a> {
        let index = match &self.source {
            // All of it at once: a GPU would stop for each piece.
            Source::Features(features) => Some(features.index(pool, chosen, views)),
            Source::Images { .. } => None,
        };
        Feed { input: self, network, pool, images, chosen, views, index, read: 0, ahead: None }
    }

    /// Runs a batch through the rest of the backbone, to the pooled output, `[batch, channels]`, float32.
    pub fn pooled(&self, network: &Network, batch: &Tensor, training: bool) -> Tensor {
        network.forward(batch, self.to, network.cuts(), training).to_kind(Kind::Float)
    }
}

/// Images in the order in which a network is to see them.
pub struct Feed<'a> {
    input: &'a Input,
    network: &'a Network,
    pool: Pool,
    images: &'a Images,
    chosen: &'a [u32],
    views: Option<&'a [u32]>,
    /// The rows of cached features, for all of them.
    index: Option<Tensor>,
    /// How many have been read.
    read: usize,
    /// What the frozen part has computed of images that are still to come.
    ahead: Option<Tensor>,
}

impl Feed<'_> {
    /// The tensors of the next images at the cut where the frozen part ends, as many as asked for or as are left. Portions
    /// are computed in the order of the images, however many of them a batch takes, so that none is computed in vain.
    pub fn next(&mut self, images: usize) -> Tensor {
        if self.input.from == self.input.to {
            return self.gathered(images);
        }
        let portion = self.input.portion.max(1);
        let mut pieces: Vec<Tensor> = self.ahead.take().into_iter().collect();
        let mut there: usize = pieces.iter().map(|piece| piece.size()[0] as usize).sum();
        while there < images && self.read < self.chosen.len() {
            let part = self.gathered(portion);
            let length = part.size()[0];
            let whole = filled_up(part, portion as i64);
            let output = self.network.forward(&whole, self.input.from, self.input.to, false);
            pieces.push(output.narrow(0, 0, length));
            there += length as usize;
        }
        // Only the last piece can have more than is wanted.
        let more = there.saturating_sub(images) as i64;
        if more > 0
            && let Some(last) = pieces.pop()
        {
            let wanted = last.size()[0] - more;
            pieces.push(last.narrow(0, 0, wanted));
            self.ahead = Some(last.narrow(0, wanted, more));
        }
        channels_last(&Tensor::cat(&pieces, 0))
    }

    /// The source's tensors of the next images.
    fn gathered(&mut self, images: usize) -> Tensor {
        let (start, end) = (self.read, (self.read + images).min(self.chosen.len()));
        self.read = end;
        match &self.input.source {
            Source::Images { conventions, size, kind } => {
                let views = self.views.map(|views| &views[start..end]);
                let pixels = self.images.seen(&self.chosen[start..end], views);
                prepare(conventions, &pixels, *size, self.input.device, *kind)
            }
            Source::Features(features) => {
                let index = self.index.as_ref().expect("features are read by their index");
                let index = index.narrow(0, start as i64, (end - start) as i64);
                features.gather(self.pool, &index).to_device(self.input.device)
            }
        }
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
