//! Sweeps and their members: launching again, sharing, retrying, finding.

use crate::fixture::{Results, epoch, failed, life, started, sweep, trial};
use frostline_store::{Counts, Put, StoreError};
use frostline_sweep::expand::Trial;
use frostline_sweep::outcome::{AttemptId, FailureKind, TrialState};
use frostline_sweep::record::{Ending, Record};
use frostline_sweep::trial::TrialId;

fn order(results: &Results, sweep: &str) -> Vec<(u32, u32)> {
    let rows = results.writer.reader().trials(sweep).expect("the trials");
    rows.iter().map(|row| (row.position, row.spec.parameters.frozen_layers)).collect()
}

#[test]
fn launching_again_adds_keeps_and_drops() {
    let (mut results, trials) = Results::with_trials(3);
    results.writer.apply("demo", &life(1, trials[2].id)).unwrap();
    results.writer.apply("demo", &[started(2, trials[1].id)]).unwrap();

    let put = results.writer.put_sweep(&sweep("demo"), &[trial(5), trial(0)], false).unwrap();
    assert_eq!(put, Put { added: 1, kept: 2, dropped: 1 });
    assert_eq!(order(&results, "demo"), [(0, 5), (1, 0), (2, 2)], "a complete one stays, behind the definition");

    let put = results.writer.put_sweep(&sweep("demo"), &[trial(5), trial(0)], false).unwrap();
    assert_eq!(put, Put { added: 0, kept: 3, dropped: 0 });

    let put = results.writer.put_sweep(&sweep("demo"), &[trial(0)], true).unwrap();
    assert_eq!(put, Put { added: 0, kept: 1, dropped: 2 });
    assert_eq!(order(&results, "demo"), [(0, 0)]);

    let left = results.writer.reader().find_trial(&trials[2].id.to_string()).unwrap();
    assert_eq!((left.row.state, left.sweeps.len()), (TrialState::Complete, 0), "its row stays");
    let put = results.writer.put_sweep(&sweep("demo"), &trials, false).unwrap();
    assert_eq!(put, Put { added: 2, kept: 1, dropped: 0 });
    assert_eq!(results.state(2), TrialState::Complete, "and is found again");
}

#[test]
fn launching_again_replaces_what_is_said_about_the_sweep() {
    let (mut results, _) = Results::with_trials(1);
    let mut changed = sweep("demo");
    changed.definition = "[sweep]\n# longer\n".into();
    changed.threads = None;
    changed.provenance.git_commit = None;
    results.writer.put_sweep(&changed, &[trial(0)], false).unwrap();
    assert_eq!(results.writer.reader().sweep("demo").unwrap(), changed);
    let sweeps = results.writer.reader().sweeps().unwrap();
    assert_eq!(sweeps.len(), 1);
    assert!(sweeps[0].updated_at > sweeps[0].created_at);
}

#[test]
fn a_sweep_is_extended_behind_what_it_has() {
    let (mut results, trials) = Results::with_trials(2);
    results.writer.put_sweep(&sweep("other"), &[trial(7)], false).unwrap();
    results.writer.apply("other", &life(1, trial(7).id)).unwrap();
    let added = results.writer.extend("demo", &[trial(1), trial(7), trial(8)]).unwrap();
    assert_eq!(added, 2, "one it has already");
    assert_eq!(order(&results, "demo"), [(0, 0), (1, 1), (2, 7), (3, 8)]);
    let reader = results.writer.reader();
    assert_eq!(reader.best("demo", 9).unwrap().len(), 1, "what another sweep has run counts");
    assert_eq!(reader.restore("demo").unwrap().len(), 4);
    assert_eq!(reader.verify(None).unwrap().findings, []);
    results.writer.put_sweep(&sweep("demo"), &trials, false).unwrap();
    assert_eq!(order(&results, "demo"), [(0, 0), (1, 1), (2, 7)], "of its definition, and what is complete");
}

