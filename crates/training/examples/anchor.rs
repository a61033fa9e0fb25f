//! Measures a head on EfficientNet-Lite0 with its ImageNet weights, to hold against other programs:
//!
//! ```text
//! cargo run -p frostline-training --example anchor -- cifar10 128 5000 1000 10
//! ```
//!
//! Arguments: data set (`cifar10` or `shapes`), image size in pixels, training images (a fifth of them selects), test
//! images, epochs, and optionally how many layers stay frozen (all of them where it is left out). CIFAR-10 is looked
//! for in the folder that `FROSTLINE_CIFAR10` names.
//!
//! With these arguments the test accuracy was 0.752, drawn from a stratified fifth of CIFAR-10 with seed 0.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use frostline_assets::data::{cifar10, shapes};
use frostline_assets::{catalogue, fetch, weights as weights_file};
use frostline_protocol::{Ended, Observer, Places, Stop};
use frostline_sweep::backbone;
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::outcome::EpochMetrics;
use frostline_sweep::trial::{
    Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, TrialSpec, Validation,
};
use frostline_training::Session;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;
use tch::Device;

struct Printer;

impl Observer for Printer {
    fn epoch(&mut self, metrics: EpochMetrics) {
        let EpochMetrics { epoch, train_loss, train_accuracy, val_loss, val_accuracy, .. } = metrics;
        println!(
            "epoch {epoch:2}: train {train_loss:.4} {train_accuracy:.3}, validation {val_loss:.4} {val_accuracy:.3}, \
             {:.2} s, {:.0} images/s",
            metrics.seconds, metrics.images_per_second
        );
    }

    fn progress(&mut self, _done: u64, _total: u64) {}

    fn should_stop(&self) -> Stop {
        Stop::No
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dataset, size, train, test, epochs, frozen @ ..] = &arguments[..] else {
        return Err("expected: cifar10|shapes SIZE TRAIN_IMAGES TEST_IMAGES EPOCHS [FROZEN_LAYERS]".into());
    };
    let data = std::env::var_os("FROSTLINE_CIFAR10").map(PathBuf::from);
    let (dataset, digest) = match dataset.as_str() {
        "cifar10" => {
            let folder = data.as_deref().ok_or("set FROSTLINE_CIFAR10 to the folder with data_batch_1.bin")?;
            (Dataset::Cifar10, cifar10::digest(folder)?)
        }
        _ => (Dataset::Shapes, shapes::digest()),
    };
    let entry = catalogue::find("efficientnet_lite0.imagenet1k").ok_or("the catalogue lacks Lite0")?;
    let weights = fetch::fetch(entry, &mut |_| ())?;
    let architecture = backbone::find("efficientnet_lite0").ok_or("the table lacks Lite0")?;
    let frozen_layers = frozen.first().map_or(Ok(architecture.layer_count()), |layers| layers.parse())?;
    let spec = TrialSpec {
        data: DataSpec {
            dataset,
            digest,
            validation: Validation::Share(0.2),
            image_size: size.parse()?,
            augment: Augment::None,
            train_limit: Some(train.parse()?),
            test_limit: Some(test.parse()?),
            pictures: None,
        },
        model: ModelSpec { backbone: architecture.name.to_owned(), weights: weights_file::identity(&weights)? },
        parameters: Parameters {
            frozen_layers,
            head_units: vec![256, 128, 64],
            head_dropout: vec![0.5, 0.4, 0.0],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            recipe: Default::default(),
            epochs: epochs.parse()?,
            batch_size: 64,
            precision: Precision::Float32,
        },
        seed: 0,
    };
    let folder = tempfile::tempdir()?;
    let places = Places {
        data,
        weights: [(architecture.name.to_owned(), weights)].into(),
        features: folder.path().join("features"),
        checkpoints: folder.path().join("checkpoints"),
        models: None,
    };
    let mut session = Session::new(Device::Cpu, places);
    let cut = architecture.cut_at(frozen_layers);
    let features = (cut > 0).then(|| FeatureSpec::of(&spec, cut));
    if let Some(features) = &features {
        println!("fill of cut {cut}: {:?}", session.fill(features, None, 1, &mut Printer)?);
    }
    let started = Instant::now();
    if let Ended::Complete(test) = session.train(&spec, features.as_ref(), &mut Printer)? {
        println!("test {:.4} {:.3}, {:.2} s", test.test_loss, test.test_accuracy, started.elapsed().as_secs_f64());
        println!("by class {:.2?}", test.class_accuracy);
    }
    Ok(())
}
