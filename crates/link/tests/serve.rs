//! A worker against a coordinator that is played here: what it says on its connection, and what its trainer hears.

use frostline_link::desk::PIECE;
use frostline_link::idle::{self, Idle};
use frostline_link::log::Tail;
use frostline_link::{LinkError, Options, Problem, Trainer, Way, serve};
use frostline_protocol::codec::{read_message, write_message};
use frostline_protocol::{
    Assignment, Build, Claim, Ended, Filled, Freight, FromWorker, Greeting, Hello, Incarnation, Observer, Piece,
    Places, Report, Seat, Stop, TaskKey, ToWorker, VERSION, Welcome, Who, Work, WorkerId,
};
use frostline_results::{Endpoint, checkpoint, models};
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::outcome::{AttemptId, FailureKind};
use frostline_sweep::trial::{
    Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, Recipe, TrialId, TrialSpec, Validation,
    WeightsIdentity,
};
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const TRIAL: TrialId = TrialId([7; 16]);
const EPOCHS: u32 = 2;
const ATTEMPT: AttemptId = AttemptId(5);
const WHO: Who = Who::Started(Seat { worker: WorkerId(3), incarnation: Incarnation(9) });
/// No test waits as long as this for anything; one that does has failed.
const FOR_EVER: Duration = Duration::from_secs(30);
/// Between two heartbeats where a test wants to hear none.
const SELDOM: f64 = 1000.0;

/// The coordinator's side, and the worker that runs in a thread.
struct Stage {
    folder: tempfile::TempDir,
    listener: UnixListener,
    served: Receiver<Result<(), LinkError>>,
}

impl Stage {
    fn new(trainer: impl Trainer + Send + 'static) -> Stage {
        Stage::set(trainer, false)
    }

    /// Its worker writes models and checkpoints where the coordinator does not see them.
    fn apart(trainer: impl Trainer + Send + 'static) -> Stage {
        Stage::set(trainer, true)
    }

    fn set(trainer: impl Trainer + Send + 'static, is_apart: bool) -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let endpoint = folder.path().join("endpoint.json");
        Endpoint { socket, process: 1 }.write(&endpoint).expect("the folder takes files");
        let mut log = Tail::default();
        log.write_all(b"a line of the log\n").expect("memory takes it");
        let outgoing = is_apart.then(|| folder.path().join("outgoing"));
        let models = outgoing.clone();
        let checkpoints = is_apart.then(|| folder.path().join("checkpoints"));
        let here = checkpoints.clone();
        let (sender, served) = channel();
        std::thread::spawn(move || {
            let options = Options {
                way: Way::Local { endpoint, token: "secret".to_owned() },
                who: WHO,
                host: None,
                places: Box::new(move |places| {
                    let checkpoints = here.clone().unwrap_or(places.checkpoints);
                    Ok(Places { models: models.clone(), checkpoints, ..places })
                }),
                outgoing,
                checkpoints,
                ends: None,
                leaves_on_signals: false,
                build: Build::default(),
                log,
                patience: FOR_EVER,
                awaits: false,
            };
            let mut trainer = trainer;
            sender.send(serve(options, &mut trainer))
        });
        Stage { folder, listener, served }
    }

    /// The worker connects.
    fn connects(&self) -> Wire {
        let (sender, accepted) = channel();
        let listener = self.listener.try_clone().expect("a second handle");
        std::thread::spawn(move || sender.send(listener.accept().map(|(stream, _)| stream)));
        let stream = accepted.recv_timeout(FOR_EVER).expect("the worker connects").expect("a connection");
        stream.set_read_timeout(Some(FOR_EVER)).expect("a socket has timeouts");
        Wire(stream)
    }

    /// The worker connects, and is welcome.
    fn greets(&self, heartbeat: f64, reconnect_grace: f64) -> (Hello, Wire) {
        let mut wire = self.connects();
        let Some(Greeting::Worker(hello)) = read_message(&mut wire.0).expect("a greeting") else {
            panic!("no worker")
        };
        wire.says(ToWorker::Welcome(Welcome { protocol: VERSION, heartbeat, reconnect_grace, places: places() }));
        (hello, wire)
    }

    fn ends(self) -> Result<(), LinkError> {
        self.served.recv_timeout(FOR_EVER).expect("the worker ends")
    }
}

