//! The core by itself: what it says to whom, and that nothing follows from what was not written.

use frostline_coordinator::core::{Action, AskId, Core, Input, Journal, PeerId, Terms, Worklist};
use frostline_coordinator::{Fact, Outcome};
use frostline_link::idle;
use frostline_protocol::{
    Build, Claim, Command, FromWorker, Hello, Incarnation, Places, Report, Response, Seat, TaskKey, ToWorker,
    VERSION, Who, WorkerId,
};
use frostline_scheduler::{Restored, RestoredTrial, Settings, Survivor, Time};
use frostline_sweep::outcome::{AttemptId, EpochMetrics, TrialState};
use frostline_sweep::record::{Ending, Record};
use frostline_sweep::reuse::Reuse;
use frostline_sweep::trial::{
    Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, Recipe, TrialId, TrialSpec, Validation,
    WeightsIdentity,
};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ONE: WorkerId = WorkerId(1);
const PEER: PeerId = PeerId(7);
const EPOCHS: u32 = 2;
const UNPOISONED: &str = "no thread panics while it holds a lock";

/// Counts what is written, and fails where it is told to.
#[derive(Clone, Default)]
struct Disk {
    written: Rc<Cell<usize>>,
    is_full: Rc<Cell<bool>>,
}

impl Journal for Disk {
    type Error = &'static str;

    fn commit(&mut self, records: &[Record]) -> Result<(), &'static str> {
        if self.is_full.get() {
            return Err("the disk is full");
        }
        self.written.set(self.written.get() + records.len());
        Ok(())
    }
}

fn trial(number: u8) -> TrialId {
    TrialId([number; 16])
}

fn row(number: u8, epochs: u32) -> RestoredTrial {
    RestoredTrial {
        trial: trial(number),
        state: TrialState::Waiting,
        epochs,
        features: None,
        divisible: None,
        failures: Vec::new(),
        running: None,
    }
}

fn terms() -> Terms {
    let places = Places {
        data: None,
        weights: Default::default(),
        features: "f".into(),
        checkpoints: "c".into(),
        models: None,
    };
    Terms { sweep: "demo".to_owned(), places, heartbeat: 1.0, reconnect_grace: 30.0, is_lent: false }
}

/// Trials from 1 on, each with its frozen layers and its epochs, and workers that are connected: the first has trial 1 in
/// attempt 10, the second trial 2 in attempt 11.
fn at_work(trials: &[(u32, u32)], workers: &[WorkerId], expected: BTreeMap<u32, f64>) -> Core<Disk> {
    let restored = Restored {
        trials: (1..).zip(trials).map(|(number, (_, epochs))| row(number, *epochs)).collect(),
        workers: workers.to_vec(),
        next_attempt: AttemptId(10),
        ..Restored::default()
    };
    let specs = (1..).zip(trials).map(|(number, (frozen, epochs))| (trial(number), spec(*frozen, *epochs)));
    let worklist = Worklist::new(specs.collect(), BTreeMap::new()).expecting(expected, Reuse::default());
    let newest = BTreeMap::new();
    let restored = Core::restore(Disk::default(), Settings::default(), restored, worklist, newest, terms(), Time(0));
    let (core, committed) = restored.unwrap_or_else(|error| panic!("{error}"));
    let launched: Vec<Action> = workers
        .iter()
        .take(trials.len())
        .zip(0..)
        .map(|(worker, number)| Action::Launch { worker: *worker, incarnation: Incarnation(number) })
        .collect();
    assert_eq!(committed.into_parts().1, launched);
    let joined = |worker: &WorkerId| Input::Joined {
        peer: PeerId(u64::from(worker.0)),
        hello: Hello { running: None, ..hello(*worker, VERSION) },
    };
    turn_at(core, 0, workers.iter().map(joined).collect()).0
}

