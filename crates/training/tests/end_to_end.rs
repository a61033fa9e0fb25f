//! Whole trials through a [`Session`]: repeatable, the same from cached features, resumed without a trace.
//!
//! EfficientNet-Lite0 with random weights on the drawn data set, at sizes where a trial takes a second or two.

#[path = "support/device.rs"]
mod device;
#[path = "../src/testing.rs"]
mod testing;

use device::device;
use frostline_assets::data::shapes;
use frostline_assets::weights;
use frostline_protocol::{Ended, Filled, Observer, Places, Stop};
use frostline_results::features;
use frostline_sweep::backbone::{self, Architecture};
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::outcome::{EpochMetrics, Evaluation, FailureKind};
use frostline_sweep::trial::{
    Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Policy, Precision, TrialSpec, Validation,
    WeightsIdentity,
};
use frostline_training::{Session, shim};
use std::path::Path;
use std::time::Duration;
use tch::{Kind, Tensor};
use testing::alone;

/// Keeps what is reported and asks to stop after so many epochs.
#[derive(Default)]
struct Listener {
    epochs: Vec<EpochMetrics>,
    stop_after: Option<usize>,
    stop_now: bool,
    progress: Vec<(u64, u64)>,
}

impl Observer for Listener {
    fn epoch(&mut self, metrics: EpochMetrics) {
        self.epochs.push(metrics);
    }

    fn progress(&mut self, done: u64, total: u64) {
        self.progress.push((done, total));
    }

    fn should_stop(&self) -> Stop {
        match self.stop_after {
            _ if self.stop_now => Stop::Now,
            Some(epochs) if self.epochs.len() >= epochs => Stop::AfterEpoch,
            _ => Stop::No,
        }
    }
}

/// A folder of its own and a session in it.
struct Bench {
    folder: tempfile::TempDir,
    session: Session,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let session = session_in(folder.path());
        Bench { folder, session }
    }

    /// Removes the checkpoints, as the coordinator does once a trial's outcome is committed: the next training of the
    /// same trial begins anew.
    fn forget(&self) {
        let _ = std::fs::remove_dir_all(self.folder.path().join("checkpoints"));
    }

    /// Trains to the end: every epoch and the evaluation, without what the clock and the memory measured.
    fn complete(&mut self, spec: &TrialSpec, features: Option<&FeatureSpec>) -> (Vec<EpochMetrics>, Evaluation) {
        let mut listener = Listener::default();
        let ended = self.session.train(spec, features, &mut listener).expect("the trial trains");
        self.forget();
        let Ended::Complete(evaluation) = ended else { panic!("nobody asked to stop, and it ended with {ended:?}") };
        (listener.epochs.into_iter().map(untimed).collect(), Evaluation { seconds: 0.0, ..evaluation })
    }

    /// The bytes of a cache folder's training and test files.
    fn cached(&self, spec: &FeatureSpec) -> [Vec<u8>; 2] {
        let folder = features::folder(&self.folder.path().join("features"), &spec.key());
        ["train", "test"].map(|pool| std::fs::read(folder.join(format!("{pool}.safetensors"))).expect("a cache file"))
    }
}

fn session_in(folder: &Path) -> Session {
    let places = Places {
        data: None,
        weights: Default::default(),
        features: folder.join("features"),
        checkpoints: folder.join("checkpoints"),
        models: None,
    };
    // What is asked of a CPU is promised of a GPU only so.
    shim::set_deterministic(device().is_cuda()).expect("a switch");
    Session::new(device(), places)
}

fn untimed(metrics: EpochMetrics) -> EpochMetrics {
    EpochMetrics { seconds: 0.0, images_per_second: 0.0, peak_memory: 0, ..metrics }
}

fn lite0() -> &'static Architecture {
    backbone::find("efficientnet_lite0").expect("it is in the table")
}

/// Layers frozen up to the third layer of the block after cut 11: the cut lies before the frozen boundary.
fn middle() -> u32 {
    lite0().segments()[11].layers.start + 3
}

