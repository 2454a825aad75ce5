//! What an agent shows and whom it believes, shared by everything that makes or takes connections, and changed while they run.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::{Clock, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};

use super::settings::{self, Showing, certified};
use super::verify::{Believed, Guests, Host};
use super::{AgentKey, PeerIdentity, Trust};
use crate::{Fingerprint, PkiError, ServerIdentity, server_config};

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

/// Shows whom it names, never the key.
impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("own", &self.own).field("leader", &self.leader).finish_non_exhaustive()
    }
}

/// What the API's listener shows without an area.
#[derive(Debug)]
pub enum ApiIdentity {
    /// Made here: the area's certificate takes its place.
    SelfMade(ServerIdentity),
    /// Given by the operator: it is shown whatever the area says.
    Configured(ServerIdentity),
}

impl ApiIdentity {
    fn identity(&self) -> &ServerIdentity {
        match self {
            Self::SelfMade(identity) | Self::Configured(identity) => identity,
        }
    }
}

/// A handle on what is shown and believed at this moment. Clones share it. Every handshake looks anew, so a change needs
/// no connection to be closed and no listener to be opened again.
#[derive(Clone)]
pub struct Credentials {
    inner: Arc<Inner>,
}

struct Inner {
    api_identity: ApiIdentity,
    believed: Arc<Believed>,
    membership: ArcSwapOption<Membership>,
    /// Own certificate and those of the area's authority.
    link: Showing,
    /// The same with the roots.
    join: Showing,
    api_server: ArcSwap<ServerConfig>,
    late_server: ArcSwap<ServerConfig>,
    link_server: Arc<ServerConfig>,
    join_server: Arc<ServerConfig>,
    /// Held while things change: two changes at once would mix.
    changing: Mutex<()>,
}

/// Shows whom it names, never a key.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("own", &self.inner.believed.own.load()).finish_non_exhaustive()
    }
}

/// Everything that follows from a membership and what is believed, made before any of it is shown.
struct Prepared {
    link: Arc<CertifiedKey>,
    join: Arc<CertifiedKey>,
    api: Arc<CertifiedKey>,
}

