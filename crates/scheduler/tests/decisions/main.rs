//! The scheduler's decisions, one by one.

mod bench;
mod elsewhere;

use bench::*;
use frostline_protocol::{Claim, Incarnation, Report, ToWorker, WorkerId};
use frostline_scheduler::{Effect, Event, FillPlan, Restored, RestoredTrial, Settings, Survivor, Task, Time};
use frostline_sweep::outcome::{AttemptId, FailureKind, TrialState};
use frostline_sweep::record::{Build, Record, TaskKey};

#[test]
fn a_fill_comes_before_the_trials_that_need_it() {
    let mut bench = Bench::new(Restored {
        fills: vec![fill("a", None)],
        ..restored(vec![row(1, Some("a")), row(2, Some("a")), row(3, None)], 2)
    });
    bench.joins(1, None);
    let first = bench.given(1);
    assert_eq!(first.1, filling("a", None, 1));
    bench.joins(2, None);
    assert_eq!(bench.given(2).1, train(3, None), "what needs no features need not wait");
    bench.reports(1, &first, 1, filled());
    assert_eq!(bench.given(1).1, train(1, Some("a")));
}

#[test]
fn the_earliest_trial_goes_first_also_before_the_fill_of_a_later_one() {
    let mut bench =
        Bench::new(Restored { fills: vec![fill("a", None)], ..restored(vec![row(1, None), row(2, Some("a"))], 1) });
    assert!(!bench.scheduler.is_finished(), "both wait");
    bench.joins(1, None);
    assert_eq!(bench.given(1).1, train(1, None));
}

#[test]
fn a_trial_that_is_tried_again_does_not_wait_for_a_fill_that_has_ended() {
    for (end, features) in [(filled(), Some("a")), (failed(FailureKind::BadData), None)] {
        let mut bench = Bench::new(Restored { fills: vec![fill("a", None)], ..restored(vec![row(1, Some("a"))], 1) });
        bench.joins(1, None);
        bench.reports(1, &bench.given(1), 1, end);
        let first = bench.given(1);
        bench.reports(1, &first, 1, failed(FailureKind::Internal));
        assert_eq!(bench.given(1), (first.0 + 1, train(1, features)));
    }
}

#[test]
fn workers_without_work_lend_a_fill_their_share() {
    let streams = |rows: Vec<RestoredTrial>, fills: Vec<FillPlan>, workers: u32| {
        let mut bench = Bench::new(Restored { fills, ..restored(rows, workers) });
        bench.joins(1, None);
        match bench.given(1).1 {
            Task::Fill { streams, .. } => streams,
            task => panic!("{task:?} is no fill"),
        }
    };
    let trials =
        |names: &[Option<&str>]| (1..).zip(names).map(|(number, name)| row(number, *name)).collect::<Vec<_>>();
    let chain = || vec![fill("a", None), fill("b", Some("a"))];
    assert_eq!(
        streams(trials(&[Some("a"), Some("b")]), chain(), 4),
        4,
        "all wait for the first, also who is to come"
    );
    assert_eq!(streams(trials(&[Some("a"), None, None]), chain(), 4), 2, "two have trials to train");
    assert_eq!(streams(trials(&[Some("a"), None, None]), chain(), 2), 1);
    let apart = vec![fill("a", None), fill("c", None)];
    assert_eq!(streams(trials(&[Some("a"), Some("c")]), apart, 3), 2, "one has another fill");
}

#[test]
fn a_chain_of_fills_is_worked_off_from_its_start() {
    let mut bench = Bench::new(Restored {
        fills: vec![fill("a", None), fill("b", Some("a"))],
        ..restored(vec![row(1, Some("b"))], 2)
    });
    bench.joins(1, None);
    let first = bench.given(1);
    assert_eq!(first.1, filling("a", None, 2));
    bench.joins(2, None);
    assert_eq!(bench.assignments(), 1, "the second fill starts from the first");
    bench.reports(1, &first, 1, filled());
    let second = bench.given(1);
    assert_eq!(second.1, filling("b", Some("a"), 2));
    bench.reports(1, &second, 1, filled());
    assert_eq!(bench.given(1).1, train(1, Some("b")));
}

