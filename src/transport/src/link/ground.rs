//! What a link stands on: certificates and TLS, or streams whose ends are known otherwise, as in a simulation.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use mf2c_actors::ports::LinkError;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_pki::area::{Credentials, PeerIdentity};
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes between two agents.
pub trait LinkStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> LinkStream for T {}

/// A stream to an agent that was called.
pub struct Connected {
    /// The bytes.
    pub stream: Box<dyn LinkStream>,
    /// Who is at the other end, beyond doubt.
    pub peer: Arc<PeerIdentity>,
    /// Where it is.
    pub address: SocketAddr,
}

/// A call on its way.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Connected, LinkError>> + Send>>;

/// Calls other agents in place of TCP and TLS, and vouches for who answers.
pub trait Connector: Send + Sync {
    /// Calls whoever takes links at `address`, who must be `expected`. Its other end goes to
    /// [`LinkNet::admit`](super::LinkNet::admit) there. It may take as long as it likes; the caller gives up in time.
    fn connect(&self, address: &str, expected: &SpiffeId) -> Connecting;
}

/// See the module.
pub(super) enum Ground {
    /// Certificates, over TLS.
    Tls(Credentials),
    /// Identities that are given.
    Given {
        /// This agent.
        own: Arc<PeerIdentity>,
        /// The way to others.
        connector: Arc<dyn Connector>,
    },
}
