//! What a trial may change and what it may not.

use super::*;
use crate::backbone::{Backbone, Role, Source as WeightsSource, slots};
use crate::input::Source;
use crate::testing::alone;
use frostline_assets::data::shapes;
use frostline_sweep::backbone;
use frostline_sweep::trial::{
    DataSpec, Dataset, ModelSpec, Optimizer as Rule, Parameters, Precision, Validation, WeightsIdentity,
};
use tch::Device;

fn spec(frozen_layers: u32) -> TrialSpec {
    TrialSpec {
        data: DataSpec {
            dataset: Dataset::Shapes,
            digest: shapes::digest(),
            validation: Validation::Share(0.2),
            image_size: 32,
            augment: Augment::None,
            train_limit: Some(40),
            test_limit: Some(10),
            pictures: None,
        },
        model: ModelSpec { backbone: "efficientnet_lite0".to_owned(), weights: WeightsIdentity::Random },
        parameters: Parameters {
            frozen_layers,
            head_units: Vec::new(),
            head_dropout: Vec::new(),
            optimizer: Rule::Rmsprop,
            learning_rate: 1e-3,
            recipe: Default::default(),
            epochs: 1,
            batch_size: 16,
            precision: Precision::Float32,
        },
        seed: 1,
    }
}

#[test]
fn frozen_layers_stay_to_the_bit_and_every_other_one_moves() {
    let _alone = alone();
    let architecture = backbone::find("efficientnet_lite0").unwrap();
    let backbone = Backbone::load(architecture, WeightsSource::Random(0), Device::Cpu, Kind::Float).unwrap();
    let untouched = backbone.instance(architecture.layer_count());
    let before: Vec<Tensor> = slots(architecture).iter().map(|slot| untouched.tensor(&slot.name).copy()).collect();
    // Nothing, a boundary inside a block, a convolution without its normalization, everything.
    let inside = architecture.segments()[11].layers.start;
    for frozen in [0, inside + 3, inside + 1, architecture.layer_count()] {
        let spec = spec(frozen);
        let data = Data::load(&spec.data, None).unwrap();
        let source = Source::Images { conventions: backbone.conventions().clone(), size: 32, kind: Kind::Float };
        let input = Input { source, from: 0, to: architecture.cut_at(frozen), portion: 32, device: Device::Cpu };
        let mut trainer = Trainer::new(&spec, &data, input, backbone.instance(frozen));
        let head: Vec<Tensor> = trainer.flat.leaves()[..trainer.head_leaves].iter().map(Tensor::copy).collect();
        let folder = tempfile::tempdir().unwrap();
        trainer.run(folder.path(), &mut ()).unwrap();

        for (slot, before) in slots(architecture).iter().zip(&before) {
            let stayed = trainer.network.tensor(&slot.name) == before;
            let (name, layer) = (&slot.name, slot.layer);
            assert_eq!(stayed, layer < frozen, "{name} is layer {layer}, and {frozen} are frozen");
            assert!(untouched.tensor(name) == before, "{name} of another trial moved");
        }
        for (after, before) in trainer.flat.leaves().iter().zip(&head) {
            assert_ne!(after, before, "the head trains");
        }
        let trained =
            slots(architecture).iter().filter(|slot| slot.layer >= frozen && slot.role == Role::Weight).count();
        assert_eq!(trainer.flat.leaves().len(), trainer.head_leaves + trained);
    }
}

/// Stops the trial, in this way, when so many of its steps have begun.
struct Impatient {
    steps: u64,
    stop: Stop,
    begun: u64,
    epochs: Vec<EpochMetrics>,
}

impl Impatient {
    fn after(steps: u64) -> Impatient {
        Impatient { steps, stop: Stop::Now, begun: 0, epochs: Vec::new() }
    }
}

impl Observer for Impatient {
    fn epoch(&mut self, metrics: EpochMetrics) {
        self.epochs.push(EpochMetrics { seconds: 0.0, images_per_second: 0.0, peak_memory: 0, ..metrics });
    }

    fn progress(&mut self, _done: u64, _total: u64) {
        self.begun += 1;
    }

    fn should_stop(&self) -> Stop {
        if self.begun >= self.steps { self.stop } else { Stop::No }
    }
}

