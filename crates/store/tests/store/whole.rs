//! A sweep that is read whole, trial by trial, is that of one moment.

use crate::fixture::{Results, completed, epoch, failed, life, started, sweep};
use frostline_store::{Reader, Recorded, StoreError, Whole};
use frostline_sweep::outcome::{AttemptOutcome, FailureKind, TrialState};

fn all(whole: &Whole) -> Vec<Recorded> {
    let mut trials = Vec::new();
    let read = whole.trials(|trial| {
        trials.push(trial);
        Ok::<(), StoreError>(())
    });
    read.expect("a sound database");
    trials
}

#[test]
fn each_trial_comes_with_the_attempt_and_the_epochs_that_are_shown() {
    let (mut results, trials) = Results::with_trials(4);
    let id = |place: usize| trials[place].id;
    // Its second attempt counts, a third was never made; the next fails twice; one runs; one waits.
    let failing =
        |attempt| [started(attempt, id(0)), failed(attempt, id(0), FailureKind::WorkerLost, TrialState::Waiting)];
    results.writer.apply("demo", &failing(1)).unwrap();
    results.writer.apply("demo", &life(2, id(0))).unwrap();
    for attempt in [3, 4] {
        let first = [started(attempt, id(1)), epoch(attempt, id(1), 1)];
        let state = if attempt == 3 { TrialState::Waiting } else { TrialState::Failed };
        results.writer.apply("demo", &first).unwrap();
        results.writer.apply("demo", &[failed(attempt, id(1), FailureKind::Diverged, state)]).unwrap();
    }
    results.writer.apply("demo", &[started(5, id(2)), epoch(5, id(2), 1)]).unwrap();
    let mut reader = Reader::open(results.path()).unwrap();
    let read = all(&reader.whole("demo").unwrap());
    assert_eq!(reader.whole("demo").unwrap().sweep().unwrap(), sweep("demo"));
    assert_eq!(read.iter().map(|it| it.row.clone()).collect::<Vec<_>>(), reader.trials("demo").unwrap());
    let brief = |it: &Recorded| {
        let attempt = it.attempt.as_ref().map(|attempt| (attempt.attempt.0, attempt.outcome));
        (attempt, it.epochs.len(), it.rank, it.group_rank)
    };
    assert_eq!(
        read.iter().map(brief).collect::<Vec<_>>(),
        [
            (Some((2, AttemptOutcome::Complete)), 2, Some(1), Some(1)),
            (Some((4, AttemptOutcome::Failed)), 1, None, None),
            (Some((5, AttemptOutcome::Running)), 1, None, None),
            (None, 0, None, None),
        ]
    );
    let mut specs = Vec::new();
    let read = reader.whole("demo").unwrap().specs(|spec| {
        specs.push(spec);
        Ok::<(), StoreError>(())
    });
    assert!(read.is_ok() && specs == trials.iter().map(|trial| trial.spec.clone()).collect::<Vec<_>>());
    assert!(matches!(reader.whole("dem"), Err(StoreError::UnknownSweep { .. })));
}

#[test]
fn what_is_written_meanwhile_is_not_seen() {
    let (mut results, trials) = Results::with_trials(1);
    let mut reader = Reader::open(results.path()).unwrap();
    let whole = reader.whole("demo").unwrap();
    results.writer.apply("demo", &[started(1, trials[0].id), epoch(1, trials[0].id, 1)]).unwrap();
    results.writer.apply("demo", &[epoch(1, trials[0].id, 2), completed(1, trials[0].id)]).unwrap();
    assert_eq!(all(&whole)[0].row.state, TrialState::Waiting);
    drop(whole);
    assert_eq!(all(&reader.whole("demo").unwrap())[0].row.state, TrialState::Complete);
}

#[test]
fn whoever_reads_can_end_it() {
    let (results, _) = Results::with_trials(3);
    let mut read = 0;
    let mut reader = Reader::open(results.path()).unwrap();
    let ended = reader.whole("demo").unwrap().trials(|_| {
        read += 1;
        Err(StoreError::Inconsistent("enough".to_owned()))
    });
    assert!(matches!(ended, Err(StoreError::Inconsistent(_))) && read == 1);
}
