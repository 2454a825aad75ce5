//! One request: who asks, and what is at hand to answer him.

use std::net::IpAddr;

use actix_web::HttpRequest;
use mf2c_domain::caller::Caller;
use mf2c_domain::people::account::Account;
use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value};

use super::DeterDoor;
use super::fault::{Code, Fault};
use crate::certificates::{self, Unfit};
use crate::cimi::{Api, Exchange};
use crate::error::ApiError;
use crate::front::Peer;
use crate::people::links;
use crate::proxy;

/// The longest text that stands before a number in a mail or a message, in bytes.
const LONGEST_PREFIX: usize = 512;

/// A request of which the operation is known.
pub(super) struct Call<'a> {
    /// The request, and who is signed in; nobody where nobody is.
    pub(super) exchange: Exchange<'a>,
    pub(super) door: &'a DeterDoor,
    login: Login,
    /// Whom the certificate names, and the identifier of its key.
    shown: Option<(String, String)>,
    /// What the certificate is worth at the API, whoever is signed in here with it.
    proved: Option<Caller>,
}

/// What the connection's certificate is worth here.
enum Login {
    /// None was shown.
    Absent,
    /// Nobody is signed in with its key.
    Unbound,
    /// Somebody is whose account waits for its e-mail.
    Unconfirmed(String),
    /// Somebody is signed in.
    Bound,
}

impl<'a> Call<'a> {
    pub(super) fn new(request: &'a HttpRequest, api: &'a Api, door: &'a DeterDoor) -> Self {
        let bearer = request.conn_data::<Peer>().and_then(|peer| peer.user.as_ref());
        let shown = bearer.map(|bearer| bearer.shown()).map(|(name, key)| (name.to_owned(), key.to_owned()));
        let verdict = certificates::bearer(request, api);
        let proved = verdict.as_ref().and_then(|verdict| verdict.as_ref().ok()).cloned();
        let login = match (&verdict, &shown) {
            (Some(verdict), Some((name, key))) => login(api, verdict, name, key),
            _ => Login::Absent,
        };
        let caller = match (&login, &proved) {
            (Login::Bound, Some(caller)) => caller.clone(),
            _ => Caller::anonymous(),
        };
        Self { exchange: Exchange { api, request, caller }, door, login, shown, proved }
    }

    /// Whether the client has shown a certificate of a user.
    pub(super) fn has_certificate(&self) -> bool {
        self.shown.is_some()
    }

    /// The identifier of the key that somebody is signed in with: SHA-1 of its bits, in hexadecimal.
    pub(super) fn key(&self) -> Option<&str> {
        let is_signed_in = matches!(self.login, Login::Bound | Login::Unconfirmed(_));
        self.shown.as_ref().filter(|_| is_signed_in).map(|(_, key)| key.as_str())
    }

