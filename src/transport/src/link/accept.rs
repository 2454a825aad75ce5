//! The listener: from a TCP connection to a link, or to the reason why there is none.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mf2c_fabric::wire::hello::{Agreement, Scope};
use mf2c_fabric::wire::{Code, Decoder, Hello, Message, WireError};
use mf2c_pki::area::{Credentials, JOIN_ALPN, LINK_ALPN, PeerIdentity};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};
use tracing::{info, warn};

use super::Refusal;
use super::counters::count;
use super::ground::LinkStream;
use super::half_open::Place;
use super::net::{Net, NoMessage, TLS_BUFFER, lacks, read_message, write_message};
use super::registry::Peer;
use super::session::linger;
use super::welcome;

/// The first byte of a TLS connection (RFC 8446, 5.1: handshake).
const HANDSHAKE: u8 = 22;
/// After a connection could not be taken, because there are too many open files: a pause.
const TAKEN_ABACK: Duration = Duration::from_millis(100);
/// For people who came with a browser.
const NO_HTTP: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 68\r\n\r\n\
this port serves links between agents; the API is at its own port.\r\n";

/// Why a connection did not become a link.
pub(super) struct Refused {
    pub(super) reason: Refusal,
    pub(super) detail: String,
}

impl Refused {
    pub(super) fn new(reason: Refusal, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    fn of(error: &io::Error) -> Self {
        Self::new(Refusal::of(error), error.to_string())
    }
}

/// Takes connections until the agent stops.
pub(super) async fn listen(net: Arc<Net>, listener: TcpListener) {
    let mut stopped = net.stopped.subscribe();
    loop {
        let taken = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            taken = listener.accept() => taken,
        };
        match taken {
            Ok((stream, from)) => {
                count(&net.base.counting.accepted);
                let place = net.half_open.enter(from.ip());
                net.tasks.spawn(Box::pin(admit(Arc::clone(&net), stream, from, place)));
            }
            Err(error) => {
                warn!(%error, "a connection for a link could not be taken");
                tokio::time::sleep(TAKEN_ABACK).await;
            }
        }
    }
}

/// One connection up to the moment when the other end is known, or refused.
async fn admit(net: Arc<Net>, stream: TcpStream, from: SocketAddr, mut place: Place) {
    let mut stopped = net.stopped.subscribe();
    let refused = tokio::select! {
        biased;
        () = place.lost() => Err(Refused::new(Refusal::Crowded, "a newcomer took its place")),
        _ = stopped.wait_for(|stopped| *stopped) => return,
        received = receive(&net, stream, from) => received,
    };
    note(&net, from, refused);
}

fn note(net: &Net, from: SocketAddr, refused: Result<(), Refused>) {
    if let Err(Refused { reason, detail }) = refused {
        net.base.counting.refuse(reason);
        net.journal.write(reason, from.ip(), &detail, net.base.world.clock.elapsed());
    }
}

/// A caller whose identity is given.
pub(super) async fn admit_given(net: Arc<Net>, stream: Box<dyn LinkStream>, peer: Arc<PeerIdentity>, from: SocketAddr) {
    let mut stopped = net.stopped.subscribe();
    let caller = Guest { identity: peer, chain: vec![], from, checked_with: net.trust().sequence() };
    let refused = tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => return,
        greeted = hello(&net, stream, caller) => greeted,
    };
    note(&net, from, refused);
}

/// What the caller wants, by its ALPN.
enum Caller {
    Link(TlsStream<TcpStream>),
    Joiner(TlsStream<TcpStream>),
}

async fn receive(net: &Arc<Net>, stream: TcpStream, from: SocketAddr) -> Result<(), Refused> {
    let _ = stream.set_nodelay(true);
    let late = |_| Refused::new(Refusal::Timeout, "the handshake took too long");
    let Some(credentials) = net.credentials() else {
        return Err(Refused::new(Refusal::NoMembership, "this agent has no certificates"));
    };
    let checked_with = net.trust().sequence();
    let shaken = tokio::time::timeout(net.base.limits.handshake, shake_hands(net, credentials, stream));
    match shaken.await.map_err(late)?? {
        Caller::Link(stream) => {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
            let identity = chain.first().and_then(|own| PeerIdentity::of(own).ok());
            let Some(identity) = identity.map(Arc::new) else {
                return Err(Refused::new(Refusal::NoCertificate, "no certificate that can be read"));
            };
            hello(net, stream, Guest { identity, chain, from, checked_with }).await
        }
        Caller::Joiner(stream) => welcome::serve(net, stream, from).await,
    }
}

