//! The certificates of the original's agent authentication: RSA keys, names in the subject, and TLS for who checks them.

mod device;
mod doors;

use thiserror::Error;

pub use device::{DeviceCertificate, DeviceKey, holder, mislabelled};
pub use doors::{Anchors, Revoked, authority_in, client_config, leader_config, regional_config};

use crate::PkiError;

/// Why a key, a certificate or a TLS setting is not usable.
#[derive(Debug, Error)]
pub enum CauError {
    /// No key of the right kind.
    #[error("this is no usable private key: {0}")]
    Key(String),
    /// No certificate of the right kind.
    #[error("this is no usable certificate: {0}")]
    Certificate(String),
    /// Nobody vouches for anybody.
    #[error("no authority is known here that vouches for a CAU: set `legacy.cau_ca`, or join an area")]
    NoAnchors,
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] PkiError),
    /// The TLS library refused.
    #[error("failed to prepare TLS: {0}")]
    Tls(String),
}
