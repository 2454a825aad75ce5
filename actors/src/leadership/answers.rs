//! What is asked of leadership: changes of roles, signs of life of old clients, and what is known of others.

use actix::prelude::*;
use mf2c_domain::area::standing::{AreaRole, Standing};
use mf2c_fabric::leadership::Event;
use mf2c_fabric::wire::{Answer, Code, WireError};
use tokio::sync::oneshot;

use super::actor::Leadership;
use super::{ChangeRole, Demand, Keepalive, KeepaliveError, PeerChangesRole, PeerProbes, RoleError};

/// The most changes of roles that wait at once.
const MOST_ASKS: usize = 64;

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

impl Handler<ChangeRole> for Leadership {
    type Result = ResponseFuture<Changed>;

    fn handle(&mut self, change: ChangeRole, ctx: &mut Context<Self>) -> Self::Result {
        self.change_role(change, ctx)
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
