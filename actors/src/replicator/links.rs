//! Links: what is owed over which, what their peers are, and what waits to be sent.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use actix::prelude::*;
use mf2c_fabric::replication::Bounds;
use mf2c_fabric::replication::sink::{Event as SinkEvent, Sink};
use mf2c_fabric::replication::source::{Event as SourceEvent, Owed, Source};
use mf2c_fabric::wire::Notice;

use super::actor::Replicator;
use super::history::point;
use super::homes::Heard;
use super::judge::{Due, Relation, device_of};
use super::{HeardStream, LinkClosed, LinkOpened};
use crate::ports::OpenLink;

/// Pause before it is tried again to read whose the stores are that are held here.
const UNREAD: Duration = Duration::from_secs(5);
/// Starts of a process that are remembered of each device.
const BOOTS: usize = 4;
/// Devices of which starts are remembered.
const DEVICES: usize = 65_536;

/// What belongs to a link.
pub(super) struct Ends {
    pub(super) link: OpenLink,
    pub(super) source: Option<Source>,
    pub(super) sink: Sink,
    pub(super) relation: Relation,
    pub(super) due: Due,
    /// What the link did not take yet. No more is made while something waits here, but for what was made already.
    pub(super) unsent: VecDeque<Notice>,
    /// Documents repaired here.
    pub(super) repaired: u64,
    /// Whether a clock was found to be wrong.
    pub(super) skewed: bool,
    /// Since when the peer was not told how far it is behind, while it is; and whether it was told so.
    pub(super) behind_since: Option<Duration>,
    pub(super) told_behind: bool,
    /// What the peer has said of where stores belong, and what was not believed yet.
    pub(super) homes: Heard,
    /// Of which term its leadership is, and of which ours, as we told it.
    pub(super) term: u64,
    pub(super) told_term: Option<u64>,
    /// Why it takes nothing for a while, as it said last.
    pub(super) held: Option<String>,
    /// When the link was opened, which later one is of another process of the same agent, and whether this is such a later
    /// one, while the earlier process is known to be alive.
    pub(super) opened_at: Duration,
    pub(super) rival: Option<u64>,
    pub(super) second: bool,
}

impl Replicator {
    /// Looks how the agent stands, and begins and ends streams accordingly.
    pub(super) fn stand(&mut self, ctx: &mut Context<Self>) {
        self.standing = self.standings.borrow_and_update().clone();
        let numbers: Vec<u64> = self.links.keys().copied().collect();
        for number in numbers {
            self.relate(number, ctx);
            self.owe(number, false, ctx);
        }
        self.plan_shedding(ctx);
    }

    /// Tells the source of a link what it owes now. Of several links to one peer the first one counts.
    pub(super) fn owe(&mut self, number: u64, anew: bool, ctx: &mut Context<Self>) {
        let Some(ends) = self.links.get(&number) else { return };
        let peer = &ends.link.peer.id;
        let first = self.links.values().find(|other| other.link.peer.id == *peer);
        let due = match first {
            Some(first) if first.link.number == number => Due::to(&ends.link.peer.id, &self.standing),
            _ => Due::Nothing,
        };
        if due == Due::Nothing && ends.source.is_none() || due != Due::Nothing && !self.settle(ctx) {
            return;
        }
        let Some(ends) = self.links.get(&number) else { return };
        let theirs = ends.link.hello.origin.0.clone();
        let max_frame = ends.link.hello.max_frame;
        // Read before the position, so that everything in it is behind the position in the log.
        let read = due != Due::All || self.bindings.are_read();
        let owed = self.owed(if read { due } else { Due::Own }, &theirs);
        if !read {
            ctx.run_later(UNREAD, move |replicator, ctx| replicator.owe(number, false, ctx));
        }
        let position = *self.feed.borrow();
        let bounds = Bounds { max_frame, ..self.settings.bounds };
        let begun = self.links.get(&number).is_some_and(|ends| ends.source.is_some());
        if !begun {
            let mut seed = [0; 8];
            self.world.entropy.fill(&mut seed);
            let source = Source::new(bounds, self.boot, u64::from_le_bytes(seed), position);
            if let Some(ends) = self.links.get_mut(&number) {
                ends.source = Some(source);
                self.sourcing.insert(number);
            }
        }
        if let Some(ends) = self.links.get_mut(&number) {
            ends.due = due;
        }
        self.say_term(number, ctx);
        self.say_new_homes(number, &owed, anew, ctx);
        self.source_step(number, SourceEvent::Committed(position), ctx);
        let event = if anew { SourceEvent::OweAnew(owed) } else { SourceEvent::Owe(owed) };
        self.source_step(number, event, ctx);
        if due == Due::Nothing
            && let Some(ends) = self.links.get_mut(&number)
        {
            ends.source = None;
            self.sourcing.remove(&number);
        }
    }

