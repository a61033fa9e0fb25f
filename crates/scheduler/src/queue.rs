//! What waits: trials in the order of the sweep, and the fills that some of them wait for, on each host.

use crate::event::Task;
use crate::retry::halved;
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::FailureKind;
use frostline_sweep::trial::TrialId;
use std::collections::{BTreeMap, BTreeSet};

/// Whose features a worker reads and keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Host(pub(crate) u32);

impl Host {
    /// The coordinator's own folder.
    pub(crate) const OWN: Host = Host(0);
}

/// Features that are to be computed before the trials that use them, on each host that runs any of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillPlan {
    pub key: FeatureKey,
    /// Features of an earlier cut to start from, a fill of the same plan.
    pub from: Option<FeatureKey>,
    /// Images that it takes at a time, as long as memory allows.
    pub portion: u32,
    /// Milliseconds that it takes by estimate.
    pub takes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Status {
    #[default]
    Pending,
    Running,
    Ready,
    /// Could not be computed: whoever wanted it does without.
    GivenUp,
}

/// A plan's fill on one host.
#[derive(Debug, Default)]
struct Fill {
    status: Status,
    /// How often it was lost with its worker, and how often memory ran out.
    losses: u32,
    shortages: u32,
}

/// Who asks for something to do.
pub(crate) struct Asking<'a> {
    pub(crate) host: Host,
    /// Workers of its host that have nothing to do beside it.
    pub(crate) spare: usize,
    /// Milliseconds until it is ended.
    pub(crate) left: Option<u64>,
    /// Workers of each host that have nothing to do, or fill.
    pub(crate) crews: &'a BTreeMap<Host, usize>,
}

/// Positions are places in the sweep; the lowest goes first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Trials that start from the images.
    ready: BTreeSet<u32>,
    /// Trials that start from features, by these.
    waiting: BTreeMap<FeatureKey, BTreeSet<u32>>,
    plans: BTreeMap<FeatureKey, FillPlan>,
    /// What is not here is pending.
    fills: BTreeMap<(Host, FeatureKey), Fill>,
}

impl Queue {
    pub(crate) fn new(plans: Vec<FillPlan>) -> Queue {
        let plans = plans.into_iter().map(|plan| (plan.key.clone(), plan)).collect();
        Queue { plans, ..Queue::default() }
    }

    /// A trial waits, for its features where they are to be computed.
    pub(crate) fn push(&mut self, position: u32, features: Option<&FeatureKey>) {
        match features.filter(|key| self.plans.contains_key(*key)) {
            Some(key) => self.waiting.entry(key.clone()).or_default().insert(position),
            None => self.ready.insert(position),
        };
    }

    pub(crate) fn remove(&mut self, position: u32) {
        self.ready.remove(&position);
        self.waiting.retain(|_, positions| {
            positions.remove(&position);
            !positions.is_empty()
        });
    }