#[test]
fn a_fill_that_fails_lets_its_trials_go_without() {
    let mut bench = Bench::new(Restored { fills: vec![fill("a", None)], ..restored(vec![row(1, Some("a"))], 1) });
    bench.joins(1, None);
    let first = bench.given(1);
    bench.reports(1, &first, 1, failed(FailureKind::BadData));
    assert_eq!(bench.given(1).1, train(1, None));
    bench.trains(1, &bench.given(1));
    assert_eq!(bench.state(1), TrialState::Complete);
    assert!(bench.scheduler.is_finished());
}

#[test]
fn a_fill_that_fails_leaves_its_trials_the_features_before() {
    let mut bench = Bench::new(Restored {
        fills: vec![fill("a", None), fill("b", Some("a"))],
        ..restored(vec![row(1, Some("b"))], 1)
    });
    bench.joins(1, None);
    let first = bench.given(1);
    bench.reports(1, &first, 1, filled());
    let second = bench.given(1);
    assert_eq!(second.1, filling("b", Some("a"), 1));
    bench.reports(1, &second, 1, failed(FailureKind::Internal));
    assert_eq!(bench.given(1).1, train(1, Some("a")));
}

#[test]
fn a_fill_is_given_up_once_it_has_lost_two_workers() {
    let mut bench = Bench::new(Restored { fills: vec![fill("a", None)], ..restored(vec![row(1, Some("a"))], 1) });
    for _ in 0..2 {
        bench.joins(1, None);
        assert_eq!(bench.given(1).1, filling("a", None, 1));
        bench.exits(1);
    }
    bench.joins(1, None);
    assert_eq!(bench.given(1).1, train(1, None));
}

#[test]
fn a_fill_whose_memory_ran_out_takes_fewer_images_at_a_time_and_is_given_up_at_last() {
    let plan = FillPlan { portion: 4, ..fill("a", None) };
    let mut bench = Bench::new(Restored { fills: vec![plan], ..restored(vec![row(1, Some("a"))], 1) });
    for micro_batch in [None, Some(2), Some(1)] {
        bench.joins(1, None);
        let given = bench.given(1);
        assert_eq!(given.1, Task::Fill { key: key("a"), from: None, streams: 1, micro_batch });
        bench.reports(1, &given, 1, failed(FailureKind::OutOfMemory));
        bench.exits(1);
    }
    bench.joins(1, None);
    assert_eq!(bench.given(1).1, train(1, None));
}

#[test]
fn a_trial_may_lose_two_workers_and_not_a_third() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 1));
    for lost in 1..=3 {
        bench.joins(1, None);
        assert_eq!(bench.given(1).1, train(1, None));
        bench.look_away();
        // Silence counts as an end does.
        if lost == 2 {
            bench.does(Event::Left { worker: WorkerId(1) });
            bench.passes(Settings::default().lease);
            assert!(bench.effects.contains(&Effect::Kill(WorkerId(1))));
        }
        bench.exits(1);
        let state = if lost < 3 { TrialState::Waiting } else { TrialState::Failed };
        assert_eq!(bench.endings(), [(9 + lost, Some(FailureKind::WorkerLost), Some(state))]);
    }
    bench.joins(1, None);
    assert_eq!(bench.given(1).1, train(2, None), "a trial that kills its workers does not end the sweep");
}

#[test]
fn an_internal_error_is_tried_again_once() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.joins(1, None);
    let first = bench.given(1);
    bench.reports(1, &first, 1, failed(FailureKind::Internal));
    let second = bench.given(1);
    assert_ne!(first.0, second.0);
    bench.reports(1, &second, 1, failed(FailureKind::Internal));
    assert_eq!(bench.state(1), TrialState::Failed);
    assert!(bench.scheduler.is_finished());
}

#[test]
fn a_trial_that_diverges_is_not_tried_again() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.joins(1, None);
    let given = bench.given(1);
    bench.reports(1, &given, 1, epoch(1));
    bench.reports(1, &given, 2, failed(FailureKind::Diverged));
    assert_eq!(bench.state(1), TrialState::Failed);
    assert!(bench.told(1, ToWorker::Acknowledge { attempt: AttemptId(given.0), number: 2 }));
}

#[test]
fn workers_that_bring_nothing_are_given_up() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    for _ in 0..Settings::default().failed_starts {
        assert_eq!(bench.launched(), [1]);
        assert!(!bench.scheduler.is_stuck());
        bench.look_away();
        bench.exits(1);
    }
    assert!(bench.launched().is_empty());
    assert!(bench.scheduler.is_stuck() && bench.scheduler.is_finished());
    assert_eq!(bench.scheduler.last_exit(), Some("signal: 9: the last line"));
    assert_eq!(bench.state(1), TrialState::Waiting, "it is not the trial's fault");
}

