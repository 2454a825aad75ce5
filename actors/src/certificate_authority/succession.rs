//! The authority of an area outlives its leader: the leader hands its key to the backups, who keep it; one of them takes the
//! seat when it leads, and leaves it when another does. Two who hold the seat for a moment share the key: whoever sees a list
//! of the other takes over what it revokes, and signs one with a higher number.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Answer, Ask, AuthorityTrust, Bytes, Code, Succession, WireError};
use mf2c_pki::area::{Authority, PeerIdentity, Serial, Trust, certificate_pem};

use super::answer::Outcome;
use super::change::Answered;
use super::heritage::Heritage;
use super::issue::{internal, later};
use super::register::{Entry, Issuer};
use super::seat::Seat;
use super::state::State;
use super::{AuthorityError, AuthorityView, CertificateAuthority, HandAuthority, HearOwnList, LeaveSeat, TakeSeat};

/// How long a backup may take to keep the keys.
const HANDED_WITHIN: Duration = Duration::from_secs(10);
/// What of the record of certificates fits into a frame beside keys, roots and lists, in bytes of JSON.
const MOST_HERITAGE: usize = 512 << 10;
/// The most backups that are told of news.
const MOST_HEIRS: usize = 8;
/// The most lists of the authorities above that are handed on, in bytes.
const MOST_LISTS: usize = 256 << 10;
/// A revoked certificate of which no more is known is remembered as long as the longest that can be asked for holds.
const UNKNOWN_LIFE: Duration = Duration::from_secs(31 * 86_400);
/// The most of them.
const MOST_UNKNOWN: usize = 100_000;

impl CertificateAuthority {
    /// Keeps what the leader of the area hands over.
    pub(super) fn keep(&mut self, peer: &PeerIdentity, given: &Succession) -> Result<Outcome, WireError> {
        let forbidden = |text: &str| WireError::new(Code::Forbidden, text);
        if self.seat.is_some() {
            return Err(forbidden("this agent is the authority of its area itself: it leaves the seat first"));
        }
        let known = self.kept.as_ref().map_or(0, |kept| kept.state.term);
        if given.term < known {
            let text = format!("keys of the term {} came, and those of the term {known} are kept already", given.term);
            return Err(WireError::new(Code::StaleTerm, text));
        }
        let now = self.now();
        let member = self.members.load(now).map_err(|error| internal(&error))?;
        let member = member.ok_or_else(|| forbidden("this agent belongs to no area: it keeps no keys"))?;
        let authority = read(given).ok_or_else(|| forbidden("what came are no keys of an authority"))?;
        let own = &member.membership.own;
        let of_area = SpiffeId {
            trust_domain: own.id.trust_domain.clone(),
            subject: Subject::Area { area: own.id.area().unwrap_or_default().to_owned() },
        };
        let issuer = authority.key_id();
        if *authority.id() != of_area || own.issuer != issuer || peer.issuer != issuer || peer.unit != "leader" {
            tracing::warn!(peer = %peer.id, "keys of an authority came that is not the one of this area");
            return Err(forbidden("the keys are not those of this area's authority, or not from who leads it"));
        }
        let (roots, certificates) = (member.trust.roots().to_vec(), authority.certificates().to_vec());
        let vouched = Trust::new(member.trust.sequence(), roots, certificates, vec![], now);
        if vouched.map_or(true, |(trust, _)| trust.intermediates().is_empty()) {
            return Err(forbidden("no root that is known here vouches for the keys"));
        }
        let state = State::read(&given.state.0).map_err(|_| forbidden("what came with the keys cannot be read"))?;
        let device = own.id.device().unwrap_or_default().to_owned();
        let state = State { device, term: given.term, kept: true, root: None, changing_since: None, ..state };
        self.replace_kept(authority, state).map_err(|error| internal(&error))?;
        tracing::info!(term = given.term, from = %peer.id, "keeping the keys of the area's authority for the time after its leader");
        Ok(Outcome::Now(Answer::Done { term: given.term }))
    }

