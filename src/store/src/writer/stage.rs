//! Turns commands into staged changes: reads what is there (and what the batch has already staged), checks rights and
//! conditions, and builds the new documents.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, Draft, TypeSpec};
use mf2c_domain::time::HybridTime;
use serde_json::{Map, Value};

use super::Writer;
use super::change::{Change, Logged, NewRevision};
use super::commit::Staged;
use crate::catalog::Row;
use crate::command::{Command, Delete, Edit, IfMatch, MAX_DOCUMENT_BYTES, NewDocument, Written, tail};
use crate::document::{Body, Document, Source};
use crate::error::StoreError;
use crate::origins::Moved;
use crate::store::entity_tag;
use crate::top_level::differing;

/// A batch being put together.
pub(super) struct Stage<'w> {
    pub(super) writer: &'w mut Writer,
    pub(super) changes: Vec<Change>,
    /// For each id touched by this batch, the change that touched it last.
    pub(super) touched: HashMap<ResourceId, usize>,
    /// How far other origins were read with this batch.
    pub(super) moved: Moved,
    pub(super) time: HybridTime,
    /// The newest own change that travels.
    pub(super) sequence: u64,
    pub(super) resident: u64,
}

/// A new revision to be staged.
pub(super) struct Revision {
    pub(super) id: ResourceId,
    pub(super) old: Option<Arc<Document>>,
    pub(super) acl: Arc<Acl>,
    pub(super) body: Vec<u8>,
    pub(super) source: Source,
    pub(super) logged: Logged,
}

impl<'w> Stage<'w> {
    pub(super) fn new(writer: &'w mut Writer) -> Self {
        let (time, sequence, resident) = (writer.time, writer.sequence, writer.resident);
        let (changes, touched, moved) = (Vec::new(), HashMap::new(), Moved::new());
        Self { writer, changes, touched, moved, time, sequence, resident }
    }

    pub(super) fn finish(self) -> Staged {
        Staged { changes: self.changes, moved: self.moved, time: self.time, sequence: self.sequence }
    }

    /// Stages one command and tells what will be answered if the batch is committed.
    pub(super) fn take(&mut self, command: Command) -> Result<Written, StoreError> {
        match command {
            Command::Add(new) => self.add(*new),
            Command::Edit(edit) => self.edit(*edit),
            Command::Delete(delete) => self.delete(delete),
        }
    }

    pub(super) fn current(&self, id: &ResourceId) -> Option<Arc<Document>> {
        match self.touched.get(id) {
            Some(index) => self.changes[*index].new.as_ref().map(|new| Arc::clone(&new.document)),
            None => self.writer.catalog.get(id.as_str()),
        }
    }

    fn add(&mut self, new: NewDocument) -> Result<Written, StoreError> {
        if self.current(&new.id).is_some() {
            return Err(StoreError::Conflict { id: new.id });
        }
        if new.spec.one_per_node
            && let Some(id) = self.any_of(new.spec)
        {
            return Err(StoreError::Conflict { id });
        }
        let time = self.tick();
        let now = time.wall().to_string();
        let body = assemble(&new.id, new.spec, &now, &now, &new.acl, &new.tail)?;
        let acl = self.writer.shared(new.acl);
        let (source, logged) = self.own(new.spec, time, None);
        let document = self.push(Revision { id: new.id.clone(), old: None, acl, body, source, logged });
        Ok(Written { id: new.id, document: Some(document) })
    }

    /// An existing own document of a type of which there is one.
    fn any_of(&self, spec: &TypeSpec) -> Option<ResourceId> {
        let own = |document: &Document| document.origin().is_none();
        let staged = self.touched.iter().find(|(id, index)| {
            id.kind() == spec.name && self.changes[**index].new.as_ref().is_some_and(|new| own(&new.document))
        });
        staged.map(|(id, _)| id.clone()).or_else(|| {
            let collection = self.writer.catalog.collection(spec.name)?;
            let stored = collection.first(|document| own(document) && !self.touched.contains_key(&document.id));
            stored.map(|found| found.id.clone())
        })
    }

