//! The real trainer behind the link's seam: a warm session of `frostline_training`.

use frostline_link::{Problem, Trainer, panic_message};
use frostline_protocol::{Ended, Observer, Places, Work};
use frostline_sweep::backbone;
use frostline_sweep::outcome::FailureKind;
use frostline_training::{Checked, Session, TrainingError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;
use tch::Device;

/// Keeps data, backbone and features between assignments, for as long as the places stay the same.
pub(crate) struct Libtorch {
    device: Device,
    session: Option<(Places, Session)>,
    /// On another machine than the coordinator's: what of its files is known to be the sweep's.
    checked: Option<Checked>,
    /// How often trials are kept, where that is not training's own affair.
    checkpoint_pause: Option<Duration>,
    /// Where this file is, the next assignment meets a device that fails, and the file is gone.
    poison: Option<PathBuf>,
}

impl Libtorch {
    pub(crate) fn new(device: Device) -> Libtorch {
        Libtorch { device, session: None, checked: None, checkpoint_pause: None, poison: None }
    }

    /// A trainer on another machine than the coordinator's: the files there may be others.
    pub(crate) fn elsewhere(device: Device) -> Libtorch {
        Libtorch { checked: Some(Checked::default()), ..Libtorch::new(device) }
    }

    /// The same, with checkpoints in another rhythm, and with poison that may lie somewhere.
    pub(crate) fn tested(self, checkpoint_pause: Option<Duration>, poison: Option<PathBuf>) -> Libtorch {
        Libtorch { checkpoint_pause, poison, ..self }
    }

    fn take_poison(&self) -> Result<(), TrainingError> {
        match &self.poison {
            // Of several workers one can remove it.
            Some(file) if std::fs::remove_file(file).is_ok() => frostline_training::device::poison(self.device),
            _ => Ok(()),
        }
    }

    fn session(&mut self, places: &Places) -> &mut Session {
        self.session.take_if(|(known, _)| known != places);
        let begin = || {
            let mut session = Session::new(self.device, places.clone());
            if let Some(pause) = self.checkpoint_pause {
                session.keep_every(pause);
            }
            (places.clone(), session)
        };
        &mut self.session.get_or_insert_with(begin).1
    }
}

impl Trainer for Libtorch {
    fn run(&mut self, places: &Places, work: &Work, observer: &mut dyn Observer) -> Result<Ended, Problem> {
        if let Some(checked) = &mut self.checked
            && let Err(reason) = checked.check(places, work)
        {
            return Ok(Ended::Unfit(reason));
        }
        // Most of tch panics where libtorch throws.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            self.take_poison().map_err(problem)?;
            carry_out(self.session(places), work, observer)
        }));
        let mut ended = ended.unwrap_or_else(|panic| {
            self.session = None;
            let message = without_frames(&panic_message(&*panic)).to_owned();
            Err(Problem { kind: FailureKind::of_message(&message), message })
        });
        if let Err(problem) = &mut ended
            && problem.kind == FailureKind::OutOfMemory
        {
            problem.message = out_of_memory(work, &problem.message);
        }
        ended
    }
}

/// What libtorch says goes on with the frames of its stack, as lines or as a `{:?}` of lines. They help nobody.
fn without_frames(message: &str) -> &str {
    let end = ["\nframe #", "\\nframe #", "\nException raised", "\\nException raised"]
        .iter()
        .filter_map(|mark| message.find(mark))
        .min();
    message[..end.unwrap_or(message.len())].trim()
}

/// What to do about it, and the allocator's own words.
fn out_of_memory(work: &Work, message: &str) -> String {
    let allocator = ["DefaultCPUAllocator", "CUDA out of memory"].iter().find_map(|name| message.find(name));
    let said = &message[allocator.unwrap_or(0)..];
    let said = said.split(" Error code").next().unwrap_or(said).trim_end_matches('.');
    let fewer_workers = "run fewer workers (`workers.count`)";
    let (spec, micro_batch) = match work {
        Work::Train { spec, micro_batch, .. } => (spec, micro_batch),
        Work::Fill { micro_batch, .. } => {
            let with = micro_batch.map_or(String::new(), |images| format!(" with {images} images at a time"));
            return format!("memory ran out{with}: {fewer_workers}, or use `cache.features = \"off\"` ({said})");
        }
    };
    let frozen = spec.parameters.frozen_layers;
    let trains = backbone::find(&spec.model.backbone).is_some_and(|it| it.trains_normalization(frozen));
    match micro_batch {
        _ if trains => format!(
            "memory ran out: make `batch_size` or `image_size` smaller, {fewer_workers}, or freeze more layers (with \
             `frozen_layers = \"all\"` images can be taken a few at a time; batch normalizations that train need the \
             whole batch) ({said})"
        ),
        None => format!("memory ran out: make `image_size` smaller, or {fewer_workers} ({said})"),
        Some(1) => format!(
            "memory ran out with one image at a time, too: make `image_size` smaller, or {fewer_workers} ({said})"
        ),
        Some(images) => format!(
            "memory ran out with {images} images at a time: make `image_size` smaller, or {fewer_workers} ({said})"
        ),
    }
}

