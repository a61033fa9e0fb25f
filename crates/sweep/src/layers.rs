//! Every layer of a network at an image size: shapes, work, and what could be kept behind it.

use crate::backbone::{Architecture, Layer, LayerKind, padded};

/// One layer of `model.layers`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub layer: Layer,
    /// Shape of its output for one image in Keras' order: height, width, channels; channels alone after pooling.
    pub shape: Vec<u32>,
    /// Multiplications of an image in convolutions, this layer alone.
    pub multiplications: u64,
    /// Share of the backbone's multiplications up to this layer, itself included.
    pub compute_share: f64,
    /// Where a block ends with this layer.
    pub boundary: Option<Boundary>,
}

/// A place where features can be taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Boundary {
    /// The segment that ends: `stem`, `block1a`, …, `top`.
    pub segment: String,
    /// Elements of an image's features; behind the last segment they are pooled.
    pub elements: u64,
}

/// The layers of `architecture` for square images of `image_size` pixels.
pub fn table(architecture: &Architecture, image_size: u32) -> Vec<Row> {
    let segments = architecture.segments();
    let (mut side, mut channels) = (image_size, 3);
    let mut rows: Vec<Row> = architecture
        .layers()
        .iter()
        .cloned()
        .map(|layer| {
            let mut weights = 0;
            let shape = match layer.kind {
                // The two convolutions of squeeze-and-excite see one pixel.
                LayerKind::Convolution { input, output, bias: true, .. } => {
                    return row(layer, vec![1, 1, output], u64::from(input * output));
                }
                LayerKind::Convolution { kernel, stride, input, output, .. } => {
                    (side, channels) = (side.div_ceil(stride), output);
                    weights = u64::from(kernel * kernel * input) * u64::from(output);
                    vec![side, side, channels]
                }
                LayerKind::DepthwiseConvolution { kernel, stride, channels } => {
                    side = side.div_ceil(stride);
                    weights = u64::from(kernel * kernel * channels);
                    vec![side, side, channels]
                }
                LayerKind::ZeroPadding { kernel } => {
                    let padded = padded(side, kernel);
                    vec![padded, padded, channels]
                }
                LayerKind::GlobalAveragePooling => vec![channels],
                LayerKind::Reshape => vec![1, 1, channels],
                _ => vec![side, side, channels],
            };
            row(layer, shape, weights * u64::from(side) * u64::from(side))
        })
        .collect();
    let total: u64 = rows.iter().map(|row| row.multiplications).sum();
    let mut sum = 0;
    for row in &mut rows {
        sum += row.multiplications;
        row.compute_share = sum as f64 / total as f64;
    }
    for (number, segment) in (1..).zip(segments) {
        let row = &mut rows[segment.layers.end as usize - 1];
        let pixels = if number == segments.len() { 1 } else { u64::from(row.shape[0]) * u64::from(row.shape[1]) };
        let elements = pixels * u64::from(segment.channels);
        row.boundary = Some(Boundary { segment: segment.name.clone(), elements });
    }
    rows
}

fn row(layer: Layer, shape: Vec<u32>, multiplications: u64) -> Row {
    Row { layer, shape, multiplications, compute_share: 0.0, boundary: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone;

    #[test]
    fn shapes_and_shares_follow_the_layers() {
        let rows = table(backbone::find("efficientnet_v2_s").unwrap(), 65);
        let of = |name: &str| rows.iter().find(|row| row.layer.name == name).unwrap();
        assert_eq!(of("rescaling").shape, [65, 65, 3]);
        assert_eq!(of("stem_conv").shape, [33, 33, 24], "odd sizes are rounded up");
        assert_eq!(of("block4a_dwconv2").shape, [5, 5, 256]);
        assert_eq!(of("block4a_se_squeeze").shape, [256]);
        assert_eq!(of("block4a_se_reshape").shape, [1, 1, 256]);
        assert_eq!(of("block4a_se_reduce").shape, [1, 1, 16]);
        assert_eq!(of("block4a_se_excite").shape, [5, 5, 256]);
        assert_eq!(of("top_activation").shape, [3, 3, 1280]);
        assert_eq!(of("stem_conv").multiplications, 33 * 33 * 9 * 3 * 24);
        assert_eq!(of("block4a_se_reduce").multiplications, 256 * 16);
        assert!(rows.is_sorted_by(|one, other| one.compute_share <= other.compute_share));
        assert_eq!(rows.last().unwrap().compute_share, 1.0);
    }

    #[test]
    fn every_segment_ends_at_one_boundary() {
        let architecture = backbone::find("efficientnet_lite0").unwrap();
        let rows = table(architecture, 64);
        let boundaries: Vec<&Boundary> = rows.iter().filter_map(|row| row.boundary.as_ref()).collect();
        let names: Vec<String> = architecture.segments().iter().map(|segment| segment.name.clone()).collect();
        assert_eq!(boundaries.iter().map(|boundary| boundary.segment.clone()).collect::<Vec<_>>(), names);
        assert_eq!(boundaries[0].elements, 32 * 32 * 32);
        assert_eq!(boundaries.last().unwrap().elements, 1280, "pooled");
    }
}