fn spec(frozen_layers: u32) -> TrialSpec {
    TrialSpec {
        data: DataSpec {
            dataset: Dataset::Shapes,
            digest: shapes::digest(),
            validation: Validation::Share(0.2),
            image_size: 32,
            augment: Augment::None,
            train_limit: Some(100),
            test_limit: Some(50),
            pictures: None,
        },
        model: ModelSpec { backbone: lite0().name.to_owned(), weights: WeightsIdentity::Random },
        parameters: Parameters {
            frozen_layers,
            head_units: vec![32],
            head_dropout: vec![0.3],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            recipe: Default::default(),
            epochs: 2,
            batch_size: 16,
            precision: Precision::Float32,
        },
        seed: 7,
    }
}

fn features_at(spec: &TrialSpec, cut: u32) -> FeatureSpec {
    FeatureSpec::of(spec, cut).computed(device().is_cuda())
}

fn features_of(spec: &TrialSpec) -> FeatureSpec {
    features_at(spec, lite0().cut_at(spec.parameters.frozen_layers))
}

#[test]
fn metrics_are_complete_finite_and_repeat_to_the_bit() {
    let _alone = alone();
    for (threads, frozen) in [(1, 0), (2, middle())] {
        tch::set_num_threads(threads);
        let spec = spec(frozen);
        let mut bench = Bench::new();
        let mut listener = Listener::default();
        let ended = bench.session.train(&spec, None, &mut listener).unwrap();
        bench.forget();
        let Ended::Complete(test) = ended else { panic!("{ended:?}") };

        assert_eq!(listener.epochs.iter().map(|metrics| metrics.epoch).collect::<Vec<_>>(), [1, 2]);
        for metrics in &listener.epochs {
            for loss in [metrics.train_loss, metrics.val_loss] {
                assert!(loss.is_finite() && loss > 0.0, "{metrics:?}");
            }
            for accuracy in [metrics.train_accuracy, metrics.val_accuracy] {
                assert!((0.0..=1.0).contains(&accuracy), "{metrics:?}");
            }
            assert!(metrics.seconds > 0.0 && metrics.images_per_second > 0.0 && metrics.peak_memory > 0);
            assert_eq!(metrics.learning_rate, 1e-3);
        }
        // 80 images in batches of 16.
        assert_eq!(listener.progress[..5], [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)]);
        let tested: u32 = test.confusion.iter().flatten().sum();
        let right: u32 = (0..10).map(|class| test.confusion[class][class]).sum();
        assert_eq!((tested, f64::from(right) / 50.0), (50, test.test_accuracy));
        assert_eq!(test.class_accuracy.len(), 10);
        let head = 1280 * 32 + 32 + 32 * 10 + 10;
        assert!(test.trained_parameters > head, "the head and a part of the backbone: {}", test.trained_parameters);

        // In the same session, with what it keeps in memory, and in one of its own.
        let first: Vec<EpochMetrics> = listener.epochs.into_iter().map(untimed).collect();
        let first = (first, Evaluation { seconds: 0.0, ..test });
        assert_eq!(bench.complete(&spec, None), first);
        assert_eq!(Bench::new().complete(&spec, None), first);
        let other = TrialSpec { seed: 8, ..spec };
        assert_ne!(bench.complete(&other, None), first);
    }
}

