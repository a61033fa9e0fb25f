//! Training one trial: epochs of batches, validation after each, the test split at the end.

use crate::backbone::Network;
use crate::checkpoint::{self, Progress, Within};
use crate::data::{Data, Division, Images, Pool, indices};
use crate::derive::{Purpose, generator, seed_libtorch};
use crate::error::TrainingError;
use crate::flat::FlatParameters;
use crate::head::Head;
use crate::input::{EVALUATION_BATCH, Input};
use crate::keeper::{self, Keeper};
use crate::memory;
use crate::model;
use crate::no_grad::no_grad;
use crate::optimizer::Optimizer;
use frostline_protocol::{Ended, Observer, Stop};
use frostline_sweep::bits::Bits;
use frostline_sweep::outcome::{ClassMetrics, EpochMetrics, Evaluation, Right};
use frostline_sweep::trial::{Augment, ClassWeights, TrialSpec};
use rand::Rng;
use rand::seq::SliceRandom;
use std::path::Path;
use std::time::{Duration, Instant};
use tch::{Kind, Reduction, Tensor};

/// libtorch's own mark for images that do not count; no label has it.
const IGNORED_LABEL: i64 = -100;

/// Classes with the highest scores that count as a near miss, as top-5 accuracy has it.
const MOST_GUESSES: i64 = 5;

/// With more classes nobody reads a matrix of them, and it would not fit into a message.
const MOST_CONFUSED: usize = 256;

/// Everything that a trial trains and trains on.
pub(crate) struct Trainer<'a> {
    spec: &'a TrialSpec,
    data: &'a Data,
    division: Division,
    input: Input,
    network: Network,
    head: Head,
    flat: FlatParameters,
    optimizer: Optimizer,
    /// How many of the flat buffer's leaves are the head's; they come first.
    head_leaves: usize,
    /// What the loss of an image of each class is multiplied by; none where all count alike.
    class_weights: Option<Tensor>,
    pub(crate) checkpoint_pause: Duration,
    /// After the newest epoch, and at the end.
    validated: Answers,
    tested: Answers,
}

