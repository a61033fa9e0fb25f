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
                && !self.queue.is_running(attempt.host, key)
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
                Some(attempt)
                    if matches!(worker.phase, Phase::Off | Phase::Queued | Phase::Ending | Phase::Broken) =>
                {
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
        let mut counts = BTreeMap::new();
        self.trials.iter().for_each(|trial| *counts.entry(trial.state).or_default() += 1);
        if counts != self.counts {
            return Err(format!("{:?} are counted where {counts:?} are in each state", self.counts));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Host;
    use crate::{About, Event, FillPlan, Restored, RestoredTrial, Settings, Time};
    use frostline_protocol::WorkerId;
    use frostline_sweep::features::FeatureKey;
    use frostline_sweep::outcome::AttemptId;
    use frostline_sweep::record::Build;

    const FIRST: WorkerId = WorkerId(1);
    const SECOND: WorkerId = WorkerId(2);
    const TRAINS: AttemptId = AttemptId(10);
    const FILLS: AttemptId = AttemptId(11);

    /// The first worker trains a trial, the second one fills "a" for another.
    fn at_work() -> Scheduler {
        let row = |number, features: Option<&str>| RestoredTrial {
            trial: TrialId([number; 16]),
            state: TrialState::Waiting,
            epochs: 2,
            features: features.map(|name| FeatureKey(name.to_owned())),
            divisible: None,
            failures: Vec::new(),
            running: None,
        };
        let restored = Restored {
            trials: vec![row(1, None), row(2, Some("a"))],
            fills: vec![FillPlan { key: FeatureKey("a".to_owned()), from: None, portion: 64, takes: 0 }],
            workers: vec![FIRST, SECOND],
            next_attempt: TRAINS,
            ..Restored::default()
        };
        let effects = &mut Vec::new();
        let mut scheduler = Scheduler::restore(Settings::default(), restored, Time(0), effects);
        for worker in [FIRST, SECOND] {
            let text = || "t".to_owned();
            let build = Build {
                version: text(),
                libtorch: text(),
                device: text(),
                threads: 1,
                host: text(),
                processor: None,
            };
            let about = About { build, host: None, left: None };
            scheduler.handle(Time(0), Event::Joined { worker, about, running: None }, effects);
        }
        scheduler
    }

    fn holds(scheduler: &mut Scheduler, worker: WorkerId, attempt: Option<AttemptId>) {
        scheduler.workers.get_mut(&worker).unwrap().running = attempt;
    }

    type Break = fn(&mut Scheduler);

    #[test]
    fn whatever_does_not_hold_is_named() {
        assert_eq!(at_work().check_invariants(), Ok(()));
        let broken: [(&str, Break); 9] = [
            ("attempt 11 was never given out", |it| it.next_attempt = FILLS),
            ("worker 1 does not know of its attempt 10", |it| holds(it, FIRST, None)),
            ("attempt 11 fills a, which is not said to run", |it| {
                it.queue.interrupted(Host::OWN, &FeatureKey("a".to_owned()))
            }),
            ("attempt 11 fills a, which nobody waits for", |it| it.queue.remove(1)),
            ("worker 2 holds the fenced attempt 11", |it| drop(it.attempts.remove(&FILLS))),
            ("worker 1 is gone and holds attempt 10", |it| {
                it.workers.get_mut(&FIRST).unwrap().phase = Phase::Ending;
            }),
            ("0 attempts fill, 1 fills run", |it| {
                it.attempts.remove(&FILLS);
                holds(it, SECOND, None);
            }),
            (
                "trial 01010101010101010101010101010101 is running, yet is queued 1 times and run by 1 attempts",
                |it| {
                    it.queue.push(0, None);
                },
            ),
            (
                "trial 02020202020202020202020202020202 is waiting, yet is queued 0 times and run by 0 attempts",
                |it| {
                    it.attempts.remove(&FILLS);
                    holds(it, SECOND, None);
                    it.queue.filled(Host::OWN, &FeatureKey("a".to_owned()));
                    it.queue.remove(1);
                },
            ),
        ];
        for (what, breaks) in broken {
            let mut scheduler = at_work();
            breaks(&mut scheduler);
            assert_eq!(scheduler.check_invariants(), Err(what.to_owned()));
        }
    }
}
