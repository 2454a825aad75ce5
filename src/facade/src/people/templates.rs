//! The templates: what can be filled in, and which ones may be added (`spec/cimi.md` 9.3).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::keyring;
use mf2c_domain::people::stored::{self, Stored};
use mf2c_domain::resource::kind::{Field, Kind};
use mf2c_domain::resource::types::people::{session_template, user_template};
use mf2c_domain::resource::{self, TypeSpec};
use mf2c_store::StoreError;
use serde_json::{Map, Value, json};

use crate::cimi::Exchange;
use crate::error::ApiError;

/// Makes a key.
const KEY_METHOD: &str = "generate-api-key";
/// What the methods ask for. Methods that are not named ask for all that their form has.
const ASKED: [(&str, &[&str]); 10] = [
    ("self-registration", &["username", "emailAddress", "password", "passwordRepeat", "redirectURI"]),
    ("internal", &["username", "password", "redirectURI"]),
    ("api-key", &["key", "secret", "redirectURI"]),
    ("jwt", &["token", "redirectURI"]),
    (KEY_METHOD, &["ttl"]),
    (stored::STORE_SECRET, Stored::Secret.attributes()),
    (stored::STORE_REGISTRY, Stored::Registry.attributes()),
    (keyring::STORE_LOGIN, Stored::Login.attributes()),
    (keyring::STORE_SSH_KEY, &["publicKey"]),
    (keyring::GENERATE_SSH_KEY, &[]),
];

/// What may always be left out.
const NEVER_NEEDED: [&str; 2] = ["redirectURI", "ttl"];
/// Attributes that forms must not show while they are filled in.
const UNSHOWN: [&str; 4] = ["password", "passwordRepeat", "secret", "token"];

/// Tells what can be filled in, to whoever may see the template.
pub(super) fn describe(exchange: &Exchange<'_>, id: &ResourceId) -> Result<HttpResponse, ApiError> {
    let store = &exchange.api.store;
    let missing = || ApiError::not_found(id.as_str());
    let document = store.get(id.as_str()).ok_or_else(missing)?;
    if !document.acl.can_view(&exchange.caller) {
        return Err(ApiError::forbidden(id.as_str()));
    }
    let body = store.body(&document)?.ok_or_else(missing)?;
    let template: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    let method = template.get("method").and_then(Value::as_str).unwrap_or_default();
    let asked = ASKED.iter().find(|(name, _)| *name == method).map(|(_, asked)| *asked);
    let form = resource::all().iter().filter_map(|spec| spec.form).find(|form| form.template == id.kind());
    let fields = form.map(|form| form.fields).unwrap_or_default();
    let fields = fields.iter().filter(|field| asked.is_none_or(|asked| asked.contains(&field.name)));
    let described = fields.zip(0u32..).map(|(field, order)| (field.name.to_owned(), described(field, asked, order)));
    Ok(HttpResponse::Ok().json(Map::from_iter(described)))
}

/// One parameter, in the words of the original.
fn described(field: &Field, asked: Option<&[&str]>, order: u32) -> Value {
    let kind = match field.kind {
        Kind::Nat | Kind::Pos | Kind::Port => "integer",
        Kind::Bool => "boolean",
        Kind::List(_) => "list",
        _ => "string",
    };
    json!({
        "displayName": field.name,
        "description": field.about,
        "type": kind,
        "mandatory": !NEVER_NEEDED.contains(&field.name) && (field.required || asked.is_some()),
        "readOnly": false,
        "sensitive": UNSHOWN.contains(&field.name),
        "order": order * 10,
    })
}

/// Refuses templates of methods that nothing here carries out.
pub(crate) fn before_add(spec: &TypeSpec, body: &Map<String, Value>) -> Result<(), ApiError> {
    let (what, known) = match spec.name {
        "user-template" => ("registration", user_template::METHODS),
        "session-template" => ("authentication", session_template::METHODS),
        _ => return Ok(()),
    };
    match body.get("method").and_then(Value::as_str) {
        Some(method) if !known.contains(&method) => {
            let method: String = method.chars().take(60).flat_map(char::escape_debug).collect();
            Err(ApiError::bad_request(format!("invalid {what} method '{method}'")))
        }
        _ => Ok(()),
    }
}

/// Says of a template that is there already that nothing is left to do.
pub(crate) fn refused(spec: &TypeSpec, error: StoreError) -> ApiError {
    match error {
        StoreError::Conflict { id } if matches!(spec.name, "user-template" | "session-template") => {
            let text = format!("conflict with {id}: the template is there already, nothing is left to do");
            ApiError::new(StatusCode::CONFLICT, text).about(id.as_str())
        }
        error => error.into(),
    }
}
