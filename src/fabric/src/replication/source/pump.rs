//! What a source sends: as long as there is credit, what was asked to be repaired, snapshots, and then the log.

use std::collections::BTreeMap;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3Default;

use super::super::bounds::LARGEST_DOCUMENT;
use super::super::cost::Cost;
use super::super::pack::{Entry, Kind, coalesced, content};
use super::super::words::{Batch, Content, Copy, Have, Item, Part, Piece, Repair, Run, StreamMessage};
use super::super::{Origin, Point};
use super::{Effect, Fault, Held, History, Line, Page, Snapshot, Source, Unacked};
use crate::wire::{Bytes, Code, WireError};

/// Why the pump stops.
enum Stop {
    /// There is nothing to do, or no credit.
    Idle,
    /// The store.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Source {
    /// Where the stream begins for a sink that has this.
    pub(super) fn begin(&mut self, have: Vec<Have>, history: &dyn History, effects: &mut Vec<Effect>) {
        let mut from: Vec<(Origin, Point)> = Vec::with_capacity(have.len());
        let mut partial: BTreeMap<Origin, (Point, String)> = BTreeMap::new();
        for have in have {
            let line = usize::try_from(have.origin).ok().and_then(|at| self.lines.get_mut(at));
            let Some(line) = line.filter(|line| !line.wanted) else { continue };
            line.wanted = true;
            let mut point = line.point(&have);
            if let Some((incarnation, at, key)) = have.partial {
                let now = history.progress_of(&line.origin);
                if now.is_some_and(|now| now.incarnation == incarnation && now.sequence >= at) {
                    let began = Point { incarnation, sequence: at };
                    partial.insert(line.origin, (began, key));
                    point = began;
                }
            }
            line.sent = point;
            line.acked = point.sequence;
            from.push((line.origin, point));
        }
        let start = match history.start_for(&from) {
            Ok(start) => start,
            Err(fault) => return fail(&fault, effects),
        };
        self.position = start.position.min(self.newest);
        for origin in start.ahead {
            let life = self.index.get(&origin).and_then(|at| self.lines.get(*at)).map(|line| line.sent.incarnation);
            if history.progress_of(&origin).map(|now| now.incarnation) == life {
                effects.push(Effect::Behind(origin));
            }
        }
        for origin in start.snapshots {
            partial.remove(&origin);
            if let Some(line) = self.index.get(&origin).and_then(|at| self.lines.get_mut(*at)) {
                line.lost = true;
            }
        }
        // What was begun goes on; at most one can, and the others begin anew.
        if let Some((origin, (at, key))) = partial.pop_first()
            && let Some(line) = self.index.get(&origin)
        {
            self.snapshot = Some(Snapshot { line: *line, at, after: Some(key) });
        }
        for origin in partial.into_keys() {
            if let Some(line) = self.index.get(&origin).and_then(|at| self.lines.get_mut(*at)) {
                line.lost = true;
            }
        }
    }

    /// More origins on a stream that runs: where something of them is missing they begin with a snapshot, for the log was
    /// read on.
    pub(super) fn add(&mut self, have: &[Have], history: &dyn History) {
        for have in have {
            let line = usize::try_from(have.origin).ok().and_then(|at| self.lines.get_mut(at));
            let Some(line) = line.filter(|line| !line.wanted) else { continue };
            line.wanted = true;
            let point = line.point(have);
            (line.sent, line.acked) = (point, point.sequence);
            line.lost = history.progress_of(&line.origin) != Some(point);
        }
    }

    pub(super) fn pump(&mut self, now: Duration, history: &dyn History, effects: &mut Vec<Effect>) {
        loop {
            match self.send_some(now, history, effects) {
                Ok(()) => {}
                Err(Stop::Idle) => break,
                Err(Stop::Fault(fault)) => return fail(&fault, effects),
            }
        }
        self.ask_for_digests(now, effects);
    }

    fn send_some(&mut self, now: Duration, history: &dyn History, effects: &mut Vec<Effect>) -> Result<(), Stop> {
        if self.stream.is_none() || !self.has_room() {
            return Err(Stop::Idle);
        }
        self.before = self.position;
        if let Some((line, at, bucket)) = self.repairs.pop_front() {
            return Ok(self.send_bucket(line, at, bucket, now, history, effects)?);
        }
        if self.snapshot.is_some() || self.next_snapshot(history) {
            return Ok(self.send_part(now, history, effects)?);
        }
        if self.position >= self.newest {
            return if self.look_at_suspects(history)? { Ok(()) } else { Err(Stop::Idle) };
        }
        self.send_log(now, history, effects)
    }