struct Wire(UnixStream);

impl Wire {
    fn says(&mut self, message: ToWorker) {
        write_message(&mut self.0, &message).expect("the worker reads");
    }

    /// The next message; none where the worker has closed the connection.
    fn hears(&mut self) -> Option<FromWorker> {
        read_message(&mut self.0).expect("a message, or the end of the connection")
    }

    /// The next message that is no heartbeat, of which it says a hundred a second.
    fn hears_more(&mut self) -> Option<FromWorker> {
        std::iter::from_fn(|| self.hears()).take(1000).find(|said| *said != FromWorker::Heartbeat)
    }

    fn hears_report(&mut self) -> (u32, Report) {
        match self.hears() {
            Some(FromWorker::Report { claim, number, report }) => {
                assert_eq!(claim, self::claim());
                (number, report)
            }
            other => panic!("{other:?} is no report"),
        }
    }

    /// The worker asks for a checkpoint, and has this one.
    fn is_asked(&mut self, have: Option<&[u8]>) {
        let have = have.map(digest);
        assert_eq!(self.hears_more(), Some(FromWorker::Fetch { claim: claim(), have }));
    }

    /// The worker asks, and is told that there is none.
    fn keeps_none(&mut self) {
        self.is_asked(None);
        self.says(ToWorker::Kept { attempt: ATTEMPT, same: false });
    }

    /// Sends these bytes of a checkpoint.
    fn gives(&mut self, checkpoint: &[u8], at: usize, bytes: &[u8]) {
        let (at, of) = (at as u64, checkpoint.len() as u64);
        let piece = Piece { at, of, digest: digest(checkpoint), bytes: bytes.to_vec() };
        self.says(ToWorker::Piece { attempt: ATTEMPT, piece });
    }

    /// A whole checkpoint that comes, and how many reports came between its pieces.
    fn receives(&mut self) -> (Vec<u8>, usize) {
        let (mut came, mut reports) = (Vec::new(), 0);
        loop {
            match self.hears_more() {
                Some(FromWorker::Piece { claim, freight: Freight::Checkpoint, piece }) => {
                    assert_eq!((claim, piece.at), (self::claim(), came.len() as u64));
                    came.extend(piece.bytes);
                    if came.len() as u64 == piece.of {
                        assert_eq!(piece.digest, digest(&came));
                        return (came, reports);
                    }
                }
                Some(FromWorker::Report { report: Report::Epoch(_), .. }) => reports += 1,
                other => panic!("{other:?}"),
            }
        }
    }

    fn acknowledges(&mut self, number: u32) {
        self.says(ToWorker::Acknowledge { attempt: ATTEMPT, number });
    }
}

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// More than one piece.
fn state(number: u8) -> Vec<u8> {
    (0..PIECE as usize + 10).map(|at| (at as u8).wrapping_mul(number)).collect()
}

fn places() -> Places {
    Places { data: None, weights: Default::default(), features: "f".into(), checkpoints: "c".into(), models: None }
}

fn claim() -> Claim {
    Claim { task: TaskKey::Trial(TRIAL), attempt: ATTEMPT }
}

fn spec() -> TrialSpec {
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
            frozen_layers: 0,
            head_units: vec![8],
            head_dropout: vec![0.5],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            recipe: Recipe::default(),
            epochs: EPOCHS,
            batch_size: 8,
            precision: Precision::Float32,
        },
        seed: 0,
    }
}

fn training() -> ToWorker {
    let work = Work::Train { trial: TRIAL, spec: spec(), features: None, micro_batch: None };
    ToWorker::Assign(Box::new(Assignment { attempt: ATTEMPT, work }))
}

fn epoch(epoch: u32) -> Report {
    Report::Epoch(idle::metrics(TRIAL, epoch))
}

/// Does what it is told to through a channel.
struct Led<F>(F);

impl<F: FnMut(&Places, &mut dyn Observer) -> Result<Ended, Problem>> Trainer for Led<F> {
    fn run(&mut self, places: &Places, _work: &Work, observer: &mut dyn Observer) -> Result<Ended, Problem> {
        (self.0)(places, observer)
    }
}

