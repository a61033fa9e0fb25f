//! Workers of other machines: in somebody's queue, with features of their own, with little time, and uninvited.

use crate::bench::*;
use frostline_protocol::{Claim, Filled, Incarnation, Report, Seat, ToWorker, WorkerId};
use frostline_scheduler::{About, Effect, Event, FillPlan, Restored, Settings, Task};
use frostline_sweep::outcome::{AttemptId, FailureKind, TrialState};

fn at(host: &str) -> About {
    About { host: Some(host.to_owned()), ..about(build()) }
}

fn filled() -> Report {
    Report::Filled(Filled { bytes: 1, seconds: 1.0, computed: true })
}

fn fills(given: &(u64, Task)) -> bool {
    matches!(given.1, Task::Fill { .. })
}

/// Jobs of somebody's queue.
fn queued(backlog: u32, restored: Restored) -> Bench {
    Bench::with(Settings { backlog: Some(backlog), ..Settings::default() }, restored)
}

#[test]
fn each_host_fills_for_itself_and_trains_from_what_it_has() {
    let rows = (1..=6).map(|number| row(number, Some("a"))).collect();
    let mut bench = Bench::new(Restored { fills: vec![fill("a", None)], ..restored(rows, 3) });
    bench.passes(0);
    for (worker, host) in [(1, "one"), (2, "two"), (3, "one")] {
        bench.does(Event::Joined { worker: WorkerId(worker), about: at(host), running: None });
    }
    let (first, second) = (bench.given(1), bench.given(2));
    assert!(fills(&first) && fills(&second), "{:?}", bench.effects);
    assert_eq!(bench.assignments(), 2, "the third waits for the fill of its own host");
    bench.look_away();
    bench.reports(1, &first, 1, filled());
    assert_eq!(bench.given(1).1, train(1, Some("a")));
    assert_eq!(bench.given(3).1, train(2, Some("a")));
    assert_eq!(bench.assignments(), 2, "the other host is still at it");
    bench.look_away();
    bench.reports(2, &second, 1, filled());
    assert_eq!(bench.given(2).1, train(3, Some("a")));
}

#[test]
fn a_host_does_not_fill_for_what_others_take_at_once() {
    let rows = vec![row(1, Some("a"))];
    let mut bench = Bench::new(Restored { fills: vec![fill("a", None)], ..restored(rows, 2) });
    for (worker, host) in [(1, "one"), (2, "two")] {
        bench.does(Event::Joined { worker: WorkerId(worker), about: at(host), running: None });
    }
    let first = bench.given(1);
    assert_eq!((fills(&first), bench.assignments()), (true, 1));
    bench.reports(1, &first, 1, filled());
    assert_eq!(bench.given(1).1, train(1, Some("a")));
}

#[test]
fn a_fill_is_called_off_where_another_host_takes_its_trials() {
    let rows = vec![row(1, Some("a")), row(2, Some("a")), row(3, Some("a"))];
    let mut bench = Bench::new(Restored { fills: vec![fill("a", None)], ..restored(rows, 2) });
    for (worker, host) in [(1, "one"), (2, "two")] {
        bench.does(Event::Joined { worker: WorkerId(worker), about: at(host), running: None });
    }
    let (first, second) = (bench.given(1), bench.given(2));
    bench.reports(1, &first, 1, filled());
    for _ in 0..3 {
        let given = bench.given(1);
        bench.trains(1, &given);
    }
    assert_eq!(bench.endings(), [(second.0, None, None)]);
    assert!(bench.told(2, ToWorker::Stop { attempt: AttemptId(second.0) }));
    assert!(bench.scheduler.is_finished());
}

#[test]
fn a_fill_starts_only_where_there_is_time_for_it() {
    let plan = FillPlan { takes: 60_000, ..fill("a", None) };
    for (left, is_fill) in [(60_000, false), (60_001, true)] {
        let mut bench = Bench::new(Restored { fills: vec![plan.clone()], ..restored(vec![row(1, Some("a"))], 1) });
        let about = About { left: Some(left), ..about(build()) };
        bench.does(Event::Joined { worker: WorkerId(1), about, running: None });
        let given = bench.given(1);
        assert_eq!(fills(&given), is_fill, "{left} ms: {given:?}");
        if !is_fill {
            assert_eq!(given.1, train(1, None), "what can be done is done");
        }
    }
}

#[test]
fn who_waits_in_a_queue_has_no_deadline_until_its_turn_comes() {
    let mut bench = queued(2, restored(vec![row(1, None), row(2, None), row(3, None)], 3));
    assert_eq!(bench.launched(), [1, 2], "no more wait at a time");
    bench.look_away();
    bench.passes(10 * Settings::default().start);
    assert_eq!(bench.effects, []);
    bench.does(Event::Began { worker: WorkerId(1) });
    assert_eq!(bench.launched(), [3], "one may wait in its stead");
    bench.look_away();
    bench.passes(Settings::default().start);
    assert_eq!(bench.effects, [Effect::Kill(WorkerId(1))], "it has not connected");
}

#[test]
fn machines_go_back_once_nothing_waits() {
    let mut bench = queued(1, restored(vec![row(1, None), row(2, None)], 2));
    bench.joins(1, None);
    assert_eq!(bench.launched(), [1, 2]);
    let given = bench.given(1);
    bench.trains(1, &given);
    let given = bench.given(1);
    assert!(bench.effects.contains(&Effect::Kill(WorkerId(2))), "it waits in the queue for nothing");
    assert!(!bench.told(1, ToWorker::Drain));
    bench.trains(1, &given);
    assert!(bench.told(1, ToWorker::Drain));
}