    /// Whether enough credit is left that sending is worth it: a trickle of tiny messages helps nobody.
    fn has_room(&self) -> bool {
        let (left, most) = (self.window.left(), self.window.most);
        self.unacked.is_empty() || left.changes * 4 >= most.changes && left.bytes * 4 >= most.bytes
    }

    /// Begins the snapshot of an origin that needs one, if what is here of it is complete.
    fn next_snapshot(&mut self, history: &dyn History) -> bool {
        for at in 0..self.lines.len() {
            let Some(line) = self.lines.get_mut(at).filter(|line| line.wanted && line.lost) else { continue };
            let Some(point) = history.progress_of(&line.origin) else { continue };
            line.lost = false;
            if point == line.sent {
                continue;
            }
            self.snapshot = Some(Snapshot { line: at, at: point, after: None });
            self.traffic.snapshots += 1;
            return true;
        }
        false
    }

    /// What came in by a snapshot is not in the log by its number: where the log has ended and the store is further, it is
    /// handed on as a snapshot. Whether there is something to send.
    fn look_at_suspects(&mut self, history: &dyn History) -> Result<bool, Fault> {
        let lines = &self.lines;
        let further = |at: &usize| {
            let line = lines.get(*at).filter(|line| line.wanted);
            line.is_some_and(|line| history.progress_of(&line.origin).is_some_and(|now| now != line.sent))
        };
        let missed: Vec<usize> = self.suspects.iter().copied().filter(further).collect();
        if missed.is_empty() {
            self.suspects.clear();
            return Ok(false);
        }
        // Perhaps the store has gone on just now, and the log tells of it.
        if matches!(history.page(self.position, 1, 1)?, Page::Entries(entries) if entries.is_empty()) {
            self.suspects.clear();
            for at in missed {
                if let Some(line) = self.lines.get_mut(at) {
                    line.lost = true;
                }
            }
        } else {
            self.newest = self.position + 1;
        }
        Ok(true)
    }

    fn send_part(&mut self, now: Duration, history: &dyn History, effects: &mut Vec<Effect>) -> Result<(), Fault> {
        let Some(snapshot) = self.snapshot.take() else { return Ok(()) };
        let Some(line) = self.lines.get(snapshot.line) else { return Ok(()) };
        let origin = line.origin;
        let left = usize::try_from(self.window.left().bytes).unwrap_or(usize::MAX);
        let bytes = self.bounds.part.min(self.bounds.max_frame as usize / 2).min(left.max(4096));
        let (held, last) = history.held(&origin, snapshot.after.as_deref(), bytes)?;
        let upto = if last { None } else { held.last().map(|held| held.id.as_str().to_owned()) };
        let copies = self.copies(held, now, effects);
        let sum = sum_of(&copies);
        let done = upto.is_none();
        let part = Part {
            stream: self.stream.unwrap_or_default(),
            number: self.next(),
            origin: u32::try_from(snapshot.line).unwrap_or(u32::MAX),
            incarnation: snapshot.at.incarnation,
            at: snapshot.at.sequence,
            after: snapshot.after.clone(),
            upto: upto.clone(),
            copies,
            sum,
        };
        self.traffic.changes += part.copies.len() as u64;
        let acked = if done { vec![(snapshot.line, snapshot.at.sequence)] } else { vec![] };
        self.sent(part.cost(), part.number, acked, now);
        effects.push(Effect::Send(StreamMessage::Part(part)));
        if done {
            if let Some(line) = self.lines.get_mut(snapshot.line) {
                line.sent = snapshot.at;
            }
        } else {
            self.snapshot = Some(Snapshot { after: upto, ..snapshot });
        }
        Ok(())
    }

    fn send_bucket(
        &mut self,
        line: usize,
        at: u64,
        bucket: u8,
        now: Duration,
        history: &dyn History,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Fault> {
        let Some(known) = self.lines.get(line) else { return Ok(()) };
        if known.sent.sequence != at || history.progress_of(&known.origin) != Some(known.sent) {
            // It has changed meanwhile: the next comparison finds what is still different.
            self.repairs.retain(|(other, ..)| *other != line);
            return Ok(());
        }
        let mut rest = history.held_in(&known.origin, bucket)?;
        loop {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|held| {
                bytes += held.body.len() + held.id.as_str().len() + 32;
                bytes <= self.bounds.message()
            });
            let count = fits.count().max(1).min(rest.len());
            let later = rest.split_off(count);
            let copies = self.copies(rest, now, effects);
            let repair = Repair {
                stream: self.stream.unwrap_or_default(),
                number: self.next(),
                origin: u32::try_from(line).unwrap_or(u32::MAX),
                at,
                bucket,
                copies,
                last: later.is_empty(),
            };
            self.sent(repair.cost(), repair.number, vec![], now);
            effects.push(Effect::Send(StreamMessage::Repair(repair)));
            if later.is_empty() {
                return Ok(());
            }
            rest = later;
        }
    }

