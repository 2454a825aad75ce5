//! What only the agent writes into documents, at one place: what clients send for it is passed over.

use mf2c_domain::resource::{TypeSpec, kept};
use mf2c_store::Document;
use serde_json::{Map, Value};

use super::Exchange;
use crate::error::ApiError;
use crate::{people, sla};

/// Takes out of a new document what only the agent writes.
pub(crate) fn strip_new(spec: &TypeSpec, body: &mut Map<String, Value>) {
    sla::strip(spec.name, body);
    kept::strip(kept::in_new(spec.name), body);
}

/// What only the agent writes into one stored document.
pub(crate) struct Kept {
    spec: &'static TypeSpec,
    /// The document, where what is kept depends on it.
    stored: Map<String, Value>,
}

impl Kept {
    /// Of this document.
    ///
    /// # Errors
    /// 503 if it cannot be read.
    pub(crate) fn of(exchange: &Exchange<'_>, spec: &'static TypeSpec, document: &Document) -> Result<Self, ApiError> {
        let body = if kept::concerns(spec.name) { exchange.api.store.body(document)? } else { None };
        let stored = body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        Ok(Self { spec, stored })
    }

    /// Whether a client may take an attribute out of it.
    pub(crate) fn may_remove(&self, name: &str) -> bool {
        let kind = self.spec.name;
        !sla::is_ours(kind, name) && people::may_remove(self.spec, name) && kept::may_remove(kind, &self.stored, name)
    }

    /// Takes out of an edit what only the agent writes.
    pub(crate) fn strip(&self, changes: &mut Map<String, Value>) {
        sla::strip(self.spec.name, changes);
        kept::strip(kept::in_stored(self.spec.name, &self.stored), changes);
    }
}
