//! What a worker holds and owes: the assignment, the outbox of reports, and the wish to stop.
//!
//! No threads, no sockets, no clock: messages go in, frames come out.

pub use crate::held::{PIECE, Parcel, Piece};

use crate::held::Held;
use frostline_protocol::codec::{CodecError, encode};
use frostline_protocol::{Assignment, Claim, FromWorker, Places, Report, Stop, ToWorker};
use frostline_sweep::outcome::AttemptId;

#[derive(Debug, Default)]
pub struct Desk {
    places: Option<Places>,
    /// Given out, not yet taken up by the trainer.
    next: Option<Assignment>,
    held: Option<Held>,
    /// No work will come after what is held.
    draining: bool,
    /// This process is going to end, and whether this connection has said so.
    leaving: Option<bool>,
    /// The coordinator is gone for good.
    ended: bool,
    stop: Stop,
}

impl Desk {
    /// The next assignment for a trainer that has none.
    pub fn take(&mut self) -> Option<(Places, Assignment)> {
        let places = self.places.clone()?;
        let assignment = self.next.take()?;
        self.held = Some(Held::new(assignment.claim()));
        if !self.draining && self.leaving.is_none() {
            self.stop = Stop::No;
        }
        Some((places, assignment))
    }

    /// Whether the trainer will get no more work.
    pub fn is_over(&self) -> bool {
        self.ended || self.is_done()
    }

    /// Whether all is said and no more work will come.
    pub fn is_done(&self) -> bool {
        self.draining && self.held.is_none() && self.next.is_none()
    }

    /// Puts a report into the outbox. A report of an attempt that is not held any more is dropped.
    pub fn report(&mut self, attempt: AttemptId, report: Report) {
        let Some(held) = held(&mut self.held, attempt) else { return };
        if report.is_last() {
            held.training = false;
        }
        if !held.closed && !held.push(report) {
            self.stop = Stop::Now;
        }
    }

    /// A file goes ahead of the last report of an attempt; or none any more, where it cannot be read.
    pub fn attach(&mut self, attempt: AttemptId, parcel: Option<Parcel>) {
        if let Some(held) = held(&mut self.held, attempt) {
            held.attach(parcel);
        }
    }

    /// Remembers the newest progress; the connection sends it when it sends something anyway.
    pub fn progress(&mut self, attempt: AttemptId, done: u64, total: u64) {
        if let Some(held) = held(&mut self.held, attempt) {
            held.steps = (done, total);
            held.progress = Some(held.steps);
        }
    }

    /// The attempt gets on, though no step is done: the coordinator hears the same progress once more.
    pub fn gets_on(&mut self, attempt: AttemptId) {
        if let Some(held) = held(&mut self.held, attempt) {
            held.progress = Some(held.steps);
        }
    }

    pub fn stop(&self) -> Stop {
        self.stop
    }

    /// The claim to come back with.
    pub fn running(&self) -> Option<Claim> {
        let next = self.next.as_ref().map(Assignment::claim);
        next.or_else(|| self.held.as_ref().map(|held| held.claim.clone()))
    }

    /// A connection is welcome: everything that is not acknowledged is sent again on it.
    pub fn connected(&mut self, places: Places) {
        self.places = Some(places);
        self.leaving = self.leaving.map(|_| false);
        if let Some(held) = &mut self.held {
            held.begin_anew();
        }
    }

    /// This process is going to end: what it does stops after the running batch, with a checkpoint. The coordinator is told,
    /// and answers by draining it: then nothing can be on its way any more.
    pub fn leave(&mut self) {
        self.leaving.get_or_insert(false);
        self.stop = self.stop.max(Stop::AfterBatch);
    }

    /// Gives up: the trainer is told to stop, and finds no more work.
    pub fn end(&mut self) {
        self.ended = true;
        self.next = None;
        self.stop = self.stop.max(Stop::AfterBatch);
    }

    pub fn on_message(&mut self, message: ToWorker) {
        match message {
            ToWorker::Welcome(welcome) => self.places = Some(welcome.places),
            ToWorker::Assign(assignment) => self.on_assign(*assignment),
            ToWorker::Acknowledge { attempt, number } => self.on_acknowledge(attempt, number),
            ToWorker::Stop { attempt } => self.on_stop(attempt),
            ToWorker::Drain => {
                self.draining = true;
                self.stop = self.stop.max(Stop::AfterEpoch);
            }
        }
    }

    fn on_assign(&mut self, assignment: Assignment) {
        if let Some(held) = &mut self.held {
            if held.claim.attempt == assignment.attempt {
                return;
            }
            // The coordinator has settled what is held: its reports are of no use any more.
            held.close();
            if held.training {
                self.stop = Stop::Now;
            } else {
                self.held = None;
            }
        }
        self.next = Some(assignment);
    }

