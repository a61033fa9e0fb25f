//! Layer tables against those of Keras, as `scripts/goldens/record.py` wrote them down.

use frostline_sweep::backbone::{self, Layer, LayerKind};
use frostline_sweep::layers;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Side of the image that the shapes were recorded at, in pixels.
const IMAGE_SIZE: u32 = 128;

/// Keras' index, name, class, output shape without the batch (height, width, channels) and parameters of each layer.
type Row = (u32, String, String, Vec<u32>, u64);

/// The tables that are kept in full, one for each way in which Keras lays out layers.
const TABLES: [(&str, &str); 3] = [
    ("efficientnet_v2_s", include_str!("layers/efficientnet_v2_s.json")),
    ("efficientnet_v2_b0", include_str!("layers/efficientnet_v2_b0.json")),
    ("efficientnet_b0", include_str!("layers/efficientnet_b0.json")),
];

fn recorded(table: &str) -> Vec<Row> {
    serde_json::from_str(table).expect("the recorded table is JSON")
}

/// What is kept of every table of Keras.
#[derive(Deserialize)]
struct Summary {
    layers: usize,
    parameters: u64,
    /// Of a line for each layer, as `scripts/goldens/family.py` writes it.
    sha256: String,
}

fn summaries() -> BTreeMap<String, Summary> {
    serde_json::from_str(include_str!("layers/family.json")).expect("the recorded summaries are JSON")
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
            LayerKind::ZeroPadding { kernel } => {
                // Keras' `correct_pad`: half the kernel on both sides, one less before an even side.
                let padded = side + 2 * (kernel / 2) - (1 - side % 2);
                return vec![padded, padded, channels];
            }
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

fn ours(name: &str) -> Vec<Row> {
    let layers = backbone::find(name).expect("it is in the table").layers();
    let shapes = shapes(layers, IMAGE_SIZE);
    let row = |(layer, shape): (&Layer, Vec<u32>)| {
        let class = layer.kind.keras_class().to_owned();
        (layer.index, layer.name.clone(), class, shape, layer.kind.parameters())
    };
    layers.iter().zip(shapes).map(row).collect()
}

#[test]
fn every_layer_is_the_one_that_keras_has_at_its_index() {
    for (name, table) in TABLES {
        let (ours, theirs) = (ours(name), recorded(table));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{name}: ours is left, Keras' right");
        }
        assert_eq!(ours.len(), theirs.len(), "{name}");
    }
    assert_eq!(ours("efficientnet_v2_s").len(), 513);
}

/// Index, name, class, shape, parameters and rate of dropout of every layer of all 15 networks that Keras has.
#[test]
fn every_table_of_the_family_has_the_digest_of_keras_table() {
    let summaries = summaries();
    let wrong: Vec<String> = summaries
        .iter()
        .filter_map(|(name, theirs)| {
            let rates = backbone::find(name).unwrap().layers().iter().map(|layer| match layer.kind {
                LayerKind::Dropout { rate } => rate,
                _ => 0.0,
            });
            let rows = ours(name);
            let lines: String = (rows.iter().zip(rates))
                .map(|((index, layer, class, shape, parameters), rate)| {
                    format!("{index} {layer} {class} {shape:?} {parameters} {rate:.9}\n")
                })
                .collect();
            let digest: String = Sha256::digest(&lines).iter().map(|byte| format!("{byte:02x}")).collect();
            let parameters: u64 = rows.iter().map(|row| row.4).sum();
            let same = (rows.len(), parameters, &digest) == (theirs.layers, theirs.parameters, &theirs.sha256);
            let (found, wanted) = ((rows.len(), parameters), (theirs.layers, theirs.parameters));
            (!same).then(|| format!("{name}: layers and parameters {found:?}, Keras' {wanted:?}"))
        })
        .collect();
    assert_eq!(wrong, [""; 0]);
    let keras = backbone::names().filter(|name| !name.contains("lite")).count();
    assert_eq!((summaries.len(), keras), (15, 15));
}