fn spec(frozen_layers: u32, epochs: u32) -> TrialSpec {
    TrialSpec {
        data: DataSpec {
            dataset: Dataset::Shapes,
            digest: "d".to_owned(),
            validation: Validation::Share(0.1),
            image_size: 32,
            augment: Augment::None,
            train_limit: None,
            test_limit: None,
            pictures: None,
        },
        model: ModelSpec { backbone: "efficientnet_lite0".to_owned(), weights: WeightsIdentity::Random },
        parameters: Parameters {
            frozen_layers,
            head_units: vec![8],
            head_dropout: vec![0.5],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            recipe: Recipe::default(),
            epochs,
            batch_size: 8,
            precision: Precision::Float32,
        },
        seed: 0,
    }
}

/// What the first worker says of attempt 10, in which it has trial 1.
fn reported(number: u32, report: Report) -> Input {
    let claim = Claim { task: TaskKey::Trial(trial(1)), attempt: AttemptId(10) };
    Input::Said { peer: PeerId(1), message: FromWorker::Report { claim, number, report } }
}

fn epoch(number: u32, seconds: f64) -> Input {
    reported(number, Report::Epoch(EpochMetrics { seconds, ..idle::metrics(trial(1), number) }))
}

fn exited(worker: WorkerId, log: &[&str]) -> Input {
    let log = log.iter().map(|line| line.to_string()).collect();
    Input::Exited { worker, is_excused: false, description: "exit status: 1".to_owned(), log }
}

/// One worker, and two trials; the first of them runs in attempt 5 with all its epochs recorded.
fn almost_done(disk: &Disk) -> Core<Disk> {
    let running = Some((AttemptId(5), ONE, EPOCHS));
    let restored = Restored {
        trials: vec![RestoredTrial { state: TrialState::Running, running, ..row(1, EPOCHS) }, row(2, EPOCHS)],
        fills: Vec::new(),
        workers: vec![ONE],
        survivors: [(ONE, Survivor { incarnation: Incarnation(0), is_queued: false })].into(),
        next_attempt: AttemptId(6),
        next_incarnation: Incarnation(1),
    };
    let newest = BTreeMap::from([(trial(1), idle::metrics(trial(1), EPOCHS))]);
    let restored =
        Core::restore(disk.clone(), Settings::default(), restored, Worklist::default(), newest, terms(), Time(0));
    let (core, committed) = restored.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        committed.into_parts().1,
        [Action::Launch { worker: ONE, incarnation: Incarnation(0) }],
        "the survivor is taken over"
    );
    core
}

fn hello(worker: WorkerId, protocol: u32) -> Hello {
    let word = || "w".to_owned();
    let build = Build {
        version: word(),
        libtorch: word(),
        device: "cpu".to_owned(),
        threads: 1,
        host: word(),
        processor: None,
    };
    let running = Some(Claim { task: TaskKey::Trial(trial(1)), attempt: AttemptId(5) });
    // Workers are started in order, each once.
    let who = Who::Started(Seat { worker, incarnation: Incarnation(u64::from(worker.0) - 1) });
    Hello { protocol, token: String::new(), who, process: 1, build, host: None, seconds_left: None, running }
}

fn joined() -> Input {
    Input::Joined { peer: PEER, hello: hello(ONE, VERSION) }
}

fn complete() -> Input {
    let claim = Claim { task: TaskKey::Trial(trial(1)), attempt: AttemptId(5) };
    let report = Report::Complete(idle::evaluation(trial(1)));
    Input::Said { peer: PEER, message: FromWorker::Report { claim, number: EPOCHS + 1, report } }
}

/// A turn that must be written. The facts as records with their last epochs, and the actions.
fn turn(core: Core<Disk>, batch: Vec<Input>) -> (Core<Disk>, Vec<Fact>, Vec<Action>) {
    turn_at(core, 10, batch)
}

/// The same at another time, in milliseconds.
fn turn_at(core: Core<Disk>, now: u64, batch: Vec<Input>) -> (Core<Disk>, Vec<Fact>, Vec<Action>) {
    let log = |worker: WorkerId| vec![format!("the log of worker {}", worker.0)];
    let (core, committed) = core.turn(Time(now), batch, &log).unwrap_or_else(|error| panic!("{error}"));
    let (facts, actions) = committed.into_parts();
    (core, facts, actions)
}

