//! Who asks, and what he may.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mf2c_actors::leadership::Demand;
use mf2c_actors::resource_store::DeleteResource;
use mf2c_actors::session_manager::{Proof, SignIn};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::Standing;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::session::Place;
use mf2c_store::StoreError;

use crate::caller::{caller_of, is_forwarded};
use crate::cimi::{Api, Exchange};
use crate::error::ApiError;
use crate::front::Peer;
use crate::identification::is_of_a_page;
use crate::{monitor, proxy};

/// The longest `Authorization` header that is read, in bytes.
const LONGEST: usize = 4096;

/// What a request has proved.
pub(super) struct Authority {
    caller: Caller,
    /// The agent whose certificate the connection has shown.
    agent: Option<Arc<SpiffeId>>,
    /// The session that was begun for this request alone.
    session: Option<ResourceId>,
}

/// Finds out who asks: by a name and password in the request itself, else as everywhere.
///
/// # Errors
/// Where name and password are wrong, or too many were.
pub(super) async fn of(request: &HttpRequest, api: &Api) -> Result<Authority, ApiError> {
    let agent = request.conn_data::<Peer>().and_then(|peer| peer.agent.as_ref()?.at(api.world.clock.now()));
    let (caller, session) = match basic(request)? {
        Some((username, password)) => {
            let source = proxy::client(request, &api.settings.trusted_proxies);
            let place = Place { client: source.to_string(), server: None };
            let proof = Proof::Password { username, password };
            let template = "session-template/internal".to_owned();
            let sign_in = SignIn { proof, template, source, place, about: serde_json::Map::new() };
            let begun = api.sessions.send(sign_in).await.map_err(|_| StoreError::Stopping)??;
            let caller = api.tokens.caller(&begun.token, api.world.clock.now());
            (caller.unwrap_or_else(Caller::anonymous), Some(begun.session))
        }
        None => (caller_of(request, api), None),
    };
    monitor::note_caller(request, &caller);
    Ok(Authority { caller, agent, session })
}

/// Name and password of HTTP's basic authentication (RFC 7617); none where there is no such header.
fn basic(request: &HttpRequest) -> Result<Option<(String, String)>, ApiError> {
    let Some(header) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let wrong = || {
        let text = "the header `authorization` cannot be read: expected `Basic` and base64 of NAME:PASSWORD";
        ApiError::new(StatusCode::UNAUTHORIZED, text)
    };
    let (scheme, text) = header
        .to_str()
        .ok()
        .filter(|text| text.len() <= LONGEST)
        .and_then(|text| text.split_once(' '))
        .ok_or_else(wrong)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong());
    }
    let decoded =
        STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
    let (name, password) = decoded.split_once(':').ok_or_else(wrong)?;
    Ok(Some((name.to_owned(), password.to_owned())))
}

impl Authority {
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Ends the session of this request.
    pub(super) async fn end(self, api: &Api) {
        if let Some(id) = self.session {
            let _ = api.writer.send(DeleteResource { id, if_match: None, by: Caller::agent() }).await;
        }
    }

    /// Whoever is signed in, agents of the area, and programs on this machine.
    pub(super) fn may_read(&self, exchange: &Exchange<'_>) -> Result<(), ApiError> {
        let request = exchange.request;
        let near = request.conn_data::<Peer>().is_some_and(|peer| peer.address.ip().to_canonical().is_loopback());
        let program = near && !is_forwarded(request.headers()) && !is_of_a_page(request, &exchange.api.settings.names);
        if self.caller.identity().is_some() || self.agent.is_some() || program {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "this is told to programs on this machine and to whoever is signed in",
        ))
    }

    /// Administrators, and agents of the area.
    pub(super) fn may_change(&self, exchange: &Exchange<'_>) -> Result<(), ApiError> {
        if is_of_a_page(exchange.request, &exchange.api.settings.names) {
            let text = "pages in browsers do not change roles, nor who calls this machine by a name that is not in `tls.names`";
            return Err(ApiError::new(StatusCode::FORBIDDEN, text));
        }
        if self.caller.is_admin() || self.agent.is_some() {
            return Ok(());
        }
        let (status, who) = match self.caller.identity() {
            None => (StatusCode::UNAUTHORIZED, "sign in as one, or show the certificate of one"),
            Some(_) => (StatusCode::FORBIDDEN, "you are none"),
        };
        Err(ApiError::new(status, format!("only administrators of this agent and agents of its area do this: {who}")))
    }

    /// On whose behalf something changes.
    pub(super) fn demand(&self, standing: &Standing) -> Demand {
        match &self.agent {
            Some(agent) if !self.caller.is_admin() => Demand::Peer { id: SpiffeId::clone(agent), term: standing.term },
            _ => Demand::Operator,
        }
    }

    /// Whether this may be said about a device: by an administrator, or by that device itself.
    pub(super) fn speaks_for(&self, device: &str) -> bool {
        self.caller.is_admin() || self.agent.as_ref().is_some_and(|agent| agent.device() == Some(device))
    }
}
