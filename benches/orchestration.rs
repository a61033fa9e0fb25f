//! What a trial costs beside its training: a real coordinator and two real worker processes that speak the real protocol
//! and train nothing. 1,000 trials of 10 epochs each; every report is on the disk before it is acknowledged.
//!
//! `FROSTLINE_WORKER` names another worker program, such as a built `frostline-worker`.

mod common;

use anyhow::{Context, ensure};
use common::{EPOCHS, SWEEP, definition, fill, frostline, parsed, play_worker, say};
use frostline_store::Reader;
use std::path::Path;
use std::time::Instant;

const TRIALS: usize = 1000;
/// The machine may be busy with something else: the best run counts.
const RUNS: usize = 5;

/// Seconds of one run.
#[derive(Clone, Copy)]
struct Run {
    /// From the first assignment to the last outcome.
    steady: f64,
    /// The whole command, from its start to its end.
    whole: f64,
}

fn main() -> anyhow::Result<()> {
    if play_worker()? {
        return Ok(());
    }
    let runs: Vec<Run> = (0..RUNS).map(|_| measure()).collect::<Result<_, _>>()?;
    for run in &runs {
        say(&format!("  {:.3} s, {:.3} s with start and end", run.steady, run.whole));
    }
    let best = |time: fn(&Run) -> f64| runs.iter().map(time).fold(f64::INFINITY, f64::min);
    let (steady, whole) = (best(|run| run.steady), best(|run| run.whole));
    let trials = TRIALS as f64;
    say(&format!("orchestration, {TRIALS} trials of {EPOCHS} epochs, 2 workers, best of {RUNS} runs"));
    say(&format!("  {:.0} trials/s, {:.0} reports/s", trials / steady, trials * f64::from(EPOCHS + 1) / steady));
    say(&format!("  {:.3} ms a trial, {:.3} ms with start and end", 1e3 * steady / trials, 1e3 * whole / trials));
    let disk: Vec<(f64, f64)> = (0..RUNS).map(|_| disk()).collect::<Result<_, _>>()?;
    let commit = disk.iter().map(|(commit, _)| *commit).fold(f64::INFINITY, f64::min);
    let sync = disk.iter().map(|(_, sync)| *sync).fold(f64::INFINITY, f64::min);
    say("without processes and sockets");
    say(&format!("  {commit:.3} ms to commit all records of a trial, {sync:.3} ms to write and sync 4 KiB"));
    Ok(())
}

fn measure() -> anyhow::Result<Run> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bench.toml");
    std::fs::write(&file, definition(TRIALS))?;
    let results = folder.path().join("results");
    let start = Instant::now();
    let output = frostline(&results)?.arg("launch").arg(&file).output()?;
    let whole = start.elapsed().as_secs_f64();
    ensure!(output.status.success(), "launch failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Run { steady: steady(&results)?, whole })
}

/// By the times that the database has of the attempts.
fn steady(results: &Path) -> anyhow::Result<f64> {
    let reader = Reader::open(results)?;
    let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
    let trials = reader.trials(SWEEP)?;
    for row in &trials {
        let detail = reader.find_trial(&row.trial.to_string())?;
        ensure!(detail.attempts.len() == 1, "trial {} took {} attempts", row.trial, detail.attempts.len());
        let attempt = &detail.attempts[0];
        ensure!(attempt.epochs == EPOCHS, "trial {} has {} epochs", row.trial, attempt.epochs);
        first = first.min(attempt.started_at);
        last = last.max(attempt.ended_at.context("a trial still runs")?);
    }
    ensure!(trials.len() == TRIALS, "the sweep has {} trials", trials.len());
    Ok(last - first)
}

/// What the disk alone takes, in milliseconds: a commit of a trial's twelve records, and a bare write and sync.
fn disk() -> anyhow::Result<(f64, f64)> {
    use std::io::Write;
    let folder = tempfile::tempdir()?;
    fill(folder.path(), TRIALS, 0)?;
    let mut writer = frostline_store::Writer::open(folder.path())?;
    let trials = parsed(TRIALS)?.expand(&common::sources());
    let start = Instant::now();
    for (attempt, trial) in (1..).zip(&trials) {
        writer.apply(SWEEP, &common::life(attempt, trial))?;
    }
    let commit = start.elapsed().as_secs_f64();
    let mut file = std::fs::File::create(folder.path().join("sync"))?;
    let start = Instant::now();
    for _ in 0..TRIALS {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
    }
    Ok((1e3 * commit / TRIALS as f64, 1e3 * start.elapsed().as_secs_f64() / TRIALS as f64))
}
