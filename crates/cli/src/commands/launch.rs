//! `launch` and `resume`: the same path, from a file or from the database.

use crate::args::{self, Common};
use crate::commands::best;
use crate::costs::{Arrangement, arrange};
use crate::machine::{self, Team, WorkerInfo};
use crate::output::{self, Screen, count};
use crate::prepare::{self, Missing, Prepared};
use crate::space::Need;
use crate::{Exit, wrong_input};
use anyhow::Context;
use frostline_coordinator::{Inbox, Job, LocalWorkers, Outcome, run, worker_program};
use frostline_store::{Provenance, StoreError, Sweep, Writer};
use frostline_sweep::definition::Definition;
use frostline_sweep::difference::{Change, changes};
use frostline_sweep::trial::{TrialId, TrialSpec};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The coordinator's log is begun anew once it is longer than this; the one before is kept.
const LOG_BYTES: u64 = 4 << 20;

pub(crate) fn launch(common: &Common, arguments: &args::Launch) -> anyhow::Result<Exit> {
    let definition = prepare::read(&arguments.definition)?;
    let file = arguments.definition.file.display().to_string();
    let info = machine::worker_info()?;
    // Before anything is downloaded or written: does this machine have what is asked for?
    machine::team(&definition.workers, &info, None)?;
    let prepared = prepare::prepare(definition, Missing::Download)?;
    let results = &common.results;
    let mut arranged = None;
    if !results.join(frostline_store::FILE).exists() {
        // Where nothing is there yet, nothing is left behind that does not fit.
        let first = arranged.insert(arrange(&prepared, results, &info, None)?);
        Need::of(&prepared, first, &BTreeSet::new(), results).check(results)?;
    }
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
    // Threads were chosen with the first trials, and stay as long as any of them count.
    let recorded = known.and_then(|known| known.threads).filter(|_| finished);
    let arrangement = match arranged {
        Some(arrangement) => arrangement,
        None => arrange(&prepared, results, &info, recorded)?,
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
    let put = writer.put_sweep(&sweep, &prepared.trials, arguments.force_new)?;
    if put.kept > 0 || put.dropped > 0 {
        let dropped = if put.dropped > 0 { format!(", {} no longer in it", put.dropped) } else { String::new() };
        output::note(&format!("`{}`: {} new, {} known{dropped}", sweep.name, count(put.added, "trial"), put.kept));
    }
    carry_out(common, writer, prepared, arrangement)
}

pub(crate) fn resume(common: &Common, arguments: &args::Resume) -> anyhow::Result<Exit> {
    if !common.results.join(frostline_store::FILE).exists() {
        return Err(StoreError::Missing { results: common.results.clone() }.into());
    }
    let writer = Writer::open(&common.results)?;
    let known = writer.reader().sweep(&arguments.sweep)?;
    let definition = parse_stored(&known)?;
    let info = machine::worker_info()?;
    machine::team(&definition.workers, &info, known.threads)?;
    let prepared = prepare::prepare(definition, Missing::Download)?;
    refuse_other_files(&writer, &prepared)?;
    let arrangement = arrange(&prepared, &common.results, &info, known.threads)?;
    check_room(common, &writer, &prepared, &arrangement)?;
    carry_out(common, writer, prepared, arrangement)
}

fn parse_stored(known: &Sweep) -> anyhow::Result<Definition> {
    Definition::parse(&known.file, &known.definition, &[]).map_err(|errors| {
        wrong_input(format!("the definition that the database holds is not valid any more:\n{errors}"))
    })
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
    let old = parse_stored(known)?;
    let mut lines: Vec<String> = changes(&old, &prepared.definition)
        .into_iter()
        .filter_map(|change| match change {
            Change::Altered { key, old, new } => Some(format!("  {key}: {old} is now {new}")),
            Change::Gained { .. } | Change::Lost { .. } => None,
        })
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
    let commit = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output().ok();
    let commit = commit.filter(|output| output.status.success());
    Provenance {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        libtorch: Some(info.libtorch.clone()),
        device: Some(team.devices.join(", ")),
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
    Need::of(prepared, arrangement, &complete, &common.results).check(&common.results)
}

/// Runs what is missing and shows the ranking.
fn carry_out(
    common: &Common,
    writer: Writer,
    mut prepared: Prepared,
    arrangement: Arrangement,
) -> anyhow::Result<Exit> {
    let Arrangement { team, reuse, .. } = arrangement;
    // The database has them now. A large sweep's take as much memory as the coordinator.
    let trials = std::mem::take(&mut prepared.trials);
    let definition = &prepared.definition;
    let logs = common.results.join("logs");
    log_to(&logs, common.verbose)?;
    let counts = writer.reader().counts(&definition.name)?;
    let missing = counts.waiting + counts.running;
    let mut screen = Screen::new(
        definition.objective,
        trials.iter().map(|trial| (trial.id, &trial.spec)),
        counts.total(),
        counts.total() - missing,
        &reuse,
    );
    drop(trials);
    let name = &definition.name;
    if missing > 0 {
        output::note(&format!(
            "`{name}`: {} to run, {} done; {}",
            count(missing, "trial"),
            counts.total() - missing,
            team.describe()
        ));
        let job = Job {
            results: std::path::absolute(&common.results)?,
            sweep: name.clone(),
            reuse,
            cache_bytes: definition.cache.max_bytes,
            places: prepared.places(&std::path::absolute(&common.results)?),
            keep: definition.keep,
            objective: definition.objective,
            workers: LocalWorkers {
                program: worker_program()?,
                devices: team.devices,
                threads: team.threads,
                arguments: worker_arguments(),
                logs,
            },
            lease: definition.workers.lease,
            reconnect_grace: definition.workers.reconnect_grace,
        };
        let inbox = Inbox::new();
        let interrupt = inbox.interrupt();
        ctrlc::set_handler(move || interrupt.send()).context("Ctrl-C cannot be handled")?;
        let outcome = run(writer, job, inbox, &mut screen);
        screen.close();
        match outcome? {
            Outcome::Finished => {}
            Outcome::Interrupted => {
                output::note(&format!(
                    "Interrupted after {}. Go on with:  frostline resume {name}{}",
                    output::duration(screen.elapsed()),
                    results_argument(common)
                ));
                return Ok(Exit::Interrupted);
            }
            Outcome::Stuck(reason) => {
                anyhow::bail!(
                    "no worker stays alive; the last one ended with {reason} (see {}/logs). Then: frostline resume {name}",
                    common.results.display()
                );
            }
        }
    }
    finish(common, name, &screen)
}

/// For tests and benches: further arguments of every worker, separated by spaces.
pub(crate) fn worker_arguments() -> Vec<std::ffi::OsString> {
    let arguments = std::env::var("FROSTLINE_WORKER_ARGUMENTS").unwrap_or_default();
    arguments.split_whitespace().map(Into::into).collect()
}

fn finish(common: &Common, name: &str, screen: &Screen) -> anyhow::Result<Exit> {
    let reader = frostline_store::Reader::open(&common.results)?;
    let counts = reader.counts(name)?;
    output::note(&format!("{} ({})", output::summary(&counts), output::duration(screen.elapsed())));
    if counts.complete > 0 {
        best::print(&reader, name, 10)?;
    }
    if counts.failed > 0 {
        let results = results_argument(common);
        output::note(&format!(
            "{} failed: `frostline status {name}{results}` says why, `frostline retry {name}{results}` lets them wait again",
            count(counts.failed, "trial")
        ));
        return Ok(Exit::SomeFailed);
    }
    Ok(Exit::Done)
}

/// What a command needs to find the same results folder.
fn results_argument(common: &Common) -> String {
    let named_otherwise = std::env::var_os("FROSTLINE_RESULTS").is_some() || common.results == Path::new("results");
    if named_otherwise { String::new() } else { format!(" --results {}", common.results.display()) }
}

/// A log file that is put aside once it is long, and begun anew.
struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Log {
    fn open(path: PathBuf) -> std::io::Result<Log> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Log { path, file, bytes })
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if self.bytes > LOG_BYTES {
            std::fs::rename(&self.path, self.path.with_extension("old.log"))?;
            *self = Log::open(std::mem::take(&mut self.path))?;
        }
        self.bytes += line.len() as u64;
        self.file.write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Logs into the results folder, and with `verbose` to the terminal too.
fn log_to(folder: &Path, verbose: u8) -> anyhow::Result<()> {
    use tracing_subscriber::{EnvFilter, Layer, fmt};
    std::fs::create_dir_all(folder).map_err(|error| {
        let folder = folder.display();
        anyhow::anyhow!("cannot create `{folder}`: {error}; move it away, or name another folder with --results")
    })?;
    let path = folder.join("coordinator.log");
    let log = Log::open(path.clone()).with_context(|| format!("cannot write {}", path.display()))?;
    let to_file = fmt::layer().with_ansi(false).with_writer(Mutex::new(log)).with_filter(EnvFilter::new("info"));
    let level = match verbose {
        0 => "off",
        1 => "info",
        _ => "debug",
    };
    let to_terminal = fmt::layer().with_writer(std::io::stderr).with_filter(EnvFilter::new(level));
    tracing_subscriber::registry().with(to_file).with(to_terminal).init();
    Ok(())
}
