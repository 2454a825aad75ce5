//! An authority that is here: its keys, its certificates, what it tells others to believe. Each change is on disk before it
//! is in memory.

use std::time::Duration;

use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::area::token::{hex, root_hash};
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{AuthorityTrust, Bytes};
use mf2c_pki::area::{Authority, AuthorityFiles, PeerIdentity, Rank, Serial, certificate_pem};

use super::heritage::Heritage;
use super::register::{Issuer, Register};
use super::state::{Base64, State};
use super::{AuthorityError, AuthoritySettings, AuthorityView};
use crate::ports::World;

/// See the module.
pub(super) struct Seat {
    files: AuthorityFiles,
    pub(super) area: Authority,
    /// Where the root is here: the newest first, the one that it takes the place of behind it.
    pub(super) roots: Vec<Authority>,
    /// The root's certificate where its key has been taken away.
    away: Vec<Vec<u8>>,
    pub(super) state: State,
    /// The newest list of the area's authority, and those of the roots.
    lists: Vec<Vec<u8>>,
    /// When they were signed, by the clock that never goes back; none if they are out of date.
    listed: Option<Duration>,
}

impl Seat {
    /// A new one, whose files are not yet written.
    pub(super) fn new(files: AuthorityFiles, area: Authority, roots: Vec<Authority>, state: State) -> Self {
        Self { files, area, roots, away: Vec::new(), state, lists: Vec::new(), listed: None }
    }

    /// One with the keys that a leader has handed over. Where the root is here too, it stays.
    pub(super) fn successor(files: &AuthorityFiles, area: Authority, state: State, before: Option<Self>) -> Self {
        let mut seat = Self::new(files.clone(), area, Vec::new(), state);
        if let Some(before) = before.filter(|before| before.state.root.is_some()) {
            let State { root, changing_since, domains, .. } = before.state;
            seat.state = State { root, changing_since, domains, ..seat.state };
            (seat.roots, seat.away) = (before.roots, before.away);
        }
        seat
    }

    /// What a successor needs besides the keys. It learns nothing of a root's key; lists above `most` bytes it asks for.
    pub(super) fn state_for_successor(&self, term: u64, heritage: Heritage, most: usize) -> State {
        let mut left = most;
        let own = self.lists.iter().skip(1).cloned().map(Base64);
        let lists = own.chain(self.state.upper_lists.iter().cloned());
        let upper_lists = lists.filter(|list| {
            let fits = list.0.len() <= left;
            left -= if fits { list.0.len() } else { 0 };
            fits
        });
        State {
            sequence: self.state.sequence,
            list_number: self.state.list_number,
            upper_roots: self.root_certificates().into_iter().map(Base64).collect(),
            upper_lists: upper_lists.collect(),
            kept: true,
            term,
            heritage,
            ..State::default()
        }
    }

    /// Another state from now on.
    pub(super) fn adopt_state(&mut self, next: State) -> Result<(), AuthorityError> {
        self.files.save_state(&next.write())?;
        self.state = next;
        Ok(())
    }

    /// The one whose files are there, if they are. A change that a crash has interrupted is undone or completed.
    pub(super) fn load(files: &AuthorityFiles) -> Result<Option<Self>, AuthorityError> {
        let Some(json) = files.load_state()? else { return Ok(None) };
        let state = State::read(&json).map_err(|error| {
            AuthorityError::Failed(format!("`ca/authority.json` in the data directory cannot be read ({error}): restore the directory from a backup"))
        })?;
        let missing = |what| {
            AuthorityError::Failed(format!(
                "`ca/{what}` is missing in the data directory: restore the directory from a backup"
            ))
        };
        let area = files.load(Rank::Area)?.ok_or_else(|| missing("area.key"))?;
        let Some(fingerprint) = &state.root else {
            return Ok(Some(Self::new(files.clone(), area, Vec::new(), state)));
        };
        let mut roots: Vec<Authority> = files.load(Rank::Root)?.into_iter().collect();
        let previous = files.load_previous_root()?;
        match (roots.first(), previous) {
            (Some(root), Some(old)) if fingerprint_of(root) == *fingerprint => {
                roots.extend(Some(old).filter(|_| state.changing_since.is_some()));
            }
            // The new root was on disk, but nobody was told of it.
            (Some(_), Some(old)) if fingerprint_of(&old) == *fingerprint => {
                files.save(Rank::Root, &old)?;
                roots = vec![old];
            }
            (Some(root), None) if fingerprint_of(root) == *fingerprint => {}
            (Some(_), _) => return Err(missing("root.key that belongs to authority.json")),
            // Its key is kept elsewhere.
            (None, _) => {}
        }
        if state.changing_since.is_none() {
            files.remove_previous_root()?;
        }
        let mut seat = Self::new(files.clone(), area, roots, state);
        if seat.roots.is_empty() {
            seat.away = files.certificates(Rank::Root)?;
        }
        seat.drop_strangers()?;
        Ok(Some(seat))
    }

