//! What peers are answered: who may be admitted, renewed, certified.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::area::renewal::GRACE;
use mf2c_domain::area::role::{FOUNDER, MemberRole};
use mf2c_domain::area::spiffe::{SpiffeId, Subject, check_device};
use mf2c_domain::area::token::{Secret, TokenAsk, TokenRefusal, Verdict};
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Answer, Ask, Bytes, Code, Proof, WireError};
use mf2c_pki::area::{PeerIdentity, Request, verify_proof};

use super::issue::{Order, Pending, busy, is_revoked, later, no_authority, role_of, unit_of};
use super::names::{allowed, besides, shown};
use super::succession::renewed_as;
use super::tokens::{Stored, Unusable};
use super::{CertificateAuthority, record};

/// The longest life of a user's certificate.
const LONGEST_USER_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// The longest name of a user, in bytes.
const LONGEST_USER: usize = 255;

/// What follows from a question.
pub(super) enum Outcome {
    /// An answer that needs no write.
    Now(Answer),
    /// Certificates that are handed out when they are stored.
    Write(Box<Pending>),
}

/// What a joiner asks for.
struct Enrolment {
    token: String,
    secret: Bytes,
    request: Bytes,
    role: MemberRole,
    device: String,
    area: Option<String>,
    names: Vec<String>,
}

impl CertificateAuthority {
    pub(super) fn answer(
        &mut self,
        ask: Ask,
        peer: Option<Arc<PeerIdentity>>,
        source: IpAddr,
    ) -> Result<Outcome, WireError> {
        let member = || peer.as_deref().ok_or_else(anonymous);
        if let Ask::KeepAuthority(given) = &ask {
            return self.keep(member()?, given);
        }
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        match ask {
            Ask::Bundle | Ask::Trust { .. } => Ok(Outcome::Now(Answer::Trust(seat.trust()))),
            Ask::Enrol { token, secret, request, role, device, area, names } => {
                self.enrol(Enrolment { token, secret, request, role, device, area, names }, source)
            }
            Ask::Renew { request, names } => self.renew(member()?, &request, &names, source),
            Ask::RenewExpired { request, names, proof } => self.renew_expired(&request, &names, &proof, source),
            Ask::CertifyArea { request } => self.certify_area(member()?, &request),
            Ask::CertifyUser { request, name, ttl } => {
                let peer = member()?;
                self.check_member(peer)?;
                let device = peer.id.device().unwrap_or_default().to_owned();
                self.certify_user(&request, device, name, ttl)
            }
            _ => Err(WireError::new(Code::Version, "the authority does not know this question")),
        }
    }

    /// The same for the agent that holds the authority.
    pub(super) fn answer_own(&mut self, ask: Ask) -> Result<Outcome, WireError> {
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        let own = seat.leader();
        match ask {
            Ask::Bundle | Ask::Trust { .. } => Ok(Outcome::Now(Answer::Trust(seat.trust()))),
            Ask::Renew { request, names } => self.issue_own(&request, &own, &names),
            Ask::CertifyUser { request, name, ttl } => {
                let device = seat.state.device.clone();
                self.certify_user(&request, device, name, ttl)
            }
            _ => Err(WireError::new(Code::Forbidden, "the agent that holds the authority needs no other to admit it")),
        }
    }

    fn enrol(&mut self, asked: Enrolment, source: IpAddr) -> Result<Outcome, WireError> {
        let elapsed = self.world.clock.elapsed();
        let secret = <[u8; 32]>::try_from(asked.secret.0.as_slice()).unwrap_or_default();
        let token = self
            .tokens
            .proved(&self.store, &asked.token, &Secret::from(secret), source, elapsed)
            .map_err(|unusable| self.refuse_token(&asked.token, unusable, source))?;
        let forbidden = |text: String| WireError::new(Code::Forbidden, text);
        check_device(&asked.device).map_err(|error| forbidden(error.to_string()))?;
        let request = read_request(&asked.request)?;
        let ask =
            TokenAsk { role: asked.role, area: asked.area.as_deref(), device: &asked.device, key: request.key_hash() };
        let now = self.world.clock.now();
        match self.tokens.reserve(&asked.token, &token, &ask, now) {
            Err(unusable) => Err(self.refuse_token(&asked.token, unusable, source)),
            Ok(Verdict::Repeat(serial)) => self.repeat(&serial, asked.role),
            Ok(Verdict::Issue) => {
                let id = asked.token.clone();
                let order = self.order(asked, &token, request, source).and_then(|order| self.sign(order));
                if order.is_err() {
                    self.tokens.release(&id, None);
                }
                Ok(Outcome::Write(Box::new(order?)))
            }
        }
    }

