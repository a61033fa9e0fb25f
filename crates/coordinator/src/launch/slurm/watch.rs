//! Waits for Slurm: for jobs to be taken, to begin and to end. Nothing here is decided by one answer.

use super::queue::{FORMAT, end, is_passing, listed, submitted};
use super::{Shared, cancel, pauses, script};
use crate::launch::Exit;
use frostline_protocol::{Incarnation, WorkerId};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pauses after a controller did not answer, doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// Lists that a job is missing from before it counts as gone; one where it was cancelled.
const MISSES: u32 = 2;

/// Hands a job to Slurm, however long it takes to be heard.
pub(super) async fn submit(shared: Arc<Shared>, worker: WorkerId, incarnation: Incarnation) {
    let is_wanted =
        || shared.jobs().get(&worker).is_some_and(|job| job.incarnation == incarnation && !job.is_cancelled);
    let workers = &shared.workers;
    let arguments = script::arguments(workers, &shared.seen, &shared.prefix, worker, incarnation);
    let script = script::script(workers, &shared.seen, worker, incarnation);
    let mut pause = FIRST_PAUSE;
    let outcome = loop {
        // What an earlier try has left may be there in spite of its answer.
        if !is_wanted() || shared.jobs().get(&worker).is_some_and(|job| job.id.is_some()) {
            break Ok(None);
        }
        let said = {
            let Ok(_permit) = shared.one_by_one.acquire().await else { return };
            if let Err(error) = shared.seen.prepare(&workers.folder) {
                break Err(format!("{} cannot be used: {error}", shared.seen.logs.display()));
            }
            run("sbatch", &arguments, Some(&script)).await
        };
        match said {
            Ok(text) => break submitted(&text).map(Some).ok_or_else(|| format!("sbatch answered `{}`", text.trim())),
            Err(message) if is_passing(&message) => {
                tracing::warn!(
                    worker = worker.0,
                    "Slurm did not take a job, the next try is in {pause:?}: {message}"
                );
                sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            Err(message) => break Err(message),
        }
    };
    let mut jobs = shared.jobs();
    let job = jobs.get_mut(&worker).filter(|job| job.incarnation == incarnation);
    match (outcome, job) {
        (Ok(Some(id)), Some(job)) => {
            tracing::info!(worker = worker.0, "Slurm job {id} waits");
            if job.is_cancelled {
                cancel(&id);
            }
            job.id = Some(id);
        }
        (Ok(Some(id)), None) => cancel(&id),
        (Ok(None), Some(job)) if job.id.is_none() => {
            jobs.remove(&worker);
            shared.notices.exit(exit(worker, true, "it was not submitted any more".to_owned(), Vec::new()));
        }
        (Err(description), Some(_)) => {
            jobs.remove(&worker);
            shared.notices.exit(exit(worker, false, description, Vec::new()));
        }
        _ => {}
    }
}

/// Asks again and again how the jobs stand, and tells what has changed.
pub(super) async fn watch(shared: Arc<Shared>) {
    let (seldom, soon) = pauses(&shared.workers.options);
    loop {
        let hurries = shared.jobs().values().any(|job| job.is_cancelled);
        tokio::select! {
            () = sleep(if hurries { soon } else { seldom }) => {}
            () = shared.changed.notified() => sleep(soon).await,
        }
        if shared.jobs().is_empty() {
            continue;
        }
        match run("squeue", &["--me", "--noheader", "-o", FORMAT], None).await {
            Ok(text) => look(&shared, &text).await,
            Err(message) => tracing::warn!("Slurm does not say how its jobs stand, and is asked again: {message}"),
        }
    }
}

/// Compares a list of jobs with those that were asked for.
async fn look(shared: &Shared, text: &str) {
    let mut gone = Vec::new();
    {
        let mut jobs = shared.jobs();
        let mut seen = BTreeSet::new();
        for found in listed(text, &shared.prefix).into_iter().filter(|job| !job.is_over()) {
            match jobs.get_mut(&found.worker).filter(|job| job.incarnation == found.incarnation) {
                Some(job) => {
                    seen.insert(found.worker);
                    job.misses = 0;
                    if job.is_cancelled && job.id.is_none() {
                        cancel(&found.id);
                    }
                    if !found.waits() && !std::mem::replace(&mut job.has_begun, true) {
                        shared.notices.began(found.worker);
                    }
                    job.id = Some(found.id);
                }
                // Of a place that has gone to another, or of a coordinator that died while it was being submitted.
                None => cancel(&found.id),
            }
        }
        for (worker, job) in jobs.iter_mut().filter(|(worker, _)| !seen.contains(worker)) {
            let Some(id) = &job.id else { continue };
            job.misses += 1;
            if job.misses >= if job.is_cancelled { 1 } else { MISSES } {
                gone.push((*worker, job.incarnation, id.clone()));
            }
        }
    }
    for (worker, incarnation, id) in gone {
        // Slurm remembers an ended job for some minutes.
        let said = run("scontrol", &["-o", "show", "job", &id], None).await.unwrap_or_default();
        let end = end(&said);
        let log = shared.jobs().get(&worker).filter(|job| job.incarnation == incarnation).map(|job| job.log.tail());
        // It is told with each list that lacks the job, until its place is given to another.
        if let Some(log) = log {
            let end = exit(worker, end.is_excused(), end.describe(&id), log);
            shared.notices.missing(incarnation, end);
        }
    }
}

fn exit(worker: WorkerId, is_excused: bool, description: String, log: Vec<String>) -> Exit {
    Exit { worker, is_excused, description, log }
}

/// What a command prints. An error says why there is nothing.
pub(super) async fn run(
    program: &str,
    arguments: &[impl AsRef<std::ffi::OsStr>],
    input: Option<&str>,
) -> Result<String, String> {
    let answer = async {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn()?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = match timeout(PATIENCE, answer).await {
        // The words of a controller that is too busy.
        Err(_) => return Err(format!("{program}: Socket timed out: no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => return Err(format!("{program}: {error}")),
        Ok(Ok(output)) => output,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")),
    }
}
