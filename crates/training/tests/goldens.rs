//! The network against those of Keras, torchvision, timm and the PyTorch port of EfficientNet-Lite, as
//! `scripts/goldens/record.py` wrote down what they compute. Weights and images come from a formula.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, its helpers too, and the errors are to be seen"
)]

#[path = "support/device.rs"]
mod device;
#[path = "goldens/formula.rs"]
mod formula;

use device::device;
use frostline_assets::weights::{self, WeightsFile};
use frostline_sweep::backbone::{self, Architecture, LayerKind};
use frostline_training::backbone::{Backbone, Conventions, Network, Role, Source, prepare, slots};
use frostline_training::shim;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tch::{Kind, Reduction, Tensor};

/// Norm of the difference over the norm of the original, at every depth.
const TOLERANCE: f64 = 1e-4;

const SIZES: [i64; 2] = [64, 65];
const BATCH: i64 = 2;
const OUTPUT_SAMPLE: usize = 512;
const GRADIENT_SAMPLE: usize = 16;

const TRAINING_SIZE: i64 = 64;
const TRAINING_BATCH: i64 = 8;
const TRAINING_STEPS: usize = 2;
const TRAINING_RATE: f64 = 0.05;

/// Depths that the output shows; all are compared.
const SHOWN: [&str; 7] = ["stem", "block2b", "block4a", "block5c", "block6d", "block6o", "top"];

/// What the script wrote beside the numbers.
#[derive(Deserialize)]
struct Facts {
    /// By backbone and origin: what the library calls the module of each of Keras' layers.
    layers: BTreeMap<String, BTreeMap<String, String>>,
    /// By run: the weights that the library trains, in its order.
    trained: BTreeMap<String, Vec<String>>,
}

static FACTS: LazyLock<Facts> =
    LazyLock::new(|| serde_json::from_str(include_str!("goldens/networks.json")).expect("the facts are JSON"));

static VALUES: LazyLock<WeightsFile> = LazyLock::new(|| {
    // Beside this program where it was taken to another machine.
    let folder = std::env::var_os("FROSTLINE_GOLDENS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens"));
    weights::open(&folder.join("networks.safetensors")).expect("the goldens can be read")
});

fn recorded(key: &str) -> Vec<f32> {
    VALUES.f32(key).unwrap_or_else(|error| panic!("{key}: {error}"))
}

/// The same network with stochastic depth that keeps every sample; its layers are still there and are counted.
static UNDROPPED: LazyLock<Architecture> = LazyLock::new(|| {
    let mut architecture = backbone::find("efficientnet_v2_s").unwrap().clone();
    architecture.drop_connect = 1e-30;
    architecture
});

/// Loads the formula's weights from a file with the names that the library uses.
fn load(architecture: &'static Architecture, origin: &str) -> Backbone {
    let names = &FACTS.layers[&format!("{}/{origin}", architecture.name)];
    let tensors = slots(architecture).into_iter().map(|slot| {
        let (layer, part) = slot.name.rsplit_once('.').unwrap();
        (format!("{}.{part}", names[layer]), formula::weight(&slot.name, &slot.shape), slot.shape)
    });
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write_safetensors(&mut file, tensors.collect());
    let file = weights::open(file.path()).unwrap();
    // As a worker has it; libtorch's own default is another.
    shim::set_tf32(false).unwrap();
    Backbone::load(architecture, Source::File(&file), device(), Kind::Float).unwrap()
}

fn write_safetensors(out: &mut impl Write, tensors: Vec<(String, Vec<f32>, Vec<i64>)>) {
    let mut table = serde_json::Map::new();
    let mut end = 0;
    for (name, values, shape) in &tensors {
        let start = end;
        end += 4 * values.len();
        let entry = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
        table.insert(name.clone(), entry);
    }
    let table = serde_json::to_vec(&table).unwrap();
    out.write_all(&(table.len() as u64).to_le_bytes()).unwrap();
    out.write_all(&table).unwrap();
    for (_, values, _) in &tensors {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        out.write_all(&bytes).unwrap();
    }
    out.flush().unwrap();
}

fn images(name: &str, batch: i64, size: i64) -> Tensor {
    Tensor::from_slice(&formula::pixels(name, (batch * 3 * size * size) as usize)).view([batch, 3, size, size])
}

/// Elements in the order of the axes.
fn elements(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().contiguous().view(-1)).unwrap()
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// Norm of the difference over the norm of the original; infinite where ours is no number.
fn relative_error(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "as many elements on both sides");
    let difference = norm(ours.iter().zip(theirs).map(|(ours, theirs)| ours - theirs));
    let error = if difference == 0.0 { 0.0 } else { difference / norm(theirs.iter().copied()) };
    if error.is_nan() { f64::INFINITY } else { error }
}

