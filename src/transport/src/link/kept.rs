//! Whom this agent keeps standing links to: the agent that leads, and others of its area and above.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::ports::LinkError;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_fabric::wire::{Answer, Ask, Code, WireError};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::base::ahead;
use super::dial::unreachable;
use super::net::Net;
use super::registry::{Asking, Command, Link};
use super::standing::{Standing, State};

#[derive(Debug, Default)]
struct Wanted {
    leader: Option<(String, SpiffeId)>,
    others: BTreeMap<SpiffeId, String>,
    standing: BTreeMap<SpiffeId, Arc<Standing>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Kept {
    wanted: Mutex<Wanted>,
    /// The standing link to the agent that leads.
    leader: watch::Sender<Option<Arc<Standing>>>,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self { wanted: Mutex::default(), leader: watch::Sender::new(None) }
    }

    /// Another leader, another address, or none. A link to it that is open already stays.
    pub(super) fn lead_to(&self, net: &Arc<Net>, leader: Option<(String, SpiffeId)>) {
        let mut wanted = self.wanted.lock();
        let same = matches!((&wanted.leader, &leader), (Some((_, old)), Some((_, new))) if old == new);
        if let (true, Some((address, id))) = (same, &leader)
            && let Some(standing) = wanted.standing.get(id)
        {
            standing.find_at(address, true);
        }
        wanted.leader = leader;
        self.settle(net, &mut wanted);
    }

    /// These and no others, besides the one that leads.
    pub(super) fn keep(&self, net: &Arc<Net>, targets: Vec<AreaPeer>) {
        let (own, most) = (net.own(), net.base.limits.kept);
        let mut others: BTreeMap<SpiffeId, String> = targets
            .into_iter()
            .filter(|peer| Some(&peer.id) != own.as_ref())
            .map(|peer| (peer.id, peer.address))
            .collect();
        if others.len() > most {
            warn!(wanted = others.len(), most, "more standing links are wanted than may be: some are left out");
            others = others.into_iter().take(most).collect();
        }
        let mut wanted = self.wanted.lock();
        wanted.others = others;
        self.settle(net, &mut wanted);
    }

    /// Begins what is missing, and dismisses what is wanted no longer.
    fn settle(&self, net: &Arc<Net>, wanted: &mut Wanted) {
        let Wanted { leader, others, standing } = wanted;
        let mut goal = others.clone();
        goal.extend(leader.iter().map(|(address, id)| (id.clone(), address.clone())));
        standing.retain(|id, standing| {
            let stays = goal.contains_key(id);
            if !stays {
                standing.dismiss();
            }
            stays
        });
        for (id, address) in goal {
            match standing.get(&id) {
                // Where it is open it was found: the new address counts when it is lost.
                Some(standing) => standing.find_at(&address, false),
                None => {
                    standing.insert(id.clone(), Standing::begin(net, id, address));
                }
            }
        }
        let leads = leader.as_ref().and_then(|(_, id)| standing.get(id)).cloned();
        self.leader.send_if_modified(|current| {
            let other = match (&*current, &leads) {
                (Some(current), Some(leads)) => !Arc::ptr_eq(current, leads),
                (None, None) => false,
                _ => true,
            };
            *current = leads;
            other
        });
    }

    /// Certificates may have changed.
    pub(super) fn look(&self) {
        self.wanted.lock().standing.values().for_each(|standing| standing.look());
    }

    /// There is a new hint about an agent.
    pub(super) fn hinted(&self, id: &SpiffeId) {
        if let Some(standing) = self.wanted.lock().standing.get(id) {
            standing.hinted();
        }
    }

    /// Whether the agent that leads this area is there.
    pub(super) fn has_leader_of(&self, area: Option<&str>) -> bool {
        self.leader.borrow().as_ref().is_some_and(|leader| leader.is_up_in(area))
    }

    /// The open link to the agent that leads, waiting for it while it is being opened.
    async fn up(&self, end: Instant) -> Result<Arc<Link>, LinkError> {
        let mut leader = self.leader.subscribe();
        loop {
            let Some(standing) = leader.borrow_and_update().clone() else {
                return Err(unreachable("the leader", "it is not known where it is"));
            };
            let mut state = standing.state();
            loop {
                let now = state.borrow_and_update().clone();
                match now {
                    State::Up(link) if !link.has_ended() => return Ok(link),
                    State::Down(error) => return Err(error),
                    State::Idle | State::Opening | State::Up(_) => {}
                }
                tokio::select! {
                    biased;
                    _ = leader.changed() => break,
                    changed = timeout_at(end, state.changed()) => {
                        if !matches!(changed, Ok(Ok(()))) {
                            return Err(unreachable("the leader", "no link was open in time"));
                        }
                    }
                }
            }
        }
    }
}

/// Asks the leader, waiting for the link if it is being opened.
pub(super) async fn ask_leader(net: &Net, ask: Ask) -> Result<Answer, LinkError> {
    if net.own().is_none() {
        return Err(LinkError::NoMembership);
    }
    let end = ahead(net.base.limits.answer);
    let link = net.kept.up(end).await?;
    ask_over(net, &link, ask, end).await
}

/// Asks over one link.
pub(super) async fn ask_number(net: &Net, number: u64, ask: Ask, within: Duration) -> Result<Answer, LinkError> {
    let Some(link) = net.links.get(number) else {
        return Err(unreachable(&format!("link {number}"), "it has ended"));
    };
    ask_over(net, &link, ask, ahead(within.min(net.base.limits.answer))).await
}

async fn ask_over(net: &Net, link: &Link, ask: Ask, end: Instant) -> Result<Answer, LinkError> {
    let address = link.peer.address.to_string();
    let (reply, answer) = oneshot::channel();
    let left = end.saturating_duration_since(ahead(Duration::ZERO)).min(net.base.limits.answer);
    let deadline = u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1);
    if link.order(Command::Ask(Box::new(Asking { ask, deadline, reply }))).is_err() {
        return Err(if link.has_ended() {
            unreachable(&address, "the link was lost")
        } else {
            LinkError::Refused(WireError::new(Code::Busy, "too many questions wait for this link: ask again later"))
        });
    }
    match timeout_at(end, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(unreachable(&address, "the link was lost")),
        Err(_) => Err(unreachable(&address, "no answer came in time")),
    }
}
