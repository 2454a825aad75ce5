//! A store as simple as can be: a log, the documents, and how far it has come with each origin.

use std::collections::BTreeMap;

use mf2c_domain::id::ResourceId;
use serde_json::{Map, Value};

use super::super::pack::{Entry, Kind};
use super::super::sink::{Body, Change, Flow, Here, Outcome, Partial};
use super::super::source::{Beginning, Fault, Held, History, Owed, Page};
use super::super::{Digest, Origin, Point};

#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) own: Origin,
    pub(super) log: Vec<Entry>,
    /// The position before the first entry.
    pub(super) base: u64,
    pub(super) documents: BTreeMap<ResourceId, (Origin, u64, Vec<u8>)>,
    pub(super) reached: BTreeMap<Origin, Point>,
    floors: BTreeMap<Origin, u64>,
    partial: BTreeMap<Origin, Partial>,
    /// Sequences in the order in which they were applied here by the tail, to see that nothing comes twice.
    pub(super) applied: Vec<(Origin, u64)>,
}

pub(super) fn sum(id: &ResourceId, body: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(body, id.as_str().len() as u64)
}

fn bucket(id: &ResourceId) -> u8 {
    (xxhash_rust::xxh3::xxh3_64(id.as_str().as_bytes()) & 0xff) as u8
}

impl Model {
    pub(super) fn new(number: u8) -> Self {
        let own = [number; 16];
        let reached = [(own, Point { incarnation: 1, sequence: 0 })].into();
        let (documents, floors, partial) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { own, log: vec![], base: 0, documents, reached, floors, partial, applied: vec![] }
    }

    pub(super) fn newest(&self) -> u64 {
        self.base + self.log.len() as u64
    }

    /// Sets one attribute of a document of its own, or deletes it.
    pub(super) fn write(&mut self, id: &ResourceId, attribute: Option<(&str, u32)>) {
        let Some(reached) = self.reached.get_mut(&self.own) else { return };
        let before = self.documents.get(id).map(|(.., body)| body.clone());
        let (kind, document, differs) = match (&before, attribute) {
            (None, None) => return,
            (Some(body), None) => (Kind::Deleted, body.clone(), None),
            (before, Some((name, value))) => {
                let mut map: Map<String, Value> =
                    before.as_ref().map(|body| serde_json::from_slice(body).unwrap()).unwrap_or_default();
                map.insert(name.to_owned(), value.into());
                let kind = if before.is_some() { Kind::Edited } else { Kind::Created };
                (kind, serde_json::to_vec(&map).unwrap(), before.as_ref().map(|_| vec![name.to_owned()]))
            }
        };
        reached.sequence += 1;
        let entry = Entry {
            position: 0,
            origin: self.own,
            incarnation: reached.incarnation,
            sequence: reached.sequence,
            time: reached.sequence << 16,
            id: id.clone(),
            kind,
            document: document.into(),
            differs,
        };
        self.commit(entry);
    }

    fn commit(&mut self, entry: Entry) {
        match entry.kind {
            Kind::Deleted => drop(self.documents.remove(&entry.id)),
            _ => {
                let held = (entry.origin, entry.sequence, entry.document.to_vec());
                self.documents.insert(entry.id.clone(), held);
            }
        }
        let position = self.newest() + 1;
        self.log.push(Entry { position, ..entry });
    }

    pub(super) fn trim(&mut self, keep: usize) {
        let gone = self.log.len().saturating_sub(keep);
        self.log.drain(..gone);
        self.base += gone as u64;
    }

    pub(super) fn owed(&self, all: bool) -> Vec<Owed> {
        let reached = self.reached.iter().filter(|(origin, _)| all || **origin == self.own);
        reached.map(|(origin, at)| Owed { origin: *origin, at: *at, device: String::new() }).collect()
    }

