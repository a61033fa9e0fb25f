//! `launch` and `resume`: the same path, from a file or from the database.

use crate::args::{self, Common, Measuring, Telling};
use crate::asked::Asked;
use crate::choice;
use crate::commands::{as_job, serve};
use crate::costs::{Arrangement, arrange};
use crate::engine;
use crate::exit::{Exit, wrong_input};
use crate::learning::Lesson;
use crate::log::log_to;
use crate::machine::{Look, WorkerInfo, offered};
use crate::output::{self, Screen, Shown, count, events, ranking};
use crate::prepare::{self, Missing, Prepared};
use crate::record;
use crate::refusal::{compare, earlier, outdated};
use crate::space;
use crate::team::{Recorded, Team, team};
use crate::trained::retrain;
use anyhow::Context;
use frostline_coordinator::{Hub, Outcome, OwnJob, run};
use frostline_results::features::kept;
use frostline_results::{Folder, models, quoted};
use frostline_store::{Counts, Provenance, Put, Reader, StoreError, Sweep, Writer};
use frostline_sweep::definition::{Definition, KeepModels};
use frostline_sweep::device::Device;
use frostline_sweep::expand::Trial;
use frostline_sweep::outcome::{FailureKind, TrialState};
use frostline_sweep::trial::TrialId;
use frostline_view::best::{Question, best};
use frostline_view::{States, stored};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Rows of the ranking that ends a sweep.
const SHOWN: usize = 10;
/// From this factor on it is said how much longer a sweep would have taken without kept features.
const WORTH_SAYING: f64 = 1.1;
/// What is said where trials have diverged.
pub(crate) const DIVERGED: &str =
    "What diverged will do so again, since a trial repeats itself: lower `learning_rate`, or set `clip_norm`";

pub(crate) fn launch(common: &Common, arguments: &args::Launch) -> anyhow::Result<Exit> {
    arguments.telling.begin();
    let own_job = as_job::own(common, arguments)?;
    if let Some((job, name)) = own_job.as_ref().zip(arguments.job_of.as_ref())
        && job.has_restarted()
        && Folder::new(&common.results).database().exists()
    {
        // Whatever has become of the file: what was launched goes on.
        let writer = Writer::open(&common.results)?;
        if writer.reader().sweep(name).is_ok() {
            return go_on(common, writer, name, arguments.measuring, arguments.telling, own_job);
        }
    }
    let file = choice::definition(common, arguments.definition.file.as_deref(), "launch")?;
    let definition = prepare::read(&file, &arguments.definition.set)?;
    if arguments.as_job {
        as_job::check(&definition)?;
    }
    let info = offered(&definition, Look::Thorough)?;
    info.remarks.iter().for_each(|remark| output::note(remark));
    // Before anything is downloaded or written: does this machine have what is asked for?
    let first = team(&definition, &info, Recorded::default())?;
    engine::tried(&definition, &first, Folder::new(&common.results))?;
    let results = &common.results;
    let mut prepared = prepare::prepare(definition, Missing::Download, results)?;
    prepared.check_places(results)?;
    if arguments.as_job {
        return as_job::submit(common, arguments, &file, &prepared.definition);
    }
    let mut arranged = None;
    if !Folder::new(results).database().exists() {
        // Where nothing is there yet, nothing is left behind that does not fit.
        let nothing = BTreeSet::new();
        let recorded = Recorded::default();
        let first = arranged.insert(arrange(&prepared, &nothing, results, &info, recorded, arguments.measuring)?);
        space::check(&space::need(&prepared, first, &BTreeSet::new(), results), results)?;
    }
    prepared.pack(results)?;
    let mut writer = arguments.opened(results)?;
    let known = earlier(writer.reader(), &prepared.definition.name)?;
    let finished = match &known {
        Some(known) if !arguments.force_new => compare(writer.reader(), known, &prepared)?,
        _ => false,
    };
    // Devices and threads were chosen with the first trials, and stay as long as any of them count.
    let recorded = known.as_ref().filter(|_| finished).map_or(Recorded::default(), Recorded::of);
    let done = done(writer.reader(), &prepared)?;
    let recorded = recorded.with(&writer.reader().devices(&done)?)?;
    let arrangement = match arranged {
        Some(arrangement) => arrangement,
        None => arrange(&prepared, &done, results, &info, recorded, arguments.measuring)?,
    };
    check_room(common, &writer, &prepared, &arrangement)?;
    let team = &arrangement.team;
    let sweep = Sweep {
        name: prepared.definition.name.clone(),
        objective: prepared.definition.objective.name.to_owned(),
        definition: prepared.definition.text.clone(),
        file: file.display().to_string(),
        provenance: provenance(&info, team),
        threads: Some(team.threads),
    };
    let before = match known {
        Some(_) => writer.reader().complete(&sweep.name)?,
        None => Vec::new(),
    };
    let trials: Vec<Trial> = prepared.trials.iter().collect();
    let put = writer.put_sweep(&sweep, &trials, arguments.force_new)?;
    drop(trials);
    let counts = writer.reader().counts(&sweep.name)?;
    let before: BTreeSet<TrialId> = before.into_iter().collect();
    let complete = writer.reader().complete(&sweep.name)?;
    let from_others = complete.iter().filter(|trial| !before.contains(trial)).count() as u64;
    if let Some(said) = taken_over(&sweep.name, &put, &counts, from_others) {
        output::note(&said);
    }
    carry_out(common, writer, prepared, arrangement, &info, arguments.telling, own_job)
}