    /// Keeps other keys in place of those that are kept. A root that is here stays.
    fn replace_kept(&mut self, authority: Authority, state: State) -> Result<(), AuthorityError> {
        let replaced = Seat::successor(&self.files, authority, state, self.kept.take());
        let saved = replaced.save_all();
        // What could not be written is as it was.
        self.kept = if saved.is_ok() { Some(replaced) } else { Seat::load(&self.files).ok().flatten() };
        saved
    }

    /// Takes the seat.
    fn sit(&mut self, trust: &AuthorityTrust, ctx: &mut Context<Self>) -> Result<AuthorityView, AuthorityError> {
        if self.seat.is_some() {
            return self.view();
        }
        let now = self.now();
        let Some(kept) = &mut self.kept else {
            return Err(AuthorityError::NotFound(
                "no keys of the area's authority are kept here: certificates are renewed again when the old leader is back, or who keeps them leads"
                    .to_owned(),
            ));
        };
        let (number, serials) = read_list(trust, &kept.area.key_id(), now);
        let mut next = State { kept: false, ..kept.state.clone() };
        if kept.roots.is_empty() && trust.sequence >= next.sequence {
            next = next.below(trust, now)?;
        }
        next.list_number = next.list_number.max(number);
        kept.adopt_state(next)?;
        kept.state.heritage.teach(&mut self.register, now);
        self.seat = self.kept.take();
        tracing::info!(term = self.seat.as_ref().map(|seat| seat.state.term), "took the seat of the area's authority");
        self.note_revoked(&serials, now);
        // What cannot be signed now is signed at the next look.
        if let Err(error) = self.sign_and_announce(ctx) {
            tracing::error!(%error, "the revocation lists could not be signed; it is tried again");
        }
        self.view()
    }

    /// Leaves it. Nothing is issued any more; the keys are kept.
    fn rise(&mut self) -> Result<(), AuthorityError> {
        let now = self.now();
        let (heritage, _) = Heritage::of(&self.register, now, MOST_HERITAGE);
        let Some(seat) = &mut self.seat else { return Ok(()) };
        seat.adopt_state(State { kept: true, heritage, ..seat.state.clone() })?;
        self.kept = self.seat.take();
        self.heirs.clear();
        tracing::info!("left the seat of the area's authority; its keys are kept");
        Ok(())
    }

    /// What a backup is given.
    fn succession(&mut self, term: u64) -> Result<Succession, AuthorityError> {
        let now = self.now();
        let (heritage, short) = Heritage::of(&self.register, now, MOST_HERITAGE);
        if short {
            tracing::warn!(
                "there are more certificates than a successor can be told of: it knows those of agents first"
            );
        }
        let seat = self.seat.as_mut().ok_or(AuthorityError::None)?;
        seat.state.term = seat.state.term.max(term);
        let certificates: String = seat.area.certificates().iter().map(|der| certificate_pem(der)).collect();
        let state = seat.state_for_successor(term, heritage, MOST_LISTS);
        Ok(Succession {
            term,
            key: Bytes(seat.area.key_pem().into_bytes()),
            certificates: Bytes(certificates.into_bytes()),
            state: Bytes(state.to_wire()),
        })
    }

    /// Whether this is a member to whom the keys may be given.
    fn check_heir(&self, peer: &PeerIdentity, scope: Scope) -> Result<(), AuthorityError> {
        let seat = self.seat.as_ref().ok_or(AuthorityError::None)?;
        let device = peer.id.device().unwrap_or_default();
        let revoked = self.register.get(&peer.serial).is_some_and(|entry| entry.revoked.is_some());
        let is_member = scope == Scope::Area && peer.id == seat.agent(device) && peer.issuer == seat.area.key_id();
        if is_member && !revoked && device != seat.state.device {
            return Ok(());
        }
        Err(AuthorityError::Refused(format!(
            "the keys of the authority are not given to {}: expected another member of the area whose certificate holds",
            peer.id
        )))
    }

