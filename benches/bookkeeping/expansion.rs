//! From a definition to trials with identities.

use crate::SIZES;
use crate::common::{definition, parsed, sources};
use criterion::{BenchmarkId, Criterion, Throughput};
use frostline_sweep::definition::Definition;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("expansion");
    for size in SIZES {
        group.throughput(Throughput::Elements(size as u64));
        let text = definition(size);
        // Parsing checks every cell.
        group.bench_function(BenchmarkId::new("parse", size), |bencher| {
            bencher.iter(|| Definition::parse("bench.toml", &text, &[]).expect("a sound definition"));
        });
        let definition = parsed(size).expect("a sound definition");
        let sources = sources();
        group.bench_function(BenchmarkId::new("expand", size), |bencher| {
            bencher.iter(|| definition.expand(&sources));
        });
    }
    group.finish();

    let trial = parsed(SIZES[0]).expect("a sound definition").expand(&sources()).swap_remove(0);
    criterion.bench_function("identity of a trial and its group", |bencher| {
        bencher.iter(|| (trial.spec.id(), trial.spec.group()));
    });
}