fn told(actions: &[Action]) -> Vec<&ToWorker> {
    let to_peer = actions.iter().filter_map(|action| match action {
        Action::Tell { peer: PEER, message } => Some(message),
        _ => None,
    });
    to_peer.collect()
}

#[test]
fn a_trial_whose_epochs_were_recorded_by_the_coordinator_before_completes_with_its_last_epoch() {
    let (core, _, actions) = turn(almost_done(&Disk::default()), vec![joined()]);
    assert!(matches!(told(&actions)[..], [ToWorker::Welcome(_)]), "{actions:?}");
    let (core, facts, actions) = turn(core, vec![complete()]);
    let completed = facts.iter().find(|fact| matches!(fact.record, Record::Completed { .. })).unwrap();
    assert_eq!(completed.last, Some(idle::metrics(trial(1), EPOCHS)));
    assert_eq!(completed.ended(), Some(trial(1)));
    let acknowledged = ToWorker::Acknowledge { attempt: AttemptId(5), number: EPOCHS + 1 };
    assert!(told(&actions).contains(&&acknowledged), "{actions:?}");
    assert_eq!(core.status().counts[&TrialState::Complete], 1);
}

#[test]
fn a_commit_that_fails_takes_the_core_with_it() {
    let disk = Disk::default();
    let (core, _, _) = turn(almost_done(&disk), vec![joined()]);
    let before = disk.written.get();
    disk.is_full.set(true);
    let failed = core.turn(Time(20), vec![complete()], &|_| Vec::new());
    assert_eq!(failed.err(), Some("the disk is full"));
    assert_eq!(disk.written.get(), before, "nothing of the turn was written, and there is no core to go on with");
}

#[test]
fn whoever_speaks_another_version_or_is_not_known_learns_it_and_is_turned_away() {
    for hello in [hello(ONE, VERSION + 1), hello(WorkerId(9), VERSION)] {
        let (core, _, actions) = turn(almost_done(&Disk::default()), vec![Input::Joined { peer: PEER, hello }]);
        assert!(
            matches!(told(&actions)[..], [ToWorker::Welcome(_), ToWorker::Stop { .. }, ToWorker::Drain]),
            "{actions:?}"
        );
        assert_eq!(actions.last(), Some(&Action::Close(PEER)));
        let (_, facts, actions) = turn(core, vec![complete()]);
        assert!(facts.is_empty() && actions.is_empty(), "what it says counts for nobody: {actions:?}");
    }
}

#[test]
fn progress_of_an_attempt_that_is_not_current_is_not_shown() {
    let (core, _, _) = turn(almost_done(&Disk::default()), vec![joined()]);
    let progress = |attempt, done| {
        let claim = Claim { task: TaskKey::Trial(trial(1)), attempt: AttemptId(attempt) };
        Input::Said { peer: PEER, message: FromWorker::Progress { claim, done, total: 10 } }
    };
    let (core, _, _) = turn(core, vec![progress(4, 9)]);
    assert_eq!(core.status().running[0].steps, None, "of an earlier attempt");
    let (core, _, _) = turn(core, vec![progress(5, 2)]);
    assert_eq!(core.status().running[0].steps, Some((2, 10)));
}

#[test]
fn a_command_is_answered_behind_what_it_did() {
    let ask = |core, sweep: &str, trials| {
        let command = Command::Cancel { sweep: sweep.to_owned(), trials };
        turn(core, vec![Input::Asked { ask: AskId(3), command }])
    };
    let (core, facts, actions) = ask(almost_done(&Disk::default()), "another", vec![]);
    assert!(facts.is_empty());
    assert!(
        matches!(&actions[..], [Action::Answer { ask: AskId(3), response: Response::Refused(_) }]),
        "{actions:?}"
    );
    let (core, facts, actions) = ask(core, "demo", vec![trial(2), trial(9)]);
    assert_eq!(facts[0].record, Record::State { trial: trial(2), state: TrialState::Cancelled });
    assert_eq!(facts[0].ended(), Some(trial(2)));
    assert_eq!(actions, [Action::Answer { ask: AskId(3), response: Response::Done(1) }]);
    let (core, _, actions) = ask(core, "demo", vec![]);
    assert_eq!(actions.last(), Some(&Action::Answer { ask: AskId(3), response: Response::Done(1) }));
    let command = Command::Note { sweep: "another".to_owned(), text: "wide heads".to_owned() };
    let (_, facts, actions) = turn(core, vec![Input::Asked { ask: AskId(4), command }]);
    assert_eq!(facts[0].record, Record::Noted { sweep: "another".to_owned(), text: "wide heads".to_owned() });
    assert_eq!(actions, [Action::Answer { ask: AskId(4), response: Response::Done(0) }]);
}

