//! What the keeper of an agent's certificates and the steward do, as far as others can see it: where it is called, as what it
//! shows itself, and who holds the seat of the area's authority. Nothing is signed here, and there are no keys: who would have
//! them is written down.
//!
//! It leaves the seat when another leads, takes it when it leads and was given the keys before, and gives them to its backups.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::leadership::{LagsBehind, Leadership, MembershipChanged};
use mf2c_actors::ports::{AreaNet as _, AuthorityTransport as _};
use mf2c_actors::replicator::{Flows, Replicator};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use mf2c_fabric::wire::{Answer, Ask, Bytes, Code, Succession, WireError};
use mf2c_transport::link::{LinkNet, LinkView};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::agent::Commons;

/// Pause between two looks of a leader or backup, and before something is tried again.
const LOOK: Duration = Duration::from_secs(2);
/// How long a backup may take to keep the keys.
const HANDED_WITHIN: Duration = Duration::from_secs(10);

/// What an agent keeps of the authority on its disk, beside its store.
#[derive(Debug, Clone, Default)]
pub struct Papers {
    /// Whether it has the keys of the area's authority.
    pub keys: bool,
    /// Whether it sits: it signs, and shows a leader's certificate.
    pub seated: bool,
    /// Whom it calls.
    pub above: Option<AreaPeer>,
}

impl Papers {
    /// Those of an agent that nothing has happened to.
    #[must_use]
    pub fn first(founds: bool, above: Option<AreaPeer>) -> Self {
        Self { keys: founds, seated: founds, above }
    }
}

/// As what an agent showed itself to each peer when it called last: as a leader or not.
pub type Shown = Arc<Mutex<BTreeMap<SpiffeId, bool>>>;

/// Backups that were given the keys in a term, or are being given them.
type Handed = Rc<RefCell<BTreeSet<SpiffeId>>>;

/// See the module.
pub struct Steward {
    /// Which agent.
    pub host: usize,
    /// What all share.
    pub commons: Arc<Commons>,
    /// Its links.
    pub links: LinkNet,
    /// As what it called others.
    pub shown: Shown,
    /// How it stands.
    pub standings: watch::Receiver<Standing>,
    /// Who is told of the membership, and of how far others are.
    pub leadership: Addr<Leadership>,
    /// Who knows how far others are.
    pub replicator: Addr<Replicator>,
}

impl Steward {
    /// Works for ever.
    pub async fn run(mut self) {
        self.tell_membership().await;
        self.links.lead_to(self.papers().above.map(|peer| (peer.address, peer.id)));
        let mut known = Standing::default();
        let handed = Handed::default();
        loop {
            let standing = self.standings.borrow_and_update().clone();
            if standing.term != known.term {
                handed.borrow_mut().clear();
            }
            if (&standing.leader, standing.leads(), &standing.upper) != (&known.leader, known.leads(), &known.upper) {
                self.follow(&standing).await;
            }
            known = standing;
            let watches = matches!(known.role, AreaRole::Leader | AreaRole::Backup);
            if watches {
                self.measure(&known).await;
            }
            if known.leads() && self.papers().seated {
                self.close_old_links();
                self.hand_over(&known, &handed);
            }
            let gone = if watches {
                tokio::time::timeout(LOOK, self.standings.changed()).await.is_ok_and(|changed| changed.is_err())
            } else {
                self.standings.changed().await.is_err()
            };
            if gone {
                return;
            }
        }
    }

    fn papers(&self) -> Papers {
        self.commons.papers.lock().get(self.host).cloned().unwrap_or_default()
    }

    fn write(&self, papers: Papers) {
        if let Some(own) = self.commons.papers.lock().get_mut(self.host) {
            *own = papers;
        }
    }

