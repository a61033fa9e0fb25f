//! Computing one thing after another on several threads at once.

use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, scope};

/// Computes every item, on `streams` threads where they are more than one, and hands the results to `consume` in the order
/// of the items. What is not taken is not computed for much longer.
///
/// # Panics
/// With what `compute` panicked with.
pub(crate) fn in_order<T: Sync, R: Send, O>(
    items: &[T],
    streams: usize,
    compute: impl Fn(&T) -> R + Sync,
    consume: impl FnOnce(&mut dyn Iterator<Item = R>) -> O,
) -> O {
    if streams <= 1 {
        return consume(&mut items.iter().map(compute));
    }
    let compute = &compute;
    scope(|threads| {
        let mut streams: Vec<_> = (0..streams)
            .map(|first| {
                // Each is one item ahead of who takes them.
                let (sender, receiver) = sync_channel(1);
                let own = items.iter().skip(first).step_by(streams);
                let work = move || own.map(compute).all(|result| sender.send(result).is_ok());
                // None where no more threads can be had.
                (receiver, Builder::new().spawn_scoped(threads, work).ok())
            })
            .collect();
        let count = streams.len();
        consume(&mut (0..items.len()).map(|index| {
            let (receiver, thread) = &mut streams[index % count];
            receiver.recv().unwrap_or_else(|_| match thread.take().map(|thread| thread.join()) {
                None => compute(&items[index]),
                Some(Err(panic)) => resume_unwind(panic),
                Some(Ok(_)) => resume_unwind(Box::new("a stream ended early")),
            })
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn results_come_in_the_order_of_their_items() {
        let items: Vec<u32> = (0..23).collect();
        for streams in [0, 1, 2, 3, 40] {
            let squares: Vec<u32> = in_order(&items, streams, |item| item * item, |results| results.collect());
            assert!(squares.iter().zip(&items).all(|(square, item)| *square == item * item));
            assert_eq!(squares.len(), items.len());
        }
    }

    #[test]
    fn every_stream_has_a_thread_of_its_own() {
        let threads = |streams| {
            let ids: Vec<_> = in_order(&[(); 23], streams, |()| std::thread::current().id(), |ids| ids.collect());
            ids.into_iter().collect::<std::collections::HashSet<_>>()
        };
        assert_eq!(threads(1), [std::thread::current().id()].into());
        assert_eq!(threads(3).len(), 3);
    }

    #[test]
    fn who_takes_no_more_ends_it() {
        let items: Vec<u32> = (0..1000).collect();
        let computed = AtomicUsize::new(0);
        let compute = |item: &u32| {
            computed.fetch_add(1, Ordering::Relaxed);
            *item
        };
        let first: Vec<u32> = in_order(&items, 3, compute, |results| results.take(5).collect());
        assert_eq!(first, [0, 1, 2, 3, 4]);
        let ahead = computed.into_inner() - first.len();
        assert!(ahead <= 2 * 3, "one waits and one is to be handed over in each stream, not {ahead} in all");
    }

    #[test]
    fn a_panic_arrives_with_what_it_said() {
        for streams in [1, 2] {
            let run = || in_order(&[1, 2, 3], streams, |item| assert!(*item < 3, "out of memory"), |all| all.count());
            let said = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert_eq!(said.downcast_ref::<&str>(), Some(&"out of memory"));
        }
    }
}