impl<'a> Trainer<'a> {
    pub(crate) fn new(spec: &'a TrialSpec, data: &'a Data, input: Input, mut network: Network) -> Trainer<'a> {
        let parameters = &spec.parameters;
        let pooled = network.pooled_channels();
        let head = Head::new(pooled, &parameters.head_units, &parameters.head_dropout, data.classes as i64);
        let mut initial = head.initial(spec.seed);
        let head_leaves = initial.len();
        let names = network.trainable_names();
        initial.extend(names.iter().map(|name| network.tensor(name).shallow_clone()));
        let kind =
            |place: usize| place.checked_sub(head_leaves).map_or(Kind::Float, |it| network.kind_of(&names[it]));
        let flat = FlatParameters::of_kinds(&initial, input.device, kind);
        let named = |tensors: &[Tensor]| {
            names.iter().cloned().zip(tensors[head_leaves..].iter().map(Tensor::shallow_clone)).collect::<Vec<_>>()
        };
        network.replace(named(flat.parameters()));
        network.differentiate_by(named(flat.leaves()));
        let optimizer = Optimizer::new(parameters, flat.values());
        let division = data.division(spec.data.validation);
        let class_weights = match parameters.recipe.class_weights {
            ClassWeights::None => None,
            ClassWeights::Balanced => {
                let labels = division.train.iter().map(|&image| data.train.labels[image as usize]);
                Some(Tensor::from_slice(&balanced(labels, data.classes)).to_device(input.device))
            }
        };
        Trainer {
            spec,
            data,
            division,
            input,
            network,
            head,
            flat,
            optimizer,
            head_leaves,
            class_weights,
            checkpoint_pause: keeper::PAUSE,
            validated: Answers::default(),
            tested: Answers::default(),
        }
    }

    /// Trains to the last epoch, from the last checkpoint in `checkpoints` where there is one.
    pub(crate) fn run(&mut self, checkpoints: &Path, observer: &mut dyn Observer) -> Result<Ended, TrainingError> {
        let started = Instant::now();
        let place = checkpoint::path(checkpoints, self.spec.id());
        let (mut history, mut within) = match checkpoint::load(&place, self.spec)? {
            Some(progress) => self.restore(progress),
            None => (Vec::new(), None),
        };
        let start = (self.optimizer.state().0, history.len());
        let mut keeper = Keeper::new(self.spec, place, self.checkpoint_pause, start);
        for metrics in &history {
            observer.epoch(metrics.clone());
        }
        for epoch in history.len() as u32 + 1..=self.spec.parameters.epochs {
            let stop = observer.should_stop();
            if stop != Stop::No {
                // Where an epoch has begun, it was kept in its middle.
                if stop != Stop::Now && within.is_none() {
                    keeper.keep(&self.progress(&history, None))?;
                }
                keeper.settle()?;
                return Ok(Ended::Stopped);
            }
            let begun = within.take().unwrap_or_default();
            let Some(metrics) = self.epoch(epoch, begun, &history, &mut keeper, observer)? else {
                keeper.settle()?;
                return Ok(Ended::Stopped);
            };
            history.push(metrics.clone());
            // After the last one only the evaluation is left, and not worth as much disk as the whole network.
            if epoch < self.spec.parameters.epochs && keeper.is_due() {
                keeper.keep(&self.progress(&history, None))?;
            }
            observer.epoch(metrics);
        }
        let all: Vec<u32> = (0..self.data.test.len() as u32).collect();
        let mut test = self.evaluate(Pool::Test, &all, observer);
        self.tested = std::mem::take(&mut test.answers);
        let by_class = test.by_class();
        Ok(Ended::Complete(Evaluation {
            test_loss: test.loss,
            test_accuracy: test.accuracy,
            class_accuracy: test.class_accuracy(),
            confusion: test.confusion,
            trained_parameters: self.flat.elements(),
            seconds: started.elapsed().as_secs_f64(),
            validation_images: Some(self.division.validation.len() as u64),
            by_class,
            right: Some(Right { validation: self.validated.right.clone(), test: self.tested.right.clone() }),
        }))
    }

    /// One pass over the training images, from where it had come; none where it was told to stop. Every now and then how far
    /// it has come is kept.
    fn epoch(
        &mut self,
        epoch: u32,
        begun: Within,
        history: &[EpochMetrics],
        keeper: &mut Keeper,
        observer: &mut dyn Observer,
    ) -> Result<Option<EpochMetrics>, TrainingError> {
        let started = Instant::now();
        let (seed, parameters) = (self.spec.seed, &self.spec.parameters);
        let mut order = self.division.train.clone();
        order.shuffle(&mut generator(seed, Purpose::Order, epoch));
        let mut view_stream = generator(seed, Purpose::View, epoch);
        // Drawn for all steps: where an epoch goes on, the next numbers are the next step's.
        let views: Option<Vec<u32>> = match self.spec.data.augment {
            Augment::None => None,
            Augment::Flip => Some(order.iter().map(|_| u32::from(view_stream.random::<bool>())).collect()),
            Augment::Views { count, .. } => {
                Some(order.iter().map(|_| view_stream.random_range(0..count.max(1))).collect())
            }
        };
        let device = self.input.device;
        // Once an epoch: a GPU stops for each copy.
        let labels = self.data.train.label_tensor().index_select(0, &indices(&order)).to_device(device);
        // Added up on the device, so that no batch waits for a number.
        let mut loss_sum = Tensor::from(begun.loss).to_device(device);
        let mut correct = Tensor::from(begun.correct).to_device(device);
        let mut is_draining = false;
        let batch_size = parameters.batch_size as usize;
        let steps = order.len().div_ceil(batch_size) as u64;
        let mut learning_rate = parameters.learning_rate;
        let seen = (begun.steps as usize * batch_size).min(order.len());
        let train = (Pool::Train, &self.data.train);
        let views = views.as_ref().map(|views| &views[seen..]);
        let mut feed = self.input.feed(&self.network, train, &order[seen..], views);
        for step in begun.steps..steps {
            let stop = observer.should_stop();
            if stop == Stop::Now {
                return Ok(None);
            }
            // Who is drained is waited for for a while only, perhaps not to the end of a long epoch.
            let is_asked = stop == Stop::AfterBatch || stop == Stop::AfterEpoch && !is_draining;
            is_draining |= stop == Stop::AfterEpoch;
            if step > begun.steps && (is_asked || keeper.is_due()) {
                let (loss, correct) = (loss_sum.double_value(&[]), correct.int64_value(&[]));
                if !loss.is_finite() {
                    return Err(TrainingError::Diverged { epoch, loss, learning_rate });
                }
                let seconds = begun.seconds + started.elapsed().as_secs_f64();
                let within = Within { steps: step, loss, correct, seconds };
                keeper.keep(&self.progress(history, Some(within)))?;
            }
            if stop == Stop::AfterBatch {
                return Ok(None);
            }
            observer.progress(step, steps);
            seed_libtorch(seed, Purpose::Dropout, epoch, step);
            let batch = feed.next(batch_size);
            let images = batch.size()[0];
            let truth = labels.narrow(0, (step as usize * batch_size) as i64, images);
            let scores = self.scores(&self.network, &batch, true);
            let loss = self.loss(&scores, &truth);
            learning_rate = parameters.rate_at(u64::from(epoch - 1) * steps + step, steps);
            self.optimizer.step(self.flat.values(), self.flat.gradients(&loss), learning_rate);
            self.flat.follow();
            no_grad(|| {
                loss_sum += loss.detach().to_kind(Kind::Double) * images as f64;
                correct += scores.argmax(1, false).eq_tensor(&truth).sum(Kind::Int64);
            });
        }
        let images = order.len() as f64;
        let train_loss = loss_sum.double_value(&[]) / images;
        let train_seconds = begun.seconds + started.elapsed().as_secs_f64();
        let mut validation = self.evaluate(self.division.validation_pool, &self.division.validation, observer);
        self.validated = std::mem::take(&mut validation.answers);
        if let Some(&loss) = [train_loss, validation.loss].iter().find(|loss| !loss.is_finite()) {
            return Err(TrainingError::Diverged { epoch, loss, learning_rate });
        }
        Ok(Some(EpochMetrics {
            epoch,
            train_loss,
            train_accuracy: correct.int64_value(&[]) as f64 / images,
            val_loss: validation.loss,
            val_accuracy: validation.accuracy,
            learning_rate,
            seconds: begun.seconds + started.elapsed().as_secs_f64(),
            images_per_second: images / train_seconds,
            peak_memory: memory::peak(device),
            by_class: validation.by_class(),
        }))
    }

    /// Of a batch, as it is trained: the mean over its images, of each its smoothed cross-entropy times its class' weight.
    fn loss(&self, scores: &Tensor, truth: &Tensor) -> Tensor {
        let smoothing = self.spec.parameters.recipe.label_smoothing;
        let of = |reduction| scores.cross_entropy_loss::<Tensor>(truth, None, reduction, IGNORED_LABEL, smoothing);
        match &self.class_weights {
            None => of(Reduction::Mean),
            // Not libtorch's own weights: it divides by their sum, so that a batch of rare images would count no more.
            Some(weights) => (of(Reduction::None) * weights.index_select(0, truth)).mean(Kind::Float),
        }
    }

    /// Class scores of a batch, `[batch, classes]`.
    fn scores(&self, network: &Network, batch: &Tensor, training: bool) -> Tensor {
        let pooled = self.input.pooled(network, batch, training);
        self.head.forward(&self.flat.leaves()[..self.head_leaves], &pooled, training)
    }

    /// Says that it gets on with each batch: a large split takes longer than all steps of an epoch that starts from features.
    fn evaluate(&self, pool: Pool, chosen: &[u32], observer: &mut dyn Observer) -> Measured {
        let _guard = tch::no_grad_guard();
        let images: &Images = self.data.pool(pool);
        let device = self.input.device;
        let labels = images.label_tensor().index_select(0, &indices(chosen)).to_device(device);
        let classes = self.data.classes;
        let rows = if classes <= MOST_CONFUSED { classes } else { 0 };
        let mut measured = Measured {
            loss: 0.0,
            accuracy: 0.0,
            images: vec![0; classes],
            recognised: vec![0; classes],
            said: vec![0; classes],
            among_five: 0,
            confusion: vec![vec![0; rows]; rows],
            answers: Answers::default(),
        };
        // Added up on the device, and read once.
        let mut loss = Tensor::zeros([] as [i64; 0], (Kind::Double, device));
        let mut among_five = Tensor::zeros([] as [i64; 0], (Kind::Int64, device));
        let mut predicted = Vec::new();
        let network = self.network.evaluated();
        let mut feed = self.input.feed(&network, (pool, images), chosen, None);
        for start in (0..chosen.len()).step_by(EVALUATION_BATCH) {
            observer.gets_on();
            let scores = self.scores(&network, &feed.next(EVALUATION_BATCH), false);
            let truth = labels.narrow(0, start as i64, scores.size()[0]);
            loss +=
                scores.log_softmax(-1, Kind::Float).nll_loss(&truth).to_kind(Kind::Double) * scores.size()[0] as f64;
            predicted.push(scores.argmax(1, false));
            let (_, highest) = scores.topk(MOST_GUESSES.min(classes as i64), 1, true, true);
            among_five += highest.eq_tensor(&truth.unsqueeze(1)).sum(Kind::Int64);
        }
        measured.loss = loss.double_value(&[]);
        measured.among_five = among_five.int64_value(&[]) as u64;
        let predicted = if predicted.is_empty() { Vec::new() } else { numbers(&Tensor::cat(&predicted, 0)) };
        let truth = |index: &u32| usize::from(images.labels[*index as usize]);
        for (truth, &predicted) in chosen.iter().map(truth).zip(&predicted) {
            let predicted = predicted as usize;
            measured.images[truth] += 1;
            measured.recognised[truth] += u32::from(truth == predicted);
            measured.said[predicted] += 1;
            if let Some(row) = measured.confusion.get_mut(truth) {
                row[predicted] += 1;
            }
        }
        let right = chosen.iter().map(truth).zip(&predicted).map(|(truth, &said)| truth as i64 == said).collect();
        measured.answers = Answers { predicted, right };
        let correct: u32 = measured.recognised.iter().sum();
        measured.loss /= chosen.len() as f64;
        measured.accuracy = f64::from(correct) / chosen.len() as f64;
        measured
    }

    /// Everything that differs from the pretrained start, by its name in a kept model, and which class the model says of
    /// each image of the validation and test splits.
    pub(crate) fn trained(&self) -> Vec<(String, Tensor)> {
        let network = &self.network;
        let names = model::head_names(self.head_leaves).chain(network.trainable_names());
        let parameters = self.flat.parameters().iter().map(Tensor::shallow_clone);
        let statistics = network.statistic_names().into_iter().map(|name| {
            let tensor = network.tensor(&name).shallow_clone();
            (name, tensor)
        });
        let said = [("said.validation", &self.validated), ("said.test", &self.tested)]
            .map(|(name, answers)| (name.to_owned(), Tensor::from_slice(&answers.predicted)));
        names.zip(parameters).chain(statistics).chain(said).collect()
    }

    fn progress(&self, history: &[EpochMetrics], within: Option<Within>) -> Progress {
        let (step, moments) = self.optimizer.state();
        let statistics = self.network.statistic_names();
        Progress {
            history: history.to_vec(),
            within,
            step,
            values: self.flat.values().shallow_clone(),
            moments: moments.iter().map(Tensor::shallow_clone).collect(),
            statistics: statistics.iter().map(|name| self.network.tensor(name).shallow_clone()).collect(),
        }
    }

    /// Takes over a checkpoint; one that does not fit is passed over, and the trial begins anew.
    fn restore(&mut self, progress: Progress) -> (Vec<EpochMetrics>, Option<Within>) {
        let statistics = self.network.statistic_names();
        let sizes = statistics.iter().map(|name| self.network.tensor(name).size());
        let fits = progress.values.size() == self.flat.values().size()
            && sizes.eq(progress.statistics.iter().map(Tensor::size));
        if !fits || !self.optimizer.restore(progress.step, &progress.moments) {
            tracing::warn!("the checkpoint of trial {} does not fit it: starting from the beginning", self.spec.id());
            return (Vec::new(), None);
        }
        no_grad(|| {
            self.flat.values().shallow_clone().copy_(&progress.values);
            for (name, saved) in statistics.iter().zip(&progress.statistics) {
                self.network.tensor(name).shallow_clone().copy_(saved);
            }
        });
        self.flat.follow();
        (progress.history, progress.within)
    }
}