pub(crate) fn resume(common: &Common, arguments: &args::Resume) -> anyhow::Result<Exit> {
    arguments.telling.begin();
    if !Folder::new(&common.results).database().exists() {
        return Err(StoreError::Missing { results: common.results.clone() }.into());
    }
    let writer = Writer::open(&common.results)?;
    go_on(common, writer, &arguments.sweep, arguments.measuring, arguments.telling, None)
}

/// Continues a sweep by what the database holds of it.
fn go_on(
    common: &Common,
    writer: Writer,
    sweep: &str,
    measuring: Measuring,
    telling: Telling,
    own_job: Option<OwnJob>,
) -> anyhow::Result<Exit> {
    let known = writer.reader().sweep(sweep)?;
    let definition = stored::checked_definition(&known).map_err(outdated)?;
    let info = offered(&definition, Look::Thorough)?;
    info.remarks.iter().for_each(|remark| output::note(remark));
    let recorded = Recorded::of(&known);
    let first = team(&definition, &info, recorded)?;
    engine::tried(&definition, &first, Folder::new(&common.results))?;
    let mut prepared = prepare::prepare(definition, Missing::Download, &common.results)?;
    prepared.check_places(&common.results)?;
    prepared.pack(&common.results)?;
    refuse_other_files(&writer, &prepared)?;
    let done = done(writer.reader(), &prepared)?;
    let recorded = recorded.with(&writer.reader().devices(&done)?)?;
    let arrangement = arrange(&prepared, &done, &common.results, &info, recorded, measuring)?;
    check_room(common, &writer, &prepared, &arrangement)?;
    carry_out(common, writer, prepared, arrangement, &info, telling, own_job)
}

