//! How far replicas are behind, in changes and in time: told to people, and to the other ends of streams where it goes on for
//! longer than a moment.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::Standing;
use mf2c_fabric::replication::source::{Source, lacking};
use mf2c_fabric::replication::words::Lag;
use mf2c_fabric::replication::{Origin, Point, StreamMessage};
use mf2c_fabric::wire::Notice;

use super::actor::Replicator;
use super::history::point;
use super::judge::Due;
use super::links::Ends;
use super::{Flow, Flows};

/// Commits that are nearer to each other than this count as one.
const APART: Duration = Duration::from_millis(100);
/// Marks that are kept; where there are more, two become one.
const MARKS: usize = 1024;
/// Who is behind for so long is told so, and again after each such time.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// When the log came to which positions, as far as what travels is concerned. By the monotonic clock of this machine: the times
/// in changes are of others' clocks.
pub(super) struct Marks {
    of: VecDeque<(u64, Duration)>,
    /// The own change that was seen last, and whether something of others came in since the last mark.
    own: u64,
    came: bool,
}

impl Marks {
    pub(super) fn new(position: u64, now: Duration) -> Self {
        Self { of: [(position, now)].into(), own: 0, came: false }
    }

    /// Something of another agent was committed.
    pub(super) fn travels(&mut self) {
        self.came = true;
    }

    /// The log has come to this position, and the own changes to this one.
    fn mark(&mut self, position: u64, own: u64, now: Duration) {
        if !std::mem::take(&mut self.came) && own == self.own {
            return;
        }
        self.own = own;
        match self.of.back_mut() {
            Some((last, at)) if now < *at + APART => *last = position,
            _ => self.of.push_back((position, now)),
        }
        if self.of.len() > MARKS {
            self.thin(now);
        }
    }

    /// Makes one of the two neighbours that differ least for their age. Of two the earlier time and the later position:
    /// nothing looks younger than it is.
    fn thin(&mut self, now: Duration) {
        let difference = |at: usize| {
            let (Some((_, one)), Some((_, next))) = (self.of.get(at), self.of.get(at + 1)) else { return f64::MAX };
            next.saturating_sub(*one).as_secs_f64() / now.saturating_sub(*one).as_secs_f64().max(f64::MIN_POSITIVE)
        };
        let least = (0..self.of.len()).min_by(|a, b| difference(*a).total_cmp(&difference(*b)));
        if let Some(at) = least
            && let Some((position, _)) = self.of.remove(at + 1)
            && let Some(kept) = self.of.get_mut(at)
        {
            kept.0 = position;
        }
    }

    /// How long ago the first change behind a position was committed.
    pub(super) fn age(&self, behind: u64, now: Duration) -> Duration {
        let at = self.of.partition_point(|(position, _)| *position <= behind);
        self.of.get(at).map_or(Duration::ZERO, |(_, at)| now.saturating_sub(*at))
    }
}

/// What a peer had when its link was closed.
pub(super) struct Parted {
    points: Vec<(Origin, Point)>,
    behind: u64,
}

impl Replicator {
    /// The log has come to this position.
    pub(super) fn mark(&mut self, position: u64) {
        let own = self.store.progress_of(&self.own).map_or(0, |progress| progress.sequence);
        let now = self.now();
        self.marks.mark(position, own, now);
    }

    /// Remembers what the peer of a link has that was just closed, if changes are owed to it.
    pub(super) fn part_from(&mut self, ends: &Ends) {
        let Some(source) = ends.source.as_ref().filter(|source| ends.due != Due::Nothing && source.is_followed())
        else {
            return;
        };
        let (points, behind) = (source.acknowledged_points().collect(), source.acknowledged_position());
        self.parted.insert(ends.link.peer.id.clone(), Parted { points, behind });
    }

    /// Tells the sink of a link how far it is behind, where it is for longer, and that it is no longer.
    pub(super) fn tell_lag(&mut self, number: u64, ctx: &mut Context<Self>) {
        let now = self.now();
        let Some(ends) = self.links.get_mut(&number) else { return };
        let Some(source) = &ends.source else { return };
        let lag = if source.is_even() {
            ends.behind_since = None;
            if !std::mem::take(&mut ends.told_behind) {
                return;
            }
            Lag { changes: 0, millis: 0 }
        } else {
            let since = *ends.behind_since.get_or_insert(now);
            if now < since + TELL_AFTER {
                return;
            }
            let Some(backlog) = source.backlog(&self.shelf).filter(|backlog| backlog.changes > 0) else { return };
            (ends.behind_since, ends.told_behind) = (Some(now), true);
            Lag { changes: backlog.changes, millis: millis(self.marks.age(backlog.behind, now)) }
        };
        self.say(number, Notice::Stream(StreamMessage::Lag(lag)), ctx);
    }

