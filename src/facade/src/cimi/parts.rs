//! What other interfaces need of CIMI's: documents as GET shows them, with the same rights, and writes by the same rules.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web;
use mf2c_actors::resource_store::DeleteResource;
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::Query;
use mf2c_domain::resource::{self, TypeSpec};
use mf2c_store::{Document, StoreError};
use serde_json::{Map, Value};

use super::Exchange;
use super::collection::store_new;
use super::view::{View, internal};
use crate::error::ApiError;

fn spec(kind: &str) -> Result<&'static TypeSpec, ApiError> {
    resource::find(kind).ok_or_else(|| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no type {kind}")))
}

/// A document as the caller sees it, with the operations that he has; none where it was deleted meanwhile.
pub(crate) fn whole(exchange: &Exchange<'_>, document: &Document) -> Result<Option<Map<String, Value>>, ApiError> {
    let (query, now) = (Query::everything(), exchange.api.world.clock.now());
    let view = View::new(&exchange.api.store, spec(document.id.kind())?, &exchange.caller, &query, now);
    let mut out = Vec::with_capacity(1024);
    if !view.write(document, &mut out)? {
        return Ok(None);
    }
    serde_json::from_slice(&out).map(Some).map_err(|error| internal(&error))
}

/// All documents of a type that the caller may see, up to the bound of a page.
pub(crate) fn listed(exchange: &Exchange<'_>, kind: &str) -> Result<Vec<Value>, ApiError> {
    let spec = spec(kind)?;
    if !spec.collection_acl.can_view(&exchange.caller) {
        return Err(ApiError::forbidden(kind));
    }
    let query = Query { last: Some(exchange.api.settings.page as u64), ..Query::everything() };
    let found = exchange.api.store.find(spec, &query, &exchange.caller)?;
    let shown = found.documents.iter().filter_map(|document| whole(exchange, document).transpose());
    shown.map(|document| document.map(Value::Object)).collect()
}

/// The documents of a type that a filter leaves and that the caller may see, as GET shows them: so many at most, and no more than a
/// page.
pub(crate) async fn matching(
    exchange: &Exchange<'_>,
    kind: &str,
    filter: Option<String>,
    order: Option<&str>,
    most: u64,
) -> Result<Vec<Map<String, Value>>, ApiError> {
    let (spec, store) = (spec(kind)?, Arc::clone(&exchange.api.store));
    if !spec.collection_acl.can_view(&exchange.caller) {
        return Err(ApiError::forbidden(kind));
    }
    let pairs = [("$filter", filter), ("$orderby", order.map(str::to_owned))];
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut query = Query::from_pairs(&pairs.collect::<Vec<_>>())?;
    query.last = Some(most.min(exchange.api.settings.page as u64));
    let caller = exchange.caller.clone();
    let found = if store.is_prepared(spec, &query) {
        store.find(spec, &query, &caller)?
    } else {
        web::block(move || store.find(spec, &query, &caller)).await.map_err(|_| StoreError::Stopping)??
    };
    found.documents.iter().filter_map(|document| whole(exchange, document).transpose()).collect()
}

/// A document that the caller may see.
///
/// # Errors
/// 404 where there is none, 403 where he may not see it.
pub(crate) fn viewable(exchange: &Exchange<'_>, id: &ResourceId) -> Result<Arc<Document>, ApiError> {
    let document = exchange.api.store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
    let may = document.acl.can_view(&exchange.caller);
    if may { Ok(document) } else { Err(ApiError::forbidden(id.as_str())) }
}

/// A text of the filter language.
pub(crate) fn quoted(text: &str) -> String {
    let escaped: String =
        text.chars().flat_map(|c| matches!(c, '\'' | '\\').then_some('\\').into_iter().chain([c])).collect();
    format!("'{escaped}'")
}

/// Whether the caller may add documents of a type.
pub(crate) fn may_add(exchange: &Exchange<'_>, kind: &str) -> Result<(), ApiError> {
    let may = spec(kind)?.collection_acl.can_modify(&exchange.caller);
    may.then_some(()).ok_or_else(|| ApiError::forbidden(kind))
}

/// Adds a document by CIMI's rules; its id.
pub(crate) async fn added(exchange: &Exchange<'_>, kind: &str, body: Map<String, Value>) -> Result<String, ApiError> {
    may_add(exchange, kind)?;
    store_new(exchange, spec(kind)?, body).await
}

/// Deletes a document of this agent.
pub(crate) async fn deleted(exchange: &Exchange<'_>, id: ResourceId) -> Result<(), ApiError> {
    let delete = DeleteResource { id, if_match: None, by: exchange.caller.clone() };
    exchange.api.writer.send(delete).await.map_err(|_| StoreError::Stopping)??;
    Ok(())
}
