//! `/api/credential`: keys for programs (`spec/cimi.md` 9.8), what services need and nobody else may see, and keys for machines.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use mf2c_actors::session_manager::{EndSessionsOfKey, IssueKey, KeepSshKey, StoreCredential};
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::keyring::{GENERATE_SSH_KEY, STORE_SSH_KEY};
use mf2c_domain::people::stored::{Stored, check_edit};
use mf2c_domain::resource::{Asked, Form, SchemaError, TypeSpec};
use mf2c_store::StoreError;
use serde_json::{Map, Value};

use super::{sessions, users};
use crate::cimi::Exchange;
use crate::error::{ApiError, message};

/// The type of the templates by which keys are made.
const TEMPLATE: &str = "credential-template";

/// The largest form, in bytes: a secret of 64 KiB with all its escapes.
const LARGEST_FORM: usize = 512 << 10;

/// Makes a key for the caller, 201 with the secret, which nobody will see again; or stores what he brings, 201 without
/// it.
pub(super) async fn ask(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    form: &'static Form,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    // Strangers store nothing: what they send need not be long to be refused.
    let may = spec.collection_acl.can_modify(&exchange.caller);
    let largest = if may { LARGEST_FORM } else { sessions::LARGEST_FORM };
    let body = sessions::read_within(exchange, form, payload, largest).await?;
    let Asked { href, filled, about } = spec.read_form(form, body)?;
    // In the original's order: what is wrong with the form comes before who asks.
    let template = exchange.api.store.get(&href).filter(|found| found.id.kind() == TEMPLATE);
    let template =
        template.ok_or_else(|| ApiError::bad_request(format!("requested href not found: {href}")).about(&href))?;
    if !template.acl.can_view(&exchange.caller) {
        return Err(ApiError::bad_request(format!("requested href cannot be accessed: {href}")).about(href));
    }
    if !may {
        return Err(ApiError::forbidden(spec.name));
    }
    // The templates come with the program, and are called as their methods.
    let (sessions, by) = (&exchange.api.sessions, exchange.caller.clone());
    match (template.id.name(), Stored::by_method(template.id.name())) {
        (_, Some(kind)) => {
            kind.check_new(&filled)?;
            let store = StoreCredential { by, kind, filled, about };
            let id = sessions.send(store).await.map_err(|_| StoreError::Stopping)??;
            Ok(created(&id, vec![]))
        }
        (method @ (STORE_SSH_KEY | GENERATE_SSH_KEY), None) => ssh_key(exchange, method, filled, about).await,
        _ => {
            let ttl = ttl_alone(&filled)?;
            let issued = sessions.send(IssueKey { by, ttl, about }).await.map_err(|_| StoreError::Stopping)??;
            Ok(created(&issued.id, vec![("secretKey", issued.secret)]))
        }
    }
}

/// Keeps a public key, or makes a pair; the answer holds the private key of a new pair.
async fn ssh_key(
    exchange: &Exchange<'_>,
    method: &str,
    mut filled: Map<String, Value>,
    mut about: Map<String, Value>,
) -> Result<HttpResponse, ApiError> {
    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    let public_key = if method == STORE_SSH_KEY { text(filled.remove("publicKey")) } else { None };
    if let Some(other) = filled.keys().next() {
        let fault = format!("`credentialTemplate.{other}` is not an attribute of the template {method}");
        return Err(SchemaError::new(fault).into());
    }
    if method == STORE_SSH_KEY && public_key.is_none() {
        let fault = "`credentialTemplate.publicKey` is missing: expected a line as OpenSSH writes it, or PEM";
        return Err(SchemaError::new(fault.to_owned()).into());
    }
    let (by, name) = (exchange.caller.clone(), text(about.remove("name")));
    let kept = exchange.api.sessions.send(KeepSshKey { by, name, public_key, about }).await;
    let kept = kept.map_err(|_| StoreError::Stopping)??;
    let shown = [("publicKey", kept.public_key), ("fingerprint", kept.fingerprint)].into_iter();
    Ok(created(&kept.id, shown.chain(kept.private_pem.map(|pem| ("privateKey", pem))).collect()))
}

/// How long a key shall hold, in seconds; 0 where nothing is said.
fn ttl_alone(filled: &Map<String, Value>) -> Result<u64, SchemaError> {
    match filled.keys().find(|name| *name != "ttl") {
        Some(other) => {
            Err(SchemaError::new(format!("`credentialTemplate.{other}` is not an attribute of this template")))
        }
        None => Ok(filled.get("ttl").and_then(Value::as_u64).unwrap_or(0)),
    }
}

/// 201 with the id, and with what is shown of a new key, some of it only now.
fn created(id: &ResourceId, shown: Vec<(&str, String)>) -> HttpResponse {
    let mut answer = message(StatusCode::CREATED, &format!("{id} created"), Some(id.as_str()));
    answer.extend(shown.into_iter().map(|(name, text)| (name.to_owned(), text.into())));
    HttpResponse::Created()
        .insert_header((header::LOCATION, id.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(answer)
}

/// No client says what a secret is checked against, not even an administrator. And nobody else says who sees a key:
/// whoever made one with a stolen session could hide it from its user, who could not revoke it.
///
/// # Errors
/// 400 for a secret that is too long.
pub(super) fn before_edit(
    exchange: &Exchange<'_>,
    id: &ResourceId,
    changes: &mut Map<String, Value>,
) -> Result<(), ApiError> {
    for name in ["digest", "type", "method"] {
        changes.remove(name);
    }
    if !exchange.caller.is_admin() {
        changes.remove("acl");
    }
    let stored = users::stored(exchange, id);
    let kind = stored.get("type").and_then(Value::as_str).unwrap_or_default();
    Ok(check_edit(kind, changes)?)
}

/// Whoever signed in with a key that is gone is signed out.
pub(super) async fn after_delete(exchange: &Exchange<'_>, id: &ResourceId) -> Result<(), ApiError> {
    exchange.api.sessions.send(EndSessionsOfKey { key: id.clone() }).await.map_err(|_| StoreError::Stopping)??;
    Ok(())
}
