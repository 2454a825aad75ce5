//! The end of a stream that has changes: it offers, sends what the sink lacks as far as the credit goes, and compares.
//!
//! It reads nothing without credit, so its memory is bounded by the window however slow the sink is.

mod check;
mod events;
mod history;
mod lag;
mod pump;

pub use events::{Effect, Event, Owed};
pub use history::{Beginning, Fault, Held, History, Page};
pub use lag::{Backlog, lacking};
pub(super) use pump::sum_of;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::bounds::{Bounds, MOST_ORIGINS, ORIGINS_A_MESSAGE};
use super::cost::{Cost, Window};
use super::dictionary::Speaker;
use super::words::{End, Follow, Have, Offer, Offered, StreamMessage};
use super::{Origin, Point};
use crate::wire::{Code, WireError};

/// The most characters that are kept of why a sink takes nothing.
const LONGEST_REASON: usize = 300;

/// An origin in the offer.
#[derive(Debug, Clone)]
struct Line {
    origin: Origin,
    device: String,
    /// The life that was offered.
    incarnation: u64,
    /// What the sink has, or will have when it has applied what was sent.
    sent: Point,
    /// What the sink is known to have on its disk.
    acked: u64,
    /// Whether the sink wants it.
    wanted: bool,
    /// Whether it must be given as a snapshot before anything else of it.
    lost: bool,
}

/// A snapshot under way.
#[derive(Debug, Clone)]
struct Snapshot {
    line: usize,
    at: Point,
    after: Option<String>,
}

/// Something sent and not acknowledged.
#[derive(Debug)]
struct Unacked {
    number: u32,
    cost: Cost,
    /// What the sink has of which line when it acknowledges this.
    upto: Vec<(usize, u64)>,
    /// Where the log was read up to before it.
    behind: u64,
}

/// What has gone over a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Changes and documents.
    pub changes: u64,
    /// About their bytes.
    pub bytes: u64,
    /// Snapshots begun.
    pub snapshots: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Source {
    bounds: Bounds,
    boot: u64,
    /// For the time between checks.
    random: u64,
    generation: u32,
    lines: Vec<Line>,
    index: BTreeMap<Origin, usize>,
    /// Whether there is an offer that was not answered, and since when.
    offered_at: Option<Duration>,
    gathering: Vec<Have>,
    stream: Option<u32>,
    number: u32,
    words: Speaker,
    window: Window,
    unacked: VecDeque<Unacked>,
    /// The last time at which the peer acknowledged something, or had nothing to acknowledge.
    progress_at: Duration,
    held_until: Option<Duration>,
    /// Why the sink takes nothing now.
    held: Option<String>,
    /// Where it reads, and where the log ends.
    position: u64,
    newest: u64,
    /// Where it read before what is being sent.
    before: u64,
    snapshot: Option<Snapshot>,
    whole: BTreeSet<String>,
    /// Up to this position in the log documents go whole.
    whole_until: u64,
    /// Lines of which something came in that the log does not tell.
    suspects: BTreeSet<usize>,
    repairs: VecDeque<(usize, u64, u8)>,
    check_at: Option<Duration>,
    checking: bool,
    /// What the sink has of lines that differ.
    asked: BTreeMap<usize, (Point, Vec<u64>)>,
    traffic: Traffic,
}

impl Source {
    /// A source that owes nothing yet. `seed` spreads its checks over time.
    #[must_use]
    pub fn new(bounds: Bounds, boot: u64, seed: u64, newest: u64) -> Self {
        Self {
            bounds,
            boot,
            random: seed,
            generation: 0,
            lines: Vec::new(),
            index: BTreeMap::new(),
            offered_at: None,
            gathering: Vec::new(),
            stream: None,
            number: 0,
            words: Speaker::default(),
            window: Window::new(bounds.window_changes, bounds.window_bytes),
            unacked: VecDeque::new(),
            progress_at: Duration::ZERO,
            held_until: None,
            held: None,
            position: newest,
            newest,
            before: newest,
            snapshot: None,
            whole: BTreeSet::new(),
            whole_until: 0,
            suspects: BTreeSet::new(),
            repairs: VecDeque::new(),
            check_at: None,
            checking: false,
            asked: BTreeMap::new(),
            traffic: Traffic::default(),
        }
    }

