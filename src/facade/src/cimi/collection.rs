//! `/api/<type>`: query and add.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, BytesMut, Payload};
use mf2c_actors::resource_store::AddResource;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::query::{Query, decode_pairs};
use mf2c_domain::resource::TypeSpec;
use mf2c_store::{NewDocument, StoreError};
use serde_json::{Map, Value};

use super::body::{Kind, object, unsupported, unsupported_but};
use super::member::JSON;
use super::view::{View, internal};
use super::{Exchange, bulk, kept, repeat, runnable, webhook};
use crate::error::{ApiError, message};
use crate::people::templates;
use crate::sla;

/// The largest collection document, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Answers a request on a collection.
pub(super) async fn answer(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    if *exchange.request.method() == Method::POST {
        repeat::refuse_beside_secrets(exchange, spec)?;
    }
    match *exchange.request.method() {
        Method::GET | Method::HEAD => {
            may_list(exchange, spec)?;
            found(exchange, spec, exchange.query()?).await
        }
        Method::PUT => query_by_put(exchange, spec, payload).await,
        Method::POST if webhook::adds(spec) => webhook::add(exchange, payload).await,
        Method::POST if spec.verbs.add => add(exchange, spec, payload).await,
        _ => Err(exchange.invalid_method(if spec.verbs.add { "GET, HEAD, PUT, POST" } else { "GET, HEAD, PUT" })),
    }
}

fn may_list(exchange: &Exchange<'_>, spec: &TypeSpec) -> Result<(), ApiError> {
    let may = spec.collection_acl.can_view(&exchange.caller);
    may.then_some(()).ok_or_else(|| ApiError::forbidden(spec.name))
}

/// A query whose parameters may be in the body too, for clients that fear long URLs. A JSON body is ignored.
async fn query_by_put(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    may_list(exchange, spec)?;
    let kind = exchange.content();
    let bytes = exchange.bytes(payload, exchange.api.settings.body).await?;
    let mut pairs = decode_pairs(exchange.request.query_string())?;
    match kind {
        Kind::Form => {
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| ApiError::bad_request("the form is not UTF-8: expected name=value pairs joined by &"))?;
            pairs.extend(decode_pairs(text)?);
        }
        Kind::Json => {}
        _ if bytes.is_empty() => {}
        _ => return Err(unsupported_but("application/x-www-form-urlencoded")),
    }
    found(exchange, spec, Query::from_pairs(&pairs)?).await
}

