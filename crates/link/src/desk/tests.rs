use super::*;
use crate::idle;
use frostline_protocol::Work;
use frostline_protocol::codec::read_message;
use frostline_sweep::definition::Definition;
use frostline_sweep::expand::Sources;
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::outcome::FailureKind;
use frostline_sweep::trial::{Augment, Dataset, ModelSpec, Precision, TrialId, TrialSpec, WeightsIdentity};
use std::path::Path;

pub(crate) const SEVENTH: AttemptId = AttemptId(7);
const EIGHTH: AttemptId = AttemptId(8);

fn places() -> Places {
    Places { data: None, weights: Default::default(), features: "f".into(), checkpoints: "c".into(), models: None }
}

fn assignment(attempt: AttemptId) -> Assignment {
    let spec = FeatureSpec {
        dataset: Dataset::Shapes,
        data_digest: "d".to_owned(),
        train_limit: None,
        test_limit: None,
        image_size: 32,
        augment: Augment::None,
        model: ModelSpec { backbone: "efficientnet_lite0".to_owned(), weights: WeightsIdentity::Random },
        precision: Precision::Float32,
        arithmetic: Default::default(),
        cut: 1,
        pictures: None,
    };
    Assignment { attempt, work: Work::Fill { spec, from: None, streams: 1, micro_batch: None } }
}

fn epoch(epoch: u32) -> Report {
    Report::Epoch(idle::metrics(TrialId([1; 16]), epoch))
}

/// A desk whose trainer works on attempt 7.
fn at_work() -> Desk {
    let mut desk = Desk::default();
    desk.connected(places(), false);
    desk.on_message(ToWorker::Assign(Box::new(assignment(SEVENTH))));
    assert_eq!(desk.take().map(|(_, assignment)| assignment.attempt), Some(SEVENTH));
    desk
}

/// Three pieces that nobody reads.
pub(crate) fn parcel(digest: &str) -> Parcel {
    let file = std::fs::File::open("/dev/null").unwrap();
    Parcel { file: file.into(), bytes: 2 * PIECE + 1, digest: digest.to_owned() }
}

/// Where the pieces begin that go out now.
fn pieces(desk: &mut Desk) -> Vec<u64> {
    std::iter::from_fn(|| desk.part()).map(|part| part.at).collect()
}

/// Numbers of the reports that go out now.
fn sent(desk: &mut Desk) -> Vec<u32> {
    let frames = desk.unsent();
    let mut bytes = frames.as_slice();
    let mut numbers = Vec::new();
    while let Some(message) = read_message::<FromWorker>(&mut bytes).unwrap() {
        let FromWorker::Report { number, .. } = message else { panic!("{message:?}") };
        numbers.push(number);
    }
    numbers
}

#[test]
fn what_is_not_acknowledged_is_sent_again_on_the_next_connection() {
    let mut desk = at_work();
    (1..=3).for_each(|number| desk.report(SEVENTH, epoch(number)));
    assert_eq!(sent(&mut desk), [1, 2, 3]);
    assert_eq!(sent(&mut desk), [0; 0], "once a connection");
    desk.on_message(ToWorker::Acknowledge { attempt: SEVENTH, number: 1 });
    desk.connected(places(), false);
    assert_eq!(sent(&mut desk), [2, 3]);
    desk.report(SEVENTH, epoch(4));
    assert_eq!(sent(&mut desk), [4]);
}