impl Credentials {
    /// An agent without an area: it shows `own` to clients of its API, and no link can be made. `strict` refuses peers whose
    /// authority's revocation list is out of date or missing.
    ///
    /// # Errors
    /// Where `own` cannot be used.
    pub fn new(own: ApiIdentity, clock: Arc<dyn Clock>, strict: bool) -> Result<Self, PkiError> {
        let believed = Believed { trust: ArcSwap::default(), own: ArcSwapOption::empty(), clock, strict };
        let believed = Arc::new(believed);
        let (link, join) = (Showing(Arc::default()), Showing(Arc::default()));
        let inner = Inner {
            api_server: ArcSwap::from_pointee(server_config(own.identity())?),
            late_server: ArcSwap::from_pointee(server_config(own.identity())?),
            link_server: Arc::new(settings::link_server(&believed, link.clone())?),
            join_server: Arc::new(settings::join_server(join.clone())?),
            api_identity: own,
            believed,
            membership: ArcSwapOption::empty(),
            link,
            join,
            changing: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Shows another certificate from the next handshake on, and believes `trust`. Newer revocation lists that are known
    /// already are kept.
    ///
    /// # Errors
    /// Where key and certificate do not belong together; everything stays as it was.
    pub fn install(&self, membership: Membership, mut trust: Trust) -> Result<(), PkiError> {
        let _changing = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        trust.keep_lists_of(&self.trust());
        let prepared = self.prepare(&membership, &trust)?;
        self.inner.believed.trust.store(Arc::new(trust));
        self.inner.believed.own.store(Some(Arc::new(membership.own.id.clone())));
        self.show(prepared)?;
        self.inner.membership.store(Some(Arc::new(membership)));
        Ok(())
    }

    /// Believes other roots or lists from now on, and shows the intermediates in it. Newer revocation lists that are known
    /// already are kept.
    ///
    /// # Errors
    /// Where it is older than what is known, or cannot be used; everything stays as it was.
    pub fn set_trust(&self, mut trust: Trust) -> Result<(), PkiError> {
        let _changing = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.trust();
        if trust.sequence() < known.sequence() {
            return Err(PkiError::OldTrust { sequence: trust.sequence(), known: known.sequence() });
        }
        trust.keep_lists_of(&known);
        let prepared = match self.membership() {
            Some(membership) => Some(self.prepare(&membership, &trust)?),
            None => None,
        };
        self.inner.believed.trust.store(Arc::new(trust));
        prepared.map_or(Ok(()), |prepared| self.show(prepared))
    }

    fn prepare(&self, membership: &Membership, trust: &Trust) -> Result<Prepared, PkiError> {
        let mut chain = vec![CertificateDer::from(membership.certificate.clone())];
        let authority = trust.intermediates_of(&membership.own.issuer);
        chain.extend(authority.into_iter().map(|der| CertificateDer::from(der.to_vec())));
        let mut with_roots = chain.clone();
        with_roots.extend(trust.roots().iter().map(|der| CertificateDer::from(der.clone())));
        let link = certified(chain, membership.key.to_der())?;
        let api = match &self.inner.api_identity {
            ApiIdentity::SelfMade(_) => Arc::clone(&link),
            ApiIdentity::Configured(own) => certified(own.chain().to_vec(), own.key().clone_key())?,
        };
        Ok(Prepared { api, link, join: certified(with_roots, membership.key.to_der())? })
    }

    fn show(&self, prepared: Prepared) -> Result<(), PkiError> {
        let api = settings::api_server(&self.inner.believed, Guests::OwnUsers, Arc::clone(&prepared.api))?;
        let late = settings::api_server(&self.inner.believed, Guests::LateUsers, prepared.api)?;
        self.inner.link.0.store(Some(prepared.link));
        self.inner.join.0.store(Some(prepared.join));
        self.inner.api_server.store(Arc::new(api));
        self.inner.late_server.store(Arc::new(late));
        Ok(())
    }

    /// The own certificate, if there is one.
    #[must_use]
    pub fn membership(&self) -> Option<Arc<Membership>> {
        self.inner.membership.load_full()
    }

    /// Whom the agent believes.
    #[must_use]
    pub fn trust(&self) -> Arc<Trust> {
        self.inner.believed.trust.load_full()
    }

    /// Whether peers are refused whose authority's revocation list is out of date.
    #[must_use]
    pub fn strict(&self) -> bool {
        self.inner.believed.strict
    }

    /// The end of what is shown to clients of the API.
    #[must_use]
    pub fn api_certificate_ends(&self) -> Timestamp {
        match (&self.inner.api_identity, &*self.inner.membership.load()) {
            (ApiIdentity::SelfMade(_), Some(membership)) => membership.own.not_after,
            (own, _) => own.identity().not_after(),
        }
    }

    /// The fingerprint (SHA-256) of the certificate that is shown to clients of the API.
    #[must_use]
    pub fn api_fingerprint(&self) -> String {
        match (&self.inner.api_identity, &*self.inner.membership.load()) {
            (ApiIdentity::SelfMade(_), Some(membership)) => {
                Fingerprint::of(&CertificateDer::from(membership.certificate.as_slice())).to_string()
            }
            (own, _) => own.identity().fingerprint_sha256(),
        }
    }

    /// For the API's listener, now: the area's certificate where there is one (unless files are configured), client
    /// certificates of users of this agent asked for but not demanded, no resumption then.
    #[must_use]
    pub fn api_server(&self) -> Arc<ServerConfig> {
        self.inner.api_server.load_full()
    }

    /// The same, but that a certificate which has expired does not fail the handshake. Who serves by this must ask the
    /// certificate's end at every request.
    #[must_use]
    pub fn late_server(&self) -> Arc<ServerConfig> {
        self.inner.late_server.load_full()
    }

    /// What clients of the API are shown now, for doors that ask for other certificates than the API does.
    ///
    /// # Errors
    /// Where it cannot be used.
    pub(crate) fn shown(&self) -> Result<Arc<CertifiedKey>, PkiError> {
        match (&self.inner.api_identity, self.membership()) {
            (ApiIdentity::SelfMade(_), Some(membership)) => Ok(self.prepare(&membership, &self.trust())?.api),
            (own, _) => certified(own.identity().chain().to_vec(), own.identity().key().clone_key()),
        }
    }

    /// For links, now: TLS 1.3 alone, ALPN `mf2c/1`, a certificate of an agent demanded, no resumption; none without a
    /// membership.
    #[must_use]
    pub fn link_server(&self) -> Option<Arc<ServerConfig>> {
        self.membership().map(|_| Arc::clone(&self.inner.link_server))
    }

    /// For those who have no certificate yet: TLS 1.3, ALPN `mf2c-join/1`, none asked for; the root is shown too.
    #[must_use]
    pub fn join_server(&self) -> Option<Arc<ServerConfig>> {
        self.membership().map(|_| Arc::clone(&self.inner.join_server))
    }

    /// For a link to `peer` and nobody else; none without a membership. The name that is dialled does not count.
    #[must_use]
    pub fn link_client(&self, peer: &SpiffeId) -> Option<Arc<ClientConfig>> {
        self.membership()?;
        settings::link_client(&self.inner.believed, Host::Agent(peer.clone()), self.inner.link.clone())
            .ok()
            .map(Arc::new)
    }

    /// For a link to whoever is at an address, if it is an agent of the own area; none without a membership.
    #[must_use]
    pub fn area_client(&self) -> Option<Arc<ClientConfig>> {
        let own = self.membership()?.own.id.clone();
        settings::link_client(&self.inner.believed, Host::OfAreaOf(own), self.inner.link.clone()).ok().map(Arc::new)
    }
}