/// We kill it, and "signal: 9" would read as if memory had run out.
#[test]
fn a_worker_that_never_connects_is_said_to_have_never_connected() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    for _ in 0..Settings::default().failed_starts {
        bench.passes(Settings::default().start);
        bench.exits(1);
    }
    assert!(bench.scheduler.is_stuck());
    assert_eq!(bench.scheduler.last_exit(), Some("no connection within 120 s: the last line"));
}

#[test]
fn a_sweep_whose_trials_have_all_ended_is_not_stuck_without_workers() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    (0..Settings::default().failed_starts).for_each(|_| bench.exits(1));
    assert!(bench.scheduler.is_stuck());
    bench.does(Event::Cancel { trials: vec![trial(1)] });
    assert!(!bench.scheduler.is_stuck() && bench.scheduler.is_finished());
}

#[test]
fn a_result_makes_good_for_the_processes_that_ended_before_it() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 1));
    let too_few = Settings::default().failed_starts - 1;
    (0..too_few).for_each(|_| bench.exits(1));
    bench.joins(1, None);
    bench.trains(1, &bench.given(1));
    (0..too_few).for_each(|_| bench.exits(1));
    assert!(!bench.scheduler.is_stuck());
    bench.exits(1);
    assert!(bench.scheduler.is_stuck());
}

#[test]
fn the_end_of_a_process_that_was_to_end_is_no_failed_start() {
    let survivors = [(WorkerId(1), Survivor { incarnation: Incarnation(3), is_queued: false })].into();
    let mut bench = Bench::new(Restored { survivors, ..restored(vec![row(1, None)], 1) });
    bench.exits(1);
    assert_eq!(bench.scheduler.last_exit(), None, "an earlier coordinator may have told it to leave");

    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.joins(1, None);
    bench.does(Event::Drain);
    bench.exits(1);
    assert_eq!(bench.scheduler.last_exit(), None, "it was told to leave");
}

#[test]
fn a_worker_that_does_not_connect_in_time_is_ended_and_started_again() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    let start = Settings::default().start;
    assert_eq!(bench.scheduler.next_deadline(), Some(Time(start)));
    bench.look_away();
    bench.passes(start);
    assert_eq!(bench.effects, [Effect::Kill(WorkerId(1))]);
    bench.exits(1);
    assert_eq!(bench.launched(), [1]);
}

#[test]
fn a_drain_lets_epochs_end_and_cuts_off_what_takes_longer() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None), row(3, None)], 3));
    bench.joins(1, None);
    bench.joins(2, None);
    let (first, second) = (bench.given(1), bench.given(2));
    bench.look_away();
    bench.does(Event::Drain);
    assert!(bench.told(1, ToWorker::Drain) && bench.told(2, ToWorker::Drain));
    assert!(bench.effects.contains(&Effect::Kill(WorkerId(3))), "nothing is lost with a worker that only starts");
    bench.reports(1, &first, 1, epoch(1));
    bench.reports(1, &first, 2, Report::Stopped);
    assert!(!bench.scheduler.is_finished());
    bench.passes(Settings::default().drain);
    assert!(bench.effects.contains(&Effect::Kill(WorkerId(2))));
    assert_eq!(
        bench.endings(),
        [(first.0, None, Some(TrialState::Waiting)), (second.0, None, Some(TrialState::Waiting))]
    );
    assert!(bench.scheduler.is_finished());
    assert_eq!(bench.assignments(), 0);
}

#[test]
fn a_drain_is_due_as_long_as_something_runs() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.joins(1, None);
    bench.does(Event::Drain);
    let Settings { drain, lease, .. } = Settings::default();
    assert_eq!(bench.scheduler.next_deadline(), Some(Time(drain)));
    bench.reports(1, &bench.given(1), 1, Report::Stopped);
    assert_eq!(bench.scheduler.next_deadline(), Some(Time(lease)), "only its silence would be an event");
}

