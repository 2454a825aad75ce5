//! Answers what other agents ask and tell, by way of the actors, and knows which links are open.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};
use mf2c_actors::ca_client::{CaClient, HearTrust};
use mf2c_actors::categoriser::{Categoriser, Cloned};
use mf2c_actors::certificate_authority::{AnswerPeer, CertificateAuthority};
use mf2c_actors::leadership::{Heard, Leadership, LinkClosed, LinkOpened, PeerChangesRole, PeerProbes};
use mf2c_actors::lifecycle_manager::{AnswerWork, LifecycleManager};
use mf2c_actors::ports::{LinkReply, LinkService, OpenLink};
use mf2c_actors::post::post;
use mf2c_actors::replicator::{AnswerHolds, AnswerProposal, HeardStream, Replicator};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Answer, Ask, Code, Notice, WireError};
use mf2c_pki::area::PeerIdentity;
use parking_lot::Mutex;

use super::contacts::Contacts;
use super::steward::Steward;

/// See the module.
pub(super) struct Peers {
    pub(super) authority: Addr<CertificateAuthority>,
    pub(super) client: Addr<CaClient>,
    pub(super) crew: Crew,
    pub(super) open: OpenLinks,
    pub(super) contacts: Arc<Contacts>,
}

/// The links that are open, by number.
pub(super) type OpenLinks = Arc<Mutex<BTreeMap<u64, OpenLink>>>;

/// Those who hear of every link.
pub(super) struct Crew {
    pub(super) leadership: Addr<Leadership>,
    pub(super) replicator: Addr<Replicator>,
    pub(super) categoriser: Current<Categoriser>,
    pub(super) steward: Addr<Steward>,
    /// It hears of questions about services alone.
    pub(super) lifecycle: Current<LifecycleManager>,
}

/// The address of a worker that is built anew when it fails.
pub(crate) type Current<W> = Arc<Mutex<Option<Addr<W>>>>;

impl Crew {
    /// Tells all of them. That a link is open or closed must not be lost, and links are bounded.
    fn tell<M>(&self, message: &M)
    where
        M: Message<Result = ()> + Clone + Send + 'static,
        Leadership: Handler<M>,
        Replicator: Handler<M>,
        Categoriser: Handler<M>,
        Steward: Handler<M>,
        <Leadership as Actor>::Context: ToEnvelope<Leadership, M>,
        <Replicator as Actor>::Context: ToEnvelope<Replicator, M>,
        <Categoriser as Actor>::Context: ToEnvelope<Categoriser, M>,
        <Steward as Actor>::Context: ToEnvelope<Steward, M>,
    {
        post(&self.leadership, message.clone());
        post(&self.replicator, message.clone());
        post(&self.steward, message.clone());
        if let Some(categoriser) = &*self.categoriser.lock() {
            post(categoriser, message.clone());
        }
    }
}

impl Peers {
    fn stopping() -> WireError {
        WireError::new(Code::Busy, "this agent is stopping: ask it again later")
    }

    /// Asks an actor of the crew on behalf of a peer that has shown who it is.
    fn ask<A, M>(actor: &Addr<A>, message: M) -> LinkReply
    where
        A: Actor + Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message<Result = Result<Answer, WireError>> + Send + 'static,
    {
        let answered = actor.send(message);
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(Self::stopping())) })
    }
}

impl LinkService for Peers {
    fn answer(&self, ask: Ask, peer: Option<Arc<PeerIdentity>>, source: IpAddr) -> LinkReply {
        let crew = &self.crew;
        match (ask, peer) {
            (Ask::Propose(proposed), Some(link_peer)) => {
                Self::ask(&crew.replicator, AnswerProposal { link_peer, proposed })
            }
            (Ask::Work(work), Some(peer)) => {
                let manager = crew.lifecycle.lock().clone();
                let Some(manager) = manager else {
                    let text = "this agent runs no services, or not yet";
                    return Box::pin(std::future::ready(Err(WireError::new(Code::Busy, text))));
                };
                Self::ask(&manager, AnswerWork { peer: peer.id.clone(), work })
            }
            (Ask::Holds { origins }, Some(_)) => Self::ask(&crew.replicator, AnswerHolds(origins)),
            (Ask::Probe { of }, Some(_)) => Self::ask(&crew.leadership, PeerProbes { of }),
            (Ask::ChangeRole(change), Some(peer)) => {
                let message = PeerChangesRole { peer: peer.id.clone(), change };
                Self::ask(&crew.leadership, message)
            }
            (ask, peer) => Self::ask(&self.authority, AnswerPeer { ask, peer, source }),
        }
    }

    fn notice(&self, notice: Notice, peer: Arc<PeerIdentity>) {
        let Notice::Trust(trust) = notice else { return };
        let id = peer.id.clone();
        // Who talks faster than is listened to is not listened to; what was missed is asked for later.
        if self.client.try_send(HearTrust { trust, peer }).is_err() {
            tracing::debug!(peer = %id, "dropped news of trust: too many at once");
        }
    }

    fn opened(&self, link: OpenLink) {
        // Who is to found an area is no agent of this one, nor is this agent one of that area yet.
        if link.scope == Scope::Founding {
            return;
        }
        self.open.lock().insert(link.number, link.clone());
        self.contacts.opened(&link);
        self.crew.tell(&LinkOpened(link));
    }

    fn closed(&self, number: u64) {
        self.open.lock().remove(&number);
        self.contacts.closed(number);
        self.crew.tell(&LinkClosed(number));
    }

    fn cloned(&self, id: &SpiffeId, addresses: [SocketAddr; 2]) {
        if let Some(categoriser) = &*self.crew.categoriser.lock() {
            post(categoriser, Cloned { agent: id.clone(), addresses });
        }
    }

    fn heard(&self, link: u64, notice: Notice) -> Result<(), WireError> {
        let crew = &self.crew;
        let taken = match notice {
            Notice::Stream(message) => crew.replicator.try_send(HeardStream { link, message }).is_ok(),
            Notice::Leadership(message) => {
                // What is lost is said again where it matters.
                let _ = crew.leadership.try_send(Heard { link, message });
                true
            }
            Notice::Trust(_) | Notice::Unknown => true,
        };
        if taken { Ok(()) } else { Err(WireError::new(Code::Busy, "too much to do: go on later")) }
    }
}

/// Publishes a worker that was built anew, and tells it of the links that are open.
pub(super) fn publish(current: &Current<Categoriser>, open: &OpenLinks, worker: Addr<Categoriser>) {
    for link in open.lock().values() {
        post(&worker, LinkOpened(link.clone()));
    }
    *current.lock() = Some(worker);
}
