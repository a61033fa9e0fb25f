//! Work on all cores, whose results come to one place.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Most that is worth being done in one go.
const MOST_AT_ONCE: usize = 256;

pub(super) fn count() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// How many of so many things to do in one go, so that every core has several goes.
pub(super) fn portion(things: usize) -> usize {
    (things / (8 * count())).clamp(1, MOST_AT_ONCE)
}

/// Calls `work` with every number below `count`, on all cores, and `take` with what it gives, in any order, on this thread.
///
/// # Errors
/// The first that `take` returns; what is under way then is given up.
pub(super) fn run<T: Send, E>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = self::count().min(count);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    // Bounded, so that what is not yet taken does not fill the memory.
    let (send, receive) = mpsc::sync_channel(threads.max(1));
    thread::scope(|scope| {
        let start = || {
            let send = send.clone();
            let (next, stop, work) = (&next, &stop, &work);
            let work = move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || send.send((index, work(index))).is_err() {
                        break;
                    }
                }
            };
            thread::Builder::new().spawn_scoped(scope, work).is_ok()
        };
        let started = (0..threads).take_while(|_| start()).count();
        drop(send);
        let taken = match started {
            // No thread can be had, so it is done here.
            0 => (0..count).try_for_each(|index| take(index, work(index))),
            _ => receive.iter().try_for_each(|(index, result)| take(index, result)),
        };
        stop.store(true, Ordering::Relaxed);
        // Whoever waits to send is let go.
        drop(receive);
        taken
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_and_an_error_ends_it() {
        let mut seen = vec![0; 1000];
        run(
            1000,
            |index| index * 2,
            |index, twice| {
                seen[index] += twice;
                Ok::<(), ()>(())
            },
        )
        .unwrap();
        assert!(seen.iter().enumerate().all(|(index, &twice)| twice == 2 * index));
        assert_eq!(run(1000, |index| index, |index, _| if index == 500 { Err(index) } else { Ok(()) }), Err(500));
        run(0, |index| index, |_, _| Err(())).unwrap();
    }
}
