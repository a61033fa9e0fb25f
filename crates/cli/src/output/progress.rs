//! A running sweep on the terminal: a line for everything that ends, and below them what runs now.

use super::table::short;
use super::{BAD, DIM, GOOD, Voice, bytes, count, cut, duration, events, fitted, seconds, width};
use frostline_coordinator::{Fact, News, Running, Status, Watcher};
use frostline_sweep::expand::{Trial, Trials};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::metric::{Direction, Metric};
use frostline_sweep::outcome::{EpochMetrics, TrialState};
use frostline_sweep::record::{Ending, Record, TaskKey};
use frostline_sweep::reuse::Reuse;
use frostline_sweep::trial::{TrialId, TrialSpec};
use frostline_view::Columns;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::thread::JoinHandle;
use std::time::Instant;

/// Columns from which on names are spelled out.
const WIDE: usize = 100;

/// Characters of the bar.
const BAR: usize = 24;

/// Shows a sweep on standard error; the live part on a terminal only.
pub(crate) struct Screen {
    objective: &'static Metric,
    trials: HashMap<TrialId, (String, u32)>,
    cuts: BTreeMap<FeatureKey, String>,
    /// The newest epoch of each trial that runs.
    last: HashMap<TrialId, EpochMetrics>,
    fills: HashMap<frostline_sweep::outcome::AttemptId, FeatureKey>,
    /// The best objective of those that have completed while this screen shows them.
    best: Option<f64>,
    finished: u64,
    total: u64,
    live: Option<ProgressBar>,
    said_draining: bool,
    said_held: bool,
    has_missed: bool,
    started: Instant,
}

impl Screen {
    /// `trials` are those that may run; of the sweep's `total`, `finished` are done with already.
    pub(crate) fn new(
        objective: &'static Metric,
        trials: &Trials,
        total: u64,
        finished: u64,
        reuse: &Reuse,
    ) -> Screen {
        let columns = Columns::varying(trials.specs());
        let is_narrow = width(&std::io::stderr()).is_some_and(|width| width < WIDE);
        let words = |spec: &TrialSpec| match is_narrow {
            true => columns.words_by(&spec.named_object(), short),
            false => columns.words(&spec.named_object()),
        };
        let described = |Trial { id, spec, .. }: Trial| (id, (words(&spec), spec.parameters.epochs));
        let described: HashMap<TrialId, (String, u32)> = trials.iter().map(described).collect();
        let voice = Voice::get();
        let live = voice.is_live().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template(&format!("{{bar:{BAR}.green/dim}} {{pos}}/{{len}} trials  {{msg}}"))
            {
                bar.set_style(style.progress_chars(voice.drawn("━━─", "##-")));
            }
            bar
        });
        Screen {
            objective,
            total,
            trials: described,
            cuts: reuse.cuts.iter().map(|cut| (cut.key.clone(), cut.after.clone())).collect(),
            last: HashMap::new(),
            fills: HashMap::new(),
            best: None,
            finished,
            live,
            said_draining: false,
            said_held: false,
            has_missed: false,
            started: Instant::now(),
        }
    }

    /// Takes the live part away.
    pub(crate) fn close(&self) {
        if let Some(live) = &self.live {
            live.finish_and_clear();
        }
    }

    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    /// What went as it should.
    fn line(&self, text: &str) {
        if Voice::get().remarks() {
            self.say(text);
        }
    }

    /// What did not.
    fn warn(&self, text: &str) {
        if Voice::get().warns() {
            self.say(text);
        }
    }

    fn say(&self, text: &str) {
        let print = || {
            let _ = writeln!(anstream::stderr().lock(), "{}", fitted(text, &std::io::stderr()));
        };
        match &self.live {
            Some(live) => live.suspend(print),
            None => print(),
        }
    }

    /// "[3/8] 1a2b3c4d  frozen_layers 154, optimizer adam".
    fn title(&self, trial: TrialId) -> String {
        let words = self.trials.get(&trial).map_or("", |(words, _)| words);
        let width = self.total.to_string().len();
        let short = trial.short();
        format!("[{:width$}/{}] {DIM}{short}{DIM:#}  {words}", self.finished, self.total)
    }

    fn ended(&mut self, trial: TrialId, state: TrialState, ending: &Ending) {
        match (ending, state) {
            (Ending::Failed(failure), TrialState::Failed) => {
                self.finished += 1;
                self.warn(&format!(
                    "{}  {BAD}failed{BAD:#} ({}): {}",
                    self.title(trial),
                    failure.kind,
                    failure.message
                ));
            }
            (Ending::Failed(failure), _) => {
                self.warn(&format!(
                    "{}  will be tried again ({}): {}",
                    self.title(trial),
                    failure.kind,
                    failure.message
                ));
            }
            (Ending::Cancelled, _) => {
                self.finished += 1;
                self.line(&format!("{}  cancelled", self.title(trial)));
            }
            (Ending::Interrupted, _) => {}
        }
    }
}

