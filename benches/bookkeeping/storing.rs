//! The database's writes. Every commit is on the disk when it returns.

use crate::SIZES;
use crate::common::{EPOCHS, SWEEP, life, parsed, sources, sweep};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use frostline_store::Writer;
use frostline_sweep::record::Record;
use tempfile::TempDir;

/// Trials whose records are committed together.
const BATCHES: [usize; 3] = [1, 10, 100];

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    let empty = || -> (TempDir, Writer) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let writer = Writer::open(folder.path()).expect("a new database");
        (folder, writer)
    };
    for size in SIZES {
        let definition = parsed(size).expect("a sound definition");
        let trials = definition.expand(&sources());
        let sweep = sweep(&definition);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("put_sweep", size), |bencher| {
            let put = |(folder, mut writer): (TempDir, Writer)| {
                writer.put_sweep(&sweep, &trials, false).expect("a new sweep");
                (folder, writer)
            };
            bencher.iter_batched(empty, put, BatchSize::PerIteration);
        });
    }
    for batch in BATCHES {
        let definition = parsed(SIZES[0]).expect("a sound definition");
        let trials = definition.expand(&sources());
        let records: Vec<Record> = (1..).zip(&trials).flat_map(|(attempt, trial)| life(attempt, trial)).collect();
        let a_trial = EPOCHS as usize + 2;
        group.throughput(Throughput::Elements(records.len() as u64));
        group.bench_function(BenchmarkId::new("apply all of 1,000 trials, trials a commit", batch), |bencher| {
            let prepared = || {
                let (folder, mut writer) = empty();
                writer.put_sweep(&sweep(&definition), &trials, false).expect("a new sweep");
                (folder, writer)
            };
            let apply = |(folder, mut writer): (TempDir, Writer)| {
                records.chunks(batch * a_trial).for_each(|chunk| writer.apply(SWEEP, chunk).expect("sound records"));
                (folder, writer)
            };
            bencher.iter_batched(prepared, apply, BatchSize::PerIteration);
        });
    }
    group.finish();
}