#[test]
fn an_epoch_that_was_kept_in_its_middle_goes_on_there_with_the_same_numbers() {
    let _alone = alone();
    let architecture = backbone::find("efficientnet_lite0").unwrap();
    let backbone = Backbone::load(architecture, WeightsSource::Random(0), Device::Cpu, Kind::Float).unwrap();
    // Stochastic depth, dropout, mirrored images, statistics that train: all that an epoch draws and keeps.
    let mut spec = spec(architecture.segments()[11].layers.start);
    spec.data.augment = Augment::Flip;
    spec.parameters.head_units = vec![8];
    spec.parameters.head_dropout = vec![0.5];
    spec.parameters.batch_size = 8;
    spec.parameters.epochs = 2;
    let data = Data::load(&spec.data, None).unwrap();
    let run = |folder: &Path, pause: Duration, observer: &mut Impatient| {
        let source = Source::Images { conventions: backbone.conventions().clone(), size: 32, kind: Kind::Float };
        let frozen = spec.parameters.frozen_layers;
        let input = Input { source, from: 0, to: architecture.cut_at(frozen), portion: 32, device: Device::Cpu };
        let mut trainer = Trainer::new(&spec, &data, input, backbone.instance(frozen));
        trainer.checkpoint_pause = pause;
        trainer.run(folder, observer).unwrap()
    };
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    let folder = tempfile::tempdir().unwrap();
    let mut whole = Impatient::after(u64::MAX);
    let Ended::Complete(expected) = run(folder.path(), Duration::MAX, &mut whole) else { panic!("nobody stops it") };
    assert_eq!(files(folder.path()), 0, "a trial that is shorter than the pause writes nothing");
    assert_eq!(whole.begun, 2 * 4);
    assert_eq!(expected.validation_images, Some(10), "one of each class' four, where a fifth of all would be eight");

    // Whoever has to leave keeps each step; who is not wanted any more has what was kept in its time.
    for (pause, stop, left) in
        [(Duration::MAX, Stop::AfterBatch, 2), (Duration::ZERO, Stop::Now, 4), (Duration::MAX, Stop::Now, 8)]
    {
        let folder = tempfile::tempdir().unwrap();
        // In the middle of the first epoch, and, from there on, of the second.
        for steps in [2, 4] {
            let mut observer = Impatient { stop, ..Impatient::after(steps) };
            assert_eq!(run(folder.path(), pause, &mut observer), Ended::Stopped);
        }
        let mut rest = Impatient::after(u64::MAX);
        let Ended::Complete(evaluation) = run(folder.path(), pause, &mut rest) else { panic!("nobody stops it") };
        assert_eq!(rest.begun, left, "steps that {stop:?} has not kept every {pause:?}");
        assert_eq!(rest.epochs, whole.epochs);
        assert_eq!(Evaluation { seconds: 0.0, ..evaluation }, Evaluation { seconds: 0.0, ..expected.clone() });
    }
}

