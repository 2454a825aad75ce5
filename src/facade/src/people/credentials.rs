//! `/api/credential`: keys for programs (`spec/cimi.md` 9.8).

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use mf2c_actors::session_manager::{EndSessionsOfKey, IssueKey, IssuedKey};
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{Asked, Form, TypeSpec};
use mf2c_store::StoreError;
use serde_json::{Map, Value};

use super::sessions;
use crate::cimi::Exchange;
use crate::error::{ApiError, message};

/// The type of the templates by which keys are made.
const TEMPLATE: &str = "credential-template";

/// Makes a key for the caller: 201 with the secret, which nobody will see again.
pub(super) async fn ask(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    form: &'static Form,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let body = sessions::read(exchange, form, payload).await?;
    let Asked { href, filled, about } = spec.read_form(form, body)?;
    // In the original's order: what is wrong with the form comes before who asks.
    let template = exchange.api.store.get(&href).filter(|found| found.id.kind() == TEMPLATE);
    let template =
        template.ok_or_else(|| ApiError::bad_request(format!("requested href not found: {href}")).about(&href))?;
    if !template.acl.can_view(&exchange.caller) {
        return Err(ApiError::bad_request(format!("requested href cannot be accessed: {href}")).about(href));
    }
    if !spec.collection_acl.can_modify(&exchange.caller) {
        return Err(ApiError::forbidden(spec.name));
    }
    let ttl = filled.get("ttl").and_then(Value::as_u64).unwrap_or(0);
    let issue = IssueKey { by: exchange.caller.clone(), ttl, about };
    let IssuedKey { id, secret } = exchange.api.sessions.send(issue).await.map_err(|_| StoreError::Stopping)??;
    let mut answer = message(StatusCode::CREATED, &format!("{id} created"), Some(id.as_str()));
    answer.insert("secretKey".to_owned(), secret.into());
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, id.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(answer))
}

/// No client says what a secret is checked against, not even an administrator. And nobody else says who sees a key:
/// whoever made one with a stolen session could hide it from its user, who could not revoke it.
pub(super) fn before_edit(changes: &mut Map<String, Value>, admin: bool) {
    for name in ["digest", "type", "method"] {
        changes.remove(name);
    }
    if !admin {
        changes.remove("acl");
    }
}

/// Whoever signed in with a key that is gone is signed out.
pub(super) async fn after_delete(exchange: &Exchange<'_>, id: &ResourceId) -> Result<(), ApiError> {
    exchange.api.sessions.send(EndSessionsOfKey { key: id.clone() }).await.map_err(|_| StoreError::Stopping)??;
    Ok(())
}
