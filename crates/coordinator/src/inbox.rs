//! Where everything that can happen to a coordinator arrives: connections, ends of processes, signals.

use crate::core::Input;
use crate::hands::Hands;
use crate::launch::{Exit, Exits};
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
    exits: UnboundedReceiver<Exit>,
    signals: Signals,
}

impl Inbox {
    pub(crate) fn new(signals: Signals) -> (Inbox, Sender<net::Event>, Exits) {
        let (to_net, from_net) = channel(CAPACITY);
        let (tell, exits) = unbounded_channel();
        (Inbox { from_net, exits, signals }, to_net, Exits(tell))
    }

    /// Waits for something to happen, `most` at the longest, and takes all that is there.
    pub(crate) fn wait(&mut self, runtime: &Runtime, most: Duration, hands: &mut Hands) -> Vec<Input> {
        let something = async {
            tokio::select! {
                Some(event) = self.from_net.recv() => hands.take(event),
                Some(exit) = self.exits.recv() => hands.exited(exit),
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
        while let Ok(exit) = self.exits.try_recv() {
            batch.push(hands.exited(exit));
        }
        batch
    }

    /// How often somebody has asked for the end: readable while nobody waits.
    pub(crate) fn interrupts(&self) -> Interrupts {
        self.signals.interrupts()
    }

    /// The next end of a process, `most` from now at the latest.
    pub(crate) fn exit(&mut self, runtime: &Runtime, most: Duration) -> Option<Exit> {
        runtime.block_on(async { timeout(most, self.exits.recv()).await }).ok().flatten()
    }
}
