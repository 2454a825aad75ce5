//! The actor: it gives the rules of [`mf2c_fabric::leadership`] time, links and a disk.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaRole, Standing};
use mf2c_domain::time::Clock;
use mf2c_fabric::leadership::{Council, Effect, Event, LinkFacts, Membership, Memory, RoleError, Settings};
use mf2c_fabric::wire::{Answer, Ask, Notice};
use tokio::sync::{oneshot, watch};

use super::kept::{Keeper, state_key};
use super::{HandAuthority, Heard, LagsBehind, LeadershipNews, LedBelow, LinkClosed, LinkOpened, MembershipChanged};
use crate::ports::{AreaNet, Introduction, OpenLink};
use crate::resource_store::KeepState;

/// How many messages may wait.
const MAILBOX: usize = 1024;
/// Pause before a state is written again that could not be.
const WRITE_AGAIN: Duration = Duration::from_secs(1);
/// How long another agent has to say whether it hears the leader.
const PROBE: Duration = Duration::from_secs(1);
/// So many faults within [`STORM_WINDOW`] are a storm: then leadership pauses for as long.
const STORM: usize = 5;
const STORM_WINDOW: Duration = Duration::from_secs(60);
/// What an agent that is never to be a backup has among the features of its Hello.
pub const NO_BACKUP: &str = "no-backup";

/// What leadership works with.
pub struct Surroundings {
    /// The times of the area.
    pub settings: Settings,
    /// The incarnation of the agent's store: the same one that its Hello tells.
    pub incarnation: u64,
    /// Whether the agent calls itself a cloud agent where it leads.
    pub cloud: bool,
    /// Monotonic time.
    pub clock: Arc<dyn Clock>,
    /// The links.
    pub net: Arc<dyn AreaNet>,
    /// Where states are found again: [`super::StoreMemory`].
    pub memory: Arc<dyn Memory + Send + Sync>,
    /// Who writes them: the `ResourceStore`.
    pub keep: Recipient<KeepState>,
    /// Where everybody looks up how the agent stands.
    pub standings: watch::Sender<Standing>,
    /// Who gives the authority's keys to new backups.
    pub authority: Option<Recipient<HandAuthority>>,
    /// Who wants to know of the leaders of areas below.
    pub below: Option<Recipient<LedBelow>>,
    /// Who writes down what an operator may want to read.
    pub news: Option<Recipient<LeadershipNews>>,
}

/// See the module above.
pub struct Leadership {
    pub(super) around: Surroundings,
    pub(super) council: Council,
    membership: Option<Membership>,
    links: BTreeMap<u64, LinkFacts>,
    keeper: Keeper,
    pub(super) asks: BTreeMap<u64, oneshot::Sender<Result<Standing, RoleError>>>,
    pub(super) last_ask: u64,
    alarm: Option<(Duration, SpawnHandle)>,
    /// Grows whenever the rules are begun anew: answers to those before are not for these.
    life: u64,
    faults: VecDeque<Duration>,
    paused: bool,
}

struct Recalled(Arc<dyn Memory + Send + Sync>);

impl Memory for Recalled {
    fn recall(&self, area: &str) -> Result<Option<Vec<u8>>, String> {
        self.0.recall(area)
    }
}

fn council(around: &Surroundings) -> Council {
    let memory = Box::new(Recalled(Arc::clone(&around.memory)));
    Council::new(around.settings.clone(), around.incarnation, memory)
}

