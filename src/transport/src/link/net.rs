//! What the parts of an agent's links have in common, and how a connection becomes a link.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use mf2c_actors::ports::{Introduction, SendError, World};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_fabric::wire::hello::{Agreement, OwnFacts, PeerFacts, VERSIONS, agree};
use mf2c_fabric::wire::{Answer, Ask, Code, Decoder, Hello, Message, Notice, TrustNews, WireError, encode};
use mf2c_pki::area::{Credentials, PeerIdentity, Serial, Trust};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::{debug, info};

use super::LinkSettings;
use super::base::Base;
use super::clones::{self, Clones};
use super::counters::{add, count};
use super::ground::Ground;
use super::half_open::HalfOpen;
use super::hints::Hints;
use super::kept::Kept;
use super::refusal::Journal;
use super::registry::{Link, Peer, Registry};
use super::session::Session;
use super::tasks::Tasks;

/// Bytes that TLS may hold for a peer that takes nothing.
pub(super) const TLS_BUFFER: usize = 32 << 10;

/// The links of an agent.
pub(super) struct Net {
    pub(super) tasks: Tasks,
    pub(super) base: Arc<Base>,
    pub(super) ground: Ground,
    pub(super) settings: LinkSettings,
    /// Random: another one at each start.
    pub(super) boot: u64,
    /// What the agent says of itself, once it has said so.
    pub(super) introduction: Mutex<Option<Introduction>>,
    /// The port where others are let in.
    pub(super) port: OnceLock<u16>,
    pub(super) links: Registry,
    pub(super) half_open: Arc<HalfOpen>,
    pub(super) journal: Journal,
    pub(super) kept: Kept,
    pub(super) hints: Hints,
    pub(super) clones: Clones,
    pub(super) stopped: watch::Sender<bool>,
}

impl Net {
    pub(super) fn new(world: World, ground: Ground, settings: LinkSettings) -> Self {
        let limits = settings.limits.clone();
        let mut random = [0; 16];
        world.entropy.fill(&mut random);
        // Zero means that it is not known.
        let boot = random.chunks(8).fold(0, |sum, part| sum ^ part.try_into().map_or(0, u64::from_be_bytes)).max(1);
        Self {
            tasks: Tasks::new(Handle::current(), settings.local),
            links: Registry::new(limits.links, limits.links_per_peer),
            half_open: HalfOpen::new(limits.half_open, limits.half_open_per_source),
            base: Arc::new(Base::new(world, limits)),
            ground,
            settings,
            boot,
            introduction: Mutex::default(),
            port: OnceLock::new(),
            journal: Journal::default(),
            kept: Kept::new(),
            hints: Hints::default(),
            clones: Clones::default(),
            stopped: watch::Sender::new(false),
        }
    }

    /// The certificates; none where links stand on something else.
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        match &self.ground {
            Ground::Tls(credentials) => Some(credentials),
            Ground::Given { .. } => None,
        }
    }

    /// This agent, if it is a member of an area.
    pub(super) fn own(&self) -> Option<SpiffeId> {
        match &self.ground {
            Ground::Tls(credentials) => credentials.membership().map(|membership| membership.own.id.clone()),
            Ground::Given { own, .. } => Some(own.id.clone()),
        }
    }

    /// What the own certificate says, if this agent is a member of an area.
    pub(super) fn identity(&self) -> Option<PeerIdentity> {
        match &self.ground {
            Ground::Tls(credentials) => credentials.membership().map(|membership| membership.own.clone()),
            Ground::Given { own, .. } => Some(PeerIdentity::clone(own)),
        }
    }

    /// The serial number of the own certificate.
    pub(super) fn own_serial(&self) -> Option<Serial> {
        match &self.ground {
            Ground::Tls(credentials) => credentials.membership().map(|membership| membership.own.serial.clone()),
            Ground::Given { own, .. } => Some(own.serial.clone()),
        }
    }

    /// Whom this agent believes.
    pub(super) fn trust(&self) -> Arc<Trust> {
        self.credentials().map(Credentials::trust).unwrap_or_default()
    }

    /// What this agent says of itself.
    pub(super) fn hello(&self, own: &SpiffeId) -> Hello {
        let trust = self.trust();
        let introduction = self.introduction.lock().clone();
        let Introduction { role, term } =
            introduction.unwrap_or_else(|| Introduction { role: self.settings.role.clone(), term: 0 });
        let port = || self.port.get().map(u16::to_string);
        Hello {
            v: VERSIONS.to_vec(),
            node: own.to_string(),
            area: own.area().unwrap_or_default().to_owned(),
            role,
            term,
            incarnation: self.settings.incarnation,
            boot: self.boot,
            origin: self.settings.origin.clone().into(),
            listen: self.settings.advertise.clone().or_else(port).unwrap_or_default(),
            clock: self.base.world.clock.now().millis(),
            features: self.settings.features.clone(),
            max_frame: self.base.limits.max_frame,
            trust: TrustNews { bundle: trust.sequence(), lists: trust.list_numbers() },
        }
    }

    /// Holds a peer's Hello against its certificate.
    pub(super) fn agree(
        &self,
        hello: &Hello,
        peer: &PeerIdentity,
        own: &PeerIdentity,
        dialled: bool,
    ) -> Result<Agreement, WireError> {
        let own = OwnFacts { id: &own.id, unit: &own.unit, now: self.base.world.clock.now(), dialled };
        let agreed = agree(hello, &PeerFacts { id: &peer.id, unit: &peer.unit }, &own)?;
        if let Some(skew) = agreed.skew {
            info!(peer = %peer.id, seconds = skew.as_secs(), "the clock of a peer differs from the one of this agent");
        }
        Ok(agreed)
    }

    /// Makes a link of a connection whose Hellos have agreed, and runs it.
    /// `checked_with` is the sequence number of the trust that was there before the handshake.
    pub(super) fn open<T>(
        self: &Arc<Self>,
        io: T,
        decoder: Decoder,
        peer: Peer,
        checked_with: u64,
    ) -> Result<Arc<Link>, (T, WireError)>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (link, orders) = match self.links.open(peer, self.base.world.clock.now(), checked_with) {
            Ok(opened) => opened,
            Err(error) => return Err((io, error)),
        };
        count(&self.base.counting.opened);
        let session = Session::new(io, decoder, Arc::clone(&link), orders, Arc::clone(&self.base));
        let (net, number) = (Arc::clone(self), link.number);
        self.tasks.spawn(async move {
            let end = session.run().await;
            net.links.remove(number);
            debug!(number, ?end, "a link has ended");
        });
        // It may have been revoked, or this agent may stop, between the handshake and the moment when the link was known.
        if self.trust().is_revoked(&link.peer.identity) {
            link.close(revoked());
        } else if *self.stopped.borrow() {
            link.close(stopping());
        }
        debug!(number, peer = %link.peer.identity.id, address = %link.peer.address, "a link is open");
        clones::look(self, &link);
        Ok(link)
    }

    /// Sends to a peer what it lacks, as who answers questions about it sees it.
    pub(super) fn push_trust(&self, link: &Arc<Link>, have: TrustNews) {
        let peer = &link.peer;
        let within = self.base.limits.answer;
        let answer = self.base.answer(Ask::Trust { have }, Some(Arc::clone(&peer.identity)), peer.address.ip(), within);
        let link = Arc::clone(link);
        self.tasks.spawn(async move {
            match answer.await {
                Ok(Answer::Trust(trust)) => send_notice(&link, &Notice::Trust(trust)),
                Ok(_) => {}
                Err(error) => debug!(peer = %link.peer.identity.id, %error, "no news of trust for a peer"),
            }
        });
    }
}

