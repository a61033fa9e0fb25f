//! How a sweep is run here: how many workers, with how many threads, and which features they keep, by what computing
//! takes on this machine.

use crate::args;
use crate::exit::wrong_input;
use crate::machine::{self, WorkerInfo, worker_arguments};
use crate::measure::Measuring;
use crate::memory::memory;
use crate::output;
use crate::prepare::Prepared;
use crate::setting::{Measured, Setting};
use crate::team::{Recorded, Team, team, teams};
use frostline_coordinator::worker_program;
use frostline_sweep::backbone;
use frostline_sweep::costs::Costs;
use frostline_sweep::definition::{Definition, LauncherChoice};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::layers::{self, Row};
use frostline_sweep::learned::{Figures, Learned};
use frostline_sweep::reuse::{Computed, Premises, Reuse, Workload};
use frostline_sweep::trial::{Precision, TrialId};
use frostline_view::plan::Basis;
use std::collections::{BTreeMap, BTreeSet};
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
    /// What the times follow from.
    pub(crate) basis: Basis,
    /// What they follow from: what a run corrects.
    pub(crate) figures: BTreeMap<Computed, (Setting, Figures)>,
}

impl Arrangement {
    fn seconds(&self) -> f64 {
        self.reuse.expected(self.team.devices.len())
    }

    /// Whether the workers fit into main memory together, as far as that was measured.
    fn fits(&self) -> bool {
        let each = self.figures.values().map(|(_, figures)| figures.costs.memory).max().unwrap_or(0);
        let needed = self.team.devices.len() as f64 * each as f64;
        self.team.is_cuda() || memory().is_none_or(|memory| needed <= MEMORY_SHARE * memory.available as f64)
    }
}

/// Arranges what a sweep still has to run, all but the trials that are `done`. `recorded` is what its finished trials were run with; with `remeasure` nothing counts
/// that earlier sweeps have measured or learned, and a short sweep is measured, too.
///
/// # Errors
/// A device is asked for that is not there, or a precision that the device lacks.
pub(crate) fn arrange(
    prepared: &Prepared,
    done: &BTreeSet<TrialId>,
    results: &Path,
    info: &WorkerInfo,
    recorded: Recorded,
    args::Measuring { remeasure }: args::Measuring,
) -> anyhow::Result<Arrangement> {
    let definition = &prepared.definition;
    let first = team(definition, info, recorded)?;
    let sweep = Surroundings::of(prepared, done, results, info);
    if !first.is_cuda() && sweep.workload.computed().iter().any(|it| it.precision == Precision::Tf32) {
        return Err(wrong_input(
            "precision = \"tf32\" is the arithmetic of a GPU, and this sweep runs on the CPU: use \"float32\", or a machine \
             with a GPU",
        ));
    }
    // Workers with arguments of their own may not do what would be measured, and those of other machines are not here.
    let is_elsewhere = definition.workers.launcher != LauncherChoice::Local || first.devices.is_empty();
    if is_elsewhere || !worker_arguments().is_empty() {
        let arrangement = sweep.arranged(first, false, |_, _, _| None);
        return Ok(Arrangement { figures: BTreeMap::new(), ..arrangement });
    }
    let teams = teams(definition, info, recorded)?;
    if remeasure {
        // Of the whole sweep, whatever of it is done.
        let whole = Surroundings::of(prepared, &BTreeSet::new(), results, info);
        for team in &teams {
            whole.workload.computed().into_iter().for_each(|it| whole.setting(team, it).forget());
        }
    }
    let estimated = sweep.arranged(first, true, |setting, segments, _| setting.measured(segments));
    if estimated.seconds() < WORTH_MEASURING && !remeasure {
        return Ok(estimated);
    }
    let mut measuring = Measuring::new(worker_program(), info);
    let mut best: Option<Arrangement> = None;
    for team in teams {
        let arrangement = sweep.arranged(team, true, |setting, segments, team| {
            setting.measured(segments).or_else(|| measuring.measure(setting, &team.describe()))
        });
        let is_better = |best: &Arrangement| arrangement.fits() && arrangement.seconds() < best.seconds();
        if arrangement.basis.measured_at.is_some() && best.as_ref().is_none_or(is_better) {
            best = Some(arrangement);
        }
    }
    if let Some(remark) = measuring.remark() {
        output::note(&remark);
    }
    Ok(best.unwrap_or(estimated))
}

