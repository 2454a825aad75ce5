//! What is asked of leadership: changes of roles, signs of life of old clients, and what is known of others.

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaRole, Standing};
use mf2c_fabric::leadership::Event;
use mf2c_fabric::wire::{Answer, Ask, Code, RoleChange, WireError};
use tokio::sync::oneshot;

use super::actor::Leadership;
use super::{ChangeRole, Demand, Keepalive, KeepaliveError, PeerChangesRole, PeerProbes, RoleError};
use crate::ports::LinkError;

/// The most changes of roles that wait at once.
const MOST_ASKS: usize = 64;
/// A leader has so long to change the role of an agent that asks for it: a little longer than it gives itself.
const DECIDES: Duration = Duration::from_secs(25);
/// For so long after that the agent waits until it knows of its new role.
const HEARS: Duration = Duration::from_secs(3);

type Changed = Result<Standing, RoleError>;

impl Leadership {
    fn change_role(&mut self, change: ChangeRole, ctx: &mut Context<Self>) -> ResponseFuture<Changed> {
        self.asks.retain(|_, ask| !ask.is_closed());
        if self.asks.len() >= MOST_ASKS {
            let text = "too many changes of roles wait: try again in some seconds".to_owned();
            return Box::pin(async { Err(RoleError::NotNow(text)) });
        }
        let (answer, answered) = oneshot::channel();
        self.last_ask += 1;
        let ask = self.last_ask;
        self.asks.insert(ask, answer);
        let ChangeRole { agent, role, by } = change;
        self.happened(Event::ChangeRole { ask, agent, role, by }, ctx);
        let gone = || RoleError::NotNow("leadership was started anew meanwhile: try again".to_owned());
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(gone())) })
    }
}

impl Leadership {
    /// Lets the leader decide what this agent becomes, where it is not for this agent to do.
    fn leave_to_leader(&self, change: &ChangeRole, error: RoleError) -> ResponseFuture<Changed> {
        let standing = self.council.standing();
        let leader = standing.leader.as_ref().filter(|_| matches!(error, RoleError::NotLeader(_)) && !standing.leads());
        let begins = |own: &SpiffeId, name: &str| own.device().is_some_and(|device| device.starts_with(name));
        let named = |own: &SpiffeId| change.agent.as_deref().is_none_or(|agent| begins(own, agent));
        let own = standing.own.clone().filter(named);
        let may = match &change.by {
            Demand::Operator => true,
            Demand::Peer { id, .. } => standing.is_led_by(id),
        };
        let link = leader.and_then(|leader| self.link_to(&leader.id)).filter(|_| may);
        let (Some(own), Some(link)) = (own, link) else { return Box::pin(async { Err(error) }) };
        let role = change.role;
        let ask = RoleChange { term: standing.term, agent: own.to_string(), role: role.as_str().to_owned() };
        let asked = self.around.net.ask_over(link, Ask::ChangeRole(ask), DECIDES);
        let mut standings = self.around.standings.subscribe();
        Box::pin(async move {
            match asked.await {
                Ok(_) => {}
                Err(LinkError::Refused(why)) if why.code == Code::NotLeader => return Err(error),
                Err(LinkError::Refused(why)) => {
                    return Err(RoleError::NotNow(format!("the leader refuses: {}", why.msg)));
                }
                Err(other) => return Err(RoleError::NotNow(other.to_string())),
            }
            // The leader's word for it arrives a moment later on its own way.
            let _ = tokio::time::timeout(HEARS, standings.wait_for(|standing| standing.role == role)).await;
            let standing = standings.borrow().clone();
            Ok(standing)
        })
    }
}

impl Handler<ChangeRole> for Leadership {
    type Result = ResponseActFuture<Self, Changed>;

    fn handle(&mut self, change: ChangeRole, ctx: &mut Context<Self>) -> Self::Result {
        let here = self.change_role(change.clone(), ctx).into_actor(self);
        Box::pin(here.then(move |changed, leadership, _| {
            let changed = match changed {
                Err(error) => leadership.leave_to_leader(&change, error),
                done => Box::pin(async { done }),
            };
            changed.into_actor(leadership)
        }))
    }
}

impl Handler<PeerChangesRole> for Leadership {
    type Result = ResponseFuture<Result<Answer, WireError>>;

    fn handle(&mut self, PeerChangesRole { peer, change }: PeerChangesRole, ctx: &mut Context<Self>) -> Self::Result {
        let role = match change.role.as_str() {
            "leader" => AreaRole::Leader,
            "backup" => AreaRole::Backup,
            "agent" => AreaRole::Agent,
            other => {
                let other: String = other.chars().take(32).collect();
                let text = format!("there is no role `{other}`, expected leader, backup or agent");
                return Box::pin(async { Err(WireError::new(Code::BadFrame, text)) });
            }
        };
        let by = Demand::Peer { id: peer, term: change.term };
        let changed = self.change_role(ChangeRole { agent: Some(change.agent), role, by }, ctx);
        Box::pin(async move {
            changed.await.map(|standing| Answer::Done { term: standing.term }).map_err(|error| {
                let code = match &error {
                    RoleError::Stale { .. } => Code::StaleTerm,
                    RoleError::NotLeader(_) => Code::NotLeader,
                    RoleError::NotNow(_) => Code::Busy,
                    RoleError::Alone | RoleError::Unknown(_) => Code::Forbidden,
                };
                WireError::new(code, error.to_string())
            })
        })
    }
}

impl Handler<PeerProbes> for Leadership {
    type Result = Result<Answer, WireError>;

    fn handle(&mut self, PeerProbes { of }: PeerProbes, _: &mut Context<Self>) -> Self::Result {
        let of = of.parse().map_err(|error| WireError::new(Code::BadFrame, format!("no name of an agent: {error}")))?;
        let ago = self.council.heard_of(&of, self.around.clock.elapsed());
        Ok(Answer::Heard { ago: ago.map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)) })
    }
}

impl Handler<Keepalive> for Leadership {
    type Result = Result<u32, KeepaliveError>;

    fn handle(&mut self, Keepalive { device }: Keepalive, _: &mut Context<Self>) -> Self::Result {
        let standing = self.council.standing();
        if !standing.leads() {
            return Err(KeepaliveError::NotLeader);
        }
        let place = standing.backups.iter().position(|backup| backup.id.device() == Some(device.as_str()));
        place.and_then(|place| u32::try_from(place + 1).ok()).ok_or(KeepaliveError::NotBackup)
    }
}