/// Compares the output of every segment with what the library computed, with and without normalizations folded into
/// convolutions. `scaling` is what the library does to pixels.
fn compare_outputs(backbone: &Backbone, origin: &str, scaling: &Conventions) {
    let architecture = backbone.architecture();
    let layers = architecture.layer_count();
    for (size, frozen) in SIZES.iter().flat_map(|&size| [(size, layers), (size, 0)]) {
        let network = backbone.instance(frozen);
        let images = images(&format!("pixels.{size}"), BATCH, size);
        let mut x = prepare(scaling, &images, size, device(), Kind::Float);
        let mut shown = Vec::new();
        let mut worst = 0f64;
        for (cut, segment) in (0..).zip(architecture.segments()) {
            x = network.forward(&x, cut, cut + 1, false);
            let key = format!("{}/{origin}/{size}/{}", architecture.name, segment.name);
            let shape: Vec<f32> = x.size().into_iter().map(|size| size as f32).collect();
            assert_eq!(shape, recorded(&format!("{key}/shape")), "{key}: shape");
            let error = relative_error(&formula::sample(elements(&x), OUTPUT_SAMPLE), &recorded(&key));
            let moments = recorded(&format!("{key}/moments"));
            let double = x.to_kind(Kind::Double);
            let ours = [double.mean(Kind::Double), double.std(false)].map(|moment| moment.double_value(&[]) as f32);
            // All elements, where the sample has some: the mean is as exact as the deviation is large.
            let moved = (ours[0] - moments[0]).abs().max((ours[1] - moments[1]).abs()) / moments[1];
            assert!(error < TOLERANCE && f64::from(moved) < TOLERANCE, "{key}: {error:.1e}, moments {moved:.1e}");
            worst = worst.max(error);
            if SHOWN.contains(&segment.name.as_str()) {
                shown.push(format!("{} {error:.1e}", segment.name));
            }
        }
        let form = if frozen == 0 { "as it trains" } else { "folded" };
        println!("{} {origin} {size}px {form}: {}; worst {worst:.1e}", architecture.name, shown.join(", "));
    }
}

#[test]
fn outputs_are_those_of_torchvision() {
    let backbone = load(backbone::find("efficientnet_v2_s").unwrap(), "torchvision");
    compare_outputs(&backbone, "torchvision", backbone.conventions());
}

#[test]
fn outputs_are_those_of_timm_and_keras() {
    let architecture = backbone::find("efficientnet_v2_s").unwrap();
    let backbone = load(architecture, "timm");
    compare_outputs(&backbone, "timm", backbone.conventions());
    // Keras' network is timm's but for the scaling of pixels.
    let keras = Conventions::keras(architecture);
    let timm = backbone.conventions();
    assert_eq!((keras.padding, keras.epsilon), (timm.padding, timm.epsilon));
    compare_outputs(&backbone, "keras", &keras);
}

#[test]
fn outputs_are_those_of_both_libraries_that_have_lite0() {
    for origin in ["timm", "lite_pytorch"] {
        let backbone = load(backbone::find("efficientnet_lite0").unwrap(), origin);
        compare_outputs(&backbone, origin, backbone.conventions());
    }
}

/// How torchvision's moving variances come out by Keras' rule: PyTorch takes up the unbiased variance of a batch, Keras
/// the biased one, so what two steps have added differs by `n / (n - 1)` for `n` values a channel.
fn biased(variance: f32, layer: &str, start: f32) -> f32 {
    let mut side = TRAINING_SIZE as u32;
    for each in UNDROPPED.layers() {
        match each.kind {
            LayerKind::Convolution { stride, .. } | LayerKind::DepthwiseConvolution { stride, .. } => {
                side = side.div_ceil(stride);
            }
            _ if each.name == layer => break,
            _ => {}
        }
    }
    let count = f64::from(TRAINING_BATCH as u32 * side * side);
    let kept = UNDROPPED.batch_norm_momentum.powi(TRAINING_STEPS as i32) * f64::from(start);
    (kept + (f64::from(variance) - kept) * (count - 1.0) / count) as f32
}

/// The worst of many relative errors, and where it is.
#[derive(Default)]
struct Worst(f64, String);

impl Worst {
    fn add(&mut self, error: f64, place: impl ToString) {
        if error > self.0 {
            *self = Worst(error, place.to_string());
        }
    }
}

