//! The network front of the REST interface: connections, TLS, and the mending of request lines before actix reads them.
//!
//! Clients of the original agent send `"`, `<` and `>` unencoded in query strings, as `curl` does. actix-web answers 400
//! to those before any handler runs, so the bytes of a connection pass through [`boundary::RequestLines`] first.

#[cfg(test)]
mod agreement;
pub mod boundary;
mod certified;
mod connections;
mod head;
#[cfg(test)]
mod laws;
pub mod refusal;
#[cfg(test)]
mod served;
pub mod server;
pub mod stream;

pub use certified::{Certified, CertifiedAgent, CertifiedClusterUser, CertifiedUser, ReadCertificate};
pub use connections::Connections;
pub use refusal::Refusal;
pub use server::{Listener, Settings, TlsSettings, serve};
pub use stream::{Departure, Peer};
