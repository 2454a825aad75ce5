//! `Steward`: tells leadership what this agent is a member of, and the keepers of certificates who leads.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::ca_client::{CaClient, LeaveSeat, MembershipView, ShowMembership, TakeSeat};
use mf2c_actors::certificate_authority::{self, CertificateAuthority, ShowAuthority};
use mf2c_actors::leadership::{LagsBehind, Leadership, LinkClosed, LinkOpened, MembershipChanged, Standings};
use mf2c_actors::ports::{AreaNet, OpenLink};
use mf2c_actors::post::post;
use mf2c_actors::replicator::{Flows, Replicator};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use tokio::sync::watch;

use super::links::Links;
use super::peers::OpenLinks;

/// Pause before something is tried again that did not go.
const AGAIN: Duration = Duration::from_secs(1);
/// Pause between two looks at how far backups are.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whom the steward meets.
pub(super) struct Household {
    pub(super) client: Addr<CaClient>,
    pub(super) authority: Addr<CertificateAuthority>,
    pub(super) leadership: Addr<Leadership>,
    pub(super) replicator: Addr<Replicator>,
    pub(super) links: Arc<Links>,
    pub(super) open: OpenLinks,
    pub(super) standings: Standings,
    /// Where others call this agent.
    pub(super) advertise: String,
    /// How often the leader was another one.
    pub(super) leaders: Arc<AtomicU64>,
}

/// See the module.
pub(super) struct Steward {
    home: Household,
    turns: watch::Receiver<u64>,
    standing: Standing,
    /// What leadership was told last.
    told: Option<MembershipChanged>,
    looking: Option<SpawnHandle>,
    moving: Option<SpawnHandle>,
    measuring: Option<SpawnHandle>,
    /// The backups that were given the keys of the authority, or are being given them, each with the link.
    handed: BTreeMap<SpiffeId, u64>,
}

impl Steward {
    pub(super) fn new(home: Household) -> Self {
        let turns = home.links.turns();
        let standing = Standing::default();
        Self {
            home,
            turns,
            standing,
            told: None,
            looking: None,
            moving: None,
            measuring: None,
            handed: BTreeMap::new(),
        }
    }

    /// Waits for what may change the membership, again and again.
    fn await_turn(&self, ctx: &mut Context<Self>) {
        let mut turns = self.turns.clone();
        let news = async move { turns.changed().await.is_ok().then_some(turns) };
        ctx.spawn(news.into_actor(self).map(|turns, steward, ctx| {
            let Some(turns) = turns else { return };
            steward.turns = turns;
            steward.look(ctx);
            steward.await_turn(ctx);
        }));
    }

    fn await_standing(&self, ctx: &mut Context<Self>) {
        let mut standings = self.home.standings.clone();
        let news = async move { standings.changed().await.is_ok().then_some(standings) };
        ctx.spawn(news.into_actor(self).map(|standings, steward, ctx| {
            let Some(mut standings) = standings else { return };
            let standing = standings.borrow_and_update().clone();
            steward.home.standings = standings;
            steward.stand(standing, ctx);
            steward.await_standing(ctx);
        }));
    }

