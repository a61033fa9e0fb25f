//! The images of a trial: which are trained on, which select, which test.

use crate::error::TrainingError;
use frostline_assets::data::{self, Pixels};
use frostline_assets::division::Chosen;
pub use frostline_assets::division::{Division, Pool};
use frostline_assets::views::Viewer;
use frostline_sweep::trial::{Augment, DataSpec, Validation};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Images of one pool.
pub struct Images {
    /// `[rows, 3, height, width]`, bytes; lies in `_source` where that is a mapped file.
    pixels: Tensor,
    /// The row of each image; none where they are in order.
    rows: Option<Vec<u32>>,
    /// Class of each image.
    pub labels: Vec<u16>,
    /// Draws the second and further views; without it, the second is the image mirrored left to right.
    viewer: Option<Viewer>,
    _source: Option<Pixels>,
}

/// A data set after its limits.
pub struct Data {
    /// The images of a validation split of the data set's own come last.
    pub train: Images,
    own_validation: usize,
    pub test: Images,
    pub classes: usize,
}

impl Data {
    /// The images that `spec` names. `place` is where the data set's files lie.
    pub fn load(spec: &DataSpec, place: Option<&Path>) -> Result<Data, TrainingError> {
        let splits = data::source(spec.dataset).load(spec, place)?;
        let classes = splits.class_names.len();
        let chosen = Chosen::of(&splits, spec);
        let viewer = match spec.augment {
            Augment::None | Augment::Flip => None,
            Augment::Views { policy, .. } => Some(Viewer::new(policy, &spec.digest)),
        };
        Ok(Data {
            train: Images { viewer, ..Images::chosen(splits.train, chosen.train, splits.side) },
            own_validation: chosen.own_validation,
            test: Images::chosen(splits.test, chosen.test, splits.side),
            classes,
        })
    }

    pub fn pool(&self, pool: Pool) -> &Images {
        match pool {
            Pool::Train => &self.train,
            Pool::Test => &self.test,
        }
    }

    /// Where the images of training, validation and test lie: indices into the pools.
    pub fn division(&self, validation: Validation) -> Division {
        Division::of(validation, &self.train.labels, self.own_validation, self.test.len())
    }
}

impl Images {
    /// Those that are `chosen`, or all.
    fn chosen(images: data::Images, chosen: Option<Vec<u32>>, side: usize) -> Images {
        let data::Images { labels, pixels, rows } = images;
        let (side, labels_of) = (side as i64, |chosen: &[u32]| at(&labels, chosen));
        let shape = [(pixels.len() as i64) / (3 * side * side), 3, side, side];
        let labels = chosen.as_deref().map(labels_of).unwrap_or_else(|| labels.clone());
        match (&pixels, &rows) {
            (Pixels::Owned(bytes), None) => {
                let pixels = Tensor::from_slice(bytes).view(shape);
                // A copy, so that those that are not wanted take no memory.
                let pixels =
                    chosen.map_or(pixels.shallow_clone(), |chosen| pixels.index_select(0, &indices(&chosen)));
                Images { pixels, rows: None, labels, viewer: None, _source: None }
            }
            _ => {
                let rows = match (chosen, rows) {
                    (Some(chosen), Some(rows)) => Some(at(&rows, &chosen)),
                    (chosen, rows) => rows.or(chosen),
                };
                let strides = [3 * side * side, side * side, side, 1];
                // SAFETY: `shape` has as many elements as there are bytes, which live in `_source`, beside the tensor and
                // dropped after it. Nothing writes to a data set's images.
                let tensor =
                    unsafe { Tensor::from_blob(pixels.as_ptr(), &shape, &strides, Kind::Uint8, Device::Cpu) };
                Images { pixels: tensor, rows, labels, viewer: None, _source: Some(pixels) }
            }
        }
    }

    /// The pixels of some images, `[chosen, 3, height, width]`, bytes.
    pub fn gather(&self, chosen: &[u32]) -> Tensor {
        let index = match &self.rows {
            Some(rows) => indices(&at(rows, chosen)),
            None => indices(chosen),
        };
        self.pixels.index_select(0, &index)
    }

    /// The same, each image in its view; none where all are seen as they are.
    pub fn seen(&self, chosen: &[u32], views: Option<&[u32]>) -> Tensor {
        let pixels = self.gather(chosen);
        match (views, &self.viewer) {
            (None, _) => pixels,
            (Some(views), None) => {
                let mirrored: Vec<bool> = views.iter().map(|&view| view == 1).collect();
                let choice = Tensor::from_slice(&mirrored).view([-1, 1, 1, 1]);
                pixels.flip([3]).where_self(&choice, &pixels)
            }
            (Some(views), Some(viewer)) => {
                let shape = pixels.size();
                let side = shape[3] as usize;
                let mut bytes = Vec::<u8>::try_from(pixels.flatten(0, -1)).expect("images are bytes in main memory");
                let images = bytes.chunks_exact_mut(3 * side * side).zip(chosen.iter().zip(views));
                images.for_each(|(pixels, (&image, &view))| viewer.see(pixels, side, image, view));
                Tensor::from_slice(&bytes).view(&shape[..])
            }
        }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// `[n]`, int64, as the loss wants them.
    pub fn label_tensor(&self) -> Tensor {
        Tensor::from_slice(&self.labels.iter().map(|&label| i64::from(label)).collect::<Vec<_>>())
    }
}

fn at<T: Copy>(of: &[T], places: &[u32]) -> Vec<T> {
    places.iter().map(|&place| of[place as usize]).collect()
}

/// Indices of images, `[n]`, int64, as `index_select` wants them.
pub fn indices(chosen: &[u32]) -> Tensor {
    Tensor::from_slice(&chosen.iter().map(|&index| i64::from(index)).collect::<Vec<_>>())
}