    /// Where an own revision comes from, and what the log says of it.
    fn own(&mut self, spec: &TypeSpec, time: HybridTime, differs: Option<Vec<String>>) -> (Source, Logged) {
        let mut sequence = 0;
        if spec.travels {
            self.sequence += 1;
            sequence = self.sequence;
        }
        (Source { sequence, time, ..Source::default() }, Logged { life: None, sequence, time, differs })
    }

    fn edit(&mut self, edit: Edit) -> Result<Written, StoreError> {
        let (old, spec) = self.writable(&edit.id, &edit.by, edit.if_match.as_ref())?;
        let current = self.read_map(&old)?;
        let state_before = spec.logged_state.and_then(|state| current.get(state).cloned());
        let created = current.get("created").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Draft { attributes, acl, .. } =
            spec.prepare_edit(current, edit.changes, &edit.removed, edit.by.is_admin())?;
        let acl = match acl {
            Some(acl) => self.writer.shared(acl.with_admin()),
            None => Arc::clone(&old.acl),
        };
        let time = self.tick();
        let body = assemble(&edit.id, spec, &created, &time.wall().to_string(), &acl, &tail(&attributes))?;
        let differs = differing(&self.json(&old)?, &body);
        let state = spec.logged_state.and_then(|state| attributes.get(state)).and_then(Value::as_str);
        let (source, logged) = self.own(spec, time, differs);
        let document = self.push(Revision { id: edit.id.clone(), old: Some(old), acl, body, source, logged });
        if let Some(state) = state.filter(|state| state_before.as_ref().and_then(Value::as_str) != Some(state)) {
            let event = TypeSpec::state_event(&edit.id, state, time.wall());
            // Who may see the resource may see what became of it.
            self.log_event(&edit.id, &event, (*document.acl).clone());
        }
        Ok(Written { id: edit.id, document: Some(document) })
    }

    fn delete(&mut self, delete: Delete) -> Result<Written, StoreError> {
        let (old, spec) = self.writable(&delete.id, &delete.by, delete.if_match.as_ref())?;
        let last = self.json(&old)?.into_owned();
        let time = self.tick();
        let (_, logged) = self.own(spec, time, None);
        self.remove(delete.id.clone(), Some(old), last, logged);
        if spec.delete_is_logged {
            let event = TypeSpec::deletion_event(&delete.id, time.wall());
            self.log_event(&delete.id, &event, Acl::of_admin(&[]).with_admin());
        }
        Ok(Written { id: delete.id, document: None })
    }

    /// An event that tells of the change just staged, in the same batch. The change stands, whatever becomes of the event.
    fn log_event(&mut self, about: &ResourceId, event: &Map<String, Value>, acl: Acl) {
        let Some(spec) = resource::find("event") else { return };
        let position = self.next_position();
        // The name follows from the change, so that a replay makes the same event.
        let name = format!("{:x}-{position:x}", self.writer.incarnation);
        let Ok(id) = ResourceId::new(spec.name, &name) else { return };
        if let Err(error) = self.add(NewDocument { spec, id, acl, tail: tail(event) }) {
            tracing::error!(id = %about, %error, "no event tells of a change");
        }
    }

    /// The document and its type, if the caller may change this revision of it.
    fn writable(
        &self,
        id: &ResourceId,
        by: &mf2c_domain::caller::Caller,
        if_match: Option<&IfMatch>,
    ) -> Result<(Arc<Document>, &'static TypeSpec), StoreError> {
        let missing = || StoreError::NotFound { id: id.to_string() };
        let spec = resource::find(id.kind()).ok_or_else(missing)?;
        let old = self.current(id).ok_or_else(missing)?;
        if !old.acl.can_modify(by) {
            return Err(StoreError::Forbidden { id: id.to_string() });
        }
        if let Some(IfMatch::OneOf(tags)) = if_match {
            let current = entity_tag(self.writer.incarnation, &old);
            if !tags.contains(&current) {
                return Err(StoreError::Stale { id: id.clone(), current: format!("\"{current}\"") });
            }
        }
        if let Some(origin) = old.origin() {
            return Err(StoreError::Elsewhere { id: id.clone(), origin });
        }
        Ok((old, spec))
    }

