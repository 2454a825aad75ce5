//! Real TLS connections over loopback sockets.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig};
use rustls::{ServerConnection, StreamOwned};

use super::super::PeerIdentity;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a server saw of a client.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) peer: Option<PeerIdentity>,
    pub(super) protocol: Option<Vec<u8>>,
    pub(super) version: Option<ProtocolVersion>,
    pub(super) group: Option<NamedGroup>,
    pub(super) kind: Option<HandshakeKind>,
}

/// A server that sends back each byte it gets.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    guests: Receiver<Result<Guest, String>>,
}

impl Echo {
    /// Asks `settings` anew for each connection.
    pub(super) fn start(settings: impl Fn() -> Arc<ServerConfig> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, guests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), seen, config) = (stream, seen.clone(), settings()) else { return };
                thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let mut tls = ServerConnection::new(config).unwrap();
                    let shaken = shake(&mut tls, &mut stream);
                    let failed = shaken.is_err();
                    let _ = seen.send(shaken.map(|()| guest(&tls)).map_err(|error| error.to_string()));
                    if !failed {
                        echo(StreamOwned::new(tls, stream));
                    }
                });
            }
        });
        Self { address, guests }
    }

    /// Whom the server saw next, or why it refused.
    pub(super) fn guest(&self) -> Result<Guest, String> {
        self.guests.recv_timeout(PATIENCE).unwrap()
    }
}

fn shake(tls: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.is_handshaking() {
        if let Err(error) = tls.complete_io(stream) {
            // The alert must reach the client.
            let _ = tls.write_tls(stream);
            return Err(error);
        }
    }
    Ok(())
}

fn guest(tls: &ServerConnection) -> Guest {
    let own = tls.peer_certificates().and_then(|chain| chain.first());
    Guest {
        peer: own.map(|own| PeerIdentity::of(own).unwrap()),
        protocol: tls.alpn_protocol().map(<[u8]>::to_vec),
        version: tls.protocol_version(),
        group: tls.negotiated_key_exchange_group().map(|group| group.name()),
        kind: tls.handshake_kind(),
    }
}

fn echo(mut connection: StreamOwned<ServerConnection, TcpStream>) {
    let mut byte = [0];
    while let Ok(1) = connection.read(&mut byte) {
        if connection.write_all(&byte).and_then(|()| connection.flush()).is_err() {
            return;
        }
    }
}

/// An open connection to an [`Echo`].
pub(super) type Link = StreamOwned<ClientConnection, TcpStream>;

/// Sends a byte and waits until it comes back.
pub(super) fn round(link: &mut Link) -> io::Result<()> {
    link.write_all(b"x")?;
    link.flush()?;
    let mut byte = [0];
    link.read_exact(&mut byte)
}

/// Connects and makes one round: only then has the server accepted the client (TLS 1.3).
pub(super) fn dial(echo: &Echo, config: &Arc<ClientConfig>) -> io::Result<Link> {
    let stream = TcpStream::connect(echo.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let name = "localhost".try_into().unwrap();
    let mut link = StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream);
    round(&mut link)?;
    Ok(link)
}