    /// Takes over what a list of the own authority revokes that somebody else has signed.
    fn hear_own_list(&mut self, number: u64, serials: &[Serial], ctx: &mut Context<Self>) {
        let now = self.now();
        let Some(seat) = self.seat.as_mut().filter(|seat| number > seat.state.list_number) else { return };
        tracing::info!(
            number,
            "another agent has signed a list as the authority of this area: what it revokes is taken over"
        );
        seat.state.list_number = number;
        self.note_revoked(serials, now);
        if let Err(error) = self.sign_and_announce(ctx) {
            tracing::error!(%error, "the revocation lists could not be signed; it is tried again");
        }
    }

    /// Believes no longer what lists have revoked. It is written with the next list.
    fn note_revoked(&mut self, serials: &[Serial], now: Timestamp) {
        let mut unknown = 0;
        for serial in serials {
            match self.register.get(serial) {
                Some(entry) if entry.revoked.is_some() => {}
                Some(_) => {
                    self.register.set_revoked(serial, Some(now));
                    self.note_heritage(serial, Some(now));
                }
                None if unknown < MOST_UNKNOWN => {
                    unknown += 1;
                    let until = later(now, UNKNOWN_LIFE);
                    let revoked = Some(now);
                    let entry = Entry { issuer: Issuer::Area, device: None, user: None, until, revoked };
                    self.register.insert(serial.clone(), entry);
                    if let Some(seat) = &mut self.seat {
                        seat.state.heritage.add_revoked(serial, now, until);
                    }
                }
                None => {}
            }
        }
    }

    /// Takes note of a revocation, or that it did not happen, in what another leader has left.
    pub(super) fn note_heritage(&mut self, serial: &Serial, at: Option<Timestamp>) {
        if let Some(seat) = &mut self.seat {
            seat.state.heritage.set_revoked(serial, at);
        }
    }

    /// Whether a certificate that may have expired is one that an earlier leader of this area has issued.
    pub(super) fn is_inherited(&self, peer: &PeerIdentity, certificate: &[u8]) -> bool {
        let now = self.now();
        let Some(seat) = self.seat.as_ref().filter(|seat| peer.issuer == seat.area.key_id()) else { return false };
        let known = self.register.get(&peer.serial).is_some();
        known
            && read_trust(&seat.trust(), now).is_some_and(|trust| trust.check_expired(certificate, false, now).is_ok())
    }

    /// Whether this is a request for the same key that a certificate of this area's authority is for already: whoever has
    /// signed it holds the seat there now.
    pub(super) fn is_successor(&self, area: &str, request_key: &[u8; 32]) -> bool {
        let now = self.now();
        let mut issued = self.register.all().filter(|(_, entry)| entry.issuer == Issuer::Root && entry.holds(now));
        issued.any(|(serial, _)| {
            let der = self.stored_certificate(&serial.to_string());
            let held = der.and_then(|der| PeerIdentity::of(&der).ok());
            held.is_some_and(|held| held.key == *request_key && held.id.area() == Some(area))
        })
    }
}

/// The authority in what was handed over.
fn read(given: &Succession) -> Option<Authority> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.0.clone()).ok();
    Authority::from_pem(&text(&given.key)?, &text(&given.certificates)?).ok()
}

/// The number of an authority's newest list, and what it revokes.
fn read_list(trust: &AuthorityTrust, key_id: &str, now: Timestamp) -> (u64, Vec<Serial>) {
    let Some(read) = read_trust(trust, now) else { return (0, vec![]) };
    let number = read.list_numbers().into_iter().find(|(issuer, _)| issuer == key_id).map_or(0, |(_, number)| number);
    (number, read.revoked_by(key_id).cloned().collect())
}