    /// What is to be certified for a joiner whose token is good.
    fn order(&self, asked: Enrolment, token: &Stored, request: Request, source: IpAddr) -> Result<Order, WireError> {
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        let forbidden = |text: String| WireError::new(Code::Forbidden, text);
        let leads = (asked.role == MemberRole::Leader).then(|| token.area.clone());
        if leads.is_none() && token.area != seat.area_name() {
            return Err(forbidden(format!("the token is for the area `{}`, and this is another", token.area)));
        }
        self.check_binding(&asked.device, token.device.as_deref(), &request).map_err(|text| {
            tracing::warn!(device = asked.device, %source, "somebody asked for a certificate of a device that is known");
            forbidden(text)
        })?;
        if let Some(area) = &leads {
            self.check_led(area, &asked.device).map_err(forbidden)?;
        }
        let id = seat.agent(&asked.device);
        let standing = self.register.standing(&asked.device);
        let bound = standing.map(|standing| standing.names.as_slice()).unwrap_or_default();
        let names = allowed(&asked.names, &id, source, [&token.names, bound]).map_err(forbidden)?;
        let (unit, life) = (unit_of(asked.role, leads.is_some()), self.settings.leaf_life);
        Ok(Order { request, id, unit, names, life, token: Some(asked.token), leads })
    }

    /// Whether this device may be admitted: the first certificate of a device binds it; another needs a token made for it.
    pub(super) fn check_binding(
        &self,
        device: &str,
        token_device: Option<&str>,
        request: &Request,
    ) -> Result<(), String> {
        let own = self.seat.as_ref().is_some_and(|seat| seat.state.device == device);
        if own || (self.register.knows(device) && token_device != Some(device)) {
            return Err(format!(
                "the device `{device}` has been admitted already: if it has lost its certificate, make a token with `--device {device}`"
            ));
        }
        let named = request.common_name().filter(|name| !device.starts_with(name));
        let other = named
            .and_then(|name| self.register.knows_like(name).filter(|other| other.chars().take(64).eq(name.chars())));
        match other {
            Some(other) => Err(format!("the certificate request names the device `{other}`, expected `{device}`")),
            None => Ok(()),
        }
    }

    /// Whether a device may lead an area: nobody else does.
    pub(super) fn check_led(&self, area: &str, device: &str) -> Result<(), String> {
        let own = self.seat.as_ref().is_some_and(|seat| seat.area_name() == area);
        match self.register.leader_of(area, self.now()) {
            _ if own => Err(format!("the area `{area}` is led by this agent: choose another name for the new area")),
            Some(other) if other != device => Err(format!(
                "the area `{area}` is led by the device `{other}`: revoke it first, or choose another name"
            )),
            _ => Ok(()),
        }
    }

    /// The certificate that was issued for a token, once more: the answer was lost.
    fn repeat(&self, serial: &str, role: MemberRole) -> Result<Outcome, WireError> {
        let gone = || WireError::new(Code::TokenUsed, TokenRefusal::Used.to_string());
        let serial = serial.parse().map_err(|_| gone())?;
        let entry = self.register.get(&serial).ok_or_else(gone)?;
        if entry.revoked.is_some() {
            return Err(is_revoked(&serial));
        }
        let certificate = self.stored_certificate(&serial.to_string()).ok_or_else(gone)?;
        self.enrolled(Bytes(certificate), role).map(Outcome::Now)
    }

    /// The certificate in a document, in DER.
    pub(super) fn stored_certificate(&self, serial: &str) -> Option<Vec<u8>> {
        let document = self.store.get(&format!("{}/{serial}", record::KIND))?;
        let body = self.store.body(&document).ok()??;
        let found: record::Pem = serde_json::from_slice(&body).ok()?;
        mf2c_pki::area::certificate_from_pem(&found.pem)
    }

    fn renew(
        &mut self,
        peer: &PeerIdentity,
        request: &Bytes,
        names: &[String],
        source: IpAddr,
    ) -> Result<Outcome, WireError> {
        self.check_member(peer)?;
        let device = peer.id.device().unwrap_or_default();
        let request = read_request(request)?;
        let standing = self.register.standing(device);
        let bound = standing.map(|standing| standing.names.as_slice()).unwrap_or_default();
        let allow = |names: &[String]| allowed(names, &peer.id, source, [bound, &[]]);
        let names = match standing {
            Some(_) => allow(names).map_err(|text| WireError::new(Code::Forbidden, text))?,
            // Admitted by an earlier leader, and it is not known with which names.
            None => names.iter().flat_map(|name| allow(std::slice::from_ref(name)).unwrap_or_default()).collect(),
        };
        let leads = standing.and_then(|standing| standing.leads.clone());
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        let role = renewed_as(role_of(&peer.unit), leads.as_deref(), seat.area_name());
        let unit = unit_of(role, peer.unit == FOUNDER || leads.is_some());
        let leads = leads.filter(|_| role == MemberRole::Leader);
        let (id, life) = (peer.id.clone(), self.settings.leaf_life);
        let order = Order { request, id, unit, names, life, token: None, leads };
        self.sign(order).map(|pending| Outcome::Write(Box::new(pending)))
    }