    fn owed(&mut self, due: Due, theirs: &[u8]) -> Vec<Owed> {
        let own = self.own;
        let device = self.standing.own.as_ref().and_then(|id| match &id.subject {
            mf2c_domain::area::spiffe::Subject::Agent { device, .. } => Some(device.clone()),
            _ => None,
        });
        let ours = || {
            let at = self.store.progress_of(&own).map(point).unwrap_or_default();
            let incarnation = self.store.identity().incarnation;
            Owed {
                origin: own,
                at: mf2c_fabric::replication::Point { incarnation, ..at },
                device: device.clone().unwrap_or_default(),
            }
        };
        match due {
            Due::Nothing => vec![],
            Due::Own => vec![ours()],
            Due::All => {
                let mut owed = vec![ours()];
                for progress in self.store.progress() {
                    if progress.origin != own && progress.origin != *theirs {
                        let device = self.bindings.owner_of(&progress.origin).unwrap_or_default().device;
                        owed.push(Owed { origin: progress.origin, at: point(progress), device });
                    }
                }
                owed
            }
        }
    }

    /// Owes again to everybody: an origin came in that was not offered yet, or the store began a new life.
    pub(super) fn owe_all(&mut self, anew: bool, ctx: &mut Context<Self>) {
        for number in self.sources() {
            self.owe(number, anew, ctx);
        }
    }

    /// Queues a notice, and sends what the link takes.
    pub(super) fn say(&mut self, number: u64, notice: Notice, ctx: &mut Context<Self>) {
        if let Some(ends) = self.links.get_mut(&number) {
            ends.unsent.push_back(notice);
            self.flush(number, ctx);
        }
    }

    pub(super) fn flush(&mut self, number: u64, ctx: &mut Context<Self>) {
        use crate::ports::SendError;
        use mf2c_fabric::wire::{Code, WireError};
        while let Some(ends) = self.links.get_mut(&number)
            && let Some(notice) = ends.unsent.front()
        {
            match self.net.send(number, notice) {
                Ok(()) => drop(ends.unsent.pop_front()),
                Err(SendError::Full) => {
                    let at = self.now() + Duration::from_millis(5);
                    return self.wake_at(at, ctx);
                }
                Err(SendError::Gone) => ends.unsent.clear(),
                Err(SendError::TooLarge(bytes)) => {
                    tracing::error!(
                        bytes,
                        "a word of a stream does not fit into a frame of the peer; the link is closed"
                    );
                    ends.unsent.clear();
                    self.net.close(number, WireError::new(Code::Internal, "a word that fits into no frame"));
                }
            }
        }
    }

    /// Whether this device was seen to start so before the last time: then there are two of it, in turn.
    fn is_clone(&mut self, link: &OpenLink) -> bool {
        let boot = link.hello.boot;
        if boot == 0 || self.boots.len() >= DEVICES {
            return false;
        }
        let at_once = self.links.values().any(|other| {
            other.link.peer.id == link.peer.id && other.link.hello.boot != boot && other.link.hello.boot != 0
        });
        let known = self.boots.entry(device_of(link).to_owned()).or_default();
        let alternates = known.contains(&boot) && known.last() != Some(&boot);
        known.retain(|other| *other != boot);
        known.push(boot);
        if known.len() > BOOTS {
            known.remove(0);
        }
        // A link of a process that has just died may be open a little longer: once is no proof.
        alternates || at_once && known.len() > 2
    }

