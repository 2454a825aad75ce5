//! The end of a stream that lacks changes: it says what it has, hands on what comes in order, and acknowledges what is on its
//! disk. Nothing that a source says is believed: what makes no sense closes the link, and what is missing is asked for anew.

mod check;
mod events;
mod lag;
mod take;

pub use events::{Body, Change, Effect, Event, Flow, Here, Outcome, Partial, Verdict};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mf2c_domain::id::ResourceId;

use super::bounds::{Bounds, LARGEST_DOCUMENT, MOST_ORIGINS, MOST_REFUSED, MOST_WHOLE, ORIGINS_A_MESSAGE};
use super::cost::{Cost, Window};
use super::dictionary::Listener;
use super::words::{Ack, Follow, Have, Hold, Offer, Refused, StreamMessage};
use super::{Origin, Point};
use crate::wire::{Code, WireError};

/// Pause before following anew after something went wrong; it doubles each time, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);
/// See [`PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Refusals that are told one by one.
const TOLD: usize = 16;

#[derive(Debug, Clone)]
struct Line {
    origin: Origin,
    offered: Point,
    device: String,
    allowed: bool,
    /// The life of what comes next.
    incarnation: u64,
}

/// A message of which not everything is on the disk.
#[derive(Debug)]
struct Open {
    number: u32,
    cost: Cost,
    /// What is applied of it, and of which line.
    tickets: BTreeMap<u64, usize>,
}

/// What has come over a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// Changes and documents.
    pub changes: u64,
    /// About their bytes.
    pub bytes: u64,
    /// How often something was missing.
    pub gaps: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Sink {
    bounds: Bounds,
    generation: Option<u32>,
    lines: Vec<Line>,
    gathering: Vec<Line>,
    /// The first line that is not judged yet.
    judged: usize,
    stream: u32,
    /// Whether it follows, so that what comes is taken.
    following: bool,
    expected: u32,
    words: Listener,
    pieces: Vec<u8>,
    window: Window,
    open: VecDeque<Open>,
    next_ticket: u64,
    /// Tickets of streams of before.
    stale: BTreeSet<u64>,
    /// Following anew is due then.
    again_at: Option<Duration>,
    pause: Duration,
    /// Documents that must come whole; `*` for all of which is known now.
    whole: BTreeSet<String>,
    /// Whether something did not fit since all did the last time.
    misfitted: bool,
    passed_over: BTreeSet<(usize, String)>,
    snapshot: Option<(usize, Option<String>)>,
    bucket: Option<(usize, u8, BTreeSet<ResourceId>)>,
    checks: BTreeMap<usize, (Point, u64)>,
    received: Received,
    /// Why nothing is brought to the disk now.
    held: Option<String>,
    /// When it was last offered something, and how far behind it is as the source said last, and when.
    offered_at: Duration,
    told: Option<(super::words::Lag, Duration)>,
}

