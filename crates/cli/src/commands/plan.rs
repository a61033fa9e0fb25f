//! `plan`: what a sweep would run.

use crate::Exit;
use crate::args::{self, Common};
use crate::commands::list::print_json;
use crate::costs::{Arrangement, arrange};
use crate::machine::{self, WorkerInfo};
use crate::output::{self, Columns, DIM, Table, count, shown};
use crate::prepare::{self, Missing, Prepared};
use frostline_sweep::definition::DeviceChoice;
use frostline_sweep::parameters::named;
use frostline_sweep::reuse::{Cut, Decision};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::time::Duration;

/// Trials that are listed one by one.
const LISTED: usize = 40;
/// A checkpoint holds the weights, two moments of the optimizer, and the one before it is kept until it is written.
const CHECKPOINT_FACTOR: u64 = 2 * 3 * 4;

pub(crate) fn run(common: &Common, arguments: &args::Plan) -> anyhow::Result<Exit> {
    let prepared = prepare::prepare(prepare::read(&arguments.definition)?, Missing::Note)?;
    let (info, doubt) = match machine::worker_info() {
        Ok(info) => (info, None),
        Err(error) => (WorkerInfo::without_worker(), Some(format!("{error:#}"))),
    };
    let arranged = arrange(&prepared, &common.results, &info, None);
    // Whoever plans here may run it elsewhere.
    let (arrangement, doubt) = match (arranged, doubt) {
        (Ok(arrangement), doubt) => (arrangement, doubt),
        (Err(error), doubt) => {
            let cpu = WorkerInfo::without_worker();
            let mut elsewhere = prepare::prepare(prepare::read(&arguments.definition)?, Missing::Note)?;
            elsewhere.definition.workers.device = DeviceChoice::Cpu;
            (arrange(&elsewhere, &common.results, &cpu, None)?, doubt.or(Some(format!("{error:#}"))))
        }
    };
    if arguments.json.json {
        return print_json(&as_json(&prepared, &arrangement));
    }
    print(&mut anstream::stdout().lock(), &prepared, &arrangement)?;
    if let Some(doubt) = doubt {
        output::note(&format!("times are for the CPU: {doubt}"));
    }
    Ok(Exit::Done)
}

fn as_json(prepared: &Prepared, arrangement: &Arrangement) -> Value {
    let Arrangement { team, reuse, measured } = arrangement;
    let known = prepared.missing.is_empty();
    let trial = |trial: &frostline_sweep::expand::Trial| {
        let parameters: Map<String, Value> =
            named(&trial.spec).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        json!({
            "trial": known.then_some(trial.id),
            "group": known.then_some(trial.group),
            "parameters": parameters,
            "features": reuse.features.get(&trial.id),
        })
    };
    let cut = |cut: &Cut| {
        json!({
            "key": cut.key,
            "after": cut.after,
            "trials": cut.trials,
            "epochs": cut.epochs,
            "bytes": cut.bytes,
            "compute_share": cut.compute_share,
            "fill": cut.is_filled(),
            "present": cut.present,
            "fill_seconds": cut.fill,
            "saved_seconds": cut.gain,
        })
    };
    json!({
        "sweep": prepared.definition.name,
        "objective": prepared.definition.objective.name,
        "trials": prepared.trials.iter().map(trial).collect::<Vec<_>>(),
        "cuts": reuse.cuts.iter().map(cut).collect::<Vec<_>>(),
        "workers": team.devices.len(),
        "threads": team.threads,
        "measured": measured,
        "expected_seconds": reuse.expected(team.devices.len()),
        "expected_seconds_without_cache": reuse.expected_without(team.devices.len()),
        "missing": prepared.missing.iter().map(|entry| entry.name).collect::<Vec<_>>(),
    })
}