/// The trials that will not run, because they are done with.
///
/// # Errors
/// Failures of the database.
pub(crate) fn done(reader: &Reader, prepared: &Prepared) -> Result<BTreeSet<TrialId>, StoreError> {
    let known = reader.known(&prepared.definition.name, prepared.trials.iter().map(|trial| trial.id))?;
    Ok(known.into_iter().filter(|(_, state)| state.is_final()).map(|(trial, _)| trial).collect())
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

pub(crate) fn provenance(info: &WorkerInfo, team: &Team) -> Provenance {
    Provenance {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: None,
        libtorch: Some(info.libtorch.clone()),
        device: Some(team.devices.iter().map(Device::to_string).collect::<Vec<_>>().join(", ")),
        host: frostline_results::host(),
    }
}

/// What a launch has found in the database, where it was anything. `from_others` is how many trials are complete that were
/// not so in this sweep before.
fn taken_over(name: &str, put: &Put, counts: &Counts, from_others: u64) -> Option<String> {
    let &Put { added, kept, dropped } = put;
    if kept == 0 && dropped == 0 && from_others == 0 {
        return None;
    }
    let mut parts = Vec::new();
    let total = count(counts.total(), "trial");
    if added == 0 && counts.complete == counts.total() {
        parts.push(format!("nothing new, all {total} are finished"));
    } else if added == 0 {
        parts.push(format!("nothing new, {} of {total} finished", counts.complete));
    } else {
        parts.push(format!("{} finished, {added} added", count(counts.complete, "trial")));
    }
    if from_others > 0 {
        parts.push(format!("{from_others} of them finished already in another sweep"));
    }
    if dropped > 0 {
        parts.push(format!("{dropped} no longer in it"));
    }
    Some(format!("`{name}`: {}", parts.join(", ")))
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
    telling: Telling,
    own_job: Option<OwnJob>,
) -> anyhow::Result<Exit> {
    let as_json = telling.json;
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
    if as_json {
        let (workers, threads) = (team.devices.len(), team.threads);
        let (objective, trials) = (definition.objective.name, States(counts));
        events::print(&json!({
            "event": "sweep", "sweep": name, "objective": objective, "trials": trials, "workers": workers,
            "threads": threads,
        }));
    }
    let saved;
    if missing > 0 {
        let _page = telling.serve.then(|| serve::beside(&common.results, name)).transpose()?;
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
        let invitation = engine::invitation(&definition, &team);
        if let Some(invitation) = invitation.as_ref().filter(|_| definition.workers.listen.is_some()) {
            let access = quoted(&std::path::absolute(folder.access())?);
            output::note(&format!(
                "workers of other machines may join at {}: `frostline join {access}`",
                invitation.address
            ));
        }
        let asked = Asked {
            results: &common.results,
            sweep: name,
            definition: &definition,
            places,
            reuse,
            team: &team,
            info,
            invitation,
            own_job: own_job.clone(),
        };
        let job = asked.job()?;
        let hub = Hub::new();
        let shown = Shown::start(screen, hub.watch(), as_json)?;
        let outcome = run(writer, job, hub);
        screen = shown.end();
        learn(common, lesson, &cache);
        match outcome? {
            Outcome::Finished => saved = saving(screen.elapsed(), factor).filter(|_| whole),
            Outcome::Interrupted => {
                let counts = record::open(common)?.counts(name)?;
                let left = counts.waiting + counts.running;
                output::warn(&format!(
                    "Interrupted after {}, {} of {} done. Continue:  frostline resume {name}{}",
                    output::duration(screen.elapsed()),
                    counts.total() - left,
                    counts.total(),
                    common.results_argument()
                ));
                return Ok(Exit::Interrupted);
            }
            Outcome::HandedOver => {
                output::warn(&format!("`{name}`: this job comes back, and its workers wait for it"));
                own_job.map_or(Ok(()), |job| job.put_back()).context("Slurm does not put this job back")?;
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
    } else {
        // What it has changed is seen by others from then on.
        drop(writer);
        saved = unkept(common, &definition)?;
    }
    finish(common, name, &screen, saved, telling)
}

/// What `keep` asks for and cannot have: who asks for more models once all trials are finished hears how to get one.
fn unkept(common: &Common, Definition { name, keep, .. }: &Definition) -> anyhow::Result<Option<String>> {
    let reader = record::open(common)?;
    let models = models::trials(&Folder::new(&common.results).models());
    let complete = reader.counts(name)?.complete;
    let wanted = match keep.models {
        KeepModels::None => 0,
        KeepModels::Best => u64::from(keep.count).min(complete),
        KeepModels::All => complete,
    };
    let here = reader.best_first(name, &models)?.len() as u64;
    if here >= wanted {
        return Ok(None);
    }
    let question = Question::of(name, here as usize + 1);
    let first = best(&reader, Question { trials: true, whole: false, models: &models, ..question })?;
    let without = first.ranking.rows.iter().find(|row| !row.has_model);
    Ok(without.map(|row| {
        format!(
            "{} of {} lack a model: `[keep]` is for trials that still run; `{}` trains one once more for its model",
            wanted - here,
            count(wanted, "finished trial"),
            retrain(common, row.trial)
        )
    }))
}

/// What keeping features saved of a run that took `elapsed`; without them it is estimated to take `factor` times as long.
/// None where that is too little to speak of.
fn saving(elapsed: Duration, factor: f64) -> Option<String> {
    let without = Duration::try_from_secs_f64(elapsed.as_secs_f64() * factor).ok()?;
    let without = output::duration(without);
    let said = format!(
        "The output of frozen layers was computed once for all trials. Without that, this sweep would have taken about \
         {without}."
    );
    (factor >= WORTH_SAYING).then(|| output::wrapped(&said, output::line(), 0))
}

/// What the run took corrects later estimates, however it ended.
fn learn(common: &Common, lesson: Lesson, cache: &Path) {
    let present = kept(cache).into_iter().map(|kept| kept.key).collect();
    let learned = record::open(common).and_then(|reader| lesson.end(&reader, &present));
    if let Err(error) = learned {
        tracing::warn!("estimates are not corrected by this run: {error}");
    }
}

fn finish(
    common: &Common,
    name: &str,
    screen: &Screen,
    saved: Option<String>,
    telling: Telling,
) -> anyhow::Result<Exit> {
    let reader = record::open(common)?;
    let counts = reader.counts(name)?;
    output::note(&format!("{} ({})", output::summary(&counts), output::duration(screen.elapsed())));
    if telling.json {
        let seconds = screen.elapsed().as_secs_f64();
        events::print(&json!({"event": "finished", "sweep": name, "trials": States(counts), "seconds": seconds}));
    } else if telling.ranks() && counts.complete > 0 {
        let models = models::trials(&Folder::new(&common.results).models());
        ranking(&best(&reader, Question { models: &models, ..Question::of(name, SHOWN) })?, None)?;
    }
    if let Some(saved) = saved {
        output::note(&saved);
    }
    let results = common.results_argument();
    if counts.cancelled > 0 {
        output::note(&format!(
            "{} cancelled and stay{} so: `frostline retry {name} --state cancelled{results}` wants them again",
            match counts.cancelled {
                1 => "1 trial is".to_owned(),
                more => format!("{more} trials are"),
            },
            if counts.cancelled == 1 { "s" } else { "" }
        ));
    }
    if counts.failed > 0 {
        let failed = count(counts.failed, "trial");
        output::warn(&format!("{failed} failed: `frostline status {name}{results}` says why"));
        let kinds = failures(&reader, name)?;
        if kinds.contains(&FailureKind::Diverged) {
            output::warn(DIVERGED);
        }
        if kinds.iter().any(|kind| *kind != FailureKind::Diverged) {
            let only = if kinds.contains(&FailureKind::Diverged) { "the others" } else { "them" };
            output::warn(&format!("`frostline retry {name}{results}` queues {only} again"));
        }
        return Ok(Exit::SomeFailed);
    }
    Ok(Exit::Done)
}

/// In which ways trials of a sweep have failed.
pub(crate) fn failures(reader: &Reader, name: &str) -> Result<BTreeSet<FailureKind>, StoreError> {
    let failed = reader.trials(name)?.into_iter().filter(|row| row.state == TrialState::Failed);
    Ok(failed.filter_map(|row| row.failure.map(|(kind, _)| kind)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_says_what_it_has_found() {
        let counts = |complete, waiting| Counts { complete, waiting, ..Counts::default() };
        let said = |(added, kept, dropped), counts, from_others| {
            taken_over("x", &Put { added, kept, dropped }, &counts, from_others)
        };
        assert_eq!(said((4, 0, 0), counts(0, 4), 0), None);
        assert_eq!(said((0, 8, 0), counts(8, 0), 0).unwrap(), "`x`: nothing new, all 8 trials are finished");
        assert_eq!(said((0, 8, 0), counts(5, 3), 0).unwrap(), "`x`: nothing new, 5 of 8 trials finished");
        assert_eq!(said((16, 12, 0), counts(12, 16), 0).unwrap(), "`x`: 12 trials finished, 16 added");
        assert_eq!(
            said((8, 0, 4), counts(8, 0), 8).unwrap(),
            "`x`: 8 trials finished, 8 added, 8 of them finished already in another sweep, 4 no longer in it"
        );
    }
}
