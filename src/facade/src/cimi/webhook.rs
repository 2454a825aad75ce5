//! What is particular about `webhook` and `webhook-failure`: the secret that is shown once, whose rights a webhook may
//! borrow, and the actions `rotate-secret` and `retry`.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use mf2c_actors::resource_store::{AddResource, EditResource};
use mf2c_domain::acl::{Acl, Principal};
use mf2c_domain::entropy::webhook_key;
use mf2c_domain::filter::Filter;
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::Query;
use mf2c_domain::resource::types::{webhook, webhook_failure};
use mf2c_domain::resource::{Action, TypeSpec};
use mf2c_domain::webhook::{MAX_WEBHOOKS, target};
use mf2c_store::{Document, NewDocument, StoreError};
use serde_json::{Map, Value, json};

use super::Exchange;
use super::body::{Kind, object, unsupported};
use crate::error::{ApiError, message};

/// Whether the type is the one of this module that is added in its own way.
pub(super) fn adds(spec: &TypeSpec) -> bool {
    spec.name == webhook::SPEC.name
}

/// Adds one webhook: 201 with its secret, which is shown never again.
pub(super) async fn add(exchange: &Exchange<'_>, payload: Payload) -> Result<HttpResponse, ApiError> {
    let spec = &webhook::SPEC;
    if !spec.collection_acl.can_modify(&exchange.caller) {
        return Err(ApiError::forbidden(spec.name));
    }
    if exchange.content() != Kind::Json {
        return Err(unsupported());
    }
    let body = object(&exchange.bytes(payload, exchange.api.settings.body).await?)?;
    let own = Acl::default_for(&exchange.caller).ok_or_else(|| ApiError::forbidden(spec.name))?.owner;
    refuse_secret(&body)?;
    refuse_foreign_owner(exchange, &body, &own)?;
    refuse_target(exchange, &body)?;
    let world = &exchange.api.world;
    let draft = spec.prepare_add(body, world.clock.now(), &*world.entropy)?;
    let owner = draft.acl.as_ref().map_or(own, |acl| acl.owner.clone());
    let count = exchange.api.store.all(spec.name).iter().filter(|hook| hook.acl.owner == owner).count();
    if count >= MAX_WEBHOOKS {
        let text = format!("there are {count} webhooks of this owner, the most that are allowed: delete one first");
        return Err(ApiError::new(StatusCode::CONFLICT, text));
    }
    let secret = draft.attributes.get("secret").cloned().unwrap_or_default();
    let new = NewDocument::new(spec, draft, &exchange.caller, &*world.entropy)?;
    let written = exchange.api.writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)??;
    let id = written.id.as_str();
    let mut answer = message(StatusCode::CREATED, &format!("{id} created"), Some(id));
    answer.insert("secret".to_owned(), secret);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, id))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(answer))
}

/// Refuses changes to a webhook that its owner did not mean or must not make.
pub(super) fn check_edit(
    exchange: &Exchange<'_>,
    document: &Document,
    changes: &Map<String, Value>,
) -> Result<(), ApiError> {
    if document.id.kind() != webhook::SPEC.name {
        return Ok(());
    }
    refuse_secret(changes)?;
    refuse_target(exchange, changes)?;
    refuse_foreign_owner(exchange, changes, &document.acl.owner)
}

fn refuse_secret(body: &Map<String, Value>) -> Result<(), ApiError> {
    let text = "`secret`: the agent makes it, leave it out; POST to the webhook's `rotate-secret` for another one";
    if body.contains_key("secret") { Err(ApiError::bad_request(text)) } else { Ok(()) }
}

/// An address that every delivery would be refused to. What a name leads to is known at the delivery only.
fn refuse_target(exchange: &Exchange<'_>, body: &Map<String, Value>) -> Result<(), ApiError> {
    let Some(Value::String(url)) = body.get("url") else { return Ok(()) };
    let private = exchange.api.settings.private_webhooks;
    target::check(url, private).map_err(|why| ApiError::bad_request(format!("`url` is refused: {why}")))
}

/// Documents are looked at with the owner's rights, so nobody may make a webhook that belongs to somebody else.
fn refuse_foreign_owner(exchange: &Exchange<'_>, body: &Map<String, Value>, own: &Principal) -> Result<(), ApiError> {
    let sent = body.get("acl").and_then(|acl| acl.get("owner"));
    let foreign = sent.is_some_and(|sent| serde_json::from_value::<Principal>(sent.clone()).ok().as_ref() != Some(own));
    if !foreign || exchange.caller.is_admin() {
        return Ok(());
    }
    let text = "`acl.owner`: a webhook sees what its owner sees, so only an administrator may name another owner";
    Err(ApiError::new(StatusCode::FORBIDDEN, text))
}

/// Whether the type is one whose actions are answered here.
pub(super) fn acts(spec: &TypeSpec) -> bool {
    [webhook::SPEC.name, webhook_failure::SPEC.name].contains(&spec.name)
}

/// Answers an action on a member that is there.
pub(super) async fn act(exchange: &Exchange<'_>, id: ResourceId, action: &Action) -> Result<HttpResponse, ApiError> {
    match action.name {
        "retry" => retry(exchange, id).await,
        _ => rotate(exchange, id).await,
    }
}

async fn rotate(exchange: &Exchange<'_>, id: ResourceId) -> Result<HttpResponse, ApiError> {
    let secret = webhook_key(&*exchange.api.world.entropy);
    set(exchange, &id, json!({ "secret": secret })).await?;
    let text = format!("{id} has another secret; the old one is of no use any more");
    let mut answer = message(StatusCode::OK, &text, Some(id.as_str()));
    answer.insert("secret".to_owned(), secret.into());
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}

/// 202: it is tried again in its turn, and is gone once it has arrived.
async fn retry(exchange: &Exchange<'_>, id: ResourceId) -> Result<HttpResponse, ApiError> {
    set(exchange, &id, json!({ "state": "QUEUED" })).await?;
    let text = format!("{id} is tried again; it is gone when it has arrived, and FAILED again if not");
    Ok(HttpResponse::Accepted().json(message(StatusCode::ACCEPTED, &text, Some(id.as_str()))))
}

async fn set(exchange: &Exchange<'_>, id: &ResourceId, changes: Value) -> Result<(), ApiError> {
    let changes = changes.as_object().cloned().unwrap_or_default();
    let by = exchange.caller.clone();
    let edit = EditResource { id: id.clone(), changes, removed: Vec::new(), if_match: None, by };
    exchange.api.writer.send(edit).await.map_err(|_| StoreError::Stopping)??;
    Ok(())
}

/// Refuses queries that would tell, by what they find or in which order, what a secret attribute holds.
pub(super) fn refuse_secrets(spec: &TypeSpec, query: &Query) -> Result<(), ApiError> {
    let mut secrets = spec.secrets();
    let mut paths: Vec<&str> = query.filter.iter().flat_map(Filter::paths).map(|path| path.top()).collect();
    paths.extend(query.order.iter().map(|key| key.path.top()));
    paths.extend(query.aggregations.iter().map(|aggregation| aggregation.path.top()));
    match secrets.find(|secret| paths.contains(secret)) {
        Some(secret) => {
            let text = format!("`{secret}` is secret: it can be neither filtered nor ordered nor counted by");
            Err(ApiError::bad_request(text))
        }
        None => Ok(()),
    }
}