impl Sink {
    /// A sink to which nothing was offered.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            generation: None,
            lines: Vec::new(),
            gathering: Vec::new(),
            judged: 0,
            stream: 0,
            following: false,
            expected: 1,
            words: Listener::default(),
            pieces: Vec::new(),
            window: Window::new(bounds.window_changes, bounds.window_bytes),
            open: VecDeque::new(),
            next_ticket: 0,
            stale: BTreeSet::new(),
            again_at: None,
            pause: PAUSE,
            whole: BTreeSet::new(),
            misfitted: false,
            passed_over: BTreeSet::new(),
            snapshot: None,
            bucket: None,
            checks: BTreeMap::new(),
            received: Received::default(),
            held: None,
            offered_at: Duration::ZERO,
            told: None,
        }
    }

    /// Takes an event and says what shall be done, in this order.
    pub fn step(&mut self, event: Event, now: Duration, here: &dyn Here) -> Vec<Effect> {
        let mut effects = Vec::new();
        let done = match event {
            Event::Heard(message) => self.heard(message, now, here, &mut effects),
            Event::Judged(generation, verdicts) => {
                if Some(generation) == self.generation {
                    self.verdicts(verdicts, now, here, &mut effects);
                }
                Ok(())
            }
            Event::Applied(ticket, outcome) => {
                self.applied(ticket, outcome, now, &mut effects);
                Ok(())
            }
            Event::Digests(digests) => {
                self.answer_checks(&digests, &mut effects);
                Ok(())
            }
            Event::Rejudge => {
                self.judged = 0;
                self.judge(&mut effects);
                Ok(())
            }
            Event::Tick => Ok(()),
        };
        if let Err(why) = done {
            effects.push(Effect::Close(why));
            self.forget();
        }
        if self.again_at.is_some_and(|at| now >= at) && self.stale.is_empty() && self.open.is_empty() {
            self.again_at = None;
            self.follow(0, true, here, &mut effects);
        }
        effects
    }

    /// When it wants a [`Event::Tick`].
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        self.again_at
    }

    /// What has come over it.
    #[must_use]
    pub const fn received(&self) -> Received {
        self.received
    }

    /// The origins that come from this peer, with what it has of each as far as it said.
    pub fn origins(&self) -> impl Iterator<Item = (Origin, Point)> + '_ {
        self.lines.iter().filter(|line| line.allowed).map(|line| (line.origin, line.offered))
    }

    /// Why what comes is not brought to the disk, if that is so.
    #[must_use]
    pub fn held(&self) -> Option<&str> {
        self.held.as_deref()
    }

    /// Whether any of these were offered, be they taken or not.
    #[must_use]
    pub fn was_offered(&self, any: &BTreeSet<Origin>) -> bool {
        self.lines.iter().any(|line| any.contains(&line.origin))
    }

    /// Whether a snapshot is coming in.
    #[must_use]
    pub fn is_in_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    fn forget(&mut self) {
        self.generation = None;
        self.lines.clear();
        self.gathering.clear();
        self.judged = 0;
        self.again_at = None;
        self.held = None;
        self.told = None;
        self.pause_stream();
    }

    /// What is on its way of this stream is not taken any more.
    fn pause_stream(&mut self) {
        self.following = false;
        self.stale.extend(self.open.drain(..).flat_map(|open| open.tickets.into_keys()));
        self.pieces = Vec::new();
        self.window.used = Cost::default();
        self.snapshot = None;
        self.bucket = None;
        self.checks.clear();
    }

    fn heard(
        &mut self,
        message: StreamMessage,
        now: Duration,
        here: &dyn Here,
        effects: &mut Vec<Effect>,
    ) -> Result<(), WireError> {
        match message {
            StreamMessage::Offer(offer) => {
                self.offered_at = now;
                self.offered(offer, effects)
            }
            StreamMessage::Lag(lag) => {
                self.told = (lag.changes > 0).then_some((lag, now));
                Ok(())
            }
            StreamMessage::End(end) if Some(end.generation) == self.generation => {
                self.forget();
                Ok(())
            }
            StreamMessage::Digests(checks) if self.is_running(checks.stream) => {
                self.check(checks, here, effects);
                Ok(())
            }
            message => self.numbered(message, now, here, effects),
        }
    }

    fn is_running(&self, stream: u32) -> bool {
        self.following && self.stream == stream
    }

    fn offered(&mut self, offer: Offer, effects: &mut Vec<Effect>) -> Result<(), WireError> {
        let bad = |text: &str| Err(WireError::new(Code::BadFrame, text));
        if offer.first == 0 && Some(offer.generation) != self.generation {
            if self.generation.is_some_and(|generation| offer.generation < generation) {
                return Ok(());
            }
            self.forget();
            self.generation = Some(offer.generation);
        }
        if Some(offer.generation) != self.generation {
            return Ok(());
        }
        let here = self.lines.len() + self.gathering.len();
        if usize::try_from(offer.first) != Ok(here) {
            return Ok(());
        }
        if here + offer.origins.len() > MOST_ORIGINS {
            return bad("more origins are offered than an area can have");
        }
        for offered in offer.origins {
            let Ok(origin) = Origin::try_from(offered.origin.0.as_slice()) else {
                return bad("an origin has 16 bytes");
            };
            if offered.device.len() > mf2c_domain::area::spiffe::LONGEST_DEVICE {
                return bad("a device of that name cannot be");
            }
            let at = Point { incarnation: offered.incarnation, sequence: offered.sequence };
            let device = offered.device;
            let incarnation = at.incarnation;
            self.gathering.push(Line { origin, offered: at, device, allowed: false, incarnation });
        }
        if !offer.more {
            self.lines.append(&mut self.gathering);
            self.judge(effects);
        }
        Ok(())
    }

    fn judge(&mut self, effects: &mut Vec<Effect>) {
        let Some(generation) = self.generation.filter(|_| self.judged < self.lines.len()) else { return };
        let new = self.lines.get(self.judged..).unwrap_or_default();
        let new = new.iter().map(|line| (line.origin, line.offered, line.device.clone()));
        effects.push(Effect::Judge(generation, new.collect()));
    }

    fn verdicts(
        &mut self,
        verdicts: Result<Vec<Verdict>, Hold>,
        now: Duration,
        here: &dyn Here,
        effects: &mut Vec<Effect>,
    ) {
        let verdicts = match verdicts {
            Ok(verdicts) => verdicts,
            Err(hold) => {
                self.pause_stream();
                effects.push(Effect::Send(StreamMessage::Hold(hold)));
                return;
            }
        };
        let first = self.judged;
        let mut told = 0;
        for (at, verdict) in (first..).zip(verdicts) {
            let Some(line) = self.lines.get_mut(at) else { break };
            line.allowed = verdict.is_ok();
            self.judged = at + 1;
            if let Err(why) = verdict
                && told < TOLD
            {
                told += 1;
                let origin = u32::try_from(at).unwrap_or(u32::MAX);
                let generation = self.generation.unwrap_or_default();
                effects.push(Effect::Send(StreamMessage::Refused(Refused { generation, origin, id: None, why })));
            }
        }
        if self.again_at.is_some() {
            return;
        }
        if first == 0 || !self.following {
            self.pause_stream();
            self.again_at = Some(now);
        } else {
            self.follow(first, false, here, effects);
        }
        // More may have been offered meanwhile.
        self.judge(effects);
    }

    /// Follows from what is here: with a new stream, or with more origins on the one that runs.
    fn follow(&mut self, first: usize, anew: bool, here: &dyn Here, effects: &mut Vec<Effect>) {
        let Some(generation) = self.generation else { return };
        if anew {
            self.stream = self.stream.wrapping_add(1);
            self.following = true;
            self.expected = 1;
            self.words = Listener::default();
        }
        let lines = self.lines.get_mut(first..).unwrap_or_default();
        let wanted = (first..).zip(lines).filter(|(_, line)| line.allowed);
        let have: Vec<Have> = wanted
            .map(|(at, line)| {
                let point = here.progress_of(&line.origin).unwrap_or_default();
                let partial = here.partial_of(&line.origin).filter(|_| anew);
                // Who has nothing begins with the life that is offered.
                line.incarnation = match (&partial, point.incarnation) {
                    (Some(partial), _) => partial.at.incarnation,
                    (None, 0) => line.offered.incarnation,
                    (None, here) => here,
                };
                Have {
                    origin: u32::try_from(at).unwrap_or(u32::MAX),
                    incarnation: point.incarnation,
                    sequence: point.sequence,
                    partial: partial.map(|partial| (partial.at.incarnation, partial.at.sequence, partial.key)),
                }
            })
            .collect();
        let whole: Vec<String> = match self.whole.len() {
            0..=MOST_WHOLE => std::mem::take(&mut self.whole).into_iter().collect(),
            _ => vec!["*".to_owned()],
        };
        self.whole.clear();
        let count = ORIGINS_A_MESSAGE.min(self.bounds.max_frame as usize / 512).max(16);
        let mut parts: Vec<&[Have]> = have.chunks(count).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        let last = parts.len() - 1;
        for (part, have) in parts.into_iter().enumerate() {
            effects.push(Effect::Send(StreamMessage::Follow(Follow {
                generation,
                stream: self.stream,
                window_changes: self.bounds.window_changes,
                window_bytes: self.bounds.window_bytes,
                have: have.to_vec(),
                whole: if part == last { whole.clone() } else { vec![] },
                more: part < last,
            })));
        }
    }

    /// Something is missing or did not fit: what is on its way is let run out, and then it follows anew.
    fn again(&mut self, now: Duration) {
        self.pause_stream();
        self.again_at.get_or_insert(now + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn applied(&mut self, ticket: u64, outcome: Outcome, now: Duration, effects: &mut Vec<Effect>) {
        let open = self.open.iter_mut().find(|open| open.tickets.contains_key(&ticket));
        if self.stale.remove(&ticket) {
            return;
        }
        let Some(open) = open else { return };
        match outcome {
            Outcome::Own => {}
            Outcome::Done(misfits) if misfits.is_empty() => {}
            Outcome::Done(misfits) => {
                // Who has let go of one document has mostly let go of others: they are not asked for one by one.
                if std::mem::replace(&mut self.misfitted, true) {
                    self.whole.insert("*".to_owned());
                }
                self.whole.extend(misfits.iter().map(|id| id.as_str().to_owned()));
                self.received.gaps += 1;
                open.tickets.remove(&ticket);
                return self.again(now);
            }
            Outcome::Again => {
                self.received.gaps += 1;
                open.tickets.remove(&ticket);
                return self.again(now);
            }
            Outcome::Refused(id, why) => {
                let line = open.tickets.remove(&ticket).unwrap_or_default();
                return self.pass_over(line, id, why, now, effects);
            }
            Outcome::Forked(id) => {
                let line = open.tickets.remove(&ticket).unwrap_or_default();
                self.tell_forked(line, id, effects);
                return self.acknowledge(effects);
            }
            Outcome::Later(pause, why) => {
                open.tickets.remove(&ticket);
                self.pause_stream();
                self.again_at = Some(now + pause);
                let retry_after = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
                self.held = Some(why.clone());
                effects.push(Effect::Send(StreamMessage::Hold(Hold { retry_after, why })));
                return;
            }
        }
        self.held = None;
        open.tickets.remove(&ticket);
        self.pause = PAUSE;
        self.misfitted = false;
        self.acknowledge(effects);
    }

    /// Says up to where everything is on the disk.
    fn acknowledge(&mut self, effects: &mut Vec<Effect>) {
        let mut number = None;
        while self.open.front().is_some_and(|open| open.tickets.is_empty()) {
            let Some(open) = self.open.pop_front() else { break };
            self.window.give(open.cost);
            number = Some(open.number);
        }
        if let Some(number) = number {
            effects.push(Effect::Send(StreamMessage::Ack(Ack { stream: self.stream, number })));
        }
    }
}
