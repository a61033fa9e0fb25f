//! `plan`: what a sweep would run.

use crate::args::{self, Common};
use crate::choice;
use crate::costs::{Arrangement, arrange};
use crate::engine;
use crate::exit::Exit;
use crate::machine::{Look, WorkerInfo, offered};
use crate::output::{self, DIM, Table, count, print_json};
use crate::prepare::{self, Missing, Prepared};
use crate::record;
use crate::refusal;
use crate::space;
use crate::team::{Recorded, Team, team};
use frostline_results::Folder;
use frostline_store::StoreError;
use frostline_sweep::definition::{Definition, DeviceChoice, Network};
use frostline_sweep::keys::{self, HYPERPARAMETERS};
use frostline_sweep::learned::Last;
use frostline_sweep::outcome::TrialState;
use frostline_sweep::trial::TrialId;
use frostline_view::need::Need;
use frostline_view::plan::{Basis, Cut, Decision, Plan, Premises, Share, plan};
use frostline_view::shown;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// Trials that are listed one by one.
const LISTED: usize = 40;

pub(crate) fn run(common: &Common, arguments: &args::Plan) -> anyhow::Result<Exit> {
    let file = choice::definition(common, arguments.definition.file.as_deref(), "plan")?;
    let read = || prepare::read(&file, &arguments.definition.set);
    let prepared = prepare::prepare(read()?, Missing::Note, &common.results)?;
    let (info, no_worker) = match offered(&prepared.definition, Look::Quick) {
        Ok(info) => (info, None),
        Err(error) => (WorkerInfo::without_worker(), Some(error)),
    };
    let Before { known, recorded, refused } = before(common, &prepared);
    let done: BTreeSet<TrialId> =
        known.iter().filter(|(_, state)| state.is_final()).map(|(trial, _)| *trial).collect();
    // As `launch` does, which looks for what is asked for first.
    let arranged = team(&prepared.definition, &info, Recorded::default())
        .and_then(|_| arrange(&prepared, &done, &common.results, &info, recorded, arguments.measuring));
    // Whoever plans here may run it elsewhere.
    let (arrangement, elsewhere) = match arranged {
        Ok(arrangement) => (arrangement, None),
        Err(error) => {
            let cpu = WorkerInfo::without_worker();
            let mut elsewhere = prepare::prepare(read()?, Missing::Note, &common.results)?;
            elsewhere.definition.workers.device = DeviceChoice::Cpu;
            let recorded = Recorded::default();
            let arranged = arrange(&elsewhere, &done, &common.results, &cpu, recorded, arguments.measuring)?;
            (arranged, Some(error))
        }
    };
    let Arrangement { team, reuse, basis, .. } = &arrangement;
    let complete: BTreeSet<TrialId> =
        known.iter().filter(|(_, state)| **state == TrialState::Complete).map(|(trial, _)| *trial).collect();
    let need = space::need(&prepared, &arrangement, &complete, &common.results);
    let room = space::check(&need, &common.results).err();
    let on_cpu = match (&no_worker, &elsewhere) {
        (Some(error), _) => Some(format!("These times are for the CPU: {error:#}")),
        (None, Some(_)) => Some("These times are for the CPU.".to_owned()),
        (None, None) => None,
    };
    let lent = engine::tried(&prepared.definition, team, Folder::new(&common.results));
    let (queue, refused_there) = match lent {
        Ok(said) => (said, None),
        Err(error) => (None, Some(error)),
    };
    let refused = refused.or(elsewhere).or(room).or(refused_there);
    // Which of them are left out is not known before they are decoded.
    let undecoded = (!prepared.is_final).then_some("decoded pictures");
    let plan = plan(Premises {
        definition: &prepared.definition,
        trials: &prepared.trials,
        reuse,
        workers: team.devices.len(),
        threads: team.threads,
        basis: *basis,
        need,
        missing: prepared.missing.iter().map(|entry| entry.name).chain(undecoded).collect(),
        known: &known,
        refused: refused.as_ref().map(|error| format!("{error:#}")),
    });
    if arguments.json.json {
        print_json(&plan)?;
    } else {
        print(&mut anstream::stdout().lock(), &plan, &prepared, team, basis)?;
        info.remarks.iter().for_each(|remark| output::note(remark));
        on_cpu.iter().for_each(|said| output::note(said));
        queue.iter().for_each(|said| output::note(&format!("Slurm: {said}")));
    }
    match refused {
        Some(error) => {
            let exit = Exit::of(&error);
            output::error(&error.context("`launch` would refuse this"));
            Ok(exit)
        }
        None => Ok(Exit::Done),
    }
}

