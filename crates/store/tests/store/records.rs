//! What `apply` writes, what is read back, and what it refuses.

use crate::fixture::{
    Results, build, completed, epoch, evaluation, failed, failure, life, metrics, right, started, started_from,
    sweep, trial,
};
use frostline_store::{FILE, StoreError};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::{AttemptId, AttemptOutcome, EpochMetrics, Evaluation, FailureKind, TrialState};
use frostline_sweep::record::{Ending, Record, Start, TaskKey};
use frostline_sweep::reuse::Estimate;
use frostline_sweep::trial::TrialId;

fn fill(attempt: u64) -> Record {
    let task = TaskKey::Fill(FeatureKey("ab".repeat(16)));
    Record::Started { attempt: AttemptId(attempt), task, worker: 0, build: build(), micro_batch: None, start: None }
}

fn filled(attempt: u64) -> Record {
    Record::Filled { attempt: AttemptId(attempt), bytes: 1 << 40, seconds: 3.5, computed: true }
}

fn ended(attempt: u64, ending: Ending, trial: Option<(TrialId, TrialState)>) -> Record {
    Record::Ended { attempt: AttemptId(attempt), ending, trial }
}

#[test]
fn the_life_of_a_trial() {
    let (mut results, trials) = Results::with_trials(2);
    let id = trials[0].id;
    assert_eq!(results.state(0), TrialState::Waiting);

    results.writer.apply("demo", &[started(1, id), epoch(1, id, 1)]).unwrap();
    let row = &results.writer.reader().trials("demo").unwrap()[0];
    assert_eq!((row.state, row.attempts, row.last.clone()), (TrialState::Running, 1, Some(metrics(1))));
    let running = results.writer.reader().restore("demo").unwrap()[0].running.unwrap();
    assert_eq!((running.attempt, running.worker, running.epochs), (AttemptId(1), 3, 1));

    results.writer.apply("demo", &[failed(1, id, FailureKind::Diverged, TrialState::Waiting)]).unwrap();
    let restored = &results.writer.reader().restore("demo").unwrap()[0];
    assert_eq!(restored.state, TrialState::Waiting);
    assert_eq!(restored.failures, [FailureKind::Diverged]);
    assert_eq!(restored.running, None);

    results.writer.apply("demo", &[started(2, id)]).unwrap();
    let row = &results.writer.reader().trials("demo").unwrap()[0];
    assert_eq!(row.last, None, "the newest attempt has measured nothing");
    results.writer.apply("demo", &[epoch(2, id, 1), epoch(2, id, 2), completed(2, id)]).unwrap();

    let detail = results.writer.reader().find_trial(&id.to_string()).unwrap();
    assert_eq!(detail.row, results.writer.reader().trials("demo").unwrap()[0]);
    assert_eq!(detail.sweeps, ["demo"]);
    let row = detail.row;
    assert_eq!((row.trial, row.group, &row.spec), (id, trials[0].group, &trials[0].spec));
    assert_eq!((row.state, row.position, row.attempts), (TrialState::Complete, 0, 2));
    assert_eq!((row.last, row.evaluation), (Some(metrics(2)), Some(evaluation())));
    assert_eq!(row.failure, Some((FailureKind::Diverged, failure(FailureKind::Diverged).message)));

    let [first, second] = &detail.attempts[..] else { panic!("{:?}", detail.attempts) };
    assert_eq!((first.outcome, first.epochs), (AttemptOutcome::Failed, 1));
    assert_eq!(first.failure, Some(failure(FailureKind::Diverged)));
    assert_eq!((second.outcome, second.epochs), (AttemptOutcome::Complete, 2));
    assert_eq!((&second.build, second.worker, second.attempt), (&build(), 3, AttemptId(2)));
    assert_eq!(second.failure, None);
    assert!(first.started_at > 1.7e9 && first.ended_at.unwrap() >= first.started_at);

    assert_eq!(results.writer.reader().epochs(AttemptId(2)).unwrap(), [metrics(1), metrics(2)]);
    assert_eq!(results.writer.reader().epochs(AttemptId(9)).unwrap(), []);
    assert_eq!(results.state(1), TrialState::Waiting, "the other trial is untouched");
}

#[test]
fn which_images_are_right_is_kept_apart_from_the_trial() {
    let (mut results, trials) = Results::with_trials(2);
    let (answered, silent) = (trials[0].id, trials[1].id);
    let evaluation = Evaluation { right: Some(right()), ..evaluation() };
    let completed = Record::Completed { attempt: AttemptId(1), trial: answered, evaluation };
    let records = [started(1, answered), epoch(1, answered, 1), epoch(1, answered, 2), completed];
    results.writer.apply("demo", &records).unwrap();
    results.writer.apply("demo", &life(2, silent)).unwrap();
    let reader = results.writer.reader();
    assert_eq!(reader.right(&[silent, answered]).unwrap(), [None, Some(right())]);
    assert_eq!(reader.trials("demo").unwrap()[0].evaluation.as_ref().unwrap().right, None);
    assert_eq!(reader.verify(None).unwrap().findings, []);
}

