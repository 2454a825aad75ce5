//! What the parts of an agent's links have in common, and how a connection becomes a link.

use std::sync::Arc;

use bytes::Bytes;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_fabric::wire::hello::{Agreement, OwnFacts, PeerFacts, VERSIONS, agree};
use mf2c_fabric::wire::{Answer, Ask, Code, Decoder, Hello, Message, Notice, TrustNews, WireError, encode};
use mf2c_pki::area::{Credentials, Membership, PeerIdentity, Trust};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::{debug, info};

use super::LinkSettings;
use super::base::Base;
use super::counters::{add, count};
use super::half_open::HalfOpen;
use super::leader::Standing;
use super::refusal::Journal;
use super::registry::{Command, Link, Peer, Registry};
use super::session::Session;

/// Bytes that TLS may hold for a peer that takes nothing.
pub(super) const TLS_BUFFER: usize = 32 << 10;

/// The links of an agent.
pub(super) struct Net {
    pub(super) runtime: Handle,
    pub(super) base: Arc<Base>,
    pub(super) credentials: Credentials,
    pub(super) settings: LinkSettings,
    pub(super) links: Registry,
    pub(super) half_open: Arc<HalfOpen>,
    pub(super) journal: Journal,
    pub(super) standing: Standing,
    pub(super) stopped: watch::Sender<bool>,
}

impl Net {
    /// What this agent says of itself.
    pub(super) fn hello(&self, membership: &Membership) -> Hello {
        let own = &membership.own.id;
        let trust = self.credentials.trust();
        Hello {
            v: VERSIONS.to_vec(),
            node: own.to_string(),
            area: own.area().unwrap_or_default().to_owned(),
            role: self.settings.role.clone(),
            term: 0,
            incarnation: self.settings.incarnation,
            boot: 0,
            origin: vec![].into(),
            listen: String::new(),
            clock: self.base.world.clock.now().millis(),
            features: vec![],
            max_frame: self.base.limits.max_frame,
            trust: TrustNews { bundle: trust.sequence(), lists: trust.list_numbers() },
        }
    }

    /// Holds a peer's Hello against its certificate.
    pub(super) fn agree(
        &self,
        hello: &Hello,
        peer: &PeerIdentity,
        own: &SpiffeId,
        dialled: bool,
    ) -> Result<Agreement, WireError> {
        let own = OwnFacts { id: own, now: self.base.world.clock.now(), dialled };
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
        self.runtime.spawn(async move {
            let end = session.run().await;
            net.links.remove(number);
            debug!(number, ?end, "a link has ended");
        });
        // It may have been revoked, or this agent may stop, between the handshake and the moment when the link was known.
        if self.credentials.trust().is_revoked(&link.peer.identity) {
            link.close(revoked());
        } else if *self.stopped.borrow() {
            link.close(stopping());
        }
        debug!(number, peer = %link.peer.identity.id, address = %link.peer.address, "a link is open");
        Ok(link)
    }

    /// Sends to a peer what it lacks, as who answers questions about it sees it.
    pub(super) fn push_trust(&self, link: &Arc<Link>, have: TrustNews) {
        let peer = &link.peer;
        let within = self.base.limits.answer;
        let answer = self.base.answer(Ask::Trust { have }, Some(Arc::clone(&peer.identity)), peer.address.ip(), within);
        let link = Arc::clone(link);
        self.runtime.spawn(async move {
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
    if link.order(Command::Send(frame)).is_err() && !link.has_ended() {
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
