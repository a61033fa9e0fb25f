//! `verify`: the proof that nothing is lost.

use crate::args::{self, Common};
use crate::exit::Exit;
use crate::output::{self, BAD, GOOD, count, print_json};
use crate::record;
use crate::trained::remedy;
use frostline_assets::kept;
use frostline_results::{Folder, checkpoint, features, seal};
use frostline_store::{Finding, Reader, Sweep};
use frostline_sweep::expand::Sources;
use frostline_sweep::trial::TrialId;
use frostline_view::stored;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) fn run(common: &Common, arguments: &args::Verify) -> anyhow::Result<Exit> {
    let reader = record::open_itself(common)?;
    let mut audit = reader.verify(arguments.sweep.as_deref())?;
    let names = match &arguments.sweep {
        Some(name) => vec![name.clone()],
        None => reader.sweeps()?.into_iter().map(|sweep| sweep.name).collect(),
    };
    for name in &names {
        audit.findings.extend(check_definition(&reader, &reader.sweep(name)?)?);
    }
    let results = Folder::new(&common.results);
    let checkpoints = checkpoint::files(&results.checkpoints()).into_iter().map(|(_, path)| path);
    let checkpoints: Vec<PathBuf> = checkpoints.filter(|path| checkpoint::is_finished(path)).collect();
    let folders = features::filled(&results.features());
    for (paths, what, is_sound) in [
        (&checkpoints, "checkpoint", seal::is_sound as fn(&Path) -> std::io::Result<bool>),
        (&folders, "feature cache", features::is_sound),
    ] {
        for path in paths {
            let problem = match is_sound(path) {
                Ok(true) => continue,
                Ok(false) => format!("this {what} is damaged; it is recreated when it is needed"),
                // A running sweep removes files that it needs no more.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => format!("this {what} cannot be read: {error}"),
            };
            audit.findings.push(Finding { place: path.display().to_string(), problem });
        }
    }
    let models = models(&results.models());
    for (trial, path) in &models {
        if let Err(what) = kept::check_file(path, *trial)
            && path.exists()
        {
            let problem = format!("this kept model cannot be used: {what}; {}", remedy(common, *trial));
            audit.findings.push(Finding { place: path.display().to_string(), problem });
        }
    }
    let exit = if audit.findings.is_empty() { Exit::Done } else { Exit::Error };
    if arguments.json.json {
        let finding = |finding: &Finding| json!({"place": finding.place, "problem": finding.problem});
        print_json(&json!({
            "sound": audit.findings.is_empty(),
            "sweeps": names,
            "trials": audit.trials,
            "attempts": audit.attempts,
            "epochs": audit.epochs,
            "checkpoints": checkpoints.len(),
            "feature_caches": folders.len(),
            "models": models.len(),
            "findings": audit.findings.iter().map(finding).collect::<Vec<_>>(),
        }))?;
        return Ok(exit);
    }
    let mut out = anstream::stdout().lock();
    for Finding { place, problem } in &audit.findings {
        writeln!(out, "{}", output::said(&format!("{BAD}!!{BAD:#}  {place}: {problem}")))?;
    }
    let looked_at = format!(
        "{}, {}, {}, {}, {}, {}, {}",
        count(names.len() as u64, "sweep"),
        count(audit.trials, "trial"),
        count(audit.attempts, "attempt"),
        count(audit.epochs, "epoch"),
        count(checkpoints.len() as u64, "checkpoint"),
        count(folders.len() as u64, "feature cache"),
        count(models.len() as u64, "model")
    );
    match audit.findings.len() as u64 {
        0 => writeln!(out, "{}", output::said(&format!("{GOOD}sound{GOOD:#}: {looked_at}")))?,
        found => {
            let found = format!("{BAD}{}{BAD:#} in {looked_at}", count(found, "finding"));
            writeln!(out, "{}", output::said(&found))?;
        }
    }
    Ok(exit)
}

/// Whether the sweep has a trial for every cell of the definition that it stores.
fn check_definition(reader: &Reader, sweep: &Sweep) -> anyhow::Result<Vec<Finding>> {
    let finding = |problem: String| vec![Finding { place: format!("sweep `{}`", sweep.name), problem }];
    let definition = match stored::checked_definition(sweep) {
        Ok(definition) => definition,
        Err(errors) => return Ok(finding(format!("its definition cannot be read: {errors}"))),
    };
    let members = reader.restore(&sweep.name)?;
    let known: BTreeSet<TrialId> = members.iter().map(|member| member.trial).collect();
    // Newer cells come first, so the first member of each network was made from the files that the definition means.
    let sources = Sources::of(members.iter().map(|member| &member.spec));
    let Some(sources) = sources else { return Ok(finding("it has no trials".to_owned())) };
    let missing = definition.expand(&sources).into_iter().filter(|trial| !known.contains(&trial.id)).count() as u64;
    Ok(if missing > 0 {
        finding(format!("it lacks {} of its definition", count(missing, "cell")))
    } else {
        Vec::new()
    })
}

/// The kept models, by whose they are.
fn models(folder: &Path) -> Vec<(TrialId, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let trial = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<TrialId>().ok();
    let mut models: Vec<(TrialId, PathBuf)> = entries
        .filter_map(|path| Some((trial(&path)?, path)))
        .filter(|(trial, path)| path.ends_with(trial.model_file()))
        .collect();
    models.sort();
    models
}