    /// Forgets certificates of the area's authority by roots that are not believed.
    fn drop_strangers(&mut self) -> Result<(), AuthorityError> {
        let roots = self.root_certificates();
        let known: Vec<String> =
            roots.iter().flat_map(|root| PeerIdentity::of(root)).map(|root| root.key_id()).collect();
        let all = self.area.certificates();
        let kept: Vec<_> = all.iter().filter(|der| known.contains(&issuer_of(der))).cloned().collect();
        if kept.is_empty() || kept.len() == all.len() { Ok(()) } else { self.take_certificates(kept) }
    }

    /// Whether there are keys of an authority, whole or not.
    pub(super) fn has_keys(files: &AuthorityFiles) -> Result<bool, AuthorityError> {
        Ok(files.load(Rank::Root)?.is_some() || files.load(Rank::Area)?.is_some())
    }

    /// Completes a new one with its root, which has certified the area's authority.
    pub(super) fn seal(&mut self, root: Authority, certificate: Vec<u8>) -> Result<(), AuthorityError> {
        self.area.set_certificates(vec![certificate]).map_err(failed)?;
        self.state.root = Some(fingerprint_of(&root));
        self.roots = vec![root];
        Ok(())
    }

    /// Whether a certificate is one of this authority's own, or of its roots.
    pub(super) fn is_own(&self, serial: &Serial) -> bool {
        let roots = self.root_certificates();
        let mut own = self.area.certificates().iter().chain(&roots);
        own.any(|der| PeerIdentity::of(der).is_ok_and(|certificate| certificate.serial == *serial))
    }

    /// SHA-256 of the newest root, in hexadecimal.
    pub(super) fn view_root(&self) -> String {
        hex(&self.root_hash())
    }

    /// Writes everything, the state last.
    pub(super) fn save_all(&self) -> Result<(), AuthorityError> {
        if let Some(root) = self.roots.first() {
            self.files.save(Rank::Root, root)?;
        }
        self.files.save(Rank::Area, &self.area)?;
        self.save_state()
    }

    pub(super) fn save_state(&self) -> Result<(), AuthorityError> {
        Ok(self.files.save_state(&self.state.write())?)
    }

    pub(super) fn id(&self) -> &SpiffeId {
        self.area.id()
    }

    pub(super) fn area_name(&self) -> &str {
        self.area.id().area().unwrap_or_default()
    }

    /// The name of an agent of this area.
    pub(super) fn agent(&self, device: &str) -> SpiffeId {
        let subject = Subject::Agent { area: self.area_name().to_owned(), device: device.to_owned() };
        SpiffeId { trust_domain: self.id().trust_domain.clone(), subject }
    }

    /// The agent that leads the area: this one.
    pub(super) fn leader(&self) -> SpiffeId {
        self.agent(&self.state.device)
    }

    /// The roots in DER, the newest first.
    pub(super) fn root_certificates(&self) -> Vec<Vec<u8>> {
        if self.roots.is_empty() && !self.away.is_empty() {
            return self.away.clone();
        }
        if self.roots.is_empty() {
            return self.state.upper_roots.iter().map(|root| root.0.clone()).collect();
        }
        self.roots.iter().flat_map(|root| root.certificates().first().cloned()).collect()
    }

    /// The newest root.
    pub(super) fn root_hash(&self) -> [u8; 32] {
        self.root_certificates().first().map(|root| root_hash(root)).unwrap_or_default()
    }

    /// What members of the area shall believe.
    pub(super) fn trust(&self) -> AuthorityTrust {
        let bytes = |list: &[Vec<u8>]| list.iter().cloned().map(Bytes).collect::<Vec<_>>();
        let mut lists = bytes(&self.lists);
        lists.extend(self.state.upper_lists.iter().map(Bytes::from));
        AuthorityTrust {
            sequence: self.state.sequence,
            roots: bytes(&self.root_certificates()),
            intermediates: bytes(self.area.certificates()),
            lists,
        }
    }

    /// The list of the area's authority.
    pub(super) fn area_list(&self) -> Option<&[u8]> {
        self.lists.first().map(Vec::as_slice)
    }

    /// Whether it is time for new lists.
    pub(super) fn lists_are_due(&self, elapsed: Duration, settings: &AuthoritySettings) -> bool {
        self.listed.is_none_or(|listed| elapsed.saturating_sub(listed) >= settings.list_every)
    }

