//! Signing: from a request that is allowed to a certificate with its document, and what becomes of it when the document is
//! on disk, or is not.

use std::time::Duration;

use mf2c_domain::area::role::{FOUNDER, MemberRole};
use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::area::token::TokenUse;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Answer, Bytes, Code, Enrolled, WireError};
use mf2c_pki::area::{AreaError, Authority, Issued, Profile, Request, Serial};
use mf2c_store::{NewDocument, StoreError};

use super::names::{foreign, shown};
use super::record::Record;
use super::register::{Entry, Issuer, Standing};
use super::seat::Seat;
use super::{AuthorityError, CertificateAuthority};

/// The most certificates that are remembered.
const MOST: usize = 1_000_000;
/// The most certificates of one device that hold at the same time, and as many more of its users: these must not be able
/// to use up what the agent needs for its own renewal.
const MOST_OF_DEVICE: usize = 1000;

/// What shall be certified for an agent or a user.
pub(super) struct Order {
    pub(super) request: Request,
    pub(super) id: SpiffeId,
    /// The organisational unit: `agent`, `leader`, `founder`, `user`.
    pub(super) unit: &'static str,
    pub(super) names: Vec<String>,
    pub(super) life: Duration,
    /// The id of the token that allows it.
    pub(super) token: Option<String>,
    /// For a leader: the area that it leads.
    pub(super) leads: Option<String>,
}

/// Certificates that are signed, and handed out when their documents are on disk.
pub(super) struct Pending {
    pub(super) documents: Vec<NewDocument>,
    issued: Vec<Issued>,
    /// The id of the token, and its use.
    token: Option<(String, TokenUse)>,
    standing: Option<(String, Standing)>,
    reply: Reply,
}

/// How the certificates are handed out.
enum Reply {
    Enrolled(MemberRole),
    User,
    Area,
}

impl Pending {
    /// The id of the token that is used up, with the serial number of the certificate.
    pub(super) fn used_token(&self) -> Option<(&str, &str)> {
        self.token.as_ref().map(|(id, used)| (id.as_str(), used.serial.as_str()))
    }
}

/// The role that a unit stands for.
pub(super) fn role_of(unit: &str) -> MemberRole {
    if matches!(unit, "leader" | FOUNDER) { MemberRole::Leader } else { MemberRole::Agent }
}

/// The unit of who is certified in a role by the authority of an area; `founds` where it is to lead another area than that.
pub(super) fn unit_of(role: MemberRole, founds: bool) -> &'static str {
    if role == MemberRole::Leader && founds { FOUNDER } else { role.as_str() }
}

impl CertificateAuthority {
    /// Signs what was ordered. From now on it can be revoked, and nobody has it yet.
    pub(super) fn sign(&mut self, order: Order) -> Result<Pending, WireError> {
        let now = self.now();
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        let Order { request, id, unit, names, life, token, leads } = order;
        let (device, user) = match &id.subject {
            Subject::Agent { device, .. } => (device.clone(), None),
            Subject::User { device, name, .. } => (device.clone(), Some(name.clone())),
            _ => return Err(internal(&"neither agent nor user")),
        };
        if let Some(name) = foreign(request.names(), &id, &names) {
            let text = format!(
                "the certificate request names `{}`, which is not this requester's: leave it out, the authority fills in names itself",
                shown(name)
            );
            return Err(WireError::new(Code::Forbidden, text));
        }
        self.check_room(&device, user.is_some())?;
        let profile = Profile { id, unit, names, server: user.is_none(), life };
        let serial = Serial::random(&*self.world.entropy);
        let issued = seat.area.issue(&request, &profile, serial, now).map_err(|error| refused(&error))?;
        let Profile { id, names, .. } = profile;
        let key = request.key_hash();
        let record = Record {
            serial: &issued.serial,
            kind: if unit == FOUNDER { MemberRole::Leader.as_str() } else { unit },
            issuer: seat.id().to_string(),
            subject: id.to_string(),
            area: leads.as_deref().or(id.area()),
            device: Some(&device),
            user: user.as_deref(),
            names: &names,
            from: issued.not_before,
            until: issued.not_after,
            key,
            key_pem: if user.is_some() { String::new() } else { request.public_key_pem() },
            der: &issued.der,
            token: token.as_deref(),
            owner: user.as_deref().filter(|_| device == seat.state.device),
        };
        let document = record.document(&*self.world.entropy).map_err(|error| internal(&error))?;
        let entry = Entry {
            issuer: Issuer::Area,
            device: Some(device.as_str().into()),
            user: user.as_deref().map(Into::into),
            until: issued.not_after,
            revoked: None,
        };
        self.register.insert(issued.serial.clone(), entry);
        let role = role_of(unit);
        let used = |id| (id, TokenUse { key, serial: issued.serial.to_string(), at: now });
        Ok(Pending {
            documents: vec![document],
            token: token.map(used),
            standing: user.is_none().then_some((device, Standing { since: issued.not_before, role, leads, names })),
            reply: if user.is_some() { Reply::User } else { Reply::Enrolled(role) },
            issued: vec![issued],
        })
    }

    /// Whether there is room for another certificate of a device, or of one of its users.
    fn check_room(&self, device: &str, of_user: bool) -> Result<(), WireError> {
        let count = self.register.count_of_device(device, of_user, self.now());
        if self.register.len() >= MOST || count >= MOST_OF_DEVICE {
            return Err(busy("too many certificates hold at this moment: revoke some, or wait until they end"));
        }
        Ok(())
    }

