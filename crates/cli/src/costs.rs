//! How a sweep is run here: how many workers, with how many threads, and which features they keep, by what computing
//! takes on this machine.

use crate::args::Measuring;
use crate::machine::{self, Team, WorkerInfo, worker_arguments};
use crate::measure::{self, Measured, Wanted};
use crate::memory::memory;
use crate::output;
use crate::prepare::Prepared;
use frostline_sweep::costs::Costs;
use frostline_sweep::features::FeatureKey;
use frostline_sweep::layers;
use frostline_sweep::reuse::{self, Premises, Reuse};
use frostline_sweep::trial::Precision;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Measuring takes some seconds: for sweeps that are over sooner by an estimate than this it is not worth it.
const WORTH_MEASURING: f64 = 300.0;
/// Share of the free disk that features may take.
const DISK_SHARE: f64 = 0.9;
/// Share of the available memory that workers may take together.
const MEMORY_SHARE: f64 = 0.8;
/// How a sweep is run on this machine.
pub(crate) struct Arrangement {
    pub(crate) team: Team,
    pub(crate) reuse: Reuse,
    /// When its times were measured, in seconds since 1970; none where they are estimated from operation counts.
    pub(crate) measured_at: Option<f64>,
}

/// Arranges a sweep. `recorded` are the threads that earlier trials of it were run with; with `remeasure` nothing that
/// earlier sweeps have measured counts.
///
/// # Errors
/// A device is asked for that is not there.
pub(crate) fn arrange(
    prepared: &Prepared,
    results: &Path,
    info: &WorkerInfo,
    recorded: Option<u32>,
    Measuring { remeasure }: Measuring,
) -> anyhow::Result<Arrangement> {
    let workers = &prepared.definition.workers;
    let team = machine::team(workers, info, recorded)?;
    let place = Place::of(prepared, results);
    let rows = layers::table(prepared.definition.model.architecture, prepared.definition.data.image_size);
    let reuse = place.plan(prepared, &|_| Costs::estimated(&rows, team.threads));
    let estimated = Arrangement { reuse, team, measured_at: None };
    // CUDA is so much faster that operation counts say nothing.
    let is_cuda = estimated.team.is_cuda();
    let is_short = estimated.reuse.expected(estimated.team.devices.len()) < WORTH_MEASURING;
    // Workers with arguments of their own may not do what would be measured.
    if is_short && !is_cuda || !worker_arguments().is_empty() {
        return Ok(estimated);
    }
    // Looked at before measuring, which is work itself.
    let busy = measure::is_busy(info.cores);
    let mut disturbed = false;
    let mut best: Option<Arrangement> = None;
    for team in machine::teams(workers, info, recorded)? {
        let wanted = Wanted { prepared, disk: &place.disk, info, team: &team, remeasure, busy };
        let Some(Measured { costs, at, busy }) = measure::measured(&wanted) else { continue };
        disturbed |= busy;
        let reuse = place.plan(prepared, &|precision| costs[precision.name()].clone());
        let needed = team.devices.len() as u64 * costs.values().map(|costs| costs.memory).max().unwrap_or(0);
        let fits = is_cuda || memory().is_none_or(|memory| needed as f64 <= MEMORY_SHARE * memory.available as f64);
        let is_better = |best: &Arrangement| {
            fits && reuse.expected(team.devices.len()) < best.reuse.expected(best.team.devices.len())
        };
        if best.as_ref().is_none_or(is_better) {
            best = Some(Arrangement { team, reuse, measured_at: Some(at) });
        }
    }
    if disturbed {
        output::note(
            "other programs kept this machine busy while computing was measured, so these times are too long: they are \
             measured again once it is quiet, or with --remeasure",
        );
    }
    Ok(best.unwrap_or(estimated))
}

/// The results folder's disk and cache.
struct Place {
    /// A folder on it that exists.
    disk: PathBuf,
    present: BTreeSet<FeatureKey>,
    /// Space for features, those of `present` included.
    room: u64,
}

impl Place {
    fn of(prepared: &Prepared, results: &Path) -> Place {
        let results = std::path::absolute(results).unwrap_or_else(|_| results.to_owned());
        let disk = results.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned();
        let kept = frostline_results::features::kept(&prepared.places(&results).features);
        let used: u64 = kept.iter().map(|kept| kept.bytes).sum();
        let free = machine::free_space(&disk).unwrap_or(u64::MAX);
        let room = prepared.definition.cache.max_bytes.min(used.saturating_add((DISK_SHARE * free as f64) as u64));
        Place { disk, present: kept.into_iter().map(|kept| kept.key).collect(), room }
    }

    fn plan(&self, prepared: &Prepared, costs: &dyn Fn(Precision) -> Costs) -> Reuse {
        let trials = prepared.trials.iter().map(|trial| (trial.id, &trial.spec));
        let premises = |max_bytes| Premises { costs, images: prepared.images, max_bytes, present: &self.present };
        if prepared.definition.cache.features {
            return reuse::plan(trials, &premises(self.room));
        }
        // Nothing to decide, only times.
        Reuse { cuts: Vec::new(), ..reuse::plan(trials, &premises(0)) }
    }
}
