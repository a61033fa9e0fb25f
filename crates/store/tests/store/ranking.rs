//! The ranking that is kept with the rows is the one that `frostline-ranking` would compute.

use crate::fixture::{Results, epoch, evaluation, metrics, started, sweep, trial};
use frostline_ranking::{Candidate, groups, order};
use frostline_store::{Reader, StoreError, Sweep, TrialRow, Writer};
use frostline_sweep::expand::Trial;
use frostline_sweep::metric;
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Evaluation};
use frostline_sweep::record::Record;
use frostline_sweep::trial::TrialId;

/// Equal values, values that are no number, and the other way round.
const VALUES: [f64; 5] = [0.5, f64::NAN, 0.75, 0.5, 0.25];

/// A trial that ends with combinations of [`VALUES`].
fn ended(number: usize, trial: TrialId) -> Vec<Record> {
    let attempt = AttemptId(number as u64 + 1);
    let value = |place: usize| VALUES[number / VALUES.len().pow(place as u32) % VALUES.len()];
    let last = EpochMetrics { val_loss: value(0), val_accuracy: value(1), train_loss: value(1), ..metrics(2) };
    let evaluation = Evaluation { test_loss: value(1), test_accuracy: value(0), ..evaluation() };
    vec![
        started(attempt.0, trial),
        epoch(attempt.0, trial, 1),
        Record::Epoch { attempt, trial, metrics: last },
        Record::Completed { attempt, trial, evaluation },
    ]
}

fn by(objective: &str) -> Sweep {
    Sweep { objective: objective.into(), ..sweep("demo") }
}

fn ids(rows: &[TrialRow]) -> Vec<TrialId> {
    rows.iter().map(|row| row.trial).collect()
}

/// The ranking from every row.
fn expected(writer: &Writer, objective: &str) -> Vec<TrialId> {
    let metric = metric::find(objective).expect("a metric");
    let rows = writer.reader().trials("demo").expect("the trials");
    let finished = |row: &TrialRow| {
        let (last, evaluation) = (row.last.as_ref()?, row.evaluation.as_ref()?);
        let objective = metric.value(last, evaluation);
        Some((row.trial, Candidate { group: row.group, objective, val_loss: last.val_loss }))
    };
    let (ids, candidates): (Vec<TrialId>, Vec<Candidate>) = rows.iter().filter_map(finished).unzip();
    order(metric.direction, &candidates).into_iter().map(|rank| ids[rank.index]).collect()
}

#[test]
fn the_best_are_those_of_the_ranking_by_every_metric() {
    let (mut results, trials) = Results::with_trials(30);
    // Not in the order of the positions, and five that are not finished.
    for (number, trial) in trials.iter().rev().take(25).enumerate() {
        results.writer.apply("demo", &ended(number, trial.id)).unwrap();
    }
    for objective in metric::names() {
        results.writer.put_sweep(&by(objective), &trials, false).unwrap();
        let expected = expected(&results.writer, objective);
        let reader = results.writer.reader();
        assert_eq!(expected.len(), 25);
        assert_eq!(ids(&reader.best("demo", 100).unwrap()), expected, "{objective}");
        assert_eq!(ids(&reader.best("demo", 7).unwrap()), expected[..7], "{objective}");
        assert_eq!(reader.finished("demo").unwrap(), 25);
    }
}

#[test]
fn a_trial_is_ranked_in_every_sweep_that_has_it_by_that_sweeps_objective() {
    let (mut results, trials) = Results::with_trials(2);
    let other = Sweep { name: "other".into(), ..by("test_accuracy") };
    results.writer.put_sweep(&other, &trials[..1], false).unwrap();
    results.writer.apply("demo", &ended(2, trials[0].id)).unwrap();
    results.writer.apply("demo", &ended(5, trials[1].id)).unwrap();
    let reader = results.writer.reader();
    assert_eq!(ids(&reader.best("demo", 9).unwrap()), [trials[0].id, trials[1].id]);
    assert_eq!(ids(&reader.best("other", 9).unwrap()), [trials[0].id]);
    assert!(reader.has_more_finished("demo", 1).unwrap() && !reader.has_more_finished("demo", 2).unwrap());
    assert!(reader.has_more_finished("other", 0).unwrap() && !reader.has_more_finished("other", 1).unwrap());

    // A sweep that asks later finds what is finished already.
    let third = Sweep { name: "third".into(), ..by("val_loss") };
    results.writer.put_sweep(&third, &trials, false).unwrap();
    let reader = results.writer.reader();
    assert_eq!(ids(&reader.best("third", 9).unwrap()), [trials[1].id, trials[0].id]);
    assert!(reader.has_more_finished("third", 1).unwrap());
}

