//! Every member of the family against the libraries that have it, as `scripts/goldens/family.py` wrote down what they
//! compute: names, conventions, and outputs at the end of every stage. Weights and images come from a formula.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, its helpers too, and the errors are to be seen"
)]

#[path = "goldens/formula.rs"]
mod formula;

use frostline_assets::weights::{self, WeightsFile};
use frostline_sweep::backbone::{self, Architecture};
use frostline_training::backbone::{Backbone, Conventions, Origin, Source, prepare, slots};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::LazyLock;
use tch::{Device, Kind, Tensor};

/// Norm of the difference over the norm of the original, and the same of mean and deviation over the deviation.
const TOLERANCE: f64 = 1e-4;

const SIZE: i64 = 70;
const BATCH: i64 = 2;
const SAMPLE: usize = 32;

#[derive(Deserialize)]
struct Facts {
    /// By network and origin: SHA-256 of a line for each of Keras' layers, `LAYER MODULE`.
    names: BTreeMap<String, String>,
    /// By network and origin.
    conventions: BTreeMap<String, Stated>,
}

/// What a library says of itself.
#[derive(Deserialize)]
struct Stated {
    mean: [f64; 3],
    deviation: [f64; 3],
    epsilon: f64,
    momentum: f64,
}

static FACTS: LazyLock<Facts> =
    LazyLock::new(|| serde_json::from_str(include_str!("goldens/family.json")).expect("the facts are JSON"));

static VALUES: LazyLock<WeightsFile> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/family.safetensors");
    weights::open(&path).expect("the goldens can be read")
});

/// The formula's weights in a file of the names that the library uses.
fn load(architecture: &'static Architecture, origin: Origin) -> Backbone {
    let slots = slots(architecture);
    let names = origin.tensor_names(architecture, &slots).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut table = serde_json::Map::new();
    let mut end = 0;
    for (name, slot) in names.into_iter().zip(&slots) {
        let start = end;
        end += 4 * slot.shape.iter().product::<i64>();
        let entry = serde_json::json!({ "dtype": "F32", "shape": slot.shape, "data_offsets": [start, end] });
        table.insert(name, entry);
    }
    let table = serde_json::to_vec(&table).unwrap();
    let mut out = BufWriter::new(file.as_file());
    out.write_all(&(table.len() as u64).to_le_bytes()).unwrap();
    out.write_all(&table).unwrap();
    for slot in &slots {
        for value in formula::weight(&slot.name, &slot.shape) {
            out.write_all(&value.to_le_bytes()).unwrap();
        }
    }
    out.flush().unwrap();
    let file = weights::open(file.path()).unwrap();
    Backbone::load(architecture, Source::File(&file), Device::Cpu, Kind::Float).unwrap()
}