#[test]
fn cached_features_give_the_metrics_of_the_images() {
    let _alone = alone();
    let mut bench = Bench::new();
    for (threads, frozen, augment) in [
        (1, middle(), Augment::None),
        (1, middle(), Augment::Flip),
        (2, lite0().layer_count(), Augment::None),
        (1, lite0().layer_count(), Augment::Flip),
        (1, middle(), Augment::Views { count: 4, policy: Policy::Randaugment { magnitude: 9 } }),
        (1, lite0().layer_count(), Augment::Views { count: 3, policy: Policy::Color }),
    ] {
        tch::set_num_threads(threads);
        let mut spec = spec(frozen);
        spec.data.augment = augment;
        let wanted = features_of(&spec);
        assert!(wanted.cut > 0 && wanted.cut as usize <= lite0().segments().len());
        let filled = bench.session.fill(&wanted, None, 1, &mut Listener::default()).unwrap();
        assert!(matches!(filled, Ended::Filled(Filled { computed: true, bytes, .. }) if bytes > 0), "{filled:?}");
        let again = bench.session.fill(&wanted, None, 1, &mut Listener::default()).unwrap();
        assert!(matches!(again, Ended::Filled(Filled { computed: false, .. })), "{again:?}");

        // To the bit, although batches of 16, a last one of other length and evaluations of 250 images want them.
        let cached = bench.complete(&spec, Some(&wanted));
        assert_eq!(cached, bench.complete(&spec, None));
        let shallower = features_at(&spec, 5);
        assert_eq!(cached, bench.complete(&spec, Some(&shallower)), "from features of an earlier cut");
        // From the file, mapped by another process, too.
        bench.session = session_in(bench.folder.path());
        assert_eq!(bench.complete(&spec, Some(&wanted)), cached);
    }
}

#[test]
fn views_are_trained_on_and_nothing_else_is_seen_in_them() {
    let _alone = alone();
    let mut bench = Bench::new();
    let mut spec = spec(lite0().layer_count());
    let mut metrics = |augment| {
        spec.data.augment = augment;
        bench.complete(&spec, None)
    };
    let random = |count| Augment::Views { count, policy: Policy::Crop };
    let plain = metrics(Augment::None);
    assert_eq!(metrics(random(1)), plain, "one view is the image itself");
    let seen = metrics(random(3));
    assert_ne!(seen.0[0].train_loss, plain.0[0].train_loss);
    // Without any learning, validation and test are what they are without views.
    let still = |augment| {
        let mut spec = self::spec(lite0().layer_count());
        (spec.data.augment, spec.parameters.learning_rate) = (augment, 1e-30);
        let (epochs, test) = Bench::new().complete(&spec, None);
        (epochs[0].val_loss, test.test_loss)
    };
    assert_eq!(still(Augment::None), still(random(3)));
}

#[test]
fn features_do_not_depend_on_the_cut_or_the_threads_they_were_computed_from() {
    let _alone = alone();
    let mut spec = spec(lite0().layer_count());
    spec.data.augment = Augment::Flip;
    spec.data.train_limit = Some(90);
    // Behind the last but one an image is a single pixel.
    let cuts = [5, 11, 16, lite0().segments().len() as u32].map(|cut| features_at(&spec, cut));
    let (mut direct, mut chained, mut shared) = (Bench::new(), Bench::new(), Bench::new());
    let mut earlier = None;
    for wanted in &cuts {
        direct.session.fill(wanted, None, 1, &mut Listener::default()).unwrap();
        chained.session.fill(wanted, earlier, 1, &mut Listener::default()).unwrap();
        // More streams than there are portions of the test images.
        shared.session.fill(wanted, earlier, 3, &mut Listener::default()).unwrap();
        earlier = Some(wanted);
        // The same batches and the same strides: equal to the bit, which leaves the cut out of a trial's identity.
        assert_eq!(direct.cached(wanted), chained.cached(wanted), "cut {}", wanted.cut);
        assert_eq!(direct.cached(wanted), shared.cached(wanted), "cut {} on several threads", wanted.cut);
    }
    let [train, test] = direct.cached(&cuts[3]);
    let values = |bytes: &[u8]| bytes.len() as u64 / 4;
    assert!(values(&train) > 2 * 90 * 1280, "two views of every training image");
    assert!((50 * 1280..51 * 1280).contains(&values(&test)), "and one of every test image");
}

#[test]
fn a_damaged_cache_is_filled_again() {
    let _alone = alone();
    let spec = spec(lite0().layer_count());
    let wanted = features_of(&spec);
    let mut bench = Bench::new();
    let expected = bench.complete(&spec, Some(&wanted));
    let whole = bench.cached(&wanted);
    let file = features::folder(&bench.folder.path().join("features"), &wanted.key()).join("test.safetensors");
    let mut bytes = whole[1].clone();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    bench.session = session_in(bench.folder.path());
    assert_eq!(bench.complete(&spec, Some(&wanted)), expected);
    assert_eq!(bench.cached(&wanted), whole);
}

