//! Certificates as the API knows them: a login, and actions that make and end them.

mod bearer;
#[cfg(test)]
mod bearer_tests;
mod pages;

use actix::Recipient;
use actix_web::HttpRequest;
use mf2c_actors::ca_client::CertifyUser;
use mf2c_actors::certificate_authority::Revoke;
use mf2c_domain::caller::Caller;

use crate::cimi::Api;
use crate::front::Peer;
pub use bearer::{Bearer, Unfit};

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
