//! Whole networks in every library's form.

use super::pytorch::Library;
use super::*;
use crate::weights::{self, Format, WeightsFile};
use frostline_sweep::backbone::{self, Architecture, LayerKind};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

mod wrapped;

const LIBRARIES: [Library; 3] = [Library::Torchvision, Library::LitePytorch, Library::Timm];

fn lite0() -> &'static Architecture {
    backbone::find("efficientnet_lite0").unwrap()
}

/// Values of a slot that differ within a tensor and between tensors.
fn values(index: usize, slot: &Slot) -> Vec<f32> {
    (0..slot.shape.iter().product::<i64>()).map(|place| (index * 7 + place as usize % 1013) as f32).collect()
}

type Tensors = Vec<(String, Vec<i64>, Vec<f32>)>;

/// The network in the form of a library on PyTorch.
fn pytorch(architecture: &Architecture, library: Library) -> Tensors {
    let slots = slots(architecture);
    let names = library.names(architecture, &slots).unwrap();
    let tensor = |(index, (name, slot)): (usize, (String, &Slot))| (name, slot.shape.clone(), values(index, slot));
    names.into_iter().zip(&slots).enumerate().map(tensor).collect()
}

fn write(folder: &Path, metadata: &[(&'static str, &str)], tensors: &Tensors) -> PathBuf {
    let path = folder.join("weights.safetensors");
    let metadata: BTreeMap<&str, String> = metadata.iter().map(|&(key, value)| (key, value.to_owned())).collect();
    let table: Vec<(String, Vec<i64>)> =
        tensors.iter().map(|(name, shape, _)| (name.clone(), shape.clone())).collect();
    weights::write_safetensors(&path, &metadata, &table, |index| Ok::<_, io::Error>(tensors[index].2.clone()))
        .unwrap();
    path
}

fn opened(tensors: &Tensors) -> (tempfile::TempDir, WeightsFile) {
    let folder = tempfile::tempdir().unwrap();
    let file = weights::open(&write(folder.path(), &[], tensors)).unwrap();
    (folder, file)
}

/// Groups and data sets, as HDF5 nests them.
#[derive(Default)]
struct Tree {
    groups: BTreeMap<String, Tree>,
    datasets: BTreeMap<String, (Vec<i64>, Vec<f32>)>,
}

impl Tree {
    fn insert(&mut self, path: &str, tensor: (Vec<i64>, Vec<f32>)) {
        match path.split_once('/') {
            Some((group, rest)) => self.groups.entry(group.to_owned()).or_default().insert(rest, tensor),
            None => drop(self.datasets.insert(path.to_owned(), tensor)),
        }
    }

    fn fill(&self, group: &mut hdf5_pure::GroupBuilder) {
        for (name, (shape, values)) in &self.datasets {
            let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
            group.create_dataset(name).with_f32_data(values).with_shape(&shape);
        }
        for (name, inner) in &self.groups {
            let mut builder = group.create_group(name);
            inner.fill(&mut builder);
            group.add_group(builder.finish());
        }
    }

    fn write(&self, path: &Path) {
        let mut file = hdf5_pure::FileBuilder::new();
        for (name, inner) in &self.groups {
            let mut builder = file.create_group(name);
            inner.fill(&mut builder);
            file.add_group(builder.finish());
        }
        file.write(path).unwrap();
    }
}

/// Writes the network as Keras does: axes `[height, width, in, out]`.
fn keras_file(path: &Path, architecture: &Architecture, name: impl Fn(&str, &str, u32) -> String) {
    let layers = architecture.layers();
    let mut tree = Tree::default();
    for (index, slot) in slots(architecture).iter().enumerate() {
        let (layer, part) = slot.split();
        let kind = layers[slot.layer as usize].kind;
        let (number, part) = match (kind, part) {
            (LayerKind::BatchNormalization { .. }, "weight") => (0, "gamma"),
            (LayerKind::BatchNormalization { .. }, "bias") => (1, "beta"),
            (LayerKind::BatchNormalization { .. }, "running_mean") => (2, "moving_mean"),
            (LayerKind::BatchNormalization { .. }, _) => (3, "moving_variance"),
            (_, "weight") => (0, "kernel"),
            (_, _) => (1, "bias"),
        };
        let values = values(index, slot);
        let (shape, values) = match slot.shape[..] {
            [first, second, height, width] => {
                // A depthwise kernel keeps its channels before its multiplier of 1.
                let depthwise = matches!(kind, LayerKind::DepthwiseConvolution { .. });
                let shape = if depthwise { [height, width, first, second] } else { [height, width, second, first] };
                let mut moved = vec![0.0; values.len()];
                for (place, value) in values.into_iter().enumerate() {
                    let place = place as i64;
                    let (x, y) = (place % width, place / width % height);
                    let (b, a) = (place / (width * height) % second, place / (width * height * second));
                    let last = if depthwise { a * second + b } else { b * first + a };
                    moved[((y * width + x) * first * second + last) as usize] = value;
                }
                (shape.to_vec(), moved)
            }
            _ => (slot.shape.clone(), values),
        };
        tree.insert(&name(layer, part, number), (shape, values));
    }
    tree.write(path);
}

#[test]
fn each_library_names_the_whole_networks_that_it_has() {
    for architecture in backbone::names().filter_map(backbone::find) {
        // torchvision's names would fit networks that it has not.
        let unknown: &[Library] = if architecture.name.contains("_lite") { &[] } else { &[Library::LitePytorch] };
        let slots = slots(architecture);
        for library in LIBRARIES {
            let names = library.names(architecture, &slots);
            assert_eq!(names.is_none(), unknown.contains(&library), "{library:?} and {}", architecture.name);
            let different: BTreeSet<String> = names.iter().flatten().cloned().collect();
            assert!(names.is_none() || different.len() == slots.len(), "{library:?} names two tensors alike");
        }
    }
}

#[test]
fn the_names_are_those_of_the_libraries() {
    // From the `state_dict` of torchvision 0.28.0 and timm 1.0.31.
    let cases = [
        (Library::Torchvision, "stem_conv.weight", "features.0.0.weight"),
        (Library::Torchvision, "block1a_project_conv.weight", "features.1.0.block.0.0.weight"),
        (Library::Torchvision, "block4a_se_reduce.bias", "features.4.0.block.2.fc1.bias"),
        (Library::Torchvision, "block6o_project_bn.running_var", "features.6.14.block.3.1.running_var"),
        (Library::Torchvision, "top_conv.weight", "features.7.0.weight"),
        (Library::Timm, "stem_conv.weight", "conv_stem.weight"),
        (Library::Timm, "block1a_project_conv.weight", "blocks.0.0.conv.weight"),
        (Library::Timm, "block2a_expand_conv.weight", "blocks.1.0.conv_exp.weight"),
        (Library::Timm, "block4a_se_reduce.bias", "blocks.3.0.se.conv_reduce.bias"),
        (Library::Timm, "block6o_project_bn.running_var", "blocks.5.14.bn3.running_var"),
        (Library::Timm, "top_bn.bias", "bn2.bias"),
    ];
    let architecture = backbone::find("efficientnet_v2_s").unwrap();
    let slots = slots(architecture);
    for (library, ours, theirs) in cases {
        let place = slots.iter().position(|slot| slot.name == ours).unwrap();
        assert_eq!(library.names(architecture, &slots).unwrap()[place], theirs, "{ours}");
    }
}

#[test]
fn the_origin_is_told_from_the_names() {
    for (library, origin) in [(Library::Timm, Origin::Timm), (Library::LitePytorch, Origin::LitePytorch)] {
        let (_folder, file) = opened(&pytorch(lite0(), library));
        let fit = best_fit(&file);
        assert_eq!((fit.architecture.name, fit.origin, fit.classes), ("efficientnet_lite0", origin, None));
        assert!(fit.is_complete());
        assert_eq!(check(lite0(), &file).unwrap(), origin);
        let index = 5;
        assert_eq!(fit.values(&file, index).unwrap(), values(index, &fit.slots()[index]));
    }
}

#[test]
fn keras_files_of_both_layouts_have_the_tensors_of_the_pytorch_file() {
    let (folder, reference) = opened(&pytorch(lite0(), Library::Timm));
    let expected = best_fit(&reference).digest(&reference).unwrap();
    let (old, new) = (folder.path().join("old.h5"), folder.path().join("new.h5"));
    keras_file(&old, lite0(), |layer, part, _| format!("{layer}/{layer}/{part}:0"));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    for layer in lite0().layers() {
        let class = match layer.kind.keras_class() {
            "Conv2D" => "conv2d",
            "DepthwiseConv2D" => "depthwise_conv2d",
            "BatchNormalization" => "batch_normalization",
            _ => continue,
        };
        let count = counts.entry(class).or_default();
        let name = if *count == 0 { class.to_owned() } else { format!("{class}_{count}") };
        *count += 1;
        numbers.insert(layer.name.clone(), name);
    }
    // Inside of a model that was trained on top of it.
    keras_file(&new, lite0(), |layer, _, number| {
        format!("layers/functional/layers/{}/vars/{number}", numbers[layer])
    });
    for (path, format) in [(old, Format::KerasH5), (new, Format::Keras3)] {
        let file = weights::open(&path).unwrap();
        assert_eq!(file.format(), format);
        let fit = best_fit(&file);
        assert!(fit.is_complete(), "{:?} {:?} {:?}", fit.missing, fit.unexpected, fit.shapes);
        assert_eq!((fit.origin, fit.conventions().padding), (Origin::Keras, Padding::Same));
        assert_eq!(fit.digest(&file).unwrap(), expected);
    }
}

#[test]
fn converted_weights_keep_their_tensors_their_classifier_and_their_origin() {
    let mut tensors = pytorch(lite0(), Library::LitePytorch);
    let channels = i64::from(lite0().top_channels);
    tensors.push(("_fc.weight".into(), vec![2, channels], (0..2 * channels).map(|value| value as f32).collect()));
    tensors.push(("_fc.bias".into(), vec![2], vec![0.25, -0.5]));
    let (folder, source) = opened(&tensors);
    let target = folder.path().join("converted.safetensors");
    let written = convert(lite0(), &source, &target).unwrap();
    assert_eq!(written, Converted { names: Origin::Timm, tensors: tensors.len(), classes: Some(2) });

    let converted = weights::open(&target).unwrap();
    let (before, after) = (best_fit(&source), best_fit(&converted));
    assert_eq!((after.names, after.origin, after.classes), (Origin::Timm, Origin::LitePytorch, Some(2)));
    assert_eq!(after.conventions(), before.conventions());
    assert_eq!(after.digest(&converted).unwrap(), before.digest(&source).unwrap());
    assert_eq!(converted.f32("classifier.bias").unwrap(), [0.25, -0.5]);
    assert_eq!(converted.f32("classifier.weight").unwrap(), source.f32("_fc.weight").unwrap());
}

#[test]
fn what_does_not_fit_is_named() {
    let mut tensors = pytorch(lite0(), Library::Timm);
    let lost = tensors.remove(0).0;
    tensors[0].1 = vec![4, 8];
    tensors.push(("stranger.weight".into(), vec![1], vec![1.0]));
    let (folder, file) = opened(&tensors);
    let fit = best_fit(&file);
    assert_eq!(
        (fit.missing.as_slice(), fit.unexpected.as_slice()),
        (&[lost][..], &["stranger.weight".to_owned()][..])
    );
    assert_eq!(fit.shapes, [("bn1.weight".to_owned(), vec![32], vec![4, 8])]);
    let message = check(lite0(), &file).unwrap_err().to_string();
    let expected = "the weights are not those of efficientnet_lite0 (read with timm's names); missing of 245: \
                    conv_stem.weight; unexpected: stranger.weight; of another shape: bn1.weight is [4, 8], not [32]";
    assert_eq!(message, expected);
    let target = folder.path().join("none.safetensors");
    assert!(convert(lite0(), &file, &target).unwrap_err().to_string().starts_with(expected));
    assert!(!target.exists());
}

#[test]
fn a_file_of_another_network_is_foreign() {
    let (_folder, file) = opened(&vec![("linear.weight".to_owned(), vec![1], vec![1.0])]);
    assert!(best_fit(&file).is_foreign());
}

#[test]
fn a_whole_file_of_another_network_is_called_by_its_name() {
    let (folder, file) = opened(&pytorch(lite0(), Library::Timm));
    let other = backbone::find("efficientnet_v2_s").unwrap();
    let expected = "the weights are those of efficientnet_lite0 (timm's), not of efficientnet_v2_s";
    assert_eq!(check(other, &file).unwrap_err().to_string(), expected);
    let target = folder.path().join("none.safetensors");
    assert_eq!(convert(other, &file, &target).unwrap_err().to_string(), expected);
}

#[test]
fn a_heads_layers_beside_keras_network_are_no_strangers_and_another_networks_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.h5");
    let mut tree = Tree::default();
    for name in ["my_head/my_head/kernel:0", "predictions/predictions/bias:0", "block9z_bn/block9z_bn/gamma:0"] {
        tree.insert(name, (vec![1], vec![1.0]));
    }
    tree.write(&path);
    let fit = fit(lite0(), &weights::open(&path).unwrap());
    assert_eq!(fit.unexpected, ["block9z_bn/gamma"]);
    assert!(fit.is_foreign());
}

#[test]
fn libraries_run_the_network_by_their_own_rules() {
    let v2 = backbone::find("efficientnet_v2_s").unwrap();
    let of = |origin: Origin, architecture| {
        let Conventions { padding, mean, deviation, epsilon, momentum } = origin.conventions(architecture);
        assert_eq!(epsilon, 1e-3);
        (padding, mean[0], deviation[0], momentum)
    };
    assert_eq!(of(Origin::Keras, v2), (Padding::Same, 128.0, 128.0, 0.9));
    assert_eq!(of(Origin::Timm, v2), (Padding::Same, 127.5, 127.5, 0.9));
    assert_eq!(of(Origin::Timm, lite0()), (Padding::Same, 127.5, 127.5, 0.9));
    assert_eq!(of(Origin::LitePytorch, lite0()), (Padding::Same, 127.0, 128.0, 0.99));
    assert_eq!(of(Origin::Torchvision, v2).0, Padding::Symmetric);
    let b7 = backbone::find("efficientnet_b7").unwrap();
    assert_eq!(of(Origin::Torchvision, b7), (Padding::Symmetric, 0.485 * 255.0, 0.229 * 255.0, 0.99));
    assert_eq!(of(Origin::Keras, b7), (Padding::Same, 0.485 * 255.0, 0.229 * 255.0, 0.99));
    let b0 = Origin::Torchvision.conventions(backbone::find("efficientnet_b0").unwrap());
    assert_eq!((b0.epsilon, b0.momentum), (1e-5, 0.9));
    assert_eq!(Origin::ALL.map(|origin| Origin::find(origin.name())), Origin::ALL.map(Some));
}

/// Keras counts pixels of a first EfficientNet's normalization among its variables.
#[test]
fn what_normalizes_pixels_in_keras_files_is_no_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("normalized.weights.h5");
    let mut tree = Tree::default();
    for name in ["layers/normalization/vars/0", "layers/normalization/vars/2", "layers/conv2d/vars/0"] {
        tree.insert(name, (vec![1], vec![1.0]));
    }
    tree.write(&path);
    let b0 = backbone::find("efficientnet_b0").unwrap();
    assert_eq!(fit(b0, &weights::open(&path).unwrap()).unexpected, [""; 0]);
}