/// By Keras' own counts: a convolution multiplies each of its weights once for every pixel that it puts out.
#[test]
fn a_layer_multiplies_each_weight_once_a_pixel() {
    for (name, table) in TABLES {
        let rows = layers::table(backbone::find(name).expect("it is in the table"), IMAGE_SIZE);
        for (row, (_, layer, class, shape, parameters)) in rows.iter().zip(recorded(table)) {
            let expected = match (class.as_str(), &shape[..]) {
                // The two of squeeze-and-excite have a bias.
                ("Conv2D", [1, 1, channels]) if layer.contains("_se_") => parameters - u64::from(*channels),
                ("Conv2D" | "DepthwiseConv2D", [height, width, _]) => parameters * u64::from(height * width),
                _ => 0,
            };
            assert_eq!(row.multiplications, expected, "{name}: {layer}");
        }
    }
}

/// Parameters without moving statistics, the classifier's 1,281,000 taken away, as timm counts them: 4,652,008, 5,416,680,
/// 6,092,072, 8,197,096 and 13,006,568.
#[test]
fn the_lite_networks_have_the_parameters_of_timms() {
    let trained = |name: &str| -> u64 {
        backbone::find(name).unwrap().layers().iter().map(|layer| layer.kind.trained_parameters()).sum()
    };
    let counts = [4_652_008, 5_416_680, 6_092_072, 8_197_096, 13_006_568].map(|count: u64| count - 1_281_000);
    let names = (0..5).map(|number| format!("efficientnet_lite{number}"));
    assert_eq!(names.map(|name| trained(&name)).collect::<Vec<_>>(), counts);
}

#[test]
fn shown_shapes_are_those_of_keras() {
    for (name, table) in TABLES {
        let shown = layers::table(backbone::find(name).unwrap(), IMAGE_SIZE);
        for (row, theirs) in shown.iter().zip(recorded(table)) {
            assert_eq!(row.shape, theirs.3, "{name} {}", row.layer.name);
        }
    }
}

#[test]
fn every_layer_with_weights_takes_in_the_channels_that_keras_gives_it() {
    for (name, table) in TABLES {
        let layers = backbone::find(name).unwrap().layers();
        let recorded = recorded(table);
        let mut checked = 0;
        for (layer, before) in layers.iter().skip(1).zip(&recorded) {
            let input = match layer.kind {
                LayerKind::Convolution { input, .. } => input,
                LayerKind::DepthwiseConvolution { channels, .. } | LayerKind::BatchNormalization { channels } => {
                    channels
                }
                _ => continue,
            };
            assert_eq!(Some(&input), before.3.last(), "{name} {}", layer.name);
            checked += 1;
        }
        assert!(checked > 2 * layers.len() / 5, "{name}: {checked} of {} layers have weights", layers.len());
    }
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
    // Nor are the means and variances of colours, which are EfficientNetB0's first weights: 4,049,571 and 4,007,548.
    assert_eq!(trained("efficientnet_b0"), 4_007_548);
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

/// As `torchvision.models.efficientnet` builds them: B0 to B4 with the defaults of `BatchNorm2d`, B5 to B7 with TensorFlow's, V2
/// with 0.001 and the default momentum, which is one minus ours.
#[test]
fn torchvisions_networks_normalise_as_torchvision_does() {
    for (names, epsilon, momentum) in [
        (&["b0", "b1", "b2", "b3", "b4"][..], 1e-5, 0.9),
        (&["b5", "b6", "b7"], 1e-3, 0.99),
        (&["v2_s", "v2_m", "v2_l"], 1e-3, 0.9),
    ] {
        for name in names {
            let name = format!("efficientnet_{name}");
            let theirs = backbone::find(&name).unwrap().torchvision.expect("torchvision has it");
            assert_eq!((theirs.name, theirs.epsilon, theirs.momentum), (name.as_str(), epsilon, momentum));
        }
    }
    for name in ["efficientnet_lite0", "efficientnet_v2_b0"] {
        assert!(backbone::find(name).unwrap().torchvision.is_none(), "{name}");
    }
}