/// What the results folder has of a sweep.
struct Before {
    known: BTreeMap<TrialId, TrialState>,
    recorded: Recorded,
    /// Why `launch` would not run it.
    refused: Option<anyhow::Error>,
}

fn before(common: &Common, prepared: &Prepared) -> Before {
    let asked = || -> anyhow::Result<Before> {
        let reader = match record::open(common) {
            Err(StoreError::Missing { .. }) => {
                return Ok(Before { known: BTreeMap::new(), recorded: Recorded::default(), refused: None });
            }
            opened => opened?,
        };
        let name = &prepared.definition.name;
        let known = match prepared.missing.is_empty() {
            true => reader.known(name, prepared.trials.iter().map(|trial| trial.id))?,
            false => BTreeMap::new(),
        };
        let sweep = refusal::earlier(&reader, name)?;
        let (finished, refused) = match sweep.as_ref().map(|sweep| refusal::compare(&reader, sweep, prepared)) {
            None => (false, None),
            Some(Ok(finished)) => (finished, None),
            Some(Err(error)) => (false, Some(error)),
        };
        let recorded = sweep.filter(|_| finished).map_or(Recorded::default(), |sweep| Recorded::of(&sweep));
        let (recorded, refused) = match recorded.with(&reader.devices(&known.keys().copied().collect())?) {
            Ok(recorded) => (recorded, refused),
            Err(error) => (recorded, refused.or(Some(error))),
        };
        Ok(Before { known, recorded, refused })
    };
    let broken = |error| Before { known: BTreeMap::new(), recorded: Recorded::default(), refused: Some(error) };
    asked().unwrap_or_else(broken)
}

fn paragraph(text: &str) -> String {
    output::wrapped(text, output::line(), 2)
}