/// A trainer of a head on a frozen network.
fn with_trainer<T>(spec: &TrialSpec, use_it: impl FnOnce(&mut Trainer<'_>) -> T) -> T {
    let architecture = backbone::find("efficientnet_lite0").unwrap();
    let backbone = Backbone::load(architecture, WeightsSource::Random(0), Device::Cpu, Kind::Float).unwrap();
    let data = Data::load(&spec.data, None).unwrap();
    let source = Source::Images { conventions: backbone.conventions().clone(), size: 32, kind: Kind::Float };
    let frozen = spec.parameters.frozen_layers;
    let input = Input { source, from: 0, to: architecture.cut_at(frozen), portion: 32, device: Device::Cpu };
    use_it(&mut Trainer::new(spec, &data, input, backbone.instance(frozen)))
}

/// Sealed by the same trial, as another version of the program may have left it.
#[test]
fn a_checkpoint_that_does_not_fit_is_passed_over_and_the_trial_begins_anew() {
    let _alone = alone();
    // The last normalization trains, and it has statistics.
    let segments = backbone::find("efficientnet_lite0").unwrap().segments();
    let mut spec = spec(segments.last().unwrap().layers.start);
    spec.parameters.epochs = 2;
    let run = |change: &dyn Fn(&mut Progress)| {
        let folder = tempfile::tempdir().unwrap();
        let mut observer = Impatient::after(u64::MAX);
        with_trainer(&spec, |trainer| {
            let mut progress = trainer.progress(&[], Some(Within { steps: 1, ..Within::default() }));
            change(&mut progress);
            checkpoint::save(&checkpoint::path(folder.path(), spec.id()), &progress.copied(&spec)).unwrap();
            trainer.run(folder.path(), &mut observer).unwrap();
        });
        (observer.begun, observer.epochs)
    };
    let longer = |tensor: &Tensor| Tensor::cat(&[tensor, &tensor.zeros_like()], 0);
    let fresh = with_trainer(&spec, |trainer| {
        let mut observer = Impatient::after(u64::MAX);
        trainer.run(tempfile::tempdir().unwrap().path(), &mut observer).unwrap();
        (observer.begun, observer.epochs)
    });
    // Two epochs of 32 images in two batches.
    assert_eq!(fresh.0, 4);
    assert_eq!(run(&|_| ()).0, 3, "one that fits is taken over");
    type Change<'a> = &'a dyn Fn(&mut Progress);
    let changes: [(&str, Change); 5] = [
        ("values", &|it| {
            it.values = longer(&it.values);
            it.moments = it.moments.iter().map(longer).collect();
        }),
        ("more moments", &|it| it.moments.push(it.values.zeros_like())),
        ("no moment", &|it| it.moments.clear()),
        ("fewer statistics", &|it| drop(it.statistics.pop())),
        ("a shorter statistic", &|it| it.statistics[0] = it.statistics[0].narrow(0, 0, 1)),
    ];
    for (name, change) in changes {
        assert_eq!(run(change), fresh, "{name}");
    }
}

#[test]
fn a_loss_that_is_no_number_is_found_at_the_next_checkpoint() {
    let _alone = alone();
    let mut spec = spec(backbone::find("efficientnet_lite0").unwrap().layer_count());
    spec.parameters.batch_size = 4;
    spec.parameters.learning_rate = 1e38;
    let folder = tempfile::tempdir().unwrap();
    let mut observer = Impatient::after(u64::MAX);
    let error = with_trainer(&spec, |trainer| {
        trainer.checkpoint_pause = Duration::ZERO;
        trainer.run(folder.path(), &mut observer).unwrap_err()
    });
    assert!(matches!(error, TrainingError::Diverged { epoch: 1, .. }), "{error}");
    assert!(observer.begun < 8, "of the epoch's eight steps {} were taken", observer.begun);
}

/// Asks to end after the running epoch as soon as a step has begun.
#[test]
fn an_epoch_that_is_to_be_the_last_is_reported_and_kept() {
    struct LastEpoch(Impatient);
    impl Observer for LastEpoch {
        fn epoch(&mut self, metrics: EpochMetrics) {
            self.0.epoch(metrics);
        }

        fn progress(&mut self, done: u64, total: u64) {
            self.0.progress(done, total);
        }

        fn should_stop(&self) -> Stop {
            if self.0.begun > 0 { Stop::AfterEpoch } else { Stop::No }
        }
    }
    let _alone = alone();
    let mut spec = spec(backbone::find("efficientnet_lite0").unwrap().layer_count());
    spec.parameters.epochs = 2;
    let folder = tempfile::tempdir().unwrap();
    let mut observer = LastEpoch(Impatient::after(u64::MAX));
    with_trainer(&spec, |trainer| {
        assert_eq!(trainer.run(folder.path(), &mut observer).unwrap(), Ended::Stopped);
    });
    assert_eq!((observer.0.begun, observer.0.epochs.len()), (2, 1));
    let place = checkpoint::path(folder.path(), spec.id());
    let kept = checkpoint::load(&place, &spec).unwrap().unwrap();
    assert_eq!((kept.history.len(), kept.within), (1, None));
    // Had it been ended before the epoch was over, the step would have been kept.
    std::fs::remove_file(place.as_path()).unwrap();
    let kept = checkpoint::load(&place, &spec).unwrap().unwrap();
    assert_eq!((kept.history.len(), kept.within.map(|within| within.steps)), (0, Some(1)));
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_its_trial_with_the_files_name() {
    let _alone = alone();
    let spec = spec(backbone::find("efficientnet_lite0").unwrap().layer_count());
    let folder = tempfile::tempdir().unwrap();
    // In the place of the file that is written aside.
    std::fs::create_dir(folder.path().join(format!("{}.writing", spec.id()))).unwrap();
    let run = |pause| {
        with_trainer(&spec, |trainer| {
            trainer.checkpoint_pause = pause;
            trainer.run(folder.path(), &mut Impatient { stop: Stop::AfterBatch, ..Impatient::after(1) })
        })
    };
    for pause in [Duration::ZERO, Duration::MAX] {
        let error = run(pause).unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains(".checkpoint: Is a directory"), "{error}");
    }
}

/// By the formula of scikit-learn's `compute_class_weight("balanced", ...)`: images / (classes * images of the class).
#[test]
fn balanced_weights_are_those_of_scikit_learn() {
    let labels = [0, 0, 0, 0, 0, 1, 1, 2];
    assert_eq!(balanced(labels.into_iter(), 3), [8.0 / 15.0, 4.0 / 3.0, 8.0 / 3.0].map(|weight: f64| weight as f32));
    assert_eq!(balanced([1, 0, 1, 0].into_iter(), 2), [1.0, 1.0]);
    assert_eq!(balanced([0, 2, 2].into_iter(), 3), [1.5, 0.0, 0.75], "a class without images");
}