#[test]
fn a_model_goes_ahead_of_the_last_report_and_anew_on_each_connection() {
    let mut desk = at_work();
    let parcel = parcel("d");
    desk.report(SEVENTH, epoch(1));
    desk.attach(EIGHTH, Freight::Model, parcel.clone());
    desk.attach(SEVENTH, Freight::Model, parcel);
    assert_eq!(pieces(&mut desk), [0; 0], "it is not finished");
    desk.report(SEVENTH, Report::Complete(idle::evaluation(TrialId([1; 16]))));
    assert_eq!(sent(&mut desk), [1]);
    assert_eq!(desk.part().map(|part| part.at), Some(0));
    assert_eq!(sent(&mut desk), [0; 0]);
    desk.connected(places(), false);
    assert_eq!(sent(&mut desk), [1]);
    assert_eq!(pieces(&mut desk), [0, PIECE, 2 * PIECE]);
    assert_eq!(sent(&mut desk), [2]);
    desk.connected(places(), false);
    desk.let_go(SEVENTH);
    assert_eq!((sent(&mut desk), pieces(&mut desk)), (vec![1, 2], vec![]), "one that cannot be read stays behind");
    desk.connected(places(), false);
    desk.on_message(ToWorker::Acknowledge { attempt: SEVENTH, number: 2 });
    assert_eq!((desk.running(), pieces(&mut desk)), (None, vec![]));
}

#[test]
fn an_attempt_is_held_until_its_last_report_is_acknowledged() {
    let mut desk = at_work();
    desk.report(SEVENTH, Report::Stopped);
    desk.report(SEVENTH, epoch(1));
    assert_eq!(sent(&mut desk), [1], "what comes behind the last report comes too late");
    assert_eq!(desk.running().map(|claim| claim.attempt), Some(SEVENTH));
    desk.on_message(ToWorker::Acknowledge { attempt: SEVENTH, number: 1 });
    assert_eq!(desk.running(), None);

    let mut desk = at_work();
    desk.report(SEVENTH, epoch(1));
    desk.report(SEVENTH, Report::Stopped);
    desk.on_message(ToWorker::Acknowledge { attempt: SEVENTH, number: 1 });
    assert_eq!(desk.running().map(|claim| claim.attempt), Some(SEVENTH), "its last report is under way");
    desk.on_message(ToWorker::Acknowledge { attempt: SEVENTH, number: 2 });
    assert_eq!(desk.running(), None);
}

#[test]
fn an_assignment_over_a_held_one_stops_the_trainer_and_drops_its_reports() {
    let mut desk = at_work();
    desk.report(SEVENTH, epoch(1));
    desk.on_message(ToWorker::Assign(Box::new(assignment(EIGHTH))));
    assert_eq!((desk.stop(), sent(&mut desk)), (Stop::Now, vec![]));
    assert_eq!(desk.running().map(|claim| claim.attempt), Some(EIGHTH));
    desk.report(SEVENTH, Report::Stopped);
    assert_eq!(desk.take().map(|(_, assignment)| assignment.attempt), Some(EIGHTH));
    assert_eq!(desk.stop(), Stop::No);
    desk.report(SEVENTH, epoch(2));
    assert_eq!(sent(&mut desk), [0; 0], "a late report of an earlier attempt is dropped");
}

#[test]
fn a_stop_for_what_nobody_works_on_lets_it_go() {
    let mut desk = at_work();
    desk.on_message(ToWorker::Stop { attempt: EIGHTH });
    assert_eq!(desk.stop(), Stop::No, "about another attempt");
    desk.on_message(ToWorker::Stop { attempt: SEVENTH });
    assert_eq!(desk.stop(), Stop::Now);
    desk.leave();
    assert_eq!(desk.stop(), Stop::Now, "what nobody wants is not kept");
    desk.report(SEVENTH, Report::Stopped);
    desk.on_message(ToWorker::Stop { attempt: SEVENTH });
    assert_eq!(desk.running(), None);

    let mut desk = Desk::default();
    desk.connected(places(), false);
    desk.on_message(ToWorker::Assign(Box::new(assignment(SEVENTH))));
    desk.on_message(ToWorker::Stop { attempt: SEVENTH });
    assert!(desk.take().is_none(), "it was not taken up yet");
}

