//! Carries out `mf2c area`: tells who is in the area, and changes who leads it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Recipient};
use mf2c_actors::categoriser::Bury;
use mf2c_actors::leadership::{ChangeRole, Demand, RoleError, Standings};
use mf2c_actors::replicator::{Flow, Flows, Forget, KnownStore, KnownStores};
use mf2c_actors::resource_store::ResourceStore;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use mf2c_store::{Store, node_name};
use serde_json::{Map, Value, json};

use super::area::ask;
use super::exit;
use super::wire::Refusal;

/// How long figures are waited for that are told beside what is always known.
const LOOK: Duration = Duration::from_secs(2);

/// The doors of the actors that keep the area together.
#[derive(Clone)]
pub struct FogDoors {
    /// How the agent stands.
    pub standing: Standings,
    /// Changes roles.
    pub roles: Recipient<ChangeRole>,
    /// Tells how far replicas are.
    pub flows: Recipient<Flows>,
    /// Removes copies.
    pub forget: Recipient<Forget>,
    /// Tells whose stores are known.
    pub stores: Recipient<KnownStores>,
    /// Has the area told that an agent is forgotten.
    pub bury: Arc<dyn Fn(Bury) + Send + Sync>,
    /// Reads documents.
    pub store: Arc<Store>,
    /// Writes them.
    pub writer: Addr<ResourceStore>,
}

impl FogDoors {
    /// Everything that is known of the area here.
    pub(super) async fn show(&self) -> Result<Value, Refusal> {
        let standing = self.member()?;
        let (told, flows) = (self.told(), self.streams().await);
        let known = ask(&self.stores, KnownStores).await?;
        let lost = lost(&standing, &told, &known, &flows);
        let agents = agents(&standing, &told, &flows, &lost);
        Ok(json!({
            "area": standing.area(),
            "id": standing.own.as_ref().map(ToString::to_string),
            "role": standing.role.as_str(),
            "term": standing.term,
            "mandate": standing.mandate,
            "leader": standing.leader.as_ref().map(shown),
            "backups": standing.backups.iter().map(shown).collect::<Vec<_>>(),
            "upper": standing.upper.as_ref().map(shown),
            "agents": agents,
        }))
    }

    /// Changes who leads, or who may.
    pub(super) async fn change(&self, device: String, role: &str) -> Result<Value, Refusal> {
        self.member()?;
        let role = match role {
            "leader" => AreaRole::Leader,
            "backup" => AreaRole::Backup,
            "agent" => AreaRole::Agent,
            _ => return Err(Refusal::new(exit::USAGE, "expected the role leader, backup or agent")),
        };
        let change = ChangeRole { agent: Some(device), role, by: Demand::Operator };
        let standing = ask(&self.roles, change).await?.map_err(|error| of_role(&error))?;
        tracing::info!(role = role.as_str(), term = standing.term, "changed a role by a command on this machine");
        Ok(json!({
            "area": standing.area(),
            "term": standing.term,
            "leader": standing.leader.as_ref().map(shown),
            "backups": standing.backups.iter().map(shown).collect::<Vec<_>>(),
        }))
    }

    pub(super) fn member(&self) -> Result<Standing, Refusal> {
        let standing = self.standing.borrow().clone();
        if standing.own.is_none() { Err(of_role(&RoleError::Alone)) } else { Ok(standing) }
    }

