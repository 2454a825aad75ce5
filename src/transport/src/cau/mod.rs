//! The doors of the original's agent authentication: the regional CAU, the leader's CAU, and the trigger of cau-client.
//!
//! What is said on them is in [`mf2c_domain::legacy`]; who may have what is decided behind [`RegionalCau`].

mod client;
mod door;
mod http;
mod leader;
mod pkidata;
mod regional;
mod trigger;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::legacy::request::CertRequest;
use rustls::ServerConfig;
use thiserror::Error;

pub use client::{CauClient, CauClientSettings, ClientError, Generation, Vouching};
pub use leader::serve_leader;
pub use regional::serve_regional;
pub use trigger::serve_trigger;

/// How long a client may take to send what it wants, and to take the answer. The original's callers wait as long.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a listener shows at this moment; none: nothing yet, and connections are closed.
pub type ServerTls = Arc<dyn Fn() -> Option<Arc<ServerConfig>> + Send + Sync>;

/// An answer in the making.
pub type CauAnswer<T> = Pin<Box<dyn Future<Output = Result<T, CauRefusal>> + Send>>;

/// What stands behind the regional CAU.
pub trait RegionalCau: Send + Sync {
    /// Certifies the key of a device. The answer is the certificate in PEM.
    fn certify(&self, request: CertRequest) -> CauAnswer<String>;

    /// The certified public key of a device, in PEM.
    fn public_key(&self, device: String) -> CauAnswer<String>;

    /// The certificate of the authority that signs, in PEM.
    fn authority(&self) -> CauAnswer<String>;
}

/// Why a regional CAU does not do it. The texts are for the client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CauRefusal {
    /// The request cannot be right.
    #[error("{0}")]
    Request(String),
    /// Nothing permits it.
    #[error("{0}")]
    Permit(String),
    /// Something forbids it.
    #[error("{0}")]
    Forbidden(String),
    /// There is none.
    #[error("{0}")]
    Unknown(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of ours; the log tells more.
    #[error("{0}")]
    Failed(String),
}
