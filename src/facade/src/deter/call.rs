//! One request: who asks, and what is at hand to answer him.

use actix_web::HttpRequest;
use mf2c_domain::caller::Caller;
use mf2c_domain::time::Timestamp;

use super::DeterDoor;
use super::fault::{Code, Fault};
use crate::certificates;
use crate::cimi::{Api, Exchange};
use crate::front::Peer;

/// A request of which the operation is known.
pub(super) struct Call<'a> {
    /// The request, and who is signed in; nobody where nobody is.
    pub(super) exchange: Exchange<'a>,
    pub(super) door: &'a DeterDoor,
    login: Login,
    /// The identifier of the certificate's key.
    key: Option<String>,
}

/// What the connection's certificate is worth here.
enum Login {
    /// None was shown.
    Absent,
    /// Nobody is signed in with its key.
    Unbound,
    /// Somebody is signed in.
    Bound,
}

impl<'a> Call<'a> {
    pub(super) fn new(request: &'a HttpRequest, api: &'a Api, door: &'a DeterDoor) -> Self {
        let (caller, login) = match certificates::bearer(request, api) {
            None => (Caller::anonymous(), Login::Absent),
            Some(Err(_)) => (Caller::anonymous(), Login::Unbound),
            Some(Ok(caller)) => (caller, Login::Bound),
        };
        let shown = request.conn_data::<Peer>().and_then(|peer| peer.user.as_ref());
        let key = shown.map(|bearer| bearer.shown().1.to_owned());
        Self { exchange: Exchange { api, request, caller }, door, login, key }
    }

    /// The identifier of the key that the client has shown to have: SHA-1 of its bits, in hexadecimal.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// The original's two: no certificate at all, and none that somebody is signed in with.
    pub(super) fn user(&self) -> Result<&str, Fault> {
        match self.login {
            Login::Absent => Err(Fault::request("No client certificate and one is required")),
            Login::Unbound => Err(Fault::new(Code::Login, "Not logged in")),
            Login::Bound => self.exchange.caller.identity().ok_or_else(|| Fault::new(Code::Login, "Not logged in")),
        }
    }

    /// For whom an operation is done that names its user: who is signed in, or whom an administrator names.
    ///
    /// # Errors
    /// Those of [`Call::user`], and access denied to who names somebody else.
    pub(super) fn acting(&self, named: Option<&str>) -> Result<String, Fault> {
        let user = self.user()?;
        match named.filter(|named| !named.is_empty()) {
            Some(named) if named != user && !self.is_admin() => Err(Fault::access()),
            named => Ok(named.unwrap_or(user).to_owned()),
        }
    }

    /// Refuses whoever is no administrator.
    ///
    /// # Errors
    /// Those of [`Call::user`], and access denied.
    pub(super) fn administrator(&self) -> Result<&str, Fault> {
        let user = self.user()?;
        if self.is_admin() { Ok(user) } else { Err(Fault::access()) }
    }

    /// Whether an administrator is signed in.
    pub(super) fn is_admin(&self) -> bool {
        self.exchange.caller.is_admin()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.exchange.api.world.clock.now()
    }
}
