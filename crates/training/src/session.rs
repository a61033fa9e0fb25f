//! A worker's warm state: data, backbones and mapped features stay in memory from one assignment to the next.

use crate::backbone::{Backbone, Network, kind, load_backbone};
use crate::data::{Data, Images, Pool};
use crate::error::TrainingError;
use crate::features::{self, CachedFeatures};
use crate::input::{Input, Source, portion};
use crate::keeper;
use crate::lock::FillLock;
use crate::model;
use crate::no_grad::no_grad;
use crate::shim;
use crate::streams::in_order;
use crate::trainer::Trainer;
use frostline_protocol::{Ended, Filled, Observer, Places, Stop};
use frostline_results::features as kept;
use frostline_sweep::features::{Arithmetic, FeatureKey, FeatureSpec};
use frostline_sweep::trial::{Augment, DataSpec, ModelSpec, Precision, TrialSpec, Validation};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tch::{Device, Tensor};

/// How long a fill waits for another of the same features before it looks again whether it is to go on.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// One device, and what is kept on it and in memory between assignments: the last of each, which is what the
/// assignments of one sweep share.
pub struct Session {
    device: Device,
    places: Places,
    data: Option<(DataSpec, Rc<Data>)>,
    backbone: Option<(ModelSpec, Precision, Rc<Backbone>)>,
    features: Option<(FeatureKey, Rc<CachedFeatures>)>,
    micro_batch: Option<u32>,
    checkpoint_pause: Duration,
}

impl Session {
    pub fn new(device: Device, places: Places) -> Session {
        Session {
            device,
            places,
            data: None,
            backbone: None,
            features: None,
            micro_batch: None,
            checkpoint_pause: keeper::PAUSE,
        }
    }

    /// From now on trials are kept this often, instead of every half minute.
    pub fn keep_every(&mut self, pause: Duration) {
        self.checkpoint_pause = pause;
    }

    /// From now on trials compute frozen layers on this many images at a time: memory has run out with a whole portion.
    /// What comes out is put together before anything trains on it, so a batch's gradient is the one that the gradients
    /// of its pieces would add up to, with the same dropout.
    pub fn limit_images(&mut self, images: Option<u32>) {
        self.micro_batch = images;
    }

    /// Trains a trial to its end, from the features of `features` where they are cached, else from its images.
    pub fn train(
        &mut self,
        spec: &TrialSpec,
        features: Option<&FeatureSpec>,
        observer: &mut dyn Observer,
    ) -> Result<Ended, TrainingError> {
        self.compute_in(spec.parameters.precision)?;
        let data = self.data(&spec.data)?;
        let backbone = self.backbone(&spec.model, spec.parameters.precision)?;
        let network = backbone.instance(spec.parameters.frozen_layers);
        let cut = backbone.architecture().cut_at(spec.parameters.frozen_layers);
        let portion = portion(self.device);
        let cached = match features.map(|wanted| (wanted.cut, self.features(wanted, observer))) {
            None => None,
            Some((from, Ok(Some(cached)))) => Some((from, cached)),
            Some((_, Ok(None))) => return Ok(Ended::Stopped),
            // They were there when this trial was given out. It costs time, not the trial.
            Some((_, Err(error @ TrainingError::File { .. }))) => {
                tracing::warn!("features are computed in every epoch, since they cannot be kept: {error}");
                None
            }
            Some((_, Err(error))) => return Err(error),
        };
        let mut input = match cached {
            Some((from, cached)) => {
                Input { source: Source::Features(cached), from, to: cut, portion, device: self.device }
            }
            None => self.images(&backbone, spec.data.image_size, spec.parameters.precision, cut),
        };
        input.portion = self.limited(portion);
        let mut trainer = Trainer::new(spec, &data, input, network);
        trainer.checkpoint_pause = self.checkpoint_pause;
        let ended = trainer.run(&self.places.checkpoints, observer)?;
        // Before the completion is reported: a trial that counts as complete has its model.
        if let (Ended::Complete(_), Some(folder)) = (&ended, &self.places.models) {
            model::save(folder, spec.id(), trainer.trained())?;
        }
        Ok(ended)
    }

