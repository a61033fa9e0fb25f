//! `launch` and `resume`: the same path, from a file or from the database.

use crate::args::{self, Common};
use crate::costs::{Arrangement, arrange};
use crate::exit::{Exit, wrong_input};
use crate::learning::Lesson;
use crate::log::log_to;
use crate::machine::{Look, WorkerInfo, worker_arguments, worker_info};
use crate::output::{self, Screen, Shown, count, ranking};
use crate::prepare::{self, Missing, Prepared};
use crate::space;
use crate::team::{Recorded, Team, team};
use frostline_coordinator::{Hub, Job, LocalWorkers, Outcome, run, worker_program};
use frostline_results::Folder;
use frostline_results::features::kept;
use frostline_store::{Provenance, StoreError, Sweep, Writer};
use frostline_sweep::definition::DefinitionErrors;
use frostline_sweep::device::Device;
use frostline_sweep::difference::{Change, changes};
use frostline_sweep::expand::Trial;
use frostline_sweep::trial::{TrialId, TrialSpec};
use frostline_view::best::{Question, best};
use frostline_view::stored;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Rows of the ranking that ends a sweep.
const SHOWN: usize = 10;
/// From this factor on it is said how much longer a sweep would have taken without kept features.
const WORTH_SAYING: f64 = 1.1;