    pub(super) fn of(&self, origin: &Origin) -> BTreeMap<ResourceId, Vec<u8>> {
        let held = self.documents.iter().filter(|(_, (of, ..))| of == origin);
        held.map(|(id, (.., body))| (id.clone(), body.clone())).collect()
    }

    pub(super) fn digest(&self, origin: &Origin) -> Option<Digest> {
        let at = *self.reached.get(origin)?;
        let mut buckets = vec![0; 256];
        for (id, body) in self.of(origin) {
            buckets[usize::from(bucket(&id))] ^= sum(&id, &body);
        }
        Some(Digest { at, buckets })
    }

    pub(super) fn apply(&mut self, origin: Origin, incarnation: u64, flow: Flow, changes: Vec<Change>) -> Outcome {
        if origin == self.own {
            return Outcome::Own;
        }
        match flow {
            Flow::Tail { after, upto } => self.tail(origin, incarnation, after, upto, changes),
            Flow::Snapshot { at, after, upto } => {
                self.snapshot(origin, Point { incarnation, sequence: at }, after, upto, changes)
            }
            Flow::Repair { at, gone } => {
                if self.reached.get(&origin) != Some(&Point { incarnation, sequence: at }) {
                    return Outcome::Again;
                }
                gone.iter().for_each(|id| drop(self.documents.remove(id)));
                self.put(origin, changes);
                Outcome::Done(vec![])
            }
        }
    }

    fn put(&mut self, origin: Origin, changes: Vec<Change>) {
        for change in changes {
            let Body::Whole(document) = change.body else { panic!("whole documents alone") };
            let (id, kind, time) = (change.id, Kind::Edited, change.time);
            self.commit(Entry {
                position: 0,
                origin,
                incarnation: 0,
                sequence: 0,
                time,
                id,
                kind,
                document: document.into(),
                differs: None,
            });
        }
    }

    fn tail(&mut self, origin: Origin, incarnation: u64, after: u64, upto: u64, changes: Vec<Change>) -> Outcome {
        let here = self.reached.get(&origin).copied().unwrap_or(Point { incarnation, sequence: 0 });
        if here.incarnation != incarnation || after > here.sequence {
            return Outcome::Again;
        }
        for change in changes.into_iter().filter(|change| change.sequence > here.sequence) {
            let before = self.documents.get(&change.id).map(|(.., body)| body.clone());
            let (kind, document) = match change.body {
                Body::Deleted => (Kind::Deleted, before.unwrap_or_default()),
                Body::Whole(body) => (Kind::Edited, body),
                Body::Patch { changed, removed, sum: expected } => {
                    let mut map: Map<String, Value> =
                        before.map(|body| serde_json::from_slice(&body).unwrap()).unwrap_or_default();
                    removed.iter().for_each(|name| drop(map.remove(name)));
                    map.extend(changed);
                    let body = serde_json::to_vec(&map).unwrap();
                    if sum(&change.id, &body) != expected {
                        self.reached.insert(origin, Point { incarnation, sequence: change.sequence - 1 });
                        return Outcome::Done(vec![change.id]);
                    }
                    (Kind::Edited, body)
                }
            };
            self.applied.push((origin, change.sequence));
            let (id, sequence, time) = (change.id, change.sequence, change.time);
            self.commit(Entry {
                position: 0,
                origin,
                incarnation,
                sequence,
                time,
                id,
                kind,
                document: document.into(),
                differs: None,
            });
        }
        self.reached.insert(origin, Point { incarnation, sequence: upto.max(here.sequence) });
        Outcome::Done(vec![])
    }