fn print(out: &mut impl Write, plan: &Plan, prepared: &Prepared, team: &Team, basis: &Basis) -> std::io::Result<()> {
    writeln!(out, "{}", paragraph(&heading(plan, prepared)))?;
    if !plan.done.is_empty() {
        writeln!(out, "{}", paragraph(&standing(plan)))?;
    }
    for Network { architecture, weights, .. } in &prepared.definition.networks {
        let network = format!(
            "{}, {} layers, {:.2} M parameters, weights {weights}",
            architecture.name,
            architecture.layer_count(),
            architecture.parameter_count() as f64 / 1e6,
        );
        writeln!(out, "{}", paragraph(&network))?;
    }
    let augment = prepared.definition.data.augmentation();
    if augment.views() > 1 {
        let views = augment.views();
        let seen =
            format!("training images: augment {augment}; frozen layers are computed for {views} views of each");
        writeln!(out, "{}", paragraph(&seen))?;
    }
    let same = same_for_all(&prepared.definition);
    if !same.is_empty() {
        writeln!(out, "{}", paragraph(&format!("the same for all: {}", same.join(", "))))?;
    }
    write!(out, "\n{}", trials(plan).fitted())?;
    if plan.trial_count > LISTED {
        writeln!(out, "{DIM}  {} and {} more{DIM:#}", output::dots(), plan.trial_count - LISTED)?;
    }
    if !plan.cuts.is_empty() {
        writeln!(out, "\n{}\n", paragraph("Frozen layers are computed once for all the trials that share them:"))?;
        write!(out, "{}", cuts(&plan.cuts).fitted())?;
    }
    if plan.networks.len() > 1 {
        writeln!(out, "\nWhat each network takes:\n")?;
        write!(out, "{}", networks(&plan.networks).fitted())?;
    }
    writeln!(out)?;
    if plan.to_run > 0 {
        let without = match plan.cuts.iter().any(|cut| cut.fill) {
            true => format!("; {} without the cache", output::seconds(plan.expected_seconds_without_cache)),
            false => String::new(),
        };
        let time = output::seconds(plan.expected_seconds);
        let time = format!("time: about {time} with {}{without}", team.describe());
        let source = format!("({})", source(basis));
        match time.chars().count() + 1 + source.chars().count() <= output::line() {
            true => writeln!(out, "{time} {source}")?,
            false => writeln!(out, "{}\n  {}", paragraph(&time), output::wrapped(&source, output::line() - 2, 3))?,
        }
        if let Some(last) = last_run(basis) {
            writeln!(out, "{}", paragraph(&last))?;
        }
        writeln!(out, "{}", paragraph(&disk(&plan.disk)))?;
    }
    if prepared.to_pack > 0 {
        let size = output::bytes(prepared.to_pack);
        let pictures = format!("pictures: `launch` decodes them once and keeps {size} of them beside that");
        writeln!(out, "{}", paragraph(&pictures))?;
    }
    for entry in &prepared.missing {
        let size = if entry.bytes > 0 { format!(" ({})", output::bytes(entry.bytes)) } else { String::new() };
        let name = entry.name;
        let missing = format!("`{name}`{size} is not here yet: `launch` downloads it, or `frostline fetch {name}`");
        writeln!(out, "{}", paragraph(&missing))?;
    }
    for remark in &plan.remarks {
        writeln!(out, "{}", paragraph(&format!("note: {remark}")))?;
    }
    Ok(())
}

/// "`mine`: 8 trials x 2 epochs (16 in all), ranked by val_accuracy".
fn heading(plan: &Plan, prepared: &Prepared) -> String {
    let trials = count(plan.trial_count as u64, "trial");
    let each = prepared.trials.specs().next().map_or(0, |spec| u64::from(spec.parameters.epochs));
    let is_even = prepared.trials.specs().all(|spec| u64::from(spec.parameters.epochs) == each);
    let amount = match is_even {
        true => format!("{trials} x {} ({} in all)", count(each, "epoch"), plan.epochs),
        false => format!("{trials} of {} in all", count(plan.epochs, "epoch")),
    };
    let excluded = match plan.excluded as u64 {
        0 => String::new(),
        excluded => format!(", {} excluded", count(excluded, "cell")),
    };
    format!("`{}`: {amount}{excluded}, ranked by {}", plan.sweep, plan.objective)
}

/// "9 to run, 7 done".
fn standing(plan: &Plan) -> String {
    let words = |(state, count): (&TrialState, &usize)| match state {
        TrialState::Complete => format!("{count} done"),
        state => format!("{count} {state}"),
    };
    let others = plan.done.iter().map(words).collect::<Vec<_>>().join(", ");
    let rest = match (plan.to_run, plan.epochs_to_run) {
        (0, _) => "nothing to run".to_owned(),
        (trials, epochs) => format!("{trials} to run ({})", count(epochs, "epoch")),
    };
    let again = plan.done.keys().any(|state| *state != TrialState::Complete);
    let hint =
        if again { format!("; `frostline retry {}` queues failed ones again", plan.sweep) } else { String::new() };
    format!("{rest}, {others}{hint}")
}

/// What the definition sets for every trial, other than it would be by itself.
fn same_for_all(definition: &Definition) -> Vec<String> {
    let depths = definition.depths();
    let set = keys::of(HYPERPARAMETERS).filter_map(|key| {
        let value = definition.fixed.get(key.name).filter(|value| !value.is_null())?;
        let default = key.default_value().and_then(|default| key.kind.check(&default).ok());
        // That follows from how many units there are.
        let is_said = key.name != "head_depth" && Some(value) != default.as_ref();
        let words = if key.name == "frozen_layers" { depths.words(None, value).map(str::to_owned) } else { None };
        is_said.then(|| format!("{} {}", key.name, words.unwrap_or_else(|| shown(value))))
    });
    set.collect()
}

