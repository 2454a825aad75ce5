//! The certificates of an area: who issues them, what stands in them, whom to believe.
//!
//! A root vouches for the authorities of areas, and those for agents and users. Names are SPIFFE IDs; that the area of a
//! certificate is the one of the authority that issued it is checked here, because X.509 has no name constraint that could
//! say it.

mod authority;
mod credentials;
pub(crate) mod der;
mod facts;
mod files;
mod key;
mod lists;
mod names;
mod path;
mod peer;
pub(crate) mod pem;
mod request;
mod serial;
mod settings;
mod subject;
#[cfg(test)]
mod tests;
mod trust;
mod user_key;
mod verify;

pub use authority::{AREA_LIFE, AreaError, Authority, BACKDATED, Issued, LEAF_LIFE, Profile, ROOT_LIFE, Rank};
pub use credentials::{ApiIdentity, Credentials, Membership};
pub use facts::{Facts, certificate_from_pem, certificate_pem, list_pem};
pub use files::{AuthorityFiles, MemberFiles, Stored};
pub use key::{AgentKey, verify_proof};
pub use lists::ListError;
pub use peer::{PeerError, PeerIdentity, sha1_key_id};
pub use request::{MAX_REQUEST, Request, RequestError};
pub use serial::Serial;
pub use settings::{JOIN_ALPN, LINK_ALPN, join_client};
pub use trust::{Trust, TrustError};
pub use user_key::UserKey;
pub use verify::Recorder;