    /// How far replicas are, as far as that is told in time.
    pub(super) async fn streams(&self) -> Vec<Flow> {
        let flows = tokio::time::timeout(LOOK, self.flows.send(Flows)).await;
        flows.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// What leaders say of the members of this area and of those below it. A command may wait for the disk.
    pub(super) fn told(&self) -> Vec<Told> {
        let own = self.store.identity().name();
        let all = self.store.all("area-member").into_iter();
        let told = all.filter_map(|document| {
            let body = serde_json::from_slice(&self.store.body(&document).ok()??).ok()?;
            let by = self.store.origin_of(document.id.as_str()).map_or_else(|| own.clone(), |node| node_name(&node));
            Some(Told { by, body })
        });
        told.collect()
    }
}

/// What one leader says of one agent.
pub(super) struct Told {
    /// The leader's node.
    pub(super) by: String,
    /// Its `area-member`.
    pub(super) body: Map<String, Value>,
}

impl Told {
    pub(super) fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn is_forgotten(&self) -> bool {
        self.text("status") == "forgotten"
    }
}

/// The leader of each area: whoever says so of itself, in the latest term.
pub(super) fn leaders(told: &[Told]) -> BTreeMap<String, &Told> {
    let mut leaders: BTreeMap<String, &Told> = BTreeMap::new();
    let term = |told: &Told| told.body.get("term").and_then(Value::as_u64).unwrap_or(0);
    for told in told.iter().filter(|told| told.text("role") == "leader" && told.text("node") == told.by) {
        let known = leaders.entry(told.text("area").to_owned()).or_insert(told);
        if (term(known), &known.by) < (term(told), &told.by) {
            *known = told;
        }
    }
    leaders
}

/// The areas directly below whose leaders are not in touch: what they said of who is, was true then.
pub(super) fn lost(standing: &Standing, told: &[Told], known: &[KnownStore], flows: &[Flow]) -> BTreeSet<String> {
    let is_lost = |area: &str, leader: &Told| {
        let device = leader.text("device");
        standing.area() != Some(area)
            && known.iter().any(|store| store.device == device && store.area == area)
            && !flows.iter().any(|flow| flow.peer == leader.text("agent"))
    };
    leaders(told).into_iter().filter(|(area, leader)| is_lost(area, leader)).map(|(area, _)| area).collect()
}

/// Of several leaders of one area the latest counts: what it says of an agent, or another one where it says nothing.
pub(super) fn newest(told: &[Told]) -> BTreeMap<(String, String), &Told> {
    let leaders = leaders(told);
    let mut newest: BTreeMap<(String, String), &Told> = BTreeMap::new();
    for told in told {
        let area = told.text("area");
        let leads = leaders.get(area).is_some_and(|leader| leader.by == told.by);
        let agent = if told.text("agent").is_empty() { told.text("device") } else { told.text("agent") };
        let key = (area.to_owned(), format!("{agent}{}", if agent == "unknown" { told.text("address") } else { "" }));
        if leads || !newest.contains_key(&key) {
            newest.insert(key, told);
        }
    }
    newest
}

fn shown(peer: &AreaPeer) -> Value {
    json!({ "id": peer.id.to_string(), "address": peer.address })
}

/// A line for each agent: what the leader of its area says of it, and what is known here without that.
fn agents(standing: &Standing, told: &[Told], flows: &[Flow], lost: &BTreeSet<String>) -> Vec<Value> {
    let mut lines: BTreeMap<(String, String), Map<String, Value>> = BTreeMap::new();
    for (key, told) in newest(told).into_iter().filter(|(_, told)| !told.is_forgotten()) {
        let wanted = ["device", "agent", "area", "role", "status", "address", "lastContact", "staleSince", "trouble"];
        let line = wanted.iter().filter_map(|name| Some(((*name).to_owned(), told.body.get(*name)?.clone())));
        let mut line: Map<String, Value> = line.collect();
        if lost.contains(&key.0) && told.text("status") == "connected" {
            line.insert("status".to_owned(), "disconnected".into());
        }
        lines.insert(key, line);
    }
    let known = [("leader", standing.leader.as_ref())]
        .into_iter()
        .chain(standing.backups.iter().map(|backup| ("backup", Some(backup))))
        .chain([("above", standing.upper.as_ref())]);
    for (role, peer) in known.filter_map(|(role, peer)| Some((role, peer?))) {
        let key = (peer.id.area().unwrap_or_default().to_owned(), peer.id.to_string());
        let line = lines.entry(key).or_default();
        for (name, value) in [("role", role), ("address", peer.address.as_str())] {
            line.entry(name).or_insert_with(|| value.into());
        }
    }
    if let Some(own) = &standing.own {
        let key = (own.area().unwrap_or_default().to_owned(), own.to_string());
        let line = lines.entry(key).or_default();
        line.insert("role".to_owned(), standing.role.as_str().into());
        line.insert("status".to_owned(), "this agent".into());
    }
    let shown = lines.into_iter().map(|((area, key), line)| {
        let agent = line.get("agent").and_then(Value::as_str).unwrap_or(&key).to_owned();
        complete(&area, &agent, line, flows)
    });
    shown.collect()
}

/// Adds what the streams of changes tell.
fn complete(area: &str, agent: &str, mut line: Map<String, Value>, flows: &[Flow]) -> Value {
    line.insert("area".to_owned(), area.into());
    line.insert("agent".to_owned(), agent.into());
    line.entry("device").or_insert_with(|| agent.rsplit('/').next().unwrap_or_default().into());
    let own: Vec<&Flow> = flows.iter().filter(|flow| flow.peer == agent).collect();
    if !own.is_empty() {
        if own.iter().any(|flow| flow.open) {
            line.entry("status").or_insert_with(|| "connected".into());
        }
        line.insert("behind".to_owned(), own.iter().map(|flow| flow.behind).max().into());
        line.insert("behindMillis".to_owned(), own.iter().map(|flow| flow.behind_millis).max().into());
        line.insert("repaired".to_owned(), own.iter().map(|flow| flow.repaired).sum::<u64>().into());
        line.insert("snapshot".to_owned(), own.iter().any(|flow| flow.snapshot).into());
    }
    line.into()
}

pub(super) fn of_role(error: &RoleError) -> Refusal {
    let exit = match error {
        RoleError::Alone | RoleError::Unknown(_) => exit::NOT_FOUND,
        RoleError::NotLeader(_) | RoleError::Stale { .. } => exit::CONFLICT,
        RoleError::NotNow(_) => exit::FAILED,
    };
    Refusal::new(exit, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(device: &str) -> String {
        format!("spiffe://mf2c.internal/area/pier/agent/{device}")
    }

    fn peer(device: &str) -> AreaPeer {
        AreaPeer { id: id(device).parse().unwrap(), address: format!("{device}:1") }
    }

    fn member(device: &str, status: &str) -> Map<String, Value> {
        let whole = json!({ "id": format!("area-member/{device}"), "agent": id(device), "device": device, "area": "pier",
            "role": "agent", "status": status, "acl": {} });
        whole.as_object().unwrap().clone()
    }

    #[test]
    fn each_agent_has_one_line_with_what_its_leader_says_and_what_the_streams_tell() {
        let standing = Standing {
            own: Some(id("a1").parse().unwrap()),
            role: AreaRole::Leader,
            leader: Some(peer("a1")),
            backups: vec![peer("b2")],
            ..Standing::default()
        };
        let flow = Flow {
            peer: id("b2"),
            outgoing: true,
            open: true,
            behind: 7,
            behind_millis: 30,
            changes: 9,
            bytes: 90,
            repaired: 1,
            snapshot: false,
        };
        let told = ["connected", "unavailable"].into_iter().zip(["b2", "c3"]);
        let told: Vec<Told> =
            told.map(|(status, device)| Told { by: "n".into(), body: member(device, status) }).collect();
        let lines = agents(&standing, &told, &[flow], &BTreeSet::new());
        let devices: Vec<_> = lines.iter().map(|line| line["device"].as_str().unwrap()).collect();
        assert_eq!(devices, ["a1", "b2", "c3"]);
        assert_eq!((&lines[0]["status"], &lines[0]["role"]), (&json!("this agent"), &json!("leader")));
        assert_eq!((&lines[1]["behind"], &lines[1]["repaired"]), (&json!(7), &json!(1)));
        assert!(lines[2].get("behind").is_none() && lines[2].get("acl").is_none());
    }

    fn said(by: &str, device: &str, node: &str, role: &str, term: u64) -> Told {
        let mut body = member(device, "connected");
        body.extend(json!({"role": role, "node": node, "term": term}).as_object().unwrap().clone());
        Told { by: by.into(), body }
    }

    #[test]
    fn of_two_leaders_of_an_area_the_one_of_the_later_term_says_who_leads_in_whatever_order_they_are_read() {
        let mut told = vec![
            said("old", "a1", "old", "leader", 3),
            said("old", "b2", "new", "backup", 0),
            said("new", "a1", "old", "agent", 0),
            said("new", "b2", "new", "leader", 5),
        ];
        for _ in 0..2 {
            let lines = agents(&Standing::default(), &told, &[], &BTreeSet::new());
            let roles: Vec<_> = lines.iter().map(|line| line["role"].as_str().unwrap()).collect();
            assert_eq!(roles, ["agent", "leader"]);
            told.reverse();
        }
    }

    #[test]
    fn who_is_forgotten_is_not_listed() {
        let told = [Told { by: "n".into(), body: member("b2", "forgotten") }];
        assert!(agents(&Standing::default(), &told, &[], &BTreeSet::new()).is_empty());
    }

    #[test]
    fn what_a_leader_said_of_who_is_in_touch_counts_while_it_is_in_touch_itself() {
        let told = [said("n", "a1", "n", "leader", 3)];
        let known = [KnownStore { device: "a1".into(), area: "pier".into(), origin: [1; 16] }];
        let above =
            Standing { own: Some("spiffe://mf2c.internal/area/sky/agent/c0".parse().unwrap()), ..Standing::default() };
        let lost = lost(&above, &told, &known, &[]);
        let lines = agents(&above, &told, &[], &lost);
        let line = lines.iter().find(|line| line["device"] == "a1").unwrap();
        assert_eq!(line["status"], "disconnected");
    }
}
