//! `CertificateAuthority`: issues certificates, tokens and revocation lists for the area of this agent.
//!
//! Every certificate is a document, written before it is handed out. The document names the token that it was issued for,
//! so that the use of a token and the issuing are one write.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::caller::Caller;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Answer, Ask, AuthorityTrust, WireError};
use mf2c_pki::PkiError;
use mf2c_pki::area::{Authority, PeerIdentity, Serial};
use mf2c_store::StoreError;
use thiserror::Error;

pub use actor::CertificateAuthority;
pub use record::document_of_user;

use crate::ca_client::TakeTrust;
use crate::ports::{AreaNet, OpenLink};

mod actor;
mod answer;
mod audit;
mod change;
mod foreign;
mod heritage;
mod issue;
mod load;
mod names;
mod record;
mod register;
mod revoke;
mod seat;
mod state;
mod succession;
mod sweep;
mod token;
mod tokens;

/// What the authority is told at start.
#[derive(Debug, Clone)]
pub struct AuthoritySettings {
    /// The `deviceID` of this agent; none: the one that its inventory has written.
    pub device: Option<String>,
    /// How long an agent's certificate holds.
    pub leaf_life: Duration,
    /// Whether an agent whose certificate has expired may renew it, for seven days.
    pub renew_after_expiry: bool,
    /// How long two roots are believed while one takes the place of the other.
    pub overlap: Duration,
    /// How often the revocation lists are signed anew.
    pub list_every: Duration,
    /// How long a revocation list holds.
    pub list_life: Duration,
}

impl Default for AuthoritySettings {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            device: None,
            leaf_life: hours(24),
            renew_after_expiry: false,
            overlap: hours(48),
            list_every: Duration::from_secs(900),
            list_life: hours(1),
        }
    }
}

/// Tells `0` of every change of roots, authorities and revocations from now on, and at once what holds now, if there is an
/// authority here. Sent by who shows this agent's certificate, at its start.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Follow(pub Recipient<TakeTrust>);

/// What the agent that holds the authority asks of it, without a network: [`Ask::Renew`] for its own certificate (as the
/// leader of the area; names that the authority cannot vouch for are left out), [`Ask::CertifyUser`], [`Ask::Trust`].
#[derive(Debug, Message)]
#[rtype(result = "Result<Answer, WireError>")]
pub struct AnswerOwn {
    /// The question.
    pub ask: Ask,
}

/// Makes this agent the authority of an area, whose key the root's agent has certified ([`Ask::CertifyArea`]). Answered
/// when it is on disk.
#[derive(Message)]
#[rtype(result = "Result<AuthorityView, AuthorityError>")]
pub struct AdoptArea {
    /// The key with its certificates, one for each root.
    pub authority: Authority,
    /// The `deviceID` of this agent.
    pub device: String,
    /// The roots and lists above.
    pub trust: AuthorityTrust,
}

/// Roots and lists of the authority above, for one whose root is elsewhere. Certificates of this area in it are taken too.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthorityError>")]
pub struct TakeUpper(pub AuthorityTrust);

/// What to send as [`Ask::CertifyArea`], if the area's authority needs a certificate now: two thirds of its life have gone,
/// or a new root has not vouched for it yet. Never where the root is here: that is done without being asked.
#[derive(Debug, Message)]
#[rtype(result = "Option<Vec<u8>>")]
pub struct AreaRequest;

/// The certificates that answered an [`AreaRequest`].
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthorityError>")]
pub struct TakeAreaCertificates(pub Vec<Vec<u8>>);

/// Sweeps away what nobody needs any more: certificates seven days after their end, join tokens a day after their use or
/// end, at most 1000 of each; how many. Sent by a timer.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "usize")]
pub struct Sweep;

/// Does what is due: signs lists anew, ends the change of a root, renews the area's authority. Sent by a timer.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Tick;

/// Makes a root and an area's authority here (`mf2c ca init`). The agent becomes a member of that area, and its leader.
#[derive(Debug, Message)]
#[rtype(result = "Result<AuthorityView, AuthorityError>")]
pub struct InitAuthority {
    /// The deployment; usually `mf2c.internal`.
    pub trust_domain: String,
    /// The area.
    pub area: String,
    /// Domains below which members may have host names.
    pub domains: Vec<String>,
}

/// Makes a join token (`mf2c token create`).
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<JoinToken, AuthorityError>")]
pub struct CreateToken {
    /// As what its bearer is admitted.
    pub role: MemberRole,
    /// For a leader: the area that it will lead.
    pub area: Option<String>,
    /// How long it can be used.
    pub ttl: Duration,
    /// The only device that may use it.
    pub device: Option<String>,
    /// Host names that the bearer's certificate may hold.
    pub names: Vec<String>,
    /// Where joiners find this agent's link: `host:port`.
    pub address: String,
    /// Whether the device may use it without its secret, by the doors of the original.
    pub without_secret: bool,
}

/// A question that came over a link.
#[derive(Debug, Message)]
#[rtype(result = "Result<Answer, WireError>")]
pub struct AnswerPeer {
    /// The question.
    pub ask: Ask,
    /// Who asks; none before enrolment.
    pub peer: Option<Arc<PeerIdentity>>,
    /// From where.
    pub source: IpAddr,
}

