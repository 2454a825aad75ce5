//! `mf2c area forget`: removes what is known of an agent that does not come back, everywhere.
//!
//! Who leads the agent's area does it; its backups and those above follow by what it says. Where that leader is lost too, each
//! agent forgets for itself.

use std::collections::{BTreeMap, BTreeSet};

use mf2c_actors::categoriser::Bury;
use mf2c_actors::replicator::{Forget, Forgotten, KnownStore, KnownStores};
use mf2c_actors::resource_store::LetGo;
use mf2c_domain::area::standing::Standing;
use mf2c_domain::id::ResourceId;
use mf2c_store::record::NodeId;
use mf2c_store::{StoreError, node_name};
use serde_json::{Value, json};

use super::area::ask;
use super::exit;
use super::fog::{FogDoors, Told, leaders, lost, newest, of_role};
use super::wire::Refusal;
use mf2c_actors::leadership::RoleError;

/// What people call the other agents by; the least that tells two of them apart for sure.
const TOO_SHORT: usize = 2;

/// What is known of one device.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    device: String,
    agent: String,
    area: String,
    status: String,
    /// Whether the present leader of its area lists it.
    is_listed: bool,
    stores: BTreeSet<NodeId>,
}

impl FogDoors {
    /// Forgets an agent.
    pub(super) async fn forget(&self, device: &str) -> Result<Value, Refusal> {
        let standing = self.member()?;
        let meant = self.device_of(device)?;
        let device = meant.as_deref().unwrap_or(device);
        let (told, known) = (self.told(), ask(&self.stores, KnownStores).await?);
        let found = one(all(&standing, &told, known), device)?;
        let flows = self.streams().await;
        let lost = lost(&standing, &told, &ask(&self.stores, KnownStores).await?, &flows);
        let linked: BTreeSet<String> = flows.into_iter().map(|flow| flow.peer).collect();
        may_forget(&standing, &found, &told, &linked, &lost)?;
        let own = self.store.identity().node;
        let failed = |error: StoreError| Refusal::new(exit::FAILED, error.to_string());
        let mut forgotten = Forgotten::default();
        let mut documents = 0;
        for origin in found.stores.iter().filter(|origin| **origin != own) {
            let forget = Forget { origin: *origin, device: found.device.clone(), upto: None, below: None };
            forgotten = ask(&self.forget, forget).await?.map_err(failed)?;
            documents += forgotten.documents;
            (self.bury)(Bury {
                agent: found.agent.clone(),
                device: found.device.clone(),
                node: node_name(origin),
                life: forgotten.life,
                changes: forgotten.changes,
            });
        }
        self.let_go(&told, &found).await?;
        tracing::info!(device = found.device, documents, ?forgotten, "forgot an agent by a command on this machine");
        Ok(json!({ "device": found.device, "documents": documents }))
    }

    /// Removes what leaders who are lost say of it.
    async fn let_go(&self, told: &[Told], found: &Found) -> Result<(), Refusal> {
        let own = self.store.identity().name();
        for of_others in told.iter().filter(|told| told.text("device") == found.device && told.by != own) {
            let Ok(id) = ResourceId::parse(of_others.text("id")) else { continue };
            match ask(&self.writer.clone().recipient(), LetGo(id)).await? {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(Refusal::new(exit::FAILED, error.to_string())),
            }
        }
        Ok(())
    }
}

/// Every device that is known: by what leaders say, and by whose stores are here.
fn all(standing: &Standing, told: &[Told], known: Vec<KnownStore>) -> BTreeMap<String, Found> {
    let leaders = leaders(told);
    let mut all: BTreeMap<String, Found> = BTreeMap::new();
    for ((area, _), told) in newest(told) {
        let device = told.text("device");
        if device.is_empty() || device == "unknown" {
            continue;
        }
        let status = told.text("status");
        let found = all.entry(device.to_owned()).or_default();
        found.stores.extend(node_id(told.text("node")));
        // What is said of one agent by the leaders of two areas: the one in touch counts.
        if found.status == "connected" && status != "connected" {
            continue;
        }
        let is_listed = status != "forgotten" && leaders.get(&area).is_some_and(|leader| leader.by == told.by);
        let (agent, status) = (told.text("agent").to_owned(), status.to_owned());
        *found = Found { device: device.to_owned(), agent, area, status, is_listed, ..std::mem::take(found) };
    }
    for store in known {
        let found = all.entry(store.device.clone()).or_default();
        found.stores.insert(store.origin);
        if found.device.is_empty() {
            (found.device, found.area) = (store.device, store.area);
        }
    }
    if let Some(own) = standing.own.as_ref().and_then(|own| own.device()) {
        all.entry(own.to_owned()).or_default().device = own.to_owned();
    }
    all
}

