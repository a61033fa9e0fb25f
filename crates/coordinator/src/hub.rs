//! Tells any number of watchers what has happened and how things stand. None of them can make the coordinator wait.

use crate::core::{Fact, Status};
use frostline_sweep::trial::TrialId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// Batches of facts that a watcher may lag behind; past these it is told how many it has missed.
const BACKLOG: usize = 4_096;

/// Where watchers come to.
pub struct Hub {
    told: broadcast::Sender<Told>,
    status: watch::Sender<Status>,
}

impl Default for Hub {
    fn default() -> Hub {
        Hub { told: broadcast::channel(BACKLOG).0, status: watch::channel(Status::default()).0 }
    }
}

impl Hub {
    pub fn new() -> Hub {
        Hub::default()
    }

    /// A watcher of everything from here on.
    pub fn watch(&self) -> Watcher {
        Watcher { told: self.told.subscribe(), status: self.status.subscribe(), is_over: false }
    }

    pub(crate) fn facts(&self, facts: Vec<Fact>) {
        if !facts.is_empty() {
            // Nobody watches, and nobody needs to.
            let _ = self.told.send(Told::Facts(facts.into()));
        }
    }

    /// Says whose models are no longer kept.
    pub(crate) fn removed(&self, models: Vec<TrialId>) {
        if !models.is_empty() {
            let _ = self.told.send(Told::Removed(models.into()));
        }
    }

    pub(crate) fn status(&self, status: Status) {
        self.status.send_replace(status);
    }

    /// Says that another program holds the database.
    pub(crate) fn held(&self, since: Option<Duration>) {
        self.status.send_modify(|status| status.held = since);
    }
}

#[derive(Debug, Clone)]
enum Told {
    Facts(Arc<[Fact]>),
    Removed(Arc<[TrialId]>),
}

/// What a watcher hears.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// In the database now.
    Facts(Arc<[Fact]>),
    /// The models of these trials fell out of what is kept, and are no more.
    Removed(Arc<[TrialId]>),
    /// So many batches of facts came faster than they were taken: the database has them.
    Missed(u64),
    /// The newest; older ones that were not taken are gone.
    Status(Status),
}

/// One who watches.
pub struct Watcher {
    told: broadcast::Receiver<Told>,
    status: watch::Receiver<Status>,
    /// The last status was heard, and no other will come.
    is_over: bool,
}

impl Watcher {
    /// Waits for the next thing; none once the run is over and all is told. Facts come before the status behind them.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            tokio::select! {
                biased;
                told = self.told.recv() => match told {
                    Ok(Told::Facts(facts)) => return Some(News::Facts(facts)),
                    Ok(Told::Removed(models)) => return Some(News::Removed(models)),
                    Err(broadcast::error::RecvError::Lagged(missed)) => return Some(News::Missed(missed)),
                    Err(broadcast::error::RecvError::Closed) if self.is_over => return None,
                    Err(broadcast::error::RecvError::Closed) => {
                        self.is_over = true;
                        return Some(News::Status(self.status.borrow().clone()));
                    }
                },
                changed = self.status.changed() => {
                    if changed.is_ok() {
                        return Some(News::Status(self.status.borrow_and_update().clone()));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::outcome::TrialState;
    use frostline_sweep::record::Record;

    fn fact(number: u8) -> Fact {
        let (trial, state) = (TrialId([number; 16]), TrialState::Cancelled);
        Fact { record: Record::State { trial, state }, last: None }
    }

    fn draining() -> Status {
        Status { draining: true, ..Status::default() }
    }

    #[tokio::test]
    async fn each_watcher_hears_every_fact_and_the_last_status() {
        let hub = Hub::new();
        let mut watchers = [hub.watch(), hub.watch()];
        hub.facts(vec![fact(1)]);
        hub.status(Status::default());
        hub.facts(vec![fact(2), fact(3)]);
        hub.removed(vec![TrialId([4; 16])]);
        hub.removed(Vec::new());
        hub.status(draining());
        drop(hub);
        for watcher in &mut watchers {
            let mut news = Vec::new();
            while let Some(heard) = watcher.next().await {
                news.push(heard);
            }
            let facts = |facts: &[Fact]| News::Facts(facts.into());
            let removed = News::Removed([TrialId([4; 16])].into());
            assert_eq!(news, [facts(&[fact(1)]), facts(&[fact(2), fact(3)]), removed, News::Status(draining())]);
        }
    }

    #[tokio::test]
    async fn one_who_lags_is_told_how_much_it_has_missed_and_makes_nobody_wait() {
        let hub = Hub::new();
        let mut slow = hub.watch();
        (0..BACKLOG + 3).for_each(|_| hub.facts(vec![fact(1)]));
        assert_eq!(slow.next().await, Some(News::Missed(3)));
        assert!(matches!(slow.next().await, Some(News::Facts(_))));
    }
}