/// What the library calls each layer, as the script has hashed it.
fn names(architecture: &Architecture, origin: Origin) -> String {
    let slots = slots(architecture);
    let mut lines: Vec<String> = (slots.iter().zip(origin.tensor_names(architecture, &slots).unwrap()))
        .map(|(slot, name)| {
            let layer = |name: &str| name.rsplit_once('.').unwrap().0.to_owned();
            format!("{} {}\n", layer(&slot.name), layer(&name))
        })
        .collect();
    lines.dedup();
    Sha256::digest(lines.concat()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// Compares outputs with what the library computed, with and without normalizations folded into convolutions, and says
/// the largest error.
fn compare_outputs(backbone: &Backbone, key: &str, conventions: &Conventions) -> f64 {
    let architecture = backbone.architecture();
    let recorded = VALUES.f32(key).unwrap();
    let rows: Vec<&[f32]> = recorded.chunks(2 + SAMPLE).collect();
    let pixels = formula::pixels(&format!("pixels.{SIZE}"), (BATCH * 3 * SIZE * SIZE) as usize);
    let pixels = Tensor::from_slice(&pixels).view([BATCH, 3, SIZE, SIZE]);
    let stage = |name: &str| name[..name.len().min(6)].to_owned();
    let mut worst = 0f64;
    for frozen in [architecture.layer_count(), 0] {
        let network = backbone.instance(frozen);
        let segments = architecture.segments();
        let mut x = prepare(conventions, &pixels, SIZE, Device::Cpu, Kind::Float);
        let mut compared = 0;
        for (cut, segment) in (0..).zip(segments) {
            x = network.forward(&x, cut, cut + 1, false);
            let next = segments.get(cut as usize + 1).map(|next| stage(&next.name));
            if next == Some(stage(&segment.name)) {
                continue;
            }
            let row = rows[compared];
            compared += 1;
            let elements: Vec<f32> = Vec::try_from(x.contiguous().view(-1)).unwrap();
            let ours = formula::sample(elements, SAMPLE);
            let difference = norm(ours.iter().zip(&row[2..]).map(|(ours, theirs)| ours - theirs));
            let error = difference / norm(row[2..].iter().copied());
            let double = x.to_kind(Kind::Double);
            let moments = [double.mean(Kind::Double), double.std(false)].map(|moment| moment.double_value(&[]));
            let moved = (0..2).map(|it| (moments[it] - f64::from(row[it])).abs()).fold(0.0, f64::max);
            let error = error.max(moved / f64::from(row[1]));
            assert!(error < TOLERANCE, "{key} {}: {error:.1e}", segment.name);
            worst = worst.max(error);
        }
        assert_eq!(compared, rows.len(), "{key}: every stage is compared");
    }
    worst
}

fn compare(architecture: &'static Architecture) {
    let key = |origin: &str| format!("{}/{origin}", architecture.name);
    let check = |backbone: &Backbone, origin: &str, ours: &Conventions| {
        let theirs = &FACTS.conventions[&key(origin)];
        // Keras' are measured at its output, in float32.
        let near = |one: f64, other: f64| (one - other).abs() <= 1e-5 * other.abs();
        let pairs = ours.mean.iter().zip(&theirs.mean).chain(ours.deviation.iter().zip(&theirs.deviation));
        let pairs = pairs.map(|(ours, theirs)| (*ours, *theirs));
        let all = pairs.chain([(ours.epsilon, theirs.epsilon), (ours.momentum, theirs.momentum)]);
        all.for_each(|(ours, theirs)| assert!(near(ours, theirs), "{}: {ours}, theirs {theirs}", key(origin)));
        let worst = compare_outputs(backbone, &key(origin), ours);
        println!("{}: within {worst:.1e}", key(origin));
    };
    let timm = load(architecture, Origin::Timm);
    assert_eq!(names(architecture, Origin::Timm), FACTS.names[&key("timm")], "{}", key("timm"));
    check(&timm, "timm", timm.conventions());
    let keras = Conventions::keras(architecture);
    if FACTS.conventions.contains_key(&key("keras")) {
        // Keras' network is timm's but for the scaling of pixels and the momentum.
        assert_eq!((keras.padding, keras.epsilon), (timm.conventions().padding, timm.conventions().epsilon));
        check(&timm, "keras", &keras);
    }
    drop(timm);
    assert_eq!(architecture.torchvision.is_some(), FACTS.names.contains_key(&key("torchvision")));
    if architecture.torchvision.is_some() {
        let torchvision = load(architecture, Origin::Torchvision);
        assert_eq!(names(architecture, Origin::Torchvision), FACTS.names[&key("torchvision")]);
        check(&torchvision, "torchvision", torchvision.conventions());
    }
}

fn compare_all(is_wanted: impl Fn(&str) -> bool, count: usize) {
    let all: Vec<&str> = backbone::names().filter(|name| is_wanted(name)).collect();
    assert_eq!(all.len(), count, "{all:?}");
    all.into_iter().filter_map(backbone::find).for_each(compare);
}

#[test]
fn the_first_efficientnets_are_those_of_keras_torchvision_and_timm() {
    compare_all(|name| name.starts_with("efficientnet_b"), 8);
}

#[test]
fn the_second_efficientnets_are_those_of_keras_torchvision_and_timm() {
    compare_all(|name| name.starts_with("efficientnet_v2_"), 7);
}

#[test]
fn the_lite_networks_are_those_of_timm() {
    compare_all(|name| name.starts_with("efficientnet_lite"), 5);
}
