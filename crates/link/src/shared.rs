//! The desk between two threads: the trainer's, which waits for work, and the connection's, which waits for reports.

use crate::desk::Desk;
use frostline_protocol::{Assignment, Freight, Places, Report, Stop};
use frostline_results::Parcel;
use frostline_sweep::outcome::AttemptId;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Wakes the trainer's thread.
    changed: Condvar,
    /// Wakes the connection.
    to_say: Notify,
    /// [`Stop`] as a number, apart from the lock because it is read after every batch.
    stop: AtomicU8,
}

#[derive(Default)]
struct State {
    desk: Desk,
    /// The trainer's thread takes no more work.
    left: bool,
}

impl Shared {
    /// Does something with the desk; both threads look at it anew afterwards.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Desk) -> T) -> T {
        let mut state = self.lock();
        let value = act(&mut state.desk);
        self.store_stop(&state.desk);
        drop(state);
        self.changed.notify_all();
        value
    }

    /// Waits for work. None where no more will come.
    pub(crate) fn next(&self) -> Option<(Places, Assignment)> {
        let mut state = self.lock();
        loop {
            if state.desk.is_over() {
                return None;
            }
            if let Some(work) = state.desk.take() {
                self.store_stop(&state.desk);
                return Some(work);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn report(&self, attempt: AttemptId, report: Report) {
        self.with(|desk| desk.report(attempt, report));
        self.to_say.notify_one();
    }

    /// The last report of an attempt, and what goes ahead of it.
    pub(crate) fn last_report(&self, attempt: AttemptId, load: Option<(Freight, Parcel)>, report: Report) {
        self.with(|desk| {
            if let Some((freight, parcel)) = load {
                desk.attach(attempt, freight, parcel);
            }
            desk.report(attempt, report);
        });
        self.to_say.notify_one();
    }

    pub(crate) fn progress(&self, attempt: AttemptId, done: u64, total: u64) {
        self.lock().desk.progress(attempt, done, total);
    }

    pub(crate) fn gets_on(&self, attempt: AttemptId) {
        self.lock().desk.gets_on(attempt);
    }

    pub(crate) fn should_stop(&self) -> Stop {
        match self.stop.load(Ordering::Relaxed) {
            0 => Stop::No,
            1 => Stop::AfterEpoch,
            2 => Stop::AfterBatch,
            _ => Stop::Now,
        }
    }

    fn store_stop(&self, desk: &Desk) {
        let number = match desk.stop() {
            Stop::No => 0,
            Stop::AfterEpoch => 1,
            Stop::AfterBatch => 2,
            Stop::Now => 3,
        };
        self.stop.store(number, Ordering::Relaxed);
    }

    /// Waits until the trainer has said something.
    pub(crate) async fn something_to_say(&self) {
        self.to_say.notified().await;
    }

    pub(crate) fn end(&self) {
        self.with(Desk::end);
    }

    /// This process is going to end.
    pub(crate) fn go(&self) {
        self.with(Desk::leave);
        self.to_say.notify_one();
    }

    /// The trainer's thread takes no more work.
    pub(crate) fn leave(&self) {
        self.lock().left = true;
        self.changed.notify_all();
    }

    /// Whether the trainer's thread has left, at the latest after `timeout`.
    pub(crate) fn wait_until_left(&self, timeout: Duration) -> bool {
        let waiting = self.changed.wait_timeout_while(self.lock(), timeout, |state| !state.left);
        waiting.unwrap_or_else(PoisonError::into_inner).0.left
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
