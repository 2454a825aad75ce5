//! The other end of TLS: whom a client of an agent believes, and what it remembers of the certificate it was shown.
//!
//! An agent without an area shows a certificate that it made itself. No authority vouches for it, so a person compares
//! its fingerprint once and the client holds on to that.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use mf2c_domain::time::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DistinguishedName, Error, RootCertStore, SupportedCipherSuite};

use crate::files::read_chain;
use crate::identity::validity;
use crate::signatures::signatures_by;
use crate::{PkiError, ServerIdentity, provider};

/// The SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        // The digest of the provider is only reachable through a cipher suite; this one is defined with SHA-256.
        if let SupportedCipherSuite::Tls13(suite) = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256 {
            let digest = suite.common.hash_provider.hash(certificate);
            for (byte, digit) in bytes.iter_mut().zip(digest.as_ref()) {
                *byte = *digit;
            }
        }
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits, in capitals or not, with or without colons, as browsers, `openssl` and agents show
    /// them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.trim().bytes().filter(|byte| *byte != b':').collect();
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |digit: &u8| char::from(*digit).to_digit(16);
            *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
        }
        Some(Self(bytes))
    }
}

/// Upper-case hexadecimal with colons.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char(':')?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Whom a client believes.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Whoever the authorities known to this machine vouch for.
    System,
    /// Whoever the certificates in this PEM file vouch for, or who shows one of them.
    File(PathBuf),
    /// Who shows this one certificate, whatever names and dates stand in it.
    Pinned(Fingerprint),
    /// Everybody. Nothing then tells an agent from somebody in between.
    Anybody,
}

/// What a server has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Of its own certificate.
    pub fingerprint: Fingerprint,
    /// The end of that certificate's validity, where it can be read.
    pub not_after: Option<Timestamp>,
    /// The beginning of it.
    pub not_before: Option<Timestamp>,
    /// Why it was not believed, if so.
    pub refused: Option<String>,
}

/// The last certificate that a server has shown to a client, shared with that client's TLS.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Option<Shown>>>);

impl Memory {
    /// What was shown last; none if no server got that far.
    #[must_use]
    pub fn shown(&self) -> Option<Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, shown: Shown) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }
}

/// TLS 1.2 and 1.3 for a client, which shows a certificate of its own to servers that ask for one, if it has one. What
/// servers show is kept in `memory`.
///
/// # Errors
/// Where the file of [`Trust::File`] cannot be read or holds no certificate.
pub fn client_config(trust: &Trust, memory: &Memory, own: Option<&ServerIdentity>) -> Result<ClientConfig, PkiError> {
    let unusable = |source| PkiError::Unusable { source };
    let provider = provider();
    let rule = match trust {
        Trust::System => {
            let mut roots = RootCertStore::empty();
            // A machine without authorities, or with some that cannot be read, believes in the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Rule::Authorities(verifier(roots, &provider)?)
        }
        Trust::File(path) => {
            let chain = read_chain(path)?;
            let mut roots = RootCertStore::empty();
            for certificate in &chain {
                roots.add(certificate.clone()).map_err(|source| PkiError::Unusable { source })?;
            }
            Rule::File { shown: chain.iter().map(Fingerprint::of).collect(), authorities: verifier(roots, &provider)? }
        }
        Trust::Pinned(fingerprint) => Rule::Pinned(*fingerprint),
        Trust::Anybody => Rule::Anybody,
    };
    let judge = Judge { rule, memory: memory.clone(), provider: provider.clone() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge));
    match own {
        None => Ok(config.with_no_client_auth()),
        Some(own) => config.with_client_auth_cert(own.chain().to_vec(), own.key().clone_key()).map_err(unusable),
    }
}

