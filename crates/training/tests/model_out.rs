//! What leaves the program: kept models, exports, and the output of single layers.
//!
//! EfficientNets with random weights on the drawn data set, at the smallest size.

use frostline_assets::data::shapes;
use frostline_assets::subset;
use frostline_assets::weights::{self, WeightsFile};
use frostline_protocol::tools::{Extract, Layout};
use frostline_protocol::{Ended, Observer, Places, Stop};
use frostline_sweep::backbone::{self, Architecture, LayerKind};
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::outcome::{EpochMetrics, Evaluation};
use frostline_sweep::trial::{
    Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, TrialSpec, Validation, WeightsIdentity,
};
use frostline_training::backbone::{Origin, slots};
use frostline_training::{Model, Session, TrainingError, extract};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

struct LastEpoch(Option<EpochMetrics>);

impl Observer for LastEpoch {
    fn epoch(&mut self, metrics: EpochMetrics) {
        self.0 = Some(metrics);
    }

    fn progress(&mut self, _done: u64, _total: u64) {}

    fn should_stop(&self) -> Stop {
        Stop::No
    }
}

fn architecture(name: &str) -> &'static Architecture {
    backbone::find(name).expect("it is in the table")
}

fn random(backbone: &str) -> ModelSpec {
    ModelSpec { backbone: backbone.to_owned(), weights: WeightsIdentity::Random }
}

/// Trains from the third layer of a block on, so that every kind of tensor is frozen in part and trained in part.
fn spec() -> TrialSpec {
    TrialSpec {
        data: DataSpec {
            dataset: Dataset::Shapes,
            digest: shapes::digest(),
            validation: Validation::Share(0.2),
            image_size: 32,
            augment: Augment::None,
            train_limit: Some(200),
            test_limit: None,
            pictures: None,
        },
        model: random("efficientnet_lite0"),
        parameters: Parameters {
            frozen_layers: architecture("efficientnet_lite0").segments()[11].layers.start + 3,
            head_units: vec![24, 16],
            head_dropout: vec![0.2, 0.0],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            recipe: Default::default(),
            epochs: 1,
            batch_size: 20,
            precision: Precision::Float32,
        },
        seed: 3,
    }
}

fn places(folder: &Path) -> Places {
    Places {
        data: None,
        weights: Default::default(),
        features: folder.join("features"),
        checkpoints: folder.join("checkpoints"),
        models: Some(folder.join("models")),
    }
}

/// A trained trial: what it measured, and where its model lies.
fn trained(folder: &Path, spec: &TrialSpec) -> (Evaluation, PathBuf) {
    let (_, evaluation) = measured(folder, spec);
    (evaluation, folder.join("models").join(spec.id().model_file()))
}

/// The last epoch of a trial, and its evaluation.
fn measured(folder: &Path, spec: &TrialSpec) -> (EpochMetrics, Evaluation) {
    let mut session = Session::new(Device::Cpu, places(folder));
    let mut last = LastEpoch(None);
    let ended = session.train(spec, None, &mut last).expect("the trial trains");
    let Ended::Complete(evaluation) = ended else { panic!("nobody asked to stop: {ended:?}") };
    (last.0.expect("an epoch"), evaluation)
}

fn values(file: &WeightsFile, name: &str) -> Tensor {
    let shape = file.shape(name).unwrap_or_else(|| panic!("a tensor `{name}`"));
    Tensor::from_slice(&file.f32(name).expect("its values")).view(&shape[..])
}

/// Norm of the difference over the norm.
fn relative_error(one: &Tensor, other: &Tensor) -> f64 {
    assert_eq!(one.size(), other.size());
    ((one - other).norm() / other.norm()).double_value(&[])
}

/// Mean of what the true classes' probabilities come to, in nats.
fn cross_entropy(probabilities: &Tensor, labels: &[u16]) -> f64 {
    let rows = Vec::<Vec<f64>>::try_from(probabilities.to_kind(Kind::Double)).expect("probabilities, a row an image");
    let losses = rows.iter().zip(labels).map(|(row, &label)| -row[usize::from(label)].ln());
    losses.sum::<f64>() / labels.len() as f64
}

