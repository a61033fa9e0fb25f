//! Layer tables against those of Keras, as `scripts/goldens/record.py` wrote them down.

use frostline_sweep::backbone::{self, Layer, LayerKind};

/// Side of the image that the shapes were recorded at, in pixels.
const IMAGE_SIZE: u32 = 128;

/// Keras' index, name, class, output shape without the batch (height, width, channels) and parameters of each layer.
type Row = (u32, String, String, Vec<u32>, u64);

fn recorded() -> Vec<Row> {
    serde_json::from_str(include_str!("layers/efficientnet_v2_s.json")).expect("the recorded table is JSON")
}

/// The output shape of each layer, from the kinds alone: each takes in what the layer before gave, and a multiplication
/// ends a squeeze with the shape that it began with.
fn shapes(layers: &[Layer], image: u32) -> Vec<Vec<u32>> {
    let (mut side, mut channels) = (image, 3);
    let mut squeezed: Option<u32> = None;
    let shape_after = |layer: &Layer| {
        match layer.kind {
            LayerKind::Convolution { output, .. } if squeezed.is_some() => squeezed = Some(output),
            LayerKind::Convolution { stride, output, .. } => {
                (side, channels) = (side.div_ceil(stride), output);
            }
            LayerKind::DepthwiseConvolution { stride, .. } => side = side.div_ceil(stride),
            LayerKind::GlobalAveragePooling => {
                squeezed = Some(channels);
                return vec![channels];
            }
            LayerKind::Multiply => squeezed = None,
            _ => {}
        }
        squeezed.map_or(vec![side, side, channels], |channels| vec![1, 1, channels])
    };
    layers.iter().map(shape_after).collect()
}

#[test]
fn every_layer_of_efficientnet_v2_s_is_the_one_that_keras_has_at_its_index() {
    let layers = backbone::find("efficientnet_v2_s").unwrap().layers();
    let shapes = shapes(&layers, IMAGE_SIZE);
    let ours = layers.iter().zip(shapes).map(|(layer, shape)| {
        let class = layer.kind.keras_class().to_owned();
        (layer.index, layer.name.clone(), class, shape, layer.kind.parameters())
    });
    let ours: Vec<Row> = ours.collect();
    let theirs = recorded();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "ours is left, Keras' right");
    }
    assert_eq!((ours.len(), theirs.len()), (513, 513));
}

#[test]
fn every_layer_with_weights_takes_in_the_channels_that_keras_gives_it() {
    let layers = backbone::find("efficientnet_v2_s").unwrap().layers();
    let recorded = recorded();
    let mut checked = 0;
    for (layer, before) in layers.iter().skip(1).zip(&recorded) {
        let input = match layer.kind {
            LayerKind::Convolution { input, .. } => input,
            LayerKind::DepthwiseConvolution { channels, .. } | LayerKind::BatchNormalization { channels } => channels,
            _ => continue,
        };
        assert_eq!(Some(&input), before.3.last(), "{}", layer.name);
        checked += 1;
    }
    assert!(checked > 250, "{checked} layers have weights");
}