#[test]
fn a_drain_leaves_a_survivor_the_time_to_come_back_and_end_its_epoch() {
    let mut running = row(1, None);
    running.state = TrialState::Running;
    running.running = Some((AttemptId(5), WorkerId(1), 0));
    let survivors = [(WorkerId(1), Survivor { incarnation: Incarnation(3), is_queued: false })].into();
    let mut bench = Bench::new(Restored { survivors, ..restored(vec![running], 1) });
    bench.does(Event::Drain);
    assert!(!bench.effects.contains(&Effect::Kill(WorkerId(1))));
    let given = (5, train(1, None));
    bench.joins(1, Some(Claim { task: given.1.key(), attempt: AttemptId(5) }));
    assert!(bench.told(1, ToWorker::Drain));
    bench.reports(1, &given, 1, epoch(1));
    assert_eq!(bench.scheduler.running().map(|(_, _, reported)| reported).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_waiting_trial_is_cancelled_at_once() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 1));
    bench.look_away();
    bench.does(Event::Cancel { trials: vec![trial(1)] });
    let cancelled = Record::State { trial: trial(1), state: TrialState::Cancelled };
    assert_eq!(bench.effects, [Effect::Record(cancelled)]);
    bench.joins(1, None);
    assert_eq!(bench.given(1).1, train(2, None));
}

#[test]
fn a_running_trial_that_is_cancelled_is_fenced_and_its_worker_free() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 1));
    bench.joins(1, None);
    let given = bench.given(1);
    bench.look_away();
    bench.does(Event::Cancel { trials: vec![trial(1)] });
    assert_eq!(bench.endings(), [(given.0, None, Some(TrialState::Cancelled))]);
    assert!(bench.told(1, ToWorker::Stop { attempt: AttemptId(given.0) }));
    assert_eq!(bench.given(1).1, train(2, None));
    assert_eq!(bench.scheduler.stale(), 0);
    bench.reports(1, &given, 1, epoch(1));
    assert_eq!((bench.scheduler.stale(), bench.scheduler.breaches()), (1, 0));
    let states = [(trial(1), TrialState::Cancelled), (trial(2), TrialState::Running)];
    assert!(bench.scheduler.states().eq(states), "in the order of the sweep");
}

#[test]
fn a_fill_stops_when_the_last_trial_that_waits_for_it_is_cancelled() {
    let mut bench = Bench::new(Restored {
        fills: vec![fill("a", None)],
        ..restored(vec![row(1, Some("a")), row(2, Some("a"))], 1)
    });
    bench.joins(1, None);
    let given = bench.given(1);
    assert_eq!(given.1, filling("a", None, 1));
    bench.look_away();
    let stop = || ToWorker::Stop { attempt: AttemptId(given.0) };
    bench.does(Event::Cancel { trials: vec![trial(1)] });
    assert!(!bench.told(1, stop()), "the second one waits for it still");
    bench.does(Event::Cancel { trials: vec![trial(2)] });
    assert!(bench.told(1, stop()));
    assert_eq!(bench.endings(), [(given.0, None, None)]);
    assert!(bench.scheduler.is_finished(), "nobody waits for anything");
    bench.reports(1, &given, 1, filled());
    assert_eq!(bench.scheduler.stale(), 1, "what comes of it is late");
}

#[test]
fn a_fill_goes_on_for_trials_that_wait_for_one_that_starts_from_it() {
    let chain = vec![fill("a", None), fill("b", Some("a")), fill("c", None)];
    let trials = vec![row(1, Some("a")), row(2, Some("b")), row(3, Some("c")), row(4, None)];
    let mut bench = Bench::new(Restored { fills: chain, ..restored(trials, 2) });
    bench.joins(1, None);
    bench.joins(2, None);
    let (first, other) = (bench.given(1), bench.given(2));
    assert_eq!((first.1.clone(), other.1.clone()), (filling("a", None, 1), filling("c", None, 1)));
    bench.look_away();
    bench.does(Event::Cancel { trials: vec![trial(1), trial(3)] });
    assert_eq!(bench.endings(), [(other.0, None, None)]);
    assert!(bench.told(2, ToWorker::Stop { attempt: AttemptId(other.0) }));
    assert_eq!(bench.given(2).1, train(4, None), "its worker is free");
    bench.reports(1, &first, 1, filled());
    assert_eq!(bench.given(1).1, filling("b", Some("a"), 1));
}