    fn read_map(&self, document: &Document) -> Result<Map<String, Value>, StoreError> {
        serde_json::from_slice(&self.json(document)?)
            .map_err(|error| StoreError::Unavailable { reason: format!("{} cannot be read: {error}", document.id) })
    }

    /// The JSON of a document as it is in this batch, wherever that is.
    pub(super) fn json<'d>(&'d self, document: &'d Document) -> Result<Cow<'d, [u8]>, StoreError> {
        let staged = self.touched.get(&document.id).and_then(|index| self.changes[*index].new.as_ref());
        match (staged, document.bytes_in_memory()) {
            (Some(new), _) => Ok(Cow::Borrowed(new.body())),
            (None, Some(bytes)) => Ok(bytes),
            (None, None) => crate::store::read_from_engine(&*self.writer.engine, &document.id)
                .map(|bytes| Cow::Owned(bytes.unwrap_or_default()))
                .map_err(|error| StoreError::from_engine(&error)),
        }
    }

    pub(super) fn tick(&mut self) -> HybridTime {
        self.time = self.time.next(self.writer.clock.now());
        self.time
    }

    pub(super) fn next_position(&self) -> u64 {
        self.writer.position + self.changes.len() as u64 + 1
    }

    pub(super) fn push(&mut self, revision: Revision) -> Arc<Document> {
        let Revision { id, old, acl, body, source, logged } = revision;
        let revision = self.next_position();
        self.let_go(old.as_deref());
        let here = !crate::document::is_left_on_disk(&id)
            && self.resident + body.len() as u64 <= self.writer.options.memory_budget;
        let (body, elsewhere) = if here {
            self.resident += body.len() as u64;
            (Body::Here(body.into()), None)
        } else {
            (Body::OnDisk, Some(body))
        };
        let born = old.as_ref().map_or(revision, |old| old.born);
        let row = Row::default();
        let document = Arc::new(Document { id: id.clone(), born, revision, acl, source, body, row });
        let before = self.touched.insert(id.clone(), self.changes.len());
        let new = Some(NewRevision { document: Arc::clone(&document), elsewhere });
        self.changes.push(Change { id, old, new, last: Vec::new(), logged, before });
        document
    }

    pub(super) fn remove(&mut self, id: ResourceId, old: Option<Arc<Document>>, last: Vec<u8>, logged: Logged) {
        self.let_go(old.as_deref());
        let before = self.touched.insert(id.clone(), self.changes.len());
        self.changes.push(Change { id, old, new: None, last, logged, before });
    }

    fn let_go(&mut self, old: Option<&Document>) {
        let gone = old.and_then(Document::bytes_in_memory).map_or(0, |bytes| bytes.len());
        self.resident -= (gone as u64).min(self.resident);
    }
}

/// The stored JSON: the server's own attributes first, then the others in alphabetical order.
pub(crate) fn assemble(
    id: &ResourceId,
    spec: &TypeSpec,
    created: &str,
    updated: &str,
    acl: &Acl,
    tail: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let acl = serde_json::to_vec(acl).unwrap_or_default();
    let head =
        format!(r#"{{"id":"{id}","resourceURI":"{}","created":"{created}","updated":"{updated}","acl":"#, spec.uri);
    let size = head.len() + acl.len() + tail.len() + 1;
    if size > MAX_DOCUMENT_BYTES {
        return Err(StoreError::TooLarge { size, limit: MAX_DOCUMENT_BYTES });
    }
    let mut body = Vec::with_capacity(size);
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(&acl);
    body.extend_from_slice(tail);
    body.push(b'}');
    Ok(body)
}
