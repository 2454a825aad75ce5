//! The certificates of an area: who issues them, what stands in them, whom to believe.
//!
//! A root vouches for the authorities of areas, and those for agents and users. Names are SPIFFE IDs; that the area of a
//! certificate is the one of the authority that issued it is checked here, because X.509 has no name constraint that could
//! say it.

mod authority;
mod credentials;
mod files;
mod key;
mod peer;
mod request;
mod serial;
mod trust;

pub use authority::{AreaError, Authority, Issued, LEAF_LIFE, Profile, Rank};
pub use credentials::{Credentials, Membership};
pub use files::{AuthorityFiles, MemberFiles};
pub use key::AgentKey;
pub use peer::{PeerError, PeerIdentity};
pub use request::{Request, RequestError};
pub use serial::Serial;
pub use trust::{ListError, Trust, TrustError};