#[test]
fn a_report_that_cannot_travel_ends_its_attempt_as_a_failure() {
    let mut desk = at_work();
    let mut metrics = idle::metrics(TrialId([1; 16]), 1);
    metrics.val_loss = f64::NAN;
    desk.report(SEVENTH, Report::Epoch(metrics));
    assert_eq!(desk.stop(), Stop::Now);
    let frames = desk.unsent();
    let message = read_message::<FromWorker>(&mut frames.as_slice()).unwrap();
    assert!(
        matches!(&message, Some(FromWorker::Report { number: 1, report: Report::Failed(failure), .. })
            if failure.kind == FailureKind::Internal),
        "{message:?}"
    );
    desk.on_message(ToWorker::Acknowledge { attempt: SEVENTH, number: 1 });
    assert_eq!(desk.running().map(|claim| claim.attempt), Some(SEVENTH), "until the trainer has stopped");
}

#[test]
fn a_desk_that_leaves_says_so_first_and_is_done_once_it_is_answered() {
    let mut desk = Desk::default();
    desk.connected(places(), false);
    desk.on_message(ToWorker::Assign(Box::new(assignment(SEVENTH))));
    desk.take().unwrap();
    desk.leave();
    assert_eq!(desk.stop(), Stop::AfterBatch);
    desk.report(SEVENTH, Report::Stopped);
    let said = |desk: &mut Desk| {
        let frames = desk.unsent();
        let mut frames = frames.as_slice();
        std::iter::from_fn(|| read_message::<FromWorker>(&mut frames).unwrap()).collect::<Vec<_>>()
    };
    let first = said(&mut desk);
    assert!(matches!(first[..], [FromWorker::Leaving, FromWorker::Report { number: 1, .. }]), "{first:?}");
    assert_eq!(said(&mut desk), []);
    // On another connection once more; nobody knows what the first has brought.
    desk.connected(places(), false);
    assert_eq!(said(&mut desk), first);
    desk.on_message(ToWorker::Acknowledge { attempt: SEVENTH, number: 1 });
    assert!(!desk.is_done(), "an assignment may be on its way");
    desk.on_message(ToWorker::Assign(Box::new(assignment(EIGHTH))));
    desk.take().unwrap();
    assert_eq!(desk.stop(), Stop::AfterBatch, "it is not begun");
    desk.report(EIGHTH, Report::Stopped);
    desk.on_message(ToWorker::Drain);
    desk.on_message(ToWorker::Acknowledge { attempt: EIGHTH, number: 1 });
    assert!(desk.is_done());
}

#[test]
fn a_drained_desk_is_done_once_all_is_said() {
    let mut desk = at_work();
    desk.on_message(ToWorker::Drain);
    assert_eq!((desk.stop(), desk.is_done()), (Stop::AfterEpoch, false));
    desk.report(SEVENTH, Report::Stopped);
    assert!(!desk.is_done());
    desk.on_message(ToWorker::Acknowledge { attempt: SEVENTH, number: 1 });
    assert!(desk.is_done() && desk.is_over());
    let mut alone = at_work();
    alone.end();
    assert_eq!((alone.stop(), alone.is_over(), alone.is_done()), (Stop::AfterBatch, true, false));
}

#[test]
fn a_sign_of_life_carries_new_progress_once() {
    let mut desk = at_work();
    desk.progress(SEVENTH, 3, 9);
    desk.progress(EIGHTH, 4, 9);
    let said = |desk: &mut Desk| {
        let frame = desk.sign_of_life().unwrap();
        read_message::<FromWorker>(&mut frame.as_slice()).unwrap().unwrap()
    };
    assert!(matches!(said(&mut desk), FromWorker::Progress { done: 3, total: 9, .. }));
    assert_eq!(said(&mut desk), FromWorker::Heartbeat);
    // An evaluation has no steps, and goes on all the same.
    desk.gets_on(SEVENTH);
    assert!(matches!(said(&mut desk), FromWorker::Progress { done: 3, total: 9, .. }));
    assert_eq!(said(&mut desk), FromWorker::Heartbeat);
}

pub(crate) const TRIAL: TrialId = TrialId([1; 16]);

fn spec() -> TrialSpec {
    let text = "[sweep]\nname = \"x\"\n[data]\ndataset = \"shapes\"\n[model]\nbackbone = \"efficientnet_lite0\"\n\
        weights = \"random\"\n[train]\nfrozen_layers = \"all\"\n";
    let definition = Definition::parse("x.toml", text, &[]).unwrap();
    definition.expand(&Sources::plain("d".into())).remove(0).spec
}