#[test]
fn the_second_interrupt_ends_workers_at_once() {
    let (core, _, _) = turn(almost_done(&Disk::default()), vec![joined()]);
    let (core, _, actions) = turn(core, vec![Input::Interrupted]);
    assert_eq!(told(&actions), [&ToWorker::Drain]);
    assert!(!core.is_leaving(), "its epoch may still end");
    let (core, _, actions) = turn(core, vec![Input::Interrupted]);
    assert!(core.is_leaving() && actions.contains(&Action::Kill(ONE)), "{actions:?}");
    let exited = Input::Exited { worker: ONE, is_excused: false, description: "killed".to_owned(), log: Vec::new() };
    let (core, facts, _) = turn(core, vec![exited]);
    assert_eq!(core.outcome(), Some(&Outcome::Interrupted));
    assert!(matches!(facts[0].record, Record::Ended { attempt: AttemptId(5), .. }), "{facts:?}");
    assert_eq!(facts[0].ended(), None, "the trial waits to be resumed");
}

#[test]
fn the_time_left_is_that_of_the_epochs_to_come_by_depth_shared_among_the_workers() {
    let workers = [ONE, WorkerId(2)];
    let mut core = at_work(&[(0, 3), (7, 2)], &workers, BTreeMap::from([(7, 10.0)]));
    assert_eq!(core.status().time_left, None, "nothing was measured");
    let mut left = Vec::new();
    let end = reported(4, Report::Complete(idle::evaluation(trial(1))));
    for input in [epoch(1, 3.0), epoch(2, 5.0), epoch(3, 4.0), end] {
        (core, _, _) = turn_at(core, 0, vec![input]);
        left.push(core.status().time_left.unwrap());
    }
    // Two workers: (2 * 3 + 2 * 10) / 2, (1 * 4 + 2 * 10) / 2, and then only what is estimated.
    assert_eq!(left, [13, 12, 10, 10].map(Duration::from_secs));
}

#[test]
fn progress_within_an_epoch_is_shown_until_the_epoch_has_ended() {
    let core = at_work(&[(0, 3)], &[ONE], BTreeMap::new());
    let claim = Claim { task: TaskKey::Trial(trial(1)), attempt: AttemptId(10) };
    let message = FromWorker::Progress { claim, done: 9, total: 10 };
    let (core, _, _) = turn(core, vec![Input::Said { peer: PeerId(1), message }]);
    assert_eq!(core.status().running[0].steps, Some((9, 10)));
    let (core, _, _) = turn(core, vec![epoch(1, 1.0)]);
    assert_eq!((core.status().running[0].epochs, core.status().running[0].steps), (1, None));
}

#[test]
fn the_failure_of_a_worker_that_fell_silent_has_the_last_lines_of_its_own_log() {
    let logs = |facts: Vec<Fact>| {
        let failures = facts.into_iter().filter_map(|fact| match fact.record {
            Record::Ended { attempt, ending: Ending::Failed(failure), .. } => Some((attempt.0, failure.log)),
            _ => None,
        });
        failures.collect::<Vec<_>>()
    };
    let core = at_work(&[(0, 1), (0, 1), (0, 1)], &[ONE, WorkerId(2)], BTreeMap::new());
    let lease = Settings::default().lease;
    let heard = Input::Said { peer: PeerId(1), message: FromWorker::Heartbeat };
    let (core, _, _) = turn_at(core, lease - 1, vec![heard]);
    let (core, facts, actions) = turn_at(core, lease, vec![]);
    assert_eq!(actions, [Action::Kill(WorkerId(2))]);
    assert_eq!(logs(facts), [(11, vec!["the log of worker 2".to_owned()])]);
    let (_, facts, _) = turn_at(core, lease, vec![exited(ONE, &["its last words"])]);
    assert_eq!(logs(facts), [(10, vec!["its last words".to_owned()])], "what came with its end is not replaced");
}

