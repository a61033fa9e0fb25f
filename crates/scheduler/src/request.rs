//! What people ask for: that trials are cancelled, that a run ends.

use crate::Time;
use crate::event::Effect;
use crate::machine::{Phase, Scheduler};
use frostline_protocol::ToWorker;
use frostline_sweep::outcome::TrialState;
use frostline_sweep::record::{Ending, Record, TaskKey};
use frostline_sweep::trial::TrialId;

impl Scheduler {
    pub(crate) fn cancel(&mut self, trial: TrialId, effects: &mut Vec<Effect>) {
        let Some(position) = self.positions.get(&trial).copied() else { return };
        match self.trials[position as usize].state {
            TrialState::Waiting => {
                self.queue.remove(position);
                self.set_state(trial, TrialState::Cancelled);
                effects.push(Effect::Record(Record::State { trial, state: TrialState::Cancelled }));
            }
            TrialState::Running => {
                let task = TaskKey::Trial(trial);
                let Some((id, worker)) =
                    self.attempts.iter().find(|(_, it)| it.task == task).map(|(id, it)| (*id, it.worker))
                else {
                    return;
                };
                self.end(id, Ending::Cancelled, effects);
                effects.push(Effect::Tell { worker, message: ToWorker::Stop { attempt: id } });
            }
            TrialState::Complete | TrialState::Pruned | TrialState::Failed | TrialState::Cancelled => {}
        }
    }

    /// Ends fills that nobody waits for, nor for a fill that starts from them.
    pub(crate) fn stop_unwanted_fills(&mut self, ending: &Ending, effects: &mut Vec<Effect>) {
        let wanted = self.queue.wanted();
        let is_unwanted = |task: &TaskKey| matches!(task, TaskKey::Fill(key) if !wanted.contains(key));
        let unwanted = self.attempts.iter().filter(|(_, it)| is_unwanted(&it.task));
        for (id, worker) in unwanted.map(|(id, it)| (*id, it.worker)).collect::<Vec<_>>() {
            self.end(id, ending.clone(), effects);
            effects.push(Effect::Tell { worker, message: ToWorker::Stop { attempt: id } });
        }
    }

    pub(crate) fn drain(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.draining.is_some() {
            return;
        }
        self.draining = Some(now.after(self.settings.drain));
        for (id, worker) in &mut self.workers {
            match worker.phase {
                Phase::Connected { .. } => {
                    effects.push(Effect::Tell { worker: *id, message: ToWorker::Drain });
                }
                // Nothing is lost with a process that has not connected yet.
                Phase::Queued | Phase::Starting { .. } if worker.running.is_none() && !worker.is_guest => {
                    worker.phase = Phase::Ending;
                    effects.push(Effect::Kill(*id));
                }
                _ => {}
            }
        }
    }
}
