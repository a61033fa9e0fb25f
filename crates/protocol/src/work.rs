//! The seam inside a worker: what carries out an assignment says and asks while it does, and how it ends. The connection
//! is on one side, libtorch (or a stand-in) on the other, and neither knows the other.

use crate::message::Filled;
use frostline_sweep::outcome::{EpochMetrics, Evaluation};

/// Who hears how an assignment gets on, and may end it.
pub trait Observer {
    fn epoch(&mut self, metrics: EpochMetrics);
    /// Steps done of the running epoch or fill, and all of them.
    fn progress(&mut self, done: u64, total: u64);
    /// It gets on with what is no step: an evaluation of many images.
    fn gets_on(&mut self) {}
    /// To be asked before every batch.
    fn should_stop(&self) -> Stop;
}

/// Nobody: what is told is lost, and nothing ends early.
impl Observer for () {
    fn epoch(&mut self, _metrics: EpochMetrics) {}

    fn progress(&mut self, _done: u64, _total: u64) {}

    fn should_stop(&self) -> Stop {
        Stop::No
    }
}

/// Whether to go on; a later one outweighs those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    #[default]
    No,
    /// Before the next epoch; what the running one measures is still reported.
    AfterEpoch,
    /// After the running batch; how far it has come is kept.
    AfterBatch,
    /// After the running batch: nobody wants what came of it.
    Now,
}

/// How an assignment ended that has not failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// A trial has trained to its end.
    Complete(Evaluation),
    /// Features are in the cache.
    Filled(Filled),
    /// Early, because [`Observer::should_stop`] said so.
    Stopped,
    /// Not begun: this machine lacks what it takes, or has something else under its name. Another may do it.
    Unfit(String),
}
