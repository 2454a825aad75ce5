//! What may come from whom: a child's own changes, everything of an area from its leader, and never our own.

use std::collections::{BTreeMap, BTreeSet};

use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::area::standing::Standing;
use mf2c_fabric::replication::beside::{Claim, Home};
use mf2c_fabric::replication::sink::Verdict;
use mf2c_fabric::replication::{Origin, Point};
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Code, WireError};
use mf2c_pki::store_key::is_signed;

use super::bindings::{Bindings, Full, Owner, Shown, is_behind};
use crate::ports::OpenLink;
use crate::resource_store::KeepState;

/// What the peer of a link is to this agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Nothing that matters for changes.
    None,
    /// It leads our area.
    Leader,
    /// A member of the area that we lead.
    Child,
    /// It leads an area below us.
    Below,
    /// It led an area below us, and another agent does so now.
    Deposed,
}

impl Relation {
    pub(super) fn of(link: &OpenLink, standing: &Standing) -> Self {
        match link.scope {
            Scope::Area if standing.leads() => Self::Child,
            Scope::Area if standing.is_led_by(&link.peer.id) => Self::Leader,
            Scope::Certification if standing.leads() && link.peer.unit == "leader" => Self::Below,
            _ => Self::None,
        }
    }
}

/// What is owed to the peer of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Our own changes.
    Own,
    /// Everything that we have.
    All,
}

impl Due {
    pub(super) fn to(peer: &SpiffeId, standing: &Standing) -> Self {
        let backup = standing.backups.iter().any(|backup| backup.id == *peer);
        let upper = standing.upper.as_ref().is_some_and(|upper| upper.id == *peer);
        match standing.leads() {
            true if backup || upper => Self::All,
            false if standing.is_led_by(peer) => Self::Own,
            _ => Self::Nothing,
        }
    }
}

/// The device that a certificate names.
pub(super) fn device_of(link: &OpenLink) -> &str {
    match &link.peer.id.subject {
        Subject::Agent { device, .. } => device,
        _ => "",
    }
}

/// What an origin's change of hands brings with it.
#[derive(Default)]
pub(super) struct Consequences {
    /// What must be kept before anything of it is taken.
    pub(super) keep: Vec<KeepState>,
    /// Stores that their devices no longer have, and the devices.
    pub(super) forget: Vec<(Origin, String)>,
    /// Stores that came by way of another area before.
    pub(super) moved: BTreeSet<Origin>,
    /// Stores of which something new was learnt that others have to hear.
    pub(super) told: Vec<Origin>,
    /// Stores that have left the area by way of which they are offered, and of which nothing new is offered.
    pub(super) left_behind: BTreeSet<Origin>,
}

/// Whether a life of an origin is over as far as is known here. Lives of one store count upwards; an agent whose store was put
/// back to an older one is told so, and begins a newer.
pub(super) fn is_outlived(incarnation: u64, here: Point) -> bool {
    incarnation < here.incarnation
}

/// Who has said that it has moved, if that can be proved: with the key that the store has shown before, and later than that.
/// `budget` bounds how often that is looked at, for it takes time.
fn has_moved(origin: &Origin, owner: &Owner, area: &str, claim: Option<&Claim>, budget: &mut usize) -> bool {
    let (Some(known), Some(claim)) = (owner.shown.as_ref(), claim) else { return false };
    let newer = claim.area == area && claim.since > known.since && Shown::of(claim).key == known.key;
    newer && is_genuine(origin, claim, budget)
}

/// Whether the store has signed what it is said to say.
fn is_genuine(origin: &Origin, claim: &Claim, budget: &mut usize) -> bool {
    let Some(left) = budget.checked_sub(1) else { return false };
    *budget = left;
    is_signed(&claim.key.0, &Claim::message(origin, &claim.area, claim.since), &claim.signature.0)
}

/// Signatures that are checked for one offer; the others are refused until it is made again.
const MOST_PROOFS: usize = 1024;

/// Judges the origins of one offer.
pub(super) struct Judge<'j> {
    link: &'j OpenLink,
    relation: Relation,
    own: &'j Origin,
    homes: &'j BTreeMap<Origin, Home>,
    bindings: &'j mut Bindings,
    proofs: usize,
    pub(super) then: Consequences,
}

impl<'j> Judge<'j> {
    pub(super) fn new(
        link: &'j OpenLink,
        relation: Relation,
        own: &'j Origin,
        homes: &'j BTreeMap<Origin, Home>,
        bindings: &'j mut Bindings,
    ) -> Self {
        Self { link, relation, own, homes, bindings, proofs: MOST_PROOFS, then: Consequences::default() }
    }

