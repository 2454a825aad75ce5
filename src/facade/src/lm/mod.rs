//! The original's lifecycle endpoints (`spec/lifecycle.md` A.2) with what they lacked, and its recommender (C.2): below `/lm` and
//! `/mf2c` at the address of the API, and at listeners of their own.
//!
//! They ask the lifecycle manager, for the same callers and by the same access lists as CIMI. In the original nobody was asked who
//! he is, and most failures had the status 500, or 200.

mod about;
mod devices;
mod inside;
mod instances;
mod launch;
mod logs;
mod notes;
mod optimal;
mod page;
mod refusal;
mod route;

use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Addr, Handler, Message};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_actors::lifecycle_manager::{LifecycleManager, WorkError};
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::decode_pairs;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, watch};

use crate::caller::{caller_of, explained};
use crate::cimi::{Api, Exchange, body, parts};
use crate::error::ApiError;
use crate::monitor;
pub(crate) use about::verdict;
pub(crate) use launch::launch;
pub(crate) use refusal::LmError;
use route::{At, Route};

/// The way to the lifecycle manager; none while it is built anew.
pub type Manager = Arc<dyn Fn() -> Option<Addr<LifecycleManager>> + Send + Sync>;

/// What is said while there is no lifecycle manager.
const ABSENT: &str = "there is no lifecycle manager: it starts or stops, or `services.enabled` is off; ask again later";
/// So many logs are followed at a time.
const MOST_FOLLOWERS: usize = 256;

/// What the endpoints tell of the agent.
#[derive(Debug, Clone)]
pub struct LmFacts {
    /// The version of the program.
    pub version: &'static str,
    /// The address of the API, for who asks at a listener that has only these endpoints: `https://127.0.0.1:8443`.
    pub api: String,
    /// Whose device this is, where the operator has said it.
    pub user: Option<String>,
}

/// One place where the endpoints are.
#[derive(Clone)]
pub struct LmDoor {
    at: At,
    manager: Manager,
    facts: Arc<LmFacts>,
    /// Turns true when the agent stops.
    closed: Arc<watch::Sender<bool>>,
    followers: Arc<Semaphore>,
}

impl LmDoor {
    /// Below `/lm` and `/mf2c`, for the address of the API.
    #[must_use]
    pub fn below(manager: Manager, facts: LmFacts) -> Self {
        let closed = Arc::new(watch::Sender::new(false));
        let followers = Arc::new(Semaphore::new(MOST_FOLLOWERS));
        Self { at: At::Below, manager, facts: Arc::new(facts), closed, followers }
    }

    /// The lifecycle endpoints below `/api/v2`, for a listener of their own.
    #[must_use]
    pub fn at_root(&self) -> Self {
        Self { at: At::Alone, ..self.clone() }
    }

    /// The recommender below `/mf2c`, for a listener of its own.
    #[must_use]
    pub fn recommender(&self) -> Self {
        Self { at: At::Recommender, ..self.clone() }
    }

    /// Ends the logs that are followed, so that the server can stop.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// Adds the endpoints to an application that has others.
pub fn configure(services: &mut ServiceConfig, door: &Data<LmDoor>) {
    services.app_data(Data::clone(door));
    for path in ["/lm", "/lm.html", "/lm/{tail:.*}", "/mf2c/{tail:.*}"] {
        services.service(web::resource(path).to(answer));
    }
}

/// Adds the endpoints to an application that has nothing else.
pub fn configure_root(services: &mut ServiceConfig, door: &Data<LmDoor>, api: &Data<Api>) {
    services.app_data(Data::clone(door)).app_data(Data::clone(api)).default_service(web::to(answer));
}

async fn answer(request: HttpRequest, payload: Payload, api: Data<Api>, door: Data<LmDoor>) -> HttpResponse {
    let caller = caller_of(&request, &api);
    monitor::note_caller(&request, &caller);
    let exchange = Exchange { api: &api, request: &request, caller };
    let call = Call { exchange: &exchange, door: &door };
    let mut answer = match call.answer(payload).await {
        Ok(answer) => answer,
        Err(error) => error.map(|error| explained(error, &request, &api, &exchange.caller)).into_response(),
    };
    let headers = answer.headers_mut();
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// One request.
struct Call<'a> {
    exchange: &'a Exchange<'a>,
    door: &'a LmDoor,
}

type Answered = Result<HttpResponse, LmError>;

impl Call<'_> {
    async fn answer(&self, payload: Payload) -> Answered {
        let raw = self.exchange.request.path();
        let path = percent_decode_str(raw).decode_utf8().ok();
        let route = path.as_deref().and_then(|path| Route::of(self.door.at, path));
        let route = route.ok_or_else(|| ApiError::unknown_resource(raw))?;
        let method = match self.exchange.request.method() {
            &Method::HEAD => &Method::GET,
            other => other,
        };
        if !route.methods().split(", ").any(|allowed| allowed == method.as_str()) {
            return Err(self.exchange.invalid_method(route.methods()).into());
        }
        self.routed(route, method, payload).await
    }

