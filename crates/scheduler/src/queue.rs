//! What waits: trials in the order of the sweep, and the fills that some of them wait for.

use crate::event::Task;
use crate::retry::halved;
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::FailureKind;
use frostline_sweep::trial::TrialId;
use std::collections::{BTreeMap, BTreeSet};

/// Features that are to be computed before the trials that use them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillPlan {
    pub key: FeatureKey,
    /// Features of an earlier cut to start from, a fill of the same plan.
    pub from: Option<FeatureKey>,
    /// Images that it takes at a time, as long as memory allows.
    pub portion: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Pending,
    Running,
    Ready,
    /// Could not be computed: whoever wanted it does without.
    GivenUp,
}

#[derive(Debug)]
struct Fill {
    from: Option<FeatureKey>,
    status: Status,
    /// Positions of the waiting trials that need it.
    blocked: BTreeSet<u32>,
    portion: u32,
    /// How often it was lost with its worker, and how often memory ran out.
    losses: u32,
    shortages: u32,
}

impl Fill {
    fn pending(from: Option<FeatureKey>, portion: u32) -> Fill {
        Fill { from, status: Status::Pending, blocked: BTreeSet::new(), portion, losses: 0, shortages: 0 }
    }
}

/// Positions are places in the sweep; the lowest goes first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: BTreeSet<u32>,
    fills: BTreeMap<FeatureKey, Fill>,
}

impl Queue {
    pub(crate) fn new(plans: Vec<FillPlan>) -> Queue {
        let fill = |plan: FillPlan| (plan.key, Fill::pending(plan.from, plan.portion));
        Queue { ready: BTreeSet::new(), fills: plans.into_iter().map(fill).collect() }
    }

    /// A trial waits, for its features where they are still to come.
    pub(crate) fn push(&mut self, position: u32, features: Option<&FeatureKey>) {
        let fill = features.and_then(|key| self.fills.get_mut(key));
        match fill {
            Some(fill) if matches!(fill.status, Status::Pending | Status::Running) => fill.blocked.insert(position),
            _ => self.ready.insert(position),
        };
    }

    pub(crate) fn remove(&mut self, position: u32) {
        self.ready.remove(&position);
        self.fills.values_mut().for_each(|fill| {
            fill.blocked.remove(&position);
        });
    }

