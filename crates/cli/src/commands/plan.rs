//! `plan`: what a sweep would run.

use crate::args::{self, Common};
use crate::costs::{Arrangement, arrange};
use crate::exit::Exit;
use crate::machine::{self, Team, WorkerInfo};
use crate::output::{self, DIM, Table, count, print_json};
use crate::prepare::{self, Missing, Prepared};
use crate::space;
use frostline_sweep::definition::DeviceChoice;
use frostline_sweep::parameters::named;
use frostline_view::plan::{Cut, Decision, Plan, Premises, plan};
use frostline_view::shown;
use std::collections::BTreeSet;
use std::io::Write;

/// Trials that are listed one by one.
const LISTED: usize = 40;

pub(crate) fn run(common: &Common, arguments: &args::Plan) -> anyhow::Result<Exit> {
    let prepared = prepare::prepare(prepare::read(&arguments.definition)?, Missing::Note)?;
    let (info, doubt) = match machine::worker_info() {
        Ok(info) => (info, None),
        Err(error) => (WorkerInfo::without_worker(), Some(format!("{error:#}"))),
    };
    let arranged = arrange(&prepared, &common.results, &info, None, arguments.measuring);
    // Whoever plans here may run it elsewhere.
    let (arrangement, doubt) = match (arranged, doubt) {
        (Ok(arrangement), doubt) => (arrangement, doubt),
        (Err(error), doubt) => {
            let cpu = WorkerInfo::without_worker();
            let mut elsewhere = prepare::prepare(prepare::read(&arguments.definition)?, Missing::Note)?;
            elsewhere.definition.workers.device = DeviceChoice::Cpu;
            (
                arrange(&elsewhere, &common.results, &cpu, None, arguments.measuring)?,
                doubt.or(Some(format!("{error:#}"))),
            )
        }
    };
    let Arrangement { team, reuse, measured_at } = &arrangement;
    let premises = Premises {
        definition: &prepared.definition,
        trials: &prepared.trials,
        reuse,
        workers: team.devices.len(),
        threads: team.threads,
        measured_at: *measured_at,
        need: space::need(&prepared, &arrangement, &complete(common, &prepared), &common.results),
        missing: prepared.missing.iter().map(|entry| entry.name).collect(),
    };
    if arguments.json.json {
        return print_json(&plan(premises, usize::MAX));
    }
    print(&mut anstream::stdout().lock(), &plan(premises, LISTED), &prepared, team)?;
    if let Some(doubt) = doubt {
        output::note(&format!("times are for the CPU: {doubt}"));
    }
    Ok(Exit::Done)
}

/// What the results folder has of the sweep, where there is one.
fn complete(common: &Common, prepared: &Prepared) -> BTreeSet<frostline_sweep::trial::TrialId> {
    let reader = frostline_store::open(&common.results);
    let complete = reader.and_then(|reader| reader.complete(&prepared.definition.name));
    complete.unwrap_or_default().into_iter().collect()
}

fn print(out: &mut impl Write, plan: &Plan, prepared: &Prepared, team: &Team) -> std::io::Result<()> {
    let excluded = plan.excluded as u64;
    let excluded = if excluded > 0 { format!(", {} excluded", count(excluded, "cell")) } else { String::new() };
    writeln!(
        out,
        "`{}`: {} of {} in all{excluded}, ranked by {}",
        plan.sweep,
        count(plan.trial_count as u64, "trial"),
        count(plan.epochs, "epoch"),
        plan.objective
    )?;
    let Some(first) = prepared.trials.first() else { return Ok(()) };
    let architecture = prepared.definition.model.architecture;
    writeln!(
        out,
        "{}, {} layers, {:.2} M parameters, weights {}",
        architecture.name,
        architecture.layer_count(),
        architecture.parameter_count() as f64 / 1e6,
        prepared.definition.model.weights
    )?;
    let varying: Vec<&str> = plan.columns.names().collect();
    let fixed = named(&first.spec).into_iter().filter(|(name, _)| !varying.contains(name) && *name != "head_depth");
    let fixed: Vec<String> = fixed
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name} {}", shown(&value)))
        .collect();
    writeln!(out, "the same for all: {}\n", fixed.join(", "))?;
    write!(out, "{}", trials(plan))?;
    if plan.trial_count > plan.trials.len() {
        writeln!(out, "{DIM}  … and {} more{DIM:#}", plan.trial_count - plan.trials.len())?;
    }
    if !plan.cuts.is_empty() {
        writeln!(out, "\nFrozen layers are computed once for all the trials that share them:\n")?;
        write!(out, "{}", cuts(&plan.cuts))?;
    }
    let source = match plan.measured_at {
        Some(at) => format!("measured here {}", output::ago(at)),
        None => "estimated from operation counts".to_owned(),
    };
    let without = match plan.cuts.iter().any(|cut| cut.fill) {
        true => format!("; {} if nothing were kept", output::seconds(plan.expected_seconds_without_cache)),
        false => String::new(),
    };
    let time = output::seconds(plan.expected_seconds);
    writeln!(out, "\ntime: about {time} with {}{without} ({source})", team.describe())?;
    let parts = [
        (plan.disk.features, "features"),
        (plan.disk.checkpoints, "checkpoints"),
        (plan.disk.models, "models"),
        (plan.disk.database, "database"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(bytes, _)| *bytes > 0)
        .map(|(bytes, what)| format!("{what} {}", output::bytes(*bytes)))
        .collect();
    writeln!(out, "disk: at most {} ({})", output::bytes(plan.disk.total()), parts.join(", "))?;
    for entry in &prepared.missing {
        let size = if entry.bytes > 0 { format!(" ({})", output::bytes(entry.bytes)) } else { String::new() };
        writeln!(out, "`{}`{size} is not here yet: `launch` downloads it, or `frostline fetch {0}`", entry.name)?;
    }
    Ok(())
}

fn trials(plan: &Plan) -> Table {
    let mut header = vec!["trial"];
    header.extend(plan.columns.names());
    header.push("starts from");
    let mut table = Table::new(&header);
    for trial in &plan.trials {
        let id = trial.trial.map_or("?".to_owned(), |trial| trial.short());
        let cut = trial.features.as_ref().and_then(|key| plan.cuts.iter().find(|cut| cut.key == *key));
        let start = cut.map_or("images".to_owned(), |cut| format!("features after {}", cut.after));
        table.row([vec![id], plan.columns.cells(&trial.parameters), vec![start]].concat());
    }
    table
}

fn cuts(cuts: &[Cut]) -> Table {
    let header = ["features after", "trials", "compute", "at most", "to fill", "saves", "decision"];
    let mut table = Table::new(&header);
    for cut in cuts {
        let decision = match (cut.decision, &cut.from) {
            (Decision::Fill, _) if cut.present => "kept: it is there already".to_owned(),
            (Decision::Fill, None) => "computed once, from the images".to_owned(),
            (Decision::Fill, Some(from)) => format!("computed once, from {from}"),
            (Decision::Costly, _) => "not kept: would cost more than it saves".to_owned(),
            (Decision::TooLarge, _) => "not kept: no room in cache.max_bytes or on the disk".to_owned(),
        };
        let share = format!("{:.0} %", 100.0 * cut.compute_share);
        let saves = if cut.saved_seconds > 0.0 { output::seconds(cut.saved_seconds) } else { "-".to_owned() };
        let (size, fill) = (output::bytes(cut.bytes), output::seconds(cut.fill_seconds));
        table.row([cut.after.clone(), cut.trials.to_string(), share, size, fill, saves, decision]);
    }
    table
}
