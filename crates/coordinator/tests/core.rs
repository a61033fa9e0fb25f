//! The core by itself: what it says to whom, and that nothing follows from what was not written.

use frostline_coordinator::core::{Action, AskId, Core, Input, Journal, PeerId, Terms, Worklist};
use frostline_link::idle;
use frostline_protocol::{
    Build, Claim, Command, FromWorker, Hello, Places, Report, Response, TaskKey, ToWorker, VERSION, WorkerId,
};
use frostline_scheduler::{Restored, Settings, Time, TrialRow};
use frostline_sweep::outcome::{AttemptId, TrialState};
use frostline_sweep::record::Record;
use frostline_sweep::trial::TrialId;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

const ONE: WorkerId = WorkerId(1);
const PEER: PeerId = PeerId(7);
const EPOCHS: u32 = 2;

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

/// One worker, and two trials; the first of them runs in attempt 5 with all its epochs recorded.
fn almost_done(disk: &Disk) -> Core<Disk> {
    let row = |number, state, running| TrialRow {
        trial: trial(number),
        state,
        epochs: EPOCHS,
        features: None,
        divisible: None,
        failures: Vec::new(),
        running,
    };
    let restored = Restored {
        trials: vec![
            row(1, TrialState::Running, Some((AttemptId(5), ONE, EPOCHS))),
            row(2, TrialState::Waiting, None),
        ],
        fills: Vec::new(),
        workers: vec![ONE],
        survivors: [ONE].into(),
        next_attempt: AttemptId(6),
    };
    let newest = BTreeMap::from([(trial(1), idle::metrics(trial(1), EPOCHS))]);
    let places = Places { data: None, weights: None, features: "f".into(), checkpoints: "c".into(), models: None };
    let terms = Terms { sweep: "demo".to_owned(), places, heartbeat: 1.0, reconnect_grace: 30.0 };
    let restored =
        Core::restore(disk.clone(), Settings::default(), restored, Worklist::default(), newest, terms, Time(0));
    let (core, committed) = restored.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(committed.into_parts().1, [Action::Launch(ONE)], "the survivor is taken over");
    core
}

fn hello(worker: WorkerId, protocol: u32) -> Hello {
    let word = || "w".to_owned();
    let build = Build { version: word(), libtorch: word(), device: "cpu".to_owned(), threads: 1, host: word() };
    let running = Some(Claim { task: TaskKey::Trial(trial(1)), attempt: AttemptId(5) });
    Hello { protocol, token: String::new(), worker, process: 1, build, running }
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
fn turn(core: Core<Disk>, batch: Vec<Input>) -> (Core<Disk>, Vec<frostline_coordinator::Fact>, Vec<Action>) {
    let (core, committed) = core.turn(Time(10), batch, &|_| Vec::new()).unwrap_or_else(|error| panic!("{error}"));
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
        assert!(matches!(told(&actions)[..], [ToWorker::Welcome(_)]), "{actions:?}");
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
    assert_eq!(actions, [Action::Answer { ask: AskId(3), response: Response::Cancelled(1) }]);
    let (_, _, actions) = ask(core, "demo", vec![]);
    assert_eq!(actions.last(), Some(&Action::Answer { ask: AskId(3), response: Response::Cancelled(1) }));
}

#[test]
fn the_second_interrupt_ends_workers_at_once() {
    let (core, _, _) = turn(almost_done(&Disk::default()), vec![joined()]);
    let (core, _, actions) = turn(core, vec![Input::Interrupted]);
    assert_eq!(told(&actions), [&ToWorker::Drain]);
    assert!(!core.is_leaving(), "its epoch may still end");
    let (core, _, actions) = turn(core, vec![Input::Interrupted]);
    assert!(core.is_leaving() && actions.contains(&Action::Kill(ONE)), "{actions:?}");
    let exited = Input::Exited { worker: ONE, description: "killed".to_owned(), log: Vec::new() };
    let (core, facts, _) = turn(core, vec![exited]);
    assert_eq!(core.outcome(), Some(&frostline_coordinator::Outcome::Interrupted));
    assert!(matches!(facts[0].record, Record::Ended { attempt: AttemptId(5), .. }), "{facts:?}");
}
