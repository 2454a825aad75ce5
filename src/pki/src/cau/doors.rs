//! TLS at the doors of the original: a client that believes certain authorities and nobody else, and a server that demands
//! certificates of certain authorities.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use mf2c_domain::time::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

use super::{CauError, DeviceCertificate, DeviceKey};
use crate::area::{Credentials, PeerIdentity, Serial, Trust, TrustError, certificate_pem};
use crate::provider;
use crate::signatures::signatures_by;

/// Who vouches for others.
#[derive(Clone, Default)]
pub struct Anchors {
    certificates: Vec<CertificateDer<'static>>,
    area: Option<Arc<Trust>>,
}

impl Anchors {
    /// The certificates in a PEM file: authorities, or single servers.
    ///
    /// # Errors
    /// [`CauError::File`] where it cannot be read or holds none.
    pub fn from_file(path: &Path) -> Result<Self, CauError> {
        Ok(Self { certificates: crate::files::read_chain(path)?, area: None })
    }

    /// These certificates, in DER.
    #[must_use]
    pub fn of(certificates: Vec<Vec<u8>>) -> Self {
        Self { certificates: certificates.into_iter().map(Into::into).collect(), area: None }
    }

    /// These, and whoever an area's roots vouch for, unless revoked.
    #[must_use]
    pub fn and_area(mut self, area: Arc<Trust>) -> Self {
        self.area = Some(area);
        self
    }

    /// These, and others.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.certificates.extend(other.certificates);
        self.area = self.area.or(other.area);
        self
    }

    fn store(&self, with_area: bool) -> RootCertStore {
        let mut store = RootCertStore::empty();
        let area = self.area.iter().filter(|_| with_area).flat_map(|area| area.roots()).cloned().map(Into::into);
        store.add_parsable_certificates(self.certificates.iter().cloned().chain(area));
        store
    }

    /// The certificate among them, in PEM, that has signed this one.
    #[must_use]
    pub fn issuer_of(&self, leaf: &DeviceCertificate) -> Option<String> {
        self.certificates
            .iter()
            .find(|authority| has_signed(authority, leaf))
            .map(|authority| certificate_pem(authority))
    }
}

/// Whether an authority has signed a certificate that holds in the middle of its life: the present does not matter here.
pub(super) fn has_signed(authority: &CertificateDer<'_>, leaf: &DeviceCertificate) -> bool {
    let mut store = RootCertStore::empty();
    if store.add(authority.clone().into_owned()).is_err() {
        return false;
    }
    let (from, until) = leaf.validity();
    let middle = Timestamp::from_nanos(from.nanos().midpoint(until.nanos()));
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider()).build();
    verifier.is_ok_and(|verifier| verifier.verify_client_cert(leaf.der(), &[], unix(middle)).is_ok())
}

fn unix(moment: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_millis(moment.millis()))
}

/// The first certificate of a PEM text, in PEM, if it has signed `leaf`.
#[must_use]
pub fn authority_in(text: &str, leaf: &DeviceCertificate) -> Option<String> {
    let authority = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
    has_signed(&authority, leaf).then(|| certificate_pem(&authority))
}

/// TLS 1.2 and 1.3 for a client that believes `anchors`, names and dates included, and shows `own` where it is asked to.
///
/// # Errors
/// [`CauError`] where nobody would be believed, or key and certificate do not belong together.
pub fn client_config(
    anchors: &Anchors,
    own: Option<(&DeviceKey, &DeviceCertificate)>,
) -> Result<ClientConfig, CauError> {
    let failed = |error: Error| CauError::Tls(error.to_string());
    let provider = provider();
    let store = anchors.store(true);
    if store.is_empty() {
        return Err(CauError::NoAnchors);
    }
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider)).build();
    let authorities = authorities.map_err(|error| CauError::Tls(error.to_string()))?;
    let verifier = Arc::new(ServerCheck { anchors: anchors.clone(), authorities });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some((key, leaf)) => config.with_client_auth_cert(vec![leaf.der().clone()], key.der()).map_err(failed)?,
    };
    // A session that is resumed shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Whether a member of an area may be a CAU: CAUs are where authorities are, at agents that lead. Every agent has a
/// certificate for `localhost` and for its address.
fn leads(area: &Trust, own: &CertificateDer<'_>, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
    let whole: Vec<_> = std::iter::once(own).chain(chain).map(|der| CertificateDer::from(der.as_ref())).collect();
    let moment = Timestamp::from_nanos(i128::from(now.as_secs()) * 1_000_000_000);
    let peer = area.check(&whole, true, false, moment).map_err(|error| match error {
        TrustError::Revoked(_) => CertificateError::Revoked.into(),
        other => Error::General(other.to_string()),
    })?;
    if peer.unit == "leader" {
        Ok(())
    } else {
        Err(Error::General(format!("{} does not lead an area, so it is no CAU", peer.id)))
    }
}

struct ServerCheck {
    anchors: Anchors,
    authorities: Arc<WebPkiServerVerifier>,
}

impl fmt::Debug for ServerCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerCheck")
    }
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // Somebody put this very certificate into the file.
        if self.anchors.certificates.iter().any(|known| known == own) {
            return Ok(ServerCertVerified::assertion());
        }
        let verified = self.authorities.verify_server_cert(own, chain, name, ocsp, now)?;
        match &self.anchors.area {
            Some(area) if PeerIdentity::of(own).is_ok() => leads(area, own, chain, now).map(|()| verified),
            _ => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, own, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, own, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// TLS 1.2 and 1.3 for the regional CAU: it shows what the API shows now, and asks for no certificate.
///
/// # Errors
/// [`CauError`] where what is shown cannot be used.
pub fn regional_config(credentials: &Credentials) -> Result<ServerConfig, CauError> {
    Ok(ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| CauError::Tls(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(credentials.shown()?))))
}