#[test]
fn what_was_noted_stays_until_it_is_noted_anew() {
    let (mut results, trials) = Results::with_trials(1);
    let note = |results: &Results| results.writer.reader().note("demo").unwrap();
    assert_eq!(note(&results), None);
    results.writer.note("demo", "the wide heads, once more").unwrap();
    results.writer.put_sweep(&sweep("demo"), &trials, true).unwrap();
    assert_eq!(note(&results).as_deref(), Some("the wide heads, once more"), "launching again says nothing of it");
    assert_eq!(results.writer.reader().sweeps().unwrap()[0].note, note(&results));
    let before = results.writer.reader().updated().unwrap();
    results.writer.note("demo", "").unwrap();
    assert_eq!(note(&results), None);
    let after = results.writer.reader().updated().unwrap();
    assert!(before[0].0 == "demo" && after[0].1 > before[0].1, "whoever looks is told");
    assert!(matches!(results.writer.note("dem", "x"), Err(StoreError::UnknownSweep { .. })));

    // In a run, of whichever sweep; a name that there is not undoes nothing of what comes with it.
    results.writer.put_sweep(&sweep("other"), &trials, true).unwrap();
    let noted = |sweep: &str| Record::Noted { sweep: sweep.to_owned(), text: "in its run".to_owned() };
    results.writer.apply("other", &[noted("dem"), noted("demo")]).unwrap();
    assert_eq!(note(&results).as_deref(), Some("in its run"));
    assert_eq!(results.writer.reader().note("other").unwrap(), None);
}

#[test]
fn a_trial_of_two_sweeps_is_run_once() {
    let (mut results, trials) = Results::with_trials(2);
    results.writer.apply("demo", &life(1, trials[1].id)).unwrap();
    let put = results.writer.put_sweep(&sweep("other"), &[trial(7), trial(1)], false).unwrap();
    assert_eq!(put, Put { added: 2, kept: 0, dropped: 0 });
    let reader = results.writer.reader();
    assert_eq!(reader.counts("other").unwrap(), Counts { waiting: 1, complete: 1, ..Counts::default() });
    assert_eq!(reader.trials("other").unwrap()[1].evaluation, reader.trials("demo").unwrap()[1].evaluation);
    assert_eq!(reader.find_trial(&trials[1].id.to_string()).unwrap().sweeps, ["demo", "other"]);
    let sweeps = reader.sweeps().unwrap();
    let names: Vec<_> = sweeps.iter().map(|sweep| (sweep.name.as_str(), sweep.counts.total())).collect();
    assert_eq!(names, [("demo", 2), ("other", 2)]);

    results.writer.put_sweep(&sweep("demo"), &[], true).unwrap();
    assert_eq!(results.writer.reader().counts("other").unwrap().complete, 1, "leaving one sweep is not leaving both");
}

#[test]
fn a_trial_given_twice_leaves_the_sweep_as_it_was() {
    let (mut results, _) = Results::with_trials(1);
    let refused = results.writer.put_sweep(&sweep("demo"), &[trial(4), trial(4)], false);
    assert!(matches!(refused, Err(StoreError::Inconsistent(_))));
    assert_eq!(order(&results, "demo"), [(0, 0)]);
}

#[test]
fn an_unknown_sweep_comes_with_names_that_are_near() {
    let mut results = Results::new();
    for name in ["cifar10-small", "cifar10-large", "shapes"] {
        results.writer.put_sweep(&sweep(name), &[], false).unwrap();
    }
    let near = |name: &str| match results.writer.reader().sweep(name) {
        Err(StoreError::UnknownSweep { near, .. }) => near,
        other => panic!("{other:?}"),
    };
    assert_eq!(near("shape"), ["shapes"]);
    assert_eq!(near("cifar10"), ["cifar10-large", "cifar10-small"]);
    assert_eq!(near("zebra"), Vec::<String>::new());
    let reader = results.writer.reader();
    let unknown = |result: Result<(), StoreError>| matches!(result, Err(StoreError::UnknownSweep { .. }));
    assert!(unknown(reader.counts("shape").map(drop)));
    assert!(unknown(reader.trials("shape").map(drop)));
    assert!(unknown(reader.restore("shape").map(drop)));
    assert!(unknown(results.writer.retry("shape", &[TrialState::Failed], None).map(drop)));
}

