//! What must hold after every event.

use crate::machine::{Phase, Scheduler};
use frostline_sweep::outcome::TrialState;
use frostline_sweep::record::TaskKey;
use frostline_sweep::trial::TrialId;
use std::collections::BTreeMap;

impl Scheduler {
    /// What must hold after every event; an error says what does not.
    pub fn check_invariants(&self) -> Result<(), String> {
        let wanted = self.queue.wanted();
        for (id, attempt) in &self.attempts {
            if *id >= self.next_attempt {
                return Err(format!("attempt {id} was never given out"));
            }
            if self.workers.get(&attempt.worker).and_then(|worker| worker.running) != Some(*id) {
                return Err(format!("worker {} does not know of its attempt {id}", attempt.worker.0));
            }
            if let TaskKey::Fill(key) = &attempt.task
                && !self.queue.is_running(key)
            {
                return Err(format!("attempt {id} fills {key}, which is not said to run"));
            }
            if let TaskKey::Fill(key) = &attempt.task
                && !wanted.contains(key)
            {
                return Err(format!("attempt {id} fills {key}, which nobody waits for"));
            }
        }
        for (id, worker) in &self.workers {
            match worker.running {
                Some(attempt) if !self.attempts.contains_key(&attempt) => {
                    return Err(format!("worker {} holds the fenced attempt {attempt}", id.0));
                }
                Some(attempt) if matches!(worker.phase, Phase::Off | Phase::Ending | Phase::Broken) => {
                    return Err(format!("worker {} is gone and holds attempt {attempt}", id.0));
                }
                _ => {}
            }
        }
        let mut runs: BTreeMap<TrialId, u32> = BTreeMap::new();
        let mut fills = 0;
        for attempt in self.attempts.values() {
            match &attempt.task {
                TaskKey::Trial(trial) => *runs.entry(*trial).or_default() += 1,
                TaskKey::Fill(_) => fills += 1,
            }
        }
        if fills != self.queue.running_fills() {
            return Err(format!("{fills} attempts fill, {} fills run", self.queue.running_fills()));
        }
        let mut waiting: BTreeMap<u32, u32> = BTreeMap::new();
        self.queue.waiting().for_each(|position| *waiting.entry(position).or_default() += 1);
        for (position, trial) in (0u32..).zip(&self.trials) {
            let expected = match trial.state {
                TrialState::Waiting => (1, 0),
                TrialState::Running => (0, 1),
                _ => (0, 0),
            };
            let found = (
                waiting.get(&position).copied().unwrap_or_default(),
                runs.get(&trial.id).copied().unwrap_or_default(),
            );
            if found != expected {
                return Err(format!(
                    "trial {} is {}, yet is queued {} times and run by {} attempts",
                    trial.id, trial.state, found.0, found.1
                ));
            }
        }
        Ok(())
    }
}
