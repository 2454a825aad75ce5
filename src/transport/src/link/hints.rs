//! Where else agents may be found: what was discovered, bounded, and believed only so far as a certificate says it.

use std::collections::{BTreeMap, VecDeque};

use mf2c_domain::area::spiffe::SpiffeId;
use parking_lot::Mutex;

/// Addresses of one agent.
const ADDRESSES: usize = 4;
/// Addresses at which the leader of the own area was looked for.
const PLACES: usize = 4;
/// Agents of which there are hints.
const AGENTS: usize = 256;
/// The longest host name and a port, in bytes (RFC 1035, 2.3.4).
const LONGEST: usize = 262;

#[derive(Debug, Default)]
struct Known {
    agents: BTreeMap<SpiffeId, VecDeque<String>>,
    /// In the order in which they were first heard of.
    order: VecDeque<SpiffeId>,
    /// Where the leader of the own area was looked for, the newest first.
    places: VecDeque<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Hints(Mutex<Known>);

impl Hints {
    /// Remembers an address in place of the oldest one; whether it is new.
    pub(super) fn add(&self, id: &SpiffeId, address: String) -> bool {
        if address.is_empty() || address.len() > LONGEST {
            return false;
        }
        let mut known = self.0.lock();
        if !known.agents.contains_key(id) {
            if known.agents.len() >= AGENTS
                && let Some(oldest) = known.order.pop_front()
            {
                known.agents.remove(&oldest);
            }
            known.order.push_back(id.clone());
        }
        let addresses = known.agents.entry(id.clone()).or_default();
        if addresses.contains(&address) {
            return false;
        }
        if addresses.len() >= ADDRESSES {
            addresses.pop_front();
        }
        addresses.push_back(address);
        true
    }

    /// Remembers that the leader is looked for at an address.
    pub(super) fn visit(&self, address: &str) {
        if address.len() > LONGEST {
            return;
        }
        let mut known = self.0.lock();
        known.places.retain(|place| place != address);
        known.places.truncate(PLACES - 1);
        known.places.push_front(address.to_owned());
    }

    /// Where else the agent that leads may be, beginning with what is known of one that did.
    pub(super) fn of_leader(&self, leader: &SpiffeId) -> Vec<String> {
        let mut places = self.of(leader);
        for place in &self.0.lock().places {
            if !places.contains(place) {
                places.push(place.clone());
            }
        }
        places
    }

    /// The addresses of an agent, the newest first.
    pub(super) fn of(&self, id: &SpiffeId) -> Vec<String> {
        self.0.lock().agents.get(id).map(|addresses| addresses.iter().rev().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_addresses_of_256_agents_are_remembered_and_the_oldest_give_way() {
        let hints = Hints::default();
        let id = |number: usize| -> SpiffeId { format!("spiffe://d/area/a/agent/c{number}").parse().unwrap() };
        for number in 0..6 {
            assert!(hints.add(&id(0), format!("h{number}:1")));
        }
        assert!(!hints.add(&id(0), "h5:1".into()), "it is known");
        assert!(!hints.add(&id(0), "h".repeat(300)), "it is no address");
        assert_eq!(hints.of(&id(0)), ["h5:1", "h4:1", "h3:1", "h2:1"]);
        for number in 1..=AGENTS {
            hints.add(&id(number), "h:1".into());
        }
        assert!(hints.of(&id(0)).is_empty());
        assert_eq!(hints.of(&id(1)), ["h:1"]);
        assert_eq!(hints.0.lock().agents.len(), AGENTS);
        assert_eq!(hints.0.lock().order.len(), AGENTS);
    }

    #[test]
    fn the_last_four_places_where_the_leader_was_looked_for_are_remembered_behind_its_own() {
        let (hints, leader) = (Hints::default(), "spiffe://d/area/a/agent/l".parse().unwrap());
        hints.add(&leader, "h2:1".into());
        for number in [0, 1, 2, 3, 4, 1] {
            hints.visit(&format!("h{number}:1"));
        }
        assert_eq!(hints.of_leader(&leader), ["h2:1", "h1:1", "h4:1", "h3:1"]);
    }
}
