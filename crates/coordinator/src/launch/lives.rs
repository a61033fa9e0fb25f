//! Workers elsewhere whose start, run and end is the affair of one task each.

use super::Exit;
use super::failures::Failures;
use super::log::LogStart;
use frostline_protocol::{Incarnation, WorkerId};
use frostline_results::Folder;
use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep;

/// The newest life in each worker's place.
pub(super) struct Lives {
    runtime: Handle,
    newest: BTreeMap<WorkerId, Life>,
}

/// One process in a worker's place, from before its start to its end.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) worker: WorkerId,
    pub(super) incarnation: Incarnation,
    /// Starts in a row that came to nothing, those of earlier lives in this place too.
    pub(super) failures: Arc<Failures>,
    pub(super) log: LogStart,
    is_wanted_no_more: Arc<Notify>,
}

impl Lives {
    pub(super) fn new(runtime: Handle) -> Lives {
        Lives { runtime, newest: BTreeMap::new() }
    }

    /// Begins another life in a worker's place. The file is its log.
    ///
    /// # Errors
    /// Where the log cannot be opened.
    pub(super) fn begin<L: Future<Output = ()> + Send + 'static>(
        &mut self,
        folder: &Folder,
        worker: WorkerId,
        incarnation: Incarnation,
        live: impl FnOnce(Life, File) -> L,
    ) -> io::Result<()> {
        let (file, log) = LogStart::open(folder, worker)?;
        let failures = self.newest.remove(&worker).map_or_else(Arc::default, |before| before.failures);
        let life = Life { worker, incarnation, failures, log, is_wanted_no_more: Arc::default() };
        self.runtime.spawn(live(life.clone(), file));
        self.newest.insert(worker, life);
        Ok(())
    }

    /// Tells a worker's life to end.
    pub(super) fn end(&self, worker: WorkerId) {
        if let Some(life) = self.newest.get(&worker) {
            life.is_wanted_no_more.notify_one();
        }
    }

    pub(super) fn log(&self, worker: WorkerId) -> Vec<String> {
        self.newest.get(&worker).map_or(Vec::new(), |life| life.log.tail())
    }

    pub(super) fn newest(&self) -> impl Iterator<Item = &Life> {
        self.newest.values()
    }
}

impl Life {
    /// Waits for the time to start, later after each start that came to nothing. False where it is told to end before.
    pub(super) async fn may_start(&self) -> bool {
        tokio::select! {
            () = sleep(self.failures.pause()) => {}
            () = self.told_to_end() => return false,
        }
        self.failures.one_more();
        true
    }

    /// Waits until it is told to end.
    pub(super) async fn told_to_end(&self) {
        self.is_wanted_no_more.notified().await;
    }

    /// Whether no other life has begun in its place.
    pub(super) fn is_newest(&self) -> bool {
        Arc::strong_count(&self.is_wanted_no_more) > 1
    }

    pub(super) fn exit(&self, is_excused: bool, description: String) -> Exit {
        Exit { worker: self.worker, is_excused, description, log: self.log.tail() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::Instant;

    const PLACE: WorkerId = WorkerId(1);

    #[tokio::test(start_paused = true)]
    async fn a_life_waits_for_those_before_it_that_came_to_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut lives = Lives::new(Handle::current());
        let (said, mut heard) = unbounded_channel();
        let begin = |lives: &mut Lives, number| {
            let said = said.clone();
            let live = move |life: Life, _| async move {
                let started = life.may_start().await;
                said.send((life.incarnation, started, life.is_newest())).unwrap();
            };
            lives.begin(&Folder::new(folder.path()), PLACE, Incarnation(number), live).unwrap();
        };
        let start = Instant::now();
        for (number, seconds) in [(1, 0), (2, 1), (3, 6)] {
            begin(&mut lives, number);
            assert_eq!(heard.recv().await, Some((Incarnation(number), true, true)));
            assert_eq!(start.elapsed().as_secs(), seconds);
        }
        // Told to end before its time, and when another has its place already.
        begin(&mut lives, 4);
        lives.end(PLACE);
        begin(&mut lives, 5);
        assert_eq!(heard.recv().await, Some((Incarnation(4), false, false)));
        assert_eq!((heard.recv().await, start.elapsed().as_secs()), (Some((Incarnation(5), true, true)), 26));
        assert_eq!(lives.newest().map(|life| life.incarnation).collect::<Vec<_>>(), [Incarnation(5)]);
    }
}