impl Leadership {
    /// Of an agent that belongs to no area until it hears [`MembershipChanged`].
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self {
            council: council(&around),
            around,
            membership: None,
            links: BTreeMap::new(),
            keeper: Keeper::default(),
            asks: BTreeMap::new(),
            last_ask: 0,
            alarm: None,
            life: 0,
            faults: VecDeque::new(),
            paused: false,
        }
    }

    /// Tells the rules what happened, and does what they want. A fault in them does not end the agent: they are begun anew
    /// from what is on disk, as after a crash.
    pub(super) fn happened(&mut self, event: Event, ctx: &mut Context<Self>) {
        if self.paused {
            return;
        }
        let now = self.around.clock.elapsed();
        let council = &mut self.council;
        match catch_unwind(AssertUnwindSafe(|| council.step(event, now))) {
            Ok(effects) => {
                for effect in effects {
                    self.act(effect, ctx);
                }
                self.set_alarm(ctx);
            }
            Err(_) => self.begin_anew(ctx),
        }
    }

    /// The newest link to an agent.
    pub(super) fn link_to(&self, agent: &SpiffeId) -> Option<u64> {
        self.links.values().rev().find(|facts| facts.peer == *agent).map(|facts| facts.number)
    }

    fn begin_anew(&mut self, ctx: &mut Context<Self>) {
        let now = self.around.clock.elapsed();
        self.faults.retain(|then| now.saturating_sub(*then) <= STORM_WINDOW);
        self.faults.push_back(now);
        self.life += 1;
        self.keeper = Keeper::default();
        self.asks.clear();
        self.council = council(&self.around);
        let own = self.membership.as_ref().map(|membership| membership.own.clone());
        self.around.standings.send_replace(Standing { own, ..Standing::default() });
        if self.faults.len() > STORM {
            tracing::error!("leadership fails again and again: it pauses, and this agent neither leads nor votes");
            self.paused = true;
            ctx.run_later(STORM_WINDOW, |leadership, ctx| {
                leadership.paused = false;
                leadership.replay(ctx);
            });
            return;
        }
        tracing::error!("leadership has failed; it goes on from what is stored");
        // Not at once: what made it fail may be what comes next.
        ctx.run_later(WRITE_AGAIN, Self::replay);
    }

    fn replay(&mut self, ctx: &mut Context<Self>) {
        let links: Vec<LinkFacts> = self.links.values().cloned().collect();
        self.happened(Event::Membership(self.membership.clone()), ctx);
        for facts in links {
            self.happened(Event::LinkUp(facts), ctx);
        }
    }

    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let Some(wake) = self.council.next_wake() else { return };
        if let Some((set, handle)) = self.alarm {
            if set <= wake {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = wake.saturating_sub(self.around.clock.elapsed());
        let handle = ctx.run_later(wait, |leadership, ctx| {
            leadership.alarm = None;
            leadership.happened(Event::Tick, ctx);
        });
        self.alarm = Some((wake, handle));
    }

    fn act(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Send { link, message } => {
                // What cannot be sent is lost, and said again when it matters.
                let _ = self.around.net.send(link, &Notice::Leadership(message));
            }
            Effect::Keep { area, number, state } => {
                if let Some((number, state)) = self.keeper.add(&area, number, state) {
                    self.write(area, number, state, ctx);
                }
            }
            Effect::Publish(standing) => self.publish(*standing),
            Effect::KeepLinks(targets) => self.around.net.keep(targets),
            Effect::Probe { of, through } => self.probe(of, through, ctx),
            Effect::HandAuthority(backup) => tell(self.around.authority.as_ref(), HandAuthority(backup), ctx),
            Effect::Below(claim) => tell(self.around.below.as_ref(), LedBelow(claim), ctx),
            Effect::Answer { ask, result } => {
                if let Some(asker) = self.asks.remove(&ask) {
                    let _ = asker.send(result.map(|standing| *standing));
                }
            }
            Effect::Close { link, why } => self.around.net.close(link, why),
            Effect::Tell(text) => {
                tracing::warn!("{text}");
                tell(self.around.news.as_ref(), LeadershipNews(text), ctx);
            }
        }
    }

    fn publish(&mut self, standing: Standing) {
        let role = match standing.role {
            AreaRole::Leader if self.around.cloud => "cloud",
            AreaRole::Alone => AreaRole::Agent.as_str(),
            role => role.as_str(),
        };
        self.around.net.introduce(Introduction { role: role.to_owned(), term: standing.term });
        self.around.standings.send_replace(standing);
    }

    fn write(&mut self, area: String, number: u64, state: Vec<u8>, ctx: &mut Context<Self>) {
        let life = self.life;
        let keep = KeepState { key: state_key(&area), value: Some(state.clone()) };
        let written = self.around.keep.send(keep).into_actor(self).map(move |written, leadership, ctx| {
            if life != leadership.life {
                return;
            }
            match written {
                Ok(Ok(())) => {
                    if let Some((number, state)) = leadership.keeper.done(&area, None) {
                        leadership.write(area.clone(), number, state, ctx);
                    }
                    leadership.happened(Event::Kept { area, number }, ctx);
                }
                failed => {
                    let error = failed.map_or_else(|error| error.to_string(), |written| format!("{written:?}"));
                    tracing::warn!(%error, %area, "the state of leadership cannot be written; trying again");
                    ctx.run_later(WRITE_AGAIN, move |leadership, ctx| {
                        if life == leadership.life
                            && let Some((number, state)) = leadership.keeper.done(&area, Some((number, state)))
                        {
                            leadership.write(area, number, state, ctx);
                        }
                    });
                }
            }
        });
        ctx.spawn(written);
    }

    fn probe(&mut self, of: SpiffeId, through: u64, ctx: &mut Context<Self>) {
        let asked = self.around.net.ask_over(through, Ask::Probe { of: of.to_string() }, PROBE);
        let answered = asked.into_actor(self).map(move |answer, leadership, ctx| {
            let Ok(Answer::Heard { ago }) = answer else { return };
            leadership.happened(Event::Probed { of, ago: ago.map(Duration::from_millis) }, ctx);
        });
        ctx.spawn(answered);
    }
}

