//! How a sweep is run here: how many workers, with how many threads, and which features they keep, by what computing
//! takes on this machine. Measured once a machine and setting, and remembered in the user's cache folder.

use crate::machine::{self, Team, WorkerInfo, worker_arguments};
use crate::output;
use crate::prepare::Prepared;
use anyhow::anyhow;
use frostline_assets::cache;
use frostline_protocol::tools::Measure;
use frostline_sweep::costs::Costs;
use frostline_sweep::features::FeatureKey;
use frostline_sweep::layers;
use frostline_sweep::reuse::{self, Premises, Reuse};
use frostline_sweep::trial::Precision;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Measuring takes some seconds: for sweeps that are over sooner by an estimate than this it is not worth it.
const WORTH_MEASURING: f64 = 300.0;
/// Share of the free disk that features may take.
const DISK_SHARE: f64 = 0.9;
/// Share of the available memory that workers may take together.
const MEMORY_SHARE: f64 = 0.8;
/// Raised when the meaning of remembered costs changes; part of their folder's name.
const FORMAT: &str = "costs-v1";

/// How a sweep is run on this machine.
pub(crate) struct Arrangement {
    pub(crate) team: Team,
    pub(crate) reuse: Reuse,
    /// Whether its times were measured; else they are estimated from operation counts.
    pub(crate) measured: bool,
}

/// Arranges a sweep. `recorded` are the threads that earlier trials of it were run with.
///
/// # Errors
/// A device is asked for that is not there.
pub(crate) fn arrange(
    prepared: &Prepared,
    results: &Path,
    info: &WorkerInfo,
    recorded: Option<u32>,
) -> anyhow::Result<Arrangement> {
    let workers = &prepared.definition.workers;
    let team = machine::team(workers, info, recorded)?;
    let place = Place::of(prepared, results);
    let rows = layers::table(prepared.definition.model.architecture, prepared.definition.data.image_size);
    let reuse = place.plan(prepared, &|_| Costs::estimated(&rows, team.threads));
    let estimated = Arrangement { reuse, team, measured: false };
    // CUDA is so much faster that operation counts say nothing.
    let is_cuda = estimated.team.devices.iter().any(|device| device.starts_with("cuda"));
    let is_short = estimated.reuse.expected(estimated.team.devices.len()) < WORTH_MEASURING;
    // Workers with arguments of their own may not do what would be measured.
    if is_short && !is_cuda || !worker_arguments().is_empty() {
        return Ok(estimated);
    }
    let mut best: Option<Arrangement> = None;
    for team in machine::teams(workers, info, recorded)? {
        let Some(costs) = measured(prepared, &place.disk, info, &team) else { continue };
        let reuse = place.plan(prepared, &|precision| costs[precision.name()].clone());
        let needed = team.devices.len() as u64 * costs.values().map(|costs| costs.memory).max().unwrap_or(0);
        let fits = is_cuda
            || machine::memory("MemAvailable:").is_none_or(|bytes| needed as f64 <= MEMORY_SHARE * bytes as f64);
        let is_better = |best: &Arrangement| {
            fits && reuse.expected(team.devices.len()) < best.reuse.expected(best.team.devices.len())
        };
        if best.as_ref().is_none_or(is_better) {
            best = Some(Arrangement { team, reuse, measured: true });
        }
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

/// Costs by precision, remembered or measured now; none where that fails, which is said.
fn measured(
    prepared: &Prepared,
    disk: &Path,
    info: &WorkerInfo,
    team: &Team,
) -> Option<BTreeMap<&'static str, Costs>> {
    let precisions: BTreeMap<&'static str, Precision> = prepared
        .trials
        .iter()
        .map(|trial| (trial.spec.parameters.precision.name(), trial.spec.parameters.precision))
        .collect();
    let mut costs = BTreeMap::new();
    for (name, precision) in precisions {
        let question = |device: &String| Measure {
            backbone: prepared.definition.model.architecture.name.to_owned(),
            size: prepared.definition.data.image_size,
            precision,
            device: device.clone(),
            threads: team.threads,
            folder: disk.to_owned(),
        };
        let questions: Vec<Measure> = team.devices.iter().map(question).collect();
        let file = remembered(&questions, info);
        if let Some(known) = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
            costs.insert(name, known);
            continue;
        }
        output::note(&format!(
            "measuring what computing takes here with {} (once, about ten seconds)",
            team.describe()
        ));
        match ask_together(&questions) {
            Ok(found) => {
                // Another sweep measures again where it cannot be remembered.
                if let Err(error) = remember(&file, &found) {
                    tracing::warn!("measured costs are not kept: {error}");
                }
                costs.insert(name, found);
            }
            Err(error) => {
                output::note(&format!("measuring failed, so times are estimated from operation counts: {error:#}"));
                return None;
            }
        }
    }
    Some(costs)
}

/// Where the answer is kept: a name that follows from all it depends on.
fn remembered(questions: &[Measure], info: &WorkerInfo) -> PathBuf {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find(|line| line.starts_with("model name")).unwrap_or_default().to_owned();
    let disk = questions.first().and_then(|question| rustix::fs::stat(&question.folder).ok()).map(|stat| stat.st_dev);
    let questions: Vec<Measure> =
        questions.iter().map(|question| Measure { folder: PathBuf::new(), ..question.clone() }).collect();
    let all = serde_json::json!([questions, info, processor, disk]);
    let digest = blake3::hash(all.to_string().as_bytes()).to_hex();
    cache::folder().join(FORMAT).join(format!("{}.json", &digest[..32]))
}

fn remember(file: &Path, costs: &Costs) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let aside = file.with_extension(format!("{}.writing", std::process::id()));
    std::fs::write(&aside, serde_json::to_vec_pretty(costs)?)?;
    std::fs::rename(&aside, file)
}

/// Asks all at the same time, as they will work; the slowest answer counts.
fn ask_together(questions: &[Measure]) -> anyhow::Result<Costs> {
    let answers: Vec<anyhow::Result<Costs>> = std::thread::scope(|scope| {
        let ask = |question| scope.spawn(move || machine::question::<Costs>("measure", question));
        let asked: Vec<_> = questions.iter().map(ask).collect();
        asked.into_iter().map(|asked| asked.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))).collect()
    });
    let answers = answers.into_iter().collect::<anyhow::Result<Vec<Costs>>>()?;
    let total = |costs: &Costs| costs.segments.iter().map(|segment| segment.train).sum::<f64>();
    answers.into_iter().max_by(|one, other| total(one).total_cmp(&total(other))).ok_or_else(|| anyhow!("no worker"))
}
