//! To which area stores belong, and how they show it: what this agent says of its own store, what it hears of others, and what
//! it hands on.

use std::collections::{BTreeMap, BTreeSet};

use actix::prelude::*;
use mf2c_domain::area::spiffe::check_area;
use mf2c_domain::area::token;
use mf2c_fabric::replication::beside::{Claim, Home, Homes};
use mf2c_fabric::replication::bounds::MOST_ORIGINS;
use mf2c_fabric::replication::sink::Event as SinkEvent;
use mf2c_fabric::replication::source::Owed;
use mf2c_fabric::replication::{Origin, StreamMessage};
use mf2c_fabric::wire::Notice;
use mf2c_pki::store_key::{KEY_BYTES, StoreKey};
use mf2c_store::StoreError;
use serde::{Deserialize, Serialize};

use super::actor::Replicator;
use super::bindings::{Shown, bytes};
use super::judge::Due;
use crate::resource_store::KeepState;

/// Where the store keeps its own key.
const KEY: &str = "store/claim";
/// No signature is longer than these bytes.
const LONGEST_SIGNATURE: usize = 64;

/// What this agent's store says of itself.
pub(super) enum OwnClaim {
    /// Nothing yet.
    None,
    /// It is being written down.
    Keeping,
    /// This.
    Shown(Claim),
    /// Nothing, because it cannot be written down while the agent belongs to this area.
    Unkept(String),
}

/// What is kept of it. The seed is a secret.
#[derive(Serialize, Deserialize)]
struct Kept {
    seed: String,
    area: String,
    since: u64,
}

impl Kept {
    fn claim(&self, origin: &Origin) -> Option<Claim> {
        let key = StoreKey::from_seed(&bytes(&self.seed)?)?;
        let signature = key.sign(&Claim::message(origin, &self.area, self.since));
        Some(Claim {
            area: self.area.clone(),
            since: self.since,
            key: key.public().into(),
            signature: signature.into(),
        })
    }
}

impl Replicator {
    /// Whether the own store may be offered: what it says of itself is written down, or cannot be.
    pub(super) fn settle(&mut self, ctx: &mut Context<Self>) -> bool {
        let Some(area) = self.standing.area().map(str::to_owned) else { return true };
        match &self.claim {
            OwnClaim::Keeping => return false,
            OwnClaim::Shown(claim) if claim.area == area => return true,
            OwnClaim::Unkept(of) if *of == area => return true,
            _ => {}
        }
        let Ok(state) = self.store.state(KEY) else {
            self.claim = OwnClaim::Unkept(area);
            return true;
        };
        let known: Option<Kept> = state.and_then(|json| serde_json::from_slice(&json).ok());
        if let Some(claim) = known.as_ref().filter(|known| known.area == area).and_then(|known| known.claim(&self.own))
        {
            self.claim = OwnClaim::Shown(claim);
            return true;
        }
        let now = self.world.clock.now().millis();
        let kept = match known {
            Some(known) => Kept { since: now.max(known.since.saturating_add(1)), area, ..known },
            None => {
                let mut seed = [0; KEY_BYTES];
                self.world.entropy.fill(&mut seed);
                Kept { seed: token::hex(&seed), area, since: now }
            }
        };
        self.claim = OwnClaim::Keeping;
        let value = serde_json::to_vec(&kept).ok();
        let stored = self.writer.send(KeepState { key: KEY.to_owned(), value });
        ctx.spawn(stored.into_actor(self).map(move |stored, replicator, ctx| {
            replicator.claim = match (stored.unwrap_or(Err(StoreError::Stopping)), kept.claim(&replicator.own)) {
                (Ok(()), Some(claim)) => OwnClaim::Shown(claim),
                (stored, _) => {
                    tracing::warn!(error = ?stored.err(), "the key of this store cannot be kept: should it move to another area, it cannot show that");
                    OwnClaim::Unkept(kept.area)
                }
            };
            replicator.stand(ctx);
        }));
        false
    }

