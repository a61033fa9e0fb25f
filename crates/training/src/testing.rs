//! What tests of this crate share: libtorch has one random generator and one number of threads for the whole process.

use std::sync::{Mutex, MutexGuard, PoisonError};

static LIBTORCH: Mutex<()> = Mutex::new(());

/// While it lives no other test that asks for one runs; then libtorch has as many threads as before.
pub(crate) struct Alone {
    threads: i32,
    _lock: MutexGuard<'static, ()>,
}

/// Tests that draw from libtorch's generator, or depend on what it draws, run one at a time, on one thread.
pub(crate) fn alone() -> Alone {
    alone_on(1)
}

/// The same on so many threads.
pub(crate) fn alone_on(threads: i32) -> Alone {
    let lock = LIBTORCH.lock().unwrap_or_else(PoisonError::into_inner);
    let before = tch::get_num_threads();
    tch::set_num_threads(threads);
    Alone { threads: before, _lock: lock }
}

impl Drop for Alone {
    fn drop(&mut self) {
        tch::set_num_threads(self.threads);
    }
}
