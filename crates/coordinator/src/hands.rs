//! Does what is committed: speaks to peers, starts and ends workers, answers commands. None of it waits.

use crate::core::{Action, AskId, Input, PeerId};
use crate::launch::{Exit, Launcher, Told};
use crate::net;
use crate::net::Outbox;
use frostline_protocol::{Response, Seat, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

pub(crate) struct Hands {
    launcher: Box<dyn Launcher>,
    peers: BTreeMap<PeerId, Outbox>,
    replies: BTreeMap<AskId, oneshot::Sender<Response>>,
    asked: u64,
    /// Processes whose end has not been told.
    alive: BTreeSet<WorkerId>,
}

impl Hands {
    pub(crate) fn new(launcher: Box<dyn Launcher>) -> Hands {
        Hands { launcher, peers: BTreeMap::new(), replies: BTreeMap::new(), asked: 0, alive: BTreeSet::new() }
    }

    pub(crate) fn launcher(&self) -> &dyn Launcher {
        &*self.launcher
    }

    /// Keeps what only hands can hold, and gives the core the rest.
    pub(crate) fn take(&mut self, event: net::Event) -> Input {
        match event {
            net::Event::Joined { peer, outbox, hello } => {
                self.peers.insert(peer, outbox);
                Input::Joined { peer, hello }
            }
            net::Event::Said { peer, message } => Input::Said { peer, message },
            net::Event::Left { peer, fault } => {
                self.peers.remove(&peer);
                Input::Left { peer, fault }
            }
            net::Event::TurnedAway { reason } => Input::TurnedAway { reason },
            net::Event::Asked(net::Asked { command, reply }) => {
                let ask = AskId(self.asked);
                self.asked += 1;
                self.replies.insert(ask, reply);
                Input::Asked { ask, command }
            }
        }
    }

    /// Returns what comes of it at once: workers that could not be started.
    pub(crate) fn carry_out(&mut self, actions: Vec<Action>) -> Vec<Input> {
        let mut failed = Vec::new();
        for action in actions {
            match action {
                Action::Tell { peer, message } => {
                    if self.peers.get(&peer).is_some_and(|outbox| !outbox.send(message)) {
                        // What is lost is settled when the worker comes back.
                        self.peers.remove(&peer);
                    }
                }
                Action::Close(peer) => drop(self.peers.remove(&peer)),
                Action::Launch { worker, incarnation } => match self.launcher.launch(worker, incarnation) {
                    Ok(()) => drop(self.alive.insert(worker)),
                    Err(error) => {
                        let description = error.to_string();
                        failed.push(Input::Exited { worker, is_excused: false, description, log: Vec::new() });
                    }
                },
                Action::Kill(worker) => self.launcher.kill(worker),
                Action::Answer { ask, response } => {
                    // Whoever asked may have left.
                    let _ = self.replies.remove(&ask).map(|reply| reply.send(response));
                }
            }
        }
        failed
    }

    /// What a launcher has told.
    pub(crate) fn told(&mut self, told: Told) -> Input {
        match told {
            Told::Exit(exit) => self.exited(exit),
            Told::Missing(incarnation, Exit { worker, is_excused, description, log }) => {
                let seat = Seat { worker, incarnation };
                Input::Missing { seat, is_excused, description, log }
            }
            Told::Began(worker) => Input::Began { worker },
        }
    }

    /// A process has ended.
    pub(crate) fn exited(&mut self, exit: Exit) -> Input {
        let Exit { worker, is_excused, description, log } = exit;
        self.alive.remove(&worker);
        Input::Exited { worker, is_excused, description, log }
    }

    /// Ends every worker at once.
    pub(crate) fn kill_all(&mut self) {
        self.peers.clear();
        self.alive.iter().for_each(|worker| self.launcher.kill(*worker));
    }

    pub(crate) fn alive(&self) -> &BTreeSet<WorkerId> {
        &self.alive
    }
}
