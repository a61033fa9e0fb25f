//! A large sweep on the real program: `plan` of a million trials, `best` of 100,000, the memory of a coordinator that has restored 100,000,
//! and the time from `resume` to the first trial that is given out behind 10,000 finished ones.
//!
//! `FROSTLINE_WORKER` names another worker program, such as a built `frostline-worker`.

mod common;

use anyhow::{Context, ensure};
use common::{SWEEP, definition, fill, frostline, peak_memory, play_worker, say};
use frostline_store::Reader;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const LARGE: usize = 100_000;
const FINISHED: usize = 10_000;
/// As many as a definition may have.
const MOST: usize = 1_000_000;
/// The machine may be busy with something else: the best run counts.
const RUNS: usize = 5;
/// How long the coordinator of the large sweep runs before its memory is read.
const WATCHED: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    if play_worker()? {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let finished = folder.path().join("finished");
    let start = Instant::now();
    fill(&finished, LARGE, LARGE)?;
    let records = LARGE as f64 * 12.0;
    let pace = records / start.elapsed().as_secs_f64();
    say(&format!("filled a results folder with {LARGE} finished trials: {pace:.0} records/s"));
    // What was written is still on its way to the disk, which questions would wait for.
    rustix::fs::sync();
    say(&format!("  best -n 10 --json: {:.1} ms", 1e3 * best(&finished, &["-n", "10", "--json"])?));
    say(&format!("  best -n 10: {:.1} ms", 1e3 * best(&finished, &["-n", "10"])?));
    say(&format!("  frostline --version: {:.1} ms", 1e3 * best_of(|| timed(folder.path(), &["--version"]))?));

    let fresh = folder.path().join("fresh");
    let file = folder.path().join("bench.toml");
    std::fs::write(&file, definition(MOST))?;
    let name = file.to_str().context("the temporary folder's name is no UTF-8")?;
    for arguments in [&["plan", name][..], &["plan", name, "--json"]] {
        let (seconds, megabytes) = whole(&fresh, arguments)?;
        let json = if arguments.len() > 2 { " --json" } else { "" };
        say(&format!("plan{json} of {MOST} trials: {seconds:.1} s, peak {megabytes:.0} MB"));
    }
    std::fs::write(&file, definition(LARGE))?;
    let file = file.to_str().context("the temporary folder's name is no UTF-8")?;
    say(&format!("launch of {LARGE} new trials: peak {:.0} MB", memory(&fresh, &["launch", file])?));
    say(&format!("  resume of them: peak {:.0} MB", memory(&fresh, &["resume", SWEEP])?));

    let first = best_of(|| {
        let folder = tempfile::tempdir()?;
        fill(folder.path(), FINISHED + 1000, FINISHED)?;
        first_trial(folder.path())
    })?;
    say(&format!("resume behind {FINISHED} finished trials, to the first trial given out: {:.0} ms", 1e3 * first));
    Ok(())
}

fn best_of(mut measure: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    (0..RUNS).try_fold(f64::INFINITY, |best, _| Ok(best.min(measure()?)))
}

fn best(results: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    best_of(|| timed(results, &[&["best", SWEEP], arguments].concat()))
}

/// Seconds that a command takes as a whole.
fn timed(results: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    let mut command = frostline(results)?;
    command.args(arguments);
    let start = Instant::now();
    let output = command.output()?;
    let time = start.elapsed().as_secs_f64();
    ensure!(output.status.success(), "{arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(time)
}

/// Seconds that a command takes as a whole, and how much memory it has had at most, in megabytes.
fn whole(results: &Path, arguments: &[&str]) -> anyhow::Result<(f64, f64)> {
    let start = Instant::now();
    let mut child = frostline(results)?.args(arguments).stderr(std::process::Stdio::null()).spawn()?;
    let mut peak = 0.0;
    while child.try_wait()?.is_none() {
        // Gone once the process has ended.
        peak = peak_memory(&child).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(10));
    }
    let seconds = start.elapsed().as_secs_f64();
    ensure!(child.wait()?.success(), "{arguments:?} failed");
    Ok((seconds, peak))
}

/// Runs a coordinator for a while and says how much memory it has had at most, in megabytes.
fn memory(results: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    let mut child = frostline(results)?.args(arguments).stderr(std::process::Stdio::null()).spawn()?;
    wait_for_work(results, &mut child)?;
    std::thread::sleep(WATCHED);
    let peak = peak_memory(&child)?;
    interrupt(child)?;
    Ok(peak)
}

/// Seconds from the start of `resume` to the commit of the first attempt, after which it is sent.
fn first_trial(results: &Path) -> anyhow::Result<f64> {
    let start = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let mut child = frostline(results)?.args(["resume", SWEEP]).stderr(std::process::Stdio::null()).spawn()?;
    wait_for_work(results, &mut child)?;
    interrupt(child)?;
    let reader = Reader::open(results)?;
    let mut first = f64::INFINITY;
    for row in reader.trials(SWEEP)?.iter().skip(FINISHED).filter(|row| row.attempts > 0) {
        for attempt in reader.find_trial(&row.trial.to_string())?.attempts {
            first = first.min(attempt.started_at);
        }
    }
    Ok(first - start)
}

/// Returns once a trial runs or has ended that was waiting.
fn wait_for_work(results: &Path, child: &mut Child) -> anyhow::Result<()> {
    let waiting = || -> Option<u64> { Some(Reader::open(results).ok()?.counts(SWEEP).ok()?.waiting) };
    let mut before = waiting();
    loop {
        if let Some(status) = child.try_wait()? {
            // A small sweep may be over already.
            ensure!(status.success(), "the coordinator ended with {status}");
            return Ok(());
        }
        let now = waiting();
        if before.is_some_and(|before| now.is_some_and(|now| now < before)) {
            return Ok(());
        }
        before = before.or(now);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn interrupt(mut child: Child) -> anyhow::Result<()> {
    if child.try_wait()?.is_none() {
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    }
    child.wait()?;
    Ok(())
}
