//! Removing a sweep, and what is known of trials that a sweep may ask for.

use crate::fixture::{Results, life, sweep, trial};
use frostline_store::StoreError;
use frostline_sweep::expand::Trial;
use frostline_sweep::outcome::{AttemptId, TrialState};
use frostline_sweep::record::Record;
use frostline_sweep::trial::TrialId;

/// "demo" has the trials 0 to 2, "other" 2 and 3; 1 and 2 are complete.
fn two() -> (Results, Vec<Trial>) {
    let (mut results, mut trials) = Results::with_trials(3);
    trials.push(trial(3));
    results.writer.put_sweep(&sweep("other"), &trials[2..], false).expect("a second sweep");
    results.writer.apply("demo", &life(1, trials[2].id)).expect("a trial's life");
    results.writer.apply("demo", &life(2, trials[1].id)).expect("a trial's life");
    (results, trials)
}

fn ids(trials: &[Trial]) -> Vec<TrialId> {
    trials.iter().map(|trial| trial.id).collect()
}

#[test]
fn what_another_sweep_has_stays_with_its_attempts() {
    let (mut results, trials) = two();
    let before = results.writer.reader().find_trial(&trials[2].id.to_string()).unwrap();
    assert_eq!(results.writer.reader().alone("demo").unwrap(), ids(&trials[..2]));
    assert_eq!(results.writer.remove_sweep("demo").unwrap(), ids(&trials[..2]));
    let reader = results.writer.reader();
    assert!(matches!(reader.sweep("demo"), Err(StoreError::UnknownSweep { .. })));
    assert_eq!(reader.members("other").unwrap(), ids(&trials[2..]));
    let after = reader.find_trial(&trials[2].id.to_string()).unwrap();
    assert_eq!((&after.attempts, &after.row.state), (&before.attempts, &before.row.state));
    assert_eq!(after.sweeps, ["other"]);
    assert!(matches!(reader.find_trial(&trials[1].id.to_string()), Err(StoreError::UnknownTrial { .. })));
    assert_eq!(reader.verify(None).unwrap().findings, []);
    assert!(matches!(results.writer.remove_sweep("demo"), Err(StoreError::UnknownSweep { .. })));
}

#[test]
fn a_number_of_an_attempt_that_went_is_not_used_again() {
    let (mut results, _) = two();
    results.writer.remove_sweep("demo").unwrap();
    assert_eq!(results.writer.next_attempt().unwrap(), AttemptId(3), "2 went with its trial");
    let mut results = results.reopen();
    results.writer.remove_sweep("other").unwrap();
    assert_eq!(results.writer.next_attempt().unwrap(), AttemptId(3));
}

#[test]
fn a_trial_is_known_as_the_sweep_would_find_it() {
    let (mut results, trials) = two();
    let cancelled = Record::State { trial: trials[0].id, state: TrialState::Cancelled };
    results.writer.apply("demo", &[cancelled]).unwrap();
    let known = |sweep: &str| results.writer.reader().known(sweep, ids(&trials).into_iter()).unwrap();
    let states = |sweep: &str| trials.iter().map(|trial| known(sweep).get(&trial.id).copied()).collect::<Vec<_>>();
    use TrialState::{Cancelled, Complete, Waiting};
    assert_eq!(states("demo")[..3], [Some(Cancelled), Some(Complete), Some(Complete)]);
    assert_eq!(
        states("new")[..3],
        [Some(Waiting), Some(Complete), Some(Complete)],
        "what one cancels others may want"
    );
    let unknown = results.writer.reader().known("demo", [trial(9).id].into_iter()).unwrap();
    assert!(unknown.is_empty());
}
