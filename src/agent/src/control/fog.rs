//! Carries out `mf2c area`: tells who is in the area, and changes who leads it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Recipient};
use mf2c_actors::categoriser::Bury;
use mf2c_actors::leadership::{ChangeRole, Demand, RoleError, Standings};
use mf2c_actors::replicator::{Flow, Flows, Forget, KnownStore, KnownStores};
use mf2c_actors::resource_store::ResourceStore;
use mf2c_domain::area::name;
use mf2c_domain::area::presence::Status;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Mandate, Standing};
use mf2c_store::{Store, node_name};
use serde_json::{Map, Value, json};

use super::agents::{self, Known, Line, text};
use super::area::ask;
use super::exit;
use super::wire::Refusal;
use crate::area::Contacts;

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
    /// Who is in touch by the agent's own links.
    pub(crate) contacts: Arc<Contacts>,
    /// What people call this agent.
    pub(crate) name: Option<String>,
}

impl FogDoors {
    /// Everything that is known of the area here.
    pub(super) async fn show(&self) -> Result<Value, Refusal> {
        let standing = self.member()?;
        let flows = self.streams().await;
        Ok(json!({
            "area": standing.area(),
            "id": standing.own.as_ref().map(ToString::to_string),
            "name": self.name,
            "role": standing.role.as_str(),
            "term": standing.term,
            "mandate": standing.mandate,
            "leader": standing.leader.as_ref().map(shown),
            "backups": standing.backups.iter().map(shown).collect::<Vec<_>>(),
            "upper": standing.upper.as_ref().map(shown),
            "agents": self.lines(&standing, &flows),
        }))
    }

    /// Changes who leads, or who may.
    pub(super) async fn change(&self, word: String, role: &str) -> Result<Value, Refusal> {
        let standing = self.member()?;
        let role = match role {
            "leader" => AreaRole::Leader,
            "backup" => AreaRole::Backup,
            "agent" => AreaRole::Agent,
            _ => return Err(Refusal::new(exit::USAGE, "expected the role leader, backup or agent")),
        };
        let lines = self.lines(&standing, &[]);
        let found = agents::meant(&lines, &word)?;
        if let Some(line) = found {
            self.check_change(&standing, line, role)?;
        }
        // Who is in no list may be known to leadership all the same, by a link that has just been opened.
        let device = found.map_or(word, |line| text(line, "device").to_owned());
        let change = ChangeRole { agent: Some(device.clone()), role, by: Demand::Operator };
        let standing = ask(&self.roles, change).await?.map_err(|error| refused(&error, &lines))?;
        tracing::info!(role = role.as_str(), term = standing.term, "changed a role by a command on this machine");
        Ok(json!({
            "area": standing.area(),
            "agent": found.map_or_else(|| name::short(&device).to_owned(), agents::called),
            "term": standing.term,
            "leader": standing.leader.as_ref().map(|leader| agents::called_peer(&lines, leader)),
            "backups": standing.backups.iter().map(|backup| agents::called_peer(&lines, backup)).collect::<Vec<_>>(),
        }))
    }

    /// What is in the way of a change, as far as it is seen here.
    fn check_change(&self, standing: &Standing, line: &Line, role: AreaRole) -> Result<(), Refusal> {
        let (own, called) = (standing.area().unwrap_or_default(), agents::called(line));
        let refuse = |exit, message: String| Err(Refusal::new(exit, message));
        let area = text(line, "area");
        if text(line, "role") == "above" {
            let message = format!(
                "{called} is the agent above, of the area {area}: only an agent of {own} can lead {own} or be its backup, \
                 and `mf2c area` lists those"
            );
            return refuse(exit::USAGE, message);
        }
        if area != own {
            let message = format!(
                "{called} is an agent of the area {area}, not of {own}: run this at the agent that leads {area}"
            );
            return refuse(exit::USAGE, message);
        }
        let is_own = text(line, "status") == "this agent";
        // A degraded leader may be given the area by the operator: it is founded anew.
        if is_own && standing.mandate == Mandate::Full && role == AreaRole::Leader {
            return refuse(exit::CONFLICT, format!("{called} leads the area already, in term {}", standing.term));
        }
        if !standing.leads() || is_own || role == AreaRole::Agent {
            return Ok(());
        }
        if self.contacts.of(text(line, "agent")).is_some_and(|contact| contact.never_backup) {
            let message = format!(
                "{called} is never to hold the whole area: its configuration says `area.backup = false`; change that there \
                 and start it again"
            );
            return refuse(exit::CONFLICT, message);
        }
        let status = text(line, "status");
        if status != "connected" {
            let message = format!("{called} is {status}: only an agent that is connected can be made leader or backup");
            return refuse(exit::FAILED, message);
        }
        Ok(())
    }

    /// The whole `deviceID` of the agent that people call so; none where nobody is called so.
    ///
    /// # Errors
    /// Where it may be several.
    pub(super) fn device_of(&self, word: &str) -> Result<Option<String>, Refusal> {
        let standing = self.standing.borrow().clone();
        let lines = self.lines(&standing, &[]);
        Ok(agents::meant(&lines, word)?.map(|line| text(line, "device").to_owned()))
    }

    pub(super) fn member(&self) -> Result<Standing, Refusal> {
        let standing = self.standing.borrow().clone();
        if standing.own.is_none() { Err(of_role(&RoleError::Alone)) } else { Ok(standing) }
    }

