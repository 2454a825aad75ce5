//! The one place that names the crypto provider, and the identity that an agent's HTTPS listener shows.
//!
//! Every TLS setting of the project is built on [`provider`], so that two providers can never meet in one process. An
//! identity is a certificate chain with its private key: made here at the first start, or read from two files.

pub mod area;
pub mod cau;
pub mod certauths;
mod client;
mod distinguished;
mod files;
pub mod flocker;
mod identity;
mod selfsigned;
mod signatures;
pub mod ssh;
pub mod store_key;

use std::{path::PathBuf, sync::Arc};

use rustls::{ServerConfig, crypto::CryptoProvider};

pub use client::{Fingerprint, Memory, Shown, Trust, client_config};
pub use files::{Origin, host_name, load, load_or_create};
pub use identity::ServerIdentity;

/// The cryptography of every TLS connection: aws-lc-rs.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// What a listener of the API speaks. HTTP/2 would walk past the bounds and clocks that the front holds for request heads.
const API_ALPN: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// TLS 1.2 and 1.3 for a listener that asks its clients for no certificate.
///
/// `http/1.1` stands before `h2` in ALPN: clients of the CIMI interface send quotes and angle brackets unencoded, and
/// those are mended on HTTP/1.1 connections only. Sessions may be resumed: no client certificate could be outlived.
///
/// # Errors
/// [`PkiError::Unusable`] where key and certificate do not belong together.
pub fn server_config(identity: &ServerIdentity) -> Result<ServerConfig, PkiError> {
    let unusable = |source| PkiError::Unusable { source };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(identity.chain().to_vec(), identity.key().clone_key())
        .map_err(unusable)?;
    config.alpn_protocols = API_ALPN.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// Why there is no identity to show.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file or folder could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("failed to write `{path}`")]
    Write {
        /// What was written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Others than the owner may use the key file.
    #[error("private key `{path}` has mode {mode:04o}, expected 0600 or stricter: run `chmod 600 {path}`")]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no certificate that can be read.
    #[error(
        "`{path}` holds no usable certificate ({reason}), expected one or more PEM blocks `CERTIFICATE`, own first"
    )]
    NoCertificate {
        /// The certificate file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file holds no private key that can be read.
    #[error("`{path}` holds no usable private key ({reason}), expected one PEM block `PRIVATE KEY`")]
    NoKey {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Key and certificate cannot be used together.
    #[error(
        "certificate and private key cannot be used together: give the two files of one pair, or remove both to have new ones made"
    )]
    Unusable {
        /// What the TLS library said.
        #[source]
        source: rustls::Error,
    },
    /// A name that cannot stand in a certificate.
    #[error("`{name}` cannot be a name of a certificate, expected a DNS name or an IP address")]
    BadName {
        /// The name given.
        name: String,
    },
    /// The certificate could not be made.
    #[error("failed to make a certificate")]
    Make {
        /// What the library said.
        #[source]
        source: rcgen::Error,
    },
    /// Roots that have been replaced since.
    #[error("the trust bundle has number {sequence}, number {known} is known")]
    OldTrust {
        /// Its number.
        sequence: u64,
        /// The number of what is known.
        known: u64,
    },
    /// The clock shows a time that no certificate can hold.
    #[error("the clock shows {now}, which no certificate can hold: set the clock")]
    Clock {
        /// The time shown.
        now: mf2c_domain::time::Timestamp,
    },
}
