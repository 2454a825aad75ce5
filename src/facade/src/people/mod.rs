//! People and programs: accounts, sign-in, keys, and the links that they follow. The rules are elsewhere; here a request
//! becomes a message to an actor, and what comes back an answer.

mod administrators;
pub(crate) mod callbacks;
mod credentials;
mod holdings;
mod jwt;
pub(crate) mod links;
mod redirect;
mod sessions;
pub(crate) mod templates;
pub(crate) mod users;

use actix_web::HttpResponse;
use actix_web::web::Payload;
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::Query;
use mf2c_domain::resource::{Action, Form, TypeSpec};
use mf2c_store::Found;
use serde_json::{Map, Value};

use crate::cimi::Exchange;
use crate::error::ApiError;
use administrators::Resigning;

/// Answers a request for a new member of a type that is asked for by a form.
pub(crate) async fn ask(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    form: &'static Form,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    match spec.name {
        "session" => return sessions::ask(exchange, spec, form, payload).await,
        "user" => return users::ask(exchange, form, payload).await,
        "credential" => return credentials::ask(exchange, spec, form, payload).await,
        _ => {}
    }
    Err(exchange.invalid_method(if spec.verbs.add { "GET, HEAD, PUT, POST" } else { "GET, HEAD, PUT" }))
}

/// Answers a request for an action on a member that is there.
pub(crate) async fn act(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    id: &ResourceId,
    action: &'static Action,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    match (spec.name, action.name) {
        ("session", _) => Err(sessions::validate(id)),
        ("user", "change-password") => users::change_password(exchange, id, payload).await,
        ("callback", "execute") => callbacks::execute(exchange, id, payload).await,
        ("email", "validate") => callbacks::validate_email(exchange, id).await,
        (_, "describe") => templates::describe(exchange, id),
        _ => Err(exchange.invalid_method("")),
    }
}

/// Turns what a client sends into what is stored, before the edit of a member: a password into its digest. What it
/// gives back is held until the edit is done.
pub(crate) async fn before_edit(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    id: &ResourceId,
    changes: &mut Map<String, Value>,
) -> Result<Option<Resigning>, ApiError> {
    if spec.name == "credential" {
        credentials::before_edit(exchange, id, changes)?;
    }
    if spec.name == "user" {
        return users::before_edit(exchange, id, changes).await;
    }
    Ok(None)
}

/// Whether an attribute may be taken away from a member: without its parts a credential is none.
pub(crate) fn may_remove(spec: &TypeSpec, name: &str) -> bool {
    spec.name != "credential" || !mf2c_domain::people::stored::stays(name)
}

/// Refuses a deletion that would leave nobody who administers the agent, or something that nobody owns.
pub(crate) async fn before_delete(exchange: &Exchange<'_>, id: &ResourceId) -> Result<Option<Resigning>, ApiError> {
    if id.kind() != "user" {
        return Ok(None);
    }
    let held = administrators::before_delete(exchange, id).await?;
    holdings::before_delete(exchange, id)?;
    Ok(held)
}

/// Does what follows from an edit: who may not sign in any more is signed out.
pub(crate) async fn after_edit(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    id: &ResourceId,
) -> Result<(), ApiError> {
    if spec.name == "user" {
        users::after_edit(exchange, id).await?;
    }
    Ok(())
}

/// Does what follows from a deletion: a user's sessions and keys go too.
pub(crate) async fn after_delete(exchange: &Exchange<'_>, id: &ResourceId) -> Result<(), ApiError> {
    if id.kind() == "credential" {
        credentials::after_delete(exchange, id).await?;
    }
    if id.kind() == "user" {
        users::after_delete(exchange, id).await?;
    }
    Ok(())
}

/// The `Set-Cookie` of an answer that tells of a deletion: the cookie of a session goes with it.
pub(crate) fn farewell(exchange: &Exchange<'_>, id: &ResourceId) -> Option<String> {
    if id.kind() == "session" { sessions::farewell(exchange, id) } else { None }
}

/// What a list shows, where that does not depend on what is asked for.
pub(crate) fn own(exchange: &Exchange<'_>, spec: &TypeSpec, query: &Query) -> Option<Found> {
    (spec.name == "session").then(|| sessions::own(exchange, query))
}