fn training(attempt: AttemptId) -> ToWorker {
    let work = Work::Train { trial: TRIAL, spec: spec(), features: None, micro_batch: None };
    ToWorker::Assign(Box::new(Assignment { attempt, work }))
}

/// A desk apart that was given attempt 7 of a trial.
fn apart() -> Desk {
    apart_in(&PathBuf::from("c"))
}

/// The same, with checkpoints in this folder.
pub(crate) fn apart_in(folder: &Path) -> Desk {
    let mut desk = Desk::default();
    desk.connected(Places { checkpoints: folder.to_owned(), ..places() }, true);
    desk.on_message(training(SEVENTH));
    desk
}

fn said(desk: &mut Desk) -> Vec<FromWorker> {
    let frames = desk.unsent();
    let mut frames = frames.as_slice();
    std::iter::from_fn(|| read_message::<FromWorker>(&mut frames).unwrap()).collect()
}

fn question(attempt: AttemptId, have: Option<&str>) -> FromWorker {
    let claim = Claim { task: TaskKey::Trial(TRIAL), attempt };
    FromWorker::Fetch { claim, have: have.map(str::to_owned) }
}

/// The desk looks and asks, with this checkpoint in its place.
fn asks(desk: &mut Desk, have: Option<&str>) {
    let place = PathBuf::from("c").join(checkpoint::name(TRIAL));
    assert_eq!(desk.looks(), Some((SEVENTH, place)));
    assert_eq!(desk.looks(), None, "once");
    assert!(said(desk).is_empty(), "nobody has looked yet");
    desk.has(SEVENTH, have.map(str::to_owned));
    assert_eq!(said(desk), [question(SEVENTH, have)]);
    assert_eq!(said(desk), []);
}

fn piece(attempt: AttemptId) -> ToWorker {
    let piece = frostline_protocol::Piece { at: 0, of: 9, digest: "new".to_owned(), bytes: Vec::new() };
    ToWorker::Piece { attempt, piece }
}

fn taken(desk: &mut Desk) -> Option<AttemptId> {
    desk.take().map(|(_, assignment)| assignment.attempt)
}

/// What would go to the coordinator of a checkpoint of this digest.
fn sends(desk: &mut Desk, digest: &str) -> usize {
    desk.attach(SEVENTH, Freight::Checkpoint, parcel(digest));
    pieces(desk).len()
}

#[test]
fn a_trial_apart_begins_once_the_coordinators_checkpoint_has_come() {
    let mut desk = apart();
    assert_eq!((taken(&mut desk), desk.running().map(|claim| claim.attempt)), (None, Some(SEVENTH)));
    asks(&mut desk, Some("old"));
    assert_eq!(desk.awaits(), Some((SEVENTH, 0)));
    for message in [piece(EIGHTH), piece(SEVENTH), training(SEVENTH)] {
        desk.on_message(message);
    }
    assert_eq!((desk.awaits(), taken(&mut desk)), (Some((SEVENTH, 1)), None));
    let sign = |desk: &mut Desk| {
        let frame = desk.sign_of_life().unwrap();
        read_message::<FromWorker>(&mut frame.as_slice()).unwrap().unwrap()
    };
    let claim = Claim { task: TaskKey::Trial(TRIAL), attempt: SEVENTH };
    assert_eq!(sign(&mut desk), FromWorker::Progress { claim, done: 0, total: 0 }, "it counts as a step");
    assert_eq!(sign(&mut desk), FromWorker::Heartbeat);
    desk.fetched(EIGHTH, "other".to_owned());
    assert_eq!(taken(&mut desk), None);
    desk.fetched(SEVENTH, "new".to_owned());
    assert_eq!((desk.awaits(), taken(&mut desk)), (None, Some(SEVENTH)));
    assert_eq!((sends(&mut desk, "new"), sends(&mut desk, "newer")), (0, 3), "what came from there is there");
}