#[test]
fn two_workers_that_want_the_same_features_fill_them_once() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let wanted = features_of(&spec(middle()));
    let computed = std::thread::scope(|scope| {
        let fill = || {
            tch::set_num_threads(1);
            match session_in(folder.path()).fill(&wanted, None, 1, &mut Listener::default()).unwrap() {
                Ended::Filled(filled) => filled.computed,
                ended => panic!("nobody asked to stop, and it ended with {ended:?}"),
            }
        };
        let fills = [scope.spawn(fill), scope.spawn(fill)];
        fills.map(|fill| fill.join().unwrap()).into_iter().filter(|computed| *computed).count()
    });
    assert_eq!(computed, 1);
}

#[test]
fn a_stopped_fill_leaves_nothing_behind() {
    let _alone = alone();
    let wanted = features_of(&spec(middle()));
    for streams in [1, 2] {
        let mut bench = Bench::new();
        let mut listener = Listener { stop_now: true, ..Listener::default() };
        assert_eq!(bench.session.fill(&wanted, None, streams, &mut listener).unwrap(), Ended::Stopped);
        assert_eq!(std::fs::read_dir(bench.folder.path().join("features")).unwrap().count(), 0);
    }
}

#[test]
fn a_fill_that_waits_for_another_stops_when_it_is_told_to() {
    let _alone = alone();
    let mut bench = Bench::new();
    let wanted = features_of(&spec(middle()));
    let cache = bench.folder.path().join("features");
    std::fs::create_dir_all(&cache).unwrap();
    let lock = features::lock(&cache, &wanted.key());
    let other = std::fs::File::create(&lock).unwrap();
    other.lock().unwrap();
    let mut listener = Listener { stop_now: true, ..Listener::default() };
    assert_eq!(bench.session.fill(&wanted, None, 1, &mut listener).unwrap(), Ended::Stopped);
    assert!(lock.exists(), "it is the other's");
}

#[test]
fn a_trial_that_was_stopped_goes_on_as_if_it_never_had_been() {
    let _alone = alone();
    let views = Augment::Views { count: 3, policy: Policy::Crop };
    for (frozen, precision, optimizer, augment) in [
        (middle(), Precision::Float32, Optimizer::Adam, views),
        (0, Precision::Float32, Optimizer::Rmsprop, Augment::Flip),
        (middle(), Precision::Bfloat16, Optimizer::Adam, Augment::None),
    ] {
        let mut spec = spec(frozen);
        spec.parameters.precision = precision;
        spec.data.augment = augment;
        spec.parameters.optimizer = optimizer;
        spec.parameters.epochs = 3;
        let uninterrupted = Bench::new().complete(&spec, None);

        let mut bench = Bench::new();
        let mut listener = Listener { stop_after: Some(1), ..Listener::default() };
        assert_eq!(bench.session.train(&spec, None, &mut listener).unwrap(), Ended::Stopped);
        assert_eq!(listener.epochs.len(), 1);
        let checkpoints = bench.folder.path().join("checkpoints");
        assert_eq!(std::fs::read_dir(&checkpoints).unwrap().count(), 1);

        // As another process would: nothing is left in memory.
        bench.session = session_in(bench.folder.path());
        let mut listener = Listener::default();
        let ended = bench.session.train(&spec, None, &mut listener).unwrap();
        assert_eq!(listener.progress.len(), 2 * 5, "two epochs of five steps were left to do");
        let Ended::Complete(evaluation) = ended else { panic!("{ended:?}") };
        let epochs: Vec<EpochMetrics> = listener.epochs.into_iter().map(untimed).collect();
        assert_eq!((epochs, Evaluation { seconds: 0.0, ..evaluation }), uninterrupted);
        // A worker that is lost before its last report is acknowledged costs what is not kept. Kept in between, that is the
        // last step.
        bench.session.keep_every(Duration::ZERO);
        for left in [2 * 5, 1] {
            let mut listener = Listener::default();
            bench.session.train(&spec, None, &mut listener).unwrap();
            assert_eq!(listener.progress.len(), left);
        }
        let mut listener = Listener::default();
        let ended = bench.session.train(&spec, None, &mut listener).unwrap();
        let epochs: Vec<EpochMetrics> = listener.epochs.into_iter().map(untimed).collect();
        let Ended::Complete(evaluation) = ended else { panic!("{ended:?}") };
        assert_eq!((epochs, Evaluation { seconds: 0.0, ..evaluation }), uninterrupted);
    }
}