    /// Signs new lists. Their number is at least the time in milliseconds: members ignore lower ones than they have seen, and an
    /// authority that was restored from an old copy does not know how far it had come.
    pub(super) fn sign_lists(
        &mut self,
        register: &Register,
        settings: &AuthoritySettings,
        world: &World,
    ) -> Result<(), AuthorityError> {
        // Until this has succeeded they are out of date.
        self.listed = None;
        let now = world.clock.now();
        let life = i128::try_from(settings.list_life.as_nanos()).unwrap_or_default();
        let end = Timestamp::from_nanos(now.nanos() + life);
        let number = (self.state.list_number + 1).max(now.millis());
        let mut lists =
            vec![self.area.revocation_list(number, &register.revoked(Issuer::Area, now), now, end).map_err(failed)?];
        for root in &self.roots {
            lists.push(root.revocation_list(number, &register.revoked(Issuer::Root, now), now, end).map_err(failed)?);
        }
        self.state.list_number = number;
        self.state.heritage.forget_ended(now);
        self.save_state()?;
        self.lists = lists;
        self.listed = Some(world.clock.elapsed());
        Ok(())
    }

    /// Whether the area's authority needs another certificate: two thirds of its life have gone, or one of these roots has
    /// not vouched for it.
    pub(super) fn needs_certificate(&self, now: Timestamp) -> bool {
        let (from, until) = self.area.validity();
        let due = Timestamp::from_nanos(from.nanos() + (until.nanos() - from.nanos()) / 3 * 2);
        let issuers: Vec<String> = self.area.certificates().iter().map(|der| issuer_of(der)).collect();
        let roots = self.root_certificates();
        let vouched = |root: &Vec<u8>| PeerIdentity::of(root).is_ok_and(|root| issuers.contains(&root.key_id()));
        now >= due || !roots.iter().all(vouched)
    }

    /// Takes other certificates of the area's authority, and keeps them.
    pub(super) fn take_certificates(&mut self, certificates: Vec<Vec<u8>>) -> Result<(), AuthorityError> {
        self.area.set_certificates(certificates).map_err(|error| AuthorityError::Refused(error.to_string()))?;
        Ok(self.files.save(Rank::Area, &self.area)?)
    }

    /// Takes what is believed above.
    pub(super) fn take_upper(&mut self, upper: &AuthorityTrust, now: Timestamp) -> Result<bool, AuthorityError> {
        if upper.sequence < self.state.sequence {
            return Ok(false);
        }
        let next = self.state.clone().below(upper, now)?;
        if next == self.state {
            return Ok(false);
        }
        self.files.save_state(&next.write())?;
        self.state = next;
        Ok(true)
    }

    /// Believes a new root beside the old one. `certificates` are those of the area's authority by both.
    pub(super) fn begin_change(
        &mut self,
        root: Authority,
        certificates: Vec<Vec<u8>>,
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        let Some(old) = self.roots.first() else { return Err(AuthorityError::None) };
        self.files.save_previous_root(old)?;
        self.files.save(Rank::Root, &root)?;
        let next = State {
            root: Some(fingerprint_of(&root)),
            sequence: self.state.sequence + 1,
            changing_since: Some(now.millis()),
            ..self.state.clone()
        };
        self.files.save_state(&next.write())?;
        self.state = next;
        self.roots.insert(0, root);
        self.take_certificates(certificates)
    }

    /// Believes the old root no longer.
    pub(super) fn end_change(&mut self) -> Result<(), AuthorityError> {
        let next = State { sequence: self.state.sequence + 1, changing_since: None, ..self.state.clone() };
        self.files.save_state(&next.write())?;
        self.state = next;
        self.roots.truncate(1);
        self.drop_strangers()?;
        Ok(self.files.remove_previous_root()?)
    }

    pub(super) fn view(&self, register: &Register, settings: &AuthoritySettings, now: Timestamp) -> AuthorityView {
        let roots = self.root_certificates();
        let (valid, revoked) = register.counts(now);
        let until = roots.first().and_then(|root| PeerIdentity::of(root).ok()).map(|root| root.not_after);
        let rotation = self.state.changing_since().map(|since| {
            let overlap = i128::try_from(settings.overlap.as_nanos()).unwrap_or_default();
            let end = Timestamp::from_nanos(since.nanos() + overlap);
            format!(
                "two roots are believed since {since}; the old one is dropped at {end}, or by `mf2c ca rotate --finish`"
            )
        });
        AuthorityView {
            trust_domain: self.id().trust_domain.clone(),
            area: self.area_name().to_owned(),
            roots: roots.iter().map(|root| hex(&root_hash(root))).collect(),
            roots_pem: roots.iter().map(|root| certificate_pem(root)).collect(),
            has_root_key: !self.roots.is_empty(),
            root_until: until.unwrap_or_default(),
            area_until: self.area.validity().1,
            valid,
            revoked,
            list_number: self.state.list_number,
            rotation,
        }
    }
}

/// The key identifier of who issued a certificate.
pub(super) fn issuer_of(der: &[u8]) -> String {
    PeerIdentity::of(der).map(|certificate| certificate.issuer).unwrap_or_default()
}

/// SHA-256 of an authority's newest certificate, in hexadecimal.
pub(super) fn fingerprint_of(authority: &Authority) -> String {
    authority.certificates().first().map(|der| hex(&root_hash(der))).unwrap_or_default()
}

fn failed(error: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::Failed(error.to_string())
}