pub(crate) fn launch(common: &Common, arguments: &args::Launch) -> anyhow::Result<Exit> {
    let definition = prepare::read(&arguments.definition)?;
    let file = arguments.definition.file.display().to_string();
    let info = worker_info(Look::Thorough)?;
    info.remarks.iter().for_each(|remark| output::note(remark));
    // Before anything is downloaded or written: does this machine have what is asked for?
    team(&definition.workers, &info, Recorded::default())?;
    let results = &common.results;
    let mut prepared = prepare::prepare(definition, Missing::Download, results)?;
    prepared.check_places(results)?;
    let mut arranged = None;
    if !Folder::new(results).database().exists() {
        // Where nothing is there yet, nothing is left behind that does not fit.
        let first = arranged.insert(arrange(&prepared, results, &info, Recorded::default(), arguments.measuring)?);
        space::check(&space::need(&prepared, first, &BTreeSet::new(), results), results)?;
    }
    prepared.pack(results)?;
    let mut writer = Writer::open(&common.results)?;
    let known = match writer.reader().sweep(&prepared.definition.name) {
        Ok(known) => Some(known),
        Err(StoreError::UnknownSweep { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let finished = match &known {
        Some(known) => compare(&writer, known, &prepared, arguments.force_new)?,
        None => false,
    };
    // Devices and threads were chosen with the first trials, and stay as long as any of them count.
    let recorded = known.filter(|_| finished).map_or(Recorded::default(), |known| Recorded::of(&known));
    let arrangement = match arranged {
        Some(arrangement) => arrangement,
        None => arrange(&prepared, results, &info, recorded, arguments.measuring)?,
    };
    check_room(common, &writer, &prepared, &arrangement)?;
    let team = &arrangement.team;
    let sweep = Sweep {
        name: prepared.definition.name.clone(),
        objective: prepared.definition.objective.name.to_owned(),
        definition: prepared.definition.text.clone(),
        file,
        provenance: provenance(&info, team),
        threads: Some(team.threads),
    };
    let trials: Vec<Trial> = prepared.trials.iter().collect();
    let put = writer.put_sweep(&sweep, &trials, arguments.force_new)?;
    drop(trials);
    if put.kept > 0 || put.dropped > 0 {
        let dropped = if put.dropped > 0 { format!(", {} no longer in it", put.dropped) } else { String::new() };
        output::note(&format!("`{}`: {} new, {} known{dropped}", sweep.name, count(put.added, "trial"), put.kept));
    }
    carry_out(common, writer, prepared, arrangement, &info)
}

pub(crate) fn resume(common: &Common, arguments: &args::Resume) -> anyhow::Result<Exit> {
    if !Folder::new(&common.results).database().exists() {
        return Err(StoreError::Missing { results: common.results.clone() }.into());
    }
    let writer = Writer::open(&common.results)?;
    let known = writer.reader().sweep(&arguments.sweep)?;
    let definition = stored::checked_definition(&known).map_err(outdated)?;
    let info = worker_info(Look::Thorough)?;
    info.remarks.iter().for_each(|remark| output::note(remark));
    let recorded = Recorded::of(&known);
    team(&definition.workers, &info, recorded)?;
    let mut prepared = prepare::prepare(definition, Missing::Download, &common.results)?;
    prepared.check_places(&common.results)?;
    prepared.pack(&common.results)?;
    refuse_other_files(&writer, &prepared)?;
    let arrangement = arrange(&prepared, &common.results, &info, recorded, arguments.measuring)?;
    check_room(common, &writer, &prepared, &arrangement)?;
    carry_out(common, writer, prepared, arrangement, &info)
}

/// Says that a newer program does not read what an older one stored.
fn outdated(errors: DefinitionErrors) -> anyhow::Error {
    wrong_input(format!("the definition that the database holds is not valid any more:\n{errors}"))
}

/// Whether finished trials of the sweep stay in it.
///
/// # Errors
/// A value that they all share has changed, so that they could not be ranked together with the new ones.
fn compare(writer: &Writer, known: &Sweep, prepared: &Prepared, force_new: bool) -> anyhow::Result<bool> {
    let finished = writer.reader().finished(&known.name)?;
    if finished == 0 || force_new {
        return Ok(false);
    }
    let old = stored::definition(known).map_err(outdated)?;
    let mut lines: Vec<String> = changes(&old, &prepared.definition)
        .into_iter()
        .map(|Change { key, old, new }| format!("  {key}: {old} is now {new}"))
        .collect();
    if lines.is_empty()
        && let Some(row) = writer.reader().best(&known.name, 1)?.first()
    {
        lines = changed_files(&row.spec, prepared);
    }
    if lines.is_empty() {
        return Ok(true);
    }
    Err(wrong_input(format!(
        "`{}` has {} that {} run with other values:\n{}\nGive the sweep another name (`--set sweep.name=…`), or replace \
         it with --force-new: its trials stay in the database, and leave the ranking.",
        known.name,
        count(finished, "finished trial"),
        if finished == 1 { "was" } else { "were" },
        lines.join("\n")
    )))
}

fn changed_files(old: &TrialSpec, prepared: &Prepared) -> Vec<String> {
    let mut lines = Vec::new();
    if old.data.digest != prepared.sources.data_digest {
        lines.push("  the content of the data files".to_owned());
    }
    if old.model.weights != prepared.sources.weights {
        lines.push("  the content of the weights file".to_owned());
    }
    lines
}

/// A resumed sweep goes on with the files that it was launched with.
fn refuse_other_files(writer: &Writer, prepared: &Prepared) -> anyhow::Result<()> {
    let known: BTreeSet<TrialId> = writer.reader().members(&prepared.definition.name)?.into_iter().collect();
    if prepared.trials.iter().all(|trial| known.contains(&trial.id)) {
        return Ok(());
    }
    Err(wrong_input(format!(
        "`{}` was launched with other data or weights files than the ones that are there now: put those back, or launch \
         the sweep under another name",
        prepared.definition.name
    )))
}

fn provenance(info: &WorkerInfo, team: &Team) -> Provenance {
    Provenance {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: None,
        libtorch: Some(info.libtorch.clone()),
        device: Some(team.devices.iter().map(Device::to_string).collect::<Vec<_>>().join(", ")),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}

/// Whether there is room for what the sweep still lacks.
fn check_room(
    common: &Common,
    writer: &Writer,
    prepared: &Prepared,
    arrangement: &Arrangement,
) -> anyhow::Result<()> {
    let complete = match writer.reader().complete(&prepared.definition.name) {
        Ok(complete) => complete.into_iter().collect(),
        Err(StoreError::UnknownSweep { .. }) => BTreeSet::new(),
        Err(error) => return Err(error.into()),
    };
    space::check(&space::need(prepared, arrangement, &complete, &common.results), &common.results)
}

/// Runs what is missing and shows the ranking.
fn carry_out(
    common: &Common,
    writer: Writer,
    prepared: Prepared,
    arrangement: Arrangement,
    info: &WorkerInfo,
) -> anyhow::Result<Exit> {
    let Arrangement { team, reuse, figures, .. } = arrangement;
    let places = prepared.places(&std::path::absolute(&common.results)?);
    let Prepared { definition, trials, .. } = prepared;
    let folder = Folder::new(&common.results);
    log_to(&folder, common.verbose)?;
    let counts = writer.reader().counts(&definition.name)?;
    let missing = counts.waiting + counts.running;
    let mut screen = Screen::new(definition.objective, &trials, counts.total(), counts.total() - missing, &reuse);
    // The database has them now. A large sweep's take as much memory as the coordinator.
    drop(trials);
    let name = &definition.name;
    let mut saved = None;
    if missing > 0 {
        // Of the whole sweep, so it says nothing of a part.
        let whole = missing == counts.total();
        let factor = reuse.expected_without(team.devices.len()) / reuse.expected(team.devices.len());
        output::note(&format!(
            "`{name}`: {} to run, {} done; {}",
            count(missing, "trial"),
            counts.total() - missing,
            team.describe()
        ));
        let lesson =
            Lesson { reuse: reuse.clone(), workers: team.devices.len(), figures, first: writer.next_attempt()? };
        let cache = places.features.clone();
        let job = Job {
            results: std::path::absolute(&common.results)?,
            sweep: name.clone(),
            reuse,
            cache_bytes: definition.cache.max_bytes,
            places,
            keep: definition.keep,
            engine: Box::new(LocalWorkers {
                program: worker_program()?,
                devices: team.devices,
                gpus: info.access(definition.workers.deterministic),
                threads: team.threads,
                arguments: worker_arguments(),
                folder,
            }),
            lease: definition.workers.lease,
            stall: definition.workers.stall,
            reconnect_grace: definition.workers.reconnect_grace,
        };
        let hub = Hub::new();
        let shown = Shown::start(screen, hub.watch())?;
        let outcome = run(writer, job, hub);
        screen = shown.end();
        learn(common, lesson, &cache);
        match outcome? {
            Outcome::Finished => saved = saving(screen.elapsed(), factor).filter(|_| whole),
            Outcome::Interrupted => {
                output::note(&format!(
                    "Interrupted after {}. Continue with:  frostline resume {name}{}",
                    output::duration(screen.elapsed()),
                    common.results_argument()
                ));
                return Ok(Exit::Interrupted);
            }
            Outcome::Stuck(reason) => {
                anyhow::bail!(
                    "no worker stays alive: the last one ended with {reason} (see {}/logs); once that is mended, \
                     `frostline resume {name}{}` continues",
                    common.results.display(),
                    common.results_argument()
                );
            }
        }
    }
    finish(common, name, &screen, saved)
}

/// What keeping features saved of a run that took `elapsed`; without them it is estimated to take `factor` times as long.
/// None where that is too little to speak of.
fn saving(elapsed: Duration, factor: f64) -> Option<String> {
    let without = Duration::try_from_secs_f64(elapsed.as_secs_f64() * factor).ok()?;
    (factor >= WORTH_SAYING).then(|| {
        format!(
            "The output of frozen layers was computed once for all trials. Without that, this sweep would have taken about \
             {}.",
            output::duration(without)
        )
    })
}

/// What the run took corrects later estimates, however it ended.
fn learn(common: &Common, lesson: Lesson, cache: &Path) {
    let present = kept(cache).into_iter().map(|kept| kept.key).collect();
    let learned = frostline_store::open(&common.results).and_then(|reader| lesson.end(&reader, &present));
    if let Err(error) = learned {
        tracing::warn!("estimates are not corrected by this run: {error}");
    }
}

fn finish(common: &Common, name: &str, screen: &Screen, saved: Option<String>) -> anyhow::Result<Exit> {
    let reader = frostline_store::open(&common.results)?;
    let counts = reader.counts(name)?;
    output::note(&format!("{} ({})", output::summary(&counts), output::duration(screen.elapsed())));
    if counts.complete > 0 {
        ranking(&best(&reader, Question::of(name, SHOWN))?, None)?;
    }
    if let Some(saved) = saved {
        output::note(&saved);
    }
    if counts.failed > 0 {
        let results = common.results_argument();
        output::note(&format!(
            "{} failed: `frostline status {name}{results}` says why, `frostline retry {name}{results}` queues them again",
            count(counts.failed, "trial")
        ));
        return Ok(Exit::SomeFailed);
    }
    Ok(Exit::Done)
}