async fn shake_hands(net: &Net, credentials: &Credentials, mut stream: TcpStream) -> Result<Caller, Refused> {
    let mut first = [0; 8];
    let read = stream.peek(&mut first).await.map_err(|error| Refused::of(&error))?;
    match first.get(..read).unwrap_or_default() {
        [] => return Err(Refused::new(Refusal::Gone, "it sent nothing")),
        [HANDSHAKE, ..] => {}
        [b'A'..=b'Z', ..] => {
            say(net, &mut stream, NO_HTTP).await;
            return Err(Refused::new(Refusal::PlainHttp, "HTTP without TLS, expected a link"));
        }
        _ => return Err(Refused::new(Refusal::NotTls, "expected a TLS handshake")),
    }
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await;
    let start = start.map_err(|error| Refused::of(&error))?;
    let offers =
        |protocol: &[u8]| start.client_hello().alpn().is_some_and(|mut offered| offered.any(|it| it == protocol));
    let joining = match (offers(LINK_ALPN), offers(JOIN_ALPN)) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => {
            alert(net, start, rustls::AlertDescription::NoApplicationProtocol).await;
            return Err(Refused::new(Refusal::NoAlpn, "neither `mf2c/1` nor `mf2c-join/1` was asked for"));
        }
    };
    let config = if joining { credentials.join_server() } else { credentials.link_server() };
    let Some(config) = config else {
        alert(net, start, rustls::AlertDescription::InternalError).await;
        return Err(Refused::new(Refusal::NoMembership, "this agent belongs to no area"));
    };
    match start.into_stream(config).into_fallible().await {
        Ok(mut stream) => {
            stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
            Ok(if joining { Caller::Joiner(stream) } else { Caller::Link(stream) })
        }
        Err((error, mut stream)) => {
            // The alert is on its way already.
            say(net, &mut stream, b"").await;
            Err(Refused::of(&error))
        }
    }
}

/// Sends an alert before TLS has begun: an unencrypted record (RFC 8446, 5.1 and 6).
async fn alert(net: &Net, start: StartHandshake<TcpStream>, what: rustls::AlertDescription) {
    let mut stream = start.io;
    say(net, &mut stream, &[21, 3, 3, 0, 2, 2, u8::from(what)]).await;
}

/// Last words on a connection that is refused, and time for them to arrive.
async fn say(net: &Net, stream: &mut TcpStream, words: &[u8]) {
    let last = async {
        stream.write_all(words).await?;
        linger(stream).await
    };
    let _ = tokio::time::timeout(net.base.limits.linger, last).await;
}

/// A caller whose identity is known.
struct Guest {
    identity: Arc<PeerIdentity>,
    chain: Vec<CertificateDer<'static>>,
    from: SocketAddr,
    /// The sequence number of the trust that was there before its certificate was checked.
    checked_with: u64,
}

/// The Hello of a caller, and ours in return.
async fn hello<T>(net: &Arc<Net>, mut stream: T, guest: Guest) -> Result<(), Refused>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Guest { identity, chain, from, checked_with } = guest;
    let mut decoder = Decoder::new(net.base.limits.max_frame);
    let exchanged = tokio::time::timeout(net.base.limits.hello, exchange(net, &mut stream, &mut decoder, &identity));
    let result = match exchanged.await {
        Err(_) => Err(WireError::new(Code::BadFrame, "no Hello came in time")),
        Ok(Err(NoMessage::Gone(error))) => return Err(Refused::of(&error)),
        Ok(Err(NoMessage::Wrong(error))) => Err(error),
        Ok(Ok(found)) => Ok(found),
    };
    let opened = result.map(|(hello, agreement)| {
        let hello = Arc::new(hello);
        Peer { identity: Arc::clone(&identity), chain, address: from, accepted: true, agreement, hello }
    });
    let (mut stream, error) = match opened {
        Ok(peer) => match net.open(stream, decoder, peer, checked_with) {
            Ok(link) => {
                info!(peer = %identity.id, source = %from, "a link of a member is open");
                if link.peer.agreement.scope != Scope::Backup && lacks(&link.peer.hello.trust, &net.trust()) {
                    net.push_trust(&link, link.peer.hello.trust.clone());
                }
                return Ok(());
            }
            Err(refused) => refused,
        },
        Err(error) => (stream, error),
    };
    let detail = format!("{}: {error}", identity.id);
    let last = async {
        write_message(&mut stream, &Message::Close(error), net.base.limits.max_frame, &net.base).await?;
        linger(&mut stream).await
    };
    let _ = tokio::time::timeout(net.base.limits.linger, last).await;
    Err(Refused::new(Refusal::Hello, detail))
}

async fn exchange<T: AsyncRead + AsyncWrite + Unpin>(
    net: &Net,
    stream: &mut T,
    decoder: &mut Decoder,
    peer: &PeerIdentity,
) -> Result<(Hello, Agreement), NoMessage> {
    let Message::Hello(hello) = read_message(stream, decoder, &net.base).await? else {
        return Err(NoMessage::Wrong(WireError::new(Code::BadFrame, "expected a Hello as the first frame")));
    };
    let Some(own) = net.identity() else {
        return Err(NoMessage::Wrong(WireError::new(Code::Busy, "this agent has just left its area")));
    };
    let agreed = net.agree(&hello, peer, &own, false).map_err(NoMessage::Wrong)?;
    let own = Message::Hello(net.hello(&own.id));
    write_message(stream, &own, agreed.max_frame, &net.base).await.map_err(NoMessage::Gone)?;
    Ok((hello, agreed))
}