/// A sweep, the machine, and the results folder's disk and cache.
struct Surroundings<'a> {
    prepared: &'a Prepared,
    info: &'a WorkerInfo,
    workload: Workload,
    processor: String,
    /// A folder on the disk that exists.
    disk: PathBuf,
    /// Features that are there.
    present: BTreeSet<FeatureKey>,
    /// Space for features, those of `present` included.
    room: u64,
}

impl<'a> Surroundings<'a> {
    fn of(
        prepared: &'a Prepared,
        done: &BTreeSet<TrialId>,
        results: &Path,
        info: &'a WorkerInfo,
    ) -> Surroundings<'a> {
        let results = std::path::absolute(results).unwrap_or_else(|_| results.to_owned());
        let disk = results.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned();
        let kept = frostline_results::features::kept(&prepared.places(&results).features);
        let used: u64 = kept.iter().map(|kept| kept.bytes).sum();
        let free = machine::free_space(&disk).unwrap_or(u64::MAX);
        let room = prepared.definition.cache.max_bytes.min(used.saturating_add((DISK_SHARE * free as f64) as u64));
        Surroundings {
            prepared,
            info,
            workload: match done.is_empty() {
                // Who they are takes longer than all else of a large sweep.
                true => Workload::of(prepared.trials.specs(), prepared.images),
                false => {
                    let left = prepared.trials.iter().filter(|trial| !done.contains(&trial.id));
                    Workload::of(left.map(|trial| trial.spec), prepared.images)
                }
            },
            processor: frostline_results::processor(),
            disk,
            present: kept.into_iter().map(|kept| kept.key).collect(),
            room,
        }
    }

    /// The layers of a network of the sweep.
    fn rows(&self, computed: Computed) -> Vec<Row> {
        let Definition { data, .. } = &self.prepared.definition;
        backbone::find(computed.network).map_or_else(Vec::new, |network| layers::table(network, data.image_size))
    }

    fn setting(&self, team: &Team, computed: Computed) -> Setting {
        Setting::of(self.prepared, team, self.info, &self.disk, computed, &self.processor)
    }

    /// The sweep on a team, by what `measured` says, else by operation counts, corrected by what earlier sweeps took where
    /// it `learns`. `measured` is told how many segments the network has.
    fn arranged(
        &self,
        team: Team,
        learns: bool,
        mut measured: impl FnMut(&Setting, usize, &Team) -> Option<Measured>,
    ) -> Arrangement {
        let mut figures = BTreeMap::new();
        let mut basis = Basis::default();
        let mut moments = Vec::new();
        for computed in self.workload.computed() {
            let rows = self.rows(computed);
            let segments = rows.iter().filter(|row| row.boundary.is_some()).count();
            let setting = self.setting(&team, computed);
            let measured = measured(&setting, segments, &team);
            moments.push(measured.as_ref().map(|measured| measured.at));
            let costs = measured.map(|measured| measured.costs);
            let costs = costs.unwrap_or_else(|| Costs::estimated(&rows, team.threads, team.is_cuda()));
            let learned = if learns { setting.learned(costs.segments.len()) } else { Learned::default() };
            let (epochs, fills) = learned.counts();
            basis.epochs += epochs;
            basis.fills += fills;
            basis.last = basis.last.into_iter().chain(learned.last).max_by(|one, other| one.at.total_cmp(&other.at));
            figures.insert(computed, (setting, Figures { costs, learned }));
        }
        // The oldest, where all are there.
        basis.measured_at = moments
            .into_iter()
            .collect::<Option<Vec<f64>>>()
            .and_then(|moments| moments.into_iter().min_by(f64::total_cmp));
        let reuse = self.plan(team.is_cuda(), &|computed| figures[&computed].1.clone());
        Arrangement { team, reuse, basis, figures }
    }

    fn plan(&self, on_gpu: bool, figures: &dyn Fn(Computed) -> Figures) -> Reuse {
        let premises = |max_bytes| Premises { figures, max_bytes, present: &self.present, on_gpu };
        if self.prepared.definition.cache.features {
            return self.workload.plan(&premises(self.room));
        }
        // Nothing to decide, only times.
        let mut reuse = self.workload.plan(&premises(0));
        reuse.cuts.clear();
        reuse
    }
}
