//! `retrain`: a finished trial once more, for its model alone.
//!
//! It runs in a results folder of its own, inside the other one, so that nothing can count twice; what comes out is held
//! against what was recorded.

use super::launch::provenance;
use crate::args::{self, Common, Measuring};
use crate::asked::Asked;
use crate::costs::{Arrangement, arrange};
use crate::exit::{Exit, wrong_input};
use crate::log::log_to;
use crate::machine::{Look, worker_info};
use crate::output::{self, Screen};
use crate::prepare::{self, Missing, Prepared};
use crate::record;
use crate::refusal::outdated;
use crate::team::Recorded;
use anyhow::{Context, bail};
use frostline_coordinator::{Hub, Outcome, run as run_job};
use frostline_results::{Folder, models};
use frostline_store::{Reader, Sweep, Writer};
use frostline_sweep::expand::Trial;
use frostline_sweep::outcome::{EpochMetrics, Evaluation, Right, TrialState};
use frostline_sweep::trial::TrialId;
use frostline_view::show::{Shown, show};
use frostline_view::stored;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

/// Its one sweep there.
const SWEEP: &str = "retrain";
/// Differences that are named.
const NAMED: usize = 3;

pub(crate) fn run(common: &Common, arguments: &args::Retrain) -> anyhow::Result<Exit> {
    let reader = record::open(common)?;
    let recorded = show(&reader, &arguments.trial)?;
    let (trial, short) = (recorded.trial, recorded.trial.short());
    if recorded.state != TrialState::Complete {
        return Err(wrong_input(format!(
            "trial {short} is {}: only what has finished is trained once more (`frostline resume` continues a sweep)",
            recorded.state
        )));
    }
    let results = std::path::absolute(&common.results)?;
    let folder = Folder::new(&results);
    let model = folder.model(trial);
    if model.is_file() {
        models::mark_retrained(&folder.models(), trial)
            .with_context(|| format!("cannot mark {}", model.display()))?;
        output::note(&format!("The model of {short} is there, and stays from now on: {}", model.display()));
        return Ok(Exit::Done);
    }
    let Some(name) = recorded.sweeps.last() else {
        return Err(wrong_input(format!("no sweep has trial {short} any more, so nobody knows where its data lie")));
    };
    let known = reader.sweep(name)?;
    let right = reader.right(&[trial])?.pop().flatten();
    drop(reader);
    // One worker, which leaves a model and reads no features of the folder that others may be at work in.
    let overrides = [
        ("keep.models", "\"all\""),
        ("keep.max_bytes", "\"1 TB\""),
        ("cache.features", "\"off\""),
        ("workers.count", "1"),
        ("workers.launcher", "\"local\""),
    ];
    let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let definition = stored::checked_definition(&known).map_err(outdated)?;
    let definition = definition.with(&known.file, &overrides).map_err(outdated)?;
    let info = worker_info(Look::Thorough)?;
    info.remarks.iter().for_each(|remark| output::note(remark));
    let mut prepared = prepare::prepare(definition, Missing::Download, &common.results)?;
    prepared.check_places(&common.results)?;
    prepared.pack(&common.results)?;
    refuse_other_files(&prepared, &recorded)?;
    let done: BTreeSet<TrialId> =
        prepared.trials.iter().map(|other| other.id).filter(|other| *other != trial).collect();
    let measuring = Measuring { remeasure: false };
    let arrangement = arrange(&prepared, &done, &results, &info, Recorded::of(&known), measuring)?;

    let apart = results.join(SWEEP).join(trial.to_string());
    let mut writer = match folder.shared_disk().exists() {
        true => Writer::open_shared(&apart)?,
        false => Writer::open(&apart)?,
    };
    let sweep = Sweep {
        name: SWEEP.to_owned(),
        definition: prepared.definition.text.clone(),
        provenance: provenance(&info, &arrangement.team),
        threads: Some(arrangement.team.threads),
        ..known
    };
    writer.put_sweep(&sweep, &[Trial { id: trial, group: recorded.group, spec: recorded.spec.clone() }], true)?;
    // It may have failed there the last time.
    writer.retry(SWEEP, &[TrialState::Failed], None)?;
    log_to(&Folder::new(&apart), common.verbose)?;
    let Arrangement { team, reuse, .. } = arrangement;
    let places = prepared.places(&apart);
    let screen = Screen::new(prepared.definition.objective, &prepared.trials, 1, 0, &reuse);
    let job = Asked {
        results: &apart,
        sweep: SWEEP,
        definition: &prepared.definition,
        places,
        reuse,
        team: &team,
        info: &info,
        invitation: None,
        own_job: None,
    };
    let job = job.job()?;
    let hub = Hub::new();
    let shown = output::Shown::start(screen, hub.watch(), false)?;
    let outcome = run_job(writer, job, hub);
    shown.end();
    match outcome? {
        Outcome::Finished => {}
        Outcome::Interrupted | Outcome::HandedOver => {
            output::note(&format!("Interrupted; `frostline retrain {short}{}` continues", common.results_argument()));
            return Ok(Exit::Interrupted);
        }
        Outcome::Stuck(reason) => {
            bail!("no worker stays alive: the last one ended with {reason} (see {}/logs)", apart.display())
        }
    }
    let reader = Reader::open(&apart)?;
    let again = show(&reader, &trial.to_string())?;
    if again.state != TrialState::Complete {
        let failure = again.attempts.iter().rev().find_map(|attempt| attempt.failure.as_ref());
        let why = failure.map_or(String::new(), |it| format!(" ({}): {}", it.kind, it.message));
        bail!("the trial is {} this time{why}", again.state);
    }
    let differences = differences(&recorded, &again, right, reader.right(&[trial])?.pop().flatten());
    drop(reader);
    if !differences.is_empty() {
        let all = differences.len();
        let build = |shown: &Shown| {
            let accepted = shown.attempts.iter().rfind(|attempt| attempt.is_accepted());
            accepted.map_or(String::new(), |it| {
                format!(
                    "libtorch {}, {}, {} threads on {}",
                    it.build.libtorch,
                    it.build.on(),
                    it.build.threads,
                    it.build.host
                )
            })
        };
        remove(&apart)?;
        bail!(
            "trial {short} comes out otherwise here, so its model would be another one, and is not kept: {}{} (then: {}; \
             now: {})",
            differences[..all.min(NAMED)].join("; "),
            if all > NAMED { format!(" and {} more", all - NAMED) } else { String::new() },
            build(&recorded),
            build(&again)
        );
    }
    fs::create_dir_all(folder.models()).with_context(|| format!("cannot make {}", folder.models().display()))?;
    models::mark_retrained(&folder.models(), trial).with_context(|| format!("cannot mark {}", model.display()))?;
    fs::rename(Folder::new(&apart).model(trial), &model)
        .with_context(|| format!("cannot write {}", model.display()))?;
    remove(&apart)?;
    let epochs = output::count(again.epochs.len() as u64, "epoch");
    let bytes = fs::metadata(&model).map_or(0, |file| file.len());
    writeln!(
        anstream::stdout().lock(),
        "{short}: {epochs} and the test come out as recorded, to the last bit; its model stays: {}, {}",
        model.display(),
        output::bytes(bytes)
    )?;
    Ok(Exit::Done)
}

