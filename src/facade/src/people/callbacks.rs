//! `/api/callback/<id>/execute`: what waits behind a link is done (`spec/cimi.md` 9.9), and addresses are proved.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Payload;
use mf2c_actors::account_manager::{Execute, ValidateEmail};
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::callback::{Callback, CallbackError};
use mf2c_domain::query::decode_pairs;
use mf2c_store::StoreError;
use serde_json::Map;

use super::links::origin;
use super::users::{nothing_else, take};
use crate::cimi::Exchange;
use crate::cimi::body::{Kind, object};
use crate::error::{ApiError, message};

/// Answers whoever follows a link. No answer is kept by anybody on the way, and the link is told to no other site.
pub(super) async fn execute(
    exchange: &Exchange<'_>,
    id: &ResourceId,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let answered = match *exchange.request.method() {
        Method::HEAD => look(exchange, id),
        _ => follow(exchange, id, payload).await,
    };
    let mut answer = answered.unwrap_or_else(ApiError::into_response);
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
    Ok(answer)
}

/// Tells whether the link still holds. Programs that look at links before people do ask so, and must not use them up.
fn look(exchange: &Exchange<'_>, id: &ResourceId) -> Result<HttpResponse, ApiError> {
    let store = &exchange.api.store;
    let missing = || ApiError::not_found(id.as_str());
    let document = store.get(id.as_str()).ok_or_else(missing)?;
    let body = store.body(&document)?.ok_or_else(missing)?;
    let callback: Map<_, _> = serde_json::from_slice(&body).unwrap_or_default();
    match Callback::check(&callback, exchange.api.world.clock.now()) {
        Ok(_) => Ok(HttpResponse::Ok().finish()),
        Err(error) => Err(unusable(&error)),
    }
}

async fn follow(exchange: &Exchange<'_>, id: &ResourceId, payload: Payload) -> Result<HttpResponse, ApiError> {
    let new_password = match *exchange.request.method() {
        Method::GET => None,
        _ => sent(exchange, payload).await?,
    };
    let execute = Execute { id: id.clone(), new_password };
    let done = exchange.api.accounts.send(execute).await.map_err(|_| StoreError::Stopping)??;
    Ok(HttpResponse::Ok().json(message(StatusCode::OK, &done.message, Some(done.resource.as_str()))))
}

/// The new password that came along, if one did. A form is read too: a page may ask for it.
async fn sent(exchange: &Exchange<'_>, payload: Payload) -> Result<Option<String>, ApiError> {
    let kind = exchange.content();
    let bytes = exchange.bytes(payload, exchange.api.settings.body).await?;
    let mut sent = match kind {
        _ if bytes.is_empty() => return Ok(None),
        Kind::Json => object(&bytes)?,
        Kind::Form => {
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| ApiError::bad_request("the form is not UTF-8: expected new-password=…"))?;
            decode_pairs(text)?.into_iter().map(|(name, value)| (name, value.into())).collect()
        }
        _ => return Ok(None),
    };
    let password = take(&mut sent, "new-password")?;
    nothing_else(&sent)?;
    Ok(password)
}

/// 409 for what is over, 400 for what can never be.
pub(crate) fn unusable(error: &CallbackError) -> ApiError {
    match error {
        CallbackError::NotExecutable => ApiError::new(StatusCode::CONFLICT, error.to_string()),
        _ => ApiError::bad_request(error.to_string()),
    }
}

/// Sends the link that proves an address: 202.
pub(super) async fn validate_email(exchange: &Exchange<'_>, id: &ResourceId) -> Result<HttpResponse, ApiError> {
    let validate = ValidateEmail { id: id.clone(), origin: origin(exchange) };
    exchange.api.accounts.send(validate).await.map_err(|_| StoreError::Stopping)??;
    let told = "check your mailbox for a validation message";
    Ok(HttpResponse::Accepted().json(message(StatusCode::ACCEPTED, told, Some(id.as_str()))))
}
