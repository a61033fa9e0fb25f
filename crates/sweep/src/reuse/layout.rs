//! A network's cuts, and what is trained behind them.

use crate::backbone::Architecture;
use crate::layers::{self, Boundary, Row};
use crate::trial::{Parameters, Precision};

/// A network at an image size, as far as caching is concerned.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) ends: Vec<End>,
    /// Trained parameters of the layers from each index on.
    behind: Vec<u64>,
    width: u64,
}

/// Where a segment ends.
#[derive(Debug, PartialEq)]
pub(super) struct End {
    /// Index of the layer behind it.
    layer: u32,
    pub(super) segment: String,
    /// Of an image's features there.
    elements: u64,
    pub(super) compute_share: f64,
}

impl Layout {
    pub(super) fn of(architecture: &Architecture, image_size: u32) -> Layout {
        let rows = layers::table(architecture, image_size);
        let mut behind = vec![0];
        for row in rows.iter().rev() {
            behind.push(behind[behind.len() - 1] + row.layer.kind.trained_parameters());
        }
        behind.reverse();
        let end = |row: Row| {
            let Boundary { segment, elements } = row.boundary?;
            Some(End { layer: row.layer.index + 1, segment, elements, compute_share: row.compute_share })
        };
        let ends = rows.into_iter().filter_map(end).collect();
        Layout { ends, behind, width: u64::from(architecture.top_channels) }
    }

    /// See [`Architecture::cut_at`].
    pub(super) fn cut_at(&self, frozen_layers: u32) -> u32 {
        self.ends.partition_point(|end| end.layer <= frozen_layers) as u32
    }

    /// Of the backbone behind the frozen boundary, and of the dense layers before the classifier.
    pub(super) fn trained_parameters(&self, parameters: &Parameters) -> u64 {
        let mut trained = self.behind.get(parameters.frozen_layers as usize).copied().unwrap_or(0);
        let mut width = self.width;
        for &units in &parameters.head_units {
            trained += (width + 1) * u64::from(units);
            width = u64::from(units);
        }
        trained
    }

    /// Of one image's features at a cut; 0 for the images themselves.
    pub(super) fn image_bytes(&self, cut: u32, precision: Precision) -> u64 {
        let size = match precision {
            Precision::Float32 | Precision::Tf32 => 4,
            Precision::Bfloat16 => 2,
        };
        if cut == 0 { 0 } else { self.ends[cut as usize - 1].elements * size }
    }
}