/// `n / (k n_c)` of each class; 0 of a class without images, which has none to weigh.
fn balanced(labels: impl Iterator<Item = u16>, classes: usize) -> Vec<f32> {
    let mut counts = vec![0u64; classes];
    labels.for_each(|label| counts[usize::from(label)] += 1);
    let (images, present) = (counts.iter().sum::<u64>(), counts.iter().filter(|&&count| count > 0).count());
    let weight = |&count: &u64| match count {
        0 => 0.0,
        _ => (images as f64 / (present as f64 * count as f64)) as f32,
    };
    counts.iter().map(weight).collect()
}

/// Class numbers, `[n]`, int64, in main memory.
fn numbers(classes: &Tensor) -> Vec<i64> {
    Vec::<i64>::try_from(classes).expect("class numbers, one an image")
}

/// What an evaluation adds up to.
struct Measured {
    loss: f64,
    accuracy: f64,
    /// Of each class, all, those that were recognised, and those that were said to be of it.
    images: Vec<u32>,
    recognised: Vec<u32>,
    said: Vec<u32>,
    /// Images whose class is among the five with the highest scores.
    among_five: u64,
    /// `[truth][prediction]`; empty beyond [`MOST_CONFUSED`] classes.
    confusion: Vec<Vec<u32>>,
    answers: Answers,
}

/// What was said of each image of a split, in the order of the split.
#[derive(Default)]
struct Answers {
    /// The class that has the highest score.
    predicted: Vec<i64>,
    right: Bits,
}

impl Measured {
    fn class_accuracy(&self) -> Vec<f64> {
        let share = |(&right, &all): (&u32, &u32)| f64::from(right) / f64::from(all.max(1));
        self.recognised.iter().zip(&self.images).map(share).collect()
    }

    fn by_class(&self) -> Option<ClassMetrics> {
        ClassMetrics::of(&self.images, &self.recognised, &self.said, self.among_five)
    }
}

#[cfg(test)]
mod tests;
