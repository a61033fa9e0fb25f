//! The event loop: waits for what happens, lets the core decide and commit, hands out what follows, says farewell.
//!
//! Only waiting is async. The thread that calls [`run`] decides and commits; connections, ends of processes and signals are
//! waited for on one thread of the runtime, which shares nothing with it but channels.

use crate::checkpoints::Checkpoints;
use crate::clock::Clock;
use crate::core::{Committed, Core, Input, Outcome, Running, Status, Terms};
use crate::error::CoordinatorError;
use crate::farewell::Farewell;
use crate::folder::Watched;
use crate::hands::Hands;
use crate::hub::Hub;
use crate::inbox::Inbox;
use crate::job::{Job, Relay};
use crate::launch::Access;
use crate::ledger::Ledger;
use crate::net::{House, Listening, Remote, tls, token::token};
use crate::signals::Signals;
use crate::start::{Start, make_room_for, start};
use crate::upkeep::{Models, Upkeep};
use frostline_results::features::remove_unfinished;
use frostline_results::{Folder, RunStatus, RunningTask};
use frostline_scheduler::Settings;
use frostline_store::Writer;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::{Builder, Runtime};

/// Seconds between two signs of life of a worker, and a fifth of its lease at most.
const HEARTBEAT: f64 = 1.0;
/// The longest wait of the loop.
const WAIT: Duration = Duration::from_millis(250);
/// The status is told this often at most.
const STATUS_PAUSE: Duration = Duration::from_millis(100);
/// How often the results folder and the socket are looked for.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// How often the workers' logs are looked at.
const LOG_PAUSE: Duration = Duration::from_secs(10);
/// Workers that were killed have this long to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Runs what the database lacks of the job's sweep, and tells `hub` of it.
///
/// # Errors
/// Where the database, the socket or the process table cannot be used. No worker is left running then.
pub fn run(writer: Writer, job: Job, hub: Hub) -> Result<Outcome, CoordinatorError> {
    allow_open_files();
    // The runtime panics where it cannot have its thread (`ulimit -u`).
    let probe = std::thread::Builder::new().spawn(|| ());
    drop(probe.map_err(|source| CoordinatorError::Runtime { source })?.join());
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("frostline-net").enable_all().build();
    let runtime = runtime.map_err(|source| CoordinatorError::Runtime { source })?;
    let signals = Signals::listen(runtime.handle()).map_err(|source| CoordinatorError::Runtime { source })?;
    let (mut inbox, to_net, notices) = Inbox::new(signals);
    let hub = Arc::new(hub);
    let results = job.results.canonicalize();
    let results = results.map_err(|source| CoordinatorError::File { path: job.results.clone(), source })?;
    let folder = Arc::new(Watched::open(&results)?);
    let sweep = job.sweep.clone();
    let token = token(&results)?;
    let (is_cuda, backlog, least) = (job.engine.is_cuda(), job.engine.backlog(), job.engine.least());
    let endpoint = Folder::new(&results).endpoint();
    let access = Access { endpoint, token: token.clone(), notices, runtime: runtime.handle().clone() };
    let launcher = job.engine.start(access).map_err(|source| CoordinatorError::Launcher { source })?;
    let hands = Hands::new(launcher);
    if hands.launcher().survivors().is_empty() {
        remove_unfinished(&job.places.features);
    }
    make_room_for(&job.reuse, &job.places.features, job.cache_bytes);
    let Start { restored, worklist, newest } =
        start(&writer, &job.sweep, &job.reuse, &job.places.checkpoints, hands.launcher(), is_cuda)?;
    let models = match &job.places.models {
        Some(folder) => Some(Models::find(folder.clone(), job.keep, job.sweep.clone(), writer.reader(), job.ties)?),
        None => None,
    };
    let checkpoints = Arc::new(Checkpoints::new(job.places.checkpoints.clone(), worklist.trials().collect()));
    let house = House {
        token: token.into(),
        models: job.places.models.as_deref().map(Arc::from),
        checkpoints: Arc::clone(&checkpoints),
        events: to_net,
    };
    let upkeep = Upkeep { checkpoints, models };
    let milliseconds = |seconds: f64| (1000.0 * seconds) as u64;
    let settings = Settings {
        lease: milliseconds(job.lease),
        stall: milliseconds(job.stall),
        awaits_guests: job.invitation.is_some() && backlog.is_none(),
        backlog,
        least,
        ..Settings::default()
    };
    let ledger = Ledger {
        writer,
        sweep: job.sweep.clone(),
        hub: Arc::clone(&hub),
        interrupts: inbox.interrupts(),
        folder: Arc::clone(&folder),
    };
    let terms = Terms {
        sweep: job.sweep,
        places: job.places,
        heartbeat: HEARTBEAT.min(job.lease / 5.0),
        reconnect_grace: job.reconnect_grace,
        is_lent: backlog.is_some(),
    };
    let clock = Clock::start();
    let (core, committed) = Core::restore(ledger, settings, restored, worklist, newest, terms, clock.now())?;
    let now = Instant::now();
    let status = Folder::new(&results).status();
    let results_folder = Folder::new(&results);
    let start = |invitation| Remote::start(runtime.handle(), &results_folder, invitation, house.clone());
    let remote = job.invitation.as_ref().map(start).transpose()?;
    let listening = Listening::start(runtime.handle(), results, house)?;
    let mut run = Run {
        hands,
        upkeep,
        hub,
        clock,
        listening,
        folder,
        sweep,
        status,
        told: None,
        looked: now,
        logs_bounded: now,
        relay: job.relay,
    };
    let ended = run.serve(core, committed, &mut inbox, &runtime);
    let _ = std::fs::remove_file(&run.status);
    if matches!(ended, Ok(Outcome::Finished)) && remote.is_some() {
        tls::lock(&results_folder);
    }
    drop(remote);
    if ended.is_err() {
        // There is no core any more that could decide anything.
        run.hands.kill_all();
        run.wait_until_gone(&mut inbox, &runtime);
    }
    ended
}