/// 200 with the collection document.
async fn found(exchange: &Exchange<'_>, spec: &'static TypeSpec, mut query: Query) -> Result<HttpResponse, ApiError> {
    webhook::refuse_secrets(spec, &query)?;
    let store = &exchange.api.store;
    let page = exchange.api.settings.page as u64;
    query.last = Some(query.last.unwrap_or(u64::MAX).min(query.first.saturating_add(page).saturating_sub(1)));
    let found = if let Some(own) = crate::people::own(exchange, spec, &query) {
        own
    } else if store.is_prepared(spec, &query) {
        store.find(spec, &query, &exchange.caller)?
    } else {
        // The worker's other connections must not wait while a large collection is read through.
        let (store, caller, query) = (Arc::clone(store), exchange.caller.clone(), query.clone());
        web::block(move || store.find(spec, &query, &caller)).await.map_err(|_| StoreError::Stopping)??
    };
    let mut out = Vec::with_capacity(512 + found.documents.len() * 1024);
    let acl = serde_json::to_string(&spec.collection_acl).map_err(|error| internal(&error))?;
    let head = format!(
        r#"{{"count":{},"id":"{}","resourceURI":"{}","acl":{acl}"#,
        found.count,
        spec.name,
        spec.collection_uri()
    );
    out.extend_from_slice(head.as_bytes());
    if spec.verbs.add && spec.collection_acl.can_modify(&exchange.caller) {
        out.extend_from_slice(format!(r#","operations":[{{"rel":"add","href":"{}"}}]"#, spec.name).as_bytes());
    }
    out.extend_from_slice(format!(r#","{}":["#, spec.tag).as_bytes());
    let view = View::new(store, spec, &exchange.caller, &query, exchange.api.world.clock.now());
    let start = out.len();
    for document in &found.documents {
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        if !view.write(document, &mut out)? {
            out.truncate(before);
        }
        if out.len() > MAX_ANSWER {
            let message = "the answer would be larger than 64 MiB: ask for fewer documents with $last, or for less of each with $select";
            return Err(ApiError::bad_request(message));
        }
    }
    out.push(b']');
    if let Some(aggregations) = &found.aggregations {
        out.extend_from_slice(br#","aggregations":"#);
        serde_json::to_writer(&mut out, aggregations).map_err(|error| internal(&error))?;
    }
    if let Some(after) = &found.after {
        out.extend_from_slice(format!(r#","after":"{after}""#).as_bytes());
    }
    out.push(b'}');
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, JSON)).body(out))
}

async fn add(exchange: &Exchange<'_>, spec: &'static TypeSpec, payload: Payload) -> Result<HttpResponse, ApiError> {
    if let Some(form) = spec.form {
        // Who may ask for what is decided there: the form comes first.
        return crate::people::ask(exchange, spec, form, payload).await;
    }
    if !spec.collection_acl.can_modify(&exchange.caller) {
        return Err(ApiError::forbidden(spec.name));
    }
    let settings = &exchange.api.settings;
    let key = repeat::key(exchange)?;
    match exchange.content() {
        Kind::Lines => {
            repeat::refuse_for_many(key.as_ref())?;
            let bytes = exchange.bytes(payload, settings.bulk_body).await?;
            bulk::add_lines(exchange, spec, &bytes).await
        }
        Kind::Json => {
            let bytes = exchange.one_or_many(payload, settings.body, settings.bulk_body).await?;
            if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
                repeat::refuse_for_many(key.as_ref())?;
                return bulk::add_list(exchange, spec, &bytes).await;
            }
            match key {
                Some(key) => repeat::add_once(exchange, spec, &key, &bytes).await,
                None => add_one(exchange, spec, &bytes).await,
            }
        }
        _ => Err(unsupported()),
    }
}

async fn add_one(exchange: &Exchange<'_>, spec: &'static TypeSpec, bytes: &BytesMut) -> Result<HttpResponse, ApiError> {
    let body = object(bytes)?;
    let odd = oddity(exchange, spec, &body);
    let id = store_new(exchange, spec, body).await?;
    Ok(created(&id, odd))
}

/// What is odd about a new resource that is taken all the same.
pub(super) fn oddity(exchange: &Exchange<'_>, spec: &TypeSpec, body: &Map<String, Value>) -> Option<String> {
    sla::warning(spec, body, exchange.api.world.clock.now())
}

/// 201 with the new id, and what is odd about the resource.
pub(super) fn created(id: &str, odd: Option<String>) -> HttpResponse {
    HttpResponse::Created().insert_header((header::LOCATION, id)).json(created_message(id, odd))
}

/// The message document of the same.
pub(super) fn created_message(id: &str, odd: Option<String>) -> Map<String, Value> {
    let mut document = message(StatusCode::CREATED, &format!("{id} created"), Some(id));
    document.extend(odd.map(|warning| ("warning".to_owned(), warning.into())));
    document
}

/// Validates and stores one new resource; its id.
pub(super) async fn store_new(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    body: Map<String, Value>,
) -> Result<String, ApiError> {
    store_by(exchange, spec, body, &*exchange.api.world.entropy).await
}

/// As [`store_new`], by a chance of the caller's choice.
pub(super) async fn store_by(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    mut body: Map<String, Value>,
    entropy: &dyn Entropy,
) -> Result<String, ApiError> {
    kept::strip_new(spec, &mut body);
    templates::before_add(spec, &body)?;
    let draft = spec.prepare_add(body, exchange.api.world.clock.now(), entropy)?;
    sla::check_new(exchange, spec, &draft.attributes, draft.acl.as_ref())?;
    runnable::check_new(spec, &draft.attributes)?;
    let new = NewDocument::new(spec, draft, &exchange.caller, entropy)?;
    let written = exchange.api.writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)?;
    let written = written.map_err(|error| templates::refused(spec, error))?;
    Ok(written.id.as_str().to_owned())
}