    /// Where a store belongs, for others.
    fn home_of(&mut self, origin: &Origin) -> Option<Home> {
        let name = || origin.to_vec().into();
        if *origin == self.own {
            let OwnClaim::Shown(claim) = &self.claim else { return None };
            return Some(Home { origin: name(), area: claim.area.clone(), claim: Some(claim.clone()) });
        }
        let owner = self.bindings.owner_of(origin)?;
        Some(Home { origin: name(), area: owner.area, claim: owner.shown.as_ref().and_then(Shown::claim) })
    }

    /// Tells the peer of a link where these stores belong, as far as is known.
    pub(super) fn say_homes(&mut self, number: u64, origins: &[Origin], ctx: &mut Context<Self>) {
        let Some(max_frame) = self.links.get(&number).map(|ends| ends.link.hello.max_frame) else { return };
        let homes: Vec<Home> = origins.iter().filter_map(|origin| self.home_of(origin)).collect();
        let count = (max_frame as usize / 1024).clamp(8, 1024);
        for of in homes.chunks(count) {
            self.say(number, Notice::Stream(StreamMessage::Homes(Homes { of: of.to_vec() })), ctx);
        }
    }

    /// Tells the peer of a link where those stores belong that are offered to it anew.
    pub(super) fn say_new_homes(&mut self, number: u64, owed: &[Owed], anew: bool, ctx: &mut Context<Self>) {
        let Some(source) = self.links.get(&number).and_then(|ends| ends.source.as_ref()) else { return };
        let new = owed.iter().map(|owed| owed.origin).filter(|origin| anew || !source.offers(origin));
        let new: Vec<Origin> = new.collect();
        self.say_homes(number, &new, ctx);
    }

    /// Tells everybody who gets everything something new about stores that were offered already.
    pub(super) fn tell_homes(&mut self, origins: &[Origin], ctx: &mut Context<Self>) {
        for number in self.sources() {
            let Some(ends) = self.links.get(&number).filter(|ends| ends.due == Due::All) else { continue };
            let Some(source) = &ends.source else { continue };
            let offered: Vec<Origin> = origins.iter().copied().filter(|origin| source.offers(origin)).collect();
            self.say_homes(number, &offered, ctx);
        }
    }

    /// A peer tells where stores belong. What it says counts when it is judged; where that has been, it is judged anew.
    pub(super) fn hear_homes(&mut self, number: u64, homes: Homes, ctx: &mut Context<Self>) {
        let Some(ends) = self.links.get_mut(&number) else { return };
        let mut news = BTreeSet::new();
        for home in homes.of {
            let Ok(origin) = Origin::try_from(home.origin.0.as_slice()) else { continue };
            let sound = check_area(&home.area).is_ok() && home.claim.as_ref().is_none_or(is_sound);
            if !sound || (ends.homes.len() >= MOST_ORIGINS && !ends.homes.contains_key(&origin)) {
                continue;
            }
            let known = self.bindings.owner_of(&origin);
            let shown = known.as_ref().and_then(|owner| owner.shown.as_ref());
            let other = home.claim.as_ref().map(Shown::of).is_some_and(|new| shown != Some(&new));
            if other {
                news.insert(origin);
            }
            ends.homes.insert(origin, home);
        }
        if !news.is_empty() && ends.sink.was_offered(&news) {
            self.sink_step(number, SinkEvent::Rejudge, ctx);
        }
    }

    /// Stores have moved: who offered them before is judged anew.
    pub(super) fn have_moved(&mut self, to: u64, origins: &BTreeSet<Origin>, ctx: &mut Context<Self>) {
        let carries = |ends: &super::links::Ends| ends.sink.origins().any(|(origin, _)| origins.contains(&origin));
        let others = self.links.iter().filter(|(number, ends)| **number != to && carries(ends));
        let others: Vec<u64> = others.map(|(number, _)| *number).collect();
        for number in others {
            self.sink_step(number, SinkEvent::Rejudge, ctx);
        }
    }
}

/// What the peers of links have said of stores.
pub(super) type Heard = BTreeMap<Origin, Home>;

fn is_sound(claim: &Claim) -> bool {
    check_area(&claim.area).is_ok() && claim.key.0.len() == KEY_BYTES && claim.signature.0.len() <= LONGEST_SIGNATURE
}
