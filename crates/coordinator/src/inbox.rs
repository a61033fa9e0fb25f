//! Where everything that can happen to a coordinator arrives: connections, ends of processes, signals.

use crate::core::Input;
use crate::hands::Hands;
use crate::launch::{Exit, Notices, Told};
use crate::net;
use crate::signals::{Interrupts, Signals};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, channel, unbounded_channel};
use tokio::time::timeout;

/// Events that may wait: past this, readers of connections wait, and with them the workers.
const CAPACITY: usize = 1024;
/// Events decided and committed together at most.
const BATCH: usize = 512;

pub(crate) struct Inbox {
    from_net: Receiver<net::Event>,
    launched: UnboundedReceiver<Told>,
    signals: Signals,
}

impl Inbox {
    pub(crate) fn new(signals: Signals) -> (Inbox, Sender<net::Event>, Notices) {
        let (to_net, from_net) = channel(CAPACITY);
        let (tell, launched) = unbounded_channel();
        (Inbox { from_net, launched, signals }, to_net, Notices(tell))
    }

    /// Waits for something to happen, `most` at the longest, and takes all that is there.
    pub(crate) fn wait(&mut self, runtime: &Runtime, most: Duration, hands: &mut Hands) -> Vec<Input> {
        let something = async {
            tokio::select! {
                Some(event) = self.from_net.recv() => hands.take(event),
                Some(told) = self.launched.recv() => hands.told(told),
                () = self.signals.next() => Input::Interrupted,
            }
        };
        // The timer must be made within the runtime.
        let first = runtime.block_on(async { timeout(most, something).await });
        let mut batch: Vec<Input> = first.into_iter().collect();
        while batch.len() < BATCH
            && let Ok(event) = self.from_net.try_recv()
        {
            batch.push(hands.take(event));
        }
        // What a process said comes before its end.
        while let Ok(told) = self.launched.try_recv() {
            batch.push(hands.told(told));
        }
        batch
    }

    /// How often somebody has asked for the end: readable while nobody waits.
    pub(crate) fn interrupts(&self) -> Interrupts {
        self.signals.interrupts()
    }

    /// The next end of a process, `most` from now at the latest.
    pub(crate) fn exit(&mut self, runtime: &Runtime, most: Duration) -> Option<Exit> {
        let next = async {
            loop {
                match self.launched.recv().await? {
                    Told::Exit(exit) | Told::Missing(_, exit) => break Some(exit),
                    Told::Began(_) => {}
                }
            }
        };
        runtime.block_on(async { timeout(most, next).await }).ok().flatten()
    }
}
