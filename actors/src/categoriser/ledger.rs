//! What the devices of agents say, found by device and by agent, and what those of the own area come to.

use std::collections::{BTreeMap, BTreeSet};

use mf2c_domain::area::aggregate::{Aggregate, Contribution, DeviceFacts, DynamicFacts};
use serde_json::{Map, Value};

/// Nodes are known by the name in the ids of their documents.
pub(super) type Node = String;

/// See the module.
pub(super) struct Ledger {
    own: Node,
    devices: BTreeMap<String, DeviceFacts>,
    dynamics: BTreeMap<String, Dynamic>,
    by_device: BTreeMap<String, BTreeSet<String>>,
    by_node: BTreeMap<Node, BTreeSet<String>>,
    live: BTreeSet<Node>,
    aggregate: Aggregate,
}

/// A `device-dynamic`, and the node whose document it is.
struct Dynamic {
    node: Node,
    facts: DynamicFacts,
}

impl Ledger {
    /// An empty one of the node `own`.
    pub(super) fn new(own: Node) -> Self {
        Self {
            own,
            devices: BTreeMap::new(),
            dynamics: BTreeMap::new(),
            by_device: BTreeMap::new(),
            by_node: BTreeMap::new(),
            live: BTreeSet::new(),
            aggregate: Aggregate::default(),
        }
    }

    /// What a `device` says now; none where there is none any more.
    pub(super) fn device(&mut self, id: &str, facts: Option<DeviceFacts>) {
        match facts {
            Some(facts) => drop(self.devices.insert(id.to_owned(), facts)),
            None => drop(self.devices.remove(id)),
        }
        self.count(id);
    }

    /// What a `device-dynamic` says now, and whose it is; none where there is none any more.
    pub(super) fn dynamic(&mut self, id: &str, facts: Option<(Node, DynamicFacts)>) {
        let new = facts.map(|(node, facts)| Dynamic { node, facts });
        if let Some(new) = &new {
            self.by_device.entry(new.facts.device().to_owned()).or_default().insert(id.to_owned());
            self.by_node.entry(new.node.clone()).or_default().insert(id.to_owned());
        }
        let device = new.as_ref().map(|new| new.facts.device().to_owned());
        let node = new.as_ref().map(|new| new.node.clone());
        let old = match new {
            Some(new) => self.dynamics.insert(id.to_owned(), new),
            None => self.dynamics.remove(id),
        };
        if let Some(old) = old {
            if device.as_deref() != Some(old.facts.device()) {
                take_out(&mut self.by_device, old.facts.device(), id);
                self.count(old.facts.device());
            }
            if node.as_deref() != Some(&*old.node) {
                take_out(&mut self.by_node, &old.node, id);
            }
        }
        if let Some(device) = device {
            self.count(&device);
        }
    }

    /// Whether the documents of a node count from now on. Whether that is news.
    pub(super) fn set_live(&mut self, node: &str, live: bool) -> bool {
        let news = if live { self.live.insert(node.to_owned()) } else { self.live.remove(node) };
        if news {
            let of_node = self.by_node.get(node).into_iter().flatten();
            let devices: BTreeSet<String> =
                of_node.filter_map(|id| Some(self.dynamics.get(id)?.facts.device().to_owned())).collect();
            devices.iter().for_each(|device| self.count(device));
        }
        news
    }

    /// The nodes whose documents count.
    pub(super) fn live(&self) -> BTreeSet<Node> {
        self.live.clone()
    }

    /// No document counts any more.
    pub(super) fn bury_all(&mut self) {
        for node in std::mem::take(&mut self.live) {
            self.live.insert(node.clone());
            self.set_live(&node, false);
        }
    }

    /// What all devices that count come to.
    pub(super) fn sums(&self) -> Option<Map<String, Value>> {
        self.aggregate.attributes()
    }

    /// The `device-dynamic` documents of a node.
    pub(super) fn of_node(&self, node: &str) -> impl Iterator<Item = &String> {
        self.by_node.get(node).into_iter().flatten()
    }

    /// Whose a `device-dynamic` is, and the status that it has.
    pub(super) fn status(&self, id: &str) -> Option<(&str, &str)> {
        self.dynamics.get(id).map(|dynamic| (&*dynamic.node, dynamic.facts.status()))
    }

    /// A device counts once, by the first of the documents about it that counts.
    fn count(&mut self, device: &str) {
        let counted = self.devices.get(device).and_then(|facts| {
            let about = self.by_device.get(device)?.iter().filter_map(|id| self.dynamics.get(id));
            let first = about
                .filter(|dynamic| counts(dynamic, &self.own, |node| self.live.contains(node)))
                .map(|it| &it.facts)
                .next();
            Some(Contribution::of(facts, first?))
        });
        self.aggregate.set(device, counted);
    }
}

/// An agent vouches for its own documents, also those that a device without a store of its own has made here; those of
/// others count while their agent is in touch.
fn counts(dynamic: &Dynamic, own: &str, is_live: impl Fn(&str) -> bool) -> bool {
    if dynamic.node == own { dynamic.facts.status() == "connected" } else { is_live(&dynamic.node) }
}

fn take_out(index: &mut BTreeMap<String, BTreeSet<String>>, key: &str, id: &str) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

/// What the numbers of a `fog-area` must be: counted anew from documents, by nothing that [`Ledger`] keeps. `devices` and
/// `dynamics` are ids with bodies, the latter with the nodes whose documents they are; `own` is the leader's node, and
/// `live` tells which others are in touch.
#[must_use]
pub fn recount<'a>(
    own: &str,
    devices: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    dynamics: impl IntoIterator<Item = (&'a str, &'a str, &'a [u8])>,
    live: impl Fn(&str) -> bool,
) -> Option<Map<String, Value>> {
    let devices: BTreeMap<&str, DeviceFacts> =
        devices.into_iter().filter_map(|(id, body)| Some((id, DeviceFacts::read(body)?))).collect();
    let read = |(id, node, body): (&'a str, &'a str, &'a [u8])| {
        DynamicFacts::read(body).map(|facts| (id, Dynamic { node: node.to_owned(), facts }))
    };
    let dynamics: BTreeMap<&str, Dynamic> = dynamics.into_iter().filter_map(read).collect();
    let mut parts: BTreeMap<&str, Contribution> = BTreeMap::new();
    for dynamic in dynamics.values().filter(|dynamic| counts(dynamic, own, &live)) {
        if let Some((id, facts)) = devices.get_key_value(dynamic.facts.device()) {
            parts.entry(id).or_insert_with(|| Contribution::of(facts, &dynamic.facts));
        }
    }
    parts.into_iter().collect::<Aggregate>().attributes()
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
