//! `Herald`: has events written of what leadership and the streams of changes tell: an operator reads them where all others are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::categoriser::{Categoriser, Report};
use mf2c_actors::leadership::{LeadershipNews, LedBelow, Standings};
use mf2c_actors::replicator::{Flow, Flows, Replicator};
use mf2c_domain::area::name;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::Clock;
use mf2c_fabric::leadership::LeadClaim;

use super::peers::Current;

/// Pause between two looks at the streams.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A replica that is behind for so long is told of, and so is one that takes nothing for so long.
const LATE: Duration = Duration::from_secs(60);
/// See [`LATE`]: a peer may hold for a moment while roles change.
const HELD: Duration = Duration::from_secs(5);
/// The most areas below whose leadership is told of.
const MOST_AREAS: usize = 1024;
/// The longest reason that is repeated, in characters.
const LONGEST: usize = 200;

/// See the module.
pub(super) struct Herald {
    categoriser: Current<Categoriser>,
    replicator: Addr<Replicator>,
    standings: Standings,
    clock: Arc<dyn Clock>,
    streams: Streams,
    /// Who leads the areas below, and in which term, as it was told last.
    below: BTreeMap<String, (u64, SpiffeId)>,
}

impl Herald {
    pub(super) fn new(
        categoriser: Current<Categoriser>,
        replicator: Addr<Replicator>,
        standings: Standings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { categoriser, replicator, standings, clock, streams: Streams::default(), below: BTreeMap::new() }
    }

    fn report(&self, report: Report) {
        let Some(categoriser) = self.categoriser.lock().clone() else { return };
        // An event that does not get through for lack of room is no reason to wait.
        if categoriser.try_send(report).is_err() {
            tracing::debug!("an event of the area was left out: too much to do");
        }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(LOOK_EVERY, Self::look);
        if self.standings.borrow().own.is_none() {
            return;
        }
        let asked = self.replicator.send(Flows);
        ctx.spawn(asked.into_actor(self).map(|flows, herald, _| {
            let Ok(flows) = flows else { return };
            let now = herald.clock.elapsed();
            herald.streams.look(&flows, now).into_iter().for_each(|report| herald.report(report));
        }));
    }
}

impl Actor for Herald {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_later(LOOK_EVERY, Self::look);
    }
}

impl Handler<LeadershipNews> for Herald {
    type Result = ();

    fn handle(&mut self, LeadershipNews(state): LeadershipNews, _: &mut Context<Self>) {
        self.report(Report { matter: "news of leadership".to_owned(), about: None, state, severity: "high" });
    }
}

impl Handler<LedBelow> for Herald {
    type Result = ();

    fn handle(&mut self, LedBelow(claim): LedBelow, _: &mut Context<Self>) {
        let LeadClaim { area, term, leader, full, .. } = claim;
        let now = (term, leader.id.clone());
        // A leader says it again and again.
        if self.below.get(&area) == Some(&now) || (self.below.len() >= MOST_AREAS && !self.below.contains_key(&area)) {
            return;
        }
        let device = name::short(leader.id.device().unwrap_or_default());
        let mandate = if full { "" } else { ", without a majority" };
        let state = format!("the area {area} is led by {device} in term {term}{mandate}");
        let matter = format!("leadership of {area}");
        self.below.insert(area, now);
        self.report(Report { matter, about: None, state, severity: "medium" });
    }
}

