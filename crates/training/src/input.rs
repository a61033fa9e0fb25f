//! What a network is fed with: images to prepare, or features of a cut.

use crate::backbone::{Conventions, Network, prepare};
use crate::data::{Images, Pool, indices};
use crate::features::CachedFeatures;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// How a trial's images reach the part of the network that trains.
pub struct Input {
    pub source: Source,
    /// The cut that the source's tensors belong to.
    pub from: u32,
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

impl Input {
    /// The tensors of some images of a pool at this input's cut. `views` says which of them are mirrored left to right;
    /// none where no image is.
    pub fn batch(&self, pool: Pool, images: &Images, chosen: &[u32], views: Option<&[bool]>) -> Tensor {
        let index = indices(chosen);
        match &self.source {
            Source::Images { conventions, size, kind } => {
                let pixels = images.pixels.index_select(0, &index);
                let pixels = select_views(pixels, views, |pixels| pixels.flip([3]));
                prepare(conventions, &pixels, *size, self.device, *kind)
            }
            Source::Features(features) => {
                let pool = features.pool(pool);
                let plain = gather(&pool.view(0), &index);
                let batch = select_views(plain, views, |_| gather(&pool.view(1), &index));
                batch.to_device(self.device)
            }
        }
    }

    /// Runs a batch through the rest of the backbone, to the pooled output, `[batch, channels]`, float32.
    pub fn pooled(&self, network: &Network, batch: &Tensor, training: bool) -> Tensor {
        network.forward(batch, self.from, network.cuts(), training).to_kind(Kind::Float)
    }
}

/// Rows of a tensor, with the strides that it has.
fn gather(features: &Tensor, index: &Tensor) -> Tensor {
    if features.dim() == 4 {
        // `index_select` on the memory's own order of axes copies whole rows.
        features.permute([0, 2, 3, 1]).index_select(0, index).permute([0, 3, 1, 2])
    } else {
        features.index_select(0, index)
    }
}

fn select_views(plain: Tensor, views: Option<&[bool]>, mirrored: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    match views {
        None => plain,
        Some(views) => {
            let shape: Vec<i64> = (0..plain.dim()).map(|axis| if axis == 0 { -1 } else { 1 }).collect();
            let choice = Tensor::from_slice(views).view(&shape[..]);
            mirrored(&plain).where_self(&choice, &plain)
        }
    }
}