#[test]
fn what_an_attempt_starts_from_is_recorded_while_it_runs() {
    let (mut results, trials) = Results::with_trials(1);
    let id = trials[0].id;
    let estimate = Some(Estimate { seconds: 20.0, without: 90.0 });
    results.writer.apply("demo", &[started_from(1, id, Start { cut: 128, estimate })]).unwrap();
    let attempt = &results.writer.reader().find_trial(&id.to_string()).unwrap().attempts[0];
    assert_eq!(attempt.cut, Some(128));
    assert_eq!(attempt.estimate, estimate);
    results.writer.apply("demo", &[failed(1, id, FailureKind::WorkerLost, TrialState::Waiting)]).unwrap();
    results.writer.apply("demo", &[started_from(2, id, Start { cut: 0, estimate: None })]).unwrap();
    let attempt = &results.writer.reader().find_trial(&id.to_string()).unwrap().attempts[1];
    assert_eq!((attempt.cut, attempt.estimate), (Some(0), None));
}

#[test]
fn the_time_of_a_trial_is_the_sum_over_its_epochs() {
    let (mut results, trials) = Results::with_trials(1);
    let id = trials[0].id;
    // The second attempt found the first epoch in a checkpoint: it took no longer than the rest.
    let evaluation = Evaluation { seconds: 13.0, ..evaluation() };
    let completed = Record::Completed { attempt: AttemptId(2), trial: id, evaluation };
    let interrupted = ended(1, Ending::Interrupted, Some((id, TrialState::Waiting)));
    let first = [started(1, id), epoch(1, id, 1), interrupted];
    let second = [started(2, id), epoch(2, id, 1), epoch(2, id, 2), completed];
    results.writer.apply("demo", &[&first[..], &second[..]].concat()).unwrap();
    let row = results.writer.reader().trials("demo").unwrap().remove(0);
    assert_eq!(row.evaluation.unwrap().seconds, 2.0 * metrics(1).seconds);
}

#[test]
fn numbers_that_are_none_survive() {
    let (mut results, trials) = Results::with_trials(1);
    let id = trials[0].id;
    let odd = EpochMetrics { val_loss: f64::NAN, train_loss: f64::INFINITY, ..metrics(2) };
    let evaluation = Evaluation { test_loss: f64::NAN, class_accuracy: vec![f64::NAN, 0.5], ..evaluation() };
    results
        .writer
        .apply(
            "demo",
            &[
                started(1, id),
                epoch(1, id, 1),
                Record::Epoch { attempt: AttemptId(1), trial: id, metrics: odd },
                Record::Completed { attempt: AttemptId(1), trial: id, evaluation },
            ],
        )
        .unwrap();
    let row = results.writer.reader().trials("demo").unwrap().remove(0);
    let (last, evaluation) = (row.last.unwrap(), row.evaluation.unwrap());
    assert!(last.val_loss.is_nan() && evaluation.test_loss.is_nan() && evaluation.class_accuracy[0].is_nan());
    assert_eq!((last.train_loss, evaluation.class_accuracy[1]), (f64::INFINITY, 0.5));
    assert!(results.writer.reader().epochs(AttemptId(1)).unwrap()[1].val_loss.is_nan());
}

#[test]
fn trials_are_ranked_without_their_epochs() {
    let (mut results, trials) = Results::with_trials(1);
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    let other = rusqlite::Connection::open(results.path().join(FILE)).unwrap();
    other.execute_batch("DROP TABLE epoch").unwrap();
    let rows = results.writer.reader().trials("demo").unwrap();
    assert_eq!(rows[0].last, Some(metrics(2)));
}

#[test]
fn fills_take_numbers_and_no_trial() {
    let (mut results, trials) = Results::with_trials(1);
    assert_eq!(results.writer.next_attempt().unwrap(), AttemptId(1));
    results.writer.apply("demo", &[fill(1), filled(1), fill(2), ended(2, Ending::Interrupted, None)]).unwrap();
    assert_eq!(results.writer.next_attempt().unwrap(), AttemptId(3));
    results.writer.apply("demo", &life(3, trials[0].id)).unwrap();
    assert_eq!(results.writer.next_attempt().unwrap(), AttemptId(4));
    assert_eq!(results.writer.reader().trials("demo").unwrap()[0].attempts, 1);
    let results = results.reopen();
    assert_eq!(results.writer.next_attempt().unwrap(), AttemptId(4));
}

