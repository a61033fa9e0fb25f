//! The scheduler's decisions: rebuilt from rows, and driven through a whole sweep by workers that report at once.

use crate::SIZES;
use crate::common::{EPOCHS, build, parsed, sources};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use frostline_link::idle;
use frostline_protocol::{Claim, Incarnation, Report, WorkerId};
use frostline_scheduler::{About, Effect, Event, Restored, RestoredTrial, Scheduler, Settings, Task, Time};
use frostline_sweep::outcome::{AttemptId, TrialState};
use frostline_sweep::record::TaskKey;
use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;

const WORKERS: u32 = 2;
/// The largest sweep and the largest crowd, of which so many trials are done.
const LARGEST: usize = 1_000_000;
const CROWD: u32 = 1_000;
const DONE: usize = 2_000;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduler");
    group.sample_size(10);
    let all = SIZES.map(|size| (size, WORKERS, size));
    for (size, workers, done) in all.into_iter().chain([(LARGEST, CROWD, DONE)]) {
        let waiting = restored(size, workers);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("restore", size), |bencher| {
            bencher.iter_batched(|| waiting.clone(), |rows| restore(rows).0, BatchSize::LargeInput);
        });
        let events = done as u64 * u64::from(EPOCHS + 1);
        group.throughput(Throughput::Elements(events));
        let id = BenchmarkId::new(format!("reports of {done} trials, {workers} workers"), size);
        group.bench_function(id, |bencher| {
            let ready = || restore(waiting.clone());
            bencher.iter_batched(ready, |ready| run(ready, done, workers), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn restored(size: usize, workers: u32) -> Restored {
    let trials = parsed(size).expect("a sound definition").expand(&sources());
    let row = |trial: frostline_sweep::expand::Trial| RestoredTrial {
        trial: trial.id,
        state: TrialState::Waiting,
        epochs: EPOCHS,
        features: None,
        divisible: None,
        failures: Vec::new(),
        running: None,
    };
    Restored {
        trials: trials.into_iter().map(row).collect(),
        fills: Vec::new(),
        workers: (1..=workers).map(WorkerId).collect(),
        survivors: BTreeMap::new(),
        next_attempt: AttemptId(1),
        next_incarnation: Incarnation(1),
    }
}

fn restore(rows: Restored) -> (Scheduler, Vec<Effect>) {
    let mut effects = Vec::new();
    let scheduler = Scheduler::restore(Settings::default(), rows, Time(0), &mut effects);
    (scheduler, effects)
}

/// Carries out every assignment at once, until so many trials are done.
fn run((mut scheduler, mut effects): (Scheduler, Vec<Effect>), done: usize, workers: u32) -> Scheduler {
    let mut pending: VecDeque<(WorkerId, AttemptId, Task)> = VecDeque::new();
    for worker in (1..=workers).map(WorkerId) {
        let about = About { build: build(), host: None, left: None };
        scheduler.handle(Time(0), Event::Joined { worker, about, running: None }, &mut effects);
    }
    let mut complete = 0;
    loop {
        for effect in effects.drain(..) {
            match black_box(effect) {
                Effect::Assign { worker, attempt, task } => pending.push_back((worker, attempt, task)),
                Effect::Record(frostline_sweep::record::Record::Completed { .. }) => complete += 1,
                _ => {}
            }
        }
        if complete >= done {
            return scheduler;
        }
        let (worker, attempt, task) = pending.pop_front().expect("work for as long as trials wait");
        let Task::Train { trial, .. } = task else { panic!("there is nothing to fill") };
        let claim = Claim { task: TaskKey::Trial(trial), attempt };
        let epochs = (1..=EPOCHS).map(|epoch| Report::Epoch(idle::metrics(trial, epoch)));
        for (number, report) in (1..).zip(epochs.chain([Report::Complete(idle::evaluation(trial))])) {
            let reported = Event::Reported { worker, claim: claim.clone(), number, report };
            scheduler.handle(Time(u64::from(number)), reported, &mut effects);
        }
    }
}
