//! The verifiers that the TLS library calls: they ask [`Trust`] as it is at that moment.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::time::Clock;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DistinguishedName, Error, OtherError};

use super::{PeerIdentity, Trust, TrustError};
use crate::provider;
use crate::signatures::signatures_by;

/// Whom the agent believes, and who it is itself.
pub(super) struct Believed {
    pub(super) trust: ArcSwap<Trust>,
    pub(super) own: ArcSwapOption<SpiffeId>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) strict: bool,
}

impl Believed {
    fn check(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        as_server: bool,
    ) -> Result<PeerIdentity, TrustError> {
        let chain: Vec<_> = std::iter::once(own).chain(others).map(|der| CertificateDer::from(der.as_ref())).collect();
        self.trust.load().check(&chain, as_server, self.strict, self.clock.now())
    }

    /// All but the end of a certificate.
    fn check_late(&self, own: &CertificateDer<'_>) -> Result<PeerIdentity, TrustError> {
        self.trust.load().check_expired(own, self.strict, self.clock.now())
    }
}

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guests {
    /// Agents, on links.
    Agents,
    /// Users of this very agent, or somebody without a certificate, on the API.
    OwnUsers,
    /// The same, and those whose certificate has expired: by doors that tell them so in their own words.
    LateUsers,
}

/// Checks those who connect.
pub(super) struct ClientVerifier {
    believed: Arc<Believed>,
    guests: Guests,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    /// `hints` are the names of authorities from which a client chooses a certificate.
    pub(super) fn new(believed: Arc<Believed>, guests: Guests, hints: Vec<DistinguishedName>) -> Self {
        Self { believed, guests, hints, algorithms: provider().signature_verification_algorithms }
    }

    fn admit(&self, peer: &PeerIdentity) -> Result<(), TrustError> {
        let own = self.believed.own.load();
        let good = match (&peer.id.subject, self.guests) {
            (Subject::Agent { .. }, Guests::Agents) => true,
            (Subject::User { .. }, Guests::OwnUsers | Guests::LateUsers) => own.as_ref().is_some_and(|own| {
                own.trust_domain == peer.id.trust_domain
                    && own.area() == peer.id.area()
                    && own.device() == peer.id.device()
            }),
            _ => false,
        };
        let expected = match self.guests {
            Guests::Agents => "an agent",
            Guests::OwnUsers | Guests::LateUsers => "a user of this agent",
        };
        if good { Ok(()) } else { Err(TrustError::Use(format!("it names {}, expected {expected}", peer.id))) }
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier").field("guests", &self.guests).finish_non_exhaustive()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.guests == Guests::Agents
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let peer = match self.believed.check(own, others, false) {
            Err(TrustError::Expired(_)) if self.guests == Guests::LateUsers => self.believed.check_late(own),
            checked => checked,
        };
        let peer = peer.map_err(refusal)?;
        self.admit(&peer).map_err(refusal)?;
        Ok(ClientCertVerified::assertion())
    }

    signatures_by!(|it| &it.algorithms);
}

/// To whom a link is made.
#[derive(Debug, Clone)]
pub(super) enum Host {
    /// This agent and no other.
    Agent(SpiffeId),
    /// Any other agent of the area to which this one belongs.
    OfAreaOf(SpiffeId),
}

impl Host {
    fn admits(&self, peer: &SpiffeId) -> Result<(), TrustError> {
        match self {
            Self::Agent(id) if peer == id => Ok(()),
            Self::OfAreaOf(own)
                if peer != own
                    && matches!(peer.subject, Subject::Agent { .. })
                    && peer.trust_domain == own.trust_domain
                    && peer.area() == own.area() =>
            {
                Ok(())
            }
            Self::Agent(id) => Err(TrustError::Use(format!("it names {peer}, expected {id}"))),
            Self::OfAreaOf(own) => {
                let area = own.area().unwrap_or_default();
                Err(TrustError::Use(format!("it names {peer}, expected another agent of the area `{area}`")))
            }
        }
    }
}

/// Checks the agent to whom a link is made. Host names do not count, the SPIFFE ID does.
pub(super) struct ServerVerifier {
    believed: Arc<Believed>,
    host: Host,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerVerifier {
    pub(super) fn new(believed: Arc<Believed>, host: Host) -> Self {
        Self { believed, host, algorithms: provider().signature_verification_algorithms }
    }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerVerifier").field("host", &self.host).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let peer = self.believed.check(own, others, true).map_err(refusal)?;
        self.host.admits(&peer.id).map_err(refusal)?;
        Ok(ServerCertVerified::assertion())
    }

    signatures_by!(|it| &it.algorithms);
}

/// Takes down the chain that a server shows, having looked only that the server has the key of it. Who it is must be
/// asked of [`Trust::check`] before anything secret is sent.
pub struct Recorder {
    chain: Mutex<Vec<CertificateDer<'static>>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self { chain: Mutex::default(), algorithms: provider().signature_verification_algorithms }
    }

    /// What was shown, own certificate first; empty before the handshake.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(own).chain(others).map(|der| der.clone().into_owned()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(ServerCertVerified::assertion())
    }

    signatures_by!(|it| &it.algorithms);
}

/// The refusal in the words of TLS, so that the peer gets the alert that fits.
fn refusal(error: TrustError) -> Error {
    Error::InvalidCertificate(match error {
        TrustError::UnknownAuthority => CertificateError::UnknownIssuer,
        TrustError::Expired(_) => CertificateError::Expired,
        TrustError::NotYetValid(_) => CertificateError::NotValidYet,
        TrustError::Revoked(_) => CertificateError::Revoked,
        TrustError::ForeignName(_) | TrustError::Use(_) | TrustError::StaleList(_) | TrustError::Broken(_) => {
            CertificateError::Other(OtherError(Arc::new(error)))
        }
    })
}