#[test]
fn a_kept_model_predicts_what_its_trial_measured_to_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec();
    let (last_epoch, evaluation) = measured(folder.path(), &spec);
    let file = folder.path().join("models").join(spec.id().model_file());
    let model = Model::open(&spec, None, &file, Device::Cpu).unwrap();
    let images = shapes::load();
    let test = &images.test;
    let pixels = Tensor::from_slice(&test.pixels).view([-1, 3, 32, 32]);
    let probabilities = model.probabilities(&pixels);
    let sums = probabilities.sum_dim_intlist(1, false, Kind::Float) - 1.0;
    assert!(sums.abs().max().double_value(&[]) < 1e-5);
    let mut confusion = vec![vec![0u32; 10]; 10];
    let predicted = Vec::<i64>::try_from(probabilities.argmax(1, false)).unwrap();
    let said_of_test = predicted.clone();
    for (&label, predicted) in test.labels.iter().zip(predicted) {
        confusion[usize::from(label)][predicted as usize] += 1;
    }
    assert_eq!(confusion, evaluation.confusion);
    let share = |(class, row): (usize, &Vec<u32>)| f64::from(row[class]) / f64::from(row.iter().sum::<u32>());
    let shares: Vec<f64> = confusion.iter().enumerate().map(share).collect();
    assert_eq!(evaluation.class_accuracy, shares);
    let right: u32 = (0..10).map(|class| confusion[class][class]).sum();
    assert_eq!(evaluation.test_accuracy, f64::from(right) / test.labels.len() as f64);
    let measured = cross_entropy(&probabilities, &test.labels);
    assert!((evaluation.test_loss - measured).abs() < 1e-5 * measured, "{} and {measured}", evaluation.test_loss);

    // Validation is a part of the training images.
    let pool = subset::stratified_limit(&images.train.labels, 200, 0);
    let labels: Vec<u16> = pool.iter().map(|&index| images.train.labels[index as usize]).collect();
    let (_, validation) = subset::stratified_split(&labels, 0.2, 0);
    let chosen: Vec<i64> = validation.iter().map(|&index| i64::from(pool[index as usize])).collect();
    let labels: Vec<u16> = validation.iter().map(|&index| labels[index as usize]).collect();
    let pixels = Tensor::from_slice(&images.train.pixels).view([-1, 3, 32, 32]);
    let probabilities = model.probabilities(&pixels.index_select(0, &Tensor::from_slice(&chosen)));
    let measured = cross_entropy(&probabilities, &labels);
    assert!((last_epoch.val_loss - measured).abs() < 1e-5 * measured, "{last_epoch:?} and {measured}");
    let predicted = Vec::<i64>::try_from(probabilities.argmax(1, false)).unwrap();
    let right = predicted.iter().zip(&labels).filter(|(guess, truth)| **guess == i64::from(**truth)).count();
    assert_eq!(last_epoch.val_accuracy, right as f64 / labels.len() as f64);
    let used = confusion.iter().flat_map(|row| row.iter().enumerate()).filter(|(_, count)| **count > 0);
    assert!(used.map(|(class, _)| class).collect::<std::collections::BTreeSet<_>>().len() > 1, "{confusion:?}");

    // The file says what was said of each image, the evaluation which of it is right.
    let kept = weights::open(&file).unwrap();
    let said = |name: &str| -> Vec<i64> { kept.f32(name).unwrap().into_iter().map(|class| class as i64).collect() };
    assert_eq!([said("said.validation"), said("said.test")], [predicted.clone(), said_of_test.clone()]);
    let hits = |said: &[i64], truth: &[u16]| -> Vec<bool> {
        said.iter().zip(truth).map(|(said, truth)| *said == i64::from(*truth)).collect()
    };
    let right = evaluation.right.unwrap();
    assert_eq!(right.validation.iter().collect::<Vec<bool>>(), hits(&predicted, &labels));
    assert_eq!(right.test.iter().collect::<Vec<bool>>(), hits(&said_of_test, &test.labels));

    // Only what trained is there of the network.
    let frozen = slots(architecture("efficientnet_lite0"));
    let frozen = frozen.iter().filter(|slot| slot.layer < spec.parameters.frozen_layers);
    assert!(frozen.into_iter().all(|slot| kept.shape(&slot.name).is_none()));

    let other = TrialSpec { seed: 4, ..spec.clone() };
    let refused = Model::open(&other, None, &file, Device::Cpu).err().unwrap();
    assert!(matches!(&refused, TrainingError::KeptModel { what, .. } if what.contains("not of")), "{refused}");
}