    /// Whether the origin may come over the link. It binds the origin to its device and area. `here` is what there is of it,
    /// and `held` whether there is anything, be it the beginning of a snapshot.
    pub(super) fn verdict(
        &mut self,
        (origin, offered, told): &(Origin, Point, String),
        here: Option<Point>,
        held: bool,
    ) -> Verdict {
        let forbidden = |text: String| Err(WireError::new(Code::Forbidden, text));
        let first_hand = self.link.hello.origin.0 == *origin;
        if origin == self.own {
            return forbidden("this agent takes its own changes from nobody".to_owned());
        }
        let device = match self.relation {
            Relation::Child if !first_hand => {
                return forbidden("a child may offer its own changes alone".to_owned());
            }
            // Of its own store the certificate tells the device, and nothing else.
            _ if first_hand => device_of(self.link),
            _ => told,
        };
        let owner = self.bindings.owner_of(origin);
        let bound = owner.as_ref().map(|owner| owner.device.as_str()).filter(|bound| !bound.is_empty());
        if let Some(bound) = bound.filter(|bound| *bound != device) {
            let whose = if device.is_empty() { "nobody" } else { device };
            return forbidden(format!("this store belongs to the device {bound}, not to {whose}"));
        }
        if let Some(gone) = self.bindings.gone(origin) {
            if !gone.device.is_empty() && gone.device != device {
                return forbidden(format!(
                    "this store belonged to the device {}, which is forgotten here",
                    gone.device
                ));
            }
            if !first_hand && !is_behind(*offered, gone.upto()) {
                let text = format!("the device {device} is forgotten here: it comes back itself, and not as a copy");
                return forbidden(text);
            }
        }
        if let Some(here) = here
            && is_outlived(offered.incarnation, here)
        {
            return forbidden(format!(
                "this store has begun a new life since: the life {} is here, {} is older",
                here.incarnation, offered.incarnation
            ));
        }
        let area = self.area(origin, owner.as_ref());
        let claim = self.homes.get(origin).and_then(|home| home.claim.as_ref());
        if let Some(owner) = owner.as_ref().filter(|owner| held && self.is_elsewhere(owner, &area)) {
            if !has_moved(origin, owner, &area, claim, &mut self.proofs) {
                if here.is_some_and(|here| *offered <= here) {
                    self.then.left_behind.insert(*origin);
                }
                return forbidden(format!(
                    "this store belongs to the area {}, and does not show that it has moved to {area}",
                    owner.area
                ));
            }
            self.then.moved.insert(*origin);
        }
        let shown = self.shown(origin, owner.as_ref(), claim);
        self.then.keep.extend(self.bindings.remember(origin));
        self.bind(*origin, Owner { device: device.to_owned(), area, shown }, owner)
    }

    /// By way of which area the origin comes. The leader of our own area knows that better.
    fn area(&self, origin: &Origin, owner: Option<&Owner>) -> String {
        let of_link = self.link.peer.id.area().unwrap_or_default();
        if self.relation != Relation::Leader {
            return of_link.to_owned();
        }
        let told = self.homes.get(origin).map(|home| home.area.as_str());
        let known = owner.map(|owner| owner.area.as_str());
        told.or(known).filter(|area| !area.is_empty()).unwrap_or(of_link).to_owned()
    }

    fn is_elsewhere(&self, owner: &Owner, area: &str) -> bool {
        self.relation != Relation::Leader && !owner.area.is_empty() && owner.area != area
    }

    /// What the store is known to have shown. The area to which it belongs answers for its key.
    fn shown(&mut self, origin: &Origin, owner: Option<&Owner>, claim: Option<&Claim>) -> Option<Shown> {
        let known = owner.and_then(|owner| owner.shown.clone());
        let new = claim
            .map(Shown::of)
            .filter(|new| known.as_ref().is_none_or(|known| known.key != new.key || known.since < new.since));
        let Some((claim, new)) = claim.zip(new) else { return known };
        let first_hand = self.link.hello.origin.0 == *origin;
        let genuine = !first_hand || is_genuine(origin, claim, &mut self.proofs);
        if !genuine { known } else { Some(new) }
    }

    fn bind(&mut self, origin: Origin, owner: Owner, before: Option<Owner>) -> Verdict {
        let known = if owner.device.is_empty() { None } else { self.bindings.store_of(&owner.area, &owner.device) };
        if let Some(old) = known.filter(|old| *old != origin) {
            self.then.forget.push((old, owner.device.clone()));
        }
        if before.is_some_and(|before| before.shown != owner.shown || before.area != owner.area) {
            self.then.told.push(origin);
        }
        match self.bindings.bind(origin, owner) {
            Ok(keep) => self.then.keep.extend(keep),
            Err(Full) => {
                let text = "the stores of as many devices are known here as ever are: forget some";
                return Err(WireError::new(Code::Busy, text));
            }
        }
        Ok(())
    }
}