#[test]
fn replicates_are_the_finished_trials_of_the_group() {
    let (mut results, _) = Results::with_trials(0);
    let mut seeded: Vec<_> = (0..3).map(|_| trial(7)).collect();
    for (seed, trial) in seeded.iter_mut().enumerate() {
        trial.spec.seed = seed as u64;
        trial.id = trial.spec.id();
    }
    seeded.push(trial(8));
    results.writer.put_sweep(&sweep("demo"), &seeded, false).unwrap();
    for number in [0, 2, 3] {
        results.writer.apply("demo", &ended(number, seeded[number].id)).unwrap();
    }
    let replicates = results.writer.reader().replicates("demo", seeded[0].group).unwrap();
    assert_eq!(ids(&replicates), [seeded[0].id, seeded[2].id]);
}

/// Four configurations of three seeds, in the order of the seeds, all but some of them finished.
fn seeded(unfinished: &[usize]) -> (Results, Vec<Trial>) {
    let (mut results, _) = Results::with_trials(0);
    let mut trials = Vec::new();
    for seed in 0..3 {
        for number in 0..4 {
            let mut trial = trial(number);
            trial.spec.seed = seed;
            trial.id = trial.spec.id();
            trials.push(trial);
        }
    }
    results.writer.put_sweep(&sweep("demo"), &trials, false).expect("a new sweep");
    let finished = trials.iter().enumerate().filter(|(place, _)| !unfinished.contains(place));
    // Not in the order of the positions.
    for (number, (_, trial)) in finished.rev().enumerate() {
        results.writer.apply("demo", &ended(number, trial.id)).expect("sound records");
    }
    (results, trials)
}

#[test]
fn the_best_groups_are_those_of_the_ranking_by_every_metric() {
    // The third configuration lacks a seed, the fourth all of them.
    let (mut results, trials) = seeded(&[6, 3, 7, 11]);
    for objective in metric::names() {
        results.writer.put_sweep(&by(objective), &trials, false).unwrap();
        let metric = metric::find(objective).unwrap();
        let rows = results.writer.reader().trials("demo").unwrap();
        let rows: Vec<TrialRow> = rows.into_iter().filter(|row| row.evaluation.is_some()).collect();
        let candidate = |row: &TrialRow| {
            let (last, evaluation) = (row.last.as_ref().unwrap(), row.evaluation.as_ref().unwrap());
            Candidate { group: row.group, objective: metric.value(last, evaluation), val_loss: last.val_loss }
        };
        let expected = groups(metric.direction, &rows.iter().map(candidate).collect::<Vec<_>>());
        let reader = results.writer.reader();
        let found = reader.best_groups("demo", 9).unwrap();
        assert_eq!(found.len(), 3, "{objective}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((found.group, found.rank), (expected.group, expected.rank), "{objective}");
            let members: Vec<TrialId> = expected.members.iter().map(|&index| rows[index].trial).collect();
            assert_eq!(ids(&found.trials), members, "{objective}");
            assert_eq!(found.seeds, 3);
            assert_eq!(found.is_whole(), found.group != trials[2].group);
            // Equal where both are no number.
            assert_eq!(format!("{:?}", found.replicates), format!("{:?}", expected.replicates), "{objective}");
        }
        assert_eq!(reader.best_groups("demo", 2).unwrap().len(), 2);
        assert_eq!(reader.finished_groups("demo").unwrap(), 3);

        let in_order: Vec<TrialId> =
            expected.iter().flat_map(|group| &group.members).map(|&index| rows[index].trial).collect();
        let all: Vec<TrialId> = trials.iter().map(|trial| trial.id).collect();
        assert_eq!(reader.best_first("demo", &all).unwrap(), in_order, "{objective}: unfinished ones have no place");
        assert_eq!(reader.best_first("demo", &[in_order[4], in_order[1]]).unwrap(), [in_order[1], in_order[4]]);
    }
}