/// Tells somebody who may not be there.
fn tell<M: Message<Result = ()> + Send + 'static>(whom: Option<&Recipient<M>>, what: M, ctx: &mut Context<Leadership>) {
    if let Some(whom) = whom {
        let told = whom.send(what);
        ctx.spawn(actix::fut::wrap_future(async move {
            let _ = told.await;
        }));
    }
}

impl Actor for Leadership {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<MembershipChanged> for Leadership {
    type Result = ();

    fn handle(&mut self, changed: MembershipChanged, ctx: &mut Context<Self>) {
        let MembershipChanged { own, admitted_by, has_authority, address } = changed;
        self.membership = own.map(|own| Membership { own, admitted_by, has_authority, address });
        self.happened(Event::Membership(self.membership.clone()), ctx);
    }
}

impl Handler<LinkOpened> for Leadership {
    type Result = ();

    fn handle(&mut self, LinkOpened(link): LinkOpened, ctx: &mut Context<Self>) {
        let facts = facts(&link);
        self.links.insert(facts.number, facts.clone());
        self.happened(Event::LinkUp(facts), ctx);
    }
}

impl Handler<LinkClosed> for Leadership {
    type Result = ();

    fn handle(&mut self, LinkClosed(link): LinkClosed, ctx: &mut Context<Self>) {
        self.links.remove(&link);
        self.happened(Event::LinkDown(link), ctx);
    }
}

impl Handler<Heard> for Leadership {
    type Result = ();

    fn handle(&mut self, Heard { link, message }: Heard, ctx: &mut Context<Self>) {
        self.happened(Event::Heard { link, message }, ctx);
    }
}

impl Handler<LagsBehind> for Leadership {
    type Result = ();

    fn handle(&mut self, LagsBehind { agent, changes }: LagsBehind, ctx: &mut Context<Self>) {
        self.happened(Event::Behind { agent, changes }, ctx);
    }
}

/// What the rules have to know of a link.
fn facts(link: &OpenLink) -> LinkFacts {
    let listen = link.hello.listen.as_str();
    let address = match listen.parse::<u16>() {
        Ok(0) => None,
        Ok(port) => Some(std::net::SocketAddr::new(link.address.ip(), port).to_string()),
        Err(_) => Some(listen.to_owned()).filter(|listen| listen.contains(':')),
    };
    let backup = !link.hello.features.iter().any(|feature| feature == NO_BACKUP);
    LinkFacts {
        number: link.number,
        peer: link.peer.id.clone(),
        leader: link.peer.unit == "leader",
        incarnation: link.hello.incarnation,
        term: link.hello.term,
        address: address.filter(|_| backup),
    }
}
