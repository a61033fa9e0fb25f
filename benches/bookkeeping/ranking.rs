//! Who is best: the order alone, and the first ten from the disk with and without the index.

use crate::SIZES;
use crate::common::{EPOCHS, SWEEP, fill, parsed, sources};
use criterion::{BenchmarkId, Criterion, Throughput};
use frostline_link::idle;
use frostline_ranking::{Candidate, order};
use frostline_store::{Reader, TrialRow};
use frostline_sweep::metric::Direction;
use std::path::Path;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ranking");
    for size in SIZES {
        let trials = parsed(size).expect("a sound definition").expand(&sources());
        let candidates: Vec<Candidate> = trials
            .iter()
            .map(|trial| {
                let last = idle::metrics(trial.id, EPOCHS);
                Candidate { group: trial.group, objective: last.val_accuracy, val_loss: last.val_loss }
            })
            .collect();
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("order", size), |bencher| {
            bencher.iter(|| order(Direction::Maximise, &candidates));
        });

        let folder = tempfile::tempdir().expect("a temporary folder");
        fill(folder.path(), size, size).expect("a filled results folder");
        group.bench_function(BenchmarkId::new("ten best, by the index", size), |bencher| {
            bencher.iter(|| ten_best(folder.path()));
        });
        group.bench_function(BenchmarkId::new("ten best, from every row", size), |bencher| {
            bencher.iter(|| ten_best_of_all(folder.path()));
        });
    }
    group.finish();
}

/// What `frostline best -n 10 --json` asks, the opening of the database included.
fn ten_best(results: &Path) -> Vec<TrialRow> {
    let reader = Reader::open(results).expect("a database");
    reader.sweep(SWEEP).expect("the sweep");
    reader.best(SWEEP, 10).expect("the best")
}

/// What `--where` does: every trial is read.
fn ten_best_of_all(results: &Path) -> Vec<TrialRow> {
    let reader = Reader::open(results).expect("a database");
    let mut rows: Vec<TrialRow> = reader.trials(SWEEP).expect("the trials");
    let candidate = |row: &TrialRow| {
        let last = row.last.as_ref().expect("a finished trial");
        Candidate { group: row.group, objective: last.val_accuracy, val_loss: last.val_loss }
    };
    let candidates: Vec<Candidate> = rows.iter().map(candidate).collect();
    let mut first: Vec<usize> =
        order(Direction::Maximise, &candidates).iter().take(10).map(|rank| rank.index).collect();
    first.sort_unstable();
    first.into_iter().rev().map(|index| rows.swap_remove(index)).collect()
}
