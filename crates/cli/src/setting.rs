//! What is remembered of computing with one setting on this machine, in the user's cache folder.

use crate::machine::WorkerInfo;
use crate::prepare::Prepared;
use crate::team::Team;
use frostline_assets::cache;
use frostline_protocol::tools::Measure;
use frostline_sweep::costs::Costs;
use frostline_sweep::device::Device;
use frostline_sweep::learned::Learned;
use frostline_sweep::reuse::Computed;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Folders; the number is raised when the meaning of what they hold changes.
const COSTS: &str = "costs-v3";
const LEARNED: &str = "learned-v1";

/// A network at an image size and precision, computed by a team of workers.
pub(crate) struct Setting {
    /// One a worker.
    pub(crate) questions: Vec<Measure>,
    /// Of its files: it follows from all that the figures depend on.
    name: String,
    cache: PathBuf,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) costs: Costs,
    /// Seconds since 1970.
    pub(crate) at: f64,
}

impl Setting {
    /// `disk` is a folder on the results' disk; `processor` names this machine's.
    pub(crate) fn of(
        prepared: &Prepared,
        team: &Team,
        info: &WorkerInfo,
        disk: &Path,
        computed: Computed,
        processor: &str,
    ) -> Setting {
        let question = |device: &Device| Measure {
            backbone: computed.network.to_owned(),
            size: prepared.definition.data.image_size,
            precision: computed.precision,
            device: *device,
            threads: team.threads,
            folder: disk.to_owned(),
        };
        let questions: Vec<Measure> = team.devices.iter().map(question).collect();
        let device = rustix::fs::stat(disk).ok().map(|stat| stat.st_dev);
        // Of the folder only its disk counts.
        let asked: Vec<Measure> =
            questions.iter().map(|question| Measure { folder: PathBuf::new(), ..question.clone() }).collect();
        let all = serde_json::json!([asked, info, processor, device]);
        let digest = blake3::hash(all.to_string().as_bytes()).to_hex();
        Setting { questions, name: format!("{}.json", &digest[..32]), cache: cache::folder() }
    }

    pub(crate) fn measured(&self, segments: usize) -> Option<Measured> {
        read(&self.cache.join(COSTS).join(&self.name))
            .filter(|known: &Measured| known.costs.segments.len() == segments)
    }

    pub(crate) fn remember(&self, measured: &Measured) {
        self.write(COSTS, measured);
    }

    /// By earlier sweeps of this setting.
    pub(crate) fn learned(&self, segments: usize) -> Learned {
        let known = read(&self.cache.join(LEARNED).join(&self.name));
        known.filter(|learned: &Learned| learned.is_sound(segments)).unwrap_or_default()
    }

    pub(crate) fn remember_learned(&self, learned: &Learned) {
        self.write(LEARNED, learned);
    }

    /// Starts over.
    pub(crate) fn forget(&self) {
        for folder in [COSTS, LEARNED] {
            let file = self.cache.join(folder).join(&self.name);
            if let Err(error) = std::fs::remove_file(&file)
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!("{} is not removed: {error}", file.display());
            }
        }
    }

    /// A later sweep goes without where it cannot be written.
    fn write(&self, folder: &str, content: &impl Serialize) {
        let file = self.cache.join(folder).join(&self.name);
        if let Err(error) = write(&file, content) {
            tracing::warn!("{} is not written: {error}", file.display());
        }
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn write(file: &Path, content: &impl Serialize) -> std::io::Result<()> {
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    frostline_results::replace(file, &serde_json::to_vec_pretty(content)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::costs::{Kind, Work};
    use frostline_sweep::learned::{Figures, Taken};
    use frostline_sweep::{backbone, layers};

    #[test]
    fn what_was_measured_and_learned_is_remembered_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let setting =
            || Setting { questions: Vec::new(), name: "x.json".to_owned(), cache: folder.path().to_owned() };
        let rows = layers::table(backbone::find("efficientnet_lite0").unwrap(), 32);
        let costs = Costs::estimated(&rows, 1, false);
        let segments = costs.segments.len();
        let measured = Measured { costs: costs.clone(), at: 5.0 };
        assert_eq!((setting().measured(segments), setting().learned(segments)), (None, Learned::default()));
        setting().remember(&measured);
        let kind = Kind::Train { start: 0, cut: 0, batch_size: 32 };
        let work = Work { kind, start_bytes: 0, images: 10.0, evaluated: 0.0, updates: 0.0, written: 0.0 };
        let mut learned = Learned::default();
        learned.learn(&[Taken { work, seconds: 2.0, count: 1 }], &Figures::from(costs), 6.0);
        setting().remember_learned(&learned);
        assert_eq!(setting().measured(segments), Some(measured));
        assert_eq!(setting().learned(segments), learned);
        assert_eq!(setting().measured(segments + 1), None, "of another network");
        setting().forget();
        setting().forget();
        assert_eq!((setting().measured(segments), setting().learned(segments)), (None, Learned::default()));
        // Half of it was written.
        write(&folder.path().join(LEARNED).join("x.json"), &serde_json::json!({ "seen": 1 })).unwrap();
        assert_eq!(setting().learned(segments), Learned::default());
    }
}
