//! Certificate requests (PKCS#10, RFC 2986): read, checked, and reduced to what counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData};
use rustls::pki_types::SignatureVerificationAlgorithm;
use rustls::pki_types::{CertificateSigningRequestDer, pem::PemObject as _};
use thiserror::Error;
use webpki::aws_lc_rs::{ECDSA_P256_SHA256, ECDSA_P384_SHA384, ED25519, RSA_PKCS1_2048_8192_SHA256};
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};

use super::der::{self, PublicKey, Signed};
use super::peer::sha256;
use super::pem;
use super::subject;

/// The largest request, in bytes.
pub const MAX_REQUEST: usize = 16 * 1024;
/// The fewest and most bits of an RSA key: fewer are too weak (NIST SP 800-57), more than 8192 cost too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A request whose self-signature is right. Nothing that it asks for is believed; the names are there to be compared.
#[derive(Debug, Clone)]
pub struct Request {
    info: Vec<u8>,
    key: Vec<u8>,
    algorithm: &'static rcgen::SignatureAlgorithm,
    common_name: Option<String>,
    subject: String,
    names: Vec<String>,
}

/// Why a request is refused.
#[derive(Debug, Error)]
pub enum RequestError {
    /// Not a request.
    #[error("this is no certificate request: {0}")]
    Form(String),
    /// Its signature is wrong: who asks does not have the key.
    #[error("the certificate request is not signed by its own key")]
    Signature,
    /// A key that is too weak or of an unknown kind.
    #[error("the key of the certificate request is refused: {0}")]
    Key(String),
}

impl Request {
    /// Reads a request: ECDSA P-256 or P-384, RSA of 2048 bits or more, Ed25519. Extensions that it asks for are read
    /// leniently; `CA:TRUE` among them is ignored.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        let form = |reason: &str| RequestError::Form(reason.to_owned());
        if der.len() > MAX_REQUEST {
            return Err(form("it has more than 16 KiB"));
        }
        let signed = Signed::read(der).ok_or_else(|| form("expected PKCS#10 in DER and nothing after it"))?;
        let (_, parsed) = X509CertificationRequest::from_der(der).map_err(|error| form(&error.to_string()))?;
        let asked = &parsed.certification_request_info;
        let info = asked.subject_pki.raw.to_vec();
        let key = PublicKey::read(&info).ok_or_else(|| form("its public key cannot be read"))?;
        let algorithm = accept(key)?;
        if !signed.is_by(&info) {
            return Err(RequestError::Signature);
        }
        let common_name = asked.subject.iter_common_name().next().and_then(|name| name.as_str().ok());
        Ok(Self {
            key: key.bits.to_vec(),
            algorithm,
            common_name: common_name.map(str::to_owned),
            subject: subject::rfc4514(&asked.subject),
            names: names(&parsed),
            info,
        })
    }

    /// The same from PEM (`CERTIFICATE REQUEST`, or `NEW CERTIFICATE REQUEST`).
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn from_pem(pem: &str) -> Result<Self, RequestError> {
        // Base64 makes four characters of three bytes, and there may be text around the block.
        if pem.len() > 4 * MAX_REQUEST {
            return Err(RequestError::Form("it has more than 64 KiB of PEM".to_owned()));
        }
        // OpenSSL before 1.0 and some others write the longer label (RFC 7468, 7).
        let pem = pem.replace("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST");
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| RequestError::Form(broken(&error)))?;
        Self::from_der(&der)
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn key_hash(&self) -> [u8; 32] {
        sha256(&self.info)
    }

    /// The public key in PEM (`PUBLIC KEY`).
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        pem::block(pem::PUBLIC_KEY, &self.info)
    }

    /// The common name that it asks for, if any.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The subject that it asks for, as RFC 4514 writes it.
    #[must_use]
    pub fn subject(&self) -> String {
        self.subject.clone()
    }

    /// All subject alternative names that it asks for, as texts: URIs, DNS names and addresses. Others as `other`.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// The public key is what goes into a certificate.
impl PublicKeyData for Request {
    fn der_bytes(&self) -> &[u8] {
        &self.key
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }
}

/// What is wrong with a text that should be PEM. The library's own words hold bytes of the text as numbers.
fn broken(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    let reason = match error {
        Error::MissingSectionEnd { .. } => "its END line is missing",
        Error::IllegalSectionStart { .. } => "its BEGIN line is damaged",
        Error::Base64Decode(_) => "what it holds is not base64",
        Error::NoItemsFound => "there is none",
        _ => "it cannot be read",
    };
    // Curl takes the line breaks out of what it sends as a form.
    format!("expected a PEM block `CERTIFICATE REQUEST`: {reason}; curl needs --data-binary to keep line breaks")
}

/// What kind of key it is, if it is strong enough.
fn accept(key: PublicKey<'_>) -> Result<&'static rcgen::SignatureAlgorithm, RequestError> {
    let known: [(&dyn SignatureVerificationAlgorithm, &'static rcgen::SignatureAlgorithm); 4] = [
        (ECDSA_P256_SHA256, &PKCS_ECDSA_P256_SHA256),
        (ECDSA_P384_SHA384, &PKCS_ECDSA_P384_SHA384),
        (ED25519, &PKCS_ED25519),
        (RSA_PKCS1_2048_8192_SHA256, &PKCS_RSA_SHA256),
    ];
    let kind = known.iter().find(|(kind, _)| kind.public_key_alg_id().as_ref() == key.algorithm);
    let Some((_, kind)) = kind else {
        let expected = "expected ECDSA with P-256 or P-384, RSA of 2048 to 8192 bits, or Ed25519";
        return Err(RequestError::Key(expected.to_owned()));
    };
    if *kind == &PKCS_RSA_SHA256 {
        let bits = rsa_bits(key.bits).ok_or_else(|| RequestError::Key("its RSA key cannot be read".to_owned()))?;
        if !RSA_BITS.contains(&bits) {
            return Err(RequestError::Key(format!("RSA has {bits} bits, expected 2048 to 8192")));
        }
    }
    Ok(kind)
}

/// The bits of the modulus in an `RSAPublicKey` (RFC 8017, A.1.1).
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let (modulus, _) = der::expect(der::only(key, der::SEQUENCE)?.content, der::INTEGER)?;
    let first = modulus.content.iter().position(|byte| *byte != 0)?;
    let digits = modulus.content.get(first..)?;
    let zeros = digits.first()?.leading_zeros();
    Some(digits.len() * 8 - usize::try_from(zeros).ok()?)
}

/// Every subject alternative name in every attribute that asks for extensions.
fn names(request: &X509CertificationRequest<'_>) -> Vec<String> {
    let attributes = request.certification_request_info.iter_attributes();
    let extensions = attributes.filter_map(|attribute| match attribute.parsed_attribute() {
        ParsedCriAttribute::ExtensionRequest(asked) => Some(&asked.extensions),
        _ => None,
    });
    let names = extensions.flatten().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    names.flatten().map(text_of).collect()
}

fn text_of(name: &GeneralName<'_>) -> String {
    let other = || "other".to_owned();
    match name {
        // Control characters would spoil logs and tables; no name that is compared has any.
        GeneralName::URI(text) | GeneralName::DNSName(text) if !text.chars().any(char::is_control) => {
            (*text).to_owned()
        }
        GeneralName::IPAddress(bytes) => address(bytes).map_or_else(other, |address| address.to_string()),
        _ => other(),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}
