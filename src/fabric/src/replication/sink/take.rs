//! What comes in on a stream, one message after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use mf2c_domain::id::ResourceId;
use serde_json::Map;

use super::super::Origin;
use super::super::cost::Cost;
use super::super::source::sum_of;
use super::super::words::{Batch, Content, Copy, Item, Part, Refused, Repair, Run, StreamMessage};
use super::{Body, Change, Effect, Flow, Here, LARGEST_DOCUMENT, MOST_REFUSED, Open, Sink};
use crate::wire::{Code, WireError};

/// Bytes of pieces beside the largest document: those of smaller ones in the same message.
const SLACK: usize = 512 << 10;

fn bad(text: &str) -> WireError {
    WireError::new(Code::BadFrame, text)
}

impl Sink {
    pub(super) fn numbered(
        &mut self,
        message: StreamMessage,
        now: Duration,
        here: &dyn Here,
        effects: &mut Vec<Effect>,
    ) -> Result<(), WireError> {
        let (stream, number, cost) = match &message {
            StreamMessage::Batch(batch) => (batch.stream, batch.number, batch.cost()),
            StreamMessage::Piece(piece) => (piece.stream, piece.number, piece.cost()),
            StreamMessage::Part(part) => (part.stream, part.number, part.cost()),
            StreamMessage::Repair(repair) => (repair.stream, repair.number, repair.cost()),
            _ => return Ok(()),
        };
        if !self.is_running(stream) || number < self.expected {
            return Ok(());
        }
        if number > self.expected {
            self.received.gaps += 1;
            self.again(now);
            return Ok(());
        }
        if self.window.used.bytes > self.window.most.bytes || self.window.used.changes > self.window.most.changes {
            return Err(bad("more is sent than there is credit for"));
        }
        self.expected += 1;
        self.received.bytes += cost.bytes;
        match message {
            StreamMessage::Batch(batch) => self.batch(batch, cost, effects)?,
            StreamMessage::Part(part) => self.part(part, cost, now, effects)?,
            StreamMessage::Repair(repair) => self.repair(repair, cost, here, effects)?,
            StreamMessage::Piece(piece) => {
                if self.pieces.len() + piece.bytes.0.len() > LARGEST_DOCUMENT + SLACK {
                    return Err(bad("a document in pieces is larger than any may be"));
                }
                self.pieces.extend(piece.bytes.0);
                // It is no more than kept in memory, but there is room for all of them.
                self.open.push_back(Open { number, cost: Cost::default(), tickets: BTreeMap::new() });
            }
            _ => {}
        }
        self.acknowledge(effects);
        Ok(())
    }

    fn line(&self, origin: u32) -> Result<(usize, Origin, u64), WireError> {
        let at = usize::try_from(origin).unwrap_or(usize::MAX);
        let line = self.lines.get(at).filter(|line| line.allowed);
        line.map(|line| (at, line.origin, line.incarnation)).ok_or_else(|| bad("an origin that is not followed"))
    }

    fn open(&mut self, number: u32, cost: Cost) {
        self.window.take(cost);
        self.received.changes += cost.changes;
        self.open.push_back(Open { number, cost, tickets: BTreeMap::new() });
    }

    fn apply(&mut self, line: usize, incarnation: u64, flow: Flow, changes: Vec<Change>, effects: &mut Vec<Effect>) {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        let Some(origin) = self.lines.get(line).map(|line| line.origin) else { return };
        if let Some(open) = self.open.back_mut() {
            open.tickets.insert(ticket, line);
        }
        effects.push(Effect::Apply { ticket, origin, incarnation, flow, changes });
    }

    fn batch(&mut self, batch: Batch, cost: Cost, effects: &mut Vec<Effect>) -> Result<(), WireError> {
        self.open(batch.number, cost);
        for Run { origin, after, span, items } in batch.runs {
            let (line, _, incarnation) = self.line(origin)?;
            let upto = after.checked_add(span).ok_or_else(|| bad("sequences beyond all numbers"))?;
            let mut changes: Vec<Change> = Vec::with_capacity(items.len());
            let mut last = after;
            for Item { step, time, id, content } in items {
                let id = self.words.hear(id).ok_or_else(|| bad("a word that was never said"))?;
                let body = self.body(content)?;
                let sequence = after.saturating_add(step);
                if sequence <= last || sequence > upto {
                    return Err(bad("changes out of order"));
                }
                last = sequence;
                if self.passed_over.contains(&(line, id.clone())) {
                    continue;
                }
                let id = ResourceId::parse(&id).map_err(|error| bad(&error.to_string()))?;
                changes.push(Change { sequence, time, id, body });
            }
            self.apply(line, incarnation, Flow::Tail { after, upto }, changes, effects);
        }
        self.pieces_are_used()
    }

