//! Carries out `mf2c area`: tells who is in the area, and changes who leads it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Recipient};
use mf2c_actors::leadership::{ChangeRole, Demand, RoleError, Standings};
use mf2c_actors::replicator::{Flow, Flows};
use mf2c_actors::resource_store::{DeleteResource, ForgetOrigin, ResourceStore};
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use mf2c_domain::caller::Caller;
use mf2c_store::record::NodeId;
use mf2c_store::{Store, StoreError};
use serde_json::{Map, Value, json};

use super::area::ask;
use super::exit;
use super::wire::Refusal;

/// How long figures are waited for that are told beside what is always known.
const LOOK: Duration = Duration::from_secs(2);
/// What people call the other agents by; the least that tells two of them apart for sure.
const TOO_SHORT: usize = 2;

/// The doors of the actors that keep the area together.
#[derive(Clone)]
pub struct FogDoors {
    /// How the agent stands.
    pub standing: Standings,
    /// Changes roles.
    pub roles: Recipient<ChangeRole>,
    /// Tells how far replicas are.
    pub flows: Recipient<Flows>,
    /// Reads documents.
    pub store: Arc<Store>,
    /// Writes them.
    pub writer: Addr<ResourceStore>,
}

impl FogDoors {
    /// Everything that is known of the area here.
    pub(super) async fn show(&self) -> Result<Value, Refusal> {
        let standing = self.member()?;
        let flows = tokio::time::timeout(LOOK, self.flows.send(Flows)).await;
        let flows = flows.ok().and_then(Result::ok).unwrap_or_default();
        let agents = agents(&standing, self.documents(), &flows);
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

    /// Removes the copies of another agent's documents.
    pub(super) async fn forget(&self, device: &str) -> Result<Value, Refusal> {
        let found = one(self.documents().into_iter(), device)?;
        let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("status") == "connected" {
            let message = format!(
                "{} is connected, so its documents would come again at once: stop it first, or end its membership with \
                 `mf2c ca revoke --device {}`",
                text("device"),
                text("device")
            );
            return Err(Refusal::new(exit::CONFLICT, message));
        }
        let failed = |error: StoreError| Refusal::new(exit::FAILED, error.to_string());
        let documents = match node_id(&text("node")) {
            Some(origin) if origin == self.store.identity().node => {
                return Err(Refusal::new(exit::USAGE, "this is the agent itself"));
            }
            Some(origin) => ask(&self.writer.clone().recipient(), ForgetOrigin(origin)).await?.map_err(failed)?,
            None => 0,
        };
        if let Ok(id) = mf2c_domain::id::ResourceId::parse(&text("id")) {
            let delete = DeleteResource { id, if_match: None, by: Caller::agent() };
            match ask(&self.writer.clone().recipient(), delete).await? {
                Ok(_) | Err(StoreError::NotFound { .. } | StoreError::Elsewhere { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        tracing::info!(device = text("device"), documents, "forgot an agent by a command on this machine");
        Ok(json!({ "device": text("device"), "documents": documents }))
    }

    fn member(&self) -> Result<Standing, Refusal> {
        let standing = self.standing.borrow().clone();
        if standing.own.is_none() { Err(of_role(&RoleError::Alone)) } else { Ok(standing) }
    }

    /// The documents of members, of this area and of those below it. A command may wait for the disk.
    fn documents(&self) -> Vec<Map<String, Value>> {
        let all = self.store.all("area-member").into_iter();
        all.filter_map(|document| serde_json::from_slice(&self.store.body(&document).ok()??).ok()).collect()
    }
}

fn shown(peer: &AreaPeer) -> Value {
    json!({ "id": peer.id.to_string(), "address": peer.address })
}

/// A line for each agent: what the leader of its area says of it, and what is known here without that.
fn agents(standing: &Standing, documents: Vec<Map<String, Value>>, flows: &[Flow]) -> Vec<Value> {
    let mut lines: BTreeMap<(String, String), Map<String, Value>> = BTreeMap::new();
    for document in documents {
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let wanted = ["device", "agent", "area", "role", "status", "address", "lastContact", "staleSince", "trouble"];
        let line = wanted.iter().filter_map(|name| Some(((*name).to_owned(), document.get(*name)?.clone()))).collect();
        lines.insert((text("area"), text("agent")), line);
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
    lines.into_iter().map(|((area, agent), line)| complete(&area, &agent, line, flows)).collect()
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

/// The one member whose device begins so.
fn one(documents: impl Iterator<Item = Map<String, Value>>, device: &str) -> Result<Map<String, Value>, Refusal> {
    let is = |found: &Map<String, Value>| {
        let whole = found.get("device").and_then(Value::as_str).unwrap_or_default();
        whole == device || (device.len() >= TOO_SHORT && whole.starts_with(device))
    };
    let mut found = documents.filter(is);
    let unknown = || of_role(&RoleError::Unknown(device.to_owned()));
    let first = found.next().ok_or_else(unknown)?;
    match found.next() {
        None => Ok(first),
        Some(_) => Err(Refusal::new(exit::USAGE, format!("several agents begin with `{device}`: write more of it"))),
    }
}

/// A node from its name in ids: a UUID.
fn node_id(name: &str) -> Option<NodeId> {
    let digits: String = name.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    let mut node = NodeId::default();
    for (place, byte) in node.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(node)
}

fn of_role(error: &RoleError) -> Refusal {
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
        let lines = agents(&standing, vec![member("b2", "connected"), member("c3", "unavailable")], &[flow]);
        let devices: Vec<_> = lines.iter().map(|line| line["device"].as_str().unwrap()).collect();
        assert_eq!(devices, ["a1", "b2", "c3"]);
        assert_eq!((&lines[0]["status"], &lines[0]["role"]), (&json!("this agent"), &json!("leader")));
        assert_eq!((&lines[1]["behind"], &lines[1]["repaired"]), (&json!(7), &json!(1)));
        assert!(lines[2].get("behind").is_none() && lines[2].get("acl").is_none());
    }

    #[test]
    fn an_agent_is_found_by_the_beginning_of_its_device_if_that_is_the_only_one() {
        let all = || [member("aa11", "x"), member("aa22", "x"), member("b", "x")].into_iter();
        assert_eq!(one(all(), "aa1").unwrap()["device"], "aa11");
        assert_eq!(one(all(), "b").unwrap()["device"], "b");
        assert_eq!(one(all(), "aa").unwrap_err().exit, exit::USAGE);
        assert_eq!(one(all(), "cc").unwrap_err().exit, exit::NOT_FOUND);
    }

    #[test]
    fn a_node_is_read_from_its_name() {
        let name = "00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(node_id(name).unwrap()[..3], [0x00, 0x11, 0x22]);
        for bad in ["", "0011", "00112233-4455-6677-8899-aabbccddeefg", "ä0112233445566778899aabbccddeef"] {
            assert_eq!(node_id(bad), None, "{bad}");
        }
    }
}