    fn send_log(&mut self, now: Duration, history: &dyn History, effects: &mut Vec<Effect>) -> Result<(), Stop> {
        let left = self.window.left();
        let limit = usize::try_from(left.changes.max(1)).unwrap_or(usize::MAX);
        // The frames cost too.
        let bytes = usize::try_from(left.bytes.saturating_sub(1024)).unwrap_or(usize::MAX).max(1);
        let entries = match history.page(self.position, limit, bytes)? {
            Page::Entries(entries) => entries,
            Page::Trimmed => {
                self.start_over(history)?;
                return Ok(());
            }
        };
        let Some(last) = entries.last().map(|entry| entry.position) else {
            return Err(Stop::Idle);
        };
        let first = entries.first().map_or(0, |entry| entry.document.len());
        if entries.len() == 1 && first > bytes && !self.unacked.is_empty() {
            return Err(Stop::Idle);
        }
        self.position = last.max(self.position + 1);
        self.send_entries(entries, now, history, effects);
        Ok(())
    }

    /// The log was trimmed below where it was read: who lacks something of that takes a snapshot.
    fn start_over(&mut self, history: &dyn History) -> Result<(), Fault> {
        let wanted = self.lines.iter().filter(|line| line.wanted && !line.lost);
        let have: Vec<(Origin, Point)> = wanted.map(|line| (line.origin, line.sent)).collect();
        let start = history.start_for(&have)?;
        for origin in start.snapshots {
            if let Some(line) = self.index.get(&origin).and_then(|at| self.lines.get_mut(*at)) {
                line.lost = true;
            }
        }
        self.position = start.position.max(self.position + 1).min(self.newest);
        Ok(())
    }

    /// Entries become the runs of a few batches: one for each origin in each.
    fn send_entries(&mut self, entries: Vec<Entry>, now: Duration, history: &dyn History, effects: &mut Vec<Effect>) {
        let mut runs: BTreeMap<usize, (u64, u64, Vec<Entry>)> = BTreeMap::new();
        for entry in entries {
            let Some(at) = self.index.get(&entry.origin).copied() else { continue };
            let Some(line) = self.lines.get_mut(at) else { continue };
            if entry.sequence == 0 && line.wanted {
                self.suspects.insert(at);
            }
            if entry.sequence == 0 || !line.wanted || line.lost {
                continue;
            }
            if entry.incarnation == line.sent.incarnation && entry.sequence <= line.sent.sequence {
                continue;
            }
            if entry.incarnation != line.sent.incarnation || entry.sequence != line.sent.sequence + 1 {
                // A snapshot came in here, or another life: it is handed on as a snapshot.
                line.lost = true;
                continue;
            }
            line.sent.sequence = entry.sequence;
            let run = runs.entry(at).or_insert((entry.sequence - 1, 0, Vec::new()));
            run.1 = entry.sequence;
            run.2.push(entry);
        }
        let mut batch = Open::default();
        for (at, (after, upto, entries)) in runs {
            self.pack(at, after, upto, entries, &mut batch, now, history, effects);
        }
        self.close(batch, now, effects);
    }

    #[expect(clippy::too_many_arguments, reason = "a run of an origin, and where it goes")]
    fn pack(
        &mut self,
        at: usize,
        mut after: u64,
        upto: u64,
        entries: Vec<Entry>,
        batch: &mut Open,
        now: Duration,
        history: &dyn History,
        effects: &mut Vec<Effect>,
    ) {
        let origin = u32::try_from(at).unwrap_or(u32::MAX);
        let mut items: Vec<Item> = Vec::new();
        let mut entries = coalesced(entries).into_iter().peekable();
        while let Some(entry) = entries.next() {
            let (sequence, time, id) = (entry.sequence, entry.time, entry.id.clone());
            let whole = entry.position <= self.whole_until || self.whole.remove(id.as_str());
            let deleted = entry.kind == Kind::Deleted;
            let (word, mut content) = {
                let word = self.words.say(id.as_str());
                (word, content(entry, whole, &mut self.words, |id, body| history.sum(id, body)))
            };
            if let Content::Whole(bytes) = &content
                && !deleted
                && bytes.0.len() > self.bounds.message()
            {
                content = self.in_pieces(bytes, now, effects);
                batch.bytes += self.bounds.message();
            }
            batch.bytes += 64 + id.as_str().len() + rough(&content);
            items.push(Item { step: sequence - after, time, id: word, content });
            // A batch is one frame; what does not fit goes into the next.
            if batch.bytes >= self.bounds.message() && entries.peek().is_some() {
                let run = Run { origin, after, span: sequence - after, items: std::mem::take(&mut items) };
                batch.add(at, sequence, run);
                self.close(std::mem::take(batch), now, effects);
                after = sequence;
            }
        }
        batch.add(at, upto, Run { origin, after, span: upto - after, items });
        if batch.bytes >= self.bounds.message() {
            self.close(std::mem::take(batch), now, effects);
        }
    }