#[test]
fn a_damaged_checkpoint_costs_the_epochs_and_nothing_else() {
    let _alone = alone();
    let spec = spec(lite0().layer_count());
    let mut bench = Bench::new();
    let expected = bench.complete(&spec, None);
    let mut listener = Listener { stop_after: Some(1), ..Listener::default() };
    assert_eq!(bench.session.train(&spec, None, &mut listener).unwrap(), Ended::Stopped);
    let file = bench.folder.path().join("checkpoints").join(format!("{}.checkpoint", spec.id()));
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(bench.complete(&spec, None), expected);
}

#[test]
fn a_trial_leaves_the_frozen_layers_of_the_next_as_they_were() {
    let _alone = alone();
    let mut bench = Bench::new();
    let expected = bench.complete(&spec(middle()), None);
    bench.complete(&spec(0), None);
    assert_eq!(bench.complete(&spec(middle()), None), expected);
}

#[test]
fn a_rate_that_is_far_too_high_is_called_diverged() {
    let _alone = alone();
    let mut spec = spec(lite0().layer_count());
    // A loss that is only large is not taken for it: this one overflows float32 within an epoch.
    spec.parameters.learning_rate = 1e20;
    let error = Bench::new().session.train(&spec, None, &mut Listener::default()).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Diverged);
    let text = error.to_string();
    assert!(text.contains("try a lower learning rate than 1000000000000000000"), "{text}");
}

#[test]
fn a_head_on_a_fully_frozen_backbone_learns() {
    let _alone = alone();
    for optimizer in [Optimizer::Adam, Optimizer::Rmsprop] {
        let mut spec = spec(lite0().layer_count());
        spec.parameters.optimizer = optimizer;
        spec.parameters.head_dropout = vec![0.0];
        spec.parameters.learning_rate = 1e-2;
        spec.parameters.epochs = 15;
        let (epochs, test) = Bench::new().complete(&spec, Some(&features_of(&spec)));
        let (first, last) = (epochs[0].train_loss, epochs[14].train_loss);
        // Random features tell little: better than guessing by the classes' shares is what can be asked.
        assert!(last < first - 0.1 && last < 10f64.ln(), "{optimizer:?}: {first} to {last}");
        assert_eq!(test.trained_parameters, 1280 * 32 + 32 + 32 * 10 + 10);
    }
}

#[test]
fn a_frozen_part_in_bfloat16_stays_near_float32() {
    let _alone = alone();
    let mut spec = spec(middle());
    // So that the two take no ways of their own.
    spec.parameters.learning_rate = 1e-9;
    spec.parameters.head_dropout = vec![0.0];
    let mut bench = Bench::new();
    let mut features = Vec::new();
    let mut losses = Vec::new();
    for precision in [Precision::Float32, Precision::Bfloat16] {
        spec.parameters.precision = precision;
        let wanted = features_of(&spec);
        let (epochs, test) = bench.complete(&spec, Some(&wanted));
        assert_eq!(bench.complete(&spec, None), (epochs.clone(), test.clone()), "{precision:?}");
        losses.push([epochs[0].train_loss, epochs[0].val_loss, test.test_loss]);
        let file = features::folder(&bench.folder.path().join("features"), &wanted.key()).join("test.safetensors");
        let values = weights::open(&file).unwrap().f32("features").unwrap();
        features.push(Tensor::from_slice(&values).view([50, -1]));
    }
    // What tells images apart, without what they have in common: an eighth bit is lost in each of thirty layers.
    let apart = |features: &Tensor| features - features.mean_dim(0i64, true, Kind::Float);
    let [exact, rounded] = [apart(&features[0]), apart(&features[1])];
    let error = ((&exact - rounded).norm() / exact.norm()).double_value(&[]);
    assert!(error > 1e-4, "it does compute in another type");
    assert!(error < 0.05, "{error}");
    // In training, batches of sixteen pixels are normalized to a variance of one, which makes small differences larger.
    for ((exact, rounded), most) in losses[0].iter().zip(&losses[1]).zip([0.1, 0.002, 0.002]) {
        assert!((exact - rounded).abs() < most, "{losses:?}");
    }
    println!("features within {error:.1e}, losses {losses:.4?}");
}

