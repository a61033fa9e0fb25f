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

/// Keras' `model.summary()` of EfficientNetV2S without its top: 20,331,360 parameters, 20,177,488 of them trainable.
/// timm's `tf_efficientnet_lite0` has 4,652,008 with a classifier of 1,281,000.
#[test]
fn moving_statistics_are_not_trained() {
    let trained = |name| -> u64 {
        backbone::find(name).unwrap().layers().iter().map(|layer| layer.kind.trained_parameters()).sum()
    };
    assert_eq!(trained("efficientnet_v2_s"), 20_177_488);
    assert_eq!(trained("efficientnet_lite0"), 4_652_008 - 1_281_000);
}

/// Keras: `drop_connect_rate * b / blocks`, 0.2 and 40 blocks.
#[test]
fn stochastic_depth_grows_from_block_to_block() {
    let blocks = backbone::find("efficientnet_v2_s").unwrap().blocks();
    let rate = |name: &str| blocks.iter().find(|block| block.name == name).unwrap().drop_rate;
    assert_eq!(blocks.len(), 40);
    assert_eq!(rate("block1a"), None, "a rate of zero");
    assert!((rate("block1b").unwrap() - 0.2 / 40.0).abs() < 1e-12);
    assert_eq!(rate("block2a"), None, "it has no residual connection");
    assert!((rate("block6o").unwrap() - 0.2 * 39.0 / 40.0).abs() < 1e-12);
}

/// The last three layers are a convolution, its normalization and an activation.
#[test]
fn a_normalization_trains_as_long_as_one_lies_behind_the_frozen_layers() {
    let architecture = backbone::find("efficientnet_v2_s").unwrap();
    let trains = [0, 510, 511, 512, 513].map(|frozen| architecture.trains_normalization(frozen));
    assert_eq!(trains, [true, true, true, false, false]);
}
