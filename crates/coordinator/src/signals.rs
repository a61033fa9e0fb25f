//! Signals that ask for the end: Ctrl-C, `kill`, and the terminal that is closed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// How often the end was asked for.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Arc<AtomicU32>);

impl Interrupts {
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Signals {
    interrupts: Interrupts,
    come: Arc<Notify>,
    /// Of the interrupts, those that [`Signals::next`] has given out.
    taken: u32,
}

impl Signals {
    /// Listens from here on, but not to what this process was started to ignore: `nohup` means it.
    ///
    /// # Errors
    /// A signal cannot be handled.
    pub(crate) fn listen(runtime: &Handle) -> io::Result<Signals> {
        let _entered = runtime.enter();
        let signals = Signals { interrupts: Interrupts::default(), come: Arc::default(), taken: 0 };
        let ignored = std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored(&status));
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            if ignored & (1 << (kind.as_raw_value() - 1)) != 0 {
                continue;
            }
            let mut signal = signal(kind)?;
            let (interrupts, come) = (signals.interrupts.clone(), Arc::clone(&signals.come));
            runtime.spawn(async move {
                while signal.recv().await.is_some() {
                    interrupts.0.fetch_add(1, Ordering::Relaxed);
                    come.notify_one();
                }
            });
        }
        Ok(signals)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        while self.interrupts.count() == self.taken {
            self.come.notified().await;
        }
        self.taken += 1;
    }

    pub(crate) fn interrupts(&self) -> Interrupts {
        self.interrupts.clone()
    }
}

/// The signals that a process ignores, a bit each, as Linux tells of it in `/proc/self/status`.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_signals_are_read_from_the_systems_words() {
        let status =
            "Name:\tfrostline\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000440\n";
        assert_eq!(ignored(status), 0x1001);
        assert_ne!(ignored(status) & (1 << (SignalKind::hangup().as_raw_value() - 1)), 0);
        assert_eq!(ignored("Name:\tfrostline\n"), 0);
    }
}
