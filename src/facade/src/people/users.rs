//! `/api/user`: registration, changes and passwords (`spec/cimi.md` 9.6), and `/api/hook/reset-password`.

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Payload;
use actix_web::{HttpMessage as _, HttpResponse};
use mf2c_actors::account_manager::{
    AdmitMail, ChangePassword, DigestPassword, EndAccess, Register, RequestReset, TellOldAddress,
};
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::{FIRST_ADMIN, registration};
use mf2c_domain::resource::Form;
use mf2c_store::StoreError;
use serde_json::{Map, Value};

use super::administrators::{self, Resigning};
use super::links::{base, origin};
use super::redirect::{self, Redirect};
use super::sessions;
use crate::cimi::body::{Kind, object, unsupported};
use crate::cimi::{Api, Exchange};
use crate::error::{ApiError, message};

/// Attributes whose change decides what a signed-in user may do.
const DECISIVE: [&str; 5] = ["state", "roles", "isSuperUser", "deleted", "password"];

/// Left with a request whose edit ends the user's sessions.
struct EndsSessions;

/// Left with a request that changes the address of a user: the one so far.
struct OldAddress(String);

/// Makes an account: 201 with its id, or 303 to where the form says.
pub(super) async fn ask(
    exchange: &Exchange<'_>,
    form: &'static Form,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let mut body = sessions::read(exchange, form, payload).await?;
    let redirect = Redirect::in_form(&body, form)?;
    if let Some(Value::Object(filled)) = body.get_mut(form.wrapper) {
        filled.remove(redirect::FIELD);
    }
    match (register(exchange, body).await, redirect) {
        (Ok(id), redirect) => {
            let (status, location) = match &redirect {
                Some(redirect) => (StatusCode::SEE_OTHER, redirect.target()),
                None => (StatusCode::CREATED, id.as_str()),
            };
            let mut answer = HttpResponse::build(status);
            answer.insert_header((header::LOCATION, location_of(location)));
            Ok(answer.json(message(status, &format!("{id} created"), Some(id.as_str()))))
        }
        (Err(error), Some(redirect)) => Ok(redirect.after(&error)),
        (Err(error), None) => Err(error),
    }
}

/// The name of a user may hold letters that no header holds.
fn location_of(location: &str) -> String {
    const PLAIN: &percent_encoding::AsciiSet = percent_encoding::CONTROLS;
    percent_encoding::utf8_percent_encode(location, PLAIN).to_string()
}

async fn register(exchange: &Exchange<'_>, body: Map<String, Value>) -> Result<ResourceId, ApiError> {
    let form = registration::Form::read(body).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let register = Register { form, origin: origin(exchange) };
    Ok(exchange.api.accounts.send(register).await.map_err(|_| StoreError::Stopping)??)
}

/// Prepares an edit of a user: a password becomes its digest, and nobody but an administrator says who else may see it.
pub(super) async fn before_edit(
    exchange: &Exchange<'_>,
    id: &ResourceId,
    changes: &mut Map<String, Value>,
) -> Result<Option<Resigning>, ApiError> {
    if let Some(Value::String(named)) = changes.get("id")
        && named != id.as_str()
    {
        return Err(ApiError::bad_request(format!("the document is of another user than {id}: leave its `id` out")));
    }
    let admin = exchange.caller.is_admin();
    if !admin {
        if changes.contains_key("password") {
            let way = format!("POST /api/{id}/change-password with the current and the new one");
            return Err(ApiError::bad_request(format!("a password is not changed by an edit: {way}")));
        }
        changes.remove("acl");
        // The writer takes no rank and no state from whoever is no administrator.
        return may_move(exchange, id, changes).await.map(|()| None);
    }
    let removed = exchange.query()?.select.unwrap_or_default();
    let decides = |name: &str| changes.contains_key(name) || removed.iter().any(|path| path.top() == name);
    if DECISIVE.iter().any(|name| decides(name) && differs(exchange, id, name, changes)) {
        exchange.request.extensions_mut().insert(EndsSessions);
    }
    if let Some(Value::String(password)) = changes.get("password") {
        let digest = DigestPassword(password.clone());
        let digest = exchange.api.accounts.send(digest).await.map_err(|_| StoreError::Stopping)??;
        changes.insert("password".to_owned(), digest.into());
    }
    administrators::before_edit(exchange, id, changes).await
}

/// Whether an edit changes an attribute. A password always is another one.
fn differs(exchange: &Exchange<'_>, id: &ResourceId, name: &str, changes: &Map<String, Value>) -> bool {
    name == "password" || stored(exchange, id).get(name) != changes.get(name)
}

/// Whether the administrator of the first start is there and cannot sign in, because nobody has set a password yet.
pub(crate) fn first_admin_has_no_password(api: &Api) -> bool {
    let user = body_of(api, &format!("user/{FIRST_ADMIN}"));
    !user.is_empty() && !user.contains_key("password")
}

pub(crate) fn stored(exchange: &Exchange<'_>, id: &ResourceId) -> Map<String, Value> {
    body_of(exchange.api, id.as_str())
}

fn body_of(api: &Api, id: &str) -> Map<String, Value> {
    let store = &api.store;
    let document = store.get(id);
    let body = document.as_ref().and_then(|document| store.body(document).ok().flatten());
    body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default()
}

