//! TLS of Flocker's control service: whoever shows no certificate of an API user gets no further than the handshake.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mf2c_domain::time::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerifier as _};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError as ClientBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{CONTROL, Revocations, Told, USER};
use crate::area::Serial;
use crate::distinguished::common_names;
use crate::files::{load, read_chain};
use crate::{PkiError, provider};

/// The file of the cluster's own certificate.
pub const CLUSTER_FILE: &str = "cluster.crt";
/// The files of the control service's certificate and key.
pub const CONTROL_FILES: [&str; 2] = ["control-service.crt", "control-service.key"];

/// Why the control service cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// A file is missing, open to others, or holds something else.
    #[error(transparent)]
    File(#[from] PkiError),
    /// The cluster's certificate cannot be used to judge others.
    #[error(
        "`{path}` is not the certificate of a usable authority ({reason}): certificates of the original flocker-ca have \
         X.509 version 1, which is not enough; make a cluster with `mf2c flocker-ca initialize`"
    )]
    Cluster {
        /// The file.
        path: PathBuf,
        /// What the library said.
        reason: String,
    },
    /// The list of what was revoked cannot be used.
    #[error(
        "`{path}` is no revocation list of this cluster ({reason}): make one with `mf2c flocker-ca revoke`, or remove it"
    )]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Clients would refuse the control service.
    #[error(
        "`{path}` is no certificate for the control service of this cluster ({reason}): make one with `mf2c flocker-ca \
         create-control-certificate HOST`"
    )]
    Control {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// TLS for the control service with the files of a directory: `cluster.crt`, `control-service.crt` and
/// `control-service.key`, which only its owner may use. What `cluster.crl` lists is refused; it is read again when it changes,
/// and `told` hears of it.
///
/// Sessions are never resumed: every connection shows its certificate anew.
///
/// # Errors
/// [`DoorError`].
pub fn server_config(
    directory: &Path,
    now: Timestamp,
    told: Told,
) -> Result<(ServerConfig, Arc<Revocations>), DoorError> {
    let cluster = directory.join(CLUSTER_FILE);
    let refused = |reason: String| DoorError::Cluster { path: cluster.clone(), reason };
    let mut roots = RootCertStore::empty();
    let authorities = read_chain(&cluster)?;
    let revocations = Revocations::open(directory, &authorities, told);
    let revocations = Arc::new(revocations.map_err(|(path, reason)| DoorError::List { path, reason })?);
    for certificate in authorities {
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    let roots = Arc::new(roots);
    let [certificate, key] = CONTROL_FILES.map(|file| directory.join(file));
    let identity = load(&certificate, &key)?;
    check_control(&roots, identity.chain(), now)
        .map_err(|reason| DoorError::Control { path: certificate.clone(), reason })?;
    let inner = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
    let inner = inner.map_err(|error: ClientBuilderError| refused(error.to_string()))?;
    let unusable = |source| DoorError::File(PkiError::Unusable { source });
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(UsersOnly { inner, revocations: Arc::clone(&revocations) }))
        .with_single_cert(identity.chain().to_vec(), identity.key().clone_key())
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok((config, revocations))
}

/// Whether the cluster's clients will believe the control service, which they look for under one fixed name.
fn check_control(roots: &Arc<RootCertStore>, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<(), String> {
    let (own, others) = chain.split_first().ok_or("it is empty")?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider()).build();
    let verifier = verifier.map_err(|error: VerifierBuilderError| error.to_string())?;
    let name = ServerName::try_from(CONTROL).map_err(|error| error.to_string())?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_millis(now.millis()));
    verifier.verify_server_cert(own, others, &name, &[], now).map(drop).map_err(|error| error.to_string())
}

/// Lets in who shows a certificate of the cluster whose common name begins with `user-`.
#[derive(Debug)]
struct UsersOnly {
    inner: Arc<dyn ClientCertVerifier>,
    revocations: Arc<Revocations>,
}

impl ClientCertVerifier for UsersOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(own, others, now)?;
        // Answered with the alert `access_denied`: the certificate is good, its owner is somebody else.
        let user = user_of(own).ok_or(CertificateError::ApplicationVerificationFailure)?;
        if self.revocations.is_revoked(&user.serial) { Err(CertificateError::Revoked.into()) } else { Ok(verified) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// An API user, as a certificate names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterUser {
    /// The name, without what all have before it.
    pub name: String,
    /// The serial number of the certificate.
    pub serial: Serial,
    /// Until when the certificate holds.
    pub not_after: Timestamp,
}

/// The API user whom a certificate in DER names; none where it has not one common name, or that is not one of such a user.
#[must_use]
pub fn user_of(certificate: &[u8]) -> Option<ClusterUser> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = common_names(parsed.subject())?;
    let [name] = names[..] else { return None };
    let not_after = parsed.validity().not_after.timestamp().saturating_mul(1000);
    Some(ClusterUser {
        name: name.strip_prefix(USER)?.to_owned(),
        serial: Serial::from_bytes(parsed.raw_serial()),
        not_after: Timestamp::from_millis(not_after),
    })
}
