//! TLS settings of an area: who listens and who dials with which protocol, certificates and checks.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, DistinguishedName, ServerConfig, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Trust;
use super::verify::{Believed, ClientVerifier, Guests, Host, Recorder, ServerVerifier};
use crate::{PkiError, provider};

/// The protocol of a link between two agents that have certificates.
pub const LINK_ALPN: &[u8] = b"mf2c/1";
/// The protocol of somebody who has no certificate yet.
pub const JOIN_ALPN: &[u8] = b"mf2c-join/1";

/// What is shown at this moment, looked up in each handshake.
#[derive(Debug, Clone)]
pub(super) struct Showing(pub(super) Arc<ArcSwapOption<CertifiedKey>>);

impl ResolvesServerCert for Showing {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

impl ResolvesClientCert for Showing {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }

    fn has_certs(&self) -> bool {
        self.0.load().is_some()
    }
}

fn unusable(source: rustls::Error) -> PkiError {
    PkiError::Unusable { source }
}

/// A resumed session would walk past revocation: the certificate is not looked at again.
fn forget_sessions(config: &mut ServerConfig) {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
}

/// For links.
pub(super) fn link_server(believed: &Arc<Believed>, showing: Showing) -> Result<ServerConfig, PkiError> {
    let verifier = ClientVerifier::new(Arc::clone(believed), Guests::Agents, Vec::new());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(showing));
    config.alpn_protocols = vec![LINK_ALPN.to_vec()];
    forget_sessions(&mut config);
    Ok(config)
}

/// For those without a certificate.
pub(super) fn join_server(showing: Showing) -> Result<ServerConfig, PkiError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(showing));
    config.alpn_protocols = vec![JOIN_ALPN.to_vec()];
    forget_sessions(&mut config);
    Ok(config)
}

/// For a link to somebody.
pub(super) fn link_client(believed: &Arc<Believed>, host: Host, showing: Showing) -> Result<ClientConfig, PkiError> {
    let verifier = ServerVerifier::new(Arc::clone(believed), host);
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(showing));
    config.alpn_protocols = vec![LINK_ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// For the API with certificates of its users: TLS 1.2 too, because every client must get in.
pub(super) fn api_server(
    believed: &Arc<Believed>,
    guests: Guests,
    shown: Arc<CertifiedKey>,
) -> Result<ServerConfig, PkiError> {
    let verifier = ClientVerifier::new(Arc::clone(believed), guests, hints(&believed.trust.load()));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(Showing(Arc::new(ArcSwapOption::new(Some(shown))))));
    config.alpn_protocols = crate::API_ALPN.iter().map(|protocol| protocol.to_vec()).collect();
    forget_sessions(&mut config);
    Ok(config)
}

/// The names of roots and of the area's authority, by which browsers choose a certificate.
fn hints(trust: &Trust) -> Vec<DistinguishedName> {
    let mut hints: Vec<DistinguishedName> = Vec::new();
    for der in trust.roots().iter().chain(trust.intermediates()) {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { continue };
        let name = DistinguishedName::from(certificate.subject().as_raw().to_vec());
        if !hints.iter().any(|known| known.as_ref() == name.as_ref()) {
            hints.push(name);
        }
    }
    hints
}

/// For somebody who joins: whatever the server shows is taken down and not believed. [`Trust::check`] it, with roots
/// whose hash is known, before anything secret is sent.
///
/// # Errors
/// Where the cryptography cannot be set up.
pub fn join_client() -> Result<(Arc<ClientConfig>, Arc<Recorder>), PkiError> {
    let recorder = Arc::new(Recorder::new());
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as _)
        .with_no_client_auth();
    config.alpn_protocols = vec![JOIN_ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok((Arc::new(config), recorder))
}

/// A chain with its key, for the TLS library.
pub(super) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, PkiError> {
    CertifiedKey::from_der(chain, key, &provider()).map(Arc::new).map_err(unusable)
}