    /// The identifier of the key of a certificate that proves at the API to be of this user, and until when.
    pub(super) fn proof_of(&self, user: &str) -> Option<(&str, &Caller)> {
        let caller = self.proved.as_ref().filter(|caller| caller.identity() == Some(user))?;
        Some((&self.shown.as_ref()?.1, caller))
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// The original's two: no certificate at all, and none that somebody is signed in with. Access is denied to who
    /// has made an account and not shown yet that he reads its mail.
    pub(super) fn user(&self) -> Result<&str, Fault> {
        match &self.login {
            Login::Unconfirmed(_) => {
                let text = "Access denied: the account waits for its e-mail, set a password with the number in it";
                Err(Fault::new(Code::Access, text))
            }
            _ => self.anybody(),
        }
    }

    /// Who is signed in, also where his account waits for its e-mail.
    ///
    /// # Errors
    /// See [`Call::user`].
    pub(super) fn anybody(&self) -> Result<&str, Fault> {
        match &self.login {
            Login::Absent => Err(Fault::request("No client certificate and one is required")),
            Login::Unconfirmed(name) => Ok(name),
            Login::Unbound => Err(Fault::login()),
            Login::Bound => self.exchange.caller.identity().ok_or_else(Fault::login),
        }
    }

    /// For whom an operation is done that names its user: who is signed in, or whom an administrator names.
    ///
    /// # Errors
    /// Those of [`Call::user`], and access denied to who names somebody else.
    pub(super) fn acting(&self, named: Option<&str>) -> Result<String, Fault> {
        self.instead_of(self.user()?, named)
    }

    /// The same, also for who waits for his e-mail.
    ///
    /// # Errors
    /// See [`Call::acting`].
    pub(super) fn acting_at_all(&self, named: Option<&str>) -> Result<String, Fault> {
        self.instead_of(self.anybody()?, named)
    }

    fn instead_of(&self, user: &str, named: Option<&str>) -> Result<String, Fault> {
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

    /// The client's address.
    pub(super) fn source(&self) -> IpAddr {
        proxy::client(self.exchange.request, &self.exchange.api.settings.trusted_proxies)
    }

    /// A whole number of 63 bits that nobody can guess.
    pub(super) fn random(&self) -> i64 {
        let mut bytes = [0; 8];
        self.exchange.api.world.entropy.fill(&mut bytes);
        i64::from_le_bytes(bytes) & i64::MAX
    }

    /// What stands before a number in a mail or a message: the address of a page. Whoever reads it must not be led to
    /// a stranger, who would learn the number; so it is a page of this agent, or one that the operator has named.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn prefix<'p>(&self, prefix: Option<&'p str>) -> Result<&'p str, Fault> {
        let prefix = prefix.unwrap_or_default();
        let own = links::base(&self.exchange);
        let known = self.door.settings.url_prefixes.iter().any(|known| prefix.starts_with(known.as_str()))
            || prefix.strip_prefix(&own).is_some_and(|rest| rest.starts_with(['/', '?']));
        let plain = prefix.len() <= LONGEST_PREFIX && prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if prefix.is_empty() || (known && plain) {
            return Ok(prefix);
        }
        Err(Fault::request(format!(
            "urlPrefix is no address that is known here: expected one that begins with {own}/ or with an entry of \
             `deter.url_prefixes`, or none"
        )))
    }

    /// The account of a user who may sign in, or is to prove his address yet; none where there is none.
    pub(super) fn account(&self, name: &str) -> Option<Account> {
        account(self.exchange.api, name)
    }
}

fn login(api: &Api, verdict: &Result<Caller, Unfit>, name: &str, key: &str) -> Login {
    let Some(session) = body(api, &format!("testbed-session/{key}")) else { return Login::Unbound };
    let text = |name: &str| session.get(name).and_then(Value::as_str);
    let until = text("until").and_then(Timestamp::parse).unwrap_or_default();
    if text("user") != Some(name) || until <= api.world.clock.now() {
        return Login::Unbound;
    }
    let is_unconfirmed = session.get("unconfirmed").and_then(Value::as_bool) == Some(true);
    match verdict {
        Ok(_) if !is_unconfirmed => Login::Bound,
        // At the API such an account is worth nothing.
        Err(Unfit::Barred) if is_unconfirmed && account(api, name).is_some_and(|user| user.state == "NEW") => {
            Login::Unconfirmed(name.to_owned())
        }
        _ => Login::Unbound,
    }
}

fn account(api: &Api, name: &str) -> Option<Account> {
    let document = api.store.get(&format!("user/{name}"))?;
    Account::read(&api.store.body(&document).ok()??)
}

fn body(api: &Api, id: &str) -> Option<Map<String, Value>> {
    let document = api.store.get(id)?;
    serde_json::from_slice(&api.store.body(&document).ok()??).ok()
}

impl From<mf2c_actors::account_manager::AccountError> for Fault {
    fn from(error: mf2c_actors::account_manager::AccountError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<mf2c_actors::session_manager::SignInError> for Fault {
    fn from(error: mf2c_actors::session_manager::SignInError) -> Self {
        ApiError::from(error).into()
    }
}