    /// Looks what the agent is a member of, and tells leadership. A newer look takes the place of one that runs.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if let Some(looking) = self.looking.take() {
            ctx.cancel_future(looking);
        }
        let (client, authority) = (self.home.client.clone(), self.home.authority.clone());
        let seen = async move {
            let membership = client.send(ShowMembership).await.ok()?;
            let leads = authority.send(ShowAuthority).await.ok().and_then(Result::ok).map(|view| view.area);
            Some((membership, leads))
        };
        self.looking = Some(ctx.spawn(seen.into_actor(self).map(|seen, steward, ctx| {
            steward.looking = None;
            let Some((membership, leads)) = seen else { return };
            match changed(membership, leads.as_deref(), steward.address()) {
                Some(changed) => steward.tell(changed),
                // Its authority is on its way.
                None => steward.looking = Some(ctx.run_later(AGAIN, Self::look)),
            }
        })));
    }

    fn tell(&mut self, changed: MembershipChanged) {
        let same = self.told.as_ref().is_some_and(|told| {
            (&told.own, &told.admitted_by, told.has_authority, &told.address)
                == (&changed.own, &changed.admitted_by, changed.has_authority, &changed.address)
        });
        if !same && (changed.own.is_some() || self.told.is_some()) {
            post(&self.home.leadership, changed.clone());
            self.told = Some(changed);
        }
    }

    /// Where others call this agent, if they can.
    fn address(&self) -> Option<String> {
        let bound = self.home.links.bound()?;
        if !self.home.advertise.is_empty() {
            return Some(self.home.advertise.clone());
        }
        if !bound.ip().is_unspecified() {
            return Some(bound.to_string());
        }
        let own = mf2c_machine::own_address(&mf2c_machine::Roots::default())?;
        Some(SocketAddr::new(own, bound.port()).to_string())
    }

    /// The agent stands otherwise than before.
    fn stand(&mut self, standing: Standing, ctx: &mut Context<Self>) {
        let id = |standing: &Standing| standing.leader.as_ref().map(|leader| leader.id.clone());
        if id(&standing).is_some() && id(&standing) != id(&self.standing) {
            self.home.leaders.fetch_add(1, Ordering::Relaxed);
        }
        let same = (&standing.leader, standing.leads(), &standing.upper)
            == (&self.standing.leader, self.standing.leads(), &self.standing.upper);
        if standing.term != self.standing.term {
            self.handed.clear();
        }
        self.standing = standing;
        if !same {
            self.follow(ctx);
        }
        self.hand_over(ctx);
        if self.measuring.is_none() && matches!(self.standing.role, AreaRole::Leader | AreaRole::Backup) {
            self.measure(ctx);
        }
    }

    /// Takes the seat of the authority or leaves it, and renews at who leads. What does not go is tried again.
    fn follow(&mut self, ctx: &mut Context<Self>) {
        if let Some(moving) = self.moving.take() {
            ctx.cancel_future(moving);
        }
        let Standing { leader, upper, own, .. } = &self.standing;
        let client = self.home.client.clone();
        let leader = leader.clone().filter(|leader| Some(&leader.id) != own.as_ref() && !leader.address.is_empty());
        let (leads, upper) = (self.standing.leads(), upper.clone());
        let moved = async move {
            let told = match (leads, leader) {
                (true, _) => client.send(TakeSeat { upper }).await,
                (false, Some(leader)) => client.send(LeaveSeat(leader)).await,
                (false, None) => return true,
            };
            match told {
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the keeper of the certificate does not follow yet; it is told again");
                    false
                }
                _ => true,
            }
        };
        self.moving = Some(ctx.spawn(moved.into_actor(self).map(|moved, steward, ctx| {
            steward.moving = None;
            if moved {
                steward.look(ctx);
            } else {
                steward.moving = Some(ctx.run_later(AGAIN, Self::follow));
            }
        })));
    }

    /// Cares for the backups, as long as there are some to care for: their keys, and how far they are.
    fn measure(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.standing.role, AreaRole::Leader | AreaRole::Backup) {
            self.measuring = None;
            return;
        }
        self.hand_over(ctx);
        let asked = self.home.replicator.send(Flows);
        ctx.spawn(asked.into_actor(self).map(|flows, steward, _| {
            let leads = steward.standing.leads();
            let leader = steward.standing.leader.as_ref().map(|leader| leader.id.to_string());
            for flow in flows.unwrap_or_default().into_iter().filter(|flow| flow.open) {
                // A leader knows of its backups, and a backup of itself.
                let agent = match (leads, flow.outgoing) {
                    (true, true) => flow.peer.parse().ok(),
                    (false, false) if Some(&flow.peer) == leader.as_ref() => None,
                    _ => continue,
                };
                if leads == agent.is_some() {
                    let _ = steward.home.leadership.try_send(LagsBehind { agent, changes: flow.behind });
                }
            }
        }));
        self.measuring = Some(ctx.run_later(LOOK_EVERY, Self::measure));
    }

    /// Gives the keys of the authority to those backups that can be reached and do not have them.
    fn hand_over(&mut self, ctx: &mut Context<Self>) {
        if !self.standing.leads() || self.moving.is_some() {
            return;
        }
        let is_backup = |link: &OpenLink| self.standing.backups.iter().any(|backup| backup.id == link.peer.id);
        let open: Vec<OpenLink> = self.home.open.lock().values().filter(|link| is_backup(link)).cloned().collect();
        // Two agents that call each other have two links; an older one may not show yet that this agent leads.
        for to in open.into_iter().rev() {
            let (number, peer) = (to.number, to.peer.id.clone());
            if self.handed.contains_key(&peer) {
                continue;
            }
            self.handed.insert(peer.clone(), number);
            let net = Arc::clone(&self.home.links) as Arc<dyn AreaNet>;
            let hand = certificate_authority::HandAuthority { to, term: self.standing.term, net };
            let handed = self.home.authority.send(hand);
            ctx.spawn(handed.into_actor(self).map(move |handed, steward, _| {
                if let Ok(Err(error)) = handed {
                    tracing::debug!(%peer, %error, "a backup does not have the keys of the authority yet");
                    if steward.handed.get(&peer) == Some(&number) {
                        steward.handed.remove(&peer);
                    }
                }
            }));
        }
    }
}

/// What leadership is to know; none while this agent is to lead an area and does not show yet that it is of that one. `leads` is
/// the area whose authority is here.
fn changed(view: Option<MembershipView>, leads: Option<&str>, address: Option<String>) -> Option<MembershipChanged> {
    let Some(view) = view else {
        return Some(MembershipChanged { own: None, admitted_by: None, has_authority: false, address: None });
    };
    let has_authority = leads.is_some();
    if view.role == MemberRole::Leader && leads != Some(view.area.as_str()) {
        return None;
    }
    let own = view.id.parse().ok()?;
    let above = AreaPeer { id: view.leader.parse().ok()?, address: view.address };
    let admitted_by = Some(above).filter(|above| above.id != own);
    Some(MembershipChanged { own: Some(own), admitted_by, has_authority, address })
}

impl Actor for Steward {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.await_turn(ctx);
        self.await_standing(ctx);
        self.look(ctx);
    }
}

impl Handler<LinkOpened> for Steward {
    type Result = ();

    fn handle(&mut self, _: LinkOpened, ctx: &mut Context<Self>) {
        self.hand_over(ctx);
    }
}

impl Handler<LinkClosed> for Steward {
    type Result = ();

    fn handle(&mut self, LinkClosed(number): LinkClosed, _: &mut Context<Self>) {
        // What changes later is told over the link over which the keys went.
        self.handed.retain(|_, link| *link != number);
    }
}