#[test]
fn what_the_coordinator_has_need_not_travel() {
    for (same, sent) in [(true, 0), (false, 3)] {
        let mut desk = apart();
        asks(&mut desk, Some("here"));
        desk.on_message(ToWorker::Kept { attempt: EIGHTH, same });
        assert_eq!(taken(&mut desk), None, "about another attempt");
        desk.on_message(ToWorker::Kept { attempt: SEVENTH, same });
        assert_eq!((taken(&mut desk), sends(&mut desk, "here")), (Some(SEVENTH), sent));
    }
    // What is no trial, and what others see, is not asked for.
    let mut desk = Desk::default();
    desk.connected(places(), true);
    desk.on_message(ToWorker::Assign(Box::new(assignment(SEVENTH))));
    assert_eq!((desk.looks(), taken(&mut desk)), (None, Some(SEVENTH)));
    let mut desk = Desk::default();
    desk.connected(places(), false);
    desk.on_message(training(SEVENTH));
    assert_eq!((desk.looks(), taken(&mut desk)), (None, Some(SEVENTH)));
    assert_eq!((desk.newest(), sends(&mut desk, "here")), (None, 0));
}

#[test]
fn a_question_that_went_with_its_connection_is_asked_again() {
    let mut desk = apart();
    asks(&mut desk, None);
    desk.connected(places(), true);
    asks(&mut desk, Some("old"));
    desk.connected(places(), true);
    assert!(desk.looks().is_some());
    // Somebody was still looking when the connection was lost.
    desk.connected(places(), true);
    desk.has(SEVENTH, None);
    assert_eq!((said(&mut desk), desk.looks()), (vec![question(SEVENTH, None)], None));
    desk.fetched(SEVENTH, "new".to_owned());
    desk.connected(places(), true);
    assert_eq!((desk.looks(), taken(&mut desk)), (None, Some(SEVENTH)), "what has come stays");
}

#[test]
fn a_trial_that_does_not_wait_for_its_checkpoint_does_not_replace_it() {
    let without = |desk: &mut Desk| desk.begin_without(SEVENTH);
    let drained = |desk: &mut Desk| desk.on_message(ToWorker::Drain);
    let leaves = |desk: &mut Desk| desk.leave();
    let hurries: [&dyn Fn(&mut Desk); 3] = [&without, &drained, &leaves];
    for hurry in hurries {
        let mut desk = apart();
        asks(&mut desk, Some("here"));
        hurry(&mut desk);
        assert_eq!(taken(&mut desk), Some(SEVENTH));
        assert_eq!((desk.newest(), sends(&mut desk, "here"), sends(&mut desk, "newer")), (None, 0, 0));
    }
    let mut desk = Desk::default();
    desk.connected(places(), true);
    desk.leave();
    desk.on_message(training(SEVENTH));
    assert_eq!((desk.looks(), taken(&mut desk), desk.stop()), (None, Some(SEVENTH), Stop::AfterBatch));
}

#[test]
fn an_attempt_that_is_called_off_while_its_checkpoint_comes_is_forgotten() {
    let mut desk = apart();
    asks(&mut desk, None);
    desk.on_message(ToWorker::Stop { attempt: SEVENTH });
    assert_eq!((desk.running(), desk.awaits(), taken(&mut desk)), (None, None, None));
    desk.on_message(piece(SEVENTH));
    desk.fetched(SEVENTH, "new".to_owned());
    assert_eq!(taken(&mut desk), None);

    let mut desk = apart();
    asks(&mut desk, None);
    desk.on_message(training(EIGHTH));
    desk.fetched(SEVENTH, "new".to_owned());
    desk.on_message(ToWorker::Kept { attempt: SEVENTH, same: false });
    assert_eq!((taken(&mut desk), desk.looks().map(|(attempt, _)| attempt)), (None, Some(EIGHTH)));
    desk.end();
    assert_eq!(taken(&mut desk), None);
}

