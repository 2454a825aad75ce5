//! What the writer can be asked to do.

use std::sync::Arc;

use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::{Entropy, uuid_v4};
use mf2c_domain::id::{IdError, ResourceId};
use mf2c_domain::resource::{Draft, TypeSpec};
use serde_json::{Map, Value};

use crate::document::Document;

/// The largest document that is stored, in bytes of JSON.
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;

/// One write.
#[derive(Debug)]
pub enum Command {
    /// Stores a new document.
    Add(Box<NewDocument>),
    /// Merges attributes into a document.
    Edit(Box<Edit>),
    /// Removes a document.
    Delete(Delete),
}

/// See [`Command::Edit`].
#[derive(Debug)]
pub struct Edit {
    /// Which document.
    pub id: ResourceId,
    /// Top-level attributes to set.
    pub changes: Map<String, Value>,
    /// Top-level attributes to remove.
    pub removed: Vec<String>,
    /// Refuses the edit unless the document has one of these entity tags.
    pub if_match: Option<IfMatch>,
    /// Who asks.
    pub by: Caller,
}

/// See [`Command::Delete`].
#[derive(Debug)]
pub struct Delete {
    /// Which document.
    pub id: ResourceId,
    /// Refuses the removal unless the document has one of these entity tags.
    pub if_match: Option<IfMatch>,
    /// Who asks.
    pub by: Caller,
}

/// The condition of an `If-Match` header (RFC 9110, 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: any revision.
    Any,
    /// One of these tags, without quotes.
    OneOf(Vec<String>),
}

/// A validated document that only waits for its timestamps. Made on the caller's thread, so that the writer has less to do.
#[derive(Debug)]
pub struct NewDocument {
    pub(crate) spec: &'static TypeSpec,
    pub(crate) id: ResourceId,
    pub(crate) acl: Acl,
    /// The attributes as JSON, each with a comma before it.
    pub(crate) tail: Vec<u8>,
}

/// Why a draft cannot become a document.
#[derive(Debug, thiserror::Error)]
pub enum NewDocumentError {
    /// The name derived from its attributes makes no id.
    #[error(transparent)]
    Id(#[from] IdError),
    /// An anonymous caller gave no access control list.
    #[error("credentials required")]
    NoOwner,
}

impl NewDocument {
    /// A document of `spec` from a validated draft.
    ///
    /// # Errors
    /// [`NewDocumentError`] if no id or owner can be told.
    pub fn new(
        spec: &'static TypeSpec,
        draft: Draft,
        by: &Caller,
        entropy: &dyn Entropy,
    ) -> Result<Self, NewDocumentError> {
        let id = match &draft.name {
            Some(name) => ResourceId::new(spec.name, name)?,
            None => ResourceId::new(spec.name, &uuid_v4(entropy))?,
        };
        let acl = draft.acl.or_else(|| Acl::default_for(by)).ok_or(NewDocumentError::NoOwner)?;
        Ok(Self { spec, id, acl: acl.with_admin(), tail: tail(&draft.attributes) })
    }

    /// The id that the document will have.
    #[must_use]
    pub fn id(&self) -> &ResourceId {
        &self.id
    }
}

/// Attributes as the end of a JSON object: each with a comma before it.
pub(crate) fn tail(attributes: &Map<String, Value>) -> Vec<u8> {
    let mut json = serde_json::to_vec(attributes).unwrap_or_default();
    match json.len() {
        0..=2 => json.clear(),
        length => {
            json[0] = b',';
            json.truncate(length - 1);
        }
    }
    json
}

/// What a write did.
#[derive(Debug, Clone)]
pub struct Written {
    /// Which resource.
    pub id: ResourceId,
    /// Its new revision; none if it was removed.
    pub document: Option<Arc<Document>>,
}