#[test]
fn the_least_number_of_machines_is_kept_until_the_last_trial_is_finished() {
    let settings = Settings { backlog: Some(4), least: 2, ..Settings::default() };
    let mut bench = Bench::with(settings, restored(vec![row(1, None), row(2, None), row(3, None)], 4));
    assert_eq!(bench.launched(), [1, 2, 3], "as many as there is work for");
    for worker in [1, 2, 3] {
        bench.joins(worker, None);
    }
    let given = [1, 2, 3].map(|worker| bench.given(worker));
    bench.look_away();
    bench.trains(3, &given[2]);
    assert!(bench.told(3, ToWorker::Drain), "two others are at work");
    bench.look_away();
    bench.trains(2, &given[1]);
    assert!(!bench.told(2, ToWorker::Drain), "it is one of two");
    // Its job's time is over: another one comes in its stead, though nothing waits.
    bench.does(Event::Leaving { worker: WorkerId(2) });
    assert_eq!(bench.launched(), [4]);
    bench.look_away();
    bench.trains(1, &given[0]);
    assert!(bench.scheduler.is_finished());
    assert_eq!(bench.launched(), [0; 0]);
    assert!(bench.effects.contains(&Effect::Kill(WorkerId(4))), "nothing is left");
}

#[test]
fn who_leaves_gets_no_more_work_and_its_trial_is_not_to_blame() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 1));
    bench.joins(1, None);
    let given = bench.given(1);
    bench.does(Event::Leaving { worker: WorkerId(1) });
    bench.look_away();
    bench.reports(1, &given, 1, Report::Stopped);
    assert_eq!((bench.endings(), bench.assignments()), (vec![(given.0, None, Some(TrialState::Waiting))], 0));
    for _ in 0..=Settings::default().failed_starts {
        bench.look_away();
        bench.exits(1);
        assert_eq!(bench.launched(), [1], "however often");
        bench.joins(1, None);
        bench.does(Event::Leaving { worker: WorkerId(1) });
    }
    // And where it cannot say any more that it has stopped.
    let given = bench.given(1);
    bench.exits(1);
    assert_eq!(bench.endings().last(), Some(&(given.0, None, Some(TrialState::Waiting))));
}

#[test]
fn a_process_that_its_engine_ends_is_nobodys_fault_once_it_had_come() {
    let ends = |bench: &mut Bench| {
        let description = "TIMEOUT".to_owned();
        bench.does(Event::Exited { worker: WorkerId(1), is_excused: true, description, log: Vec::new() });
    };
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    for _ in 0..10 {
        bench.joins(1, None);
        ends(&mut bench);
    }
    assert_eq!(bench.launched().len(), 11);
    assert!(bench.endings().iter().all(|(_, kind, state)| kind.is_none() && *state == Some(TrialState::Waiting)));
    for _ in 0..Settings::default().failed_starts {
        ends(&mut bench);
    }
    assert!(bench.scheduler.is_stuck(), "a limit that is too short to begin with is a mistake");
    assert_eq!(bench.scheduler.last_exit(), Some("TIMEOUT"));
}

#[test]
fn only_the_newest_process_has_the_place() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    let seat = |incarnation| Seat { worker: WorkerId(1), incarnation: Incarnation(incarnation) };
    let first = bench.incarnations();
    assert_eq!(bench.scheduler.seat(WorkerId(1)), Some(seat(first[0])));
    bench.exits(1);
    let both = bench.incarnations();
    assert!(both[1] > both[0]);
    assert_eq!(bench.scheduler.seat(WorkerId(1)), Some(seat(both[1])));
    assert_eq!(bench.scheduler.seat(WorkerId(2)), None);
}

#[test]
fn a_guest_works_until_it_leaves_or_falls_silent() {
    let settings = Settings { awaits_guests: true, ..Settings::default() };
    let mut bench = Bench::with(settings, restored(vec![row(1, None), row(2, None)], 0));
    assert!(!bench.scheduler.is_stuck() && !bench.scheduler.is_finished(), "somebody may come");
    let first = bench.admitted();
    let second = bench.admitted();
    assert!(first != second);
    for worker in [first, second] {
        bench.does(Event::Joined { worker, about: at("far"), running: None });
    }
    let (left, lost) = (bench.given(first.0), bench.given(second.0));
    bench.look_away();
    bench.does(Event::Leaving { worker: first });
    bench.reports(first.0, &left, 1, Report::Stopped);
    bench.does(Event::Left { worker: first });
    assert!(bench.effects.contains(&Effect::Dismiss { worker: first, for_good: true }));
    bench.look_away();
    bench.does(Event::Left { worker: second });
    assert_eq!(bench.effects, [], "it may come back");
    bench.passes(Settings::default().lease);
    let ended = (lost.0, Some(FailureKind::WorkerLost), Some(TrialState::Waiting));
    assert_eq!(bench.endings(), [ended]);
    assert!(bench.effects.contains(&Effect::Dismiss { worker: second, for_good: false }));
    assert!(!bench.effects.contains(&Effect::Kill(second)), "nobody here could end it");
    assert_eq!(bench.scheduler.seat(second), None);
    // It comes back and is a new guest: what it did counts for nothing.
    let again = bench.admitted();
    let running = Some(Claim { task: lost.1.key(), attempt: AttemptId(lost.0) });
    bench.does(Event::Joined { worker: again, about: at("far"), running });
    assert!(bench.told(again.0, ToWorker::Stop { attempt: AttemptId(lost.0) }));
}