#[test]
fn a_retry_lets_trials_wait_and_forgives_their_failures() {
    let (mut results, trials) = Results::with_trials(4);
    let [memory, lost, cancelled, fine] = [0, 1, 2, 3].map(|number: usize| trials[number].id);
    let (out_of_memory, worker_lost) = (FailureKind::OutOfMemory, FailureKind::WorkerLost);
    results
        .writer
        .apply(
            "demo",
            &[
                started(1, memory),
                failed(1, memory, worker_lost, TrialState::Waiting),
                started(2, memory),
                failed(2, memory, out_of_memory, TrialState::Failed),
                started(3, lost),
                failed(3, lost, worker_lost, TrialState::Failed),
                Record::State { trial: cancelled, state: TrialState::Cancelled },
                started(4, fine),
                failed(4, fine, worker_lost, TrialState::Waiting),
            ],
        )
        .unwrap();
    let failures = |results: &Results| {
        results.writer.reader().restore("demo").unwrap().into_iter().map(|row| row.failures).collect::<Vec<_>>()
    };
    assert_eq!(failures(&results), [vec![worker_lost, out_of_memory], vec![worker_lost], vec![], vec![worker_lost]]);

    let both = [TrialState::Failed, TrialState::Cancelled];
    assert_eq!(results.writer.retry("demo", &both, Some(FailureKind::Diverged)).unwrap(), 0);
    assert_eq!(results.writer.retry("demo", &both, Some(out_of_memory)).unwrap(), 1);
    assert_eq!((results.state(0), results.state(1)), (TrialState::Waiting, TrialState::Failed));
    assert_eq!(results.writer.retry("demo", &both, None).unwrap(), 2);
    assert_eq!(results.writer.retry("demo", &both, None).unwrap(), 0);
    assert_eq!(results.writer.reader().counts("demo").unwrap().waiting, 4);
    assert_eq!(failures(&results), [vec![], vec![], vec![], vec![worker_lost]], "nobody asked for the fourth");

    results.writer.apply("demo", &[started(5, lost), failed(5, lost, out_of_memory, TrialState::Waiting)]).unwrap();
    assert_eq!(failures(&results)[1], [out_of_memory], "new failures count");
    results.writer.apply("demo", &life(6, lost)).unwrap();
    let refused = results.writer.retry("demo", &[TrialState::Complete], None);
    assert!(matches!(refused, Err(StoreError::Inconsistent(_))));
}

#[test]
fn a_retry_leaves_the_trials_of_other_sweeps() {
    let (mut results, trials) = Results::with_trials(1);
    results.writer.put_sweep(&sweep("other"), &[trial(8)], false).unwrap();
    let cancel = |trial| Record::State { trial, state: TrialState::Cancelled };
    results.writer.apply("demo", &[cancel(trials[0].id)]).unwrap();
    results.writer.apply("other", &[cancel(trial(8).id)]).unwrap();
    assert_eq!(results.writer.retry("other", &[TrialState::Cancelled], None).unwrap(), 1);
    assert_eq!(results.state(0), TrialState::Cancelled);
}

/// Two sweeps of the same trials, "demo" and "other".
fn shared(count: u32) -> (Results, Vec<Trial>) {
    let (mut results, trials) = Results::with_trials(count);
    results.writer.put_sweep(&sweep("other"), &trials, false).expect("a second sweep");
    (results, trials)
}

fn cancelled(trial: &Trial) -> Record {
    Record::State { trial: trial.id, state: TrialState::Cancelled }
}

#[test]
fn what_one_sweep_cancels_another_still_runs() {
    let (mut results, trials) = shared(3);
    // The first one runs already.
    let ended = Record::Ended {
        attempt: AttemptId(1),
        ending: Ending::Cancelled,
        trial: Some((trials[0].id, TrialState::Cancelled)),
    };
    results.writer.apply("demo", &[started(1, trials[0].id), epoch(1, trials[0].id, 1)]).unwrap();
    results.writer.apply("demo", &[ended, cancelled(&trials[1]), cancelled(&trials[2])]).unwrap();
    let reader = results.writer.reader();
    assert_eq!(reader.counts("demo").unwrap(), Counts { cancelled: 3, ..Counts::default() });
    assert_eq!(reader.counts("other").unwrap(), Counts { waiting: 3, ..Counts::default() });
    assert!(reader.restore("demo").unwrap().iter().all(|row| row.state == TrialState::Cancelled));
    assert!(reader.restore("other").unwrap().iter().all(|row| row.state == TrialState::Waiting));
    assert!(reader.trials("other").unwrap().iter().all(|row| row.state == TrialState::Waiting));
    assert_eq!(reader.find_trial(&trials[1].id.to_string()).unwrap().row.state, TrialState::Waiting);

    // Launched again, the one keeps its wish, and the other runs all.
    results.writer.put_sweep(&sweep("demo"), &trials, false).unwrap();
    results.writer.put_sweep(&sweep("other"), &trials, false).unwrap();
    assert_eq!(results.writer.reader().counts("demo").unwrap().cancelled, 3);
    results.writer.apply("other", &life(2, trials[0].id)).unwrap();
    results.writer.apply("other", &[started(3, trials[1].id)]).unwrap();
    let reader = results.writer.reader();
    assert_eq!(reader.counts("other").unwrap(), Counts { complete: 1, running: 1, waiting: 1, ..Counts::default() });
    assert_eq!(reader.counts("demo").unwrap(), Counts { complete: 1, cancelled: 2, ..Counts::default() });
    assert_eq!(reader.best("demo", 9).unwrap()[0].trial, trials[0].id, "a result counts wherever it was wanted");
    assert_eq!(reader.verify(None).unwrap().findings, []);

    // Wanted again while the other runs it.
    assert_eq!(results.writer.retry("demo", &[TrialState::Cancelled], None).unwrap(), 2);
    let reader = results.writer.reader();
    assert_eq!(reader.counts("demo").unwrap(), Counts { complete: 1, running: 1, waiting: 1, ..Counts::default() });
    assert_eq!(reader.verify(None).unwrap().findings, []);
}

