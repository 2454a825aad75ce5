//! A staged change to one document.

use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;

use crate::catalog::Published;
use crate::document::{Body, Document, Life};
use crate::record::ChangeKind;

/// A staged change to one document.
pub(super) struct Change {
    pub(super) id: ResourceId,
    pub(super) old: Option<Arc<Document>>,
    pub(super) new: Option<NewRevision>,
    /// The JSON of a document that is deleted; empty otherwise.
    pub(super) last: Vec<u8>,
    pub(super) logged: Logged,
    /// The change of the same batch that touched the document before.
    pub(super) before: Option<usize>,
}

/// What the log says of a change.
#[derive(Clone)]
pub(super) struct Logged {
    /// Whose change it is; none stands for this store.
    pub(super) life: Option<Arc<Life>>,
    pub(super) sequence: u64,
    pub(super) time: HybridTime,
    pub(super) differs: Option<Vec<String>>,
}

pub(super) struct NewRevision {
    pub(super) document: Arc<Document>,
    /// The JSON, where the document does not keep it in memory.
    pub(super) elsewhere: Option<Vec<u8>>,
}

impl NewRevision {
    pub(super) fn body(&self) -> &[u8] {
        match (&self.document.body, &self.elsewhere) {
            (Body::Here(bytes), _) => bytes,
            (Body::OnDisk, Some(bytes)) => bytes,
            (Body::OnDisk, None) => &[],
        }
    }
}

impl Change {
    pub(super) fn kind(&self) -> ChangeKind {
        match (&self.old, &self.new) {
            (_, None) => ChangeKind::Deleted,
            (None, Some(_)) => ChangeKind::Created,
            (Some(_), Some(_)) => ChangeKind::Edited,
        }
    }

    pub(super) fn document(&self) -> &[u8] {
        self.new.as_ref().map_or(&self.last, NewRevision::body)
    }

    /// The same bytes for those who follow the log; where the document is in memory they are no other ones.
    pub(super) fn shared_document(&self) -> Arc<[u8]> {
        match self.new.as_ref().map(|new| &new.document.body) {
            Some(Body::Here(bytes)) => Arc::clone(bytes),
            _ => self.document().into(),
        }
    }

    pub(super) fn published(&self) -> Published<'_> {
        Published { old: self.old.clone(), new: self.new.as_ref().map(|new| (Arc::clone(&new.document), new.body())) }
    }
}
