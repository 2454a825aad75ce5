//! Changes of roles that somebody demands: the leader brings them about, within a time.

use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaRole, Mandate};

use super::council::{Council, Own};
use super::event::{Demand, Effect, RoleError};

/// A change that has not come about by then is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What shall become of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Lead,
    Backup,
    Agent,
}

/// A change of roles under way.
#[derive(Debug)]
pub(super) struct Wish {
    /// The number of the answer; none where nobody asked for it.
    ask: Option<u64>,
    pub(super) agent: SpiffeId,
    pub(super) goal: Goal,
    until: Duration,
}

impl Wish {
    /// That another agent shall lead, which nobody has asked for.
    pub(super) fn unasked(agent: SpiffeId, now: Duration) -> Self {
        Self { ask: None, agent, goal: Goal::Lead, until: now + PATIENCE }
    }
}

fn not_now(text: &str) -> RoleError {
    RoleError::NotNow(text.to_owned())
}

impl Council {
    pub(super) fn change_role(
        &mut self,
        ask: u64,
        agent: Option<String>,
        role: AreaRole,
        by: &Demand,
        effects: &mut Vec<Effect>,
    ) {
        let named_here = |own: &SpiffeId| agent.as_deref().is_none_or(|agent| named(own, agent));
        let here = self.own.as_ref().is_some_and(|own| named_here(&own.membership.own));
        let may_decide = self.standing.leads() && self.standing.mandate == Mandate::Full;
        if here && role == AreaRole::Leader && matches!(by, Demand::Operator) && !may_decide {
            self.refound(ask, effects);
            return;
        }
        match self.demanded(agent.as_deref(), role, by) {
            Ok(Some((agent, goal))) => {
                let until = self.now + PATIENCE;
                let Some(own) = &mut self.own else { return };
                own.resting.remove(&agent);
                if goal == Goal::Agent {
                    own.wanted.remove(&agent);
                    own.unwanted.insert(agent.clone());
                    if matches!(by, Demand::Peer { id, .. } if *id == agent) {
                        own.resting.insert(agent.clone());
                    }
                } else {
                    own.unwanted.remove(&agent);
                }
                if goal == Goal::Backup {
                    own.wanted.insert(agent.clone());
                }
                own.wish = Some(Wish { ask: Some(ask), agent, goal, until });
            }
            Ok(None) => effects.push(Effect::Answer { ask, result: Ok(Box::new(self.standing.clone())) }),
            Err(error) => effects.push(Effect::Answer { ask, result: Err(error) }),
        }
    }

    /// What has to be brought about, if anything.
    fn demanded(
        &self,
        agent: Option<&str>,
        role: AreaRole,
        by: &Demand,
    ) -> Result<Option<(SpiffeId, Goal)>, RoleError> {
        let own = self.own.as_ref().ok_or(RoleError::Alone)?;
        let standing = &self.standing;
        self.may_demand(by, agent, role)?;
        let me = &own.membership.own;
        if !standing.leads() {
            let own_role = agent.is_none() || agent.is_some_and(|agent| named(me, agent));
            let already = own_role && role == standing.role && role == AreaRole::Agent;
            return if already { Ok(None) } else { Err(RoleError::NotLeader(standing.leader.clone())) };
        }
        let target = agent.map_or_else(|| Ok(me.clone()), |agent| self.find(agent))?;
        if own.caretaker || !own.area.group.as_ref().is_some_and(|group| group.has_mandate(self.now)) {
            return Err(not_now("no majority of the area answers: bring its backups or the agent above back first"));
        }
        if own.wish.is_some() {
            return Err(not_now("another change of roles is under way: try again in some seconds"));
        }
        if target == *me {
            return match (role, standing.backups.first()) {
                (AreaRole::Leader, _) => Err(not_now("this agent leads already")),
                (_, Some(backup)) => Ok(Some((backup.id.clone(), Goal::Lead))),
                (_, None) => Err(not_now("there is no backup that could lead: appoint one first")),
            };
        }
        let backup = standing.backups.iter().any(|backup| backup.id == target);
        let can = self.link_to(&target).is_some_and(|link| link.facts.address.is_some());
        match role {
            AreaRole::Agent | AreaRole::Alone => {
                let heir = own.area.known.heirs.iter().any(|heir| heir.id == target);
                Ok((backup || heir).then_some((target, Goal::Agent)))
            }
            _ if !can => Err(not_now("that agent is not connected, or takes no links from others")),
            AreaRole::Backup => Ok((!backup).then_some((target, Goal::Backup))),
            AreaRole::Leader => Ok(Some((target, Goal::Lead))),
        }
    }

