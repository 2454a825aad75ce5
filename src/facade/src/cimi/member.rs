//! `/api/<type>/<name>`: read, edit, delete.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use mf2c_actors::resource_store::{DeleteResource, EditResource};
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::Query;
use mf2c_domain::resource::TypeSpec;
use mf2c_store::{Document, IfMatch, StoreError};
use serde_json::{Map, Value};

use super::body::{Kind, object, unsupported};
use super::elsewhere::{self, Change};
use super::kept::Kept;
use super::view::View;
use super::{Exchange, body, runnable, webhook};
use crate::error::{ApiError, message};
use crate::{people, sla};

pub(super) const JSON: &str = "application/json; charset=utf-8";

/// Answers a request on one resource.
pub(super) async fn answer(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    name: &str,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    match *exchange.request.method() {
        Method::GET | Method::HEAD => read(exchange, spec, &ResourceId::new(spec.name, name)?),
        Method::PUT if spec.verbs.edit => edit(exchange, spec, ResourceId::new(spec.name, name)?, payload).await,
        Method::DELETE if spec.verbs.delete => delete(exchange, ResourceId::new(spec.name, name)?).await,
        _ => Err(exchange.invalid_method(allowed(spec))),
    }
}

fn allowed(spec: &TypeSpec) -> &'static str {
    match (spec.verbs.edit, spec.verbs.delete) {
        (true, true) => "GET, HEAD, PUT, DELETE",
        (true, false) => "GET, HEAD, PUT",
        (false, true) => "GET, HEAD, DELETE",
        (false, false) => "GET, HEAD",
    }
}

fn read(exchange: &Exchange<'_>, spec: &'static TypeSpec, id: &ResourceId) -> Result<HttpResponse, ApiError> {
    let document = exchange.api.store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
    if !document.acl.can_view(&exchange.caller) {
        return Err(ApiError::forbidden(id.as_str()));
    }
    let query = exchange.query()?;
    // What links lead to changes on its own: the tag of a document says nothing of it.
    if query.expand.is_empty() && is_known(exchange, &exchange.api.store.tag(&document)) {
        let tag = format!("\"{}\"", exchange.api.store.tag(&document));
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    shown(exchange, spec, &document, &query)
}

/// 200 with the document as the caller sees it.
fn shown(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    document: &Document,
    query: &Query,
) -> Result<HttpResponse, ApiError> {
    let store = &exchange.api.store;
    let mut out = Vec::with_capacity(1024);
    if !View::new(store, spec, &exchange.caller, query, exchange.api.world.clock.now()).write(document, &mut out)? {
        return Err(ApiError::not_found(document.id.as_str()));
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, JSON));
    if query.expand.is_empty() {
        response.insert_header((header::ETAG, format!("\"{}\"", store.tag(document))));
    }
    Ok(response.body(out))
}

async fn edit(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    id: ResourceId,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    // Whether it is there and may be changed comes before what the body holds; the writer asks again.
    let document = exchange.api.store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
    if !document.acl.can_modify(&exchange.caller) {
        return Err(ApiError::forbidden(id.as_str()));
    }
    not_if_known(exchange, &exchange.api.store.tag(&document))?;
    let query = exchange.query()?;
    let kind = exchange.content();
    let bytes = exchange.bytes(payload, exchange.api.settings.body).await?;
    let removed = query.select.iter().flatten().map(|path| path.top().to_owned());
    let kept = Kept::of(exchange, spec, &document)?;
    let removed: Vec<String> = removed.filter(|name| kept.may_remove(name)).collect();
    let changes = match kind {
        Kind::Json => object(&bytes)?,
        _ if bytes.is_empty() && !removed.is_empty() => Map::new(),
        Kind::None if bytes.is_empty() => return Err(body::object(&bytes).err().unwrap_or_else(unsupported)),
        _ => return Err(unsupported()),
    };
    match change(exchange, spec, &document, changes, removed).await? {
        Changed::Now(document) => shown(exchange, spec, &document, &Query::everything()),
        Changed::Waits(answer) => Ok(answer),
    }
}

/// What has become of an edit.
pub(crate) enum Changed {
    /// It is done: the document as it is now.
    Now(Arc<Document>),
    /// It waits for another agent: the answer that says so.
    Waits(HttpResponse),
}

