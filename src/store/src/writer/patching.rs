//! Stages one change of another agent: a whole document, a patch, or a removal.

use std::sync::Arc;

use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, TypeSpec};
use mf2c_domain::time::HybridTime;

use super::change::Logged;
use super::commit::Staged;
use super::inflow::{Took, refused};
use super::stage::{Revision, Stage};
use crate::command::MAX_DOCUMENT_BYTES;
use crate::document::{Document, Life, Source};
use crate::engine::{EngineError, Space};
use crate::error::StoreError;
use crate::load::absorbed;
use crate::record::{ChangeKind, ChangeRecord, DocumentRecord};
use crate::relay::stored_sum;
use crate::replica::{Content, Incoming, InflowError};
use crate::top_level::{self, Patched, differing};

impl Stage<'_> {
    /// Takes one change over. Where it is `logged`, it goes on to others by its number.
    pub(super) fn take_in(&mut self, life: &Arc<Life>, change: Incoming, logged: bool) -> Result<Took, StoreError> {
        // A newer agent may know types that this one does not.
        let Some(spec) = known_type(&change.id)? else { return Ok(Took::Skipped) };
        let old = self.replica(life, &change.id)?;
        self.absorb(change.time);
        if let Some(old) = &old {
            let newer = !old.source.is_of(life) || old.source.sequence > change.sequence;
            if logged && newer {
                return Ok(Took::Skipped);
            }
            if old.source.is_of(life) && old.source.sequence >= change.sequence {
                if logged && old.source.sequence == change.sequence && !matches!(change.content, Content::Deleted) {
                    self.log_again(life, old, change.time)?;
                }
                return Ok(Took::Skipped);
            }
        }
        let Incoming { sequence, time, id, content } = change;
        match content {
            Content::Deleted => {
                let told = old.is_some();
                let last = old.as_ref().and_then(|old| self.json(old).ok().map(std::borrow::Cow::into_owned));
                let logged = Logged { life: Some(Arc::clone(life)), sequence, time, differs: None };
                self.remove(id, old, last.unwrap_or_default(), logged);
                Ok(if told { Took::Changed } else { Took::Skipped })
            }
            Content::Whole(body) => {
                let acl = inspected(&id, spec, &body)?;
                let before = old.as_ref().and_then(|old| differing(&self.json(old).ok()?, &body));
                let number = if logged { sequence } else { 0 };
                self.replace(life, (id, old, acl, body), (sequence, number), time, before);
                Ok(Took::Changed)
            }
            Content::Patch(patch) => {
                let Some(old) = old else { return Ok(Took::Misfit) };
                let Ok(base) = self.json(&old) else { return Ok(Took::Misfit) };
                match top_level::patched(&id, &base, old.source.theirs.as_deref(), time, &patch) {
                    Patched::Misfit => Ok(Took::Misfit),
                    Patched::Refused(reason) => Err(refused(&id, reason).into()),
                    Patched::Document(body, _) if body.len() > MAX_DOCUMENT_BYTES => Err(too_large(&id, &body).into()),
                    Patched::Document(body, acl) => {
                        let acl = acl.map_or_else(|| Arc::clone(&old.acl), |acl| self.writer.shared(acl));
                        let mut names: Vec<String> = patch.changed.into_iter().map(|(name, _)| name).collect();
                        names.extend(patch.removed);
                        let source = Source { life: Some(Arc::clone(life)), sequence, time, theirs: None };
                        let logged = Logged { life: source.life.clone(), sequence, time, differs: Some(names) };
                        self.push(Revision { id, old: Some(old), acl, body, source, logged });
                        Ok(Took::Changed)
                    }
                }
            }
        }
    }

    /// Puts a document right that was found to differ, where the origin and this store are at the same change `at`.
    pub(super) fn mend_replica(&mut self, life: &Arc<Life>, change: Incoming, at: u64) -> Result<Took, StoreError> {
        let Some(spec) = known_type(&change.id)? else { return Ok(Took::Skipped) };
        let old = self.replica(life, &change.id)?;
        let Incoming { sequence, time, id, content: Content::Whole(body) } = change else { return Ok(Took::Skipped) };
        let acl = inspected(&id, spec, &body)?;
        let stored = stored_sum(&*self.writer.engine, &id).map_err(|error| StoreError::from_engine(&error))?;
        let same = old.as_ref().is_some_and(|old| old.source.is_of(life));
        let right =
            |(number, sum): (u64, u64)| number > sequence || number == sequence && sum == top_level::sum(&id, &body);
        // A row that rotted has its number or its time wrong, hardly both, and not the same in memory and on disk.
        let is_later =
            |old: &Document| old.source.sequence > sequence && old.source.sequence <= at && old.source.time > time;
        if same
            && let Some(old) = old.as_ref().filter(|old| is_later(old))
            && stored.is_some_and(|(number, _)| number == old.source.sequence)
        {
            return Err(InflowError::Forked { id: id.as_str().to_owned() }.into());
        }
        if same && !self.touched.contains_key(&id) && stored.is_some_and(right) {
            return Ok(Took::Skipped);
        }
        self.absorb(time);
        let differs = old.as_ref().and_then(|old| differing(&self.json(old).ok()?, &body));
        self.replace(life, (id, old, acl, body), (sequence, 0), time, differs);
        Ok(Took::Changed)
    }

    /// Stages a whole document with its number and the one under which it goes on to others.
    fn replace(
        &mut self,
        life: &Arc<Life>,
        (id, old, acl, body): (ResourceId, Option<Arc<Document>>, Acl, Vec<u8>),
        (sequence, number): (u64, u64),
        time: HybridTime,
        differs: Option<Vec<String>>,
    ) {
        let acl = self.writer.shared(acl);
        let source = Source { life: Some(Arc::clone(life)), sequence, time, theirs: None };
        let logged = Logged { life: source.life.clone(), sequence: number, time, differs };
        self.push(Revision { id, old, acl, body, source, logged });
    }

    /// A change that a snapshot has brought before its turn: those who follow this store's log get it in its turn.
    fn log_again(&mut self, life: &Arc<Life>, old: &Arc<Document>, time: HybridTime) -> Result<(), StoreError> {
        let (id, acl, mut source) = (old.id.clone(), Arc::clone(&old.acl), old.source.clone());
        let mut body = self.json(old)?.into_owned();
        // What was observed here meanwhile goes to nobody.
        if let Some(theirs) = source.theirs.take() {
            body = top_level::as_at_origin(&id, &body, &theirs).unwrap_or(body);
        }
        let logged = Logged { life: Some(Arc::clone(life)), sequence: source.sequence, time, differs: None };
        self.push(Revision { id, old: Some(Arc::clone(old)), acl, body, source, logged });
        Ok(())
    }

    /// The document as it is here, if there is one and it is the origin's.
    fn replica(&self, life: &Life, id: &ResourceId) -> Result<Option<Arc<Document>>, InflowError> {
        let old = self.current(id);
        match old.as_ref().map(|old| old.origin()) {
            Some(origin) if origin != Some(life.origin) => Err(refused(id, "it belongs to another agent")),
            _ => Ok(old),
        }
    }

    fn absorb(&mut self, time: HybridTime) {
        self.time = absorbed(self.time, time, self.writer.clock.now());
    }

    /// A change found on disk after a failed commit.
    pub(super) fn adopted(mut self, position: u64, record: &ChangeRecord<'_>) -> Result<Option<Staged>, EngineError> {
        let Ok(id) = ResourceId::parse(record.id) else { return Ok(None) };
        let own = record.origin == self.writer.node;
        if own {
            self.time = self.time.max(record.time);
            self.sequence = self.sequence.max(record.sequence);
        } else {
            self.absorb(record.time);
        }
        let life = (!own).then(|| self.life(Life { origin: record.origin, incarnation: record.incarnation }));
        let differs = record.differs.as_ref().map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let logged = Logged { life: life.clone(), sequence: record.sequence, time: record.time, differs };
        let (old, body) = (self.current(&id), record.document.to_vec());
        if record.kind == ChangeKind::Deleted {
            if own && old.is_none() {
                return Ok(None);
            }
            self.remove(id, old, body, logged);
            return Ok(Some(self.finish()));
        }
        let Some(acl) = acl_of(&body) else { return Ok(None) };
        let mut source = Source { life, sequence: record.sequence, time: record.time, theirs: None };
        // The log does not say everything of a replica; unless a later change of the batch took its place, the document does.
        let stored = self.writer.engine.get(Space::Documents, id.as_str().as_bytes())?;
        let stored = stored.as_deref().and_then(|value| DocumentRecord::decode(id.as_str().as_bytes(), value).ok());
        if let Some(stored) = stored.filter(|stored| stored.revision == position) {
            (source.sequence, source.time) = (stored.sequence, stored.time);
            source.theirs = (!stored.theirs.is_empty()).then(|| stored.theirs.into());
        }
        self.push(Revision { id, old, acl, body, source, logged });
        Ok(Some(self.finish()))
    }
}

/// The type of a change from elsewhere; none if this version does not know it.
fn known_type(id: &ResourceId) -> Result<Option<&'static TypeSpec>, InflowError> {
    match resource::find(id.kind()) {
        Some(spec) if !spec.travels => Err(refused(id, format!("no {} travels", spec.name))),
        spec => Ok(spec),
    }
}

fn inspected(id: &ResourceId, spec: &TypeSpec, body: &[u8]) -> Result<Acl, InflowError> {
    if body.len() > MAX_DOCUMENT_BYTES {
        return Err(too_large(id, body));
    }
    top_level::inspect(id, spec.uri, body).map_err(|reason| refused(id, reason))
}

fn too_large(id: &ResourceId, body: &[u8]) -> InflowError {
    refused(id, format!("its {} bytes are too many: at most {MAX_DOCUMENT_BYTES} are stored", body.len()))
}

/// The access control list in a stored document.
fn acl_of(body: &[u8]) -> Option<Arc<Acl>> {
    #[derive(serde::Deserialize)]
    struct Guarded {
        acl: Acl,
    }
    serde_json::from_slice(body).ok().map(|Guarded { acl }| Arc::new(acl))
}