/// Takes the recorded steps of gradient descent with the first `frozen` layers frozen.
fn compare_training(backbone: &Backbone, origin: &str, scaling: &Conventions, frozen: u32) {
    let key = format!("training/{origin}/{frozen}");
    let network = backbone.instance(frozen);
    let trained = network.trainable_names();
    assert_eq!(trained, FACTS.trained[&key], "{key}: what is trained, ours left");
    let target: Vec<f32> = formula::uniform("target")
        .take((TRAINING_BATCH * network.pooled_channels()) as usize)
        .map(|u| (2.0 * u - 1.0) as f32)
        .collect();
    let target = Tensor::from_slice(&target).view([TRAINING_BATCH, network.pooled_channels()]).to_device(device());
    let mut losses = Vec::new();
    for step in 0..TRAINING_STEPS {
        let images = images(&format!("pixels.step{step}"), TRAINING_BATCH, TRAINING_SIZE);
        let x = prepare(scaling, &images, TRAINING_SIZE, device(), Kind::Float);
        let loss = network.forward(&x, 0, network.cuts(), true).mse_loss(&target, Reduction::Mean);
        losses.push(loss.double_value(&[]) as f32);
        loss.backward();
        if step == 0 {
            only_these_have_gradients(&network, &trained);
            compare_gradients(&network, &trained, &key);
        }
        for name in &trained {
            let parameter = network.tensor(name);
            let mut gradient = parameter.grad();
            let _guard = tch::no_grad_guard();
            let _ = parameter.shallow_clone().g_add_(&(&gradient * -TRAINING_RATE));
            let _ = gradient.zero_();
        }
    }
    let loss = relative_error(&losses, &recorded(&format!("{key}/losses")));
    assert!(loss < TOLERANCE, "{key}: losses {losses:?}, {loss:.1e}");
    compare_statistics(&network, &key, origin == "torchvision");
    println!("{key}: {} weights train, losses {loss:.1e}", trained.len());
}

fn only_these_have_gradients(network: &Network, trained: &[String]) {
    let trained: BTreeSet<&String> = trained.iter().collect();
    for slot in slots(&UNDROPPED) {
        let gradient = network.tensor(&slot.name).grad();
        let present = gradient.defined() && gradient.norm().double_value(&[]) > 0.0;
        assert_eq!(present, trained.contains(&slot.name), "{}: has a gradient", slot.name);
    }
}

/// Compares each gradient by its norm and a sample. A bias in front of a batch normalization has no effect, so its
/// gradient is nothing but rounding: what is small against the gradients of all weights is compared with those.
fn compare_gradients(network: &Network, trained: &[String], key: &str) {
    let all = recorded(&format!("{key}/gradients"));
    let mut rest = &all[..];
    let mut pairs = Vec::new();
    for name in trained {
        let ours = elements(&network.tensor(name).grad());
        let (theirs, after) = rest.split_at(1 + GRADIENT_SAMPLE.min(ours.len()));
        rest = after;
        pairs.push((name, ours, f64::from(theirs[0]), &theirs[1..]));
    }
    assert!(rest.is_empty(), "{key}: a gradient is left over");
    let elements = pairs.iter().map(|(_, ours, ..)| ours.len()).sum::<usize>() as f64;
    let typical = (pairs.iter().map(|(_, _, norm, _)| norm.powi(2)).sum::<f64>() / elements).sqrt();
    let mut worst = Worst::default();
    for (name, ours, theirs, sample) in pairs {
        let least = typical * (ours.len() as f64).sqrt();
        let length = norm(ours.iter().copied());
        worst.add((length - theirs).abs() / theirs.max(least), format!("norm of {name}"));
        let ours = formula::sample(ours, GRADIENT_SAMPLE);
        let difference = norm(ours.iter().zip(sample).map(|(ours, theirs)| ours - theirs));
        let least = typical * (sample.len() as f64).sqrt();
        worst.add(difference / norm(sample.iter().copied()).max(least), name);
    }
    println!("{key}: gradients within {:.1e} ({})", worst.0, worst.1);
    assert!(worst.0 < TOLERANCE, "{key}: gradient of {}: {:.1e}", worst.1, worst.0);
}

fn compare_statistics(network: &Network, key: &str, unbiased: bool) {
    let mut worst = Worst::default();
    for slot in slots(&UNDROPPED).iter().filter(|slot| slot.role == Role::Statistic) {
        let ours = formula::sample(elements(network.tensor(&slot.name)), GRADIENT_SAMPLE);
        let mut theirs = recorded(&format!("{key}/{}", slot.name));
        if let Some(layer) = slot.name.strip_suffix(".running_var").filter(|_| unbiased) {
            let start = formula::sample(formula::weight(&slot.name, &slot.shape), GRADIENT_SAMPLE);
            for (variance, start) in theirs.iter_mut().zip(start) {
                *variance = biased(*variance, layer, start);
            }
        }
        worst.add(relative_error(&ours, &theirs), &slot.name);
    }
    println!("{key}: moving statistics within {:.1e} ({})", worst.0, worst.1);
    assert!(worst.0 < TOLERANCE, "{key}: {}: {:.1e}", worst.1, worst.0);
}

#[test]
fn gradients_and_moving_statistics_are_those_of_keras_at_every_freeze_index() {
    let backbone = load(&UNDROPPED, "timm");
    for frozen in [0, 128, 256, 384] {
        compare_training(&backbone, "keras", &Conventions::keras(&UNDROPPED), frozen);
    }
}

#[test]
fn gradients_and_moving_statistics_are_those_of_torchvision() {
    let backbone = load(&UNDROPPED, "torchvision");
    compare_training(&backbone, "torchvision", backbone.conventions(), 0);
}
