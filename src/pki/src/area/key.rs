//! The key of an agent: made on the machine that uses it.

use std::fmt;

use mf2c_domain::area::spiffe::SpiffeId;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType,
    SigningKey as _,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use webpki::aws_lc_rs::ECDSA_P256_SHA256;

use super::der::PublicKey;
use super::peer::sha256;
use super::{AreaError, PeerError, PeerIdentity};

/// What is signed with an expired certificate's key, before the request.
const RENEWAL: &[u8] = b"mf2c renew after expiry 1\0";

/// An ECDSA P-256 key pair.
pub struct AgentKey {
    pair: KeyPair,
}

/// Shows the hash of the public key, never the private one.
impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentKey").field("hash", &super::peer::hex(&self.hash())).finish_non_exhaustive()
    }
}

impl AgentKey {
    /// A new pair.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn generate() -> Result<Self, AreaError> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(|pair| Self { pair }).map_err(AreaError::sign)
    }

    /// From PEM (`PRIVATE KEY`).
    ///
    /// # Errors
    /// Where it is none, or of another kind.
    pub fn from_pem(pem: &str) -> Result<Self, AreaError> {
        let wrong = |reason: &str| AreaError::Unreadable(format!("no private key of an agent: {reason}"));
        let pair = read_pair(pem).map_err(|reason| wrong(&reason))?;
        let right = pair.algorithm() == &PKCS_ECDSA_P256_SHA256;
        right.then_some(Self { pair }).ok_or_else(|| wrong("expected ECDSA with the curve P-256"))
    }

    /// PKCS#8 in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// PKCS#8 for the TLS library.
    pub(super) fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pair.serialize_der()).into()
    }

    /// A PKCS#10 request in DER, which asks for nothing but the certification of this key. `id` and `common_name` are
    /// informational: the authority fills in names itself.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn request(&self, id: Option<&SpiffeId>, common_name: &str) -> Result<Vec<u8>, AreaError> {
        request(&self.pair, id, common_name)
    }

    /// SHA-256 of the public key's `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(&self.pair.subject_public_key_info())
    }

    /// A signature (ECDSA P-256, SHA-256, ASN.1).
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, AreaError> {
        self.pair.sign(message).map_err(AreaError::sign)
    }

    /// The signature that proves, after this key's certificate has expired, that who sends `request` has this key.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn prove(&self, request: &[u8]) -> Result<Vec<u8>, AreaError> {
        self.sign(&[RENEWAL, request].concat())
    }
}

/// Whom an expired certificate named, if the key of it has signed `request` as [`AgentKey::prove`] does. Whether the
/// certificate was ever to be believed is asked of [`super::Trust::check_expired`].
///
/// # Errors
/// [`PeerError`].
pub fn verify_proof(certificate: &[u8], signature: &[u8], request: &[u8]) -> Result<PeerIdentity, PeerError> {
    let (peer, info) = PeerIdentity::read(certificate)?;
    let key = PublicKey::read(&info).ok_or(PeerError::Unreadable)?;
    if key.algorithm != ECDSA_P256_SHA256.public_key_alg_id().as_ref() {
        return Err(PeerError::Proof);
    }
    let message = [RENEWAL, request].concat();
    ECDSA_P256_SHA256.verify_signature(key.bits, &message, signature).map_err(|_| PeerError::Proof)?;
    Ok(peer)
}

/// The first private key in PEM.
pub(super) fn read_pair(pem: &str) -> Result<KeyPair, String> {
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?;
    KeyPair::try_from(&der).map_err(|error| error.to_string())
}

/// The first 64 characters: a common name has no more (RFC 5280, appendix A).
pub(super) fn short(name: &str) -> String {
    name.chars().take(64).collect()
}

/// A request for a certificate of `pair`'s public key.
pub(super) fn request(pair: &KeyPair, id: Option<&SpiffeId>, common_name: &str) -> Result<Vec<u8>, AreaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, short(common_name));
    if let Some(id) = id {
        params.subject_alt_names = vec![SanType::URI(id.to_string().try_into().map_err(AreaError::sign)?)];
    }
    params.serialize_request(pair).map(|request| request.der().to_vec()).map_err(AreaError::sign)
}