    fn renew_expired(
        &mut self,
        request: &Bytes,
        names: &[String],
        proof: &Proof,
        source: IpAddr,
    ) -> Result<Outcome, WireError> {
        let forbidden = |text: &str| WireError::new(Code::Forbidden, text);
        if !self.settings.renew_after_expiry {
            return Err(forbidden(
                "expired certificates are not renewed here: join again with a new token (or set `pki.renew_after_expiry` where the authority is)",
            ));
        }
        self.tokens.admit(source, self.world.clock.elapsed()).map_err(|wait| wait_for(&wait))?;
        let peer = verify_proof(&proof.certificate.0, &proof.signature.0, &request.0)
            .map_err(|error| WireError::new(Code::Auth, error.to_string()))?;
        // Its document shows that the certificate is ours, or a signature of ours that it is one of those that an earlier
        // leader has issued; whoever has its key has proved it.
        let stored = self.stored_certificate(&peer.serial.to_string());
        if stored.as_ref() != Some(&proof.certificate.0) && !self.is_inherited(&peer, &proof.certificate.0) {
            return Err(WireError::new(Code::Auth, "the expired certificate is not known here: join with a new token"));
        }
        self.tokens.settle(source);
        if later(peer.not_after, GRACE) < self.world.clock.now() {
            return Err(forbidden("the certificate expired more than seven days ago: join again with a new token"));
        }
        // Each renewal has a key of its own, so somebody may still have the one before that which was revoked.
        if self.register.was_revoked_since(peer.id.device().unwrap_or_default(), peer.not_after) {
            return Err(is_revoked(&peer.serial));
        }
        self.renew(&peer, request, names, source)
    }

    /// Whether a peer is an agent of this area, whose certificate counts.
    fn check_member(&self, peer: &PeerIdentity) -> Result<(), WireError> {
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        self.check_unrevoked(peer)?;
        let device = peer.id.device().unwrap_or_default();
        if peer.id != seat.agent(device) || peer.issuer != seat.area.key_id() {
            let text = format!(
                "{} is no agent of the area `{}`: ask the agent that leads your area",
                peer.id,
                seat.area_name()
            );
            return Err(WireError::new(Code::Forbidden, text));
        }
        Ok(())
    }

    fn check_unrevoked(&self, peer: &PeerIdentity) -> Result<(), WireError> {
        let revoked = self.register.get(&peer.serial).is_some_and(|entry| entry.revoked.is_some());
        if revoked { Err(is_revoked(&peer.serial)) } else { Ok(()) }
    }

    fn certify_area(&mut self, peer: &PeerIdentity, request: &Bytes) -> Result<Outcome, WireError> {
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        let forbidden = |text: String| WireError::new(Code::Forbidden, text);
        self.check_unrevoked(peer)?;
        let device = peer.id.device().unwrap_or_default().to_owned();
        let leads = self.register.standing(&device).and_then(|standing| standing.leads.clone());
        // He shows the certificate with which he was admitted here, or one that he has made himself as an authority.
        let area = leads.filter(|area| {
            role_of(&peer.unit) == MemberRole::Leader
                && peer.id.trust_domain == seat.id().trust_domain
                && matches!(&peer.id.subject, Subject::Agent { area: shown, .. } if shown == seat.area_name() || shown == area)
        });
        // Or he has taken the seat of a leader who is gone, and shows it by that authority's key and certificate.
        let request = read_request(request)?;
        let own = peer.id.area().filter(|own| *own != seat.area_name() && peer.unit == "leader");
        let successor = own.filter(|own| self.is_successor(own, &request.key_hash()));
        let is_successor = successor.is_some();
        let Some(area) = successor.map(str::to_owned).or(area) else {
            return Err(forbidden(format!(
                "{} was not admitted as the leader of an area: make a token with `--role leader`",
                peer.id
            )));
        };
        if !is_successor && self.register.valid_of_device(&device, self.now()).is_empty() {
            return Err(is_revoked(&peer.serial));
        }
        if seat.roots.is_empty() {
            return Err(forbidden(
                "the key of the root is not on this machine, so no area can be certified here".to_owned(),
            ));
        }
        if !is_successor {
            self.check_led(&area, &device).map_err(forbidden)?;
        }
        let id = SpiffeId { trust_domain: seat.id().trust_domain.clone(), subject: Subject::Area { area } };
        if let Some(name) = request.names().iter().find(|name| **name != id.to_string()) {
            return Err(forbidden(format!("the certificate request names `{}`, expected {id}", shown(name))));
        }
        self.sign_area(&request, &id, &device).map(|pending| Outcome::Write(Box::new(pending)))
    }

