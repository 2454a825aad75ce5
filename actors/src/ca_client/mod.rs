//! `CaClient`: this agent's own certificate: obtained, kept, renewed in time, and what it believes of others.

use std::sync::Arc;

use actix::prelude::*;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::AuthorityTrust;
use mf2c_pki::area::PeerIdentity;
use thiserror::Error;

use crate::ports::LinkError;

pub use actor::{CaClient, CaClientSettings, Surroundings};
pub use member::Member;

mod actor;
mod arrival;
mod leadership;
mod member;
mod own_area;
mod renewing;
mod trusting;
mod users;

/// Joins an area (`mf2c join`).
#[derive(Debug, Message)]
#[rtype(result = "Result<MembershipView, CaClientError>")]
pub struct Join {
    /// The token.
    pub token: JoinToken,
    /// As what. The token knows; a wrong one is refused.
    pub role: MemberRole,
}

/// What this agent is a member of. While its first certificate is on its way, the answer waits for it.
#[derive(Debug, Message)]
#[rtype(result = "Option<MembershipView>")]
pub struct ShowMembership;

/// Roots, authorities or revocations that the own authority has sent.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), CaClientError>")]
pub struct TakeTrust(pub AuthorityTrust);

/// The same from a peer. Roots are believed of the agent that leads this one, and of nobody else; lists of revoked
/// certificates are signed, so it does not matter who brings them.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), CaClientError>")]
pub struct HearTrust {
    /// What it says.
    pub trust: AuthorityTrust,
    /// Whom the certificate of the link names.
    pub peer: Arc<PeerIdentity>,
}

/// Another agent leads the area of this one, which leads none itself: it is asked for certificates from now on, and its roots
/// are believed. The same one twice changes nothing. Sent by who looks at how the agent stands.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), CaClientError>")]
pub struct LeaderMoved(pub AreaPeer);

/// This agent leads its area from now on, or who is above has changed: it takes the seat of the authority whose keys it keeps,
/// and gets a certificate that says so. Fails where no keys are kept; then it is to be sent again when that may have changed.
/// Twice is no harm. Sent by who looks at how the agent stands, at its start too.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), CaClientError>")]
pub struct TakeSeat {
    /// The agent above the area, if there is one.
    pub upper: Option<AreaPeer>,
}

/// This agent does not lead its area, but another one does: it leaves the seat, if it has it, and is an ordinary member of
/// that one from now on. Twice is no harm.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), CaClientError>")]
pub struct LeaveSeat(pub AreaPeer);

/// Looks at the clocks and does what is due; answered when it is done. Sent by a timer, once a minute at least.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Tick;

/// A certificate for a user of this agent (`mf2c user cert`): answered with the chain in PEM.
#[derive(Debug, Message)]
#[rtype(result = "Result<UserCertificate, CaClientError>")]
pub struct CertifyUser {
    /// The user's name; the caller has checked that it may be asked for.
    pub name: String,
    /// A PKCS#10 request in DER.
    pub request: Vec<u8>,
    /// How long it shall hold, in seconds.
    pub ttl: u64,
}

/// A user's certificate.
#[derive(Debug, Clone)]
pub struct UserCertificate {
    /// The id of its document on this agent.
    pub id: String,
    /// The certificate and the area's authority in PEM.
    pub chain: String,
    /// The roots in PEM, for who wants to check this agent.
    pub roots: String,
    /// Until when it holds.
    pub until: Timestamp,
}

/// A membership for people.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MembershipView {
    /// The name in the certificate.
    pub id: String,
    /// The area.
    pub area: String,
    /// As what.
    pub role: MemberRole,
    /// Who leads the area.
    pub leader: String,
    /// Where the leader is called.
    pub address: String,
    /// SHA-256 of each root that is believed, in hexadecimal.
    pub roots: Vec<String>,
    /// Those roots in PEM.
    pub roots_pem: String,
    /// The serial number of the certificate.
    pub serial: String,
    /// Until when the certificate holds.
    pub until: Timestamp,
    /// When it will be renewed.
    pub renews: Timestamp,
    /// What is wrong and what to do, if something is: the last attempt to renew it failed, or it is revoked.
    pub trouble: Option<String>,
}

/// Why it is not done.
#[derive(Debug, Error)]
pub enum CaClientError {
    /// The link or the authority.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The agent is a member already.
    #[error(
        "this agent belongs to the area `{0}` already: stop it and remove `member/` from its data directory to leave it"
    )]
    Member(String),
    /// What came is not usable.
    #[error("{0}")]
    Unusable(String),
    /// A fault of ours: the log tells more.
    #[error("{0}")]
    Failed(String),
}
