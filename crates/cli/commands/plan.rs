//! `plan`: what a sweep would run.

use crate::Exit;
use crate::args;
use crate::commands::list::print_json;
use crate::output::{self, Columns, DIM, Table, count, shown};
use crate::prepare::{self, Missing, Prepared};
use frostline_sweep::parameters::named;
use frostline_sweep::reuse::{Cut, Decision};
use serde_json::{Map, Value, json};
use std::io::Write;

/// Trials that are listed one by one.
const LISTED: usize = 40;
/// A checkpoint holds the weights, two moments of the optimizer, and the one before it is kept until it is written.
const CHECKPOINT_FACTOR: u64 = 2 * 3 * 4;

pub(crate) fn run(arguments: &args::Plan) -> anyhow::Result<Exit> {
    let prepared = prepare::prepare(prepare::read(&arguments.definition)?, Missing::Note)?;
    if arguments.json.json {
        return print_json(&as_json(&prepared));
    }
    print(&mut anstream::stdout().lock(), &prepared)?;
    Ok(Exit::Done)
}

fn as_json(prepared: &Prepared) -> Value {
    let known = prepared.missing.is_empty();
    let trial = |trial: &frostline_sweep::expand::Trial| {
        let parameters: Map<String, Value> =
            named(&trial.spec).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        json!({
            "trial": known.then_some(trial.id),
            "group": known.then_some(trial.group),
            "parameters": parameters,
            "features": prepared.reuse.features.get(&trial.id),
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
        })
    };
    json!({
        "sweep": prepared.definition.name,
        "objective": prepared.definition.objective.name,
        "trials": prepared.trials.iter().map(trial).collect::<Vec<_>>(),
        "cuts": prepared.reuse.cuts.iter().map(cut).collect::<Vec<_>>(),
        "missing": prepared.missing.iter().map(|entry| entry.name).collect::<Vec<_>>(),
    })
}

fn print(out: &mut impl Write, prepared: &Prepared) -> std::io::Result<()> {
    let Prepared { definition, trials, reuse, .. } = prepared;
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
    let fixed: Vec<String> = fixed.map(|(name, value)| format!("{name} {}", shown(&value))).collect();
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
        let mut table =
            Table::new(&["features after", "trials", "epochs", "share of compute", "at most", "decision"]);
        for cut in &reuse.cuts {
            let decision = match &cut.decision {
                Decision::Fill { from: None } => "compute once, from the images".to_owned(),
                Decision::Fill { from: Some(from) } => {
                    let from = reuse.cuts.iter().find(|cut| cut.key == *from).map_or("", |cut| &cut.after);
                    format!("compute once, from {from}")
                }
                Decision::UsedOnce => "not kept: would be used once".to_owned(),
                Decision::TooLarge => "not kept: no room within cache.max_bytes".to_owned(),
            };
            let share = format!("{:.0} %", 100.0 * cut.compute_share);
            let (trials, epochs) = (cut.trials.to_string(), cut.epochs.to_string());
            table.row([cut.after.clone(), trials, epochs, share, output::bytes(cut.bytes), decision]);
        }
        write!(out, "{table}")?;
    }
    let cache: u64 = reuse.cuts.iter().filter(|cut| cut.is_filled()).map(|cut| cut.bytes).sum();
    let checkpoint = architecture.parameter_count() * CHECKPOINT_FACTOR;
    writeln!(
        out,
        "\ndisk: at most {} of features, and up to {} of checkpoints for each worker",
        output::bytes(cache),
        output::bytes(checkpoint)
    )?;
    for entry in &prepared.missing {
        let size = if entry.bytes > 0 { format!(" ({})", output::bytes(entry.bytes)) } else { String::new() };
        writeln!(out, "`{}`{size} is not here yet: `launch` downloads it, or `frostline fetch {0}`", entry.name)?;
    }
    Ok(())
}
