//! `plan`: what a sweep would run.

use crate::args::{self, Common};
use crate::costs::{Arrangement, arrange};
use crate::exit::Exit;
use crate::machine::{Look, WorkerInfo, worker_info};
use crate::output::{self, DIM, Table, count, print_json};
use crate::prepare::{self, Missing, Prepared};
use crate::space;
use crate::team::{Recorded, Team};
use frostline_sweep::definition::DeviceChoice;
use frostline_sweep::learned::Last;
use frostline_sweep::parameters::named;
use frostline_view::plan::{Basis, Cut, Decision, Plan, Premises, plan};
use frostline_view::shown;
use std::collections::BTreeSet;
use std::io::Write;

/// Trials that are listed one by one.
const LISTED: usize = 40;

pub(crate) fn run(common: &Common, arguments: &args::Plan) -> anyhow::Result<Exit> {
    let prepared = prepare::prepare(prepare::read(&arguments.definition)?, Missing::Note, &common.results)?;
    let (info, doubt) = match worker_info(Look::Quick) {
        Ok(info) => (info, None),
        Err(error) => (WorkerInfo::without_worker(), Some(format!("{error:#}"))),
    };
    let arranged = arrange(&prepared, &common.results, &info, Recorded::default(), arguments.measuring);
    // Whoever plans here may run it elsewhere.
    let (arrangement, doubt) = match (arranged, doubt) {
        (Ok(arrangement), doubt) => (arrangement, doubt),
        (Err(error), doubt) => {
            let cpu = WorkerInfo::without_worker();
            let mut elsewhere =
                prepare::prepare(prepare::read(&arguments.definition)?, Missing::Note, &common.results)?;
            elsewhere.definition.workers.device = DeviceChoice::Cpu;
            (
                arrange(&elsewhere, &common.results, &cpu, Recorded::default(), arguments.measuring)?,
                doubt.or(Some(format!("{error:#}"))),
            )
        }
    };
    let Arrangement { team, reuse, basis, .. } = &arrangement;
    // Which of them are left out is not known before they are decoded.
    let undecoded = (!prepared.is_final).then_some("decoded pictures");
    let premises = Premises {
        definition: &prepared.definition,
        trials: &prepared.trials,
        reuse,
        workers: team.devices.len(),
        threads: team.threads,
        basis: *basis,
        need: space::need(&prepared, &arrangement, &complete(common, &prepared), &common.results),
        missing: prepared.missing.iter().map(|entry| entry.name).chain(undecoded).collect(),
    };
    if arguments.json.json {
        return print_json(&plan(premises));
    }
    print(&mut anstream::stdout().lock(), &plan(premises), &prepared, team, basis)?;
    info.remarks.iter().for_each(|remark| output::note(remark));
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

fn print(out: &mut impl Write, plan: &Plan, prepared: &Prepared, team: &Team, basis: &Basis) -> std::io::Result<()> {
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
    let Some(first) = prepared.trials.specs().next() else { return Ok(()) };
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
    let fixed = named(&first).into_iter().filter(|(name, _)| !varying.contains(name) && *name != "head_depth");
    let fixed: Vec<String> = fixed
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name} {}", shown(&value)))
        .collect();
    writeln!(out, "the same for all: {}\n", fixed.join(", "))?;
    write!(out, "{}", trials(plan))?;
    if plan.trial_count > LISTED {
        writeln!(out, "{DIM}  … and {} more{DIM:#}", plan.trial_count - LISTED)?;
    }
    if !plan.cuts.is_empty() {
        writeln!(out, "\nFrozen layers are computed once for all the trials that share them:\n")?;
        write!(out, "{}", cuts(&plan.cuts))?;
    }
    let without = match plan.cuts.iter().any(|cut| cut.fill) {
        true => format!("; {} if nothing were kept", output::seconds(plan.expected_seconds_without_cache)),
        false => String::new(),
    };
    let time = output::seconds(plan.expected_seconds);
    writeln!(out, "\ntime: about {time} with {}{without} ({})", team.describe(), source(basis))?;
    if let Some(last) = last_run(basis) {
        writeln!(out, "{last}")?;
    }
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
    if prepared.to_pack > 0 {
        let size = output::bytes(prepared.to_pack);
        writeln!(out, "pictures: `launch` decodes them once and keeps {size} of them beside that")?;
    }
    for entry in &prepared.missing {
        let size = if entry.bytes > 0 { format!(" ({})", output::bytes(entry.bytes)) } else { String::new() };
        writeln!(out, "`{}`{size} is not here yet: `launch` downloads it, or `frostline fetch {0}`", entry.name)?;
    }
    Ok(())
}

/// Where times come from.
fn source(basis: &Basis) -> String {
    let parts = [(basis.epochs, "epoch"), (basis.fills, "fill")];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, of)| count(*number, of)).collect();
    let seen = format!("{} of this setting", parts.join(" and "));
    match (basis.measured_at.map(output::ago), parts.is_empty()) {
        (Some(ago), true) => format!("measured on this machine {ago}"),
        (Some(ago), false) => format!("measured on this machine {ago}, corrected by {seen}"),
        (None, true) => "estimated from operation counts".to_owned(),
        (None, false) => format!("from {seen}"),
    }
}

/// How far the last estimate was off.
fn last_run(basis: &Basis) -> Option<String> {
    let Last { estimated, taken, .. } = basis.last?;
    Some(format!("the last sweep here took {:.2} times as long as estimated", taken / estimated))
}

fn trials(plan: &Plan) -> Table {
    let mut header = vec!["trial"];
    header.extend(plan.columns.names());
    header.push("starts from");
    let mut table = Table::new(&header);
    for trial in plan.trials.iter().take(LISTED) {
        let id = trial.trial.map_or("?".to_owned(), |trial| trial.short());
        let cut = trial.features.as_ref().and_then(|key| plan.cuts.iter().find(|cut| cut.key == *key));
        let start = cut.map_or("images".to_owned(), |cut| format!("features after {}", cut.after));
        table.row([vec![id], plan.columns.cells_of(&trial.parameters), vec![start]].concat());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_where_its_times_come_from() {
        let now = output::seconds_since_1970();
        let basis = |measured_at, epochs, fills| Basis { measured_at, epochs, fills, last: None };
        let days = Some(now - 3.0 * 86_400.0 - 7_250.0);
        assert_eq!(source(&basis(None, 0, 0)), "estimated from operation counts");
        assert_eq!(source(&basis(None, 36, 0)), "from 36 epochs of this setting");
        assert_eq!(source(&basis(None, 1, 2)), "from 1 epoch and 2 fills of this setting");
        assert_eq!(source(&basis(days, 0, 0)), "measured on this machine 3 d 02 h ago");
        let corrected = "measured on this machine 3 d 02 h ago, corrected by 36 epochs of this setting";
        assert_eq!(source(&basis(days, 36, 0)), corrected);
        assert_eq!(last_run(&basis(days, 36, 0)), None);
        let last = Last { estimated: 100.0, taken: 112.0, at: now };
        let said = last_run(&Basis { last: Some(last), ..basis(days, 36, 0) });
        assert_eq!(said.as_deref(), Some("the last sweep here took 1.12 times as long as estimated"));
    }
}
