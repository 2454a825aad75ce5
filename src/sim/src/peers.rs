//! What answers other agents: the actors, as in a real agent, but for the authority.

use std::net::IpAddr;
use std::sync::Arc;

use actix::prelude::*;
use mf2c_actors::categoriser::Categoriser;
use mf2c_actors::leadership::{Heard, Leadership, LinkClosed, LinkOpened, PeerChangesRole, PeerProbes};
use mf2c_actors::ports::{LinkReply, LinkService, OpenLink};
use mf2c_actors::replicator::{AnswerHolds, AnswerProposal, HeardStream, Replicator};
use mf2c_fabric::wire::{Ask, Code, Notice, WireError};
use mf2c_pki::area::PeerIdentity;
use tokio::sync::mpsc;

use crate::agent::{Commons, Slotted};
use crate::steward;

/// Words that may wait for one agent: more means that an actor stands still.
const WAITING: usize = 4096;

/// Something on a link. Each actor hears of it in the order in which it happened.
enum Word {
    Opened(Box<OpenLink>),
    Closed(u64),
    Heard(u64, Box<Notice>),
}

/// The actors that hear of links.
pub struct Ears {
    /// Who leads.
    pub leadership: Addr<Leadership>,
    /// What is carried.
    pub replicator: Addr<Replicator>,
    /// What is written of the area.
    pub categoriser: Slotted<Categoriser>,
}

/// See the module.
pub struct Peers {
    leadership: Addr<Leadership>,
    replicator: Addr<Replicator>,
    words: mpsc::Sender<Word>,
    host: usize,
    commons: Arc<Commons>,
}

impl Peers {
    /// Answers by these actors. Must be called inside the tasks of the agent.
    #[must_use]
    pub fn new(ears: Ears, host: usize, commons: Arc<Commons>) -> Self {
        let (words, heard) = mpsc::channel(WAITING);
        let (leadership, replicator) = (ears.leadership.clone(), ears.replicator.clone());
        actix::spawn(pass_on(heard, ears));
        Self { leadership, replicator, words, host, commons }
    }
}

/// Passes words on, waiting for actors whose mailbox is full.
async fn pass_on(mut words: mpsc::Receiver<Word>, ears: Ears) {
    let Ears { leadership, replicator, categoriser } = ears;
    while let Some(word) = words.recv().await {
        let categoriser = || categoriser.lock().clone();
        match word {
            Word::Opened(link) => {
                let _ = leadership.send(LinkOpened((*link).clone())).await;
                let _ = replicator.send(LinkOpened((*link).clone())).await;
                if let Some(categoriser) = categoriser() {
                    let _ = categoriser.send(LinkOpened(*link)).await;
                }
            }
            Word::Closed(number) => {
                let _ = leadership.send(LinkClosed(number)).await;
                let _ = replicator.send(LinkClosed(number)).await;
                if let Some(categoriser) = categoriser() {
                    let _ = categoriser.send(LinkClosed(number)).await;
                }
            }
            Word::Heard(link, notice) => match *notice {
                // What is lost of the one is said again where it matters; a stream waits.
                Notice::Leadership(message) => drop(leadership.try_send(Heard { link, message })),
                Notice::Stream(message) => {
                    if let Err(SendError::Full(heard)) = replicator.try_send(HeardStream { link, message }) {
                        let _ = replicator.send(heard).await;
                    }
                }
                _ => {}
            },
        }
    }
}

fn stopping<E>(_: E) -> WireError {
    WireError::new(Code::Busy, "this agent is stopping: ask it again later")
}

impl LinkService for Peers {
    fn answer(&self, ask: Ask, peer: Option<Arc<PeerIdentity>>, _: IpAddr) -> LinkReply {
        let leadership = self.leadership.clone();
        match (ask, peer) {
            (Ask::Probe { of }, Some(_)) => {
                Box::pin(async move { leadership.send(PeerProbes { of }).await.map_err(stopping)? })
            }
            (Ask::ChangeRole(change), Some(peer)) => {
                let peer = peer.id.clone();
                Box::pin(async move { leadership.send(PeerChangesRole { peer, change }).await.map_err(stopping)? })
            }
            (Ask::Propose(proposed), Some(link_peer)) => {
                let replicator = self.replicator.clone();
                Box::pin(
                    async move { replicator.send(AnswerProposal { link_peer, proposed }).await.map_err(stopping)? },
                )
            }
            (Ask::Holds { origins }, Some(_)) => {
                let replicator = self.replicator.clone();
                Box::pin(async move { replicator.send(AnswerHolds(origins)).await.map_err(stopping)? })
            }
            (Ask::KeepAuthority(given), Some(_)) => {
                let kept = steward::keep(&self.commons, self.host, given.term);
                Box::pin(async { kept })
            }
            _ => Box::pin(async { Err(WireError::new(Code::Forbidden, "there is no authority in a simulation")) }),
        }
    }

    fn notice(&self, _: Notice, _: Arc<PeerIdentity>) {}

    fn opened(&self, link: OpenLink) {
        let _ = self.words.try_send(Word::Opened(Box::new(link)));
    }

    fn closed(&self, number: u64) {
        let _ = self.words.try_send(Word::Closed(number));
    }

    fn heard(&self, link: u64, notice: Notice) -> Result<(), WireError> {
        let full = |_| WireError::new(Code::Busy, "too much waits here: come back later");
        self.words.try_send(Word::Heard(link, Box::new(notice))).map_err(full)
    }
}
