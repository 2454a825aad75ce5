//! `/api`: the CIMI resources.

mod action;
pub(crate) mod body;
mod bulk;
mod collection;
pub(crate) mod elsewhere;
mod entry_point;
mod expand;
pub(crate) mod kept;
pub(crate) mod member;
mod openapi;
pub(crate) mod parts;
mod repeat;
mod route;
mod runnable;
pub(crate) mod strict;
mod view;
mod webhook;
mod writes;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Recipient};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use mf2c_actors::account_manager::AccountManager;
use mf2c_actors::ports::World;
use mf2c_actors::replicator::Propose;
use mf2c_actors::session_manager::SessionManager;
use mf2c_actors::sla_assessor::SlaCounters;
use mf2c_actors::webhook_dispatcher::WebhookCounters;
use mf2c_domain::caller::Caller;
use mf2c_domain::query::{Query, decode_pairs};
use mf2c_store::Store;

use crate::caller::{caller_of, explained};
use crate::certificates::Authorities;
use crate::error::ApiError;
use crate::front::refusal;
use crate::monitor;
use crate::recognizer::Recognizer;
use crate::sla::SlaRules;
pub use entry_point::ensure as ensure_entry_point;
pub(crate) use member::if_match;
pub use openapi::OpenApi;
pub use repeat::Repeats;
pub(crate) use repeat::{REPLAYED, key_text};
use route::Route;
pub(crate) use route::decoded;
pub use writes::Writes;

/// What the facade may do and must not.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Whether `slipstream-authn-info` counts, from loopback.
    pub header_allowed: bool,
    /// The largest body, in bytes.
    pub body: usize,
    /// The largest body of a bulk create, in bytes.
    pub bulk_body: usize,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// The most documents in one answer.
    pub page: usize,
    /// Proxies whose `X-Forwarded-*` headers name the address that clients use.
    pub trusted_proxies: Vec<IpAddr>,
    /// The address under which people reach the agent, where the operator has set one: `https://fog.example.org`.
    pub external_url: Option<String>,
    /// Origins of pages in browsers that may use the API.
    pub cors_origins: Vec<String>,
    /// Whether webhooks may lead to addresses that are not on the public Internet.
    pub private_webhooks: bool,
    /// Host names and addresses of this agent, the best first. Links lead to no other host.
    pub names: Vec<String>,
    /// How agreements are taken.
    pub sla: SlaRules,
}

/// What every handler has at hand.
pub struct Api {
    /// Committed documents, to read.
    pub store: Arc<Store>,
    /// The way to write.
    pub writer: Writes,
    /// The way to accounts, passwords and what waits behind links.
    pub accounts: Addr<AccountManager>,
    /// The way to sign in and out.
    pub sessions: Addr<SessionManager>,
    /// The way to certificates; none where the agent has nothing to do with them.
    pub authorities: Option<Authorities>,
    /// The way to documents of other agents; none where the agent takes part in no area.
    pub elsewhere: Option<Recipient<Propose>>,
    /// What the tokens of sessions are recognized by.
    pub tokens: Recognizer,
    /// Held while an administrator's account is changed or deleted, so that no two take the rights of each other.
    pub resigning: Arc<tokio::sync::Mutex<()>>,
    /// Time and randomness.
    pub world: World,
    /// What has become of deliveries to webhooks.
    pub webhooks: Arc<WebhookCounters>,
    /// What has become of the reports that agreements are about.
    pub sla: Arc<SlaCounters>,
    /// Bounds and permissions.
    pub settings: ApiSettings,
    /// The description of the API.
    pub openapi: OpenApi,
    /// The idempotency keys that were used.
    pub repeats: Repeats,
}

/// One request with what is known about it.
pub(crate) struct Exchange<'a> {
    pub(crate) api: &'a Api,
    pub(crate) request: &'a HttpRequest,
    pub(crate) caller: Caller,
}

impl Exchange<'_> {
    pub(crate) fn query(&self) -> Result<Query, ApiError> {
        match self.request.query_string() {
            "" => Ok(Query::everything()),
            raw => Ok(Query::from_pairs(&decode_pairs(raw)?)?),
        }
    }

    /// The address by which the client reached us: `https://host:port/api/`.
    pub(crate) fn base_uri(&self) -> String {
        entry_point::base_uri(self)
    }

    pub(crate) fn invalid_method(&self, allow: &'static str) -> ApiError {
        ApiError::invalid_method(self.request.method().as_str(), self.request.path(), allow)
    }
}

/// Adds the CIMI resources to an application. Everything that no other service takes comes here.
pub fn configure(config: &mut ServiceConfig, api: &Data<Api>) {
    config.app_data(Data::clone(api)).default_service(web::to(dispatch));
}

async fn dispatch(request: HttpRequest, payload: Payload, api: Data<Api>) -> HttpResponse {
    let caller = caller_of(&request, &api);
    monitor::note_caller(&request, &caller);
    let exchange = Exchange { api: &api, request: &request, caller };
    let answered = answer(&exchange, payload).await;
    let mut response =
        answered.unwrap_or_else(|error| explained(error, &request, &api, &exchange.caller).into_response());
    // Nearly every answer depends on who asks: what stands between may keep none for somebody else, and no browser may
    // take what a user has written for a page.
    let headers = response.headers_mut();
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn answer(exchange: &Exchange<'_>, payload: Payload) -> Result<HttpResponse, ApiError> {
    let request = exchange.request;
    let path = route::decoded(request.path())?;
    match Route::of(&path) {
        Route::Root => Ok(to_entry_point()),
        Route::EntryPoint => entry_point::answer(exchange, payload).await,
        Route::OpenApi => openapi::answer(exchange).await,
        Route::Collection(spec) => collection::answer(exchange, spec, payload).await,
        Route::Member(spec, name) => member::answer(exchange, spec, name, payload).await,
        Route::Action(spec, name, action) => action::answer(exchange, spec, name, action, payload).await,
        Route::ResetPassword => crate::people::users::reset_password(exchange, payload).await,
        Route::UnknownType => Err(exchange.invalid_method("")),
        Route::Refused(token) => {
            let (status, sentence) = refusal::describe(token);
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            Err(ApiError::new(status, sentence))
        }
        Route::Unknown => Err(ApiError::unknown_resource(request.path())),
    }
}

fn to_entry_point() -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, "/api/cloud-entry-point")).finish()
}
