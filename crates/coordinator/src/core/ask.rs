//! What commands ask of a running coordinator.

use super::{Action, AskId, Core, Journal};
use frostline_protocol::{Command, Response};
use frostline_scheduler::{Effect, Event, Time};
use frostline_sweep::record::Record;
use frostline_sweep::trial::TrialId;

impl<J: Journal> Core<J> {
    /// Takes up a command. It is answered once what it did is committed.
    pub(super) fn ask(&mut self, now: Time, ask: AskId, command: Command, effects: &mut Vec<Effect>) {
        let response = match command {
            Command::Cancel { sweep, trials } if sweep == self.terms.sweep => {
                Response::Done(self.cancel(now, trials, effects))
            }
            Command::Cancel { sweep, .. } => {
                let running = &self.terms.sweep;
                Response::Refused(format!("the coordinator of this results folder runs `{running}`, not `{sweep}`"))
            }
            Command::Note { sweep, text } => {
                effects.push(Effect::Record(Record::Noted { sweep, text }));
                Response::Done(0)
            }
        };
        self.answers.push(Action::Answer { ask, response });
    }

    /// Cancels these trials, or all where none is named, and says how many had not ended.
    fn cancel(&mut self, now: Time, trials: Vec<TrialId>, effects: &mut Vec<Effect>) -> u64 {
        let unfinished = |trial: &TrialId| self.scheduler.state(*trial).is_some_and(|state| !state.is_final());
        let trials: Vec<TrialId> = match trials.is_empty() {
            true => self.scheduler.states().map(|(trial, _)| trial).filter(|trial| unfinished(trial)).collect(),
            false => trials.into_iter().filter(unfinished).collect(),
        };
        let count = trials.len() as u64;
        // A worker that is freed by this must not get a trial that is cancelled by this: all at once.
        self.scheduler.handle(now, Event::Cancel { trials }, effects);
        count
    }
}
