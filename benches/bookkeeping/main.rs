//! What the bookkeeping costs by itself, in sweeps of 1,000, 10,000 and 100,000 trials: expansion and hashing, the
//! scheduler's decisions, the database's writes, and the ranking. No process, no socket.

#[path = "../common/mod.rs"]
mod common;
mod expansion;
mod ranking;
mod scheduling;
mod storing;

use criterion::{Criterion, criterion_main};
use std::time::Duration;

/// Trials of the sweeps that are measured.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

fn benches() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    expansion::bench(&mut criterion);
    scheduling::bench(&mut criterion);
    storing::bench(&mut criterion);
    ranking::bench(&mut criterion);
    criterion.final_summary();
}

criterion_main!(benches);