/// The one device that begins so, or is called so.
fn one(mut all: BTreeMap<String, Found>, device: &str) -> Result<Found, Refusal> {
    if let Some(found) = all.remove(device) {
        return Ok(found);
    }
    let begins = |name: &String| device.len() >= TOO_SHORT && name.starts_with(device);
    let mut found = all.into_iter().filter(|(name, _)| begins(name));
    let first = found.next().ok_or_else(|| of_role(&RoleError::Unknown(device.to_owned())))?;
    match found.next() {
        None => Ok(first.1),
        Some(_) => Err(Refusal::new(exit::USAGE, format!("several agents begin with `{device}`: write more of it"))),
    }
}

/// Whether this agent may be forgotten, and here.
fn may_forget(
    standing: &Standing,
    found: &Found,
    told: &[Told],
    linked: &BTreeSet<String>,
    lost: &BTreeSet<String>,
) -> Result<(), Refusal> {
    let device = &found.device;
    if standing.own.as_ref().and_then(|own| own.device()) == Some(device) {
        let first = if standing.leads() { "hand the area over first (`mf2c area lead OTHER`), " } else { "" };
        let message = format!(
            "{device} is this agent itself. Nothing was removed. To take it out of the area {first}stop it here, and forget \
             it at the agent that leads then"
        );
        return Err(Refusal::new(exit::USAGE, message));
    }
    let leader = standing.leader.as_ref().filter(|_| !standing.leads());
    if let Some(leader) =
        leader.filter(|leader| leader.id.device() != Some(device) && linked.contains(&leader.id.to_string()))
    {
        return Err(elsewhere(leader.id.device().unwrap_or_default(), &leader.address));
    }
    let below = leaders(told).remove(&found.area).filter(|_| standing.area() != Some(&found.area) && found.is_listed);
    let below = below.filter(|leader| leader.text("device") != device && linked.contains(leader.text("agent")));
    if let Some(leader) = below {
        return Err(elsewhere(leader.text("device"), leader.text("address")));
    }
    let is_connected = found.status == "connected" && !lost.contains(&found.area);
    if is_connected || linked.contains(&found.agent) {
        let message = format!(
            "{device} is connected, so what it has would come again at once: stop it first. If it shall never come back, end \
             its membership too, at the agent that leads its area: `mf2c ca revoke --device {device}`"
        );
        return Err(Refusal::new(exit::CONFLICT, message));
    }
    Ok(())
}

fn elsewhere(device: &str, address: &str) -> Refusal {
    let message = format!(
        "run this at the agent that leads its area, {device} at {address}: its backups and the agents above follow by themselves"
    );
    Refusal::new(exit::CONFLICT, message)
}

/// A node from its name in ids: a UUID.
fn node_id(name: &str) -> Option<NodeId> {
    let digits: String = name.chars().filter(|c| *c != '-').collect();
    (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes))?
}

#[cfg(test)]
mod tests {
    use mf2c_domain::area::standing::{AreaPeer, AreaRole};

    use super::*;

    fn id(device: &str, area: &str) -> String {
        format!("spiffe://mf2c.internal/area/{area}/agent/{device}")
    }

    fn standing(role: AreaRole, leader: &str) -> Standing {
        let leader = AreaPeer { id: id(leader, "pier").parse().unwrap(), address: "10.0.0.9:8444".into() };
        Standing { own: Some(id("a1", "pier").parse().unwrap()), role, leader: Some(leader), ..Standing::default() }
    }