/// Revokes one certificate, or all of a device or user (`mf2c ca revoke`).
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<String>, AuthorityError>")]
pub struct Revoke {
    /// What to revoke.
    pub target: RevokeTarget,
    /// Why.
    pub reason: Option<String>,
    /// Who wants it.
    pub by: Caller,
}

/// What lists of others revoke: it is written into those documents of this agent that say otherwise, so that whoever has shown
/// such a certificate loses the connections that are open. Sent by who takes the lists.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct HearRevoked(pub Vec<Serial>);

/// Takes the seat of the area's authority, whose keys the leader before has handed over; nothing happens where it is taken
/// already. With what this agent believes. Sent by who cares for this agent's certificate, when the agent leads its area.
#[derive(Debug, Message)]
#[rtype(result = "Result<AuthorityView, AuthorityError>")]
pub struct TakeSeat(pub AuthorityTrust);

/// Leaves that seat: another agent leads the area. The keys are kept; nothing happens where there is no authority here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), AuthorityError>")]
pub struct LeaveSeat;

/// What this agent believes has changed. If a list of its own authority with a higher number is in it, another agent has signed
/// that: what it revokes is taken over, and a list with a higher number signed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct HearOwnList(pub AuthorityTrust);

/// Hands the keys of the area's authority to a member that is to be a backup, never those of the root. Answered when it keeps
/// them. To be sent for each backup when it is appointed, and when a link to it has opened anew; over that link the authority
/// tells it of later certificates and revocations by itself.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), AuthorityError>")]
pub struct HandAuthority {
    /// The link to it, as [`crate::ports::LinkService::opened`] has told of it.
    pub to: OpenLink,
    /// The term of leadership.
    pub term: u64,
    /// The way.
    pub net: Arc<dyn AreaNet>,
}

/// What to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeTarget {
    /// The certificate with this serial number, in hexadecimal.
    Serial(String),
    /// Every certificate of a device.
    Device(String),
    /// Every certificate of a user of this agent.
    User(String),
}

/// Changes the root (`mf2c ca rotate`): the first call makes a new one beside the old one, a later one with `finish` drops
/// the old one.
#[derive(Debug, Message)]
#[rtype(result = "Result<AuthorityView, AuthorityError>")]
pub struct Rotate {
    /// Whether the old root shall be believed no longer.
    pub finish: bool,
}

/// What there is (`mf2c ca show`).
#[derive(Debug, Message)]
#[rtype(result = "Result<AuthorityView, AuthorityError>")]
pub struct ShowAuthority;

/// The newest revocation list of the area's authority, in PEM (`mf2c ca crl`).
#[derive(Debug, Message)]
#[rtype(result = "Result<String, AuthorityError>")]
pub struct RevocationList;

/// Records a certificate that another door of this agent has issued, using up a token, if one is given, in the same write.
/// Fails if the token is not good for it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), AuthorityError>")]
pub struct RecordForeign {
    /// The certificate in DER.
    pub certificate: Vec<u8>,
    /// Which authority issued it, such as `it2untrustedca`.
    pub issuer: String,
    /// The device whose key it certifies, if any.
    pub device: Option<String>,
    /// The certified key in PEM.
    pub public_key_pem: String,
    /// What permits it.
    pub permit: Permit,
}

/// What permits a certificate of the doors of the original.
#[derive(Debug, Clone)]
pub enum Permit {
    /// A join token, whole as `mf2c token create` printed it.
    Token(JoinToken),
    /// An open token of the device that needs no secret.
    Device,
    /// An administrator asks.
    Operator,
}

/// An authority for people: what `mf2c ca show` prints.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityView {
    /// The deployment.
    pub trust_domain: String,
    /// The area.
    pub area: String,
    /// SHA-256 of each root, in hexadecimal; two while roots change.
    pub roots: Vec<String>,
    /// The roots in PEM.
    pub roots_pem: String,
    /// Whether the key of the root is on this machine.
    pub has_root_key: bool,
    /// The end of the root.
    pub root_until: Timestamp,
    /// The end of the area's authority.
    pub area_until: Timestamp,
    /// Certificates that hold today.
    pub valid: u64,
    /// Revoked ones that would hold today.
    pub revoked: u64,
    /// The number of the revocation list.
    pub list_number: u64,
    /// What is going on, if roots are being changed.
    pub rotation: Option<String>,
}

/// Why an authority does not do it.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// There is none here.
    #[error(
        "this agent has no certificate authority: make one with `mf2c ca init`, or join an area with `mf2c join TOKEN`"
    )]
    None,
    /// There is one already.
    #[error("this agent has a certificate authority already: `mf2c ca show` tells which")]
    Exists,
    /// The agent is a member of somebody else's area.
    #[error("this agent belongs to the area `{0}` already")]
    Member(String),
    /// Something that was asked for is not possible.
    #[error("{0}")]
    Refused(String),
    /// Nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// A fault of ours: the log tells more.
    #[error("{0}")]
    Failed(String),
}

impl From<PkiError> for AuthorityError {
    fn from(error: PkiError) -> Self {
        match std::error::Error::source(&error) {
            Some(source) => Self::Failed(format!("{error}: {source}")),
            None => Self::Failed(error.to_string()),
        }
    }
}

impl From<StoreError> for AuthorityError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}