    fn lines(&self, standing: &Standing, flows: &[Flow]) -> Vec<Line> {
        agents::lines(&Known {
            standing,
            documents: self.documents(),
            flows,
            contact: &|id| self.contacts.of(id),
            sought: &|peer| self.contacts.of_sought(&peer.id),
            name: self.name.as_deref(),
        })
    }

    /// How many of the agents that `mf2c area` lists are in each status; those that are expected and have not come are none of
    /// them. It may wait for the disk.
    pub(crate) fn statuses(&self) -> Vec<(&'static str, u64)> {
        let standing = self.standing.borrow().clone();
        agents::statuses(&self.lines(&standing, &[]))
    }

    /// What is said of members by whom it counts, of those that are not forgotten.
    fn documents(&self) -> Vec<Line> {
        let told = self.told();
        let newest = newest(&told).into_values();
        newest.filter(|told| !told.is_forgotten()).map(|told| told.body.clone()).collect()
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
            let mut told = Told { by, body, in_touch: false };
            told.in_touch = told.is_claim()
                && self.contacts.of(told.text("agent")).is_some_and(|it| it.status == Status::Connected);
            Some(told)
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
    /// Whether it says of itself that it leads, and has a link to this agent.
    pub(super) in_touch: bool,
}

impl Told {
    pub(super) fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn is_forgotten(&self) -> bool {
        self.text("status") == "forgotten"
    }

    /// Whether its writer says of itself that it leads.
    fn is_claim(&self) -> bool {
        self.text("role") == "leader" && self.text("node") == self.by
    }
}

/// The leader of each area: whoever says so of itself, in the latest term. Who takes care of an area without a majority does
/// so in the term of the leader that is gone: of the two, the one in touch counts.
pub(super) fn leaders(told: &[Told]) -> BTreeMap<String, &Told> {
    let mut leaders: BTreeMap<String, &Told> = BTreeMap::new();
    let term = |told: &Told| told.body.get("term").and_then(Value::as_u64).unwrap_or(0);
    for told in told.iter().filter(|told| told.is_claim()) {
        let known = leaders.entry(told.text("area").to_owned()).or_insert(told);
        if (term(known), known.in_touch, &known.by) < (term(told), told.in_touch, &told.by) {
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

pub(super) fn of_role(error: &RoleError) -> Refusal {
    refused(error, &[])
}

/// The same where agents are known by name.
fn refused(error: &RoleError, lines: &[Line]) -> Refusal {
    let exit = match error {
        RoleError::Alone | RoleError::Unknown(_) => exit::NOT_FOUND,
        RoleError::NotLeader(_) | RoleError::Stale { .. } => exit::CONFLICT,
        RoleError::NotNow(_) => exit::FAILED,
    };
    let message = match error {
        RoleError::NotLeader(Some(leader)) => format!(
            "only the agent that leads the area can do this: run the command at {}, {}",
            agents::called_peer(lines, leader),
            leader.address
        ),
        RoleError::NotLeader(None) => {
            "nobody leads the area now: run the command at the agent that shall lead it".to_owned()
        }
        other => other.to_string(),
    };
    Refusal::new(exit, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(by: &str, device: &str, node: &str, role: &str, term: u64) -> Told {
        let body = json!({
            "agent": format!("spiffe://mf2c.internal/area/pier/agent/{device}"), "device": device, "area": "pier",
            "role": role, "status": "connected", "node": node, "term": term,
        });
        Told { by: by.into(), body: body.as_object().unwrap().clone(), in_touch: false }
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
            let roles: Vec<&str> = newest(&told).into_values().map(|told| told.text("role")).collect();
            assert_eq!(roles, ["agent", "leader"]);
            told.reverse();
        }
    }

    #[test]
    fn of_two_leaders_of_one_term_the_one_in_touch_counts() {
        let mut told = vec![said("old", "a1", "old", "leader", 2), said("new", "b2", "new", "leader", 2)];
        for in_touch in [0, 1] {
            told.iter_mut().for_each(|told| told.in_touch = false);
            told[in_touch].in_touch = true;
            assert_eq!(leaders(&told)["pier"].by, told[in_touch].by);
        }
        told[0].in_touch = false;
        told[0].body["term"] = 3.into();
        assert_eq!(leaders(&told)["pier"].by, "old", "a later term counts in any case");
    }

    #[test]
    fn an_area_is_lost_while_its_leader_is_not_in_touch() {
        let told = [said("n", "a1", "n", "leader", 3)];
        let known = [KnownStore { device: "a1".into(), area: "pier".into(), origin: [1; 16] }];
        let above =
            Standing { own: Some("spiffe://mf2c.internal/area/sky/agent/c0".parse().unwrap()), ..Standing::default() };
        assert_eq!(lost(&above, &told, &known, &[]), BTreeSet::from(["pier".to_owned()]));
        let flow = Flow { peer: told[0].text("agent").to_owned(), open: true, known: true, ..Flow::default() };
        assert!(lost(&above, &told, &known, &[flow]).is_empty());
    }

    #[test]
    fn only_the_agent_that_leads_does_it_and_it_is_named() {
        let leader = AreaPeer {
            id: "spiffe://mf2c.internal/area/pier/agent/0123456789abcdef".parse().unwrap(),
            address: "h:1".into(),
        };
        let said = of_role(&RoleError::NotLeader(Some(leader)));
        assert_eq!(said.exit, exit::CONFLICT);
        assert!(said.message.ends_with("run the command at 0123456789ab, h:1"), "{}", said.message);
    }
}