/// A run of one trial, of which everything is done but the worker's leaving.
fn done() -> Core<Disk> {
    let core = at_work(&[(0, 1)], &[ONE], BTreeMap::new());
    let end = reported(2, Report::Complete(idle::evaluation(trial(1))));
    let (core, facts, actions) = turn_at(core, 1000, vec![epoch(1, 1.0), end]);
    assert_eq!(facts.last().and_then(Fact::ended), Some(trial(1)));
    assert_eq!(actions.last(), Some(&Action::Tell { peer: PeerId(1), message: ToWorker::Drain }));
    assert!(core.is_leaving());
    core
}

#[test]
fn a_worker_that_does_not_leave_has_five_seconds_then_is_killed_and_after_five_more_not_waited_for() {
    let core = done();
    assert_eq!(core.deadline(), Some(Time(6000)));
    let (core, _, actions) = turn_at(core, 5999, vec![]);
    assert_eq!(actions, []);
    let (core, _, actions) = turn_at(core, 6000, vec![]);
    assert_eq!(actions, [Action::Kill(ONE)]);
    assert_eq!((core.deadline(), core.outcome()), (Some(Time(11_000)), None));
    let (core, _, _) = turn_at(core, 10_999, vec![]);
    assert_eq!(core.outcome(), None);
    let (core, _, actions) = turn_at(core, 11_000, vec![]);
    assert_eq!((core.outcome(), actions), (Some(&Outcome::Finished), vec![]));
}

#[test]
fn a_run_is_stuck_where_trials_wait_and_no_worker_stays_alive() {
    let mut core = at_work(&[(0, 1)], &[ONE], BTreeMap::new());
    // Three attempts lose their worker, which is the trial's fault: the sweep is finished.
    for _ in 0..2 {
        (core, _, _) = turn(core, vec![exited(ONE, &["no such library"])]);
        let hello = Hello { running: None, who: seated(&core), ..hello(ONE, VERSION) };
        (core, _, _) = turn(core, vec![Input::Joined { peer: PeerId(1), hello }]);
    }
    let (core, facts, _) = turn(core, vec![exited(ONE, &["no such library"])]);
    assert_eq!(facts[0].ended(), Some(trial(1)), "{facts:?}");
    assert_eq!(core.outcome(), Some(&Outcome::Finished));

    let mut core = at_work(&[(0, 1)], &[ONE], BTreeMap::new());
    for _ in 0..Settings::default().failed_starts {
        assert_eq!(core.outcome(), None);
        (core, _, _) = turn(core, vec![exited(ONE, &["no such library"])]);
    }
    assert_eq!(core.outcome(), Some(&Outcome::Stuck("exit status: 1: no such library".to_owned())));
}

#[test]
fn a_process_whose_place_has_gone_to_another_is_sent_away() {
    let core = at_work(&[(0, 1)], &[ONE], BTreeMap::new());
    let before = seated(&core);
    // Its machine was said to be gone; it lives, and comes back.
    let (core, _, actions) = turn(core, vec![exited(ONE, &[])]);
    let now = seated(&core);
    assert!(now != before, "{actions:?}");
    let join = |peer, who, running| Input::Joined {
        peer: PeerId(peer),
        hello: Hello { who, running, ..hello(ONE, VERSION) },
    };

    let (core, _, _) = turn(core, vec![join(2, now, None)]);
    let claim = Claim { task: TaskKey::Trial(trial(1)), attempt: AttemptId(10) };
    let (core, facts, actions) = turn(core, vec![join(3, before, Some(claim))]);
    let told = |message| Action::Tell { peer: PeerId(3), message };
    assert_eq!(facts, []);
    assert!(matches!(&actions[0], Action::Tell { peer: PeerId(3), message: ToWorker::Welcome(_) }), "{actions:?}");
    assert_eq!(
        actions[1..],
        [told(ToWorker::Stop { attempt: AttemptId(10) }), told(ToWorker::Drain), Action::Close(PeerId(3))]
    );
    // What it says in spite of that is not heard.
    let (_, facts, actions) = turn(core, vec![Input::Said { peer: PeerId(3), message: FromWorker::Leaving }]);
    assert_eq!((facts, actions), (vec![], vec![]));
}

