//! Links between agents: mutual TLS 1.3, and on it the frames of `mf2c_fabric::wire`.

mod accept;
mod area;
mod base;
mod clocks;
mod clones;
mod counters;
mod dial;
mod ground;
mod half_open;
mod hints;
mod join;
mod kept;
mod net;
mod outbox;
mod refusal;
mod registry;
mod rights;
mod session;
mod settings;
mod standing;
mod tasks;
mod visit;
mod welcome;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use mf2c_actors::ports::{AuthorityTransport, EnrolAsk, LinkAnswer, LinkError, LinkService, World};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Answer, Ask, Code, Enrolled, Message, Notice, WireError, encode};
use mf2c_pki::area::{Credentials, PeerIdentity, Trust};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::{info, warn};

use self::ground::Ground;
use self::net::Net;
use self::registry::Command;

pub use counters::{LinkCounters, Refusal};
pub use ground::{Connected, Connecting, Connector, LinkStream};
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
/// 6. [`AreaNet`] for links to others of the area and above; clones of it are one `Arc<dyn AreaNet>`.
/// 7. After every `Credentials::install` and `Credentials::set_trust`: [`AuthorityTransport::close_unbelieved`]. It closes
///    links whose peer is not believed any more, and moves the standing link to the new certificate without a gap.
/// 8. [`LinkNet::stop`] at the end.
#[derive(Clone)]
pub struct LinkNet(Arc<Net>);

/// One link, for people and tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// Its number, which no other link of this agent ever has.
    pub number: u64,
    /// What the peer says that it is: `agent`, `backup`, `leader` or `cloud`.
    pub role: String,
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
        Self(Arc::new(Net::new(world, Ground::Tls(credentials), settings)))
    }

    /// The same without certificates, over streams whose ends are known otherwise: `own` is this agent, `connector` the way to
    /// others, and those who call come in by [`LinkNet::admit`]. Everything behind the handshake is the same.
    #[must_use]
    pub fn with_connector(
        world: World,
        own: Arc<PeerIdentity>,
        settings: LinkSettings,
        connector: Arc<dyn Connector>,
    ) -> Self {
        Self(Arc::new(Net::new(world, Ground::Given { own, connector }, settings)))
    }

    /// Takes a caller whose identity is known.
    pub fn admit(&self, stream: Box<dyn LinkStream>, peer: Arc<PeerIdentity>, source: SocketAddr) {
        self.0.tasks.spawn(accept::admit_given(Arc::clone(&self.0), stream, peer, source));
    }

    /// From now on peers are answered by `service`. The first call counts.
    pub fn serve(&self, service: Arc<dyn LinkService>) {
        if self.0.base.service.set(service).is_err() {
            warn!("the links of this agent are answered for already");
        }
        // Those that are open already are told of.
        for link in self.0.links.all() {
            let _ = link.order(Command::Look);
        }
    }

    /// Takes connections at this address from now on, and says which one it is (port 0 is any free one).
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        let inside = self.0.tasks.runtime().enter();
        let listener = TcpListener::from_std(listener)?;
        drop(inside);
        // The first one is told to others.
        let _ = self.0.port.set(bound.port());
        self.0.tasks.spawn(accept::listen(Arc::clone(&self.0), listener));
        info!(address = %bound, "links are served");
        Ok(bound)
    }

    /// The links that are open now.
    #[must_use]
    pub fn links(&self) -> Vec<LinkView> {
        self.0.links.views()
    }

    /// What was counted up to now.
    #[must_use]
    pub fn counters(&self) -> LinkCounters {
        self.0.base.counting.read(self.0.links.len(), self.0.half_open.len())
    }

    /// Closes the listeners and all links. Nothing can be asked afterwards.
    pub fn stop(&self) {
        self.0.stopped.send_replace(true);
        for link in self.0.links.all() {
            link.close(net::stopping());
        }
    }

    /// Ends every task of the links at once, as if the agent had vanished: nothing is said to anybody, and nobody is told.
    pub fn kill(&self) {
        self.0.stopped.send_replace(true);
        self.0.tasks.kill();
    }

    /// Does something on the runtime of the links, whoever waits for it.
    fn on_runtime<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, LinkError>> + Send + 'static,
    ) -> LinkAnswer<T> {
        let (answer, answered) = oneshot::channel();
        self.0.tasks.spawn(async move {
            let _ = answer.send(work.await);
        });
        Box::pin(async move {
            let stopped = |_| LinkError::Unreachable { address: "here".into(), reason: "this agent stops".into() };
            answered.await.map_err(stopped)?
        })
    }
}

impl AuthorityTransport for LinkNet {
    fn enrol(&self, token: JoinToken, ask: EnrolAsk) -> LinkAnswer<Enrolled> {
        let net = Arc::clone(&self.0);
        self.on_runtime(async move { join::enrol(&net, token, ask).await })
    }

    fn renew_expired(&self, address: String, trust: Arc<Trust>, leader: SpiffeId, ask: Ask) -> LinkAnswer<Enrolled> {
        let net = Arc::clone(&self.0);
        self.on_runtime(async move { join::renew_expired(&net, address, &trust, &leader, ask).await })
    }

    fn ask(&self, ask: Ask) -> LinkAnswer<Answer> {
        let net = Arc::clone(&self.0);
        self.on_runtime(async move { kept::ask_leader(&net, ask).await })
    }

    fn lead_to(&self, leader: Option<(String, SpiffeId)>) {
        self.0.kept.lead_to(&self.0, leader);
    }

    fn close_unbelieved(&self) {
        let net = &self.0;
        let trust = net.trust();
        let now = net.base.world.clock.now();
        let mut doubtful = vec![];
        for link in net.links.all() {
            let identity = &link.peer.identity;
            if trust.is_revoked(identity) {
                warn!(peer = %identity.id, serial = %identity.serial, "a link of a revoked peer is closed");
                link.close(net::revoked());
            } else if identity.not_after <= now {
                link.close(WireError::new(Code::Auth, "the certificate of this link has expired"));
            } else if link.checked_with.load(Ordering::Relaxed) != trust.sequence() {
                doubtful.push(link);
            }
        }
        net.kept.look();
        if doubtful.is_empty() {
            return;
        }
        // Roots have changed: whole chains are checked again, which takes a while where there are many links.
        net.tasks.spawn(async move {
            for link in doubtful {
                let checked = trust.check(&link.peer.chain, !link.peer.accepted, false, now);
                link.checked_with.store(trust.sequence(), Ordering::Relaxed);
                if let Err(error) = checked {
                    warn!(peer = %link.peer.identity.id, %error, "a link of a peer that is not believed any more is closed");
                    link.close(WireError::new(Code::Auth, format!("the roots have changed: {error}")));
                }
                tokio::task::yield_now().await;
            }
        });
    }

    fn tell(&self, notice: Notice) {
        let max_frame = self.0.base.limits.max_frame;
        let frame: Bytes = match encode(&Message::Notice(notice.clone()), max_frame) {
            Ok(frame) => frame.into(),
            Err(error) => {
                warn!(%error, "a notice to all peers cannot be sent");
                return;
            }
        };
        for link in self.0.links.all() {
            let agreement = link.peer.agreement;
            if agreement.scope == Scope::Backup && link.peer.accepted {
                // It hears of trust from its own leader.
            } else if agreement.scope == Scope::Certification && link.peer.accepted {
                // The leader of another area gets what concerns it, not what concerns the members of this one.
                self.0.push_trust(&link, link.peer.hello.trust.clone());
            } else if frame.len() <= agreement.max_frame as usize {
                net::send_frame(&link, frame.clone());
            }
        }
    }
}
