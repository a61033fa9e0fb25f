//! The worker program as commands use it: one question on standard input, one answer on standard output.

#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use frostline_assets::data::shapes;
use frostline_assets::weights;
use frostline_protocol::tools::{
    Classified, Classify, Export, Exported, Extract, Features, Layout, Measure, ModelFiles,
};
use frostline_protocol::{Ended, Places};
use frostline_sweep::backbone;
use frostline_sweep::costs::Costs;
use frostline_sweep::device::Device;
use frostline_sweep::outcome::Evaluation;
use frostline_sweep::trial::{
    Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, TrialSpec, Validation, WeightsIdentity,
};
use frostline_training::Session;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const NETWORK: &str = "efficientnet_lite0";
const TESTED: usize = 20;

fn run(command: &str, question: &[u8]) -> Output {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_frostline-worker"))
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without having read all of it.
    let _ = worker.stdin.take().unwrap().write_all(question);
    worker.wait_with_output().unwrap()
}

fn ask<Answer: DeserializeOwned>(command: &str, question: &impl Serialize) -> Answer {
    let output = run(command, &serde_json::to_vec(question).unwrap());
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `command` says on standard error when it refuses.
fn refusal(command: &str, question: &[u8]) -> String {
    let output = run(command, question);
    assert_eq!(output.status.code(), Some(1), "{command}");
    assert!(output.stdout.is_empty(), "{command}: no answer");
    String::from_utf8(output.stderr).unwrap()
}

/// A trained head, and what its trial measured.
fn trained(folder: &Path) -> (ModelFiles, Evaluation) {
    let spec = TrialSpec {
        data: DataSpec {
            dataset: Dataset::Shapes,
            digest: shapes::digest(),
            validation: Validation::Share(0.2),
            image_size: 32,
            augment: Augment::None,
            train_limit: Some(40),
            test_limit: Some(TESTED as u32),
            pictures: None,
        },
        model: ModelSpec { backbone: NETWORK.to_owned(), weights: WeightsIdentity::Random },
        parameters: Parameters {
            frozen_layers: backbone::find(NETWORK).unwrap().layer_count(),
            head_units: vec![8],
            head_dropout: vec![0.0],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-2,
            recipe: Default::default(),
            epochs: 2,
            batch_size: 16,
            precision: Precision::Float32,
        },
        seed: 1,
    };
    let places = Places {
        data: None,
        weights: Default::default(),
        features: folder.join("features"),
        checkpoints: folder.join("checkpoints"),
        models: Some(folder.join("models")),
    };
    let ended = Session::new(tch::Device::Cpu, places).train(&spec, None, &mut ()).unwrap();
    let Ended::Complete(evaluation) = ended else { panic!("nobody asked to stop: {ended:?}") };
    let model = folder.join("models").join(spec.id().model_file());
    (ModelFiles { spec, weights: None, model }, evaluation)
}

#[test]
fn a_trained_model_classifies_as_its_trial_measured_and_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let (model, evaluation) = trained(folder.path());
    let test = shapes::load().test;
    // Classes are drawn in turn, and the limit takes as many of each.
    let chosen = frostline_assets::subset::stratified_limit(&test.labels, TESTED, 0);
    let pictures: Vec<Vec<u8>> =
        chosen.iter().map(|&index| test.pixels[index as usize * 3072..][..3072].to_vec()).collect();
    let Classified { probabilities } = ask("classify", &Classify { model: model.clone(), side: 32, pictures });
    assert_eq!(probabilities.len(), TESTED);
    let (mut loss, mut confusion) = (0.0, vec![vec![0; 10]; 10]);
    for (row, &index) in probabilities.iter().zip(&chosen) {
        let sum: f32 = row.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5 && row.len() == 10, "{row:?}");
        let truth = usize::from(test.labels[index as usize]);
        loss -= f64::from(row[truth]).ln() / TESTED as f64;
        let guess = (0..10).max_by(|&one, &other| row[one].total_cmp(&row[other])).unwrap();
        confusion[truth][guess] += 1;
    }
    assert_eq!(confusion, evaluation.confusion);
    assert!((loss - evaluation.test_loss).abs() < 1e-4 * loss, "{loss} and {}", evaluation.test_loss);

    let out = folder.path().join("exported");
    std::fs::create_dir(&out).unwrap();
    let wanted = Export { model: model.clone(), layout: None, folder: out.clone() };
    let exported: Exported = ask("export", &wanted);
    assert_eq!((exported.layout, exported.network.as_str()), (Layout::Timm, "tf_efficientnet_lite0"));
    let kept = weights::open(&model.model).unwrap();
    let head = weights::open(&out.join("head.safetensors")).unwrap();
    assert_eq!(head.f32("3.weight").unwrap(), kept.f32("head.1.weight").unwrap());
    let network = weights::open(&out.join("model.safetensors")).unwrap();
    assert_eq!(network.shape("conv_stem.weight"), Some(vec![32, 3, 3, 3]));

    let elsewhere = Export { layout: Some(Layout::Torchvision), ..wanted };
    let said = refusal("export", &serde_json::to_vec(&elsewhere).unwrap());
    assert!(said.starts_with("error: ") && said.contains("--layout timm"), "{said}");
    let cut = Classify { model, side: 32, pictures: vec![vec![0; 3071]] };
    let said = refusal("classify", &serde_json::to_vec(&cut).unwrap());
    assert_eq!(said, "error: a picture is 3072 bytes, and at least one is needed\n");
}

#[test]
fn features_of_a_layer_are_written_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = Extract {
        backbone: NETWORK.to_owned(),
        weights: None,
        data: None,
        test: true,
        limit: Some(3),
        size: 32,
        layer: None,
        pool: true,
        out: folder.path().join("features.safetensors"),
    };
    let features: Features = ask("features", &wanted);
    let layers = backbone::find(NETWORK).unwrap().layers();
    let last = layers.last().unwrap();
    let expected = Features { layer: last.index, name: last.name.clone(), shape: vec![3, 1280] };
    assert_eq!(features, expected);
    let written = weights::open(&wanted.out).unwrap();
    assert_eq!(written.shape("features"), Some(vec![3, 1280]));
    assert_eq!(written.f32("labels").unwrap(), [0.0, 1.0, 2.0]);
    let said = refusal("features", &serde_json::to_vec(&Extract { layer: Some(999), ..wanted }).unwrap());
    assert!(said.contains("layer 999 is not there"), "{said}");
}

#[test]
fn what_computing_takes_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = Measure {
        backbone: NETWORK.to_owned(),
        size: 32,
        precision: Precision::Float32,
        device: Device::Cpu,
        threads: 1,
        folder: folder.path().to_owned(),
    };
    let costs: Costs = ask("measure", &wanted);
    assert!(costs.measured && costs.segments.len() == backbone::find(NETWORK).unwrap().segments().len());
    let said =
        refusal("measure", &serde_json::to_vec(&Measure { backbone: "resnet50".to_owned(), ..wanted }).unwrap());
    assert_eq!(said, "error: unknown backbone `resnet50`\n");
}

#[test]
fn a_question_that_is_none_is_refused_by_every_tool() {
    for command in ["export", "classify", "features", "measure"] {
        for question in [&b""[..], b"{}", b"[1, 2"] {
            let said = refusal(command, question);
            assert!(said.contains("build frostline and frostline-worker together"), "{command}: {said}");
        }
    }
}