    /// An operator may, and so may the leader at the present term; a leader listens to its backups, who hold all that it
    /// holds, and to an agent that wants to be a backup itself where one is lacking.
    fn may_demand(&self, by: &Demand, agent: Option<&str>, role: AreaRole) -> Result<(), RoleError> {
        let Demand::Peer { id, term } = by else { return Ok(()) };
        let standing = &self.standing;
        if *term < standing.term {
            return Err(RoleError::Stale { theirs: *term, ours: standing.term });
        }
        // Whoever has a seat knows that before it is secured, and so before others are told.
        let seated =
            |own: &Own| own.area.group.iter().flat_map(|group| group.roster().agents()).any(|seat| seat.peer.id == *id);
        let backup = standing.leads() && self.own.as_ref().is_some_and(seated);
        if backup || standing.is_led_by(id) {
            return Ok(());
        }
        let offers = role == AreaRole::Backup && agent.is_some_and(|agent| agent == id.to_string());
        match &self.own {
            Some(own) if standing.leads() && offers => {
                if own.unwanted.contains(id) && !own.resting.contains(id) {
                    return Err(not_now("an operator of the leader does not want this agent as a backup"));
                }
                if standing.backups.len() >= self.settings.backups {
                    return Err(not_now(
                        "the area has its backups: at its leader, `mf2c area backup DEVICE` appoints another one",
                    ));
                }
                Ok(())
            }
            _ => Err(RoleError::NotLeader(standing.leader.clone())),
        }
    }

    /// The agent of a name.
    fn find(&self, name: &str) -> Result<SpiffeId, RoleError> {
        let own = self.own.iter().map(|own| own.membership.own.clone());
        let backups = self.standing.backups.iter().map(|backup| backup.id.clone());
        let linked =
            self.links.values().filter(|link| self.is_of_area(&link.facts)).map(|link| link.facts.peer.clone());
        let mut found: Vec<SpiffeId> = own.chain(backups).chain(linked).filter(|id| named(id, name)).collect();
        found.sort();
        found.dedup();
        if let Some(exact) = found.iter().find(|id| id.device() == Some(name) || id.to_string() == name) {
            return Ok(exact.clone());
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(RoleError::Unknown(name.chars().take(140).collect())),
            _ => Err(not_now("several agents have names that begin so: give more of it")),
        }
    }

    /// Answers the wish that is under way, when it has come about or cannot any more.
    pub(super) fn answer(&mut self, effects: &mut Vec<Effect>) {
        let Some(own) = &mut self.own else { return };
        let Some(wish) = &own.wish else { return };
        let standing = self.standing.clone();
        let backup = standing.backups.iter().any(|backup| backup.id == wish.agent);
        let late = self.now >= wish.until;
        let result = match wish.goal {
            Goal::Lead if standing.is_led_by(&wish.agent) => Ok(Box::new(standing)),
            Goal::Backup if standing.leads() && backup => Ok(Box::new(standing)),
            Goal::Agent if standing.leads() && !backup => Ok(Box::new(standing)),
            Goal::Backup | Goal::Agent if !standing.leads() => Err(RoleError::NotLeader(standing.leader)),
            _ if late => Err(not_now("it has not come about in time: `mf2c area` tells how the agents stand")),
            _ => return,
        };
        let ask = wish.ask;
        own.wish = None;
        if let Some(ask) = ask {
            effects.push(Effect::Answer { ask, result });
        }
    }
}

/// Whether a name is that of an agent, or begins its `deviceID`.
fn named(id: &SpiffeId, name: &str) -> bool {
    !name.is_empty() && (id.device().is_some_and(|device| device.starts_with(name)) || id.to_string() == name)
}