    async fn tell_membership(&self) {
        let (fleet, papers) = (&self.commons.fleet, self.papers());
        let own = fleet.id(self.host);
        let changed = MembershipChanged {
            admitted_by: papers.above.filter(|above| above.id != own),
            own: Some(own),
            has_authority: papers.seated,
            address: Some(fleet.address(self.host).to_string()),
        };
        let _ = self.leadership.send(changed).await;
    }

    /// Takes the seat or leaves it, and calls who leads, or the agent above.
    async fn follow(&self, standing: &Standing) {
        let mut papers = self.papers();
        let leader = standing.leader.clone().filter(|leader| Some(&leader.id) != standing.own.as_ref());
        match (standing.leads(), leader) {
            // Without the keys it leads all the same, and stays with whom it knows.
            (true, _) if !papers.keys => return,
            (true, _) => (papers.seated, papers.above) = (true, standing.upper.clone()),
            (false, Some(leader)) => (papers.seated, papers.above) = (false, Some(leader)),
            (false, None) => return,
        }
        self.links.lead_to(papers.above.clone().map(|peer| (peer.address, peer.id)));
        self.write(papers);
        self.tell_membership().await;
    }

    /// Links that others believe to be those of an agent that does not lead begin anew, under the new certificate.
    fn close_old_links(&self) {
        if self.shown.lock().values().all(|seated| *seated) {
            return;
        }
        let as_agent = |link: &LinkView| !link.accepted && self.shown.lock().get(&link.peer) == Some(&false);
        for link in self.links.links().into_iter().filter(as_agent) {
            self.links.close(link.number, WireError::new(Code::Busy, "this agent shows another certificate now"));
        }
    }

    /// Gives the keys to those backups that can be reached and do not have them.
    fn hand_over(&self, standing: &Standing, handed: &Handed) {
        if standing.backups.iter().all(|backup| handed.borrow().contains(&backup.id)) {
            return;
        }
        let open = self.links.links();
        handed.borrow_mut().retain(|heir| open.iter().any(|link| link.peer == *heir));
        for backup in &standing.backups {
            // Of two links to one agent, an older one may not show yet that this agent leads.
            let link = open.iter().rev().find(|link| link.peer == backup.id);
            let Some(link) = link.filter(|_| handed.borrow_mut().insert(backup.id.clone())) else { continue };
            let nothing = || Bytes(vec![]);
            let keys = Succession { term: standing.term, key: nothing(), certificates: nothing(), state: nothing() };
            let answer = self.links.ask_over(link.number, Ask::KeepAuthority(keys), HANDED_WITHIN);
            let (handed, heir) = (Rc::clone(handed), backup.id.clone());
            tokio::task::spawn_local(async move {
                if !matches!(answer.await, Ok(Answer::Done { .. })) {
                    handed.borrow_mut().remove(&heir);
                }
            });
        }
    }

    /// Tells leadership how far others are: a leader knows of its backups, and a backup of itself.
    async fn measure(&self, standing: &Standing) {
        let leads = standing.leads();
        let leader = standing.leader.as_ref().map(|leader| leader.id.to_string());
        for flow in self.replicator.send(Flows).await.unwrap_or_default() {
            let agent = match (leads, flow.outgoing) {
                (true, true) => flow.peer.parse().ok(),
                (false, false) if Some(&flow.peer) == leader.as_ref() => None,
                _ => continue,
            };
            if leads == agent.is_some() {
                let _ = self.leadership.try_send(LagsBehind { agent, changes: flow.behind });
            }
        }
    }
}

/// Keeps the keys that a leader gives. What is kept is on disk before it is answered.
///
/// # Errors
/// [`Code::Forbidden`] for who sits itself.
pub fn keep(commons: &Commons, host: usize, term: u64) -> Result<Answer, WireError> {
    let mut all = commons.papers.lock();
    let forbidden = "this agent is the authority of its area itself: it leaves the seat first";
    let own = all.get_mut(host).filter(|own| !own.seated);
    own.ok_or_else(|| WireError::new(Code::Forbidden, forbidden))?.keys = true;
    Ok(Answer::Done { term })
}