    /// Takes an event and says what shall be done, in this order.
    pub fn step(&mut self, event: Event, now: Duration, history: &dyn History) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Owe(owed) => self.owe(owed, now, &mut effects),
            Event::OweAnew(owed) => {
                self.forget();
                self.owe(owed, now, &mut effects);
            }
            Event::Committed(position) => self.newest = self.newest.max(position),
            Event::Heard(message) => self.heard(message, now, history, &mut effects),
            Event::Digests(digests) => self.compare(&digests, &mut effects),
            Event::Tick => {}
        }
        self.pump(now, history, &mut effects);
        self.time(now, &mut effects);
        if self.is_even() {
            self.held = None;
        }
        effects
    }

    /// When it wants a [`Event::Tick`].
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let patience = self.bounds.patience;
        let stalled = (!self.unacked.is_empty()).then(|| self.progress_at + patience);
        let unanswered = self.offered_at.map(|at| at + patience);
        let check = if self.checking || self.stream.is_none() || !self.is_even() { None } else { self.check_at };
        [stalled, unanswered, self.held_until, check].into_iter().flatten().min()
    }

    /// What has gone over it.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Why the sink takes nothing, in its own words, where it has said so and taken nothing since.
    #[must_use]
    pub fn held(&self) -> Option<&str> {
        self.held.as_deref()
    }

    /// Whether a snapshot is under way.
    #[must_use]
    pub fn is_in_snapshot(&self) -> bool {
        self.snapshot.is_some() || self.lines.iter().any(|line| line.wanted && line.lost)
    }

    /// Whether the sink has everything that is owed to it.
    #[must_use]
    pub fn is_even(&self) -> bool {
        self.stream.is_some()
            && self.unacked.is_empty()
            && self.position >= self.newest
            && self.repairs.is_empty()
            && !self.is_in_snapshot()
    }

    /// Bytes on their way, which is what it keeps in mind besides the dictionary.
    #[must_use]
    pub const fn on_the_way(&self) -> u64 {
        self.window.used.bytes
    }

    fn owe(&mut self, mut owed: Vec<Owed>, now: Duration, effects: &mut Vec<Effect>) {
        owed.truncate(MOST_ORIGINS);
        if owed.is_empty() {
            if !self.lines.is_empty() {
                let why = WireError::new(Code::NotLeader, "nothing is owed to this agent any more");
                effects.push(Effect::Send(StreamMessage::End(End { generation: self.generation, why })));
                self.forget();
            }
            return;
        }
        let gone = self.lines.iter().any(|line| !owed.iter().any(|owed| owed.origin == line.origin));
        if self.lines.is_empty() || gone {
            self.forget();
            self.generation = self.generation.wrapping_add(1);
        }
        let (even, mut missed) = (self.is_even(), Vec::new());
        let first = self.lines.len();
        for owed in owed {
            let known = self.index.get(&owed.origin).and_then(|at| self.lines.get(*at));
            if let Some(known) = known {
                // Something came in by a snapshot from elsewhere, of which the log does not tell.
                if even && known.sent != owed.at {
                    missed.push(owed.origin);
                }
                continue;
            }
            self.index.insert(owed.origin, self.lines.len());
            let sent = owed.at;
            let Owed { origin, device, at: Point { incarnation, .. } } = owed;
            self.lines.push(Line { origin, device, incarnation, sent, acked: 0, wanted: false, lost: false });
        }
        for origin in missed {
            if let Some(line) = self.index.get(&origin).and_then(|at| self.lines.get_mut(*at)) {
                line.lost |= line.wanted;
            }
        }
        self.offer(first, now, effects);
    }

    fn offer(&mut self, first: usize, now: Duration, effects: &mut Vec<Effect>) {
        let new = self.lines.get(first..).unwrap_or_default();
        if new.is_empty() {
            return;
        }
        let parts = new.chunks(ORIGINS_A_MESSAGE.min(self.bounds.max_frame as usize / 256).max(16));
        let last = parts.len() - 1;
        let mut at = first;
        for (part, lines) in parts.enumerate() {
            let origins = lines.iter().map(|line| Offered {
                origin: line.origin.to_vec().into(),
                incarnation: line.sent.incarnation,
                sequence: line.sent.sequence,
                device: line.device.clone(),
            });
            effects.push(Effect::Send(StreamMessage::Offer(Offer {
                boot: self.boot,
                generation: self.generation,
                first: u32::try_from(at).unwrap_or(u32::MAX),
                origins: origins.collect(),
                more: part < last,
            })));
            at += lines.len();
        }
        self.offered_at = Some(now);
    }

    /// Begins with an offer anew. What was sent counts no more.
    fn forget(&mut self) {
        self.lines.clear();
        self.index.clear();
        self.offered_at = None;
        self.held_until = None;
        self.gathering.clear();
        self.stop();
    }

    fn stop(&mut self) {
        self.stream = None;
        self.unacked.clear();
        self.window.used = Cost::default();
        self.snapshot = None;
        self.suspects.clear();
        self.repairs.clear();
        self.checking = false;
        self.asked.clear();
    }

    fn heard(&mut self, message: StreamMessage, now: Duration, history: &dyn History, effects: &mut Vec<Effect>) {
        match message {
            StreamMessage::Follow(follow) => self.follow(follow, now, history, effects),
            StreamMessage::Ack(ack) if Some(ack.stream) == self.stream => self.acknowledged(ack.number, now),
            StreamMessage::Hold(hold) => {
                self.stop();
                let pause = Duration::from_millis(hold.retry_after.min(600_000).into());
                self.offered_at = None;
                self.held_until = Some(now + pause + self.bounds.patience);
                self.held = Some(hold.why.chars().take(LONGEST_REASON).collect());
                effects.push(Effect::Held(hold.why));
            }
            StreamMessage::Buckets(theirs) if Some(theirs.stream) == self.stream => {
                self.repair(&theirs, effects);
            }
            StreamMessage::Refused(refused) if refused.generation == self.generation => {
                let line = usize::try_from(refused.origin).ok().and_then(|at| self.lines.get_mut(at));
                let Some(line) = line else { return };
                line.wanted &= refused.id.is_some();
                let (origin, id) = (line.origin, refused.id);
                if id.is_some() && refused.why.code == Code::Conflict {
                    return effects.push(Effect::Behind(origin));
                }
                effects.push(Effect::Refused { origin, id, why: refused.why });
                if self.lines.iter().all(|line| !line.wanted) {
                    // Nothing is taken: it may be otherwise when roles have changed.
                    self.offered_at = None;
                }
            }
            // Of a stream of before, or of a later version.
            _ => {}
        }
    }

    fn follow(&mut self, follow: Follow, now: Duration, history: &dyn History, effects: &mut Vec<Effect>) {
        if follow.generation != self.generation || self.lines.is_empty() {
            return;
        }
        self.gathering.extend(follow.have);
        if self.gathering.len() > self.lines.len() {
            self.gathering.clear();
            let text = "more origins are followed than were offered";
            effects.push(Effect::Close(WireError::new(Code::BadFrame, text)));
            return;
        }
        if follow.more {
            return;
        }
        self.offered_at = None;
        self.held_until = None;
        let have = std::mem::take(&mut self.gathering);
        if self.stream != Some(follow.stream) {
            self.stop();
            self.stream = Some(follow.stream);
            self.number = 0;
            self.words = Speaker::default();
            let most = |theirs: u32, ours: u32| theirs.clamp(1, ours);
            self.window = Window::new(
                most(follow.window_changes, self.bounds.window_changes),
                most(follow.window_bytes, self.bounds.window_bytes),
            );
            self.progress_at = now;
            self.check_at = Some(now);
            self.whole_until = if follow.whole.iter().any(|id| id == "*") { self.newest } else { 0 };
            self.whole = follow.whole.into_iter().collect();
            self.lines.iter_mut().for_each(|line| (line.wanted, line.lost) = (false, false));
            self.begin(have, history, effects);
        } else {
            self.add(&have, history);
        }
    }

    fn acknowledged(&mut self, number: u32, now: Duration) {
        while self.unacked.front().is_some_and(|sent| sent.number <= number) {
            let Some(sent) = self.unacked.pop_front() else { break };
            self.window.give(sent.cost);
            self.progress_at = now;
            self.held = None;
            for (line, upto) in sent.upto {
                if let Some(line) = self.lines.get_mut(line) {
                    line.acked = upto;
                }
            }
        }
        if self.unacked.is_empty() {
            self.window.used = Cost::default();
        }
    }

    fn time(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let patience = self.bounds.patience;
        if !self.unacked.is_empty() && now >= self.progress_at + patience {
            let text = format!("nothing was acknowledged for {} s: come back and go on from there", patience.as_secs());
            effects.push(Effect::Close(WireError::new(Code::Busy, text)));
            self.forget();
        } else if self.offered_at.is_some_and(|at| now >= at + patience)
            || self.held_until.is_some_and(|until| now >= until)
        {
            // The link serves others too: it is offered anew.
            self.forget();
            effects.push(Effect::Reconsider);
        }
    }
}