/// A desk apart whose trainer works on attempt 7.
fn apart_at_work() -> Desk {
    let mut desk = apart();
    asks(&mut desk, None);
    desk.on_message(ToWorker::Kept { attempt: SEVENTH, same: false });
    assert_eq!(taken(&mut desk), Some(SEVENTH));
    desk
}

#[test]
fn checkpoints_go_beside_reports_and_once_each() {
    let mut desk = apart_at_work();
    assert!(desk.newest().is_some() && !desk.is_laden());
    desk.attach(SEVENTH, Freight::Checkpoint, parcel("one"));
    assert!(desk.is_laden());
    assert_eq!(desk.part().map(|part| (part.freight, part.at)), Some((Freight::Checkpoint, 0)));
    desk.report(SEVENTH, epoch(1));
    assert_eq!(sent(&mut desk), [1], "reports do not wait for all of it");
    desk.attach(SEVENTH, Freight::Checkpoint, parcel("one"));
    assert_eq!(pieces(&mut desk), [PIECE, 2 * PIECE], "it goes on where it is");
    assert_eq!((sends(&mut desk, "one"), desk.is_laden()), (0, false));
    desk.attach(SEVENTH, Freight::Checkpoint, parcel("two"));
    desk.part();
    // What had not come whole is not missed: there is a newer one by then.
    desk.connected(places(), true);
    assert_eq!((pieces(&mut desk), desk.is_laden()), (vec![], false));
    assert_eq!(sends(&mut desk, "one"), 3, "nobody knows what the last connection has brought");
}

#[test]
fn the_newest_checkpoint_goes_ahead_of_the_word_that_it_has_stopped() {
    let mut desk = apart_at_work();
    desk.report(SEVENTH, epoch(1));
    desk.attach(SEVENTH, Freight::Checkpoint, parcel("one"));
    desk.part();
    desk.attach(SEVENTH, Freight::Checkpoint, parcel("two"));
    desk.report(SEVENTH, Report::Stopped);
    assert_eq!((sent(&mut desk), desk.holds_back()), (vec![1], Some(SEVENTH)));
    desk.attach(SEVENTH, Freight::Checkpoint, parcel("late"));
    assert_eq!((pieces(&mut desk), desk.holds_back()), (vec![0, PIECE, 2 * PIECE], None));
    assert_eq!(sent(&mut desk), [2]);
    desk.connected(places(), true);
    assert_eq!(sent(&mut desk), [1]);
    assert_eq!((pieces(&mut desk).len(), sent(&mut desk)), (3, vec![2]));
    desk.connected(places(), true);
    desk.part();
    // There is no time.
    desk.let_go(SEVENTH);
    assert_eq!((sent(&mut desk), pieces(&mut desk)), (vec![1, 2], vec![]));
    desk.on_message(ToWorker::Acknowledge { attempt: SEVENTH, number: 2 });
    assert_eq!(desk.running(), None);
}

#[test]
fn a_checkpoint_that_is_of_no_use_stays_behind() {
    let mut desk = apart_at_work();
    desk.attach(SEVENTH, Freight::Checkpoint, parcel("one"));
    desk.report(SEVENTH, Report::Complete(idle::evaluation(TRIAL)));
    assert_eq!((pieces(&mut desk), sent(&mut desk)), (vec![], vec![1]), "its trial is complete");

    let mut desk = apart_at_work();
    desk.attach(SEVENTH, Freight::Model, parcel("model"));
    desk.attach(SEVENTH, Freight::Checkpoint, parcel("one"));
    desk.report(SEVENTH, Report::Complete(idle::evaluation(TRIAL)));
    assert_eq!((desk.part().map(|part| part.freight), desk.holds_back()), (Some(Freight::Model), None));

    let mut desk = apart_at_work();
    desk.attach(SEVENTH, Freight::Checkpoint, parcel("one"));
    desk.on_message(ToWorker::Stop { attempt: SEVENTH });
    assert_eq!((pieces(&mut desk), desk.newest(), sends(&mut desk, "two")), (vec![], None, 0), "it is another's");
}