/// Everything around a core.
struct Run {
    hands: Hands,
    upkeep: Upkeep,
    hub: Arc<Hub>,
    clock: Clock,
    listening: Listening,
    folder: Arc<Watched>,
    sweep: String,
    /// The file of [`RunStatus`].
    status: PathBuf,
    told: Option<Instant>,
    looked: Instant,
    logs_bounded: Instant,
    relay: Option<Relay>,
}

impl Run {
    fn serve(
        &mut self,
        mut core: Core<Ledger>,
        mut committed: Committed,
        inbox: &mut Inbox,
        runtime: &Runtime,
    ) -> Result<Outcome, CoordinatorError> {
        loop {
            let (facts, actions) = committed.into_parts();
            let mut batch = self.hands.carry_out(actions);
            let reader = core.journal().writer.reader();
            let removed = facts.iter().flat_map(|fact| self.upkeep.note(fact, reader)).collect();
            self.hub.facts(facts);
            self.hub.removed(removed);
            self.look_around(&mut core)?;
            if let Some(outcome) = core.outcome() {
                return Ok(outcome.clone());
            }
            let wait = core.deadline().map_or(WAIT, |deadline| self.clock.until(deadline).min(WAIT));
            if batch.is_empty() {
                batch = inbox.wait(runtime, wait, &mut self.hands);
            }
            if batch.iter().any(|input| matches!(input, Input::Interrupted))
                && let Some(relay) = self.relay.take()
            {
                match relay() {
                    Farewell::InGoodOrder => {}
                    Farewell::AtOnce => batch.push(Input::Interrupted),
                    Farewell::HandOver => {
                        // What workers said is not acknowledged, so the next one hears it.
                        tracing::info!("leaves the sweep to the next coordinator");
                        return Ok(Outcome::HandedOver);
                    }
                }
            }
            let now = self.clock.advance(wait);
            let launcher = self.hands.launcher();
            (core, committed) = core.turn(now, batch, &|worker| launcher.log(worker))?;
        }
    }

    /// Waits for the ends of workers that were killed.
    fn wait_until_gone(&mut self, inbox: &mut Inbox, runtime: &Runtime) {
        let deadline = Instant::now() + FAREWELL;
        while !self.hands.alive().is_empty() {
            match inbox.exit(runtime, deadline.saturating_duration_since(Instant::now())) {
                Some(exit) => drop(self.hands.exited(exit)),
                None => return tracing::error!("worker processes {:?} did not end", self.hands.alive()),
            }
        }
    }

    /// Tells and shows how things stand, looks whether others still find what they need, and keeps logs short, now and then.
    fn look_around(&mut self, core: &mut Core<Ledger>) -> Result<(), CoordinatorError> {
        if self.looked.elapsed() >= LOOK_PAUSE {
            self.looked = Instant::now();
            self.folder.check(&self.sweep)?;
            self.listening.keep();
            // What is recorded is not touched by that; readers hear how old it is that they see.
            if let Err(error) = core.journal().writer.show() {
                tracing::warn!("others do not see what is new: {error}");
            }
            // Who looks on does without it, and the next one is due in a second.
            if let Err(error) = run_status(&self.sweep, core.status()).write(&self.status) {
                tracing::debug!("{} is not written: {error}", self.status.display());
            }
        }
        if self.logs_bounded.elapsed() >= LOG_PAUSE {
            self.hands.launcher().bound_logs();
            self.logs_bounded = Instant::now();
        }
        if core.outcome().is_some() || self.told.is_none_or(|told| told.elapsed() >= STATUS_PAUSE) {
            self.told = Some(Instant::now());
            self.hub.status(core.status());
        }
        Ok(())
    }
}

fn run_status(sweep: &str, status: Status) -> RunStatus {
    let running =
        |it: Running| RunningTask { worker: it.worker.0, task: it.task, epochs: it.epochs, steps: it.steps };
    RunStatus {
        sweep: sweep.to_owned(),
        process: std::process::id(),
        host: frostline_results::host(),
        at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64()),
        seconds_left: status.time_left.map(|left| left.as_secs_f64()),
        draining: status.draining,
        running: status.running.into_iter().map(running).collect(),
    }
}

/// Each worker takes a socket and a process' descriptor, and many systems allow 1,024 files unless they are asked for more.
fn allow_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What there was goes on to hold.
    let _ = setrlimit(Resource::Nofile, limit);
}