#[test]
fn only_what_a_worker_was_given_last_is_current() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 2));
    bench.joins(1, None);
    bench.joins(2, None);
    let (first, second) = (bench.given(1), bench.given(2));
    let claim = |given: &(u64, Task)| Claim { task: given.1.key(), attempt: AttemptId(given.0) };
    let current = |bench: &Bench, worker: u32, claim: &Claim| bench.scheduler.is_current(WorkerId(worker), claim);
    assert!(current(&bench, 1, &claim(&first)) && current(&bench, 2, &claim(&second)));
    assert!(!current(&bench, 2, &claim(&first)), "another worker's");
    assert!(!current(&bench, 1, &Claim { task: second.1.key(), attempt: AttemptId(first.0) }), "of another trial");
    bench.does(Event::Cancel { trials: vec![trial(1)] });
    assert!(!current(&bench, 1, &claim(&first)), "given up");
}

#[test]
fn an_attempt_for_another_sweep_ends_where_the_trial_is_cancelled() {
    let mut cancelled = row(1, None);
    cancelled.state = TrialState::Cancelled;
    cancelled.running = Some((AttemptId(5), WorkerId(1), 1));
    let survivors = [(WorkerId(1), Survivor { incarnation: Incarnation(3), is_queued: false })].into();
    let mut bench = Bench::new(Restored { survivors, ..restored(vec![cancelled, row(2, None)], 1) });
    assert_eq!(bench.endings(), [(5, None, Some(TrialState::Waiting))], "it waits, for the other sweep");
    assert_eq!(bench.state(1), TrialState::Cancelled);
    let claim = Claim { task: TaskKey::Trial(trial(1)), attempt: AttemptId(5) };
    bench.joins(1, Some(claim));
    assert!(bench.told(1, ToWorker::Stop { attempt: AttemptId(5) }));
    assert_eq!(bench.given(1).1, train(2, None));
}

#[test]
fn a_survivor_goes_on_where_it_was() {
    let mut running = row(1, None);
    running.state = TrialState::Running;
    running.running = Some((AttemptId(5), WorkerId(1), 1));
    let survivors = [(WorkerId(1), Survivor { incarnation: Incarnation(3), is_queued: false })].into();
    let mut bench = Bench::new(Restored { survivors, ..restored(vec![running], 2) });
    let launch = Effect::Launch { worker: WorkerId(1), incarnation: Incarnation(3) };
    assert_eq!(bench.effects, [launch], "the launcher takes it over; nothing else is to do");
    let given = (5, train(1, None));
    bench.joins(1, Some(Claim { task: given.1.key(), attempt: AttemptId(5) }));
    bench.look_away();
    bench.reports(1, &given, 1, epoch(1));
    assert_eq!(
        bench.effects,
        [Effect::Tell { worker: WorkerId(1), message: ToWorker::Acknowledge { attempt: AttemptId(5), number: 1 } }]
    );
    bench.reports(1, &given, 2, epoch(2));
    bench.reports(1, &given, 3, complete());
    assert_eq!(bench.state(1), TrialState::Complete);
}

#[test]
fn what_no_survivor_runs_waits_again() {
    let mut running = row(1, None);
    running.state = TrialState::Running;
    running.running = Some((AttemptId(5), WorkerId(1), 1));
    let mut bench = Bench::new(restored(vec![running], 1));
    assert_eq!(bench.endings(), [(5, None, Some(TrialState::Waiting))]);
    bench.joins(1, None);
    assert_eq!(bench.given(1), (10, train(1, None)));
}

#[test]
fn a_survivor_that_was_told_to_leave_costs_its_next_trial_nothing() {
    let survivors = [(WorkerId(1), Survivor { incarnation: Incarnation(3), is_queued: false })].into();
    let mut bench = Bench::new(Restored { survivors, ..restored(vec![row(1, None)], 1) });
    for _ in 0..2 {
        bench.joins(1, None);
        bench.exits(1);
    }
    assert_eq!(
        bench.endings(),
        [
            (10, None, Some(TrialState::Waiting)),
            // The second process is this coordinator's own, and nobody told it to leave.
            (11, Some(FailureKind::WorkerLost), Some(TrialState::Waiting)),
        ]
    );
}

#[test]
fn an_assignment_that_got_lost_is_no_failure() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.joins(1, None);
    bench.does(Event::Left { worker: WorkerId(1) });
    bench.joins(1, None);
    assert_eq!(bench.endings(), [(10, None, Some(TrialState::Waiting))]);
    assert_eq!(bench.given(1), (11, train(1, None)));
}