    fn part(&mut self, part: Part, cost: Cost, now: Duration, effects: &mut Vec<Effect>) -> Result<(), WireError> {
        let (line, ..) = self.line(part.origin)?;
        if sum_of(&part.copies) != part.sum {
            return Err(bad("a part of a snapshot is damaged"));
        }
        // A snapshot goes on where the part before ended, or where the one that is kept did, or begins.
        let before = self.snapshot.take().filter(|(other, _)| *other == line);
        if before.is_some_and(|(_, key)| key != part.after) {
            self.again(now);
            return Ok(());
        }
        self.open(part.number, cost);
        let ordered = |low: Option<&str>, high: &str| low.is_none_or(|low| low < high);
        let mut last = part.after.as_deref();
        for copy in &part.copies {
            let inside = part.upto.as_deref().is_none_or(|upto| copy.id.as_str() <= upto);
            if !ordered(last, &copy.id) || !inside {
                return Err(bad("documents of a snapshot out of order"));
            }
            last = Some(&copy.id);
        }
        if part.upto.as_deref().is_some_and(|upto| !ordered(part.after.as_deref(), upto)) {
            return Err(bad("a part of a snapshot that ends before it begins"));
        }
        let changes = self.copies(line, part.copies)?;
        if let Some(line) = self.lines.get_mut(line) {
            line.incarnation = part.incarnation;
        }
        self.snapshot = part.upto.clone().map(|key| (line, Some(key)));
        let flow = Flow::Snapshot { at: part.at, after: part.after, upto: part.upto };
        self.apply(line, part.incarnation, flow, changes, effects);
        self.pieces_are_used()
    }

    fn repair(
        &mut self,
        repair: Repair,
        cost: Cost,
        here: &dyn Here,
        effects: &mut Vec<Effect>,
    ) -> Result<(), WireError> {
        let (line, origin, incarnation) = self.line(repair.origin)?;
        self.open(repair.number, cost);
        let changes = self.copies(line, repair.copies)?;
        let seen = self.bucket.take().filter(|(other, bucket, _)| (*other, *bucket) == (line, repair.bucket));
        let mut seen = seen.map(|(.., seen)| seen).unwrap_or_default();
        seen.extend(changes.iter().map(|change| change.id.clone()));
        let gone = if repair.last {
            let ours = here.ids_in(&origin, repair.bucket).into_iter();
            let gone = ours.filter(|id| !seen.contains(id)).collect();
            seen.clear();
            gone
        } else {
            self.bucket = Some((line, repair.bucket, seen));
            vec![]
        };
        self.apply(line, incarnation, Flow::Repair { at: repair.at, gone }, changes, effects);
        self.pieces_are_used()
    }

    fn copies(&mut self, line: usize, copies: Vec<Copy>) -> Result<Vec<Change>, WireError> {
        let mut changes = Vec::with_capacity(copies.len());
        for Copy { sequence, time, id, body } in copies {
            let Body::Whole(body) = self.body(body)? else { return Err(bad("expected a whole document")) };
            if self.passed_over.contains(&(line, id.clone())) {
                continue;
            }
            let id = ResourceId::parse(&id).map_err(|error| bad(&error.to_string()))?;
            changes.push(Change { sequence, time, id, body: Body::Whole(body) });
        }
        Ok(changes)
    }

    fn body(&mut self, content: Content) -> Result<Body, WireError> {
        match content {
            Content::Deleted => Ok(Body::Deleted),
            Content::Whole(bytes) => Ok(Body::Whole(bytes.0)),
            Content::Pieced(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > self.pieces.len() || length == 0 {
                    return Err(bad("a document of which pieces are missing"));
                }
                let rest = self.pieces.split_off(length);
                Ok(Body::Whole(std::mem::replace(&mut self.pieces, rest)))
            }
            Content::Patch { changed, removed, sum } => {
                let unknown = || bad("a word that was never said");
                let mut attributes = Map::new();
                for (name, value) in changed {
                    attributes.insert(self.words.hear(name).ok_or_else(unknown)?, value);
                }
                let removed: Option<Vec<String>> = removed.into_iter().map(|name| self.words.hear(name)).collect();
                Ok(Body::Patch { changed: attributes, removed: removed.ok_or_else(unknown)?, sum })
            }
        }
    }

    /// Behind the message that tells of them no pieces are left.
    fn pieces_are_used(&mut self) -> Result<(), WireError> {
        if self.pieces.is_empty() {
            self.pieces = Vec::new();
            return Ok(());
        }
        Err(bad("pieces of a document that nothing tells of"))
    }

    /// The origin has gone back in time: it must know, for it alone can begin a new life.
    pub(super) fn tell_forked(&self, line: usize, id: String, effects: &mut Vec<Effect>) {
        let text = format!("a later revision of {id} is here: the origin has gone back in time");
        effects.push(Effect::Send(StreamMessage::Refused(Refused {
            generation: self.generation.unwrap_or_default(),
            origin: u32::try_from(line).unwrap_or(u32::MAX),
            id: Some(id),
            why: WireError::new(Code::Conflict, text),
        })));
    }

    /// The store does not take a document: the others of its origin go on without it.
    pub(super) fn pass_over(&mut self, line: usize, id: String, why: String, now: Duration, effects: &mut Vec<Effect>) {
        let Some(known) = self.lines.get_mut(line) else { return };
        let origin = known.origin;
        let refused = WireError::new(Code::Forbidden, why.clone());
        let mut told = Refused {
            generation: self.generation.unwrap_or_default(),
            origin: u32::try_from(line).unwrap_or(u32::MAX),
            id: Some(id.clone()),
            why: refused,
        };
        if self.passed_over.len() >= MOST_REFUSED {
            known.allowed = false;
            told.id = None;
        } else {
            self.passed_over.insert((line, id.clone()));
        }
        effects.push(Effect::Refused(origin, id, why));
        effects.push(Effect::Send(StreamMessage::Refused(told)));
        self.pause_stream();
        self.again_at.get_or_insert(now);
    }
}