    fn certify_user(&mut self, request: &Bytes, device: String, name: String, ttl: u64) -> Result<Outcome, WireError> {
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        let forbidden = |text: String| WireError::new(Code::Forbidden, text);
        if name.is_empty() || name.len() > LONGEST_USER || name.chars().any(char::is_control) {
            return Err(forbidden(format!("`{}` is no user name of 1 to {LONGEST_USER} bytes", shown(&name))));
        }
        let life = Duration::from_secs(ttl);
        if life.is_zero() || life > LONGEST_USER_LIFE {
            return Err(forbidden(format!("a user's certificate cannot hold for {ttl} s: expected 1 s to 30 days")));
        }
        let area = seat.area_name().to_owned();
        let id =
            SpiffeId { trust_domain: seat.id().trust_domain.clone(), subject: Subject::User { area, device, name } };
        let order = Order {
            request: read_request(request)?,
            id,
            unit: "user",
            names: Vec::new(),
            life,
            token: None,
            leads: None,
        };
        self.sign(order).map(|pending| Outcome::Write(Box::new(pending)))
    }

    /// The certificate of the agent that holds the authority. Names that the authority cannot vouch for are left out.
    fn issue_own(&mut self, request: &Bytes, own: &SpiffeId, names: &[String]) -> Result<Outcome, WireError> {
        let seat = self.seat.as_ref().ok_or_else(no_authority)?;
        let (able, unable): (Vec<_>, Vec<_>) =
            besides(names, own).into_iter().partition(|name| seat.area.vouches_for(name));
        for name in unable {
            tracing::info!(
                name,
                "the area's authority does not vouch for this name; `mf2c ca init --domain` permits domains"
            );
        }
        let order = Order {
            request: read_request(request)?,
            id: own.clone(),
            unit: "leader",
            names: able,
            life: self.settings.leaf_life,
            token: None,
            leads: Some(seat.area_name().to_owned()),
        };
        self.sign(order).map(|pending| Outcome::Write(Box::new(pending)))
    }

    /// What is said of a token that is of no use, and noted down of it.
    fn refuse_token(&self, id: &str, unusable: Unusable, source: IpAddr) -> WireError {
        match unusable {
            Unusable::Invalid => {
                tracing::warn!(token = shown(id), %source, "somebody showed a join token that is not known, or a wrong secret");
                WireError::new(
                    Code::TokenInvalid,
                    "there is no such join token, or its secret is wrong: copy the whole line, or ask for a new token; those that an earlier leader of the area has made count no longer",
                )
            }
            Unusable::Wait(wait) => wait_for(&wait),
            Unusable::InFlight => busy("this very request is being answered: try again"),
            Unusable::Replayed { tell } => {
                tracing::warn!(token = id, %source, "somebody tried to use a join token again, with another key or too late");
                if tell {
                    self.tell_of_replay(id, source);
                }
                WireError::new(Code::TokenUsed, TokenRefusal::Used.to_string())
            }
            Unusable::Refused(refusal) => {
                let code = match &refusal {
                    TokenRefusal::Expired(_) => Code::TokenExpired,
                    TokenRefusal::Forbidden(_) => Code::Forbidden,
                    TokenRefusal::Used => Code::TokenUsed,
                };
                WireError::new(code, refusal.to_string())
            }
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.world.clock.now()
    }
}

fn read_request(request: &Bytes) -> Result<Request, WireError> {
    Request::from_der(&request.0).map_err(|error| WireError::new(Code::Forbidden, error.to_string()))
}

fn anonymous() -> WireError {
    WireError::new(Code::Auth, "only an agent with a certificate of this area may ask this: join with a token first")
}

fn wait_for(wait: &mf2c_domain::people::throttle::Wait) -> WireError {
    let millis = u64::from(wait.seconds()) * 1000;
    WireError { retry_after: Some(millis), ..WireError::new(Code::Busy, wait.to_string()) }
}