    /// Computes features into the cache, from those of an earlier cut where they are there, else from the images.
    /// `streams` portions are computed at once (CPU), each on as many threads as libtorch has and as it always is, so the
    /// features are the same.
    pub fn fill(
        &mut self,
        spec: &FeatureSpec,
        from: Option<&FeatureSpec>,
        streams: u32,
        observer: &mut dyn Observer,
    ) -> Result<Ended, TrainingError> {
        let started = Instant::now();
        let arithmetic = self.compute_in(spec.precision)?;
        if spec.arithmetic != arithmetic {
            let what = format!("features of {:?} cannot be computed by {arithmetic:?}", spec.arithmetic);
            return Err(TrainingError::Impossible(what));
        }
        let cache = self.places.features.clone();
        std::fs::create_dir_all(&cache).map_err(|source| TrainingError::File {
            action: "create",
            path: cache.clone(),
            source,
        })?;
        // Two processes that want the same cut fill it once: the second waits here and finds it done.
        let lock = kept::lock(&cache, &spec.key());
        let go_on = || {
            std::thread::sleep(LOCK_PAUSE);
            observer.should_stop() == Stop::No
        };
        let lock_failed = |source| TrainingError::File { action: "lock", path: lock.clone(), source };
        let Some(_held) = FillLock::take(&lock, go_on).map_err(lock_failed)? else { return Ok(Ended::Stopped) };
        if let Some(bytes) = kept::size(&cache, &spec.key()) {
            return Ok(Ended::Filled(Filled { bytes, seconds: started.elapsed().as_secs_f64(), computed: false }));
        }
        let data = self.data(&data_of(spec))?;
        let backbone = self.backbone(&spec.model, spec.precision)?;
        let earlier = match from {
            Some(earlier) => features::open(&cache, earlier)?.map(|cached| (earlier.cut, Rc::new(cached))),
            None => None,
        };
        let portion = self.limited(portion(self.device));
        let mut input = match earlier {
            Some((cut, cached)) => {
                Input { source: Source::Features(cached), from: cut, to: spec.cut, portion, device: self.device }
            }
            None => self.images(&backbone, spec.image_size, spec.precision, spec.cut),
        };
        input.portion = portion;
        let network = backbone.instance(backbone.architecture().layer_count());
        let total = Pool::ALL
            .iter()
            .map(|&pool| view_count(spec.augment, pool) as usize * data.pool(pool).len())
            .sum::<usize>();
        let streams = if self.device == Device::Cpu { streams as usize } else { 1 };
        let threads = tch::get_num_threads();
        let mut done = 0;
        let mut writer = features::Writer::new(&cache, spec)?;
        for pool in Pool::ALL {
            let images: &Images = data.pool(pool);
            let views = view_count(spec.augment, pool);
            let all: Vec<u32> = (0..images.len() as u32).collect();
            let portions: Vec<(u32, &[u32])> =
                (0..views).flat_map(|view| all.chunks(portion).map(move |chosen| (view, chosen))).collect();
            let filling = Filling { input: &input, network: &network, pool, images };
            let compute = |&(view, chosen): &(u32, &[u32])| {
                tch::set_num_threads(threads);
                filling.features(chosen, view)
            };
            let mut stopped = false;
            let written = in_order(&portions, streams, compute, |computed| {
                let mut lengths = portions.iter().map(|(_, chosen)| chosen.len() as u64);
                let computed = computed.map_while(|features| {
                    if observer.should_stop() != Stop::No {
                        stopped = true;
                        return None;
                    }
                    observer.progress(done, total as u64);
                    done += lengths.next().unwrap_or(0);
                    Some(Ok(features))
                });
                writer.pool(pool, views as usize, images.len(), computed)
            });
            // First: what was stopped lacks features, which the writer says.
            if stopped {
                return Ok(Ended::Stopped);
            }
            written?;
        }
        let bytes = writer.finish()?;
        Ok(Ended::Filled(Filled { bytes, seconds: started.elapsed().as_secs_f64(), computed: true }))
    }

    /// So many images at a time, or fewer where memory has run out before.
    fn limited(&self, portion: usize) -> usize {
        self.micro_batch.map_or(portion, |images| portion.min(images as usize))
    }