/// A verifier by authorities; none where there are no authorities.
fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>, PkiError> {
    if roots.is_empty() {
        return Ok(None);
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    built.map(Some).map_err(|error| PkiError::Unusable { source: Error::General(error.to_string()) })
}

#[derive(Debug)]
enum Rule {
    Authorities(Option<Arc<WebPkiServerVerifier>>),
    File { shown: Vec<Fingerprint>, authorities: Option<Arc<WebPkiServerVerifier>> },
    Pinned(Fingerprint),
    Anybody,
}

/// Decides by the rule and remembers what it saw.
#[derive(Debug)]
struct Judge {
    rule: Rule,
    memory: Memory,
    provider: Arc<CryptoProvider>,
}

impl Judge {
    fn judge(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by = |authorities: &Option<Arc<WebPkiServerVerifier>>| match authorities {
            Some(authorities) => authorities.verify_server_cert(own, chain, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let fingerprint = Fingerprint::of(own);
        match &self.rule {
            Rule::Authorities(authorities) => by(authorities),
            Rule::File { shown, .. } if shown.contains(&fingerprint) => Ok(ServerCertVerified::assertion()),
            Rule::File { authorities, .. } => by(authorities),
            Rule::Pinned(pinned) if *pinned != fingerprint => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            Rule::Pinned(_) | Rule::Anybody => Ok(ServerCertVerified::assertion()),
        }
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.judge(own, chain, name, ocsp, now);
        let refused = verdict.as_ref().err().map(ToString::to_string);
        let (not_before, not_after) = validity(own).unzip();
        self.memory.keep(Shown { fingerprint: Fingerprint::of(own), not_after, not_before, refused });
        verdict
    }

    signatures_by!(|it| &it.provider.signature_verification_algorithms);

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use rustls::{ClientConnection, ServerConnection, StreamOwned};

    use super::*;
    use crate::{load_or_create, server_config};

    /// One connection to a server with a fresh certificate, whose fingerprint and file `trust` is made of.
    fn connect(trust: impl FnOnce(Fingerprint, PathBuf) -> Trust) -> (Result<(), String>, Option<Shown>, Fingerprint) {
        let data = tempfile::tempdir().unwrap();
        let now = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
        let (identity, _) = load_or_create(data.path(), &[], now).unwrap();
        let fingerprint = Fingerprint::parse(&identity.fingerprint_sha256()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(server_config(&identity).unwrap());
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
            let _ = stream.write_all(b"hello").and_then(|()| stream.flush());
        });
        let memory = Memory::default();
        let config = client_config(&trust(fingerprint, data.path().join("tls/server.pem")), &memory, None).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(client, TcpStream::connect(address).unwrap());
        let mut greeting = [0; 5];
        let outcome = stream.read_exact(&mut greeting).map_err(|error| error.to_string());
        drop(stream);
        server.join().unwrap();
        (outcome, memory.shown(), fingerprint)
    }

    #[test]
    fn a_certificate_nobody_vouches_for_is_refused_and_its_fingerprint_remembered() {
        let (outcome, shown, fingerprint) = connect(|_, _| Trust::System);
        let shown = shown.unwrap();
        assert!(outcome.is_err() && shown.refused.is_some(), "{outcome:?}");
        assert_eq!(shown.fingerprint, fingerprint);
        assert!(shown.not_after.is_some());
    }

    #[test]
    fn the_pinned_certificate_is_believed_and_another_is_not() {
        let (outcome, shown, _) = connect(|fingerprint, _| Trust::Pinned(fingerprint));
        assert_eq!((outcome, shown.unwrap().refused), (Ok(()), None));
        let (outcome, ..) = connect(|_, _| Trust::Pinned(Fingerprint([7; 32])));
        assert!(outcome.is_err());
    }

    #[test]
    fn the_file_of_a_certificate_vouches_for_it() {
        assert_eq!(connect(|_, file| Trust::File(file)).0, Ok(()));
        assert_eq!(connect(|_, _| Trust::Anybody).0, Ok(()));
        let missing = client_config(&Trust::File("/nowhere/ca.pem".into()), &Memory::default(), None);
        assert!(matches!(missing, Err(PkiError::Read { .. })));
    }

    #[test]
    fn a_fingerprint_is_read_as_browsers_and_openssl_write_it() {
        let fingerprint = Fingerprint([0xAB; 32]);
        let plain = "ab".repeat(32);
        assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        assert_eq!(Fingerprint::parse(&plain), Some(fingerprint));
        for bad in ["", "AB:CD", &plain[1..], &format!("{plain}ab"), &plain.replace('a', "g")] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}