/// Sends a notice to one peer; a peer for which too much waits already is sent away, and learns of it when it comes back.
pub(super) fn send_notice(link: &Link, notice: &Notice) {
    match encode(&Message::Notice(notice.clone()), link.peer.agreement.max_frame) {
        Ok(frame) => send_frame(link, frame.into()),
        Err(error) => debug!(peer = %link.peer.identity.id, %error, "a notice is not sent"),
    }
}

/// The same with a frame that is ready.
pub(super) fn send_frame(link: &Link, frame: Bytes) {
    if link.queue(frame) == Err(SendError::Full) {
        link.close(WireError::new(Code::Busy, "too much waits for this link: come back later"));
    }
}

/// Whether somebody who knows this lacks something that is known here.
pub(super) fn lacks(have: &TrustNews, known: &Trust) -> bool {
    let number = |issuer: &str| have.lists.iter().find(|(theirs, _)| theirs == issuer).map(|(_, number)| *number);
    have.bundle < known.sequence()
        || known.list_numbers().iter().any(|(issuer, ours)| number(issuer).is_none_or(|theirs| theirs < *ours))
}

/// Why a link of a revoked peer is closed.
pub(super) fn revoked() -> WireError {
    WireError::new(Code::Revoked, "the certificate of this link has been revoked")
}

/// Why links are closed at the end.
pub(super) fn stopping() -> WireError {
    WireError { retry_after: Some(1000), ..WireError::new(Code::Busy, "this agent stops: come back later") }
}

/// Why there is no message.
#[derive(Debug)]
pub(super) enum NoMessage {
    /// The connection broke or ended.
    Gone(std::io::Error),
    /// What came is wrong; the peer is told.
    Wrong(WireError),
}

/// Reads one message before a link is open. The caller bounds the time.
pub(super) async fn read_message<T: AsyncRead + Unpin>(
    io: &mut T,
    decoder: &mut Decoder,
    base: &Base,
) -> Result<Message, NoMessage> {
    loop {
        if let Some(message) = decoder.next().map_err(NoMessage::Wrong)? {
            count(&base.counting.frames_in);
            return Ok(message);
        }
        let mut chunk = [0; 2048];
        let read = io.read(&mut chunk).await.map_err(NoMessage::Gone)?;
        if read == 0 {
            return Err(NoMessage::Gone(std::io::ErrorKind::UnexpectedEof.into()));
        }
        add(&base.counting.bytes_in, read);
        decoder.feed(chunk.get(..read).unwrap_or_default());
    }
}

/// Sends one message before a link is open. The caller bounds the time.
pub(super) async fn write_message<T: AsyncWrite + Unpin>(
    io: &mut T,
    message: &Message,
    max_frame: u32,
    base: &Base,
) -> std::io::Result<()> {
    let frame = encode(message, max_frame).map_err(std::io::Error::other)?;
    io.write_all(&frame).await?;
    io.flush().await?;
    count(&base.counting.frames_out);
    add(&base.counting.bytes_out, frame.len());
    Ok(())
}
