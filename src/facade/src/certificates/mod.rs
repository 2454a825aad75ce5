//! Certificates as the API knows them: actions that make and end them.

use actix::Recipient;
use mf2c_actors::ca_client::CertifyUser;
use mf2c_actors::certificate_authority::Revoke;

/// The way to those who make and end certificates.
pub struct Authorities {
    /// To the area's authority, where it is here; it refuses where it is not.
    pub revoke: Recipient<Revoke>,
    /// To the agent's own client of its authority.
    pub certify: Recipient<CertifyUser>,
}