    /// Signs the certificates of the authority of an area below, one by each root.
    pub(super) fn sign_area(&mut self, request: &Request, id: &SpiffeId, device: &str) -> Result<Pending, WireError> {
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        self.check_room(device, false)?;
        let (mut documents, mut issued) = (Vec::new(), Vec::new());
        for root in &seat.roots {
            let (one, document) =
                certify(root, seat, request, id, Some(device), &self.world).map_err(|error| internal(&error))?;
            documents.push(document);
            issued.push(one);
        }
        for one in &issued {
            self.register.insert(one.serial.clone(), area_entry(one, Some(device)));
        }
        Ok(Pending { documents, issued, token: None, standing: None, reply: Reply::Area })
    }

    /// What becomes of certificates when it is known whether their documents are on disk.
    pub(super) fn settle(&mut self, pending: Pending, written: Result<(), StoreError>) -> Result<Answer, WireError> {
        let Pending { issued, token, standing, reply, .. } = pending;
        if let Err(error) = written {
            for one in &issued {
                self.register.remove(&one.serial);
            }
            if let Some((id, _)) = token {
                self.tokens.release(&id, None);
            }
            tracing::error!(%error, "a certificate could not be stored, so nobody gets it");
            return Err(busy("the authority cannot store certificates at this moment: try again"));
        }
        if let Some((id, used)) = token {
            if let Some((device, Standing { role, .. })) = &standing {
                tracing::info!(device, %role, serial = used.serial, token = id, "admitted an agent");
            }
            self.tokens.release(&id, Some(used));
        }
        self.has_news = true;
        if let Some((device, standing)) = standing {
            self.register.admit(&device, standing);
        }
        let revoked = |one: &Issued| self.register.get(&one.serial).is_some_and(|entry| entry.revoked.is_some());
        if let Some(one) = issued.iter().find(|one| revoked(one)) {
            return Err(is_revoked(&one.serial));
        }
        let mut certificates = issued.into_iter().map(|one| Bytes(one.der));
        match reply {
            Reply::Area => Ok(Answer::Area { certificates: certificates.collect() }),
            Reply::User => Ok(Answer::User { certificate: certificates.next().unwrap_or_default() }),
            Reply::Enrolled(role) => self.enrolled(certificates.next().unwrap_or_default(), role),
        }
    }

    /// A membership, with what to believe.
    pub(super) fn enrolled(&self, certificate: Bytes, role: MemberRole) -> Result<Answer, WireError> {
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        let (trust, leader) = (seat.trust(), seat.leader().to_string());
        Ok(Answer::Enrolled(Enrolled { certificate, trust, leader, role }))
    }
}

/// A certificate of an area's authority by one root, with its document. `device` leads the area, if that is another agent.
pub(super) fn certify(
    root: &Authority,
    seat: &Seat,
    request: &Request,
    id: &SpiffeId,
    device: Option<&str>,
    world: &crate::ports::World,
) -> Result<(Issued, NewDocument), AuthorityError> {
    let failed = |error: AreaError| AuthorityError::Refused(error.to_string());
    let serial = Serial::random(&*world.entropy);
    let issued = root.certify_area(request, id, &seat.state.domains, serial, world.clock.now()).map_err(failed)?;
    let record = Record {
        serial: &issued.serial,
        kind: "area",
        issuer: root.id().to_string(),
        subject: id.to_string(),
        area: id.area(),
        device,
        user: None,
        names: &[],
        from: issued.not_before,
        until: issued.not_after,
        key: request.key_hash(),
        key_pem: request.public_key_pem(),
        der: &issued.der,
        token: None,
        owner: None,
    };
    let document = record.document(&*world.entropy).map_err(AuthorityError::Failed)?;
    Ok((issued, document))
}

/// What is remembered of a certificate of an area's authority.
pub(super) fn area_entry(issued: &Issued, device: Option<&str>) -> Entry {
    let device = device.map(Into::into);
    Entry { issuer: Issuer::Root, device, user: None, until: issued.not_after, revoked: None }
}

/// An instant so much later.
pub(super) fn later(instant: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_nanos(instant.nanos() + i128::try_from(by.as_nanos()).unwrap_or_default())
}

pub(super) fn no_authority() -> WireError {
    WireError::new(Code::NotLeader, "this agent has no certificate authority: ask the agent that leads the area")
}

pub(super) fn is_revoked(serial: &Serial) -> WireError {
    WireError::new(Code::Revoked, format!("the certificate {serial} has been revoked: ask for a new join token"))
}

pub(super) fn busy(text: &str) -> WireError {
    WireError { retry_after: Some(5000), ..WireError::new(Code::Busy, text) }
}

/// A fault of ours: the log tells more than the peer.
pub(super) fn internal(error: &dyn std::fmt::Display) -> WireError {
    tracing::error!(%error, "a certificate could not be made");
    WireError::new(Code::Internal, "the authority failed to make the certificate: its log tells why")
}

fn refused(error: &AreaError) -> WireError {
    match error {
        AreaError::Name { .. } => WireError::new(Code::Forbidden, error.to_string()),
        other => internal(other),
    }
}