#[test]
fn a_fill_does_not_outlive_its_writer_but_a_trials_attempt_does() {
    let (mut results, trials) = Results::with_trials(1);
    results.writer.apply("demo", &[fill(1), started(2, trials[0].id)]).unwrap();
    let mut results = results.reopen();
    let late = results.writer.apply("demo", &[filled(1)]).unwrap_err();
    assert!(late.to_string().contains("attempt 1 has ended already (interrupted)"), "{late}");
    let restored = results.writer.reader().restore("demo").unwrap();
    assert_eq!(restored[0].running.unwrap().attempt, AttemptId(2));
    results.writer.apply("demo", &[epoch(2, trials[0].id, 1)]).unwrap();
}

#[test]
fn a_batch_with_one_wrong_record_leaves_nothing() {
    let (mut results, trials) = Results::with_trials(2);
    let (a, b) = (trials[0].id, trials[1].id);
    let refused = results.writer.apply("demo", &[started(1, a), epoch(1, a, 1), epoch(1, b, 2)]);
    assert!(matches!(refused, Err(StoreError::Inconsistent(_))));
    assert_eq!(results.state(0), TrialState::Waiting);
    assert_eq!(results.writer.next_attempt().unwrap(), AttemptId(1));
    results.writer.apply("demo", &[]).unwrap();
    results.writer.apply("demo", &[started(1, a)]).unwrap();
}

#[test]
fn records_that_contradict_the_rows_are_refused() {
    let (mut results, trials) = Results::with_trials(4);
    let [done, running, waiting, spare] = [0, 1, 2, 3].map(|number: usize| trials[number].id);
    results.writer.apply("demo", &life(1, done)).unwrap();
    results.writer.apply("demo", &[started(2, running), epoch(2, running, 1), fill(3)]).unwrap();
    let state = |trial, state| Record::State { trial, state };
    let unknown = TrialId([7; 16]);
    let cases = [
        (vec![epoch(2, running, 3)], "epoch 3 of attempt 2 was given where 2 is due"),
        (vec![epoch(2, running, 1)], "epoch 1 of attempt 2 was given where 2 is due"),
        (vec![epoch(9, running, 2)], "attempt 9 was never started"),
        (vec![epoch(1, done, 3)], "attempt 1 has ended already (complete)"),
        (vec![completed(1, done)], "attempt 1 has ended already (complete)"),
        (vec![started(4, done)], "attempt 4 starts trial"),
        (vec![started(4, running)], "which is running"),
        (vec![started(4, unknown)], "is not stored"),
        (vec![started(2, waiting)], "attempt 2 is not above every attempt before it"),
        (vec![started(4, spare), completed(4, spare)], "with 0 of 2 epochs"),
        (vec![completed(2, running)], "with 1 of 2 epochs"),
        (vec![completed(2, waiting)], "not about trial"),
        (vec![filled(2)], "not about a fill"),
        (vec![completed(3, waiting)], "attempt 3 is about a fill"),
        (vec![ended(2, Ending::Interrupted, None)], "not about a fill"),
        (vec![ended(2, Ending::Interrupted, Some((waiting, TrialState::Waiting)))], "not about trial"),
        (vec![ended(2, Ending::Interrupted, Some((running, TrialState::Complete)))], "without an attempt"),
        (vec![ended(2, Ending::Interrupted, Some((running, TrialState::Running)))], "without an attempt"),
        (vec![state(waiting, TrialState::Running)], "without an attempt"),
        (vec![state(done, TrialState::Waiting)], "is complete and cannot become waiting by itself"),
        (vec![state(running, TrialState::Cancelled)], "is running and cannot become cancelled by itself"),
        (vec![state(unknown, TrialState::Cancelled)], "is not stored"),
    ];
    let before = results.writer.reader().trials("demo").unwrap();
    for (records, expected) in cases {
        let refused = results.writer.apply("demo", &records).unwrap_err();
        assert!(matches!(refused, StoreError::Inconsistent(_)), "{records:?}: {refused}");
        assert!(refused.to_string().contains(expected), "{records:?}: {refused}");
    }
    assert_eq!(results.writer.reader().trials("demo").unwrap(), before);
}

#[test]
fn the_schema_itself_holds_one_accepted_attempt_a_trial() {
    let (mut results, trials) = Results::with_trials(1);
    results.writer.apply("demo", &life(1, trials[0].id)).unwrap();
    let other = rusqlite::Connection::open(results.path().join(FILE)).unwrap();
    let copy = |outcome: &str, ended: &str| {
        let sql = format!(
            "INSERT INTO attempt (trial, worker, build, started_at, ended_at, outcome)
            SELECT trial, worker, build, started_at, {ended}, '{outcome}' FROM attempt WHERE id = 1"
        );
        other.execute(&sql, [])
    };
    assert!(copy("complete", "1.0").unwrap_err().to_string().contains("UNIQUE"));
    copy("interrupted", "1.0").unwrap();
    copy("running", "NULL").unwrap();
    assert!(copy("running", "NULL").unwrap_err().to_string().contains("UNIQUE"));
}