    fn snapshot(
        &mut self,
        origin: Origin,
        at: Point,
        after: Option<String>,
        upto: Option<String>,
        changes: Vec<Change>,
    ) -> Outcome {
        let known = self.partial.get(&origin).filter(|partial| partial.at == at).map(|partial| partial.key.clone());
        if after.is_some() && known != after {
            return Outcome::Again;
        }
        let inside = |id: &ResourceId| {
            after.as_deref().is_none_or(|after| id.as_str() > after)
                && upto.as_deref().is_none_or(|upto| id.as_str() <= upto)
        };
        self.documents.retain(|id, (of, ..)| *of != origin || !inside(id));
        self.put(origin, changes);
        match upto {
            Some(key) => drop(self.partial.insert(origin, Partial { at, key })),
            None => {
                self.partial.remove(&origin);
                self.reached.insert(origin, at);
                self.floors.insert(origin, at.sequence);
                self.applied.retain(|(of, _)| *of != origin);
            }
        }
        Outcome::Done(vec![])
    }
}

impl History for Model {
    fn progress_of(&self, origin: &Origin) -> Option<Point> {
        self.reached.get(origin).copied()
    }

    fn start_for(&self, have: &[(Origin, Point)]) -> Result<Beginning, Fault> {
        let mut start = Beginning { position: self.newest(), ..Beginning::default() };
        for (origin, have) in have {
            let Some(here) = self.reached.get(origin) else { continue };
            let floor = self.floors.get(origin).copied().unwrap_or(0);
            let entries = || self.log.iter().filter(|entry| entry.origin == *origin && entry.sequence > 0);
            if have.sequence > 0 && have.incarnation != here.incarnation {
                start.snapshots.push(*origin);
            } else if have.sequence > here.sequence {
                start.ahead.push(*origin);
            } else if have.sequence < here.sequence {
                let lowest = entries().map(|entry| entry.sequence).min();
                let first = entries().find(|entry| entry.sequence > have.sequence);
                match (lowest, first) {
                    (Some(lowest), Some(first)) if have.sequence + 1 >= lowest && have.sequence >= floor => {
                        start.position = start.position.min(first.position - 1);
                    }
                    _ => start.snapshots.push(*origin),
                }
            }
        }
        Ok(start)
    }

    fn page(&self, after: u64, limit: usize, bytes: usize) -> Result<Page, Fault> {
        if after < self.base {
            return Ok(Page::Trimmed);
        }
        let mut room = bytes;
        let mut found: Vec<Entry> = vec![];
        for entry in self.log.iter().skip(usize::try_from(after - self.base).unwrap()).take(limit) {
            let size = entry.document.len() + entry.id.as_str().len() + 53;
            if size > room && !found.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            found.push(entry.clone());
        }
        Ok(Page::Entries(found))
    }

    fn held(&self, origin: &Origin, after: Option<&str>, bytes: usize) -> Result<(Vec<Held>, bool), Fault> {
        let mut room = bytes;
        let mut found = vec![];
        for (id, (of, sequence, body)) in &self.documents {
            if of != origin || after.is_some_and(|after| id.as_str() <= after) {
                continue;
            }
            if body.len() > room && !found.is_empty() {
                return Ok((found, false));
            }
            room = room.saturating_sub(body.len());
            found.push(Held { id: id.clone(), sequence: *sequence, time: 1, body: body.clone() });
        }
        Ok((found, true))
    }

    fn held_in(&self, origin: &Origin, wanted: u8) -> Result<Vec<Held>, Fault> {
        let (all, _) = self.held(origin, None, usize::MAX)?;
        Ok(all.into_iter().filter(|held| bucket(&held.id) == wanted).collect())
    }

    fn sum(&self, id: &ResourceId, body: &[u8]) -> u64 {
        sum(id, body)
    }
}

impl Here for Model {
    fn progress_of(&self, origin: &Origin) -> Option<Point> {
        self.reached.get(origin).copied()
    }

    fn partial_of(&self, origin: &Origin) -> Option<Partial> {
        self.partial.get(origin).cloned()
    }

    fn ids_in(&self, origin: &Origin, wanted: u8) -> Vec<ResourceId> {
        self.of(origin).into_keys().filter(|id| bucket(id) == wanted).collect()
    }
}
