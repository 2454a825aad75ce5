//! Calling another agent: TCP, TLS that believes in one agent alone, and the Hellos.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mf2c_actors::ports::LinkError;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_fabric::wire::{Code, Decoder, Hello, Message, WireError};
use mf2c_pki::area::PeerIdentity;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ground::{Connected, Ground};
use super::net::{Net, NoMessage, TLS_BUFFER, read_message, write_message};
use super::refusal::of_called;
use super::registry::{Link, Peer};
use super::session::linger;

/// Nobody there, or not any more.
pub(super) fn unreachable(address: &str, reason: impl ToString) -> LinkError {
    LinkError::Unreachable { address: address.to_owned(), reason: reason.to_string() }
}

/// A TLS connection. With TLS 1.3 this does not tell yet whether the other end believes in us.
pub(super) async fn connect(
    net: &Net,
    address: &str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, LinkError> {
    let limit = net.base.limits.handshake;
    let late = |_| unreachable(address, "no answer in time");
    let stream = timeout(limit, TcpStream::connect(address)).await.map_err(late)?;
    let stream = stream.map_err(|error| unreachable(address, error))?;
    let _ = stream.set_nodelay(true);
    // Whom we mean is settled by its SPIFFE ID; this name is only there because TLS wants one.
    let name = ServerName::try_from("agent.mf2c.internal").map_err(|error| unreachable(address, error))?;
    let shaken = timeout(limit, TlsConnector::from(config).connect(name, stream)).await.map_err(late)?;
    let mut stream = shaken.map_err(|error| of_called(address, &error))?;
    if stream.get_ref().1.alpn_protocol().is_none() {
        return Err(unreachable(address, "no link of mf2c is served there"));
    }
    stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
    Ok(stream)
}

/// An error after the handshake: the alert with which the other end refused our certificate, or the end of it all.
pub(super) fn broken(address: &str, error: &io::Error) -> LinkError {
    of_called(address, error)
}

/// Whom we have called.
struct Called<'a> {
    address: &'a str,
    identity: Arc<PeerIdentity>,
    chain: Vec<CertificateDer<'static>>,
    from: SocketAddr,
    /// The sequence number of the trust that was there before its certificate was checked.
    checked_with: u64,
    /// Where the leader is looked for: the lowest term in which it may lead.
    leads_since: Option<u64>,
}

impl Called<'_> {
    /// Whether it says that it is what is looked for.
    fn fits(&self, hello: &Hello) -> Result<(), WireError> {
        let Some(term) = self.leads_since else { return Ok(()) };
        if matches!(hello.role.as_str(), "leader" | "cloud") && hello.term >= term {
            return Ok(());
        }
        let text = format!("looked for who leads the area in term {term} or later");
        Err(WireError::new(Code::NotLeader, text))
    }
}

/// Opens a link to one agent. It is open only when that agent's Hello has come back.
pub(super) async fn dial(net: &Arc<Net>, address: &str, peer: &SpiffeId) -> Result<Arc<Link>, LinkError> {
    let checked_with = net.trust().sequence();
    match &net.ground {
        Ground::Tls(credentials) => {
            let config = credentials.link_client(peer).ok_or(LinkError::NoMembership)?;
            dial_tls(net, address, config, None).await
        }
        Ground::Given { connector, .. } => {
            let late = |_| unreachable(address, "no answer in time");
            let called = timeout(net.base.limits.handshake, connector.connect(address, peer));
            let Connected { stream, peer: identity, address: from } = called.await.map_err(late)??;
            if identity.id != *peer {
                let reason = format!("it is {}, expected {peer}", identity.id);
                return Err(LinkError::Untrusted { address: address.to_owned(), reason });
            }
            greet(net, stream, Called { address, identity, chain: vec![], from, checked_with, leads_since: None }).await
        }
    }
}

/// Opens a link to whoever is at an address, if it is an agent of the own area and says that it leads it in this term or a
/// later one.
pub(super) async fn dial_leader(net: &Arc<Net>, address: &str, term: u64) -> Result<Arc<Link>, LinkError> {
    let Some(credentials) = net.credentials() else {
        return Err(unreachable(address, "links without certificates are made to agents that are known"));
    };
    let config = credentials.area_client().ok_or(LinkError::NoMembership)?;
    dial_tls(net, address, config, Some(term)).await
}

async fn dial_tls(
    net: &Arc<Net>,
    address: &str,
    config: Arc<ClientConfig>,
    leads_since: Option<u64>,
) -> Result<Arc<Link>, LinkError> {
    let checked_with = net.trust().sequence();
    let stream = connect(net, address, config).await?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    let identity = chain.first().and_then(|own| PeerIdentity::of(own).ok());
    let identity = Arc::new(identity.ok_or_else(|| unreachable(address, "it showed no certificate"))?);
    let from = stream.get_ref().0.peer_addr().map_err(|error| unreachable(address, error))?;
    greet(net, stream, Called { address, identity, chain, from, checked_with, leads_since }).await
}

/// The Hellos with an agent that was called.
async fn greet<T>(net: &Arc<Net>, mut stream: T, called: Called<'_>) -> Result<Arc<Link>, LinkError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (address, checked_with) = (called.address, called.checked_with);
    let me = net.identity().ok_or(LinkError::NoMembership)?;
    let own = Message::Hello(net.hello(&me.id));
    let mut decoder = Decoder::new(net.base.limits.max_frame);
    let greet = async {
        // What goes wrong here is told by the answer.
        let sent = write_message(&mut stream, &own, net.base.limits.max_frame, &net.base).await;
        match read_message(&mut stream, &mut decoder, &net.base).await {
            Err(NoMessage::Gone(error)) if sent.is_ok() || error.get_ref().is_some() => Err(NoMessage::Gone(error)),
            Err(NoMessage::Gone(error)) => Err(NoMessage::Gone(sent.err().unwrap_or(error))),
            other => other,
        }
    };
    let greeted = timeout(net.base.limits.hello, greet).await;
    let hello = match greeted.map_err(|_| unreachable(address, "no Hello came in time"))? {
        Ok(Message::Hello(hello)) => hello,
        Ok(Message::Close(error)) => return Err(LinkError::Refused(error)),
        Ok(_) => {
            let error = WireError::new(Code::BadFrame, "expected a Hello as the first frame");
            return Err(refuse(net, stream, error).await);
        }
        Err(NoMessage::Gone(error)) => return Err(broken(address, &error)),
        Err(NoMessage::Wrong(error)) => return Err(refuse(net, stream, error).await),
    };
    let agreed = called.fits(&hello).and_then(|()| net.agree(&hello, &called.identity, &me, true));
    let agreement = match agreed {
        Ok(agreement) => agreement,
        Err(error) => return Err(refuse(net, stream, error).await),
    };
    let (hello, Called { identity, chain, from, .. }) = (Arc::new(hello), called);
    let peer = Peer { identity, chain, address: from, accepted: false, agreement, hello };
    match net.open(stream, decoder, peer, checked_with) {
        Ok(link) => Ok(link),
        Err((stream, error)) => Err(refuse(net, stream, error).await),
    }
}

/// Tells the other end why there will be no link.
async fn refuse<T: AsyncRead + AsyncWrite + Unpin>(net: &Net, mut stream: T, error: WireError) -> LinkError {
    let last = async {
        write_message(&mut stream, &Message::Close(error.clone()), net.base.limits.max_frame, &net.base).await?;
        linger(&mut stream).await
    };
    let _ = timeout(net.base.limits.linger, last).await;
    LinkError::Refused(error)
}
