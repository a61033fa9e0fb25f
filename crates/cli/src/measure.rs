//! What computing takes on this machine: measured once a machine and setting, and remembered in the user's cache folder.

use crate::machine::{self, Team, WorkerInfo};
use crate::output;
use crate::prepare::Prepared;
use anyhow::anyhow;
use frostline_assets::cache;
use frostline_protocol::tools::Measure;
use frostline_sweep::costs::Costs;
use frostline_sweep::device::Device;
use frostline_sweep::trial::Precision;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Raised when the meaning of remembered costs changes; part of their folder's name.
const FORMAT: &str = "costs-v2";
/// Cores, as a share, that other programs may keep busy without disturbing a measurement.
const QUIET: f64 = 0.5;

/// What is asked.
pub(crate) struct Wanted<'a> {
    pub(crate) prepared: &'a Prepared,
    /// A folder on the results' disk.
    pub(crate) disk: &'a Path,
    pub(crate) info: &'a WorkerInfo,
    pub(crate) team: &'a Team,
    /// Whether what is remembered does not count.
    pub(crate) remeasure: bool,
    /// Whether other programs take a part of this machine now.
    pub(crate) busy: bool,
}

pub(crate) struct Measured {
    /// By precision.
    pub(crate) costs: BTreeMap<&'static str, Costs>,
    /// Seconds since 1970, of the oldest of them.
    pub(crate) at: f64,
    /// Whether other programs took a part of the machine, so that they are too long.
    pub(crate) busy: bool,
}

/// One measurement, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Remembered {
    costs: Costs,
    /// Seconds since 1970.
    at: f64,
    /// Whether other programs took a part of the machine.
    busy: bool,
}

impl Remembered {
    /// Measured on a quiet machine it holds for good; on a busy one until the machine is quiet.
    fn serves(&self, remeasure: bool, busy: bool) -> bool {
        !remeasure && (busy || !self.busy)
    }
}

/// Whether the load of the last minute is more than leaves a measurement alone.
pub(crate) fn is_busy(cores: usize) -> bool {
    machine::load().is_some_and(|load| load > QUIET * cores.max(1) as f64)
}

/// Costs by precision, remembered or measured now; none where that fails, which is said.
pub(crate) fn measured(wanted: &Wanted) -> Option<Measured> {
    let Wanted { prepared, disk, info, team, remeasure, busy } = *wanted;
    let precisions: BTreeMap<&'static str, Precision> = prepared
        .trials
        .iter()
        .map(|trial| (trial.spec.parameters.precision.name(), trial.spec.parameters.precision))
        .collect();
    let mut measured = Measured { costs: BTreeMap::new(), at: f64::INFINITY, busy: false };
    for (name, precision) in precisions {
        let question = |device: &Device| Measure {
            backbone: prepared.definition.model.architecture.name.to_owned(),
            size: prepared.definition.data.image_size,
            precision,
            device: *device,
            threads: team.threads,
            folder: disk.to_owned(),
        };
        let questions: Vec<Measure> = team.devices.iter().map(question).collect();
        let file = file(&questions, info);
        let known = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Remembered>(&text).ok());
        let found = match known.filter(|known| known.serves(remeasure, busy)) {
            Some(known) => known,
            None => now(&questions, team, busy, &file)?,
        };
        measured.at = measured.at.min(found.at);
        measured.busy |= found.busy;
        measured.costs.insert(name, found.costs);
    }
    Some(measured)
}

/// Measures, and remembers it.
fn now(questions: &[Measure], team: &Team, busy: bool, file: &Path) -> Option<Remembered> {
    output::note(&format!("measuring what computing takes here with {} (once, about ten seconds)", team.describe()));
    let costs = ask_together(questions)
        .inspect_err(|error| {
            output::note(&format!("measuring failed, so times are estimated from operation counts: {error:#}"));
        })
        .ok()?;
    let found = Remembered { costs, at: output::seconds_since_1970(), busy };
    // Another sweep measures again where it cannot be remembered.
    if let Err(error) = remember(file, &found) {
        tracing::warn!("measured costs are not kept: {error}");
    }
    Some(found)
}

/// Where the answer is kept: a name that follows from all it depends on.
fn file(questions: &[Measure], info: &WorkerInfo) -> PathBuf {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find(|line| line.starts_with("model name")).unwrap_or_default().to_owned();
    let disk = questions.first().and_then(|question| rustix::fs::stat(&question.folder).ok()).map(|stat| stat.st_dev);
    let questions: Vec<Measure> =
        questions.iter().map(|question| Measure { folder: PathBuf::new(), ..question.clone() }).collect();
    let all = serde_json::json!([questions, info, processor, disk]);
    let digest = blake3::hash(all.to_string().as_bytes()).to_hex();
    cache::folder().join(FORMAT).join(format!("{}.json", &digest[..32]))
}

fn remember(file: &Path, found: &Remembered) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let aside = file.with_extension(format!("{}.writing", std::process::id()));
    std::fs::write(&aside, serde_json::to_vec_pretty(found)?)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::{backbone, layers};

    #[test]
    fn what_was_measured_on_a_busy_machine_is_measured_again_on_a_quiet_one() {
        let rows = layers::table(backbone::find("efficientnet_lite0").unwrap(), 32);
        let known = |busy| Remembered { costs: Costs::estimated(&rows, 1), at: 0.0, busy };
        assert!(known(false).serves(false, false) && known(false).serves(false, true));
        assert!(!known(true).serves(false, false), "the machine is quiet now");
        assert!(known(true).serves(false, true), "it would be no better now");
        assert!(!known(false).serves(true, false), "asked for anew");
    }
}
