//! A scheduler to be told what happens, and looked at.

use frostline_protocol::{Claim, Filled, Report, ToWorker, WorkerId};
use frostline_scheduler::{About, Effect, Event, FillPlan, Restored, RestoredTrial, Scheduler, Settings, Task, Time};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Evaluation, Failure, FailureKind, TrialState};
use frostline_sweep::record::{Build, Ending, Record};
use frostline_sweep::trial::TrialId;

pub(crate) const EPOCHS: u32 = 2;

/// A scheduler, its time, and the effects that nobody has looked at.
pub(crate) struct Bench {
    pub(crate) scheduler: Scheduler,
    pub(crate) now: u64,
    pub(crate) effects: Vec<Effect>,
}

impl Bench {
    pub(crate) fn new(restored: Restored) -> Bench {
        Bench::with(Settings::default(), restored)
    }

    pub(crate) fn with(settings: Settings, restored: Restored) -> Bench {
        let mut effects = Vec::new();
        let scheduler = Scheduler::restore(settings, restored, Time(0), &mut effects);
        scheduler.check_invariants().expect("what must hold, holds");
        Bench { scheduler, now: 0, effects }
    }

    pub(crate) fn does(&mut self, event: Event) {
        self.scheduler.handle(Time(self.now), event, &mut self.effects);
        self.scheduler.check_invariants().expect("what must hold, holds");
    }

    pub(crate) fn passes(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        self.does(Event::Tick);
    }

    pub(crate) fn joins(&mut self, worker: u32, running: Option<Claim>) {
        self.does(Event::Joined { worker: WorkerId(worker), about: about(build()), running });
    }

    pub(crate) fn exits(&mut self, worker: u32) {
        let log = vec!["the last line".to_owned()];
        self.does(Event::Exited {
            worker: WorkerId(worker),
            is_excused: false,
            description: "signal: 9".to_owned(),
            log,
        });
    }

    pub(crate) fn reports(&mut self, worker: u32, (attempt, task): &(u64, Task), number: u32, report: Report) {
        let claim = Claim { task: task.key(), attempt: AttemptId(*attempt) };
        self.does(Event::Reported { worker: WorkerId(worker), claim, number, report });
    }

    pub(crate) fn trains(&mut self, worker: u32, given: &(u64, Task)) {
        (1..=EPOCHS).for_each(|number| self.reports(worker, given, number, epoch(number)));
        self.reports(worker, given, EPOCHS + 1, complete());
    }

    /// Forgets what was decided so far.
    pub(crate) fn look_away(&mut self) {
        self.effects.clear();
    }

    /// What this worker was given last.
    pub(crate) fn given(&self, worker: u32) -> (u64, Task) {
        let assigned = |effect: &Effect| match effect {
            Effect::Assign { worker: to, attempt, task } if to.0 == worker => Some((attempt.0, task.clone())),
            _ => None,
        };
        self.effects.iter().rev().find_map(assigned).unwrap_or_else(|| panic!("worker {worker} was given nothing"))
    }

    pub(crate) fn launched(&self) -> Vec<u32> {
        let launched = |effect: &Effect| match effect {
            Effect::Launch { worker, .. } => Some(worker.0),
            _ => None,
        };
        self.effects.iter().filter_map(launched).collect()
    }

    /// Of the processes that were started.
    pub(crate) fn incarnations(&self) -> Vec<u64> {
        let launched = |effect: &Effect| match effect {
            Effect::Launch { incarnation, .. } => Some(incarnation.0),
            _ => None,
        };
        self.effects.iter().filter_map(launched).collect()
    }

    /// Somebody comes uninvited.
    pub(crate) fn admitted(&mut self) -> WorkerId {
        self.scheduler.admit(Time(self.now))
    }

    pub(crate) fn assignments(&self) -> usize {
        self.effects.iter().filter(|effect| matches!(effect, Effect::Assign { .. })).count()
    }

