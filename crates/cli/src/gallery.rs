//! The images that a trial was judged by, for the pages that show them.

use frostline_assets::catalogue;
use frostline_assets::data::{self, Wanted};
use frostline_assets::judged::{Judged, Split};
use frostline_dashboard::Gallery;
use frostline_results::Folder;
use frostline_sweep::dataset::Files;
use frostline_sweep::definition::Definition;
use frostline_sweep::trial::DataSpec;
use frostline_view::show::Shown;
use frostline_view::{stored, wrong};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Images in memory: those that were asked for last.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<(DataSpec, Arc<Seen>)>>);

pub(crate) struct Seen(Judged);

impl Gallery for Seen {
    fn classes(&self) -> &[String] {
        &self.0.classes
    }

    fn labels(&self, split: wrong::Split) -> &[u16] {
        &self.split(split).labels
    }

    fn png(&self, split: wrong::Split, image: usize) -> Option<Vec<u8>> {
        self.0.png(self.split(split), image)
    }
}

impl Seen {
    fn split(&self, split: wrong::Split) -> &Split {
        match split {
            wrong::Split::Validation => &self.0.validation,
            wrong::Split::Test => &self.0.test,
        }
    }
}

impl Kept {
    /// # Errors
    /// A sentence: the data set's files are not there, or are others.
    pub(crate) fn of(&self, results: &Path, trial: &Shown) -> Result<Arc<dyn Gallery>, String> {
        // Trials that differ in what is done with the images have the same ones.
        let data =
            DataSpec { image_size: 0, augment: frostline_sweep::trial::Augment::None, ..trial.spec.data.clone() };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, seen)) = &*kept
            && *of == data
        {
            return Ok(seen.clone());
        }
        let place = place(results, trial)?;
        let judged = Judged::load(&trial.spec.data, place.as_deref());
        let judged = judged.map_err(|error| format!("The images cannot be read: {error}"))?;
        let seen = Arc::new(Seen(judged));
        *kept = Some((data, seen.clone()));
        Ok(seen)
    }
}

/// Where the images of a trial lie, by the definition of a sweep that has it.
fn place(results: &Path, trial: &Shown) -> Result<Option<PathBuf>, String> {
    let dataset = trial.spec.data.dataset;
    if let Files::Drawn = dataset.files() {
        return Ok(None);
    }
    let unknown = || "Where the images of this trial lie is not known: no sweep has it any more.".to_owned();
    let definition = definition(results, trial).ok_or_else(unknown)?;
    let lies = match (dataset.files(), &definition.data.path) {
        (_, Some(path)) => path.clone(),
        (Files::Catalogue(name), None) => {
            let entry = catalogue::find(name).filter(|entry| entry.is_present());
            let entry =
                entry.ok_or_else(|| format!("Its images are not here: `frostline fetch {name}` gets them."))?;
            entry.path()
        }
        _ => return Err(unknown()),
    };
    // What is packed is packed already: a page writes nothing.
    let cache = Folder::new(results).images();
    let wanted = Wanted { data: &definition.data, place: Some(&lies), cache: &cache };
    let source = data::source(dataset);
    let failed = |error| format!("The images cannot be read: {error}");
    let survey = source.survey(&wanted, &mut |_, _, _| {}).map_err(failed)?;
    if survey.to_pack > 0 || (survey.is_final && survey.digest != trial.spec.data.digest) {
        return Err("The pictures of this trial are not here as it has seen them.".to_owned());
    }
    let packed = source.pack(&wanted, &mut |_, _, _| {}).map_err(failed)?;
    Ok(Some(packed.map_or(lies, |(place, _)| place)))
}

fn definition(results: &Path, trial: &Shown) -> Option<Definition> {
    let reader = frostline_store::open(results).ok()?;
    trial.sweeps.iter().find_map(|sweep| stored::definition(&reader.sweep(sweep).ok()?).ok())
}