#[test]
fn an_export_has_the_librarys_names_and_the_trained_values() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec();
    let (_, file) = trained(folder.path(), &spec);
    let model = Model::open(&spec, None, &file, Device::Cpu).unwrap();
    let refused = model.export(folder.path(), Some(Layout::Torchvision)).unwrap_err().to_string();
    assert!(refused.ends_with("use --layout timm"), "{refused}");

    let exported = model.export(folder.path(), None).unwrap();
    assert_eq!((exported.layout, exported.network.as_str()), (Layout::Timm, "tf_efficientnet_lite0"));
    let network = weights::open(&folder.path().join("model.safetensors")).unwrap();
    // What another program reads is a whole network for this one too.
    let origin = frostline_training::backbone::check(architecture("efficientnet_lite0"), &network).unwrap();
    assert_eq!(origin, Origin::Timm);
    let kept = weights::open(&file).unwrap();
    let (trained, theirs) = ("top_bn.running_mean", "bn2.running_mean");
    assert_eq!(values(&network, theirs), values(&kept, trained));
    assert!(values(&network, theirs).abs().max().double_value(&[]) > 0.0, "the moving mean has moved from zero");
    let head = weights::open(&folder.path().join("head.safetensors")).unwrap();
    let names: Vec<&str> = head.names().collect();
    assert_eq!(names, ["0.bias", "0.weight", "3.bias", "3.weight", "6.bias", "6.weight"]);
    assert_eq!(values(&head, "6.weight"), values(&kept, "head.2.weight"));
}

fn wanted(backbone: &str, layer: Option<u32>, pool: bool) -> Extract {
    let (backbone, out) = (backbone.to_owned(), PathBuf::from("features.safetensors"));
    Extract { backbone, weights: None, data: None, test: true, limit: Some(6), size: 40, layer, pool, out }
}

fn output(folder: &Path, wanted: &Extract) -> Tensor {
    let wanted = Extract { out: folder.join(&wanted.out), ..wanted.clone() };
    let extracted = extract(&wanted, Device::Cpu).expect("the layer is there");
    let features = values(&weights::open(&wanted.out).expect("what was written"), "features");
    assert_eq!(features.size(), extracted.shape);
    features
}

#[test]
fn the_last_layer_of_a_block_gives_the_features_of_its_cut() {
    let folder = tempfile::tempdir().unwrap();
    let network = architecture("efficientnet_lite0");
    let cut = 9;
    let spec = FeatureSpec {
        dataset: Dataset::Shapes,
        data_digest: shapes::digest(),
        train_limit: Some(20),
        test_limit: None,
        image_size: 40,
        augment: Augment::None,
        model: random(network.name),
        precision: Precision::Float32,
        arithmetic: Default::default(),
        cut,
        pictures: None,
    };
    let mut session = Session::new(Device::Cpu, places(folder.path()));
    session.fill(&spec, None, 1, &mut ()).unwrap();
    let cached = frostline_results::features::folder(&folder.path().join("features"), &spec.key());
    let cached = values(&weights::open(&cached.join("test.safetensors")).unwrap(), "features");
    // One view of [n, height, width, channels].
    let cached = cached.select(0, 0).narrow(0, 0, 50).permute([0, 3, 1, 2]);
    let layer = network.segments()[cut as usize - 1].layers.end - 1;
    let mut at_cut = wanted(network.name, Some(layer), false);
    at_cut.limit = Some(50);
    assert_eq!(output(folder.path(), &at_cut), cached);

    at_cut.pool = true;
    let pooled = cached.mean_dim([2i64, 3].as_slice(), false, Kind::Float);
    assert!(relative_error(&output(folder.path(), &at_cut), &pooled) < 1e-6);
}

