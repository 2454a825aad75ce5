//! `/api/session`: signing in, seeing one's own session, and signing out (`spec/cimi.md` 9.4, 9.5).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HttpDate};
use actix_web::web::Payload;
use mf2c_actors::session_manager::{Proof, SignIn, SignedIn};
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::session::Place;
use mf2c_domain::query::{Query, decode_pairs};
use mf2c_domain::resource::{Asked, Form, TypeSpec};
use mf2c_domain::time::Timestamp;
use mf2c_store::{Document, Found, StoreError};
use serde_json::{Map, Value};

use super::jwt;
use super::redirect::{self, Redirect};
use crate::caller::COOKIE;
use crate::cimi::Exchange;
use crate::cimi::body::{Kind, object, unsupported};
use crate::error::{ApiError, message};
use crate::proxy;

/// The type of the templates by which people sign in.
const TEMPLATE: &str = "session-template";

/// The largest form, in bytes: strangers fill them in, and what they say of themselves is stored.
pub(super) const LARGEST_FORM: usize = 64 << 10;

/// Signs somebody in: 201 with the session's id and its cookie, or 303 to where the form says.
pub(super) async fn ask(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    form: &'static Form,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let body = read(exchange, form, payload).await?;
    let redirect = Redirect::in_form(&body, form)?;
    let outcome = sign_in(exchange, spec, form, body).await;
    match (outcome, redirect) {
        (Ok(signed_in), redirect) => Ok(welcome(exchange, &signed_in, redirect)),
        (Err(error), Some(redirect)) => Ok(redirect.after(&error)),
        (Err(error), None) => Err(error),
    }
}

/// The body as a form: JSON as it is, the pairs of a form below the wrapper.
pub(super) async fn read(
    exchange: &Exchange<'_>,
    form: &'static Form,
    payload: Payload,
) -> Result<Map<String, Value>, ApiError> {
    read_within(exchange, form, payload, LARGEST_FORM).await
}

/// The same of a body of at most `largest` bytes.
pub(super) async fn read_within(
    exchange: &Exchange<'_>,
    form: &'static Form,
    payload: Payload,
    largest: usize,
) -> Result<Map<String, Value>, ApiError> {
    let kind = exchange.content();
    let bytes = exchange.bytes(payload, exchange.api.settings.body.min(largest)).await?;
    match kind {
        Kind::Json => object(&bytes),
        Kind::Form => {
            refuse_foreign_form(exchange)?;
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| ApiError::bad_request("the form is not UTF-8: expected name=value pairs joined by &"))?;
            let mut filled = Map::new();
            for (name, value) in decode_pairs(text)? {
                if filled.insert(name, value.into()).is_some() {
                    return Err(ApiError::bad_request("the form has a name twice: expected each once"));
                }
            }
            Ok(Map::from_iter([(form.wrapper.to_owned(), filled.into())]))
        }
        _ => Err(unsupported()),
    }
}

/// Any page can send a form without asking, and so sign its reader in as somebody else. Browsers tell where it comes from.
fn refuse_foreign_form(exchange: &Exchange<'_>) -> Result<(), ApiError> {
    let headers = exchange.request.headers();
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let known = origin.is_some_and(|origin| exchange.api.settings.cors_origins.iter().any(|known| known == origin));
    if !foreign || known {
        return Ok(());
    }
    let text = "the form comes from a page of another site: it must be named in `api.cors_origins`";
    Err(ApiError::new(StatusCode::FORBIDDEN, text))
}

async fn sign_in(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    form: &'static Form,
    body: Map<String, Value>,
) -> Result<SignedIn, ApiError> {
    let Asked { href, mut filled, about } = spec.read_form(form, body)?;
    filled.remove(redirect::FIELD);
    let method = template(exchange, &href).await?;
    let proof = match method.as_str() {
        "internal" => {
            let [username, password] = only(filled, ["username", "password"])?;
            Proof::Password { username, password }
        }
        "api-key" => {
            let [key, secret] = only(filled, ["key", "secret"])?;
            Proof::Key { key, secret }
        }
        "jwt" => {
            let [token] = only(filled, ["token"])?;
            return Err(jwt::refuse(&token));
        }
        _ => return Err(ApiError::bad_request("nobody can sign in by this template: its method is not known here")),
    };
    let proxies = &exchange.api.settings.trusted_proxies;
    let source = proxy::client(exchange.request, proxies);
    let server = exchange.request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let place = Place { client: source.to_string(), server: server.map(str::to_owned) };
    let sign_in = SignIn { proof, template: href, source, place, about };
    Ok(exchange.api.sessions.send(sign_in).await.map_err(|_| StoreError::Stopping)??)
}