/// Whether a user may have mail sent elsewhere from now on. Each change has a mail sent to the address so far, which need
/// not be his: so they are counted like all mails to strangers.
async fn may_move(exchange: &Exchange<'_>, id: &ResourceId, changes: &Map<String, Value>) -> Result<(), ApiError> {
    let user = stored(exchange, id);
    if let (Some(Value::String(old)), Some(Value::String(new))) =
        (user.get("emailAddress"), changes.get("emailAddress"))
        && old != new
    {
        let admit = AdmitMail { source: origin(exchange).source };
        exchange.api.accounts.send(admit).await.map_err(|_| StoreError::Stopping)??;
        exchange.request.extensions_mut().insert(OldAddress(old.clone()));
    }
    Ok(())
}

/// Signs out whose rights have changed, and tells who reads the old address that mail goes elsewhere from now on.
pub(super) async fn after_edit(exchange: &Exchange<'_>, id: &ResourceId) -> Result<(), ApiError> {
    let moved = exchange.request.extensions_mut().remove::<OldAddress>();
    if let Some(OldAddress(address)) = moved {
        let tell = TellOldAddress { username: id.name().to_owned(), address };
        exchange.api.accounts.send(tell).await.map_err(|_| StoreError::Stopping)?;
    }
    if exchange.request.extensions().get::<EndsSessions>().is_some() {
        end_access(exchange, id, false).await?;
    }
    Ok(())
}

/// Signs out who is gone, and ends the keys.
pub(super) async fn after_delete(exchange: &Exchange<'_>, id: &ResourceId) -> Result<(), ApiError> {
    end_access(exchange, id, true).await
}

async fn end_access(exchange: &Exchange<'_>, id: &ResourceId, gone: bool) -> Result<(), ApiError> {
    let end = EndAccess { id: id.clone(), gone };
    Ok(exchange.api.accounts.send(end).await.map_err(|_| StoreError::Stopping)??)
}

/// Sets the password of a user who knows the present one.
pub(super) async fn change_password(
    exchange: &Exchange<'_>,
    id: &ResourceId,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let document = exchange.api.store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
    if !document.acl.can_modify(&exchange.caller) {
        return Err(ApiError::forbidden(id.as_str()));
    }
    let mut sent = sent(exchange, payload).await?;
    let current = take(&mut sent, "current-password")?;
    let Some(new) = take(&mut sent, "new-password")? else {
        let expected = r#"{"current-password": "…", "new-password": "…"}"#;
        return Err(ApiError::bad_request(format!("`new-password` is missing: expected {expected}")));
    };
    nothing_else(&sent)?;
    let session = exchange.caller.session().and_then(|session| ResourceId::parse(session).ok());
    let change = ChangePassword { id: id.clone(), current, new, origin: origin(exchange), session };
    exchange.api.accounts.send(change).await.map_err(|_| StoreError::Stopping)??;
    let done = message(StatusCode::OK, &format!("password for {id} successfully set"), Some(id.as_str()));
    Ok(HttpResponse::Ok().json(done))
}

/// `POST /api/hook/reset-password`: sends the way to a new password, and never tells whether there is such an account.
pub(crate) async fn reset_password(exchange: &Exchange<'_>, payload: Payload) -> Result<HttpResponse, ApiError> {
    if *exchange.request.method() != Method::POST {
        return Err(exchange.invalid_method("POST"));
    }
    let mut sent = sent(exchange, payload).await?;
    let Some(username) = take(&mut sent, "username")? else {
        return Err(ApiError::bad_request(r#"`username` is missing: expected {"username": "…"}"#));
    };
    let page = take(&mut sent, "redirect-url")?;
    nothing_else(&sent)?;
    let base = base(exchange);
    if let Some(page) = &page {
        let below = page.strip_prefix(&base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        if !below || !page.bytes().all(|byte| byte.is_ascii_graphic()) || page.len() > 512 {
            let text = format!("`redirect-url` is no page of this agent: expected one that begins with {base}/");
            return Err(ApiError::bad_request(text));
        }
    }
    let reset = RequestReset { username, page, origin: origin(exchange) };
    let mails = exchange.api.accounts.send(reset).await.map_err(|_| StoreError::Stopping)??;
    // The same for every name, so that nobody learns which ones there are.
    let told = match mails {
        true => "if the account exists, a mail is on its way",
        false => "this agent sends no mail: ask an administrator for a new password",
    };
    Ok(HttpResponse::Ok().json(message(StatusCode::OK, told, None)))
}

/// The JSON object of a request.
async fn sent(exchange: &Exchange<'_>, payload: Payload) -> Result<Map<String, Value>, ApiError> {
    if exchange.content() != Kind::Json {
        return Err(unsupported());
    }
    object(&exchange.bytes(payload, exchange.api.settings.body).await?)
}

/// The text under a name, if there is any.
pub(crate) fn take(sent: &mut Map<String, Value>, name: &str) -> Result<Option<String>, ApiError> {
    match sent.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::bad_request(format!("`{name}` is not a text: expected one in quotes"))),
    }
}

/// Refuses what was not asked for.
pub(crate) fn nothing_else(sent: &Map<String, Value>) -> Result<(), ApiError> {
    sent.keys().next().map_or(Ok(()), |name| {
        let name: String = name.chars().take(60).flat_map(char::escape_debug).collect();
        Err(ApiError::bad_request(format!("`{name}` is not expected here: leave it out")))
    })
}