#[test]
fn a_worker_goes_on_only_with_the_very_task_of_its_own_attempt() {
    let about_another_trial = Claim { task: train(2, None).key(), attempt: AttemptId(10) };
    let of_another_worker = Claim { task: train(2, None).key(), attempt: AttemptId(11) };
    for claim in [about_another_trial, of_another_worker] {
        let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 2));
        bench.joins(1, None);
        bench.joins(2, None);
        bench.does(Event::Left { worker: WorkerId(1) });
        bench.look_away();
        let attempt = claim.attempt;
        bench.joins(1, Some(claim));
        assert_eq!(bench.endings(), [(10, None, Some(TrialState::Waiting))]);
        assert!(bench.told(1, ToWorker::Stop { attempt }));
        assert_eq!(bench.given(1), (12, train(1, None)));
    }
}

#[test]
fn a_stale_report_changes_nothing_and_its_worker_is_told_to_stop() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 2));
    bench.joins(1, None);
    let given = bench.given(1);
    bench.does(Event::Left { worker: WorkerId(1) });
    bench.passes(Settings::default().lease);
    bench.look_away();
    bench.reports(1, &given, 1, epoch(1));
    assert_eq!(
        bench.effects,
        [Effect::Tell { worker: WorkerId(1), message: ToWorker::Stop { attempt: AttemptId(given.0) } }]
    );
    assert_eq!(bench.scheduler.stale(), 1);
    bench.look_away();
    bench.joins(1, Some(Claim { task: given.1.key(), attempt: AttemptId(given.0) }));
    assert_eq!(bench.effects, [Effect::Tell { worker: WorkerId(1), message: ToWorker::Drain }]);
}

#[test]
fn an_attempt_whose_worker_breaks_the_protocol_ends() {
    let skipped = (2, epoch(2), train(1, None));
    let too_early = (1, complete(), train(1, None));
    let wrong_epoch = (1, epoch(2), train(1, None));
    let about_another = (1, epoch(1), train(2, None));
    let skipped_failure = (2, failed(FailureKind::Diverged), train(1, None));
    let skipped_stop = (2, Report::Stopped, train(1, None));
    let wrong = [skipped, too_early, wrong_epoch, about_another, skipped_failure, skipped_stop];
    for (number, report, task) in wrong {
        let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 1));
        bench.joins(1, None);
        let (attempt, _) = bench.given(1);
        bench.look_away();
        bench.reports(1, &(attempt, task), number, report);
        assert_eq!(bench.endings(), [(attempt, Some(FailureKind::Internal), Some(TrialState::Waiting))]);
        assert!(bench.told(1, ToWorker::Stop { attempt: AttemptId(attempt) }));
    }
    let mut bench = Bench::new(Restored { fills: vec![fill("a", None)], ..restored(vec![row(1, Some("a"))], 1) });
    bench.joins(1, None);
    bench.reports(1, &bench.given(1), 2, filled());
    assert_eq!(bench.endings(), [(10, Some(FailureKind::Internal), None)]);
}

#[test]
fn another_worker_cannot_report_for_an_attempt() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 2));
    bench.joins(1, None);
    bench.joins(2, None);
    let (first, second) = (bench.given(1), bench.given(2));
    bench.look_away();
    bench.reports(2, &first, 1, epoch(1));
    assert!(!bench.effects.iter().any(|effect| matches!(effect, Effect::Record(_))));
    assert_eq!(bench.scheduler.running().map(|(_, _, reported)| reported).collect::<Vec<_>>(), [0, 0]);
    bench.trains(1, &first);
    bench.trains(2, &second);
    assert!(bench.scheduler.is_finished());
}

#[test]
fn only_as_many_workers_are_started_as_have_something_to_do() {
    assert_eq!(Bench::new(restored(vec![row(1, None), row(2, None)], 4)).launched(), [1, 2]);
    assert_eq!(Bench::new(restored((1..=9).map(|number| row(number, None)).collect(), 4)).launched(), [1, 2, 3, 4]);
    let fills = vec![fill("a", None)];
    let trials = (1..=9).map(|number| row(number, Some("a"))).collect();
    let mut bench = Bench::new(Restored { fills, ..restored(trials, 4) });
    assert_eq!(bench.launched(), [1], "until the fill is done, there is one thing to do");
    bench.joins(1, None);
    assert_eq!(bench.launched(), [1], "and one worker does it");
    bench.reports(1, &bench.given(1), 1, filled());
    assert_eq!(bench.launched(), [1, 2, 3, 4]);
    let unwanted = Restored { fills: vec![fill("a", None)], ..restored(vec![row(1, None)], 4) };
    assert_eq!(Bench::new(unwanted).launched(), [1], "nobody waits for the fill");
    assert!(Bench::new(restored(Vec::new(), 4)).scheduler.is_finished());
}

