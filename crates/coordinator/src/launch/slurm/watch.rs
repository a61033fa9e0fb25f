//! Waits for Slurm: for jobs to be taken, to begin and to end. Nothing here is decided by one answer.

use super::queue::{FORMAT, end, is_passing, listed, submitted};
use super::{Shared, cancel, pauses, script};
use crate::launch::Exit;
use crate::launch::ask::run;
use frostline_protocol::{Incarnation, WorkerId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

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
                break Err(format!("{} cannot be used: {error}", shared.seen.folder.path().display()));
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
        let hurries = shared.jobs().values().any(|job| job.is_cancelled && job.end.is_none());
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
    for (worker, incarnation, id) in newly_gone(shared, text) {
        // Slurm remembers an ended job for some minutes.
        let said = run("scontrol", &["-o", "show", "job", &id], None).await.unwrap_or_default();
        if let Some(job) = shared.jobs().get_mut(&worker).filter(|job| job.incarnation == incarnation) {
            let end = end(&said);
            job.end = Some(exit(worker, end.is_excused(), end.describe(&id), job.log.tail()));
        }
    }
    // It is told with each list that lacks the job, until its place is given to another: whoever hears it may know better.
    for job in shared.jobs().values() {
        if let Some(end) = &job.end {
            shared.notices.missing(job.incarnation, end.clone());
        }
    }
}

/// Notes what a list says of the jobs. Returns those that count as gone since now.
fn newly_gone(shared: &Shared, text: &str) -> Vec<(WorkerId, Incarnation, String)> {
    let mut jobs = shared.jobs();
    let mut seen = BTreeSet::new();
    for found in listed(text, &shared.prefix).into_iter().filter(|job| !job.is_over()) {
        match jobs.get_mut(&found.worker).filter(|job| job.incarnation == found.incarnation) {
            Some(job) => {
                seen.insert(found.worker);
                (job.misses, job.end) = (0, None);
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
    let mut gone = Vec::new();
    for (worker, job) in jobs.iter_mut().filter(|(worker, job)| !seen.contains(worker) && job.end.is_none()) {
        let Some(id) = &job.id else { continue };
        job.misses += 1;
        if job.misses >= if job.is_cancelled { 1 } else { MISSES } {
            gone.push((*worker, job.incarnation, id.clone()));
        }
    }
    gone
}

fn exit(worker: WorkerId, is_excused: bool, description: String, log: Vec<String>) -> Exit {
    Exit { worker, is_excused, description, log }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::log::LogStart;
    use crate::launch::slurm::queue::name;
    use crate::launch::slurm::{Job, SlurmWorkers};
    use crate::launch::{Notices, Told};
    use frostline_results::Folder;
    use frostline_sweep::definition::Slurm;
    use std::sync::Mutex;
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::sync::{Notify, Semaphore};

    const ONE: WorkerId = WorkerId(1);
    const SEVENTH: Incarnation = Incarnation(7);

    #[test]
    fn a_job_is_asked_for_its_end_once_and_lists_that_have_it_again_take_that_back() {
        let workers = SlurmWorkers {
            options: Slurm::default(),
            program: "frostline".into(),
            on_gpu: false,
            threads: 1,
            folder: Folder::new("results"),
        };
        let (to, mut told) = unbounded_channel();
        let prefix = "frostline-0a1b2c3d".to_owned();
        let job = Job {
            incarnation: SEVENTH,
            id: Some("12".to_owned()),
            has_begun: false,
            is_cancelled: false,
            misses: 0,
            end: None,
            log: LogStart { path: "none".into(), offset: 0 },
        };
        let shared = Shared {
            seen: workers.seen(&prefix),
            workers,
            notices: Notices(to),
            jobs: Mutex::new([(ONE, job)].into()),
            changed: Notify::new(),
            one_by_one: Semaphore::new(1),
            prefix,
        };
        let listed = format!("12 RUNNING {}\n", name(&shared.prefix, ONE, SEVENTH));
        let gone = vec![(ONE, SEVENTH, "12".to_owned())];
        let ends = || {
            let end = exit(ONE, true, "gone".to_owned(), Vec::new());
            shared.jobs().values_mut().for_each(|job| job.end = Some(end.clone()));
        };
        assert_eq!(newly_gone(&shared, &listed), []);
        assert!(matches!(told.try_recv(), Ok(Told::Began(ONE))));
        assert_eq!(newly_gone(&shared, ""), [], "one list proves nothing");
        assert_eq!(newly_gone(&shared, ""), gone);
        ends();
        assert_eq!(newly_gone(&shared, ""), [], "how it ended is known");
        assert_eq!(newly_gone(&shared, &listed), []);
        assert!(shared.jobs().values().all(|job| job.end.is_none()), "it is there after all");
        assert_eq!(newly_gone(&shared, ""), []);
        shared.jobs().values_mut().for_each(|job| job.is_cancelled = true);
        assert_eq!(newly_gone(&shared, ""), gone, "of one that was cancelled it is expected");
        assert!(told.try_recv().is_err(), "it began once");
    }
}
