//! The documents behind the services: read and written by the same messages as everywhere else.
//!
//! What is written here, the agent writes: the services have rules of their own as to who may, and have asked them
//! before.

use std::sync::Arc;

use actix_web::web;
use mf2c_actors::resource_store::{AddResource, DeleteResource, EditResource};
use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::Query;
use mf2c_domain::resource::{self, Draft, TypeSpec};
use mf2c_store::{Document, IfMatch, NewDocument, StoreError};
use serde_json::{Map, Value};

use super::call::Call;
use super::fault::Fault;
use crate::cimi::Api;
use crate::error::ApiError;

/// A document with what stands in it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) document: Arc<Document>,
    pub(super) body: Map<String, Value>,
}

impl Record {
    pub(super) fn id(&self) -> &ResourceId {
        &self.document.id
    }

    /// A text in it; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

fn spec(kind: &str) -> Result<&'static TypeSpec, Fault> {
    resource::find(kind).ok_or_else(|| Fault::internal(format!("there is no type {kind}")))
}

/// See [`Call::records`].
pub(super) async fn records(api: &Api, kind: &str, filter: Option<String>, most: u64) -> Result<Vec<Record>, Fault> {
    let (spec, store) = (spec(kind)?, Arc::clone(&api.store));
    let pairs: Vec<_> = filter.into_iter().map(|filter| ("$filter".to_owned(), filter)).collect();
    let mut query = Query::from_pairs(&pairs).map_err(ApiError::from)?;
    query.last = Some(most);
    let look = move || -> Result<Vec<Record>, StoreError> {
        let found = store.find(spec, &query, &Caller::agent())?;
        let mut records = Vec::with_capacity(found.documents.len());
        for document in found.documents {
            let body = store.body(&document)?.and_then(|body| serde_json::from_slice(&body).ok());
            records.extend(body.map(|body| Record { document, body }));
        }
        Ok(records)
    };
    Ok(web::block(look).await.map_err(|_| StoreError::Stopping)??)
}

impl Call<'_> {
    /// The document of a type and name; none where there is none, or the name is none that a document has.
    pub(super) fn record(&self, kind: &str, name: &str) -> Result<Option<Record>, Fault> {
        let store = &self.exchange.api.store;
        let Some(document) = store.get(&format!("{kind}/{name}")).filter(|found| found.id.kind() == kind) else {
            return Ok(None);
        };
        let body = store.body(&document)?.and_then(|body| serde_json::from_slice(&body).ok());
        Ok(body.map(|body| Record { document, body }))
    }

    /// The documents of a type that a filter of CIMI's leaves, whoever may see them; at most so many.
    pub(super) async fn records(&self, kind: &str, filter: Option<String>, most: u64) -> Result<Vec<Record>, Fault> {
        records(self.exchange.api, kind, filter, most).await
    }

    /// Adds a document with a name and rights.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where there is one of this name, and what the writer refuses.
    pub(super) async fn add(
        &self,
        kind: &str,
        name: &str,
        attributes: Map<String, Value>,
        acl: Acl,
    ) -> Result<(), StoreError> {
        let Some(spec) = resource::find(kind) else { return Err(StoreError::NotFound { id: kind.to_owned() }) };
        let draft = Draft { attributes, acl: Some(acl), name: Some(name.to_owned()) };
        let entropy = &*self.exchange.api.world.entropy;
        let new = NewDocument::new(spec, draft, &Caller::agent(), entropy);
        let new = new.map_err(|_| StoreError::NotFound { id: format!("{kind}/{name}") })?;
        self.exchange.api.writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)??;
        Ok(())
    }

    /// Changes a document that has not been changed since it was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where it has, and what the writer refuses.
    pub(super) async fn edit(
        &self,
        record: &Record,
        changes: Map<String, Value>,
        removed: Vec<String>,
    ) -> Result<(), StoreError> {
        let tag = self.exchange.api.store.tag(&record.document);
        let id = record.id().clone();
        let edit =
            EditResource { id, changes, removed, if_match: Some(IfMatch::OneOf(vec![tag])), by: Caller::agent() };
        self.exchange.api.writer.send(edit).await.map_err(|_| StoreError::Stopping)??;
        Ok(())
    }

    /// Deletes a document. One that is gone is no error.
    ///
    /// # Errors
    /// What the writer refuses.
    pub(super) async fn delete(&self, id: &ResourceId) -> Result<(), StoreError> {
        let delete = DeleteResource { id: id.clone(), if_match: None, by: Caller::agent() };
        match self.exchange.api.writer.send(delete).await.map_err(|_| StoreError::Stopping)? {
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
