//! `/api/cloud-entry-point`: the directory of collections, by which clients find everything else.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use actix_web::web::Payload;
use mf2c_actors::resource_store::{AddResource, EditResource};
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, Draft, types::entry_point};
use mf2c_store::{Document, NewDocument, StoreError};
use serde_json::{Map, Value, json};

use super::body::{Kind, object, unsupported};
use super::member::{JSON, if_match, is_known, not_if_known};
use super::{Api, Exchange};
use crate::error::ApiError;
use crate::proxy;

/// The name under which what administrators have edited is stored.
const NAME: &str = "entry";

/// Answers a request on the entry point.
pub(super) async fn answer(exchange: &Exchange<'_>, payload: Payload) -> Result<HttpResponse, ApiError> {
    match *exchange.request.method() {
        Method::GET | Method::HEAD => answer_shown(exchange),
        Method::PUT => edit(exchange, payload).await,
        _ => Err(exchange.invalid_method("GET, HEAD, PUT")),
    }
}

async fn edit(exchange: &Exchange<'_>, payload: Payload) -> Result<HttpResponse, ApiError> {
    let spec = &entry_point::SPEC;
    if !exchange.caller.is_admin() {
        return Err(ApiError::forbidden("cloud-entry-point"));
    }
    if exchange.content() != Kind::Json {
        return Err(unsupported());
    }
    if let Some(stored) = stored(exchange) {
        not_if_known(exchange, &exchange.api.store.tag(&stored))?;
    }
    let removed = exchange.query()?.select.iter().flatten().map(|path| path.top().to_owned()).collect();
    let mut changes = object(&exchange.bytes(payload, exchange.api.settings.body).await?)?;
    // Clients send back what they were given.
    changes.remove("baseURI");
    changes.remove("acl");
    changes.retain(|_, value| value.get("href").is_none());
    let id = ResourceId::new(spec.name, NAME)?;
    if exchange.api.store.get(id.as_str()).is_none() {
        ensure(exchange.api).await?;
    }
    let edit = EditResource { id, changes, removed, if_match: if_match(exchange), by: exchange.caller.clone() };
    exchange.api.writer.send(edit).await.map_err(|_| StoreError::Stopping)??;
    answer_shown(exchange)
}

/// What administrators have edited.
fn stored(exchange: &Exchange<'_>) -> Option<Arc<Document>> {
    exchange.api.store.get(&format!("{}/{NAME}", entry_point::SPEC.name))
}

/// 200 with the directory, or 304 for who knows it.
fn answer_shown(exchange: &Exchange<'_>) -> Result<HttpResponse, ApiError> {
    let tag = stored(exchange).map(|stored| exchange.api.store.tag(&stored));
    let mut response = HttpResponse::Ok();
    if let Some(tag) = &tag {
        if *exchange.request.method() != Method::PUT && is_known(exchange, tag) {
            return Ok(HttpResponse::NotModified().insert_header((header::ETAG, format!("\"{tag}\""))).finish());
        }
        response.insert_header((header::ETAG, format!("\"{tag}\"")));
    }
    response.insert_header((header::CONTENT_TYPE, JSON));
    Ok(response.json(shown(exchange)?))
}

/// Stores the entry point if it is not there yet; done at the first start.
///
/// # Errors
/// [`ApiError`] if the store cannot write.
pub async fn ensure(api: &Api) -> Result<(), ApiError> {
    let (spec, world) = (&entry_point::SPEC, &api.world);
    let draft = spec.prepare_add(Map::new(), world.clock.now(), &*world.entropy)?;
    let draft = Draft { name: Some(NAME.to_owned()), ..draft };
    let new = NewDocument::new(spec, draft, &Caller::agent(), &*world.entropy)?;
    match api.writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)? {
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn shown(exchange: &Exchange<'_>) -> Result<Map<String, Value>, ApiError> {
    let store = &exchange.api.store;
    let mut document = match stored(exchange) {
        Some(stored) => store
            .body(&stored)?
            .and_then(|body| serde_json::from_slice::<Map<String, Value>>(&body).ok())
            .unwrap_or_default(),
        None => {
            let since = exchange.api.world.clock.now().to_string();
            let acl = serde_json::to_value(entry_point::SPEC.collection_acl.clone()).unwrap_or_default();
            let fresh = json!({"resourceURI": entry_point::SPEC.uri, "created": since, "updated": since, "acl": acl});
            fresh.as_object().cloned().unwrap_or_default()
        }
    };
    document.insert("id".to_owned(), "cloud-entry-point".into());
    document.insert("baseURI".to_owned(), base_uri(exchange).into());
    for spec in resource::all() {
        document.insert(spec.tag.to_owned(), json!({"href": spec.name}));
    }
    if exchange.caller.is_admin() {
        document.insert("operations".to_owned(), json!([{"rel": "edit", "href": "cloud-entry-point"}]));
    }
    Ok(document)
}

/// The address by which the client reached us, `https://host:port/api/`; the default port is left out. What a proxy says
/// of it counts only if the proxy is a trusted one.
pub(super) fn base_uri(exchange: &Exchange<'_>) -> String {
    let request = exchange.request;
    let proxies = &exchange.api.settings.trusted_proxies;
    let trusted = proxy::is_trusted(request, proxies);
    let named =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).filter(|text| is_host(text));
    let forwarded = |name: &str| named(name).filter(|_| trusted);
    let scheme = if proxy::is_secure(request, proxies) { "https" } else { "http" };
    let mut host = forwarded("x-forwarded-host")
        .or_else(|| named("host"))
        .map(str::to_owned)
        .unwrap_or_else(|| request.uri().host().unwrap_or("localhost").to_owned());
    if let (Some(port), Some(_)) = (forwarded("x-forwarded-port"), forwarded("x-forwarded-host")) {
        host = format!("{host}:{port}");
    }
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default_port).unwrap_or(&host);
    format!("{scheme}://{host}/api/")
}

/// Whether a header value can be (part of) an address: nothing that could break out of a URL.
fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_'))
}