/// With the folder around it, where no other trial is in that.
fn remove(apart: &Path) -> anyhow::Result<()> {
    fs::remove_dir_all(apart).with_context(|| format!("cannot remove {}", apart.display()))?;
    if let Some(around) = apart.parent() {
        let _ = fs::remove_dir(around);
    }
    Ok(())
}

/// The trial is what it was on the data and the weights that it saw.
fn refuse_other_files(prepared: &Prepared, recorded: &Shown) -> anyhow::Result<()> {
    let (sources, spec) = (&prepared.sources, &recorded.spec);
    let weights = sources.weights_of(&spec.model.backbone);
    if sources.data_digest == spec.data.digest && weights == spec.model.weights {
        return Ok(());
    }
    let what = if sources.data_digest == spec.data.digest { "weights" } else { "data" };
    Err(wrong_input(format!(
        "the {what} files that are there now are not those that trial {} was trained with: put those back",
        recorded.trial.short()
    )))
}

/// What did not come out as it is recorded. Times and memory are not what a trial is about, and what an older version did
/// not record cannot differ.
fn differences(recorded: &Shown, again: &Shown, right: Option<Right>, right_again: Option<Right>) -> Vec<String> {
    let mut differences = Vec::new();
    if recorded.epochs.len() != again.epochs.len() {
        differences.push(format!("{} epochs and not {}", again.epochs.len(), recorded.epochs.len()));
    }
    for (one, other) in recorded.epochs.iter().zip(&again.epochs) {
        let named = |name: &str| format!("{name} of epoch {}", one.epoch);
        let (of_one, of_other) = (of_epoch(one), of_epoch(other));
        let pairs = of_one.into_iter().zip(of_other).map(|((name, one), (_, other))| (named(name), one, other));
        differences.extend(pairs.filter_map(differs));
    }
    if let (Some(one), Some(other)) = (&recorded.evaluation, &again.evaluation) {
        let pairs = of_test(one).into_iter().zip(of_test(other));
        differences.extend(pairs.filter_map(|((name, one), (_, other))| differs((name.to_owned(), one, other))));
        if one.confusion != other.confusion {
            differences.push("the confusion of classes".to_owned());
        }
    }
    if right.is_some() && right != right_again {
        differences.push("which images it gets right".to_owned());
    }
    differences
}

type Measured = Vec<(&'static str, Option<f64>)>;

fn of_epoch(epoch: &EpochMetrics) -> Measured {
    let by_class = epoch.by_class;
    vec![
        ("train_loss", Some(epoch.train_loss)),
        ("train_accuracy", Some(epoch.train_accuracy)),
        ("val_loss", Some(epoch.val_loss)),
        ("val_accuracy", Some(epoch.val_accuracy)),
        ("val_balanced_accuracy", by_class.map(|it| it.balanced_accuracy)),
        ("val_macro_f1", by_class.map(|it| it.macro_f1)),
        ("val_top5_accuracy", by_class.map(|it| it.top5_accuracy)),
    ]
}

fn of_test(test: &Evaluation) -> Measured {
    let by_class = test.by_class;
    vec![
        ("test_loss", Some(test.test_loss)),
        ("test_accuracy", Some(test.test_accuracy)),
        ("test_balanced_accuracy", by_class.map(|it| it.balanced_accuracy)),
        ("test_macro_f1", by_class.map(|it| it.macro_f1)),
        ("test_top5_accuracy", by_class.map(|it| it.top5_accuracy)),
    ]
}

fn differs((name, recorded, again): (String, Option<f64>, Option<f64>)) -> Option<String> {
    let (recorded, again) = (recorded?, again.unwrap_or(f64::NAN));
    let same = recorded == again || (recorded.is_nan() && again.is_nan());
    (!same).then(|| format!("{name} is {again} and not {recorded}"))
}