/// Fewer images at a time run through other kernels, which differ in the last digits.
#[test]
fn fewer_images_at_a_time_give_the_same_trial() {
    let _alone = alone();
    let mut bench = Bench::new();
    let mut spec = spec(lite0().layer_count());
    spec.data.augment = Augment::Flip;
    let (whole, test) = bench.complete(&spec, None);
    for images in [5, 1] {
        bench.session.limit_images(Some(images));
        let (pieces, test_of_pieces) = bench.complete(&spec, None);
        assert_eq!(pieces.len(), whole.len());
        for (one, other) in pieces.iter().zip(&whole) {
            let near = |one: f64, other: f64| (one - other).abs() <= 1e-5 * other.abs();
            assert!(near(one.train_loss, other.train_loss), "{one:?} and {other:?}");
            assert!(near(one.val_loss, other.val_loss), "{one:?} and {other:?}");
        }
        assert_eq!(test_of_pieces.confusion, test.confusion);
    }
    bench.session.limit_images(None);
    assert_eq!(bench.complete(&spec, None), (whole, test), "no limit any more");
}

/// Squeeze-and-excite, SiLU and fused blocks are in no other network here.
#[test]
fn the_larger_network_repeats_caches_and_resumes_to_the_bit_on_two_threads() {
    let _alone = alone();
    tch::set_num_threads(2);
    let network = backbone::find("efficientnet_v2_s").unwrap();
    let segments = network.segments();
    // The last block and the top train.
    let mut spec = spec(segments[segments.len() - 2].layers.start);
    spec.model.backbone = network.name.to_owned();
    spec.data.augment = Augment::Flip;
    spec.data.train_limit = Some(30);
    spec.data.test_limit = Some(10);
    let mut bench = Bench::new();
    let expected = bench.complete(&spec, None);
    let wanted = features_at(&spec, network.cut_at(spec.parameters.frozen_layers));
    assert_eq!(bench.complete(&spec, Some(&wanted)), expected);

    let mut listener = Listener { stop_after: Some(1), ..Listener::default() };
    assert_eq!(bench.session.train(&spec, Some(&wanted), &mut listener).unwrap(), Ended::Stopped);
    bench.session = session_in(bench.folder.path());
    let mut listener = Listener::default();
    let Ended::Complete(evaluation) = bench.session.train(&spec, Some(&wanted), &mut listener).unwrap() else {
        panic!("nobody asked to stop")
    };
    assert_eq!(listener.progress.len(), 2, "twenty images are two steps, and one epoch was left");
    let epochs: Vec<EpochMetrics> = listener.epochs.into_iter().map(untimed).collect();
    assert_eq!((epochs, Evaluation { seconds: 0.0, ..evaluation }), expected);
}

