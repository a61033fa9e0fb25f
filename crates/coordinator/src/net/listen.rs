//! Accepts connections for as long as it lives, whatever goes wrong with one of them.

use super::endpoint;
use super::greet::{HURRY, Stranger, TIMEOUT, greet};
use super::{Event, House, PeerId};
use crate::error::CoordinatorError;
use frostline_results::{Endpoint, Folder};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Those who have not greeted yet, and commands that wait for their answer, at a time. More wait in the system's queue
/// until one of these has greeted; workers that have greeted don't count.
const STRANGERS: usize = 1_024;
/// Once fewer places than this are free, who comes has [`HURRY`] instead of [`TIMEOUT`]: a crowd that says
/// nothing must not keep others out for long.
const CROWDED: usize = 768;
/// Pauses after an error, doubled from the first to the last: no free file descriptor, as a rule, and one comes back when
/// somebody leaves.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// The number of the next connection, whichever way it comes.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Accepts until it is dropped, and removes the socket then.
pub(crate) struct Listening {
    results: PathBuf,
    runtime: Handle,
    house: House,
    endpoint: Endpoint,
    /// Device and number of the socket.
    socket: (u64, u64),
    accepting: JoinHandle<()>,
}

impl Listening {
    /// Listens for `results`, whose lock the caller holds.
    ///
    /// # Errors
    /// There is no place for a socket.
    pub(crate) fn start(runtime: &Handle, results: PathBuf, house: House) -> Result<Listening, CoordinatorError> {
        let (listener, endpoint) = endpoint::listen(&results)?;
        let attempt = || {
            listener.set_nonblocking(true)?;
            let _entered = runtime.enter();
            io::Result::Ok((UnixListener::from_std(listener)?, identity(&endpoint.socket)?))
        };
        let failed = |source| CoordinatorError::Socket { path: endpoint.socket.clone(), source };
        let (listener, socket) = attempt().map_err(failed)?;
        let accepting = runtime.spawn(accept(listener, house.clone()));
        Ok(Listening { results, runtime: runtime.clone(), house, endpoint, socket, accepting })
    }

    /// Listens anew where the socket, or the word of it, is gone: folders for temporary files are tidied up, and a user's
    /// runtime folder goes when the user logs out. Connections that are there stay.
    pub(crate) fn keep(&mut self) {
        let is_there = identity(&self.endpoint.socket).is_ok_and(|socket| socket == self.socket);
        let file = Folder::new(&self.results).endpoint();
        if is_there && Endpoint::read(&file).is_ok_and(|endpoint| endpoint.as_ref() == Some(&self.endpoint)) {
            return;
        }
        tracing::warn!("the socket {} is gone: listening again", self.endpoint.socket.display());
        match Listening::start(&self.runtime, self.results.clone(), self.house.clone()) {
            // The one before is dropped, and leaves a socket alone that is not its own.
            Ok(new) => *self = new,
            Err(error) => tracing::error!("{error}"),
        }
    }
}

fn identity(socket: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(socket)?;
    Ok((found.dev(), found.ino()))
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
        // A socket that somebody else has put there is theirs.
        if identity(&self.endpoint.socket).is_ok_and(|socket| socket == self.socket) {
            let _ = std::fs::remove_file(&self.endpoint.socket);
            // Goes where nothing else is in it, and the results folder's stays.
            let _ = self.endpoint.socket.parent().map(std::fs::remove_dir);
            let _ = std::fs::remove_file(Folder::new(&self.results).endpoint());
        }
    }
}

/// Where connections come from.
pub(super) trait Incoming {
    fn next(&self) -> impl Future<Output = io::Result<Stranger>> + Send;
}

impl Incoming for UnixListener {
    async fn next(&self) -> io::Result<Stranger> {
        Ok(Stranger::Local(self.accept().await?.0))
    }
}

