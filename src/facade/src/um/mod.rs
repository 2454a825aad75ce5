//! The original's user management (`spec/lifecycle.md` B): below `/um` at the address of the API, and below
//! `/api/v2/um` at a listener of its own.
//!
//! It shows and changes the same documents as `/api/user-profile` and its neighbours do, for the same callers. In the
//! original nobody was asked who he is, and what was not there had the status 500, or 200.

mod assessment;
mod current;
mod documents;
mod route;
mod user;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_domain::id::ResourceId;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::caller::{caller_of, explained};
use crate::cimi::{Api, Exchange, body};
use crate::error::ApiError;
use crate::lm::{LmError, Manager};
use crate::monitor;
use route::{At, Route};

/// Where user management is at the address of the API.
pub const PREFIX: &str = "/um";

/// One place where the endpoints are.
#[derive(Clone)]
pub struct UmDoor {
    at: At,
    manager: Manager,
}

impl UmDoor {
    /// Below [`PREFIX`], for the address of the API.
    #[must_use]
    pub fn below(manager: Manager) -> Self {
        Self { at: At::Below, manager }
    }

    /// The same endpoints below `/api/v2/um`, for a listener of their own.
    #[must_use]
    pub fn at_root(&self) -> Self {
        Self { at: At::Alone, ..self.clone() }
    }
}

/// Adds the endpoints to an application that has others.
pub fn configure(services: &mut ServiceConfig, door: &Data<UmDoor>) {
    services.app_data(Data::clone(door));
    services.service(web::resource([PREFIX.to_owned(), format!("{PREFIX}/{{tail:.*}}")]).to(answer));
}

/// Adds the endpoints to an application that has nothing else.
pub fn configure_root(services: &mut ServiceConfig, door: &Data<UmDoor>, api: &Data<Api>) {
    services.app_data(Data::clone(door)).app_data(Data::clone(api)).default_service(web::to(answer));
}

async fn answer(request: HttpRequest, payload: Payload, api: Data<Api>, door: Data<UmDoor>) -> HttpResponse {
    let caller = caller_of(&request, &api);
    monitor::note_caller(&request, &caller);
    let exchange = Exchange { api: &api, request: &request, caller };
    let call = Call { exchange: &exchange, door: &door };
    let mut answer = match call.answer(payload).await {
        Ok(answer) => answer,
        Err(error) => error.map(|error| explained(error, &request, &api, &exchange.caller)).into_response(),
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// One request.
struct Call<'a> {
    exchange: &'a Exchange<'a>,
    door: &'a UmDoor,
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
            (Route::Banner, _) => Ok(banner()),
            (Route::User(name), _) => self.user(name),
            (Route::Users, _) => self.delete_user(payload).await,
            (Route::Current(what), _) => self.current(what).await,
            (Route::Own(kind), "GET") => self.own(kind).await,
            (Route::Own(_), _) => self.count(payload).await,
            (Route::One(kind, name), "GET") => self.one(kind, name),
            (Route::One(kind, name), "PUT") => self.change(kind, name, payload).await,
            (Route::One(kind, name), _) => self.delete(kind, name).await,
            (Route::Assessment, "GET") => self.assessment(),
            (Route::Assessment, _) => self.set_assessment(payload).await,
            (Route::Check, _) => self.check().await,
        }
    }

    /// The body as a JSON object; none if there is no body.
    async fn object(&self, payload: Payload) -> Result<Map<String, Value>, LmError> {
        let bytes = self.exchange.said(payload).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Map::new());
        }
        Ok(body::object(&bytes)?)
    }

    /// The caller's name; 403 for nobody.
    fn somebody(&self) -> Result<&str, LmError> {
        Ok(self.exchange.caller.identity().ok_or_else(|| ApiError::forbidden("user-management"))?)
    }
}

fn banner() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "app": "User Management REST API", "status": "Running" }))
}

/// The id of a document by its name, bare or whole.
fn id_of(kind: &str, name: &str) -> Result<ResourceId, LmError> {
    let bare = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
    Ok(ResourceId::new(kind, bare).map_err(|_| ApiError::not_found(&format!("{kind}/{bare}")))?)
}