    /// How many trials wait.
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.fills.values().map(|fill| fill.blocked.len()).sum::<usize>()
    }

    /// These features, or the deepest ones that they could be computed from, as far as any are there.
    fn nearest(&self, key: &FeatureKey) -> Option<FeatureKey> {
        let fill = self.fills.get(key)?;
        if fill.status == Status::Ready { Some(key.clone()) } else { self.nearest(fill.from.as_ref()?) }
    }

    /// How many tasks there are to start workers for: those that could be begun now, and fills that wait for others.
    pub(crate) fn available(&self) -> usize {
        let fills = self.fills.values().filter(|fill| !fill.blocked.is_empty() && fill.status == Status::Pending);
        self.ready.len() + fills.count()
    }

    /// How many tasks could be begun now, without fills that wait for others.
    fn startable(&self) -> usize {
        let waited_for = self.fills.iter().filter(|(_, fill)| !fill.blocked.is_empty());
        let fills: BTreeSet<FeatureKey> = waited_for.filter_map(|(key, _)| self.first_step(key)).collect();
        self.ready.len() + fills.len()
    }

    /// The first thing that can be done for the earliest trial, taken out of the queue. Of the `spare` workers that have
    /// nothing to do beside the one that asks, those for whom nothing is left lend a fill their share of the machine.
    pub(crate) fn pop(
        &mut self,
        spare: usize,
        trial_at: impl Fn(u32) -> (TrialId, Option<FeatureKey>, Option<u32>),
    ) -> Option<Task> {
        let fill = self
            .fills
            .iter()
            .filter_map(|(key, fill)| Some((*fill.blocked.first()?, self.first_step(key)?)))
            .min_by(|(one, _), (other, _)| one.cmp(other));
        match (self.ready.first().copied(), fill) {
            (Some(position), fill) if fill.as_ref().is_none_or(|(blocked, _)| position < *blocked) => {
                self.ready.remove(&position);
                let (trial, features, micro_batch) = trial_at(position);
                Some(Task::Train { trial, features: features.and_then(|key| self.nearest(&key)), micro_batch })
            }
            (_, Some((_, key))) => {
                let from = self.fills.get(&key).and_then(|fill| self.nearest(fill.from.as_ref()?));
                let fill = self.fill_mut(&key);
                fill.status = Status::Running;
                let micro_batch = (fill.shortages > 0).then(|| halved(fill.portion, fill.shortages as usize));
                // Each stream takes memory of its own.
                let spare = if micro_batch.is_some() { 0 } else { spare };
                let streams = 1 + spare.saturating_sub(self.startable()) as u32;
                Some(Task::Fill { key, from, streams, micro_batch })
            }
            (_, None) => None,
        }
    }

    /// The pending fill to begin with for `key`: itself, or the one that it starts from. None where one is under way.
    fn first_step(&self, key: &FeatureKey) -> Option<FeatureKey> {
        let fill = self.fills.get(key).filter(|fill| fill.status == Status::Pending)?;
        match fill.from.as_ref().and_then(|from| Some((from, self.fills.get(from)?))) {
            Some((_, earlier)) if earlier.status == Status::Running => None,
            Some((from, earlier)) if earlier.status == Status::Pending => self.first_step(from),
            _ => Some(key.clone()),
        }
    }

    /// The fills that trials wait for, and those that these start from.
    pub(crate) fn wanted(&self) -> BTreeSet<FeatureKey> {
        let mut wanted = BTreeSet::new();
        for (key, _) in self.fills.iter().filter(|(_, fill)| !fill.blocked.is_empty()) {
            let mut next = Some(key);
            while let Some(key) = next
                && wanted.insert(key.clone())
            {
                next = self.fills.get(key).and_then(|fill| fill.from.as_ref());
            }
        }
        wanted
    }

    /// A fill has ended well: its trials may start.
    pub(crate) fn filled(&mut self, key: &FeatureKey) {
        self.settle(key, Status::Ready);
    }

    /// A fill was interrupted: somebody else may do it.
    pub(crate) fn interrupted(&mut self, key: &FeatureKey) {
        self.fill_mut(key).status = Status::Pending;
    }

    /// A fill has failed. That its worker was lost once is an accident; where memory ran out, the next attempt takes half as
    /// many images at a time, down to one. Otherwise it can't be done, and its trials compute what they need themselves.
    pub(crate) fn failed(&mut self, key: &FeatureKey, kind: FailureKind) {
        let fill = self.fill_mut(key);
        let again = match kind {
            FailureKind::WorkerLost | FailureKind::Device => {
                fill.losses += 1;
                fill.losses < 2
            }
            FailureKind::OutOfMemory => {
                fill.shortages += 1;
                halved(fill.portion, fill.shortages as usize - 1) > 1
            }
            FailureKind::Diverged | FailureKind::BadData | FailureKind::Internal => false,
        };
        if again { fill.status = Status::Pending } else { self.settle(key, Status::GivenUp) }
    }

    fn settle(&mut self, key: &FeatureKey, status: Status) {
        let fill = self.fill_mut(key);
        fill.status = status;
        let mut freed = std::mem::take(&mut fill.blocked);
        self.ready.append(&mut freed);
    }

    fn fill_mut(&mut self, key: &FeatureKey) -> &mut Fill {
        self.fills.entry(key.clone()).or_insert_with(|| Fill::pending(None, 1))
    }

    pub(crate) fn is_running(&self, key: &FeatureKey) -> bool {
        self.fills.get(key).is_some_and(|fill| fill.status == Status::Running)
    }

    /// How many fills are said to run.
    pub(crate) fn running_fills(&self) -> usize {
        self.fills.values().filter(|fill| fill.status == Status::Running).count()
    }

    /// Positions of all waiting trials, each once.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = u32> {
        self.ready.iter().chain(self.fills.values().flat_map(|fill| &fill.blocked)).copied()
    }
}
