//! What to do next: a deterministic state machine. Events go in, effects come out.
//!
//! It knows no clock, no files, no sockets and no random numbers, so a simulation can put it through lost, late, doubled
//! and reordered messages and through crashes at any point, and replay what it found from a seed.
//!
//! - Effects come in order. All [`Effect::Record`]s of a batch must be durable before any other effect of it is carried
//!   out: nobody is told what could still be forgotten.
//! - Every assignment is an attempt with a number of its own. A worker that was given up may still talk about its
//!   attempt; since the number is no longer current, it is counted, told to stop, and changes nothing (fencing).
//! - After a restart the machine is rebuilt from rows. There is no other state: what remains to do is what has no
//!   accepted outcome.
//!
//! It owns the decision. Who commits, who speaks to workers and who starts them is the coordinator's.

mod devices;
mod dispatch;
mod endings;
mod event;
mod invariants;
mod liveness;
mod machine;
mod presence;
mod queue;
mod request;
mod retry;
mod rows;
mod status;

pub use event::{About, Effect, Event, Task};
pub use machine::Scheduler;
pub use queue::FillPlan;
pub use rows::{Restored, RestoredTrial, Settings, Survivor};

/// Milliseconds since some start; never goes backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    fn after(self, milliseconds: u64) -> Time {
        Time(self.0.saturating_add(milliseconds))
    }
}
