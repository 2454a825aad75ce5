//! What an agent shows and whom it believes, shared by everything that makes or takes connections, and changed while they run.

use std::sync::Arc;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::{Clock, Timestamp};
use rustls::{ClientConfig, ServerConfig};

use super::{AgentKey, PeerIdentity, Trust};
use crate::{PkiError, ServerIdentity};

/// An agent's own certificate with its key.
pub struct Membership {
    /// Its key.
    pub key: AgentKey,
    /// Its certificate in DER.
    pub certificate: Vec<u8>,
    /// What the certificate says.
    pub own: PeerIdentity,
    /// The agent that leads the area.
    pub leader: SpiffeId,
}

/// A handle on what is shown and believed at this moment. Clones share it. Every handshake looks anew, so a change needs
/// no connection to be closed and no listener to be opened again.
#[derive(Clone)]
pub struct Credentials {
    // SKELETON: Arc<{ArcSwapOption<Membership>, ArcSwap<Trust>, prebuilt rustls configs, clock, strict, ServerIdentity fallback}>
}

impl Credentials {
    /// An agent without an area: it shows `own` to clients of its API, and no link can be made.
    ///
    /// # Errors
    /// Where `own` cannot be used.
    pub fn new(own: ServerIdentity, clock: Arc<dyn Clock>, strict: bool) -> Result<Self, PkiError> {
        let _ = (own, clock, strict);
        todo!()
    }

    /// Shows another certificate from the next handshake on, and believes `trust`.
    ///
    /// # Errors
    /// Where key and certificate do not belong together; everything stays as it was.
    pub fn install(&self, membership: Membership, trust: Trust) -> Result<(), PkiError> {
        let _ = (membership, trust);
        todo!()
    }

    /// Believes other roots or lists from now on, and shows the intermediates in it.
    ///
    /// # Errors
    /// Where it cannot be used; everything stays as it was.
    pub fn set_trust(&self, trust: Trust) -> Result<(), PkiError> {
        let _ = trust;
        todo!()
    }

    /// The own certificate, if there is one.
    #[must_use]
    pub fn membership(&self) -> Option<Arc<Membership>> {
        todo!()
    }

    /// Whom the agent believes.
    #[must_use]
    pub fn trust(&self) -> Arc<Trust> {
        todo!()
    }

    /// The end of what is shown to clients of the API.
    #[must_use]
    pub fn api_certificate_ends(&self) -> Timestamp {
        todo!()
    }

    /// For the API's listener, now: the area's certificate where there is one (unless files are configured), client
    /// certificates of users of this agent asked for but not demanded, no resumption then.
    #[must_use]
    pub fn api_server(&self) -> Arc<ServerConfig> {
        todo!()
    }

    /// For links, now: TLS 1.3 alone, ALPN `mf2c/1`, a certificate of an agent demanded, no resumption; none without a
    /// membership.
    #[must_use]
    pub fn link_server(&self) -> Option<Arc<ServerConfig>> {
        todo!()
    }

    /// For those who have no certificate yet: TLS 1.3, ALPN `mf2c-join/1`, none asked for; the root is shown too.
    #[must_use]
    pub fn join_server(&self) -> Option<Arc<ServerConfig>> {
        todo!()
    }

    /// For a link to `peer` and nobody else; none without a membership.
    #[must_use]
    pub fn link_client(&self, peer: &SpiffeId) -> Option<Arc<ClientConfig>> {
        let _ = peer;
        todo!()
    }
}