    /// How attempts ended, and what became of their trials.
    pub(crate) fn endings(&self) -> Vec<(u64, Option<FailureKind>, Option<TrialState>)> {
        let ended = |effect: &Effect| match effect {
            Effect::Record(Record::Ended { attempt, ending, trial }) => {
                let kind = match ending {
                    Ending::Failed(failure) => Some(failure.kind),
                    Ending::Interrupted | Ending::Cancelled => None,
                };
                Some((attempt.0, kind, trial.map(|(_, state)| state)))
            }
            _ => None,
        };
        self.effects.iter().filter_map(ended).collect()
    }

    /// What is recorded of attempts that failed.
    pub(crate) fn complaints(&self) -> Vec<&str> {
        let complaint = |effect| match effect {
            &Effect::Record(Record::Ended { ending: Ending::Failed(Failure { ref message, .. }), .. }) => {
                Some(message.as_str())
            }
            _ => None,
        };
        self.effects.iter().filter_map(complaint).collect()
    }

    pub(crate) fn told(&self, worker: u32, message: ToWorker) -> bool {
        self.effects.contains(&Effect::Tell { worker: WorkerId(worker), message })
    }

    pub(crate) fn state(&self, number: u8) -> TrialState {
        self.scheduler.state(trial(number)).expect("only trials of the sweep are asked for")
    }
}

pub(crate) fn trial(number: u8) -> TrialId {
    TrialId([number; 16])
}

pub(crate) fn key(name: &str) -> FeatureKey {
    FeatureKey(name.to_owned())
}

pub(crate) fn row(number: u8, features: Option<&str>) -> RestoredTrial {
    RestoredTrial {
        trial: trial(number),
        state: TrialState::Waiting,
        epochs: EPOCHS,
        features: features.map(key),
        divisible: None,
        failures: Vec::new(),
        running: None,
    }
}

pub(crate) fn restored(trials: Vec<RestoredTrial>, workers: u32) -> Restored {
    let workers = (1..=workers).map(WorkerId).collect();
    Restored { trials, workers, next_attempt: AttemptId(10), ..Restored::default() }
}

pub(crate) fn fill(name: &str, from: Option<&str>) -> FillPlan {
    FillPlan { key: key(name), from: from.map(key), portion: 64, takes: 60_000 }
}

pub(crate) fn train(number: u8, features: Option<&str>) -> Task {
    Task::Train { trial: trial(number), features: features.map(key), micro_batch: None }
}

pub(crate) fn filling(name: &str, from: Option<&str>, streams: u32) -> Task {
    Task::Fill { key: key(name), from: from.map(key), streams, micro_batch: None }
}

pub(crate) fn epoch(epoch: u32) -> Report {
    Report::Epoch(EpochMetrics {
        epoch,
        train_loss: 1.0,
        train_accuracy: 0.5,
        val_loss: 1.0,
        val_accuracy: 0.5,
        learning_rate: 1e-3,
        seconds: 1.0,
        images_per_second: 1.0,
        peak_memory: 1,
        by_class: None,
    })
}

pub(crate) fn complete() -> Report {
    Report::Complete(Evaluation {
        test_loss: 1.0,
        test_accuracy: 0.5,
        class_accuracy: vec![0.5],
        confusion: vec![vec![1]],
        trained_parameters: 1,
        seconds: 1.0,
        validation_images: None,
        by_class: None,
        right: None,
    })
}

pub(crate) fn filled() -> Report {
    Report::Filled(Filled { bytes: 1, seconds: 1.0, computed: true })
}

pub(crate) fn failed(kind: FailureKind) -> Report {
    Report::Failed(Failure { kind, message: "m".to_owned(), log: Vec::new() })
}

pub(crate) fn about(build: Build) -> About {
    About { build, host: None, left: None }
}

pub(crate) fn build() -> Build {
    let text = || "t".to_owned();
    Build { version: text(), libtorch: text(), device: text(), threads: 1, host: text(), processor: None }
}