/// A trainer that reports an epoch and works on until it is to stop, and tells how it was asked to.
fn until_stopped(asked: Sender<Stop>) -> impl Trainer + Send + 'static {
    Led(move |_: &Places, observer: &mut dyn Observer| {
        observer.epoch(idle::metrics(TRIAL, 1));
        while observer.should_stop() == Stop::No {
            std::thread::yield_now();
        }
        asked.send(observer.should_stop()).expect("the test listens");
        Ok(Ended::Stopped)
    })
}

#[test]
fn an_assignment_is_carried_out_and_nothing_but_its_reports_is_said() {
    let stage = Stage::new(Idle::default());
    let (hello, mut wire) = stage.greets(SELDOM, 30.0);
    assert_eq!((hello.protocol, hello.who, hello.token.as_str()), (VERSION, WHO, "secret"));
    assert_eq!(hello.running, None);
    wire.says(training());
    assert_eq!(wire.hears_report(), (1, epoch(1)));
    assert_eq!(wire.hears_report(), (2, epoch(2)));
    assert_eq!(wire.hears_report(), (3, Report::Complete(idle::evaluation(TRIAL))));
    wire.acknowledges(3);
    let spec = FeatureSpec::of(&spec(), 1);
    let work = Work::Fill { spec, from: None, streams: 1, micro_batch: None };
    wire.says(ToWorker::Assign(Box::new(Assignment { attempt: AttemptId(6), work })));
    let filled = Report::Filled(Filled { bytes: 0, seconds: 0.0, computed: true });
    assert!(matches!(wire.hears(), Some(FromWorker::Report { number: 1, report, .. }) if report == filled));
    wire.says(ToWorker::Acknowledge { attempt: AttemptId(6), number: 1 });
    wire.says(ToWorker::Drain);
    assert_eq!(wire.hears(), None, "it has no more to say");
    stage.ends().unwrap();
}

#[test]
fn what_was_not_acknowledged_comes_again_on_the_next_connection() {
    let stage = Stage::new(Idle::default());
    let (_, mut wire) = stage.greets(SELDOM, 30.0);
    wire.says(training());
    assert_eq!(wire.hears_report(), (1, epoch(1)));
    wire.acknowledges(1);
    assert_eq!(wire.hears_report(), (2, epoch(2)));
    drop(wire);
    let (hello, mut wire) = stage.greets(SELDOM, 30.0);
    assert_eq!(hello.running, Some(claim()));
    // The acknowledgement may have been lost with the connection.
    let mut reports = vec![wire.hears_report()];
    while reports.last().is_some_and(|(number, _)| *number < 3) {
        reports.push(wire.hears_report());
    }
    let expected = [(1, epoch(1)), (2, epoch(2)), (3, Report::Complete(idle::evaluation(TRIAL)))];
    assert!(expected.ends_with(&reports) && reports.len() >= 2, "{reports:?}");
}

#[test]
fn a_model_travels_ahead_of_the_last_report_and_its_file_is_gone() {
    let model: Vec<u8> = (0..PIECE as usize + 10).map(|at| at as u8).collect();
    let (content, wanted) = (model.clone(), blake3::hash(&model).to_hex().to_string());
    let stage = Stage::apart(Led(move |places: &Places, _: &mut dyn Observer| {
        let folder = places.models.as_deref().expect("models are kept");
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(models::path(folder, TRIAL), &content).unwrap();
        Ok(Ended::Complete(idle::evaluation(TRIAL)))
    }));
    let (_, mut wire) = stage.greets(SELDOM, 30.0);
    wire.says(training());
    wire.keeps_none();
    let mut came = Vec::new();
    while came.len() < model.len() {
        let Some(FromWorker::Piece { claim, freight, piece }) = wire.hears() else { panic!("no piece") };
        assert_eq!((claim, freight), (self::claim(), Freight::Model));
        assert_eq!((piece.at, piece.of), (came.len() as u64, model.len() as u64));
        assert_eq!(piece.digest, wanted);
        came.extend(piece.bytes);
    }
    assert!(came == model);
    assert_eq!(wire.hears_report(), (1, Report::Complete(idle::evaluation(TRIAL))));
    assert_eq!(std::fs::read_dir(stage.folder.path().join("outgoing")).unwrap().count(), 0);
}