#[test]
fn the_luckiest_trial_is_not_of_the_best_group() {
    let (mut results, trials) = seeded(&(0..12).collect::<Vec<_>>());
    let accuracies = [0.875, 0.5, 0.0, 0.0, 0.25, 0.75, 0.0, 0.0, 0.25, 0.625];
    for (number, (trial, val_accuracy)) in trials.iter().zip(accuracies).enumerate() {
        let attempt = AttemptId(number as u64 + 1);
        let last = EpochMetrics { val_accuracy, ..metrics(2) };
        let records = [
            started(attempt.0, trial.id),
            epoch(attempt.0, trial.id, 1),
            Record::Epoch { attempt, trial: trial.id, metrics: last },
            Record::Completed { attempt, trial: trial.id, evaluation: evaluation() },
        ];
        results.writer.apply("demo", &records).unwrap();
    }
    let reader = results.writer.reader();
    assert_eq!(reader.best("demo", 1).unwrap()[0].trial, trials[0].id);
    let best = &reader.best_groups("demo", 1).unwrap()[0];
    assert_eq!((best.group, best.replicates.mean, best.replicates.count), (trials[1].group, 0.625, 3));
    assert_eq!(best.trials[0].trial, trials[5].id);
    assert_eq!(reader.best_first("demo", &[trials[0].id, trials[1].id]).unwrap(), [trials[1].id, trials[0].id]);
}

#[test]
fn a_group_counts_in_each_sweep_what_that_sweep_has_of_it() {
    let (mut results, trials) = seeded(&[]);
    let third = Sweep { name: "third".into(), ..by("test_accuracy") };
    results.writer.put_sweep(&third, &trials[..5], false).unwrap();
    let reader = results.writer.reader();
    let group = reader.best_groups("third", 9).unwrap().into_iter().find(|it| it.group == trials[0].group).unwrap();
    assert_eq!((group.seeds, group.replicates.count, group.trials.len()), (2, 2, 2));
    assert_eq!(reader.best_groups("third", 9).unwrap().len(), 4);
    results.writer.put_sweep(&third, &trials[..2], true).unwrap();
    assert_eq!(results.writer.reader().finished_groups("third").unwrap(), 2, "what left the sweep is not ranked");
}

#[test]
fn the_ranks_of_a_sweep_that_is_read_whole_are_those_of_the_ranking() {
    let (mut results, trials) = seeded(&[3, 8]);
    for objective in metric::names() {
        results.writer.put_sweep(&by(objective), &trials, false).unwrap();
        let metric = metric::find(objective).unwrap();
        let mut reader = Reader::open(results.path()).unwrap();
        let mut read = Vec::new();
        let whole = reader.whole("demo").unwrap().trials(|trial| {
            read.extend(trial.rank.map(|rank| (trial.row, rank, trial.group_rank)));
            Ok::<(), StoreError>(())
        });
        assert!(whole.is_ok() && read.len() == 10);
        let candidate = |(row, _, _): &(TrialRow, u32, Option<u32>)| {
            let (last, evaluation) = (row.last.as_ref().unwrap(), row.evaluation.as_ref().unwrap());
            let objective = metric.value(last, evaluation);
            Candidate { group: row.group, objective, val_loss: last.val_loss }
        };
        let candidates: Vec<Candidate> = read.iter().map(candidate).collect();
        for place in order(metric.direction, &candidates) {
            assert_eq!(read[place.index].1, place.rank, "{objective}");
        }
        for group in groups(metric.direction, &candidates) {
            assert!(group.members.iter().all(|&member| read[member].2 == Some(group.rank)), "{objective}");
        }
    }
}
