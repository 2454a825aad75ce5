//! `/api/<type>/<name>`: read, edit, delete.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use mf2c_actors::resource_store::{DeleteResource, EditResource};
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::Query;
use mf2c_domain::resource::TypeSpec;
use mf2c_store::{Document, IfMatch, StoreError};
use serde_json::Map;

use super::body::{Kind, object, unsupported};
use super::view::View;
use super::{Exchange, body};
use crate::error::{ApiError, message};

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
    if let Some(known) = tags(exchange, &header::IF_NONE_MATCH)
        && (known.contains(&"*".to_owned()) || known.contains(&exchange.api.store.tag(&document)))
    {
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
    if !View::new(store, spec, &exchange.caller, query).write(document, &mut out)? {
        return Err(ApiError::not_found(document.id.as_str()));
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, JSON))
        .insert_header((header::ETAG, format!("\"{}\"", store.tag(document))))
        .body(out))
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
    let query = exchange.query()?;
    let kind = exchange.content();
    let bytes = exchange.bytes(payload, exchange.api.settings.body).await?;
    let removed: Vec<String> = query.select.iter().flatten().map(|path| path.top().to_owned()).collect();
    let changes = match kind {
        Kind::Json => object(&bytes)?,
        _ if bytes.is_empty() && !removed.is_empty() => Map::new(),
        Kind::None if bytes.is_empty() => return Err(body::object(&bytes).err().unwrap_or_else(unsupported)),
        _ => return Err(unsupported()),
    };
    let if_match = if_match(exchange);
    let by = exchange.caller.clone();
    let written = exchange.api.writer.send(EditResource { id: id.clone(), changes, removed, if_match, by }).await;
    let written = written.map_err(|_| StoreError::Stopping)??;
    let document = written.document.ok_or_else(|| ApiError::not_found(id.as_str()))?;
    shown(exchange, spec, &document, &Query::everything())
}

async fn delete(exchange: &Exchange<'_>, id: ResourceId) -> Result<HttpResponse, ApiError> {
    let if_match = if_match(exchange);
    let by = exchange.caller.clone();
    let deleted = exchange.api.writer.send(DeleteResource { id: id.clone(), if_match, by }).await;
    deleted.map_err(|_| StoreError::Stopping)??;
    Ok(HttpResponse::Ok().json(message(StatusCode::OK, &format!("{id} deleted"), Some(id.as_str()))))
}

fn if_match(exchange: &Exchange<'_>) -> Option<IfMatch> {
    let known = tags(exchange, &header::IF_MATCH)?;
    Some(if known.contains(&"*".to_owned()) { IfMatch::Any } else { IfMatch::OneOf(known) })
}

/// The entity tags in a header, without quotes and weakness marks.
fn tags(exchange: &Exchange<'_>, name: &HeaderName) -> Option<Vec<String>> {
    let mut known = None;
    for value in exchange.request.headers().get_all(name) {
        let list = value.to_str().unwrap_or_default().split(',').map(str::trim);
        let plain = list.map(|tag| tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_owned());
        known.get_or_insert_with(Vec::new).extend(plain);
    }
    known
}