    /// How many trials wait.
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.waiting.values().map(BTreeSet::len).sum::<usize>()
    }

    fn status(&self, host: Host, key: &FeatureKey) -> Status {
        self.fills.get(&(host, key.clone())).map_or(Status::Pending, |fill| fill.status)
    }

    /// Whether trials that start from these features need not wait on this host.
    fn is_settled(&self, host: Host, key: &FeatureKey) -> bool {
        matches!(self.status(host, key), Status::Ready | Status::GivenUp)
    }

    /// These features, or the deepest ones that they could be computed from, as far as the host has any.
    fn nearest(&self, host: Host, key: &FeatureKey) -> Option<FeatureKey> {
        let plan = self.plans.get(key)?;
        match self.status(host, key) {
            Status::Ready => Some(key.clone()),
            _ => self.nearest(host, plan.from.as_ref()?),
        }
    }

    /// How many tasks the coordinator's own machine could begin now: trials, and fills, also those that wait for others.
    pub(crate) fn available(&self) -> usize {
        let tasks = |(key, positions): (&FeatureKey, &BTreeSet<u32>)| match self.status(Host::OWN, key) {
            Status::Ready | Status::GivenUp => positions.len(),
            Status::Pending => 1,
            Status::Running => 0,
        };
        self.ready.len() + self.waiting.iter().map(tasks).sum::<usize>()
    }

    /// How many tasks a host could begin now, without fills that wait for others.
    fn startable(&self, host: Host) -> usize {
        let settled = self.waiting.iter().filter(|(key, _)| self.is_settled(host, key));
        let trials: usize = settled.map(|(_, positions)| positions.len()).sum();
        let fills: BTreeSet<FeatureKey> = self.waiting.keys().filter_map(|key| self.first_step(host, key)).collect();
        self.ready.len() + trials + fills.len()
    }

    /// The first thing that can be done for the earliest trial, taken out of the queue. Of the spare workers of the host that
    /// asks, those for whom nothing is left lend a fill their share of the machine.
    pub(crate) fn pop(
        &mut self,
        asking: &Asking,
        trial_at: impl Fn(u32) -> (TrialId, Option<FeatureKey>, Option<u32>),
    ) -> Option<Task> {
        let host = asking.host;
        let settled = self.waiting.iter().filter(|(key, _)| self.is_settled(host, key));
        let settled = settled.filter_map(|(_, positions)| positions.first());
        let trial = self.ready.first().into_iter().chain(settled).min().copied();
        let fills = self.waiting.iter().filter(|(key, positions)| self.is_worth(asking, key, positions.len()));
        let fill = fills
            .filter_map(|(key, positions)| Some((*positions.first()?, self.first_step(host, key)?)))
            .min_by(|(one, _), (other, _)| one.cmp(other));
        let (position, fill) = match (trial, fill) {
            (Some(position), Some((blocked, _))) if position < blocked => (position, None),
            (_, Some((blocked, key))) => {
                let fits = self.plans.get(&key).is_none_or(|plan| asking.left.is_none_or(|left| plan.takes < left));
                (trial.filter(|_| !fits).unwrap_or(blocked), Some(key).filter(|_| fits))
            }
            (Some(position), None) => (position, None),
            (None, None) => return None,
        };
        let Some(key) = fill else {
            self.remove(position);
            let (trial, features, micro_batch) = trial_at(position);
            let features = features.and_then(|key| self.nearest(host, &key));
            return Some(Task::Train { trial, features, micro_batch });
        };
        let (from, portion) = match self.plans.get(&key) {
            Some(plan) => (plan.from.as_ref().and_then(|from| self.nearest(host, from)), plan.portion),
            None => (None, 1),
        };
        let fill = self.fill_mut(host, &key);
        fill.status = Status::Running;
        let micro_batch = (fill.shortages > 0).then(|| halved(portion, fill.shortages as usize));
        // Each stream takes memory of its own.
        let spare = if micro_batch.is_some() { 0 } else { asking.spare };
        let streams = 1 + spare.saturating_sub(self.startable(host)) as u32;
        Some(Task::Fill { key, from, streams, micro_batch })
    }

    /// Whether more trials wait for these features than other hosts, which have them or compute them, can take at once.
    fn is_worth(&self, asking: &Asking, key: &FeatureKey, waiting: usize) -> bool {
        let others = asking.crews.iter().filter(|(host, _)| **host != asking.host);
        let serve = others.filter(|(host, _)| matches!(self.status(**host, key), Status::Ready | Status::Running));
        waiting > serve.map(|(_, crew)| crew).sum()
    }

    /// The pending fill to begin with for `key`: itself, or the one that it starts from. None where one is under way.
    fn first_step(&self, host: Host, key: &FeatureKey) -> Option<FeatureKey> {
        let plan = self.plans.get(key).filter(|_| self.status(host, key) == Status::Pending)?;
        match plan.from.as_ref().filter(|from| self.plans.contains_key(*from)) {
            Some(from) => match self.status(host, from) {
                Status::Running => None,
                Status::Pending => self.first_step(host, from),
                Status::Ready | Status::GivenUp => Some(key.clone()),
            },
            None => Some(key.clone()),
        }
    }

    /// The fills that trials wait for, and those that these start from.
    pub(crate) fn wanted(&self) -> BTreeSet<FeatureKey> {
        let mut wanted = BTreeSet::new();
        for key in self.waiting.keys() {
            let mut next = Some(key);
            while let Some(key) = next
                && wanted.insert(key.clone())
            {
                next = self.plans.get(key).and_then(|plan| plan.from.as_ref());
            }
        }
        wanted
    }

    /// A fill has ended well: the host's trials may start.
    pub(crate) fn filled(&mut self, host: Host, key: &FeatureKey) {
        self.fill_mut(host, key).status = Status::Ready;
    }

    /// A fill was interrupted: somebody else may do it.
    pub(crate) fn interrupted(&mut self, host: Host, key: &FeatureKey) {
        self.fill_mut(host, key).status = Status::Pending;
    }

    /// A fill has failed. That its worker was lost once is an accident; where memory ran out, the next attempt takes half as
    /// many images at a time, down to one. Otherwise it can't be done, and its trials compute what they need themselves.
    pub(crate) fn failed(&mut self, host: Host, key: &FeatureKey, kind: FailureKind) {
        let portion = self.plans.get(key).map_or(1, |plan| plan.portion);
        let fill = self.fill_mut(host, key);
        let again = match kind {
            FailureKind::WorkerLost | FailureKind::Device => {
                fill.losses += 1;
                fill.losses < 2
            }
            FailureKind::OutOfMemory => {
                fill.shortages += 1;
                halved(portion, fill.shortages as usize - 1) > 1
            }
            FailureKind::Diverged | FailureKind::BadData | FailureKind::Internal => false,
        };
        fill.status = if again { Status::Pending } else { Status::GivenUp };
    }

    fn fill_mut(&mut self, host: Host, key: &FeatureKey) -> &mut Fill {
        self.fills.entry((host, key.clone())).or_default()
    }

    pub(crate) fn is_running(&self, host: Host, key: &FeatureKey) -> bool {
        self.status(host, key) == Status::Running
    }

    /// How many fills are said to run.
    pub(crate) fn running_fills(&self) -> usize {
        self.fills.values().filter(|fill| fill.status == Status::Running).count()
    }

    /// Positions of all waiting trials, each once.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = u32> {
        self.ready.iter().chain(self.waiting.values().flatten()).copied()
    }
}