/// Edits a document that the caller may change, here or where it belongs to, by all the rules of CIMI.
pub(crate) async fn change(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    document: &Document,
    mut changes: Map<String, Value>,
    removed: Vec<String>,
) -> Result<Changed, ApiError> {
    let id = document.id.clone();
    let there = || exchange.api.store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()));
    Kept::of(exchange, spec, document)?.strip(&mut changes);
    webhook::check_edit(exchange, document, &changes)?;
    sla::check_stored(exchange, document, &changes, &removed)?;
    runnable::check_edit(exchange, spec, document, &changes, &removed)?;
    let if_match = if_match(exchange);
    if let Some(origin) = exchange.api.store.origin_of(id.as_str()) {
        let change = Change { id: id.clone(), origin, changes: Some(changes), removed, if_match };
        if let Some(waits) = elsewhere::propose(exchange, change).await? {
            return Ok(Changed::Waits(waits));
        }
        return there().map(Changed::Now);
    }
    let by = exchange.caller.clone();
    let held = people::before_edit(exchange, spec, &id, &mut changes).await?;
    let written = sla::edit(exchange, EditResource { id: id.clone(), changes, removed, if_match, by }).await?;
    drop(held);
    let document = written.document.ok_or_else(|| ApiError::not_found(id.as_str()))?;
    people::after_edit(exchange, spec, &id).await?;
    Ok(Changed::Now(document))
}

async fn delete(exchange: &Exchange<'_>, id: ResourceId) -> Result<HttpResponse, ApiError> {
    if let Some(document) = exchange.api.store.get(id.as_str()).filter(|found| found.acl.can_modify(&exchange.caller)) {
        not_if_known(exchange, &exchange.api.store.tag(&document))?;
    }
    if let Some(waits) = remove(exchange, &id, if_match(exchange)).await? {
        return Ok(waits);
    }
    let mut response = deleted(&id);
    if let Some(cookie) = people::farewell(exchange, &id).and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Deletes a document, here or where it belongs to, by all the rules of CIMI. None when it is gone; else the answer
/// that says that the deletion waits for another agent.
pub(crate) async fn remove(
    exchange: &Exchange<'_>,
    id: &ResourceId,
    if_match: Option<IfMatch>,
) -> Result<Option<HttpResponse>, ApiError> {
    if let Some(origin) = exchange.api.store.origin_of(id.as_str()) {
        let found = exchange.api.store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
        if !found.acl.can_modify(&exchange.caller) {
            return Err(ApiError::forbidden(id.as_str()));
        }
        let change = Change { id: id.clone(), origin, changes: None, removed: vec![], if_match };
        return elsewhere::propose(exchange, change).await;
    }
    let by = exchange.caller.clone();
    let held = people::before_delete(exchange, id).await?;
    let written = exchange.api.writer.send(DeleteResource { id: id.clone(), if_match, by }).await;
    written.map_err(|_| StoreError::Stopping)??;
    drop(held);
    people::after_delete(exchange, id).await?;
    Ok(None)
}

/// 200 for what is gone.
fn deleted(id: &ResourceId) -> HttpResponse {
    HttpResponse::Ok().json(message(StatusCode::OK, &format!("{id} deleted"), Some(id.as_str())))
}

/// The condition of `If-Match`, which compares strongly: a weak tag matches nothing (RFC 9110, 13.1.1).
pub(crate) fn if_match(exchange: &Exchange<'_>) -> Option<IfMatch> {
    let known = tags(exchange, &header::IF_MATCH)?;
    if known.contains(&"*") {
        return Some(IfMatch::Any);
    }
    let strong = known.iter().filter(|tag| !tag.starts_with("W/"));
    Some(IfMatch::OneOf(strong.map(|tag| tag.trim_matches('"').to_owned()).collect()))
}

/// Whether `If-None-Match` names this tag, or any: it compares weakly.
pub(super) fn is_known(exchange: &Exchange<'_>, current: &str) -> bool {
    let known = tags(exchange, &header::IF_NONE_MATCH).unwrap_or_default();
    known.iter().any(|tag| *tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == current)
}

/// 412 for a change that shall not happen to this revision.
pub(super) fn not_if_known(exchange: &Exchange<'_>, current: &str) -> Result<(), ApiError> {
    if !is_known(exchange, current) {
        return Ok(());
    }
    let message = "the resource is there, and `If-None-Match` forbids to change what it names";
    Err(ApiError::new(StatusCode::PRECONDITION_FAILED, message))
}

/// The entity tags in a header, as they are written.
fn tags<'e>(exchange: &'e Exchange<'_>, name: &HeaderName) -> Option<Vec<&'e str>> {
    let mut known = None;
    for value in exchange.request.headers().get_all(name) {
        let list = value.to_str().unwrap_or_default().split(',').map(str::trim);
        known.get_or_insert_with(Vec::new).extend(list);
    }
    known
}