/// What the streams were like.
#[derive(Debug, Default)]
struct Streams {
    behind: BTreeMap<String, Trouble>,
    held: BTreeMap<String, Trouble>,
    /// Why this agent itself takes nothing.
    own: Option<(Trouble, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Trouble {
    since: Duration,
    told: bool,
}

impl Streams {
    /// Looks at all streams; what is to be told.
    fn look(&mut self, flows: &[Flow], now: Duration) -> Vec<Report> {
        let mut reports = vec![];
        let out = || flows.iter().filter(|flow| flow.outgoing);
        let late = |flow: &&Flow| flow.known && flow.behind > 0 && flow.behind_millis >= millis(LATE);
        let behind: BTreeMap<&str, String> = out().filter(late).map(|flow| (flow.peer.as_str(), lacks(flow))).collect();
        // Whether it is late is known by the age of what it lacks.
        let followed = |peer: &str| out().any(|flow| flow.peer == peer && flow.known);
        follow(&mut self.behind, &behind, (Duration::ZERO, now), followed, |peer, state, over| {
            let state = if over { "has all changes again".to_owned() } else { state.to_owned() };
            reports.push(of(peer, "lag", state, if over { "low" } else { "medium" }));
        });
        let held = out().filter_map(|flow| Some((flow.peer.as_str(), shortened(flow.held.as_deref()?)))).collect();
        let is_open = |peer: &str| out().any(|flow| flow.peer == peer && flow.open);
        follow(&mut self.held, &held, (HELD, now), is_open, |peer, why, over| {
            let state = if over { "takes changes again".to_owned() } else { format!("takes no changes now: {why}") };
            reports.push(of(peer, "hold", state, if over { "low" } else { "high" }));
        });
        reports.extend(self.look_at_own(flows, now));
        reports
    }

    /// A full disk keeps its own events out as well: at the end it is told how long it lasted.
    fn look_at_own(&mut self, flows: &[Flow], now: Duration) -> Option<Report> {
        let why = flows.iter().filter(|flow| !flow.outgoing).find_map(|flow| flow.held.as_deref());
        if why.is_none() && flows.iter().all(|flow| flow.outgoing) {
            // Nothing comes, so nothing is known.
            return None;
        }
        let about = |state, severity| Report { matter: "own disk".to_owned(), about: None, state, severity };
        match (why, &mut self.own) {
            (None, own) => {
                let (trouble, why) = own.take().filter(|(trouble, _)| trouble.told)?;
                let seconds = now.saturating_sub(trouble.since).as_secs();
                Some(about(format!("took no changes of others for {seconds} s: {why}"), "high"))
            }
            (Some(why), Some((trouble, _))) => {
                let due = !trouble.told && now.saturating_sub(trouble.since) >= HELD;
                trouble.told |= due;
                due.then(|| {
                    let why = shortened(why);
                    tracing::warn!(%why, "changes of other agents wait: this one cannot write");
                    about(format!("takes no changes of others now: {why}"), "critical")
                })
            }
            (Some(why), own) => {
                *own = Some((Trouble { since: now, told: false }, shortened(why)));
                None
            }
        }
    }
}

/// Compares what is wrong with what was. What lasts for `patience` is told once, and its end if it was told and the peer is
/// still there to say so.
fn follow(
    known: &mut BTreeMap<String, Trouble>,
    wrong: &BTreeMap<&str, String>,
    (patience, now): (Duration, Duration),
    is_there: impl Fn(&str) -> bool,
    mut tell: impl FnMut(&str, &str, bool),
) {
    known.retain(|peer, trouble| {
        let lasts = wrong.contains_key(peer.as_str());
        if !lasts && trouble.told && is_there(peer) {
            tell(peer, "", true);
        }
        lasts
    });
    for (peer, state) in wrong {
        let trouble = known.entry((*peer).to_owned()).or_insert(Trouble { since: now, told: false });
        if !trouble.told && now.saturating_sub(trouble.since) >= patience {
            trouble.told = true;
            tell(peer, state, false);
        }
    }
}

fn of(peer: &str, what: &str, state: String, severity: &'static str) -> Report {
    Report { matter: format!("{what} of {peer}"), about: peer.parse().ok(), state, severity }
}

fn lacks(flow: &Flow) -> String {
    let away = if flow.open { "" } else { " and cannot be reached" };
    format!("lacks {} changes, the oldest for {} s{away}", flow.behind, flow.behind_millis / 1000)
}

fn shortened(why: &str) -> String {
    why.chars().take(LONGEST).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: &str = "spiffe://mf2c.internal/area/pier/agent/a1";

    fn out(behind: u64, behind_millis: u64, held: Option<&str>) -> Flow {
        let (peer, held) = (LEADER.to_owned(), held.map(str::to_owned));
        Flow { peer, outgoing: true, open: true, known: true, behind, behind_millis, held, ..Flow::default() }
    }

    fn told(streams: &mut Streams, flow: Flow, at: u64) -> Vec<String> {
        let reports = streams.look(&[flow], Duration::from_secs(at));
        reports.into_iter().map(|report| format!("{}: {}", report.severity, report.state)).collect()
    }

    #[test]
    fn a_replica_that_stays_behind_is_told_of_once_and_so_is_the_end() {
        let mut streams = Streams::default();
        assert!(told(&mut streams, out(500, 900, None), 0).is_empty(), "that is usual under load");
        assert_eq!(told(&mut streams, out(700, 61_000, None), 60), ["medium: lacks 700 changes, the oldest for 61 s"]);
        assert!(told(&mut streams, out(900, 90_000, None), 90).is_empty());
        assert_eq!(told(&mut streams, out(0, 0, None), 95), ["low: has all changes again"]);
        assert!(told(&mut streams, out(0, 0, None), 100).is_empty());
    }

    #[test]
    fn a_peer_whose_disk_is_full_is_told_of_when_that_lasts() {
        let mut streams = Streams::default();
        let full = || out(5, 100, Some("no space left"));
        assert!(told(&mut streams, full(), 0).is_empty(), "it may hold for a moment");
        assert_eq!(told(&mut streams, full(), 5), ["high: takes no changes now: no space left"]);
        assert!(told(&mut streams, full(), 10).is_empty());
        assert_eq!(told(&mut streams, out(0, 0, None), 15), ["low: takes changes again"]);
        assert!(told(&mut streams, full(), 20).is_empty() && told(&mut streams, out(0, 0, None), 21).is_empty());
    }

    #[test]
    fn nothing_is_said_of_the_end_where_a_peer_has_gone() {
        let mut streams = Streams::default();
        told(&mut streams, out(5, 100, Some("full")), 0);
        assert_eq!(told(&mut streams, out(5, 100, Some("full")), 5).len(), 1);
        assert!(told(&mut streams, Flow { open: false, ..out(5, 100, None) }, 10).is_empty());
        assert!(streams.look(&[], Duration::from_secs(15)).is_empty());
    }

    #[test]
    fn an_own_full_disk_is_told_of_and_at_its_end_how_long_it_lasted() {
        let mut streams = Streams::default();
        let full = || Flow { outgoing: false, ..out(0, 0, Some("no space left")) };
        assert!(told(&mut streams, full(), 0).is_empty());
        assert_eq!(told(&mut streams, full(), 5), ["critical: takes no changes of others now: no space left"]);
        assert!(told(&mut streams, full(), 30).is_empty());
        let after = told(&mut streams, Flow { outgoing: false, ..out(0, 0, None) }, 35);
        assert_eq!(after, ["high: took no changes of others for 35 s: no space left"]);
    }
}