    fn close(&mut self, open: Open, now: Duration, effects: &mut Vec<Effect>) {
        if open.runs.is_empty() {
            return;
        }
        let batch = Batch { stream: self.stream.unwrap_or_default(), number: self.next(), runs: open.runs };
        self.traffic.changes += batch.runs.iter().map(|run| run.items.len() as u64).sum::<u64>();
        self.sent(batch.cost(), batch.number, open.upto, now);
        effects.push(Effect::Send(StreamMessage::Batch(batch)));
    }

    fn copies(&mut self, held: Vec<Held>, now: Duration, effects: &mut Vec<Effect>) -> Vec<Copy> {
        let mut copies = Vec::with_capacity(held.len());
        for Held { id, sequence, time, body } in held {
            let body: Bytes = body.into();
            let large = body.0.len() > self.bounds.message();
            let body = if large { self.in_pieces(&body, now, effects) } else { Content::Whole(body) };
            copies.push(Copy { sequence, time, id: id.as_str().to_owned(), body });
        }
        copies
    }

    /// Sends a large document ahead of the message that tells of it.
    fn in_pieces(&mut self, document: &Bytes, now: Duration, effects: &mut Vec<Effect>) -> Content {
        debug_assert!(document.0.len() <= LARGEST_DOCUMENT, "the store takes no larger ones");
        for bytes in document.0.chunks(self.bounds.piece()) {
            let stream = self.stream.unwrap_or_default();
            let piece = Piece { stream, number: self.next(), bytes: bytes.to_vec().into() };
            self.sent(piece.cost(), piece.number, vec![], now);
            effects.push(Effect::Send(StreamMessage::Piece(piece)));
        }
        Content::Pieced(u32::try_from(document.0.len()).unwrap_or(u32::MAX))
    }

    fn next(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    fn sent(&mut self, cost: Cost, number: u32, upto: Vec<(usize, u64)>, now: Duration) {
        if self.unacked.is_empty() {
            self.progress_at = now;
        }
        self.window.take(cost);
        self.traffic.bytes += cost.bytes;
        self.unacked.push_back(Unacked { number, cost, upto, behind: self.before });
    }
}

impl Line {
    /// What a sink has. Who has nothing can begin with any life.
    fn point(&self, have: &Have) -> Point {
        match have.incarnation {
            0 => Point { incarnation: self.incarnation, sequence: 0 },
            incarnation => Point { incarnation, sequence: have.sequence },
        }
    }
}

/// A batch that is being filled.
#[derive(Default)]
struct Open {
    runs: Vec<Run>,
    upto: Vec<(usize, u64)>,
    bytes: usize,
}

impl Open {
    fn add(&mut self, line: usize, upto: u64, run: Run) {
        self.runs.push(run);
        self.upto.push((line, upto));
    }
}

fn rough(content: &Content) -> usize {
    match content {
        Content::Whole(bytes) => bytes.0.len(),
        Content::Patch { changed, .. } => {
            24 + usize::try_from(changed.iter().map(|(_, value)| 8 + super::super::cost::of_value(value)).sum::<u64>())
                .unwrap_or(usize::MAX)
        }
        Content::Deleted | Content::Pieced(_) => 8,
    }
}

/// What a part must come to.
#[must_use]
pub(in super::super) fn sum_of(copies: &[Copy]) -> u64 {
    let mut hash = Xxh3Default::new();
    for copy in copies {
        hash.update(copy.id.as_bytes());
        match &copy.body {
            Content::Whole(bytes) => hash.update(&bytes.0),
            Content::Pieced(length) => hash.update(&length.to_le_bytes()),
            Content::Deleted | Content::Patch { .. } => {}
        }
    }
    hash.digest()
}

fn fail(fault: &Fault, effects: &mut Vec<Effect>) {
    effects.push(Effect::Close(WireError::new(Code::Internal, fault.to_string())));
}
