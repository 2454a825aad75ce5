//! `/api/<type>/<name>/<action>`: what can be done with one resource besides reading, editing and deleting it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{Action, TypeSpec};

use super::{Exchange, webhook};
use crate::certificates;
use crate::error::ApiError;

/// Answers a request for an action: the type knows it, the method starts it, and the member is there.
pub(super) async fn answer(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    name: &str,
    action: &str,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let Some(action) = spec.action(action) else { return Err(undefined(exchange, spec, name, action)) };
    if !action.methods.contains(&exchange.request.method().as_str()) {
        return Err(exchange.invalid_method(allowed(action)));
    }
    let id = ResourceId::new(spec.name, name)?;
    if exchange.api.store.get(id.as_str()).is_none() {
        return Err(ApiError::not_found(id.as_str()));
    }
    if certificates::acts(spec, action) {
        return certificates::act(exchange, &id, action, payload).await;
    }
    if webhook::acts(spec) {
        return webhook::act(exchange, id, action).await;
    }
    crate::people::act(exchange, spec, &id, action, payload).await
}

fn undefined(exchange: &Exchange<'_>, spec: &TypeSpec, name: &str, action: &str) -> ApiError {
    let method = exchange.request.method().as_str().to_lowercase();
    let path = exchange.request.path();
    let message = format!("undefined action ({method}, [\"{}\" \"{action}\"]) for {path}", spec.name);
    ApiError::new(StatusCode::NOT_FOUND, message).about(format!("{}/{name}", spec.name))
}

fn allowed(action: &Action) -> &'static str {
    match action.methods {
        ["GET", "POST"] => "GET, POST",
        ["GET", "HEAD", "POST", "PUT"] => "GET, HEAD, POST, PUT",
        _ => "POST",
    }
}