#[test]
fn a_cancelled_trial_waits_again_when_told_so() {
    let (mut results, trials) = Results::with_trials(2);
    let (running, waiting) = (trials[0].id, trials[1].id);
    results.writer.apply("demo", &[started(1, running)]).unwrap();
    results
        .writer
        .apply(
            "demo",
            &[
                ended(1, Ending::Cancelled, Some((running, TrialState::Cancelled))),
                Record::State { trial: waiting, state: TrialState::Pruned },
            ],
        )
        .unwrap();
    assert_eq!((results.state(0), results.state(1)), (TrialState::Cancelled, TrialState::Pruned));
    results.writer.apply("demo", &[Record::State { trial: running, state: TrialState::Waiting }]).unwrap();
    assert_eq!(results.state(0), TrialState::Waiting);
    let attempts = results.writer.reader().find_trial(&running.to_string()).unwrap().attempts;
    assert_eq!((attempts[0].outcome, &attempts[0].failure), (AttemptOutcome::Cancelled, &None));
}

#[test]
fn a_sweep_is_as_new_as_its_newest_record() {
    let (mut results, trials) = Results::with_trials(1);
    results.writer.put_sweep(&sweep("other"), &[trial(9)], false).unwrap();
    let times = |results: &Results| {
        let sweeps = results.writer.reader().sweeps().unwrap();
        sweeps.iter().map(|sweep| (sweep.created_at, sweep.updated_at)).collect::<Vec<_>>()
    };
    let before = times(&results);
    results.writer.apply("demo", &[started(1, trials[0].id)]).unwrap();
    let after = times(&results);
    assert!(after[0].1 > before[0].1 && after[0].0 == before[0].0);
    assert_eq!(after[1], before[1]);
}

#[test]
fn a_timeline_has_the_sweeps_attempts_and_the_fills_before_and_between_them() {
    let (mut results, trials) = Results::with_trials(2);
    let fill = |attempt: u64, name: &str| {
        let key = FeatureKey(name.to_owned());
        let mut record = started(attempt, trials[0].id);
        if let Record::Started { task, .. } = &mut record {
            *task = TaskKey::Fill(key);
        }
        [record, Record::Filled { attempt: AttemptId(attempt), bytes: 1, seconds: 1.0, computed: true }]
    };
    results.writer.apply("demo", &fill(1, "a")).unwrap();
    results.writer.apply("demo", &life(2, trials[0].id)).unwrap();
    results.writer.apply("demo", &fill(3, "b")).unwrap();
    results.writer.apply("demo", &[started(4, trials[1].id)]).unwrap();
    results.writer.apply("demo", &fill(5, "c")).unwrap();
    let rows = results.writer.reader().busy("demo", 10).unwrap();
    let short: Vec<_> = rows.iter().map(|row| (row.trial, row.outcome, row.ended_at.is_some())).collect();
    let (first, second) = (Some(trials[0].id), Some(trials[1].id));
    assert_eq!(
        short,
        [
            (None, AttemptOutcome::Complete, true),
            (first, AttemptOutcome::Complete, true),
            (None, AttemptOutcome::Complete, true),
            (second, AttemptOutcome::Running, false),
        ]
    );
    assert_eq!((rows[0].worker, rows[0].host.as_str()), (3, build().host.as_str()));
    let newest = results.writer.reader().busy("demo", 1).unwrap();
    assert_eq!(newest.iter().map(|row| row.trial).collect::<Vec<_>>(), [None, second], "and the fill before it");
}

#[test]
fn a_batch_of_epochs_leaves_the_trial_with_its_newest_one() {
    let (mut results, trials) = Results::with_trials(2);
    let (one, other) = (trials[0].id, trials[1].id);
    let interrupted = ended(1, Ending::Interrupted, Some((one, TrialState::Waiting)));
    let batch = [
        started(1, one),
        epoch(1, one, 1),
        epoch(1, one, 2),
        interrupted,
        started(2, other),
        epoch(2, other, 1),
        started(3, one),
        epoch(3, one, 1),
        epoch(2, other, 2),
    ];
    results.writer.apply("demo", &batch).unwrap();
    let rows = results.writer.reader().trials("demo").unwrap();
    let newest = |row: usize| rows[row].last.as_ref().map(|metrics| metrics.epoch);
    assert_eq!((newest(0), newest(1)), (Some(1), Some(2)));
    assert_eq!(rows[1].last.as_ref().unwrap(), &metrics(2));
    assert_eq!(results.writer.reader().verify(None).unwrap().findings, []);
}