    fn open(&mut self, link: OpenLink, ctx: &mut Context<Self>) {
        if self.is_clone(&link) {
            let others = self.links.values().filter(|other| other.link.peer.id == link.peer.id);
            let mut seen: Vec<_> = others.map(|other| other.link.address).collect();
            seen.push(link.address);
            self.tell_clone(&link, &seen, ctx);
        }
        let (number, now, term) = (link.number, self.now(), link.hello.term);
        let bounds = Bounds { max_frame: link.hello.max_frame, ..self.settings.bounds };
        let ends = Ends {
            relation: Relation::None,
            due: Due::Nothing,
            link,
            source: None,
            sink: Sink::new(bounds),
            unsent: VecDeque::new(),
            repaired: 0,
            skewed: false,
            behind_since: None,
            told_behind: false,
            homes: Heard::new(),
            term,
            told_term: None,
            held: None,
            opened_at: now,
            rival: None,
            second: false,
        };
        self.links.insert(number, ends);
        self.meet(number);
        self.relate(number, ctx);
        self.owe(number, false, ctx);
        self.plan_shedding(ctx);
    }

    fn close(&mut self, number: u64, ctx: &mut Context<Self>) {
        let Some(ends) = self.links.remove(&number) else { return };
        self.sourcing.remove(&number);
        self.digests.closed(number);
        self.part_from(&ends);
        self.leader_left(&ends.link.peer.id);
        // Another link to the same peer takes over.
        let others: BTreeSet<u64> = self
            .links
            .iter()
            .filter(|(_, other)| other.link.peer.id == ends.link.peer.id)
            .map(|(number, _)| *number)
            .collect();
        for other in others {
            // Where it was the second of two with one identity, it may be the only one now.
            if let Some(second) = self.links.get_mut(&other).filter(|other| other.second) {
                second.second = false;
                self.sink_step(other, SinkEvent::Rejudge, ctx);
            }
            self.owe(other, false, ctx);
        }
    }

    pub(super) fn tick(&mut self, ctx: &mut Context<Self>) {
        let now = self.now();
        let numbers: Vec<u64> = self.links.keys().copied().collect();
        for number in numbers {
            self.flush(number, ctx);
            let Some(ends) = self.links.get(&number) else { continue };
            let due = |at: Option<Duration>| at.is_some_and(|at| now >= at);
            let (source, sink) = (due(ends.source.as_ref().and_then(Source::wake)), due(ends.sink.wake()));
            if source {
                self.source_step(number, SourceEvent::Tick, ctx);
            }
            if sink {
                self.sink_step(number, SinkEvent::Tick, ctx);
            }
        }
        self.plan(ctx);
    }

    /// Plans the next alarm of all.
    pub(super) fn plan(&mut self, ctx: &mut Context<Self>) {
        let wakes =
            self.links.values().flat_map(|ends| [ends.source.as_ref().and_then(Source::wake), ends.sink.wake()]);
        if let Some(at) = wakes.flatten().min() {
            self.wake_at(at, ctx);
        }
    }
}

impl Handler<LinkOpened> for Replicator {
    type Result = ();

    fn handle(&mut self, LinkOpened(link): LinkOpened, ctx: &mut Context<Self>) {
        self.open(link, ctx);
    }
}

impl Handler<LinkClosed> for Replicator {
    type Result = ();

    fn handle(&mut self, LinkClosed(number): LinkClosed, ctx: &mut Context<Self>) {
        self.close(number, ctx);
    }
}

impl Handler<HeardStream> for Replicator {
    type Result = ();

    fn handle(&mut self, HeardStream { link, message }: HeardStream, ctx: &mut Context<Self>) {
        self.heard(link, message, ctx);
    }
}