    /// The switches of libtorch stand for the whole process, so they are set before anything is computed.
    fn compute_in(&self, precision: Precision) -> Result<Arithmetic, TrainingError> {
        shim::set_tf32(precision == Precision::Tf32)?;
        Ok(Arithmetic::of(precision, self.device.is_cuda()))
    }

    fn data(&mut self, spec: &DataSpec) -> Result<Rc<Data>, TrainingError> {
        // The validation split is made from the loaded images, and so is no reason to load them again.
        let wanted = DataSpec { validation: Validation::Test, ..spec.clone() };
        if let Some((loaded, data)) = &self.data
            && *loaded == wanted
        {
            return Ok(Rc::clone(data));
        }
        let data = Rc::new(Data::load(spec, self.places.data.as_deref())?);
        self.data = Some((wanted, Rc::clone(&data)));
        Ok(data)
    }

    fn backbone(&mut self, model: &ModelSpec, precision: Precision) -> Result<Rc<Backbone>, TrainingError> {
        if let Some((loaded, kind, backbone)) = &self.backbone
            && (loaded, *kind) == (model, precision)
        {
            return Ok(Rc::clone(backbone));
        }
        let file = self.places.weights.get(&model.backbone);
        let backbone = load_backbone(model, file.map(PathBuf::as_path), self.device, kind(precision))?;
        let backbone = Rc::new(backbone);
        self.backbone = Some((model.clone(), precision, Rc::clone(&backbone)));
        Ok(backbone)
    }

    /// The cached features, filled first where they are missing or damaged; none where that was stopped.
    fn features(
        &mut self,
        spec: &FeatureSpec,
        observer: &mut dyn Observer,
    ) -> Result<Option<Rc<CachedFeatures>>, TrainingError> {
        let key = spec.key();
        if let Some((mapped, features)) = &self.features
            && *mapped == key
        {
            return Ok(Some(Rc::clone(features)));
        }
        self.features = None;
        let mut cached = features::open(&self.places.features, spec)?;
        if cached.is_none() {
            if self.fill(spec, None, 1, observer)? == Ended::Stopped {
                return Ok(None);
            }
            cached = features::open(&self.places.features, spec)?;
        }
        let mut cached = cached.ok_or_else(|| TrainingError::Impossible(format!("the features {key} vanished")))?;
        // Memory has run out before: what is left of it is for training.
        if self.micro_batch.is_none() {
            cached.move_to(self.device);
        }
        let cached = Rc::new(cached);
        self.features = Some((key, Rc::clone(&cached)));
        Ok(Some(cached))
    }

    fn images(&self, backbone: &Backbone, size: u32, precision: Precision, to: u32) -> Input {
        let conventions = backbone.conventions().clone();
        let source = Source::Images { conventions, size: i64::from(size), kind: kind(precision) };
        Input { source, from: 0, to, portion: portion(self.device), device: self.device }
    }
}

/// What the threads of a fill read at the same time.
struct Filling<'a> {
    input: &'a Input,
    network: &'a Network,
    pool: Pool,
    images: &'a Images,
}

// SAFETY: what keeps the content from being shared is that `Rc` counts without care, and that libtorch's in-place operations
// need no exclusive access. `Feed::next` takes all by reference, clones no `Rc`, and only computes new tensors; libtorch
// allows that from any number of threads, and counts its own references atomically.
unsafe impl Sync for Filling<'_> {}

impl Filling<'_> {
    /// The features of a portion in one view.
    fn features(&self, chosen: &[u32], view: u32) -> Tensor {
        let views = vec![view; chosen.len()];
        let views = (view > 0).then_some(&views[..]);
        no_grad(|| self.input.feed(self.network, (self.pool, self.images), chosen, views).next(chosen.len()))
    }
}

/// Training images are seen in several views, test images as they are.
fn view_count(augment: Augment, pool: Pool) -> u32 {
    match pool {
        Pool::Train => augment.views(),
        Pool::Test => 1,
    }
}

/// The part of a data specification that features depend on.
fn data_of(spec: &FeatureSpec) -> DataSpec {
    DataSpec {
        dataset: spec.dataset,
        digest: spec.data_digest.clone(),
        validation: Validation::Test,
        image_size: spec.image_size,
        augment: spec.augment,
        train_limit: spec.train_limit,
        test_limit: spec.test_limit,
        pictures: spec.pictures,
    }
}