#[test]
fn a_model_that_cannot_be_read_keeps_nobody_from_being_complete() {
    let stage = Stage::apart(Led(|_: &Places, _: &mut dyn Observer| Ok(Ended::Complete(idle::evaluation(TRIAL)))));
    let (_, mut wire) = stage.greets(SELDOM, 30.0);
    wire.says(training());
    wire.keeps_none();
    assert_eq!(wire.hears_report(), (1, Report::Complete(idle::evaluation(TRIAL))));
}

/// Where the trainer's checkpoints lie.
fn newest(places: &Places) -> std::path::PathBuf {
    places.checkpoints.join(checkpoint::name(TRIAL))
}

/// Replaces the newest checkpoint, as training does.
fn keep(places: &Places, content: &[u8]) {
    let newest = newest(places);
    std::fs::create_dir_all(&places.checkpoints).expect("the folder of the test takes folders");
    std::fs::write(checkpoint::writing(&newest), content).expect("and files");
    std::fs::rename(checkpoint::writing(&newest), newest).expect("and other names for them");
}

#[test]
fn a_trial_begins_with_the_checkpoint_that_the_coordinator_has() {
    let (tell, told) = channel();
    let stage = Stage::apart(Led(move |places: &Places, _: &mut dyn Observer| {
        tell.send(std::fs::read(newest(places)).ok()).unwrap();
        Ok(Ended::Stopped)
    }));
    let folder = stage.folder.path().join("checkpoints");
    let (old, new) = (state(3), state(5));
    let (_, mut wire) = stage.greets(SELDOM, 30.0);
    // What the coordinator has does not go back to it.
    let stops = |wire: &mut Wire| {
        assert_eq!(wire.hears_report(), (1, Report::Stopped));
        wire.acknowledges(1);
    };
    // None, another than the one here, the same.
    wire.says(training());
    wire.keeps_none();
    assert_eq!(told.recv_timeout(FOR_EVER), Ok(None));
    stops(&mut wire);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(checkpoint::name(TRIAL)), &old).unwrap();
    wire.says(training());
    wire.is_asked(Some(&old));
    wire.gives(&new, 0, &new[..7]);
    wire.gives(&new, 7, &new[7..]);
    assert!(told.recv_timeout(FOR_EVER) == Ok(Some(new.clone())));
    stops(&mut wire);
    wire.says(training());
    wire.is_asked(Some(&new));
    wire.says(ToWorker::Kept { attempt: ATTEMPT, same: true });
    assert!(told.recv_timeout(FOR_EVER) == Ok(Some(new.clone())));
    stops(&mut wire);
    // The connection is lost on the way: it is asked for once more.
    std::fs::write(folder.join(checkpoint::name(TRIAL)), &old).unwrap();
    wire.says(training());
    wire.is_asked(Some(&old));
    wire.gives(&new, 0, &new[..7]);
    drop(wire);
    let (hello, mut wire) = stage.greets(SELDOM, 30.0);
    assert_eq!(hello.running, Some(claim()));
    wire.is_asked(Some(&old));
    wire.gives(&new, 0, &new);
    assert!(told.recv_timeout(FOR_EVER) == Ok(Some(new.clone())));
    stops(&mut wire);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "nothing is left of what had come before");
}

#[test]
fn what_a_complete_trial_has_left_is_removed_once_the_coordinator_knows_of_it() {
    let stage = Stage::apart(Led(|places: &Places, _: &mut dyn Observer| {
        keep(places, &state(3));
        std::fs::write(places.checkpoints.join("notes.txt"), "").unwrap();
        Ok(Ended::Complete(idle::evaluation(TRIAL)))
    }));
    let folder = stage.folder.path().join("checkpoints");
    let (_, mut wire) = stage.greets(SELDOM, 30.0);
    wire.says(training());
    wire.keeps_none();
    assert_eq!(wire.hears_report(), (1, Report::Complete(idle::evaluation(TRIAL))));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    wire.acknowledges(1);
    wire.says(ToWorker::Drain);
    assert_eq!(wire.hears(), None);
    let Stage { folder: _kept, served, .. } = stage;
    served.recv_timeout(FOR_EVER).expect("the worker ends").unwrap();
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
}

