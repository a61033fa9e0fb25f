//! Measuring what computing takes on this machine.

use crate::machine::{self, NoAnswer, WorkerInfo};
use crate::output;
use crate::setting::{Measured, Setting};
use anyhow::anyhow;
use frostline_coordinator::{Gpus, worker_command};
use frostline_protocol::tools::Measure;
use frostline_sweep::costs::Costs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// All that one command measures takes no longer than this.
const LIMIT: Duration = Duration::from_secs(30);
/// Cores, as a share, that other programs may keep busy without disturbing a measurement.
const QUIET: f64 = 0.5;

/// The measuring of one command.
pub(crate) struct Measuring {
    program: PathBuf,
    gpus: Gpus,
    cores: usize,
    limit: Duration,
    started: Option<Instant>,
    ended: Option<Ended>,
}

/// Why nothing more is measured.
#[derive(Debug, Clone, PartialEq)]
enum Ended {
    Busy { load: f64 },
    Late,
    Failed(String),
}

impl Measuring {
    /// With this worker program, on this machine.
    pub(crate) fn new(program: std::io::Result<PathBuf>, info: &WorkerInfo) -> Measuring {
        let ended = program.as_ref().err().map(|error| Ended::Failed(error.to_string()));
        Measuring {
            program: program.unwrap_or_default(),
            gpus: info.access(false),
            cores: info.cores,
            limit: LIMIT,
            started: None,
            ended,
        }
    }

    /// Measures; none where that has no sense any more.
    pub(crate) fn measure(&mut self, setting: &Setting, team: &str) -> Option<Measured> {
        if self.ended.is_none() {
            let since = self.started.map_or(Duration::ZERO, |started| started.elapsed());
            self.ended = self.hindrance(machine::load(), since);
        }
        if self.ended.is_some() {
            return None;
        }
        output::note(&format!("measuring what computing takes here with {team} (once, about ten seconds)"));
        let left = self.limit.saturating_sub(self.started.get_or_insert_with(Instant::now).elapsed());
        match ask_together(&self.program, &self.gpus, &setting.questions, left) {
            Ok(costs) => {
                let measured = Measured { costs, at: output::seconds_since_1970() };
                setting.remember(&measured);
                Some(measured)
            }
            Err(error) => {
                self.ended =
                    Some(if error.is::<NoAnswer>() { Ended::Late } else { Ended::Failed(format!("{error:#}")) });
                None
            }
        }
    }

    /// What speaks against measuring on, with the system's load and after having measured for so long.
    fn hindrance(&self, load: Option<f64>, since: Duration) -> Option<Ended> {
        if since >= self.limit {
            return Some(Ended::Late);
        }
        let load = load.filter(|load| *load > most_load(self.cores, since))?;
        Some(Ended::Busy { load })
    }

    /// Why not all was measured, in a sentence.
    pub(crate) fn remark(&self) -> Option<String> {
        let begun = if self.started.is_some() { "measuring stopped early" } else { "nothing was measured" };
        let reason = match self.ended.as_ref()? {
            Ended::Busy { load } => format!(
                "{begun}: other programs keep this machine busy (load {load:.1} on {})",
                output::count(self.cores as u64, "core")
            ),
            Ended::Late => format!("measuring stopped after {:.0} s", self.limit.as_secs_f64()),
            Ended::Failed(error) => format!("measuring failed: {error}"),
        };
        Some(format!(
            "{reason}. Times follow from what is known; finished epochs correct them. --remeasure measures again"
        ))
    }
}

/// The system's average over a minute that still leaves a measurement alone. Measuring for `since` has added to it: all
/// cores, as far as that minute goes.
fn most_load(cores: usize, since: Duration) -> f64 {
    let own = 1.0 - (-since.as_secs_f64() / 60.0).exp();
    (QUIET + own) * cores.max(1) as f64
}

/// Asks all at the same time, as they will work; the slowest answer counts.
fn ask_together(program: &Path, gpus: &Gpus, questions: &[Measure], limit: Duration) -> anyhow::Result<Costs> {
    let answers: Vec<anyhow::Result<Costs>> = std::thread::scope(|scope| {
        let ask = |question: &Measure| {
            let command = worker_command(program, gpus, question.device);
            let question = Measure { device: gpus.seen(question.device), ..question.clone() };
            scope.spawn(move || machine::question_within::<Costs>(command, "measure", &question, Some(limit)))
        };
        let asked: Vec<_> = questions.iter().map(ask).collect();
        asked.into_iter().map(|asked| asked.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))).collect()
    });
    let answers = answers.into_iter().collect::<anyhow::Result<Vec<Costs>>>()?;
    let total = |costs: &Costs| costs.segments.iter().map(|segment| segment.train).sum::<f64>();
    answers.into_iter().max_by(|one, other| total(one).total_cmp(&total(other))).ok_or_else(|| anyhow!("no worker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measuring() -> Measuring {
        Measuring::new(Ok("worker".into()), &WorkerInfo { cores: 4, ..WorkerInfo::without_worker() })
    }

    #[test]
    fn a_busy_machine_is_not_measured() {
        let seconds = Duration::from_secs;
        let hindrance = |load, since| measuring().hindrance(load, seconds(since));
        assert_eq!(hindrance(Some(1.9), 0), None);
        assert_eq!(hindrance(None, 0), None);
        assert_eq!(hindrance(Some(2.1), 0), Some(Ended::Busy { load: 2.1 }));
        // After 20 seconds four busy cores have added 4 (1 - exp(-1/3)) = 1.13 to the average.
        assert_eq!(hindrance(Some(3.1), 20), None);
        assert_eq!(hindrance(Some(3.2), 20), Some(Ended::Busy { load: 3.2 }));
        assert_eq!(hindrance(Some(0.0), 30), Some(Ended::Late));
    }

    #[test]
    fn why_not_all_was_measured_is_said() {
        let remark = |started, ended| Measuring { started, ended: Some(ended), ..measuring() }.remark().unwrap();
        let (not_begun, begun) = (None, Some(Instant::now()));
        assert_eq!(
            remark(not_begun, Ended::Busy { load: 5.23 }),
            "nothing was measured: other programs keep this machine busy (load 5.2 on 4 cores). Times follow from what is known; finished epochs correct them. --remeasure measures again"
        );
        assert_eq!(
            remark(begun, Ended::Busy { load: 5.23 }),
            "measuring stopped early: other programs keep this machine busy (load 5.2 on 4 cores). Times follow from what is known; finished epochs correct them. --remeasure measures again"
        );
        assert_eq!(
            remark(begun, Ended::Late),
            "measuring stopped after 30 s. Times follow from what is known; finished epochs correct them. --remeasure measures again"
        );
        assert_eq!(
            remark(begun, Ended::Failed("no libtorch".to_owned())),
            "measuring failed: no libtorch. Times follow from what is known; finished epochs correct them. --remeasure measures again"
        );
        assert_eq!(measuring().remark(), None);
    }
}