    fn flows(&mut self) -> Vec<Flow> {
        let now = self.now();
        let (standing, links) = (&self.standing, &self.links);
        let is_open = |id: &SpiffeId| links.values().any(|ends| ends.link.peer.id == *id);
        let is_followed = |ends: &Ends| ends.source.as_ref().is_some_and(Source::is_followed);
        let followed = |id: &SpiffeId| links.values().any(|ends| ends.link.peer.id == *id && is_followed(ends));
        self.parted.retain(|id, _| Due::to(id, standing) != Due::Nothing && !followed(id));
        let parted = self.parted.iter().map(|(id, parted)| {
            let lacks = |(origin, has): &(Origin, Point)| lacking(self.store.progress_of(origin).map(point), *has);
            let behind = parted.points.iter().map(lacks).fold(0u64, u64::saturating_add);
            let age = if behind > 0 { self.marks.age(parted.behind, now) } else { Duration::ZERO };
            Flow { open: is_open(id), behind, behind_millis: millis(age), ..Flow::new(id.to_string(), true) }
        });
        // To whom changes are owed and who was not reached since the start lacks what nobody knows.
        let unknown = owed_to(standing).into_iter().filter(|id| {
            let has_source = |ends: &&Ends| ends.link.peer.id == *id && ends.source.is_some();
            !self.parted.contains_key(id) && !links.values().any(|ends| has_source(&ends))
        });
        let unknown: Vec<Flow> =
            unknown.map(|id| Flow { open: is_open(&id), known: false, ..Flow::new(id.to_string(), true) }).collect();
        let open = links.values().flat_map(|ends| [self.outgoing(ends, now), self.incoming(ends, now)]);
        open.flatten().chain(parted).chain(unknown).collect()
    }

    fn outgoing(&self, ends: &Ends, now: Duration) -> Option<Flow> {
        let source = ends.source.as_ref()?;
        // What was known before the peer has said what it has now is told meanwhile.
        if !source.is_followed() && self.parted.contains_key(&ends.link.peer.id) {
            return None;
        }
        let backlog = source.backlog(&self.shelf).filter(|backlog| backlog.changes > 0);
        let (behind, age) = backlog.map_or((0, Duration::ZERO), |lag| (lag.changes, self.marks.age(lag.behind, now)));
        let traffic = source.traffic();
        Some(Flow {
            known: source.is_followed(),
            held: source.held().map(str::to_owned),
            behind,
            behind_millis: millis(age),
            changes: traffic.changes,
            bytes: traffic.bytes,
            snapshot: source.is_in_snapshot(),
            ..Flow::new(ends.link.peer.id.to_string(), true)
        })
    }

    fn incoming(&self, ends: &Ends, now: Duration) -> Option<Flow> {
        ends.sink.origins().next()?;
        let (behind, age) = ends.sink.lag(now, &self.shelf);
        let received = ends.sink.received();
        Some(Flow {
            held: ends.sink.held().map(str::to_owned),
            behind,
            behind_millis: millis(age),
            changes: received.changes,
            bytes: received.bytes,
            repaired: ends.repaired,
            snapshot: ends.sink.is_in_snapshot(),
            ..Flow::new(ends.link.peer.id.to_string(), false)
        })
    }
}

/// To whom changes are owed, as the agent stands.
fn owed_to(standing: &Standing) -> Vec<SpiffeId> {
    let peers = standing.leader.iter().chain(&standing.backups).chain(&standing.upper).map(|peer| &peer.id);
    let others = peers.filter(|id| Some(*id) != standing.own.as_ref());
    let owed = others.filter(|id| Due::to(id, standing) != Due::Nothing).cloned();
    owed.collect::<BTreeSet<SpiffeId>>().into_iter().collect()
}

impl Flow {
    fn new(peer: String, outgoing: bool) -> Self {
        Self { peer, outgoing, open: true, known: true, ..Self::default() }
    }
}

fn millis(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

impl Handler<Flows> for Replicator {
    type Result = MessageResult<Flows>;

    fn handle(&mut self, Flows: Flows, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.flows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_change_is_as_old_as_its_commit_and_what_does_not_travel_has_no_age() {
        let mut marks = Marks::new(10, at(0));
        marks.mark(11, 1, at(1000));
        marks.mark(12, 1, at(2000));
        marks.mark(13, 2, at(3000));
        assert_eq!(marks.age(10, at(5000)), at(4000));
        assert_eq!(marks.age(11, at(5000)), at(2000), "the change at 12 stays here");
        assert_eq!(marks.age(13, at(5000)), at(0));
        marks.travels();
        marks.mark(14, 2, at(4000));
        assert_eq!(marks.age(13, at(5000)), at(1000));
    }

    #[test]
    fn however_many_commits_there_are_few_marks_are_kept_and_nothing_looks_much_younger_than_it_is() {
        let mut marks = Marks::new(0, at(0));
        for position in 1..=20_000u64 {
            marks.mark(position, position, at(position * 200));
        }
        assert!(marks.of.len() <= MARKS);
        let end = at(20_000 * 200);
        for behind in [0, 77, 9000, 19_000, 19_999] {
            let true_age = end - at((behind + 1) * 200);
            let told = marks.age(behind, end);
            assert!(told >= true_age && told <= true_age.mul_f64(1.1) + at(400), "{behind}: {told:?} {true_age:?}");
        }
    }
}