fn carry_out(session: &mut Session, work: &Work, observer: &mut dyn Observer) -> Result<Ended, Problem> {
    let ended = match work {
        Work::Train { spec, features, micro_batch, .. } => {
            session.limit_images(*micro_batch);
            session.train(spec, features.as_ref(), observer)
        }
        Work::Fill { spec, from, streams, micro_batch } => {
            session.limit_images(*micro_batch);
            session.fill(spec, from.as_ref(), *streams, observer)
        }
    };
    ended.map_err(problem)
}

fn problem(error: TrainingError) -> Problem {
    Problem { kind: error.kind(), message: without_frames(&with_causes(&error)).to_owned() }
}

/// An error in one sentence: itself and what caused it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.ends_with(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_protocol::{Filled, Stop};
    use frostline_sweep::features::FeatureSpec;
    use frostline_sweep::outcome::{EpochMetrics, Evaluation};
    use frostline_sweep::trial::{
        Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, TrialSpec, Validation,
        WeightsIdentity,
    };
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    #[test]
    fn a_message_ends_before_its_frames() {
        let thrown = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried \
            to allocate 256901120 bytes. Error code 12 (Cannot allocate memory)\nframe #0: c10::ThrowEnforceNotMet";
        let panic = format!("the trainer panicked: called `Result::unwrap()` on an `Err` value: Torch({thrown:?})");
        for message in [thrown, &panic] {
            assert!(without_frames(message).ends_with("Error code 12 (Cannot allocate memory)"), "{message}");
        }
        assert_eq!(without_frames("no frames"), "no frames");
    }

    /// libtorch has one random generator a process: one trial at a time.
    fn alone() -> MutexGuard<'static, ()> {
        static LIBTORCH: Mutex<()> = Mutex::new(());
        let guard = LIBTORCH.lock().unwrap_or_else(PoisonError::into_inner);
        tch::set_num_threads(1);
        guard
    }

    /// Listens, and panics at the second step where it is told to.
    #[derive(Default)]
    struct Listener {
        epochs: Vec<EpochMetrics>,
        panics: bool,
    }

    impl Observer for Listener {
        fn epoch(&mut self, metrics: EpochMetrics) {
            self.epochs.push(EpochMetrics { seconds: 0.0, images_per_second: 0.0, peak_memory: 0, ..metrics });
        }

        fn progress(&mut self, done: u64, _total: u64) {
            assert!(!self.panics || done == 0, "the second step");
        }

        fn should_stop(&self) -> Stop {
            Stop::No
        }
    }

    fn spec() -> TrialSpec {
        TrialSpec {
            data: DataSpec {
                dataset: Dataset::Shapes,
                digest: frostline_assets::data::shapes::digest(),
                validation: Validation::Share(0.2),
                image_size: 32,
                augment: Augment::None,
                train_limit: Some(40),
                test_limit: Some(10),
                pictures: None,
            },
            model: ModelSpec { backbone: "efficientnet_lite0".to_owned(), weights: WeightsIdentity::Random },
            parameters: Parameters {
                // The top trains, so that what is lost in mid-step is a network's.
                frozen_layers: frozen_up_to_the_top(),
                head_units: vec![8],
                head_dropout: vec![0.5],
                optimizer: Optimizer::Adam,
                learning_rate: 1e-3,
                recipe: Default::default(),
                epochs: 1,
                batch_size: 16,
                precision: Precision::Float32,
            },
            seed: 1,
        }
    }

    fn frozen_up_to_the_top() -> u32 {
        let network = backbone::find("efficientnet_lite0").unwrap();
        network.segments().last().unwrap().layers.start
    }

    fn places(folder: &Path) -> Places {
        Places {
            data: None,
            weights: BTreeMap::new(),
            features: folder.join("features"),
            checkpoints: folder.join("checkpoints"),
            models: None,
        }
    }

    fn train(spec: &TrialSpec) -> Work {
        Work::Train { trial: spec.id(), spec: spec.clone(), features: None, micro_batch: None }
    }

    fn complete(trainer: &mut Libtorch, places: &Places, work: &Work) -> (Vec<EpochMetrics>, Evaluation) {
        let mut listener = Listener::default();
        let ended = trainer.run(places, work, &mut listener).unwrap();
        let Ended::Complete(evaluation) = ended else { panic!("nobody asked to stop: {ended:?}") };
        (listener.epochs, Evaluation { seconds: 0.0, ..evaluation })
    }

    #[test]
    fn a_panic_fails_its_assignment_and_the_next_one_is_as_if_it_never_had_been() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let (places, spec) = (places(folder.path()), spec());
        let expected = complete(&mut Libtorch::new(Device::Cpu), &places, &train(&spec));
        let mut trainer = Libtorch::new(Device::Cpu);
        assert_eq!(complete(&mut trainer, &places, &train(&spec)), expected);
        assert!(trainer.session.is_some(), "kept warm");

        let mut panicking = Listener { panics: true, ..Listener::default() };
        let problem = trainer.run(&places, &train(&spec), &mut panicking).unwrap_err();
        assert_eq!(problem.kind, FailureKind::Internal);
        assert_eq!(problem.message, "the trainer panicked: the second step");
        assert!(trainer.session.is_none(), "whatever state it is in, nothing is taken from it");
        assert_eq!(complete(&mut trainer, &places, &train(&spec)), expected);

        // What libtorch throws is a panic of the wrapper: no image has a side of -1 pixels.
        let mut impossible = spec.clone();
        impossible.data.image_size = u32::MAX;
        let problem = trainer.run(&places, &train(&impossible), &mut Listener::default()).unwrap_err();
        assert!(!problem.message.contains("frame #"), "{}", problem.message);
        assert!(trainer.session.is_none());
        assert_eq!(complete(&mut trainer, &places, &train(&spec)), expected);
    }

    /// As in the middle of a sweep: the first trials had it.
    #[test]
    fn a_weights_file_that_is_gone_is_bad_data() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights.safetensors");
        let places = Places {
            weights: BTreeMap::from([("efficientnet_lite0".to_owned(), file.clone())]),
            ..places(folder.path())
        };
        let mut spec = spec();
        spec.model.weights = WeightsIdentity::File("0".repeat(64));
        let mut trainer = Libtorch::new(Device::Cpu);
        let problem = trainer.run(&places, &train(&spec), &mut Listener::default()).unwrap_err();
        assert_eq!(problem.kind, FailureKind::BadData);
        assert!(problem.message.contains("weights.safetensors: No such file"), "{}", problem.message);
        // As many bytes that are none.
        std::fs::write(&file, [0; 100]).unwrap();
        let problem = trainer.run(&places, &train(&spec), &mut Listener::default()).unwrap_err();
        assert_eq!(problem.kind, FailureKind::BadData, "{}", problem.message);
    }

    #[test]
    fn a_fill_is_carried_out_and_its_trial_starts_from_it() {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let (places, spec) = (places(folder.path()), spec());
        let network = backbone::find("efficientnet_lite0").unwrap();
        let features = FeatureSpec::of(&spec, network.cut_at(spec.parameters.frozen_layers));
        let mut trainer = Libtorch::new(Device::Cpu);
        let fill = Work::Fill { spec: features.clone(), from: None, streams: 2, micro_batch: None };
        let ended = trainer.run(&places, &fill, &mut Listener::default()).unwrap();
        assert!(matches!(ended, Ended::Filled(Filled { computed: true, .. })), "{ended:?}");
        let from_images = complete(&mut trainer, &places, &train(&spec));
        let features = Some(features);
        let work = Work::Train { trial: spec.id(), spec: spec.clone(), features, micro_batch: None };
        assert_eq!(complete(&mut trainer, &places, &work), from_images);
    }

    #[test]
    fn what_to_do_when_memory_runs_out_depends_on_what_was_done() {
        let said =
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes. Error code 12 (no memory)";
        let mut spec = spec();
        let work = |spec: &TrialSpec, micro_batch| Work::Train {
            trial: spec.id(),
            spec: spec.clone(),
            features: None,
            micro_batch,
        };
        let trains = out_of_memory(&work(&spec, None), said);
        assert!(trains.contains("make `batch_size` or `image_size` smaller"), "{trains}");
        assert!(
            trains.ends_with("(DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes)"),
            "{trains}"
        );
        spec.parameters.frozen_layers = backbone::find("efficientnet_lite0").unwrap().layer_count();
        for (images, words) in [(None, "ran out: make"), (Some(1), "with one image"), (Some(4), "with 4 images")] {
            let text = out_of_memory(&work(&spec, images), said);
            assert!(text.contains(words) && text.contains("`image_size` smaller"), "{text}");
        }
        let fill = Work::Fill { spec: FeatureSpec::of(&spec, 3), from: None, streams: 1, micro_batch: None };
        assert!(out_of_memory(&fill, said).contains("cache.features"));
    }
}