#[test]
fn layers_inside_a_block_add_up_to_the_whole_block() {
    let folder = tempfile::tempdir().unwrap();
    for (name, blocks) in
        [("efficientnet_v2_s", ["block2b", "block6c"]), ("efficientnet_lite0", ["block3b", "block6b"])]
    {
        let network = architecture(name);
        let layers = network.layers();
        for block in blocks {
            let segments = network.segments();
            let place = segments.iter().position(|segment| segment.name == block).unwrap();
            let (start, end) = (segments[place].layers.start, segments[place].layers.end);
            assert_eq!(layers[end as usize - 1].kind, LayerKind::Add, "{block} of {name} is residual");
            let at = |layer: u32| output(folder.path(), &wanted(name, Some(layer), false));
            let sum = at(end - 2) + at(start - 1);
            let error = relative_error(&sum, &at(end - 1));
            assert!(error < 1e-5, "{block} of {name}: {error}");
        }
    }
}

#[test]
fn the_last_layer_is_the_top_activation_and_its_average_is_what_heads_see() {
    let folder = tempfile::tempdir().unwrap();
    let name = "efficientnet_v2_s";
    let last = output(folder.path(), &wanted(name, None, false));
    assert_eq!(last.size(), [6, 1280, 2, 2]);
    assert_eq!(last, output(folder.path(), &wanted(name, Some(512), false)));
    let pooled = output(folder.path(), &wanted(name, None, true));
    assert_eq!(pooled.size(), [6, 1280]);
    assert!(relative_error(&last.mean_dim([2i64, 3].as_slice(), false, Kind::Float), &pooled) < 1e-6);

    // SiLU of the batch normalization before it.
    let normalized = output(folder.path(), &wanted(name, Some(511), false));
    assert!(relative_error(&normalized.silu(), &last) < 1e-6);
    // Layer 0 is the image itself, here as large as it was drawn.
    let mut image = wanted(name, Some(0), false);
    image.size = 32;
    let pixels =
        Tensor::from_slice(&shapes::load().test.pixels[..6 * 3072]).view([6, 3, 32, 32]).to_kind(Kind::Float);
    assert_eq!(output(folder.path(), &image), pixels);
    // Keras' scaling, which random weights have.
    image.layer = Some(1);
    assert!(relative_error(&output(folder.path(), &image), &(pixels / 128.0 - 1.0)) < 1e-6);
}

#[test]
fn npy_and_safetensors_hold_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mut wanted = wanted("efficientnet_lite0", Some(30), false);
    let features = output(folder.path(), &wanted);
    let labels = weights::open(&folder.path().join("features.safetensors")).unwrap().f32("labels").unwrap();
    assert_eq!(labels, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "classes are drawn in turn");

    let npy = folder.path().join("features.npy");
    wanted.out = npy.clone();
    let extracted = extract(&wanted, Device::Cpu).unwrap();
    let bytes = std::fs::read(&npy).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!(bytes.len(), start + 4 * extracted.shape.iter().product::<i64>() as usize);
    let numbers: Vec<f32> =
        bytes[start..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(Tensor::from_slice(&numbers).view(&extracted.shape[..]), features);
}

#[test]
fn what_cannot_be_extracted_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name);
    let mut wanted = wanted("efficientnet_v2_s", Some(513), false);
    wanted.out = out("x.npy");
    let absent = extract(&wanted, Device::Cpu).unwrap_err().to_string();
    assert_eq!(absent, "layer 513 is not there: efficientnet_v2_s has layers 0 to 512, and `last`");
    (wanted.layer, wanted.out) = (None, out("x.csv"));
    let ending = extract(&wanted, Device::Cpu).unwrap_err().to_string();
    assert!(ending.ends_with("x.csv: its name must end in .npy or .safetensors"), "{ending}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}