    fn told(by: &str, device: &str, area: &str, role: &str, status: &str) -> Told {
        let node = format!("00112233-4455-6677-8899-aabbccdd{device:0>4}");
        let body = json!({"id": format!("area-member/{device}-{by}"), "device": device, "agent": id(device, area), "area": area,
            "role": role, "status": status, "node": node, "address": "10.0.0.3:8444", "term": 1});
        let by = format!("00112233-4455-6677-8899-aabbccdd{by:0>4}");
        Told { by, body: body.as_object().unwrap().clone(), in_touch: false }
    }

    fn judged(standing: &Standing, told: &[Told], device: &str, linked: &[&str]) -> Result<(), String> {
        let found = one(all(standing, told, vec![]), device).map_err(|refusal| refusal.message)?;
        let linked = linked.iter().map(|one| (*one).to_owned()).collect();
        may_forget(standing, &found, told, &linked, &BTreeSet::new()).map_err(|refusal| refusal.message)
    }

    #[test]
    fn an_agent_is_found_by_the_beginning_of_its_device_if_that_is_the_only_one() {
        let known = |device: &str| KnownStore { device: device.into(), area: "pier".into(), origin: [7; 16] };
        let all = || all(&Standing::default(), &[], ["aa11", "aa22", "b"].map(known).to_vec());
        assert_eq!(one(all(), "aa1").unwrap().device, "aa11");
        assert_eq!(one(all(), "b").unwrap().device, "b");
        assert_eq!(one(all(), "aa").unwrap_err().exit, exit::USAGE);
        assert_eq!(one(all(), "cc").unwrap_err().exit, exit::NOT_FOUND);
    }

    #[test]
    fn what_two_leaders_say_of_one_agent_is_about_one_agent() {
        let said =
            [told("a1", "c3", "pier", "agent", "unavailable"), told("d4", "c3", "quay", "agent", "disconnected")];
        assert_eq!(judged(&standing(AreaRole::Leader, "a1"), &said, "c3", &[]), Ok(()));
    }

    #[test]
    fn the_agent_itself_is_not_forgotten_and_the_advice_does_not_end_its_membership() {
        for role in [AreaRole::Leader, AreaRole::Agent] {
            let said = [told("a1", "a1", "pier", "leader", "connected")];
            let refusal = judged(&standing(role, "a1"), &said, "a1", &[]).unwrap_err();
            assert!(refusal.contains("is this agent itself. Nothing was removed"), "{refusal}");
            assert!(!refusal.contains("revoke"), "{refusal}");
        }
    }

    #[test]
    fn who_leads_does_it_and_others_say_who_that_is_unless_it_is_lost() {
        let said = [told("b2", "b2", "pier", "leader", "connected"), told("b2", "c3", "pier", "agent", "unavailable")];
        let backup = standing(AreaRole::Backup, "b2");
        let refusal = judged(&backup, &said, "c3", &[&id("b2", "pier")]).unwrap_err();
        assert!(refusal.contains("run this at the agent that leads its area, b2 at 10.0.0.9:8444"), "{refusal}");
        assert_eq!(judged(&backup, &said, "c3", &[]), Ok(()), "nobody else is left to do it");
        let said = [told("d4", "d4", "quay", "leader", "connected"), told("d4", "c3", "quay", "agent", "unavailable")];
        let cloud = standing(AreaRole::Leader, "a1");
        let refusal = judged(&cloud, &said, "c3", &[&id("d4", "quay")]).unwrap_err();
        assert!(refusal.contains("d4 at 10.0.0.3:8444"), "{refusal}");
        assert_eq!(judged(&cloud, &said, "c3", &[]), Ok(()));
        let said = [told("d4", "d4", "quay", "leader", "connected"), told("d4", "c3", "quay", "agent", "forgotten")];
        assert_eq!(judged(&cloud, &said, "c3", &[&id("d4", "quay")]), Ok(()), "what is left after its leader has");
    }

    #[test]
    fn who_is_connected_is_stopped_first() {
        let said = [told("a1", "c3", "pier", "agent", "connected")];
        let refusal = judged(&standing(AreaRole::Leader, "a1"), &said, "c3", &[]).unwrap_err();
        assert!(refusal.contains("stop it first") && refusal.contains("`mf2c ca revoke --device c3`"), "{refusal}");
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