/// Whether a certificate with this serial number is revoked, by the documents of this agent.
pub type Revoked = Arc<dyn Fn(&Serial) -> bool + Send + Sync>;

/// TLS 1.2 and 1.3 for the leader's CAU: a certificate is demanded, of an authority in `anchors` or of an agent of the
/// area, that holds and is not revoked. Nothing is resumed: a session that is shows no certificate.
///
/// # Errors
/// [`CauError`] where nobody could be admitted, or the identity is not usable.
pub fn leader_config(credentials: &Credentials, anchors: &Anchors, revoked: Revoked) -> Result<ServerConfig, CauError> {
    let failed = |error: Error| CauError::Tls(error.to_string());
    let provider = provider();
    let store = anchors.store(false);
    let authorities = if store.is_empty() {
        None
    } else {
        let built = WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider)).build();
        Some(built.map_err(|error| CauError::Tls(error.to_string()))?)
    };
    if authorities.is_none() && anchors.area.is_none() {
        return Err(CauError::NoAnchors);
    }
    let mut hints: Vec<DistinguishedName> =
        authorities.iter().flat_map(|authorities| authorities.root_hint_subjects()).cloned().collect();
    hints.extend(anchors.area.iter().flat_map(|area| subjects(area.intermediates().iter().chain(area.roots()))));
    let verifier = ClientCheck {
        area: anchors.area.clone(),
        authorities,
        revoked,
        strict: credentials.strict(),
        hints,
        provider: Arc::clone(&provider),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(credentials.shown()?)));
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The subjects of certificates: clients choose by them what to show.
fn subjects<'a>(certificates: impl Iterator<Item = &'a Vec<u8>>) -> Vec<DistinguishedName> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates.cloned().map(CertificateDer::from));
    store.subjects()
}

struct ClientCheck {
    area: Option<Arc<Trust>>,
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    revoked: Revoked,
    strict: bool,
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for ClientCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCheck")
    }
}

impl ClientCheck {
    /// A member of the area, which is an agent and no user; or a device that an authority of the original has certified.
    fn judge(&self, own: &CertificateDer<'_>, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        let moment = Timestamp::from_nanos(i128::from(now.as_secs()) * 1_000_000_000);
        if let Some(area) = self.area.as_ref().filter(|_| PeerIdentity::of(own).is_ok()) {
            let mut whole = vec![own.clone().into_owned()];
            whole.extend(chain.iter().map(|certificate| certificate.clone().into_owned()));
            let peer = area.check(&whole, false, self.strict, moment);
            let peer = peer.map_err(|error| Error::General(error.to_string()))?;
            return match peer.unit.as_str() {
                "agent" | "leader" => Ok(()),
                other => Err(Error::General(format!("the certificate is one of a {other}, not of an agent"))),
            };
        }
        match &self.authorities {
            Some(authorities) => authorities.verify_client_cert(own, chain, now).map(|_| ()),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}

impl ClientCertVerifier for ClientCheck {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(own, chain, now)?;
        let serial = super::device::serial(own).ok_or(CertificateError::BadEncoding)?;
        if (self.revoked)(&serial) {
            Err(CertificateError::Revoked.into())
        } else {
            Ok(ClientCertVerified::assertion())
        }
    }

    signatures_by!(|it| &it.provider.signature_verification_algorithms);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::{AgentKey, Authority, Profile, Request};

    struct Nines;
    impl mf2c_domain::entropy::Entropy for Nines {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(9);
        }
    }

    #[test]
    fn of_the_members_of_an_area_its_leader_alone_is_believed_to_be_a_cau() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let root = Authority::new_root("fog.example", now, &Nines).unwrap();
        let id = "spiffe://fog.example/area/a1".parse().unwrap();
        let mut area = Authority::new_area(&id).unwrap();
        let request = Request::from_der(&area.request().unwrap()).unwrap();
        let certified = root.certify_area(&request, &id, &[], Serial::from_bytes(&[1]), now).unwrap();
        area.set_certificates(vec![certified.der.clone()]).unwrap();
        let trust = Trust::new(1, root.certificates().to_vec(), vec![certified.der.clone()], vec![], now).unwrap().0;
        let anchors = Anchors::default().and_area(Arc::new(trust));
        let store = Arc::new(anchors.store(true));
        let authorities = WebPkiServerVerifier::builder_with_provider(store, provider()).build().unwrap();
        let check = ServerCheck { anchors, authorities };
        let name = ServerName::try_from("localhost").unwrap();
        let shown = |unit, id: &str| {
            let request = AgentKey::generate().unwrap().request(None, "").unwrap();
            let life = std::time::Duration::from_secs(60);
            let profile = Profile { id: id.parse().unwrap(), unit, names: vec![], server: true, life };
            let request = Request::from_der(&request).unwrap();
            let leaf = area.issue(&request, &profile, Serial::from_bytes(&[2]), now).unwrap();
            let chain = [certified.der.clone().into()];
            check.verify_server_cert(&leaf.der.into(), &chain, &name, &[], unix(now)).map(drop)
        };
        assert!(shown("leader", "spiffe://fog.example/area/a1/agent/l1").is_ok());
        let refused = shown("agent", "spiffe://fog.example/area/a1/agent/d1").unwrap_err();
        assert!(refused.to_string().contains("does not lead"), "{refused}");
    }
}
