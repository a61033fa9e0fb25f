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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone;
    use crate::definition::Definition;
    use crate::expand::Sources;

    fn parameters(frozen_layers: u32, head_units: &[u32]) -> Parameters {
        let text = "[sweep]\nname = \"x\"\n[data]\ndataset = \"shapes\"\n[model]\nbackbone = \"efficientnet_lite0\"\n\
            weights = \"random\"\n[train]\nfrozen_layers = 0\n";
        let trial = Definition::parse("x.toml", text, &[]).unwrap().expand(&Sources::plain("d".into())).remove(0);
        Parameters { frozen_layers, head_units: head_units.to_vec(), ..trial.spec.parameters }
    }

    /// Of Keras' `EfficientNetV2S(include_top=False)`, whose summary says 20,177,488 trainable parameters.
    #[test]
    fn what_trains_has_the_parameters_that_keras_counts() {
        let architecture = backbone::find("efficientnet_v2_s").unwrap();
        let layout = Layout::of(architecture, 224);
        let trained = |frozen, head: &[u32]| layout.trained_parameters(&parameters(frozen, head));
        assert_eq!(trained(0, &[]), 20_177_488);
        // The top: a convolution of 256 to 1280 channels, a normalization's scales and shifts, an activation.
        let count = architecture.layer_count();
        assert_eq!([3, 2, 1, 0].map(|last| trained(count - last, &[])), [256 * 1280 + 2560, 2560, 0, 0]);
        assert_eq!(trained(count, &[256, 128]), 1281 * 256 + 257 * 128);
    }

    #[test]
    fn a_cut_is_behind_the_last_segment_that_is_frozen_whole() {
        let architecture = backbone::find("efficientnet_v2_s").unwrap();
        let layout = Layout::of(architecture, 224);
        for frozen in 0..=architecture.layer_count() {
            assert_eq!(layout.cut_at(frozen), architecture.cut_at(frozen), "{frozen} layers");
        }
    }

    #[test]
    fn an_image_has_the_bytes_of_what_comes_out_of_a_segment() {
        let layout = Layout::of(backbone::find("efficientnet_v2_s").unwrap(), 224);
        let bytes = |cut| {
            [Precision::Float32, Precision::Tf32, Precision::Bfloat16]
                .map(|precision| layout.image_bytes(cut, precision))
        };
        assert_eq!(bytes(0), [0; 3]);
        // The stem's 24 channels of 112 by 112 pixels, and the pooled vector.
        assert_eq!(bytes(1), [4, 4, 2].map(|size| 24 * 112 * 112 * size));
        assert_eq!(bytes(layout.ends.len() as u32), [4, 4, 2].map(|size| 1280 * size));
    }
}