#[test]
fn records_of_an_attempt_begin_before_it_is_given_out() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.look_away();
    bench.joins(1, None);
    let task = TaskKey::Trial(trial(1));
    let started =
        Record::Started { attempt: AttemptId(10), task, worker: 1, build: build(), micro_batch: None, start: None };
    let assign = Effect::Assign { worker: WorkerId(1), attempt: AttemptId(10), task: train(1, None) };
    assert_eq!(bench.effects, [Effect::Record(started), assign]);
}

#[test]
fn a_report_that_is_not_due_closes_its_connection_and_is_counted() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.joins(1, None);
    let given = bench.given(1);
    bench.look_away();
    // The second epoch before the first.
    bench.reports(1, &given, 2, epoch(2));
    assert!(bench.effects.contains(&Effect::Disconnect(WorkerId(1))));
    assert_eq!(bench.endings(), [(given.0, Some(FailureKind::Internal), Some(TrialState::Waiting))]);
    assert_eq!(bench.scheduler.breaches(), 1);
    let due = "worker 1 broke the protocol: report 2 (an epoch) where report 1 of a task of 2 epochs was due";
    assert_eq!(bench.complaints(), [due]);
    bench.does(Event::Left { worker: WorkerId(1) });
    bench.joins(1, Some(Claim { task: given.1.key(), attempt: AttemptId(given.0) }));
    assert!(bench.told(1, ToWorker::Stop { attempt: AttemptId(given.0) }), "what it still holds is fenced");
    bench.trains(1, &bench.given(1));
    assert_eq!(bench.state(1), TrialState::Complete);
}

#[test]
fn a_trial_whose_memory_ran_out_takes_fewer_images_at_a_time_and_at_last_fails() {
    let divisible = RestoredTrial { divisible: Some(4), ..row(1, None) };
    let mut bench = Bench::new(restored(vec![divisible, row(2, None)], 1));
    bench.joins(1, None);
    let image_counts = [None, Some(2), Some(1)];
    for (place, images) in image_counts.into_iter().enumerate() {
        let given = bench.given(1);
        assert_eq!(given.1, Task::Train { trial: trial(1), features: None, micro_batch: images });
        let recorded = bench.effects.iter().rev().find_map(|effect| match effect {
            Effect::Record(Record::Started { micro_batch, .. }) => Some(*micro_batch),
            _ => None,
        });
        assert_eq!(recorded, Some(images));
        bench.reports(1, &given, 1, failed(FailureKind::OutOfMemory));
        let state = if place + 1 < image_counts.len() { TrialState::Waiting } else { TrialState::Failed };
        assert_eq!(bench.state(1), state);
        assert!(bench.effects.contains(&Effect::Kill(WorkerId(1))), "another process has all of the memory");
        bench.look_away();
        bench.exits(1);
        bench.joins(1, None);
    }
    bench.reports(1, &bench.given(1), 1, failed(FailureKind::OutOfMemory));
    assert_eq!(bench.state(2), TrialState::Failed, "a batch that cannot be taken in pieces fails at once");
}

#[test]
fn a_process_that_ended_for_want_of_memory_says_so() {
    let divisible = RestoredTrial { divisible: Some(4), ..row(1, None) };
    let mut bench = Bench::new(restored(vec![divisible], 1));
    bench.joins(1, None);
    let log = vec!["memory allocation of 1440338 bytes failed".to_owned()];
    bench.does(Event::Exited { worker: WorkerId(1), is_excused: false, description: "signal: 6".to_owned(), log });
    assert_eq!(bench.endings(), [(10, Some(FailureKind::OutOfMemory), Some(TrialState::Waiting))]);
    bench.joins(1, None);
    assert_eq!(bench.given(1).1, Task::Train { trial: trial(1), features: None, micro_batch: Some(2) });
}