#[test]
fn a_checkpoint_that_does_not_come_whole_keeps_no_trial_from_beginning() {
    let (tell, told) = channel();
    let stage = Stage::apart(Led(move |places: &Places, _: &mut dyn Observer| {
        tell.send(std::fs::read(newest(places)).ok()).unwrap();
        keep(places, &state(7));
        Ok(Ended::Stopped)
    }));
    let folder = stage.folder.path().join("checkpoints");
    let (_, mut wire) = stage.greets(SELDOM, 30.0);
    let (old, new) = (state(3), state(5));
    let changed = |wire: &mut Wire| wire.gives(&new, 0, &old);
    let gap = |wire: &mut Wire| wire.gives(&new, 5, &new[5..]);
    let cut = |wire: &mut Wire| {
        wire.gives(&new, 0, &new[..7]);
        wire.says(ToWorker::Kept { attempt: ATTEMPT, same: false });
    };
    let wrongs: [&dyn Fn(&mut Wire); 3] = [&changed, &gap, &cut];
    std::fs::create_dir_all(&folder).unwrap();
    for (wrong, is_sent) in wrongs.into_iter().zip([false, false, true]) {
        std::fs::write(folder.join(checkpoint::name(TRIAL)), &old).unwrap();
        wire.says(training());
        wire.is_asked(Some(&old));
        wrong(&mut wire);
        assert!(told.recv_timeout(FOR_EVER) == Ok(Some(old.clone())));
        // What the coordinator has may be further, unless it says that it has nothing to give.
        if is_sent {
            assert!(wire.receives() == (state(7), 0));
        }
        assert_eq!(wire.hears_report(), (1, Report::Stopped));
        wire.acknowledges(1);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}

#[test]
fn new_checkpoints_go_to_the_coordinator_and_the_last_one_ahead_of_the_word_that_it_has_stopped() {
    let (go_on, turns) = channel();
    let stage = Stage::apart(Led(move |places: &Places, observer: &mut dyn Observer| {
        keep(places, &state(3));
        turns.recv().unwrap();
        observer.epoch(idle::metrics(TRIAL, 1));
        while observer.should_stop() == Stop::No {
            std::thread::yield_now();
        }
        keep(places, &state(5));
        Ok(Ended::Stopped)
    }));
    // A write may take ten times as long.
    let (_, mut wire) = stage.greets(0.3, 30.0);
    wire.says(training());
    wire.keeps_none();
    assert!(wire.receives() == (state(3), 0));
    assert_eq!(wire.hears(), Some(FromWorker::Heartbeat), "the same does not go again");
    go_on.send(()).unwrap();
    assert!(matches!(wire.hears_more(), Some(FromWorker::Report { number: 1, .. })));
    wire.says(ToWorker::Drain);
    assert!(wire.receives() == (state(5), 0));
    assert!(matches!(wire.hears_more(), Some(FromWorker::Report { number: 2, report: Report::Stopped, .. })));
    // Nobody knows what has arrived.
    drop(wire);
    let (_, mut wire) = stage.greets(SELDOM, 30.0);
    assert!(wire.receives() == (state(5), 1));
    assert_eq!(wire.hears_report(), (2, Report::Stopped));
    wire.acknowledges(2);
    assert_eq!(wire.hears(), None);
    stage.ends().unwrap();
}

#[test]
fn a_worker_with_nothing_to_report_says_that_it_lives_and_how_far_it_has_come() {
    let (go_on, turns) = channel();
    let stage = Stage::new(Led(move |_: &Places, observer: &mut dyn Observer| {
        turns.recv().unwrap();
        observer.progress(3, 9);
        turns.recv().unwrap();
        observer.gets_on();
        turns.recv().unwrap();
        Ok(Ended::Stopped)
    }));
    let (_, mut wire) = stage.greets(0.01, 30.0);
    assert_eq!(wire.hears(), Some(FromWorker::Heartbeat), "before it has any work");
    wire.says(training());
    let progress = FromWorker::Progress { claim: claim(), done: 3, total: 9 };
    for _ in 0..2 {
        go_on.send(()).unwrap();
        assert_eq!(wire.hears_more().as_ref(), Some(&progress));
        assert_eq!(wire.hears(), Some(FromWorker::Heartbeat), "progress is said once");
    }
    go_on.send(()).unwrap();
    let stopped = FromWorker::Report { claim: claim(), number: 1, report: Report::Stopped };
    assert_eq!(wire.hears_more(), Some(stopped));
}

#[test]
fn a_trainer_hears_whether_it_is_to_stop_at_once_or_after_its_epoch() {
    for (message, expected) in [(ToWorker::Stop { attempt: ATTEMPT }, Stop::Now), (ToWorker::Drain, Stop::AfterEpoch)]
    {
        let (asked, hears) = channel();
        let stage = Stage::new(until_stopped(asked));
        let (_, mut wire) = stage.greets(SELDOM, 30.0);
        wire.says(training());
        assert_eq!(wire.hears_report(), (1, epoch(1)));
        wire.says(message);
        assert_eq!(hears.recv_timeout(FOR_EVER), Ok(expected));
        assert_eq!(wire.hears_report(), (2, Report::Stopped));
    }
}

#[test]
fn a_trainer_that_fails_or_panics_ends_its_attempt_with_the_last_lines_of_the_log() {
    let mut turn = 0;
    let stage = Stage::new(Led(move |places: &Places, _: &mut dyn Observer| {
        turn += 1;
        assert_eq!(*places, self::places());
        match turn {
            1 => panic!("out of luck"),
            2 => panic!("out of luck {turn} times"),
            3 => std::panic::panic_any(7),
            _ => Err(Problem { kind: FailureKind::BadData, message: "no such image".to_owned() }),
        }
    }));
    let (_, mut wire) = stage.greets(SELDOM, 30.0);
    let internal = |said: &str| (FailureKind::Internal, format!("the trainer panicked: {said}"));
    let expected = [
        internal("out of luck"),
        internal("out of luck 2 times"),
        internal("no message"),
        (FailureKind::BadData, "no such image".to_owned()),
    ];
    for expected in expected {
        wire.says(training());
        let (number, report) = wire.hears_report();
        let Report::Failed(failure) = report else { panic!("{report:?}") };
        assert_eq!((number, (failure.kind, failure.message)), (1, expected));
        assert_eq!(failure.log, ["a line of the log"]);
        wire.acknowledges(1);
    }
}

#[test]
fn a_worker_that_has_lost_its_coordinator_stops_its_trainer_and_ends() {
    let (asked, hears) = channel();
    let stage = Stage::new(until_stopped(asked));
    let (_, mut wire) = stage.greets(SELDOM, 0.0);
    wire.says(training());
    assert_eq!(wire.hears_report(), (1, epoch(1)));
    drop(wire);
    let endpoint = stage.folder.path().join("endpoint.json");
    let served = stage.served.recv_timeout(FOR_EVER).expect("the worker ends");
    assert_eq!(hears.recv_timeout(FOR_EVER), Ok(Stop::AfterBatch));
    let lost = format!(
        "the coordinator that {} names did not come back within 0 s: it closed the connection",
        endpoint.display()
    );
    assert_eq!(served.unwrap_err().to_string(), lost);
}

#[test]
fn a_coordinator_that_speaks_another_protocol_is_left() {
    let stage = Stage::new(Idle::default());
    let mut wire = stage.connects();
    let protocol = VERSION + 1;
    let welcome = Welcome { protocol, heartbeat: SELDOM, reconnect_grace: 30.0, places: places() };
    wire.says(ToWorker::Welcome(welcome));
    let ended = stage.ends();
    assert!(matches!(ended, Err(LinkError::Protocol { ours: VERSION, theirs }) if theirs == protocol), "{ended:?}");
}

#[test]
fn a_trainer_that_is_held_stops_when_it_is_told_to_and_goes_on_when_it_is_let_go() {
    let hold = tempfile::NamedTempFile::new().unwrap();
    let stage = Stage::new(Idle { hold: Some(hold.path().to_owned()), deaf: false });
    let (_, mut wire) = stage.greets(SELDOM, 30.0);
    wire.says(training());
    assert_eq!(wire.hears_report(), (1, epoch(1)));
    wire.says(ToWorker::Stop { attempt: ATTEMPT });
    assert_eq!(wire.hears_report(), (2, Report::Stopped));
    wire.acknowledges(2);
    wire.says(training());
    assert_eq!(wire.hears_report(), (1, epoch(1)));
    hold.close().unwrap();
    assert_eq!(wire.hears_report(), (2, epoch(2)));
}