/// The method of the template that was filled in.
async fn template(exchange: &Exchange<'_>, href: &str) -> Result<String, ApiError> {
    let store = &exchange.api.store;
    let found = store.get(href).filter(|found| found.id.kind() == TEMPLATE);
    let found = found.ok_or_else(|| ApiError::not_found(href))?;
    if !found.acl.can_view(&exchange.caller) {
        return Err(ApiError::bad_request(format!("requested href cannot be accessed: {href}")).about(href));
    }
    let body = store.body(&found)?.ok_or_else(|| ApiError::not_found(href))?;
    let template: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    Ok(template.get("method").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// The texts under these names, all of which must be there, and nothing else.
fn only<const N: usize>(mut filled: Map<String, Value>, names: [&str; N]) -> Result<[String; N], ApiError> {
    let fault = |text: String| ApiError::bad_request(format!("resource does not satisfy defined schema: {text}"));
    let mut texts = std::array::from_fn(|_| String::new());
    for (text, name) in texts.iter_mut().zip(names) {
        match filled.remove(name) {
            Some(Value::String(sent)) if !sent.is_empty() => *text = sent,
            _ => return Err(fault(format!("`sessionTemplate.{name}` is missing: expected a text that is not empty"))),
        }
    }
    match filled.keys().next() {
        Some(other) => Err(fault(format!("`sessionTemplate.{other}` is not an attribute of this template"))),
        None => Ok(texts),
    }
}

fn welcome(exchange: &Exchange<'_>, signed_in: &SignedIn, redirect: Option<Redirect>) -> HttpResponse {
    let id = signed_in.session.as_str();
    let value = format!("token={}", signed_in.token);
    let expires = format!("Expires={}", date(signed_in.expiry));
    let (status, location) = match &redirect {
        Some(redirect) => (StatusCode::SEE_OTHER, redirect.target()),
        None => (StatusCode::CREATED, id),
    };
    HttpResponse::build(status)
        .insert_header((header::LOCATION, location))
        .insert_header((header::SET_COOKIE, cookie(exchange, &value, &expires)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(message(status, &format!("{id} created"), Some(id)))
}

/// The cookie that takes a session's away from its client; none for what is not the caller's own session.
pub(super) fn farewell(exchange: &Exchange<'_>, id: &ResourceId) -> Option<String> {
    let own = exchange.caller.session() == Some(id.as_str());
    own.then(|| cookie(exchange, "INVALID", &format!("Max-Age=0; Expires={}", date(exchange.api.world.clock.now()))))
}

fn cookie(exchange: &Exchange<'_>, value: &str, end: &str) -> String {
    let secure = proxy::is_secure(exchange.request, &exchange.api.settings.trusted_proxies);
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; {end}{secure}")
}

fn date(moment: Timestamp) -> HttpDate {
    HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(moment.millis() / 1000))
}

/// What a list of sessions shows, whoever asks for whatever: the caller's own session. Clients ask so who they are.
pub(super) fn own(exchange: &Exchange<'_>, query: &Query) -> Found {
    let session = exchange.caller.session().and_then(|session| exchange.api.store.get(session));
    let own: Option<Arc<Document>> =
        session.filter(|session| session.id.kind() == "session" && session.acl.can_view(&exchange.caller));
    let (skip, take) = query.window();
    let count = usize::from(own.is_some());
    Found { count, documents: own.into_iter().skip(skip).take(take).collect(), aggregations: None, after: None }
}

/// `session/<id>/validate` is for ways to sign in that take a second step, and none of ours does.
pub(super) fn validate(id: &ResourceId) -> ApiError {
    ApiError::bad_request(format!("{id} needs no validation: whoever has it is signed in")).about(id.as_str())
}
