//! A crowd of workers on a real coordinator: so many connections over TLS that report an epoch a second each and train
//! nothing, on a sweep of so many trials. How long a report waits for its acknowledgement, which follows the commit, and
//! what the coordinator takes.
//!
//! The workers are tasks of this process, so both share the machine.
//!
//!     FROSTLINE_CROWD="1000 1000000 20" cargo bench -p frostline --bench crowd    # workers, trials, seconds

mod common;

use anyhow::{Context, ensure};
use common::{EPOCHS, build, definition, frostline, peak_memory, play_worker, say};
use frostline_link::idle;
use frostline_link::tls::connect;
use frostline_protocol::codec::Messages;
use frostline_protocol::{Claim, FromWorker, Greeting, Hello, Report, ToWorker, VERSION, Who, Work};
use frostline_results::{Access, Folder};
use frostline_sweep::trial::TrialId;
use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::time::{MissedTickBehavior, interval_at, sleep};
use tokio_util::codec::Framed;

const WORKERS: usize = 1_000;
const TRIALS: usize = 1_000_000;
/// How long reports are looked at, once all workers are there.
const SECONDS: usize = 20;
/// A report that waits longer is late.
const LATE: Duration = Duration::from_millis(100);
/// Between two reports of a worker.
const PAUSE: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    if play_worker()? {
        return Ok(());
    }
    let wanted = std::env::var("FROSTLINE_CROWD").unwrap_or_default();
    let numbers: Vec<usize> = wanted.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let number = |at: usize, otherwise: usize| numbers.get(at).copied().unwrap_or(otherwise);
    let (workers, trials) = (number(0, WORKERS), number(1, TRIALS));
    let seconds = Duration::from_secs(number(2, SECONDS) as u64);

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bench.toml");
    std::fs::write(&file, definition(trials))?;
    let results = folder.path().join("results");
    let start = Instant::now();
    let mut child = frostline(&results)?
        .arg("launch")
        .arg(&file)
        .args(["--set", "workers.count=0", "--set", "workers.listen=127.0.0.1:0"])
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let access = access(&results, &mut child)?;
    say(&format!(
        "{trials} trials: workers are let in after {:.1} s, peak {:.0} MB so far",
        start.elapsed().as_secs_f64(),
        peak_memory(&child)?
    ));

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let waited = Arc::new(Mutex::new(Vec::new()));
    let joining = Instant::now();
    let crowd: Vec<_> = (0..workers)
        .map(|number| runtime.spawn(work(access.clone(), number, workers, Arc::clone(&waited))))
        .collect();
    let count = || waited.lock().map(|waited| waited.len()).unwrap_or_default();
    // Each of them has said something, as near as it matters.
    while count() < workers {
        ensure!(child.try_wait()?.is_none(), "the coordinator has ended");
        ensure!(!crowd.iter().any(|task| task.is_finished()), "a worker has left");
        std::thread::sleep(Duration::from_millis(20));
    }
    say(&format!("{workers} workers: all at work after {:.1} s", joining.elapsed().as_secs_f64()));
    let (before, begun) = (processor_seconds(&child)?, Instant::now());
    waited.lock().map_err(|_| anyhow::anyhow!("a worker has panicked"))?.clear();
    std::thread::sleep(seconds);
    let mut waits = waited.lock().map_err(|_| anyhow::anyhow!("a worker has panicked"))?.clone();
    let (took, passed) = (processor_seconds(&child)? - before, begun.elapsed().as_secs_f64());
    waits.sort();
    ensure!(!waits.is_empty(), "nothing was acknowledged");
    let at = |share: f64| 1e3 * waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64();
    let in_time = waits.iter().filter(|wait| **wait <= LATE).count() as f64 / waits.len() as f64;
    say(&format!(
        "  {:.0} reports/s, {:.2} % acknowledged within 100 ms",
        waits.len() as f64 / passed,
        1e2 * in_time
    ));
    say(&format!("  median {:.1} ms, 99 % {:.1} ms, longest {:.1} ms", at(0.5), at(0.99), at(1.0)));
    say(&format!("  the coordinator: {:.0} % of a core, peak {:.0} MB", 1e2 * took / passed, peak_memory(&child)?));
    let _ = kill_process(Pid::from_child(&child), Signal::INT);
    runtime.shutdown_background();
    child.wait()?;
    Ok(())
}

/// Waits until workers are let in.
fn access(results: &Path, child: &mut Child) -> anyhow::Result<Access> {
    loop {
        if let Ok(access) = Access::read(&Folder::new(results).access()) {
            return Ok(access);
        }
        ensure!(child.try_wait()?.is_none(), "the coordinator has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a process has computed so far, on all cores together.
fn processor_seconds(child: &Child) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let fields = text.rsplit_once(')').context("no /proc/PID/stat")?.1;
    let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|field| field.parse::<f64>().ok());
    let sum = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    Ok(sum.context("no times in /proc/PID/stat")? / rustix::param::clock_ticks_per_second() as f64)
}

/// One worker, to the end of the sweep. It reports one epoch a second, each worker at a moment of its own.
async fn work(access: Access, number: usize, of: usize, waited: Arc<Mutex<Vec<Duration>>>) -> anyhow::Result<()> {
    sleep(PAUSE.mul_f64(number as f64 / of as f64)).await;
    let mut wire = Framed::new(connect(&access).await?, Messages::<FromWorker, ToWorker>::default());
    let hello = Hello {
        protocol: VERSION,
        token: access.pass.token.clone(),
        who: Who::Guest(number as u64),
        process: std::process::id(),
        build: build(),
        host: Some(format!("host{}", number / 8)),
        seconds_left: None,
        running: None,
    };
    let mut greeting = Vec::new();
    frostline_protocol::codec::encode(&Greeting::Worker(hello), &mut greeting)?;
    wire.get_mut().write_all(&greeting).await?;
    let mut ticks = interval_at((Instant::now() + PAUSE).into(), PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running: Option<(Claim, TrialId, u32)> = None;
    let mut unanswered: VecDeque<(Claim, u32, Instant)> = VecDeque::new();
    loop {
        tokio::select! {
            message = wire.next() => match message.context("the coordinator has gone")?? {
                ToWorker::Assign(assignment) => {
                    let Work::Train { trial, .. } = &assignment.work else { continue };
                    running = Some((assignment.claim(), *trial, 1));
                }
                ToWorker::Acknowledge { attempt, number } => {
                    let is_answered = |(claim, sent, _): &(Claim, u32, Instant)| claim.attempt == attempt && *sent <= number;
                    while unanswered.front().is_some_and(is_answered) {
                        let sent = unanswered.pop_front().map(|(_, _, sent)| sent);
                        if let Ok(mut waited) = waited.lock() {
                            waited.extend(sent.map(|sent| sent.elapsed()));
                        }
                    }
                }
                ToWorker::Drain => return Ok(()),
                ToWorker::Welcome(_) | ToWorker::Stop { .. } | ToWorker::Piece { .. } | ToWorker::Kept { .. } => {}
            },
            _ = ticks.tick() => {
                let Some((claim, trial, number)) = running.take() else {
                    wire.send(&FromWorker::Heartbeat).await?;
                    continue;
                };
                let report = if number <= EPOCHS {
                    Report::Epoch(idle::metrics(trial, number))
                } else {
                    Report::Complete(idle::evaluation(trial))
                };
                unanswered.push_back((claim.clone(), number, Instant::now()));
                wire.send(&FromWorker::Report { claim: claim.clone(), number, report }).await?;
                if number <= EPOCHS {
                    running = Some((claim, trial, number + 1));
                }
            }
        }
    }
}