    fn on_acknowledge(&mut self, attempt: AttemptId, number: u32) {
        let Some(held) = held(&mut self.held, attempt) else { return };
        held.acknowledge(number);
        if held.is_settled() {
            self.held = None;
        }
    }

    fn on_stop(&mut self, attempt: AttemptId) {
        self.next.take_if(|assignment| assignment.attempt == attempt);
        let Some(held) = held(&mut self.held, attempt) else { return };
        if held.training {
            self.stop = Stop::Now;
        } else {
            // Nothing is left to stop, so the coordinator has given the attempt up and will not acknowledge it.
            self.held = None;
        }
    }

    /// Frames that this connection has not sent, one after another; they count as sent from here on.
    pub fn unsent(&mut self) -> Vec<u8> {
        let mut frames = Vec::new();
        if let Some(said @ false) = &mut self.leaving {
            // Ahead of what ends with it, so that nothing new is given out in between.
            *said = encode(&FromWorker::Leaving, &mut frames).is_ok();
        }
        if let Some(held) = &mut self.held {
            held.unsent(&mut frames);
        }
        frames
    }

    /// What this connection sends next of a finished attempt's parcel: its last report goes behind it.
    pub fn piece(&mut self) -> Option<Piece> {
        self.held.as_mut()?.piece()
    }

    /// A sign of life: how far the held attempt has come where that is new, else a heartbeat.
    ///
    /// # Errors
    /// Where it can't be encoded, which no message of this kind is known to do.
    pub fn sign_of_life(&mut self) -> Result<Vec<u8>, CodecError> {
        let progress = |held: &mut Held| {
            let (done, total) = held.progress.take()?;
            Some(FromWorker::Progress { claim: held.claim.clone(), done, total })
        };
        let mut frame = Vec::new();
        let message = self.held.as_mut().and_then(progress).unwrap_or(FromWorker::Heartbeat);
        encode(&message, &mut frame).map(|()| frame)
    }
}

fn held(held: &mut Option<Held>, attempt: AttemptId) -> Option<&mut Held> {
    held.as_mut().filter(|held| held.claim.attempt == attempt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idle;
    use frostline_protocol::Work;
    use frostline_protocol::codec::read_message;
    use frostline_sweep::features::FeatureSpec;
    use frostline_sweep::outcome::FailureKind;
    use frostline_sweep::trial::{Augment, Dataset, ModelSpec, Precision, TrialId, WeightsIdentity};

    const SEVENTH: AttemptId = AttemptId(7);
    const EIGHTH: AttemptId = AttemptId(8);

    fn places() -> Places {
        Places {
            data: None,
            weights: Default::default(),
            features: "f".into(),
            checkpoints: "c".into(),
            models: None,
        }
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
        desk.connected(places());
        desk.on_message(ToWorker::Assign(Box::new(assignment(SEVENTH))));
        assert_eq!(desk.take().map(|(_, assignment)| assignment.attempt), Some(SEVENTH));
        desk
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
        desk.connected(places());
        assert_eq!(sent(&mut desk), [2, 3]);
        desk.report(SEVENTH, epoch(4));
        assert_eq!(sent(&mut desk), [4]);
    }

    #[test]
    fn a_model_goes_ahead_of_the_last_report_and_anew_on_each_connection() {
        let mut desk = at_work();
        let file = std::fs::File::open("/dev/null").unwrap();
        let parcel = Parcel { file: file.into(), bytes: 2 * PIECE + 1, digest: "d".to_owned() };
        let pieces = |desk: &mut Desk| -> Vec<(u64, u64)> {
            std::iter::from_fn(|| desk.piece()).map(|piece| (piece.at, piece.length)).collect()
        };
        desk.report(SEVENTH, epoch(1));
        desk.attach(EIGHTH, Some(parcel.clone()));
        desk.attach(SEVENTH, Some(parcel));
        assert_eq!(pieces(&mut desk), [], "it is not finished");
        desk.report(SEVENTH, Report::Complete(idle::evaluation(TrialId([1; 16]))));
        assert_eq!(sent(&mut desk), [1]);
        assert_eq!(desk.piece().map(|piece| (piece.at, piece.length)), Some((0, PIECE)));
        assert_eq!(sent(&mut desk), [0; 0]);
        desk.connected(places());
        assert_eq!(sent(&mut desk), [1]);
        assert_eq!(pieces(&mut desk), [(0, PIECE), (PIECE, PIECE), (2 * PIECE, 1)]);
        assert_eq!(sent(&mut desk), [2]);
        desk.connected(places());
        desk.attach(SEVENTH, None);
        assert_eq!(
            (sent(&mut desk), pieces(&mut desk)),
            (vec![1, 2], vec![]),
            "one that cannot be read stays behind"
        );
        desk.connected(places());
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
        desk.connected(places());
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
        desk.connected(places());
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
        desk.connected(places());
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
}
