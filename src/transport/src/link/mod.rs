//! Links between agents: mutual TLS 1.3 with frames of MessagePack on it (`docs` of the wire: `mf2c_fabric::wire`).

mod base;
mod counters;
mod outbox;
mod registry;
mod rights;
mod session;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mf2c_actors::ports::{AuthorityTransport, EnrolAsk, LinkAnswer, LinkService, World};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Answer, Ask, Enrolled, Notice};
use mf2c_pki::area::{Credentials, Trust};

pub use counters::{LinkCounters, Refusal};
pub use settings::{LinkLimits, LinkSettings};

/// All links of an agent: its listeners, and the standing link to its leader. Clones share it.
///
/// How a node uses it:
/// 1. [`LinkNet::start`] inside the tokio runtime (actix arbiter) that shall do its work. Everything else may be called from
///    any thread.
/// 2. Give it to the actors as `Arc<dyn AuthorityTransport>`.
/// 3. [`LinkNet::serve`] with what answers peers, once the actors are there. Before that peers are told `busy`.
/// 4. [`LinkNet::listen`] where the agent has an authority.
/// 5. [`AuthorityTransport::lead_to`] where it is a member of somebody else's area.
/// 6. After every `Credentials::install` and `Credentials::set_trust`: [`AuthorityTransport::close_unbelieved`]. It closes
///    links whose peer is not believed any more, and moves the standing link to the new certificate without a gap.
/// 7. [`LinkNet::stop`] at the end.
#[derive(Clone)]
pub struct LinkNet(Arc<()>);

/// One link, for people and tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// Whom the peer's certificate names.
    pub peer: SpiffeId,
    /// The serial number of the peer's certificate, in hexadecimal.
    pub serial: String,
    /// The peer's address.
    pub address: SocketAddr,
    /// Whether the peer opened it.
    pub accepted: bool,
    /// Since when it is open.
    pub since: Timestamp,
}

impl LinkNet {
    /// Nothing is bound or dialled yet. Must be called inside a tokio runtime; that one does all the work.
    #[must_use]
    pub fn start(world: World, credentials: Credentials, settings: LinkSettings) -> Self {
        let _ = (world, credentials, settings);
        Self(Arc::new(()))
    }

    /// From now on peers are answered by `service`. The first call counts.
    pub fn serve(&self, service: Arc<dyn LinkService>) {
        let _ = service;
    }

    /// Takes connections at this address from now on, and says which one it is (port 0 is any free one).
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        Ok(address)
    }

    /// The links that are open now.
    #[must_use]
    pub fn links(&self) -> Vec<LinkView> {
        vec![]
    }

    /// What was counted up to now.
    #[must_use]
    pub fn counters(&self) -> LinkCounters {
        LinkCounters::default()
    }

    /// Closes the listeners and all links. Nothing can be asked afterwards.
    pub fn stop(&self) {}
}

impl AuthorityTransport for LinkNet {
    fn enrol(&self, token: JoinToken, ask: EnrolAsk) -> LinkAnswer<Enrolled> {
        let _ = (token, ask);
        todo!()
    }

    fn renew_expired(&self, address: String, trust: Arc<Trust>, leader: SpiffeId, ask: Ask) -> LinkAnswer<Enrolled> {
        let _ = (address, trust, leader, ask);
        todo!()
    }

    fn ask(&self, ask: Ask) -> LinkAnswer<Answer> {
        let _ = ask;
        todo!()
    }

    fn lead_to(&self, leader: Option<(String, SpiffeId)>) {
        let _ = leader;
        todo!()
    }

    fn close_unbelieved(&self) {
        todo!()
    }

    fn tell(&self, notice: Notice) {
        let _ = notice;
        todo!()
    }
}
