//! Why an agent does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use mf2c_actors::certificate_authority::AuthorityError;
use mf2c_auth::KeyFileError;
use mf2c_pki::PkiError;
use mf2c_pki::cau::CauError;
use mf2c_pki::flocker::DoorError;
use mf2c_store::engine::EngineError;
use mf2c_transport::webhook::TransportError;
use thiserror::Error;

use crate::accounts::MailError;
use crate::first_admin::FirstAdminError;

/// Why an agent did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data directory cannot be made.
    #[error("failed to make the data directory `{}`", path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] EngineError),
    /// There is no certificate to serve with.
    #[error(transparent)]
    Tls(#[from] PkiError),
    /// The certificate authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The control API of Flocker cannot be served.
    #[error(transparent)]
    Flocker(#[from] DoorError),
    /// A file of the original's doors cannot be used.
    #[error("`{key}`: {source}")]
    Legacy {
        /// The key that names it.
        key: &'static str,
        /// Why.
        source: CauError,
    },
    /// Nothing can be sent to webhooks.
    #[error(transparent)]
    Webhooks(#[from] TransportError),
    /// The mail server cannot be used as it is configured.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// There is no key to sign the tokens of sessions with.
    #[error(transparent)]
    SessionKey(#[from] KeyFileError),
    /// Nobody could ever sign in.
    #[error(transparent)]
    FirstAdmin(#[from] FirstAdminError),
    /// A port is taken, or not ours to take.
    #[error("failed to listen on {address}: choose another address with `{flag}`, or stop what uses it")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The flag that changes it.
        flag: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The operating system gives no thread or socket.
    #[error("failed to start {what}")]
    Start {
        /// What was started.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}