fn disk(need: &Need) -> String {
    let parts = [
        (need.features, "features"),
        (need.checkpoints, "checkpoints"),
        (need.models, "models"),
        (need.database, "database"),
    ];
    let parts = parts.iter().filter(|(bytes, _)| *bytes > 0);
    let parts: Vec<String> = parts.map(|(bytes, what)| format!("{what} {}", output::bytes(*bytes))).collect();
    format!("disk: at most {} ({})", output::bytes(need.total()), parts.join(", "))
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
        (None, true) => "estimated".to_owned(),
        (None, false) => format!("from {seen}"),
    }
}

/// How far the last estimate was off.
fn last_run(basis: &Basis) -> Option<String> {
    let Last { estimated, taken, .. } = basis.last?;
    Some(format!("the last sweep here took {:.2} times as long as estimated", taken / estimated))
}

fn trials(plan: &Plan) -> Table {
    let is_begun = !plan.done.is_empty();
    let mut header = vec!["trial"];
    header.extend(plan.columns.names());
    header.push("starts from");
    if is_begun {
        header.push("state");
    }
    let mut table = Table::new(&header).sparing(&["starts from"]);
    for trial in plan.trials.iter().take(LISTED) {
        // Known once its data and weights are here.
        let id = trial.trial.map_or("-".to_owned(), |trial| trial.short());
        let cut = trial.features.as_ref().and_then(|key| plan.cuts.iter().find(|cut| cut.key == *key));
        let is_done = trial.state.is_some_and(TrialState::is_final);
        let start = match cut {
            _ if is_done => "-".to_owned(),
            Some(cut) => format!("output of {}", cut.after),
            None => "images".to_owned(),
        };
        let mut cells = [vec![id], plan.columns.cells_of(&trial.parameters), vec![start]].concat();
        if is_begun {
            cells.push(trial.state.map_or("new".to_owned(), |state| state.to_string()));
        }
        table.row(cells);
    }
    table
}

fn networks(networks: &[Share]) -> Table {
    let mut table = Table::new(&["backbone", "trials", "time", "without the cache", "features (max)"]);
    for it in networks {
        let (seconds, without) = (output::seconds(it.seconds), output::seconds(it.seconds_without_cache));
        table.row([it.backbone.to_owned(), it.trials.to_string(), seconds, without, output::bytes(it.features)]);
    }
    table
}

fn cuts(cuts: &[Cut]) -> Table {
    let several = cuts.windows(2).any(|pair| pair[0].backbone != pair[1].backbone);
    let mut header = vec!["through", "trials", "share", "size (max)", "time", "saves", ""];
    if several {
        header.insert(0, "backbone");
    }
    let mut table = Table::new(&header);
    for cut in cuts {
        let decision = match (cut.decision, &cut.from) {
            (Decision::Fill, _) if cut.present => "cached already".to_owned(),
            (Decision::Fill, None) => "computed once".to_owned(),
            (Decision::Fill, Some(from)) => format!("once, from {from}"),
            (Decision::Costly, _) => "not cached: costs more than it saves".to_owned(),
            (Decision::TooLarge, _) => "not cached: no room in cache.max_bytes or on the disk".to_owned(),
        };
        let share = format!("{:.0} %", 100.0 * cut.compute_share);
        let saves = if cut.saved_seconds > 0.0 { output::seconds(cut.saved_seconds) } else { "-".to_owned() };
        let (size, fill) = (output::bytes(cut.bytes), output::seconds(cut.fill_seconds));
        let network = several.then(|| cut.backbone.clone());
        let cells = [cut.after.clone(), cut.trials.to_string(), share, size, fill, saves, decision];
        table.row(network.into_iter().chain(cells));
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
        assert_eq!(source(&basis(None, 0, 0)), "estimated");
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