/// Those who come by one way are no hindrance to those who come by another.
pub(super) async fn accept(incoming: impl Incoming, house: House) {
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    let mut pause = FIRST_PAUSE;
    while let Ok(permit) = Arc::clone(&strangers).acquire_owned().await {
        match incoming.next().await {
            Ok(stranger) => {
                pause = FIRST_PAUSE;
                let peer = PeerId(NEXT.fetch_add(1, Ordering::Relaxed));
                let limit = if strangers.available_permits() < CROWDED { HURRY } else { TIMEOUT };
                let house = house.clone();
                tokio::spawn(async move {
                    if let Err(reason) = greet(peer, stranger, limit, &house, permit).await {
                        let _ = house.events.send(Event::TurnedAway { reason }).await;
                    }
                });
            }
            Err(error) => {
                let reason = format!("a connection could not be accepted, the next try is in {pause:?}: {error}");
                let _ = house.events.send(Event::TurnedAway { reason }).await;
                sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;
    use tokio::sync::mpsc::channel;

    /// Fails twice, as where no file descriptor is free, then gives one connection.
    struct Flaky {
        tries: AtomicUsize,
        stream: Mutex<Option<UnixStream>>,
    }

    impl Incoming for &Flaky {
        async fn next(&self) -> io::Result<Stranger> {
            match self.tries.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err(rustix::io::Errno::MFILE.into()),
                2 => Ok(Stranger::Local(self.stream.lock().unwrap().take().unwrap())),
                _ => std::future::pending().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_told_and_the_next_connection_is_accepted() {
        let (events, mut told) = channel(8);
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let flaky = Flaky { tries: AtomicUsize::new(0), stream: Mutex::new(Some(theirs)) };
        ours.write_all(b"\0\0\0\x02no").await.unwrap();
        let reasons = async {
            let mut reasons = Vec::new();
            while reasons.len() < 3 {
                let Some(Event::TurnedAway { reason }) = told.recv().await else { panic!("something else") };
                reasons.push(reason);
            }
            reasons
        };
        tokio::select! {
            () = accept(&flaky, House::of_tests(events)) => panic!("it has stopped to accept"),
            reasons = reasons => {
                assert!(reasons[0].contains("next try is in 10ms: Too many open files"), "{}", reasons[0]);
                assert!(reasons[1].contains("next try is in 20ms"), "{}", reasons[1]);
                assert!(reasons[2].starts_with("the message `no` can't be read"), "{}", reasons[2]);
            }
        }
    }

    /// Gives so many connections that say nothing, and then none.
    struct Silent {
        left: AtomicUsize,
        held: Mutex<Vec<UnixStream>>,
    }

    impl Incoming for &Silent {
        async fn next(&self) -> io::Result<Stranger> {
            let left = self.left.load(Ordering::Relaxed);
            if left == 0 {
                return std::future::pending().await;
            }
            self.left.store(left - 1, Ordering::Relaxed);
            let (ours, theirs) = UnixStream::pair()?;
            self.held.lock().unwrap().push(ours);
            Ok(Stranger::Local(theirs))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_crowd_who_comes_has_less_time_to_greet() {
        let few = STRANGERS - CROWDED;
        let (events, mut told) = channel(STRANGERS);
        let silent = Silent { left: AtomicUsize::new(few + 100), held: Mutex::default() };
        let count = async {
            let mut hurried = 0;
            for _ in 0..few + 100 {
                let Some(Event::TurnedAway { reason }) = told.recv().await else { panic!("something else") };
                hurried += usize::from(reason == "a connection did not greet within 1 s");
            }
            hurried
        };
        tokio::select! {
            () = accept(&silent, House::of_tests(events)) => panic!("it has stopped to accept"),
            hurried = count => assert_eq!(hurried, 100),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_greet_is_turned_away_and_makes_room() {
        let (events, mut told) = channel(8);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let stranger = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&stranger).acquire_owned().await.unwrap();
        let refused =
            greet(PeerId(1), Stranger::Local(theirs), TIMEOUT, &House::of_tests(events), permit).await.unwrap_err();
        assert_eq!(refused, "a connection did not greet within 5 s");
        assert_eq!(stranger.available_permits(), 1);
        assert!(told.try_recv().is_err());
        drop(ours);
    }
}
