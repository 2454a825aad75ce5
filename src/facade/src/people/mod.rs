//! People and programs: accounts, sign-in, keys, and the links that they follow. The rules are elsewhere; here a request
//! becomes a message to an actor, and what comes back an answer.

use actix_web::HttpResponse;
use actix_web::web::Payload;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{Action, TypeSpec};
use serde_json::{Map, Value};

use crate::cimi::Exchange;
use crate::error::ApiError;

/// Answers a request for a new member of a type that is asked for by a form.
pub(crate) async fn ask(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    _payload: Payload,
) -> Result<HttpResponse, ApiError> {
    Err(exchange.invalid_method(if spec.verbs.add { "GET, HEAD, PUT, POST" } else { "GET, HEAD, PUT" }))
}

/// Answers a request for an action on a member that is there.
pub(crate) async fn act(
    exchange: &Exchange<'_>,
    _spec: &'static TypeSpec,
    _id: &ResourceId,
    _action: &'static Action,
    _payload: Payload,
) -> Result<HttpResponse, ApiError> {
    Err(exchange.invalid_method(""))
}

/// Turns what a client sends into what is stored, before the edit of a member: a password into its digest.
pub(crate) async fn before_edit(
    _exchange: &Exchange<'_>,
    _spec: &'static TypeSpec,
    _id: &ResourceId,
    _changes: &mut Map<String, Value>,
) -> Result<(), ApiError> {
    Ok(())
}

/// Does what follows from an edit: who may not sign in any more is signed out.
pub(crate) async fn after_edit(
    _exchange: &Exchange<'_>,
    _spec: &'static TypeSpec,
    _id: &ResourceId,
) -> Result<(), ApiError> {
    Ok(())
}

/// Does what follows from a deletion: a user's sessions and keys go too.
pub(crate) async fn after_delete(_exchange: &Exchange<'_>, _id: &ResourceId) -> Result<(), ApiError> {
    Ok(())
}