#[test]
fn a_worker_that_is_heard_and_makes_no_step_is_ended() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.joins(1, None);
    let Settings { stall, lease, .. } = Settings::default();
    // Its process says that it lives, until just before its time is over.
    for _ in 0..(stall - 1) / (lease / 2) {
        bench.now += lease / 2;
        bench.does(Event::Heard { worker: WorkerId(1) });
    }
    assert_eq!(bench.endings(), []);
    bench.now = stall;
    bench.does(Event::Heard { worker: WorkerId(1) });
    assert!(bench.effects.contains(&Effect::Kill(WorkerId(1))));
    assert_eq!(bench.endings(), [(10, Some(FailureKind::WorkerLost), Some(TrialState::Waiting))]);
    assert_eq!(bench.complaints(), ["the worker lived, but made no step for 600 s (`workers.stall`)"]);
}

#[test]
fn a_worker_that_says_nothing_is_ended_and_the_attempt_says_so() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.joins(1, None);
    bench.passes(Settings::default().lease - 1);
    assert_eq!(bench.endings(), []);
    bench.passes(1);
    assert!(bench.effects.contains(&Effect::Kill(WorkerId(1))));
    assert_eq!(bench.complaints(), ["the worker said nothing for 20 s"]);
}

#[test]
fn a_worker_may_take_ten_times_the_longest_step_so_far() {
    let mut bench = Bench::new(restored(vec![row(1, None)], 1));
    bench.joins(1, None);
    let Settings { stall, .. } = Settings::default();
    let slow = stall / 2;
    bench.now += slow;
    bench.does(Event::Stepped { worker: WorkerId(1) });
    bench.now += 10 * slow - 1;
    bench.does(Event::Heard { worker: WorkerId(1) });
    assert_eq!(bench.endings(), []);
    bench.now += 1;
    bench.does(Event::Heard { worker: WorkerId(1) });
    assert_eq!(bench.endings(), [(10, Some(FailureKind::WorkerLost), Some(TrialState::Waiting))]);
}

#[test]
fn a_process_whose_gpu_failed_is_replaced_and_a_gpu_that_fails_twice_in_a_row_is_out_of_service() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None), row(3, None)], 2));
    let joins = |bench: &mut Bench, worker: u32, device: &str| {
        let build = Build { device: device.to_owned(), ..build() };
        bench.does(Event::Joined { worker: WorkerId(worker), about: about(build), running: None });
    };
    joins(&mut bench, 1, "cuda:0");
    joins(&mut bench, 2, "cuda:1");
    let first = bench.given(1);
    bench.reports(1, &first, 1, failed(FailureKind::Device));
    assert!(bench.effects.contains(&Effect::Kill(WorkerId(1))), "nothing more comes of this process");
    assert_eq!(bench.endings(), [(10, Some(FailureKind::Device), Some(TrialState::Waiting))]);
    bench.look_away();
    bench.exits(1);
    assert_eq!(bench.launched(), [1], "once is an accident");

    // The other GPU takes the trial that failed, so that this one fails with another.
    bench.trains(2, &(11, train(2, None)));
    let second = bench.given(2);
    assert_eq!(second.1, train(1, None));
    joins(&mut bench, 1, "cuda:0");
    let third = bench.given(1);
    assert_eq!(third.1, train(3, None));
    bench.look_away();
    bench.reports(1, &third, 1, failed(FailureKind::Device));
    bench.exits(1);
    assert_eq!(bench.launched(), [0; 0], "it is out of service");
    let said = bench.scheduler.last_exit().expect("a reason");
    assert!(said.starts_with("cuda:0 failed for 2 tasks in a row and is out of service"), "{said}");
    bench.trains(2, &second);
    let last = bench.given(2);
    assert_eq!(last.1, train(3, None), "the other one goes on");
}

#[test]
fn processes_that_died_of_their_gpu_take_it_out_of_service() {
    let mut bench = Bench::new(restored(vec![row(1, None), row(2, None)], 2));
    bench.joins(1, None);
    bench.joins(2, None);
    bench.look_away();
    for worker in [1, 2] {
        let log = vec!["  what():  CUDA error: an illegal memory access was encountered".to_owned()];
        bench.does(Event::Exited {
            worker: WorkerId(worker),
            is_excused: false,
            description: "signal: 6".to_owned(),
            log,
        });
    }
    let lost = |attempt| (attempt, Some(FailureKind::Device), Some(TrialState::Waiting));
    assert_eq!(bench.endings(), [lost(10), lost(11)]);
    assert_eq!(bench.launched(), [1], "the first one was an accident, the second takes the GPU out of service");
    let said = bench.scheduler.last_exit().expect("a reason");
    assert!(said.starts_with("t failed for 2 tasks in a row and is out of service (  what():"), "{said}");
}