#[test]
fn somebody_whom_nobody_started_is_given_a_place_and_comes_back_to_it() {
    let core = at_work(&[(0, 1), (0, 1)], &[ONE], BTreeMap::new());
    let guest = |number, peer| {
        let who = Who::Guest(number);
        let hello = Hello { who, running: None, host: Some("far".to_owned()), ..hello(ONE, VERSION) };
        Input::Joined { peer: PeerId(peer), hello }
    };
    let places = |core: &Core<Disk>| {
        let ids = (1..10).filter(|id| core.scheduler().seat(WorkerId(*id)).is_some());
        ids.collect::<Vec<u32>>()
    };
    let (core, _, actions) = turn(core, vec![guest(77, 7)]);
    assert_eq!(places(&core), [1, 2]);
    assert!(matches!(&actions[1], Action::Tell { peer: PeerId(7), message: ToWorker::Assign(_) }), "{actions:?}");
    // It heard no welcome, and comes once more.
    let (core, _, actions) = turn(core, vec![guest(77, 8)]);
    assert_eq!(places(&core), [1, 2], "{actions:?}");
    assert!(actions.contains(&Action::Close(PeerId(7))), "{actions:?}");
    let (core, _, _) = turn(core, vec![guest(78, 9)]);
    assert_eq!(places(&core), [1, 2, 3]);
    // One that was started has the place that it was given, or none.
    let unknown = Who::Started(Seat { worker: WorkerId(9), incarnation: Incarnation(99) });
    let started = Hello { who: unknown, ..hello(ONE, VERSION) };
    let (core, _, actions) = turn(core, vec![Input::Joined { peer: PeerId(10), hello: started }]);
    assert_eq!((places(&core), actions.last()), (vec![1, 2, 3], Some(&Action::Close(PeerId(10)))));
}

/// Who has the first place.
fn seated(core: &Core<Disk>) -> Who {
    Who::Started(core.scheduler().seat(ONE).expect("the first worker has a place"))
}

/// Remembers what is written to the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn Debug| {
            write!(line, "{}={value:?} ", field.name()).expect("a string takes everything");
        });
        self.0.lock().expect(UNPOISONED).push(line);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// The last line of the log of a run that ends behind these inputs.
fn last_line(inputs: Vec<Input>) -> String {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let (core, _, _) = turn_at(done(), 1000, inputs);
        let (core, _, _) = turn_at(core, 1000, vec![exited(ONE, &[])]);
        assert_eq!(core.outcome(), Some(&Outcome::Finished));
    });
    log.0.lock().expect(UNPOISONED).last().cloned().unwrap_or_default()
}

#[test]
fn what_came_to_nothing_is_counted_in_the_log_at_the_end() {
    let counted = |stale: u32, breaches: u32, faults: u32| {
        let what = "messages that changed nothing, connections closed";
        format!("message={what} stale={stale} breaches={breaches} faults={faults} ")
    };
    let turned_away = || Input::TurnedAway { reason: "no greeting".to_owned() };
    let fault = Input::Left { peer: PeerId(1), fault: Some("no message".to_owned()) };
    assert_eq!(last_line(vec![turned_away(), fault, turned_away()]), counted(0, 0, 3));
    assert_eq!(last_line(vec![epoch(1, 1.0)]), counted(1, 0, 0), "of an attempt that has ended");
    let silent = last_line(vec![Input::Left { peer: PeerId(1), fault: None }]);
    assert!(silent.contains("worker process ended"), "{silent}");
}
