//! What becomes of one document: what it should say, held against what it says.

use mf2c_domain::area::presence::Status;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, Draft, TypeSpec};
use mf2c_store::NewDocument;
use serde_json::{Map, Value, json};

use super::members::{document_id, expected_attributes, expected_name, object};
use super::news::USERS_SEE;
use super::{Categoriser, own};
use crate::ports::World;

/// One write.
#[derive(Debug)]
pub(super) enum Step {
    Add(NewDocument),
    Edit {
        id: ResourceId,
        changes: Map<String, Value>,
        removed: Vec<String>,
    },
    Delete(ResourceId),
    Observe {
        id: ResourceId,
        seen: Map<String, Value>,
    },
    /// A copy of another agent's document, which is out of date.
    LetGo(ResourceId),
}

impl Categoriser {
    /// What is to be done with a document; none where it is as it should be.
    pub(super) fn plan(&self, id: &ResourceId) -> Option<Step> {
        match id.kind() {
            "area-member" => self.plan_summary(id, self.member_attributes(id)),
            "fog-area" => self.plan_summary(id, self.sum_attributes(id)),
            "agent" => {
                let linked = |peer: &_| self.is_linked(peer);
                let children = self.children();
                let wanted = own::agent(&self.standing, self.settings.declared_leader, linked, &children);
                edit(id, &self.stored(id)?, wanted, &own::AGENT)
            }
            "device" => {
                let leads = own::is_leader(&self.standing, self.settings.declared_leader);
                edit(id, &self.stored(id)?, object(json!({ "isLeader": leads })), &["isLeader"])
            }
            "device-dynamic" => {
                let (node, status) = self.ledger.status(id.as_str())?;
                let wanted = self.status_of(node)?.as_str();
                let seen = object(json!({ "status": wanted }));
                (wanted != status).then(|| Step::Observe { id: id.clone(), seen })
            }
            _ => None,
        }
    }

    /// The next step for a document that only a leader has.
    fn plan_summary(&self, id: &ResourceId, wanted: Option<Map<String, Value>>) -> Option<Step> {
        let Some((area, by)) = self.records.about(id.as_str()) else {
            // Where the log is not read up to here it may be there all the same: then nothing is lost but a try.
            return Some(Step::Add(new(id, wanted?, &self.world)?));
        };
        if *by != self.own {
            // Of two leaders of one term in an area below, either may be the one to believe next.
            let believed = self.standing.area() != Some(area) && self.records.may_lead(area, by);
            let outdated = !believed && self.leader_of(area).is_some_and(|leader| leader != *by);
            return outdated.then(|| Step::LetGo(id.clone()));
        }
        match wanted {
            Some(wanted) => {
                let spec = resource::find(id.kind())?;
                let names: Vec<&str> = spec.fields.iter().map(|field| field.name).chain(["name"]).collect();
                edit(id, &self.stored(id)?, wanted, &names)
            }
            // Outside of any area such a document is a client's own.
            None if id.kind() == "fog-area" && self.standing.own.is_none() => None,
            // Of its area a leader writes one document, which has its name: others people have added, and they keep them.
            None if id.kind() == "fog-area" && id.name() != self.own => None,
            None => self.is_over().then(|| Step::Delete(id.clone())),
        }
    }

    /// Whether what the agent has written as a leader is to be removed. While nobody is known to lead, as at the start, it
    /// may soon be the leader again.
    fn is_over(&self) -> bool {
        self.standing.leads() || self.standing.leader.is_some() || self.standing.own.is_none()
    }

    fn member_attributes(&self, id: &ResourceId) -> Option<Map<String, Value>> {
        if !self.standing.leads() {
            return None;
        }
        let name = self.member_of(id)?;
        if let (Some(member), Some(presence)) = (self.members.get(&name), self.roll.get(&name)) {
            return Some(member.attributes(presence, &self.standing));
        }
        if let Some(grave) = self.graves.get(&name) {
            return Some(grave.attributes(self.standing.area()?));
        }
        let address = self.expected.waiting().find(|address| expected_name(address) == name)?;
        Some(expected_attributes(address, self.standing.area()?))
    }

    /// The name of the member that one of the own documents is about.
    pub(super) fn member_of(&self, id: &ResourceId) -> Option<String> {
        let (name, _) = id.name().rsplit_once('-')?;
        (document_id(name, &self.own) == id.as_str()).then(|| name.to_owned())
    }

    fn sum_attributes(&self, id: &ResourceId) -> Option<Map<String, Value>> {
        if !self.standing.leads() || id.name() != self.own {
            return None;
        }
        let mut sums = self.ledger.sums()?;
        sums.insert("leaderDevice".to_owned(), json!({ "href": format!("device/{}", self.own) }));
        sums.insert("name".to_owned(), self.standing.area()?.into());
        Some(sums)
    }

    /// Whether the agent with this node can be reached: by the own links where this agent leads it, else by what its leader
    /// says, or worse where that leader cannot be reached itself.
    pub(super) fn status_of(&self, node: &str) -> Option<Status> {
        if node == self.own {
            return None;
        }
        if let Some(name) = self.nodes.get(node).filter(|_| self.standing.leads()) {
            return Some(self.roll.get(name)?.status());
        }
        let mut told = self.records.of_node(node).filter(|record| record.by != self.own);
        let leads = |record: &&_| self.is_by_leader(record);
        let record = told.clone().find(leads).or_else(|| told.next())?;
        let leader = self.leaders.get(&record.by).map(mf2c_domain::area::presence::Presence::status);
        Some(record.status().max(leader.unwrap_or(Status::Connected)))
    }

    pub(super) fn is_by_leader(&self, record: &super::records::Record) -> bool {
        self.leader_of(&record.area).as_ref() == Some(&record.by)
    }

    /// The attributes of a document as they are stored.
    fn stored(&self, id: &ResourceId) -> Option<Map<String, Value>> {
        let document = self.store.get(id.as_str())?;
        serde_json::from_slice(&self.store.body(&document).ok()??).ok()
    }
}

/// The edit that brings `names` of a document to what is wanted; what is not wanted of them is removed.
fn edit(id: &ResourceId, current: &Map<String, Value>, wanted: Map<String, Value>, names: &[&str]) -> Option<Step> {
    let gone = |name: &&&str| current.contains_key(**name) && !wanted.contains_key(**name);
    let removed: Vec<String> = names.iter().filter(gone).map(|name| (*name).to_owned()).collect();
    let changes: Map<String, Value> =
        wanted.into_iter().filter(|(name, value)| current.get(name) != Some(value)).collect();
    let nothing = changes.is_empty() && removed.is_empty();
    (!nothing).then(|| Step::Edit { id: id.clone(), changes, removed })
}

fn new(id: &ResourceId, attributes: Map<String, Value>, world: &World) -> Option<NewDocument> {
    let spec: &'static TypeSpec = resource::find(id.kind())?;
    let (now, entropy) = (world.clock.now(), &*world.entropy);
    let made = spec.prepare_add(attributes, now, entropy).map_err(|error| error.to_string()).and_then(|draft| {
        let draft = Draft { name: Some(id.name().to_owned()), acl: Some(USERS_SEE), ..draft };
        NewDocument::new(spec, draft, &Caller::agent(), entropy).map_err(|error| error.to_string())
    });
    made.inspect_err(|error| tracing::error!(%id, error, "a document of the area cannot be made")).ok()
}