#[test]
fn a_trial_that_every_sweep_has_cancelled_is_shown_so() {
    let (mut results, trials) = shared(1);
    let state = |results: &Results| {
        results.writer.reader().find_trial(&trials[0].id.to_string()).expect("a stored trial").row.state
    };
    results.writer.apply("demo", &[cancelled(&trials[0])]).unwrap();
    assert_eq!(state(&results), TrialState::Waiting);
    results.writer.apply("other", &[cancelled(&trials[0])]).unwrap();
    assert_eq!(state(&results), TrialState::Cancelled);
    results.writer.put_sweep(&sweep("demo"), &[], true).unwrap();
    results.writer.put_sweep(&sweep("other"), &[], true).unwrap();
    assert_eq!(state(&results), TrialState::Waiting, "nobody asks for it");
}

#[test]
fn what_is_finished_is_not_cancelled_any_more() {
    let (mut results, trials) = shared(2);
    results.writer.apply("other", &life(1, trials[0].id)).unwrap();
    let failed = failed(2, trials[1].id, FailureKind::Diverged, TrialState::Failed);
    results.writer.apply("demo", &[cancelled(&trials[1])]).unwrap();
    results.writer.apply("other", &[started(2, trials[1].id), failed]).unwrap();
    assert_eq!(results.state(1), TrialState::Failed, "as it is in the sweep that ran it");
    for trial in &trials {
        let refused = results.writer.apply("demo", &[cancelled(trial)]).unwrap_err();
        assert!(refused.to_string().contains("cannot become cancelled by itself"), "{refused}");
    }
    assert_eq!(results.writer.retry("demo", &[TrialState::Failed], None).unwrap(), 1);
    assert_eq!(results.state(1), TrialState::Waiting, "tried again, it is wanted again");
    let stranger = trial(9);
    results.writer.put_sweep(&sweep("third"), std::slice::from_ref(&stranger), false).unwrap();
    let refused = results.writer.apply("demo", &[cancelled(&stranger)]).unwrap_err();
    assert!(refused.to_string().contains("is in no place of the sweep"), "{refused}");
}

#[test]
fn a_trial_is_found_by_the_beginning_of_its_id() {
    let mut results = Results::new();
    let named = |text: &str| Trial { id: text.parse::<TrialId>().unwrap(), ..trial(0) };
    let ids = [
        "abcd0000000000000000000000000000",
        "abcdffffffffffffffffffffffffffff",
        "abce0000000000000000000000000000",
        "ffffffffffffffffffffffffffffffff",
    ];
    results.writer.put_sweep(&sweep("demo"), &ids.map(named), false).unwrap();
    let find = |prefix: &str| results.writer.reader().find_trial(prefix);
    assert_eq!(find("abce").unwrap().row.trial.to_string(), ids[2]);
    assert_eq!(find("ABCDF").unwrap().row.trial.to_string(), ids[1]);
    assert_eq!(find("ffff").unwrap().row.position, 3);
    assert_eq!(find(ids[0]).unwrap().row.trial.to_string(), ids[0]);
    let Err(StoreError::AmbiguousTrial { prefix, matches }) = find("abcd") else { panic!("abcd is ambiguous") };
    assert_eq!((prefix.as_str(), &matches[..]), ("abcd", &[ids[0].to_owned(), ids[1].to_owned()][..]));
    let too_long = ids[0].to_owned() + "0";
    for unknown in ["abc", "", "1234", "abcg", "+bcd", "ab d", "äöüß", &too_long] {
        assert!(matches!(find(unknown), Err(StoreError::UnknownTrial { .. })), "{unknown}");
    }
}
