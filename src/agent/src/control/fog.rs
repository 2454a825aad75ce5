//! Carries out `mf2c area`: tells who is in the area, and changes who leads it.

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Recipient};
use mf2c_actors::leadership::{ChangeRole, Demand, RoleError, Standings};
use mf2c_actors::replicator::{Flow, Flows};
use mf2c_actors::resource_store::{DeleteResource, ForgetOrigin, ResourceStore};
use mf2c_domain::area::name;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use mf2c_domain::caller::Caller;
use mf2c_store::record::NodeId;
use mf2c_store::{Store, StoreError};
use serde_json::{Value, json};

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
        let flows = tokio::time::timeout(LOOK, self.flows.send(Flows)).await;
        let flows = flows.ok().and_then(Result::ok).unwrap_or_default();
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
        let refused = |error: RoleError| of_role(&error, &lines);
        let standing = ask(&self.roles, change).await?.map_err(refused)?;
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
        if is_own && standing.leads() && role == AreaRole::Leader {
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

    /// Removes the copies of another agent's documents.
    pub(super) async fn forget(&self, word: &str) -> Result<Value, Refusal> {
        let standing = self.member()?;
        let documents = self.documents();
        let found =
            agents::meant(&documents, word)?.ok_or_else(|| of_role(&RoleError::Unknown(word.to_owned()), &[]))?;
        let status = self.lines(&standing, &[]).into_iter().find(|line| text(line, "agent") == text(found, "agent"));
        if status.is_some_and(|line| text(&line, "status") == "connected") {
            let message = format!(
                "{} is connected, so its documents would come again at once: stop it first, or end its membership with \
                 `mf2c ca revoke --device {}`",
                agents::called(found),
                name::short(text(found, "device"))
            );
            return Err(Refusal::new(exit::CONFLICT, message));
        }
        let failed = |error: StoreError| Refusal::new(exit::FAILED, error.to_string());
        let removed = match node_id(text(found, "node")) {
            Some(origin) if origin == self.store.identity().node => {
                return Err(Refusal::new(exit::USAGE, "this is the agent itself"));
            }
            Some(origin) => ask(&self.writer.clone().recipient(), ForgetOrigin(origin)).await?.map_err(failed)?,
            None => 0,
        };
        if let Ok(id) = mf2c_domain::id::ResourceId::parse(text(found, "id")) {
            let delete = DeleteResource { id, if_match: None, by: Caller::agent() };
            match ask(&self.writer.clone().recipient(), delete).await? {
                Ok(_) | Err(StoreError::NotFound { .. } | StoreError::Elsewhere { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let (device, called) = (text(found, "device"), agents::called(found));
        tracing::info!(device, documents = removed, "forgot an agent by a command on this machine");
        Ok(json!({ "device": device, "agent": called, "documents": removed }))
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

    fn member(&self) -> Result<Standing, Refusal> {
        let standing = self.standing.borrow().clone();
        if standing.own.is_none() { Err(of_role(&RoleError::Alone, &[])) } else { Ok(standing) }
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

    /// The documents of members, of this area and of those below it. A command may wait for the disk.
    fn documents(&self) -> Vec<Line> {
        let all = self.store.all("area-member").into_iter();
        all.filter_map(|document| serde_json::from_slice(&self.store.body(&document).ok()??).ok()).collect()
    }
}

fn shown(peer: &AreaPeer) -> Value {
    json!({ "id": peer.id.to_string(), "address": peer.address })
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

fn of_role(error: &RoleError, lines: &[Line]) -> Refusal {
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

    #[test]
    fn a_node_is_read_from_its_name() {
        let name = "00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(node_id(name).unwrap()[..3], [0x00, 0x11, 0x22]);
        for bad in ["", "0011", "00112233-4455-6677-8899-aabbccddeefg", "ä0112233445566778899aabbccddeef"] {
            assert_eq!(node_id(bad), None, "{bad}");
        }
    }
}