fn print(out: &mut impl Write, prepared: &Prepared, arrangement: &Arrangement) -> std::io::Result<()> {
    let Prepared { definition, trials, .. } = prepared;
    let Arrangement { team, reuse, measured } = arrangement;
    let excluded = definition.excluded() as u64;
    let excluded = if excluded > 0 { format!(", {} excluded", count(excluded, "cell")) } else { String::new() };
    let epochs: u64 = trials.iter().map(|trial| u64::from(trial.spec.parameters.epochs)).sum();
    writeln!(
        out,
        "`{}`: {} of {} in all{excluded}, ranked by {}",
        definition.name,
        count(trials.len() as u64, "trial"),
        count(epochs, "epoch"),
        definition.objective.name
    )?;
    let Some(first) = trials.first() else { return Ok(()) };
    let architecture = definition.model.architecture;
    writeln!(
        out,
        "{}, {} layers, {:.2} M parameters, weights {}",
        architecture.name,
        architecture.layer_count(),
        architecture.parameter_count() as f64 / 1e6,
        definition.model.weights
    )?;
    let columns = Columns::varying(trials.iter().map(|trial| &trial.spec));
    let varying: Vec<&str> = columns.names().collect();
    let fixed = named(&first.spec).into_iter().filter(|(name, _)| !varying.contains(name) && *name != "head_depth");
    let fixed: Vec<String> = fixed
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name} {}", shown(&value)))
        .collect();
    writeln!(out, "the same for all: {}", fixed.join(", "))?;
    writeln!(out)?;
    let mut header = vec!["trial"];
    header.extend(&varying);
    header.push("starts from");
    let mut table = Table::new(&header);
    for trial in trials.iter().take(LISTED) {
        let id = if prepared.missing.is_empty() { trial.id.to_string()[..8].to_owned() } else { "?".to_owned() };
        let start = reuse.features.get(&trial.id).and_then(|key| reuse.cuts.iter().find(|cut| cut.key == *key));
        let start = start.map_or("images".to_owned(), |cut| format!("features after {}", cut.after));
        table.row([vec![id], columns.cells(&trial.spec), vec![start]].concat());
    }
    write!(out, "{table}")?;
    if trials.len() > LISTED {
        writeln!(out, "{DIM}  … and {} more{DIM:#}", trials.len() - LISTED)?;
    }
    if !reuse.cuts.is_empty() {
        writeln!(out, "\nFrozen layers are computed once for all the trials that share them:\n")?;
        let header = ["features after", "trials", "compute", "at most", "to fill", "saves", "decision"];
        let mut table = Table::new(&header);
        for cut in &reuse.cuts {
            let decision = match &cut.decision {
                Decision::Fill { .. } if cut.present => "kept: it is there already".to_owned(),
                Decision::Fill { from: None } => "computed once, from the images".to_owned(),
                Decision::Fill { from: Some(from) } => {
                    let from = reuse.cuts.iter().find(|cut| cut.key == *from).map_or("", |cut| &cut.after);
                    format!("computed once, from {from}")
                }
                Decision::Costly => "not kept: would cost more than it saves".to_owned(),
                Decision::TooLarge => "not kept: no room in cache.max_bytes or on the disk".to_owned(),
            };
            let share = format!("{:.0} %", 100.0 * cut.compute_share);
            let saves = if cut.gain > 0.0 { output::seconds(cut.gain) } else { "-".to_owned() };
            let (trials, size, fill) = (cut.trials.to_string(), output::bytes(cut.bytes), output::seconds(cut.fill));
            table.row([cut.after.clone(), trials, share, size, fill, saves, decision]);
        }
        write!(out, "{table}")?;
    }
    let duration = |seconds| output::duration(Duration::from_secs_f64(seconds));
    let count = team.devices.len();
    let source = if *measured { "measured here" } else { "reckoned from operation counts" };
    let without = match reuse.features.is_empty() {
        true => String::new(),
        false => format!("; {} if nothing were kept", duration(reuse.expected_without(count))),
    };
    writeln!(out, "\ntime: about {} with {}{without} ({source})", duration(reuse.expected(count)), team.describe())?;
    let cache: u64 = reuse.cuts.iter().filter(|cut| cut.is_filled()).map(|cut| cut.bytes).sum();
    let checkpoint = architecture.parameter_count() * CHECKPOINT_FACTOR;
    writeln!(
        out,
        "disk: at most {} of features, and up to {} of checkpoints for each worker",
        output::bytes(cache),
        output::bytes(checkpoint)
    )?;
    for entry in &prepared.missing {
        let size = if entry.bytes > 0 { format!(" ({})", output::bytes(entry.bytes)) } else { String::new() };
        writeln!(out, "`{}`{size} is not here yet: `launch` downloads it, or `frostline fetch {0}`", entry.name)?;
    }
    Ok(())
}