/// A screen that shows what a watcher hears, and for programs prints it, on a thread of its own: a terminal that is stopped does not stop the sweep.
pub(crate) struct Shown(JoinHandle<Screen>);

impl Shown {
    /// # Errors
    /// No thread can be had.
    pub(crate) fn start(mut screen: Screen, mut watcher: Watcher, as_json: bool) -> std::io::Result<Shown> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let show = move || {
            while let Some(news) = runtime.block_on(watcher.next()) {
                if as_json {
                    events::lines(&news, screen.objective).iter().for_each(events::print);
                }
                screen.show(&news);
            }
            screen.close();
            screen
        };
        std::thread::Builder::new().name("frostline-screen".to_owned()).spawn(show).map(Shown)
    }

    /// Waits until all is shown: the run must be over.
    pub(crate) fn end(self) -> Screen {
        self.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Screen {
    fn show(&mut self, news: &News) {
        match news {
            News::Facts(facts) => facts.iter().for_each(|fact| self.recorded(fact)),
            News::Removed(models) => models.iter().for_each(|trial| {
                let short = trial.short();
                self.line(&format!(
                    "{DIM}the model of {short} is not kept any more: others are better ([keep]){DIM:#}"
                ));
            }),
            // A terminal that was stopped for long: the counts of the next status put right what was not shown.
            News::Missed(_) => {
                self.has_missed = true;
                self.line(&format!("{DIM}… some lines are left out: this terminal was too slow{DIM:#}"));
            }
            News::Status(status) => self.status(status),
        }
    }

    fn recorded(&mut self, fact: &Fact) {
        match &fact.record {
            Record::Started { attempt, task: TaskKey::Fill(key), .. } => {
                self.fills.insert(*attempt, key.clone());
            }
            Record::Epoch { trial, metrics, .. } => {
                self.last.insert(*trial, metrics.clone());
            }
            Record::Completed { trial, evaluation, .. } => {
                self.finished += 1;
                self.last.remove(trial);
                let value = fact.last.as_ref().map_or(f64::NAN, |last| self.objective.value(last, evaluation));
                let is_better = |best: f64| match self.objective.direction {
                    Direction::Maximise => value > best,
                    Direction::Minimise => value < best,
                };
                if !value.is_nan() && self.best.is_none_or(is_better) {
                    self.best = Some(value);
                }
                let name = self.objective.name;
                let took = seconds(evaluation.seconds);
                self.line(&format!("{}  {GOOD}{name} {value:.4}{GOOD:#}  {took}", self.title(*trial)));
            }
            Record::Filled { attempt, bytes: size, seconds: took, computed } => {
                if let (Some(key), true) = (self.fills.remove(attempt), computed) {
                    let after = self.cuts.get(&key).map_or("", String::as_str);
                    let (size, took) = (bytes(*size), seconds(*took));
                    self.line(&format!("{DIM}cached the output of {after}: {size}, {took}{DIM:#}"));
                }
            }
            Record::Ended { attempt, ending: Ending::Failed(failure), trial: None } => {
                let after = self.fills.remove(attempt).and_then(|key| self.cuts.get(&key)).map_or("", String::as_str);
                self.warn(&format!(
                    "the output of {after} could not be cached, so trials compute it: {}",
                    failure.message
                ));
            }
            Record::Ended { ending, trial: Some((trial, state)), .. } => self.ended(*trial, *state, ending),
            Record::State { trial, state: TrialState::Cancelled } => {
                self.ended(*trial, TrialState::Cancelled, &Ending::Cancelled);
            }
            Record::Started { .. }
            | Record::Ended { trial: None, .. }
            | Record::State { .. }
            | Record::Noted { .. } => {}
        }
    }

    fn status(&mut self, status: &Status) {
        if status.draining && !self.said_draining {
            self.said_draining = true;
            self.line(
                "Stopping: waiting some seconds for the running epochs to end.\n\
                 Press Ctrl-C again to stop now; finished epochs are safe.",
            );
        }
        if status.held.is_some() && !self.said_held {
            self.warn("Another program holds the database: waiting until it lets go. Nothing is lost meanwhile.");
        }
        self.said_held = status.held.is_some();
        let ended = |(state, count): (&TrialState, &u64)| if state.is_final() { *count } else { 0 };
        if std::mem::take(&mut self.has_missed) {
            self.finished = status.counts.iter().map(ended).sum();
        }
        let Some(live) = &self.live else { return };
        let mut text = String::new();
        if let Some(held) = status.held {
            let _ = write!(text, "the database is held by another program for {}", duration(held));
        } else if let Some(left) = status.time_left.filter(|_| !status.draining) {
            let _ = write!(text, "{} left", duration(left));
        } else if !status.draining && status.running.is_empty() {
            text += "starting workers";
        }
        if let Some(best) = self.best {
            let _ = write!(text, ", best {} {best:.4}", self.objective.name);
        }
        for running in &status.running {
            let _ = write!(text, "\n  {}", self.running(running));
        }
        // A line that a terminal breaks would stay behind when the bar goes.
        if let Some(width) = width(&std::io::stderr()) {
            let before = BAR + format!(" {0}/{0} trials  ", self.total).len();
            let lines = (0..).zip(text.lines());
            let fits =
                lines.map(|(number, line)| cut(line, if number == 0 { width.saturating_sub(before) } else { width }));
            text = fits.collect::<Vec<_>>().join("\n");
        }
        // Nobody needs the same once more, least of all over ssh.
        if live.position() != self.finished || live.message() != text {
            live.set_position(self.finished);
            live.set_message(text);
            live.tick();
        }
    }

    fn running(&self, running: &Running) -> String {
        let share = |(done, total): (u64, u64)| 100 * done / total.max(1);
        let steps = running.steps.map(|steps| format!(", {} %", share(steps))).unwrap_or_default();
        match &running.task {
            TaskKey::Fill(key) => {
                let after = self.cuts.get(key).map_or("", String::as_str);
                format!("worker {}: computing the output of {after}{steps}", running.worker.0)
            }
            TaskKey::Trial(trial) => {
                let (words, epochs) = self.trials.get(trial).map_or(("", 0), |(words, epochs)| (words, *epochs));
                let epoch = (running.epochs + 1).min(epochs);
                let last = self.last.get(trial).map(|last| format!(", val_accuracy {:.4}", last.val_accuracy));
                let last = last.unwrap_or_default();
                format!("worker {}: {words}: epoch {epoch}/{epochs}{steps}{last}", running.worker.0)
            }
        }
    }
}

/// "8 trials: 6 complete, 2 waiting".
pub(crate) fn summary(counts: &frostline_store::Counts) -> String {
    let states = TrialState::ALL.iter().filter(|state| counts.of(**state) > 0);
    let parts: Vec<String> = states.map(|state| format!("{} {state}", counts.of(*state))).collect();
    let total = count(counts.total(), "trial");
    if parts.is_empty() { total } else { format!("{total}: {}", parts.join(", ")) }
}