    async fn routed(&self, route: Route<'_>, method: &Method, payload: Payload) -> Answered {
        match (route, method.as_str()) {
            (Route::Banner, _) => Ok(self.banner()),
            (Route::Page, _) => Ok(self.page()),
            (Route::Index, "GET") => Ok(self.description()),
            (Route::Index, _) => self.note(payload).await,
            (Route::Config, _) => self.config().await,
            (Route::CheckPolicy, _) => self.check_policy().await,
            (Route::CheckSwarm, _) => self.check_swarm(),
            (Route::Sharing, _) => self.sharing().await,
            (Route::Alive, _) => self.alive(),
            (Route::Launch, _) => self.submit(payload).await,
            (Route::Internal, _) => Err(LmError::unsupported(launch::INTERNAL)),
            (Route::Instances, "GET") => self.instances(),
            (Route::Instances, _) => self.delete_all().await,
            (Route::Instance(id), "GET") => self.instance(id),
            (Route::Instance(id), "PUT") => self.operate(id, payload).await,
            (Route::Instance(id), _) => self.delete(id).await,
            (Route::Job(id), _) => self.start_job(id, payload).await,
            (Route::Report(id), _) => self.report(id).await,
            (Route::Logs(id), _) => self.logs(id).await,
            (Route::Exec(id), _) => self.exec(id, payload).await,
            (Route::Usage(id), _) => self.usage(id).await,
            (Route::Events(id), _) => self.events(id).await,
            (Route::Devices, _) => self.devices().await,
            (Route::Device(id), _) => self.schedule(id, payload).await,
            (Route::Explain(id), _) => self.explain(id).await,
            (Route::Optimal, _) => self.optimal(payload).await,
            (Route::Analysis, _) => Err(LmError::unsupported(optimal::NO_ANALYSIS)),
        }
    }

    /// Asks the lifecycle manager.
    async fn ask<M, T>(&self, message: M) -> Result<T, LmError>
    where
        M: Message<Result = Result<T, WorkError>> + Send + 'static,
        T: Send + 'static,
        LifecycleManager: Handler<M>,
        <LifecycleManager as actix::Actor>::Context: ToEnvelope<LifecycleManager, M>,
    {
        asked(&self.door.manager, message).await
    }

    /// The body as a JSON object; none if there is no body.
    async fn object(&self, payload: Payload) -> Result<Map<String, Value>, LmError> {
        let bytes = self.exchange.said(payload).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Map::new());
        }
        Ok(body::object(&bytes)?)
    }

    /// The parameters of the query, without empty ones.
    fn parameters(&self) -> Result<Vec<(String, String)>, LmError> {
        let raw = self.exchange.request.query_string();
        let mut pairs = if raw.is_empty() { vec![] } else { decode_pairs(raw)? };
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(pairs)
    }

    /// The caller's name; 403 for nobody.
    fn somebody(&self) -> Result<&str, LmError> {
        Ok(self.exchange.caller.identity().ok_or_else(|| ApiError::forbidden("lifecycle-manager"))?)
    }

    /// The id of what is there and what the caller may see.
    fn known(&self, kind: &str, name: &str) -> Result<ResourceId, LmError> {
        let id = ResourceId::new(kind, name).map_err(|_| ApiError::not_found(&format!("{kind}/{name}")))?;
        Ok(parts::viewable(self.exchange, &id)?.id.clone())
    }
}

/// Asks the lifecycle manager, if there is one at the moment.
pub(crate) async fn asked<M, T>(manager: &Manager, message: M) -> Result<T, LmError>
where
    M: Message<Result = Result<T, WorkError>> + Send + 'static,
    T: Send + 'static,
    LifecycleManager: Handler<M>,
    <LifecycleManager as actix::Actor>::Context: ToEnvelope<LifecycleManager, M>,
{
    let absent = || ApiError::unavailable(ABSENT, 1);
    let manager = manager().ok_or_else(absent)?;
    Ok(manager.send(message).await.map_err(|_| absent())??)
}

/// 200 in the original's form, with something to go with it.
pub(crate) fn done(text: &str, with: &[(&str, Value)]) -> HttpResponse {
    let mut answer = json!({ "error": false, "message": text });
    if let Value::Object(answer) = &mut answer {
        answer.extend(with.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    HttpResponse::Ok().json(answer)
}

/// A member of a body that is a text, and not an empty one; where it is anything else it is refused.
pub(crate) fn text<'b>(body: &'b Map<String, Value>, name: &str) -> Result<Option<&'b str>, LmError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim())),
        Some(_) => Err(LmError::bad(format!("`{name}` is no text: expected a text"))),
    }
}