fn read_trust(trust: &AuthorityTrust, now: Timestamp) -> Option<Trust> {
    let plain = |all: &[Bytes]| all.iter().map(|bytes| bytes.0.clone()).collect();
    let read = Trust::new(trust.sequence, plain(&trust.roots), plain(&trust.intermediates), plain(&trust.lists), now);
    Some(read.ok()?.0)
}

/// As what a member whose certificate says `leader` is renewed: who led this area and does so no longer is an ordinary member.
pub(super) fn renewed_as(unit: MemberRole, leads: Option<&str>, own_area: &str) -> MemberRole {
    if leads == Some(own_area) { MemberRole::Agent } else { unit }
}

impl Handler<TakeSeat> for CertificateAuthority {
    type Result = Result<AuthorityView, AuthorityError>;

    fn handle(&mut self, TakeSeat(trust): TakeSeat, ctx: &mut Context<Self>) -> Self::Result {
        self.sit(&trust, ctx)
    }
}

impl Handler<LeaveSeat> for CertificateAuthority {
    type Result = Result<(), AuthorityError>;

    fn handle(&mut self, _: LeaveSeat, _: &mut Context<Self>) -> Self::Result {
        self.rise()
    }
}

impl Handler<HearOwnList> for CertificateAuthority {
    type Result = ();

    fn handle(&mut self, HearOwnList(trust): HearOwnList, ctx: &mut Context<Self>) {
        let Some(key_id) = self.seat.as_ref().map(|seat| seat.area.key_id()) else { return };
        let (number, serials) = read_list(&trust, &key_id, self.now());
        self.hear_own_list(number, &serials, ctx);
    }
}

impl Handler<HandAuthority> for CertificateAuthority {
    type Result = Answered<()>;

    fn handle(&mut self, hand: HandAuthority, _: &mut Context<Self>) -> Self::Result {
        self.hand(hand)
    }
}

impl CertificateAuthority {
    /// Hands over the keys, and remembers to whom.
    fn hand(&mut self, hand: HandAuthority) -> Answered<()> {
        let again = hand.clone();
        let HandAuthority { to, term, net } = hand;
        let given = self.check_heir(&to.peer, to.scope).and_then(|()| self.succession(term));
        let given = match given {
            Ok(given) => given,
            Err(error) => return Box::pin(async { Err(error) }.into_actor(self)),
        };
        let heir = Arc::clone(&to.peer);
        let asked = net.ask_over(to.number, Ask::KeepAuthority(given), HANDED_WITHIN);
        let handed = async move {
            match asked.await {
                Ok(Answer::Done { .. }) => {
                    tracing::info!(to = %heir.id, term, "a backup keeps the keys of the area's authority");
                    Ok(())
                }
                Ok(_) => Err(AuthorityError::Failed(format!("{} answered something else", heir.id))),
                Err(error) => {
                    Err(AuthorityError::Failed(format!("{} does not keep the authority's keys: {error}", heir.id)))
                }
            }
        };
        Box::pin(handed.into_actor(self).map(move |handed: Result<(), AuthorityError>, authority, _| {
            let same = |heir: &HandAuthority| heir.to.peer.id == again.to.peer.id;
            authority.heirs.retain(|heir| !same(heir));
            if handed.is_ok() && authority.seat.is_some() && authority.heirs.len() < MOST_HEIRS {
                authority.heirs.push(again);
            }
            handed
        }))
    }

    /// Tells those who keep the keys what has happened since. One that cannot be reached is told when it comes back, by who
    /// knows that.
    pub(super) fn hand_news(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::take(&mut self.has_news) || self.seat.is_none() {
            return;
        }
        for heir in self.heirs.clone() {
            let handed = self.hand(heir).map(|handed, _, _| {
                if let Err(error) = handed {
                    tracing::warn!(%error, "a backup does not know the newest certificates");
                }
            });
            ctx.spawn(handed);
        }
    }
}
