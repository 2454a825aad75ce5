//! Certificates as the API knows them: a login, and actions that make and end them.

mod actions;
mod bearer;
#[cfg(test)]
mod bearer_tests;
mod pages;

use actix::Recipient;
use actix_web::HttpRequest;
use mf2c_actors::ca_client::CertifyUser;
use mf2c_actors::certificate_authority::Revoke;
use mf2c_domain::caller::Caller;

use crate::cimi::{Api, Exchange};
use crate::error::ApiError;
use crate::front::Peer;
pub(crate) use actions::end;
use actix_web::HttpResponse;
use actix_web::web::Payload;
pub use bearer::{Bearer, Unfit};
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{Action, TypeSpec};
pub(crate) use pages::is_foreign_to;

/// The way to those who make and end certificates.
pub struct Authorities {
    /// To the area's authority, where it is here; it refuses where it is not.
    pub revoke: Recipient<Revoke>,
    /// To the agent's own client of its authority.
    pub certify: Recipient<CertifyUser>,
}

/// Who has shown a client certificate with the connection of a request; none where nobody has.
pub(crate) fn bearer(request: &HttpRequest, api: &Api) -> Option<Result<Caller, Unfit>> {
    let bearer = request.conn_data::<Peer>()?.user.as_ref()?;
    if pages::is_foreign(request, &api.settings.cors_origins) {
        return Some(Err(Unfit::ForeignPage));
    }
    Some(bearer.caller(&api.store, api.world.clock.now()))
}

/// Whether an action is answered here.
pub(crate) fn acts(spec: &TypeSpec, action: &Action) -> bool {
    [("certificate", "revoke"), ("user", "certify")].contains(&(spec.name, action.name))
}

/// Answers an action on a member that is there.
pub(crate) async fn act(
    exchange: &Exchange<'_>,
    id: &ResourceId,
    action: &Action,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    match action.name {
        "revoke" => actions::revoke(exchange, id, action, payload).await,
        _ => actions::certify(exchange, id, payload).await,
    }
}
