//! The coordinator's core and the worker's desk, both as they are, in a world of lost, late and doubled messages, of crashes, hangs and lies, drawn from a seed.
//!
//! Nothing here waits and nothing is left to chance: a seed that fails does so again. `FROSTLINE_SIM_SEED=7` runs one
//! seed, `FROSTLINE_SIM_SEEDS=100000` more of them than usual.

mod coordinator;
mod database;
mod effects;
mod plan;
mod process;
mod verdict;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use world::{Bug, World};

const SEEDS: u64 = 2_000;
/// Lines of the trace that a failure shows; all of them where one seed is asked for.
const TAIL: usize = 80;

const UNPOISONED: &str = "no thread panics while it holds a lock";

/// Runs one seed. An error says what was wrong.
fn run(world: &mut World) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("no message")))
    })
}

/// The first seed below `seeds` that fails, and how often each remarkable thing happened.
fn first_failure(seeds: u64, bug: Option<Bug>) -> (Option<(u64, String)>, BTreeMap<&'static str, u64>) {
    let next = AtomicU64::new(0);
    let failure: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let seen = Mutex::new(BTreeMap::new());
    let work = || {
        while failure.lock().expect(UNPOISONED).is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            let mut world = World::new(seed, bug, false);
            if let Err(error) = run(&mut world) {
                let mut first = failure.lock().expect(UNPOISONED);
                if first.as_ref().is_none_or(|(known, _)| seed < *known) {
                    *first = Some((seed, error));
                }
            }
            let mut all = seen.lock().expect(UNPOISONED);
            world.seen.iter().for_each(|(what, count)| *all.entry(*what).or_default() += count);
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    (failure.into_inner().expect(UNPOISONED), seen.into_inner().expect(UNPOISONED))
}

/// Runs a seed that fails once more, to show what led there.
fn explain(seed: u64, error: &str, tail: usize) -> ! {
    let mut world = World::new(seed, None, true);
    let _ = run(&mut world);
    let trace = world.trace.unwrap_or_default();
    let tail = trace[trace.len().saturating_sub(tail)..].join("\n");
    panic!("{tail}\nseed {seed}: {error}\nonce more: FROSTLINE_SIM_SEED={seed} cargo test -p frostline-coordinator");
}

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is `{value}`; it must be a number")))
}

#[test]
fn every_sweep_ends_with_the_results_of_a_run_without_disturbances() {
    if let Some(seed) = from_environment("FROSTLINE_SIM_SEED") {
        if let Err(error) = run(&mut World::new(seed, None, false)) {
            explain(seed, &error, usize::MAX);
        }
        return;
    }
    let seeds = from_environment("FROSTLINE_SIM_SEEDS").unwrap_or(SEEDS);
    let (failure, seen) = first_failure(seeds, None);
    if let Some((seed, error)) = failure {
        explain(seed, &error, TAIL);
    }
    println!("{seen:#?}");
    if seeds >= SEEDS {
        for what in REMARKABLE {
            assert!(seen.contains_key(what), "no seed saw {what}: {seen:?}");
        }
    }
}

/// A simulation that never sees one of these proves nothing about it.
const REMARKABLE: [&str; 42] = [
    "a broken connection",
    "a checkpoint that has travelled",
    "a checkpoint that is asked for again",
    "a checkpoint that is fetched",
    "a commit that fails",
    "a crash",
    "a death at a commit",
    "a death between commits",
    "a fill",
    "a hang",
    "a job that is taken out of the queue",
    "a job that still waits",
    "a job whose turn comes",
    "a jump of the clock",
    "a lie",
    "a message of an old connection",
    "a model that has travelled",
    "a model that is sent again",
    "a node that is gone and lives",
    "a process that cannot be started",
    "a process that dies before it connects",
    "a process that gives up",
    "a process that is evicted",
    "a process that is slow to start",
    "a process that leaves",
    "a process whose time is over",
    "a running trial that is cancelled",
    "a smaller batch",
    "a standstill",
    "a survivor",
    "a sweep without workers that live",
    "a trainer that stands still",
    "a waiting trial that is cancelled",
    "an attempt that was interrupted",
    "an interruption",
    "bad_data",
    "device",
    "diverged",
    "internal",
    "out_of_memory",
    "worker_lost",
    "failed",
];

fn is_seen(bug: Bug) {
    let (failure, _) = first_failure(SEEDS, Some(bug));
    assert!(failure.is_some(), "{SEEDS} seeds do not see a coordinator with the bug {bug:?}");
}

#[test]
fn an_acknowledgement_before_the_commit_is_seen() {
    is_seen(Bug::AcknowledgesBeforeCommit);
}

#[test]
fn a_fenced_attempt_that_is_accepted_is_seen() {
    is_seen(Bug::AcceptsFencedAttempts);
}

#[test]
fn a_lease_that_is_forgotten_is_seen() {
    is_seen(Bug::ForgetsLeases);
}

#[test]
fn decisions_after_a_commit_that_failed_are_seen() {
    is_seen(Bug::GoesOnAfterFailedCommit);
}

#[test]
fn a_process_that_gets_anothers_place_back_is_seen() {
    is_seen(Bug::AcceptsOldIncarnations);
}

#[test]
fn an_eviction_that_counts_against_the_trial_is_seen() {
    is_seen(Bug::CountsEvictions);
}

#[test]
fn a_trial_that_starts_from_features_of_another_machine_is_seen() {
    is_seen(Bug::IgnoresHosts);
}

#[test]
fn a_model_of_which_a_part_was_lost_is_seen() {
    is_seen(Bug::SendsModelsOnce);
}

#[test]
fn a_checkpoint_that_is_not_asked_for_again_is_seen() {
    is_seen(Bug::AsksOnce);
}