/// A batch of one has no variance, so what trains is normalized away where an image is a single pixel: the classifier sees
/// nothing but its bias, which is zero at first, and its guess is a tenth for each class.
#[test]
fn a_batch_of_one_trains_through_normalizations_that_train() {
    let _alone = alone();
    let mut spec = spec(lite0().segments().last().unwrap().layers.start);
    spec.data.train_limit = Some(30);
    spec.data.test_limit = Some(10);
    spec.parameters.head_units = Vec::new();
    spec.parameters.head_dropout = Vec::new();
    spec.parameters.batch_size = 1;
    spec.parameters.learning_rate = 1e-9;
    let (epochs, _) = Bench::new().complete(&spec, None);
    assert!((epochs[0].train_loss - 10f64.ln()).abs() < 1e-5, "{epochs:?}");
    // In a batch of others an image does tell something, and the last batch has one image.
    spec.parameters.batch_size = 19;
    let (epochs, test) = Bench::new().complete(&spec, None);
    assert!((epochs[0].train_loss - 10f64.ln()).abs() > 1e-3, "{epochs:?}");
    assert!(epochs[0].val_loss.is_finite() && test.test_loss.is_finite());
}

#[test]
fn features_that_vanish_or_cannot_be_kept_cost_time_and_no_trial() {
    let _alone = alone();
    let spec = spec(lite0().layer_count());
    let wanted = features_of(&spec);
    let mut bench = Bench::new();
    let expected = bench.complete(&spec, None);
    let cache = bench.folder.path().join("features");
    let folder = features::folder(&cache, &wanted.key());
    bench.session.fill(&wanted, None, 1, &mut Listener::default()).unwrap();
    std::fs::remove_dir_all(&cache).unwrap();
    assert_eq!(bench.complete(&spec, Some(&wanted)), expected);
    assert!(features::is_filled(&folder), "they are filled again");

    // One of the files alone, seen by another process.
    std::fs::remove_file(folder.join("train.safetensors")).unwrap();
    bench.session = session_in(bench.folder.path());
    assert_eq!(bench.complete(&spec, Some(&wanted)), expected);
    assert!(folder.join("train.safetensors").exists());

    // Mapped files outlive their names, so this process goes on with them.
    std::fs::remove_dir_all(&cache).unwrap();
    assert_eq!(bench.complete(&spec, Some(&wanted)), expected);

    // There is no room for a folder where a file stands.
    std::fs::write(&cache, "").unwrap();
    bench.session = session_in(bench.folder.path());
    assert_eq!(bench.complete(&spec, Some(&wanted)), expected);
}

#[test]
fn when_features_are_used_is_noted() {
    let _alone = alone();
    let spec = spec(lite0().layer_count());
    let wanted = features_of(&spec);
    let mut bench = Bench::new();
    bench.session.fill(&wanted, None, 1, &mut Listener::default()).unwrap();
    let cache = bench.folder.path().join("features");
    let manifest = features::folder(&cache, &wanted.key()).join("manifest.json");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    std::fs::File::options().write(true).open(&manifest).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(features::kept(&cache)[0].used, long_ago);
    bench.complete(&spec, Some(&wanted));
    assert!(features::kept(&cache)[0].used > long_ago, "what is used goes last");
}

#[test]
fn files_from_outside_that_are_missing_are_bad_data() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut of_file = spec(lite0().layer_count());
    of_file.model.weights = WeightsIdentity::File("0".repeat(64));
    let mut of_cifar10 = spec(lite0().layer_count());
    of_cifar10.data.dataset = Dataset::Cifar10;
    for spec in [of_file, of_cifar10] {
        let gone = folder.path().join("gone");
        let places = Places {
            data: Some(gone.clone()),
            weights: [(lite0().name.to_owned(), gone)].into(),
            features: folder.path().join("features"),
            checkpoints: folder.path().join("checkpoints"),
            models: None,
        };
        let mut session = Session::new(device(), places);
        let error = session.train(&spec, None, &mut Listener::default()).unwrap_err();
        assert_eq!(error.kind(), FailureKind::BadData, "{error}");
        assert!(error.to_string().contains("gone"), "{error}");
        // A fill fails for the same reason, also in front of a trial.
        let error = session.train(&spec, Some(&features_of(&spec)), &mut Listener::default()).unwrap_err();
        assert_eq!(error.kind(), FailureKind::BadData, "{error}");
    }
}
