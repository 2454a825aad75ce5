//! The quality of service, and the rest of what the original's service manager answered (`spec` 2.3). At the address of the API it
//! is below `/sm/api`, where the original's proxy had it, because `/api` is CIMI's there; at an address of its own below `/api`.
//!
//! The original answered everything with the status 200 and said what had come of it in the body alone; here both say it.
//! Rights are CIMI's.

mod check;
mod services;

use std::sync::Arc;

use actix::Recipient;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_actors::qos_provider::CheckQos;
use mf2c_sla::qos::Leanings;
use serde_json::{Map, Value};

use crate::caller::{caller_of, explained};
use crate::cimi::{Api, Exchange};
use crate::error::{ApiError, message};
use crate::lm::Manager;
use crate::monitor;

/// Where the quality of service is asked for since the first generation of the original.
const QOS: &str = "/api/service-management/qos";

/// What the service manager is told at start.
pub struct Qos {
    /// The way to who has learned; none while it is built anew.
    pub provider: Arc<dyn Fn() -> Option<Recipient<CheckQos>> + Send + Sync>,
    /// From which numbers on a service leans on a resource.
    pub high: Leanings,
    /// The way to who starts services.
    pub manager: Manager,
    /// Whether programs on this machine need not say who they are to ask for the quality of service at the listener of its own.
    pub anonymous: bool,
}

/// Tells the listener of its own from that of the API.
struct Alone;

/// Makes of it what an application is given.
#[must_use]
pub fn shared(qos: Qos) -> Data<Qos> {
    Data::from(Arc::new(qos))
}

/// Adds the paths that stand beside CIMI's to an application.
pub fn configure(services: &mut ServiceConfig, qos: &Data<Qos>) {
    services.app_data(Data::clone(qos));
    for path in [&format!("{QOS}/{{id:.*}}"), "/sm/api", "/sm/api/{tail:.*}"] {
        services.service(web::resource(path).to(answer));
    }
}

/// Makes an application of them, for a listener that has nothing else.
pub fn configure_alone(services: &mut ServiceConfig, qos: &Data<Qos>) {
    services.app_data(Data::clone(qos)).app_data(Alone).default_service(web::to(answer));
}

async fn answer(request: HttpRequest, payload: Payload, api: Data<Api>, qos: Data<Qos>) -> HttpResponse {
    let caller = caller_of(&request, &api);
    monitor::note_caller(&request, &caller);
    let exchange = Exchange { api: &api, request: &request, caller };
    let call = Call { qos: &qos, exchange: &exchange };
    let answered = call.answer(payload).await;
    let mut response =
        answered.unwrap_or_else(|error| explained(error, &request, &api, &exchange.caller).into_response());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// One request.
struct Call<'a> {
    qos: &'a Qos,
    exchange: &'a Exchange<'a>,
}

impl Call<'_> {
    async fn answer(&self, payload: Payload) -> Result<HttpResponse, ApiError> {
        let path = self.exchange.request.path();
        let decoded = crate::cimi::decoded(path)?;
        let below = decoded.strip_prefix("/sm").unwrap_or(&decoded).strip_prefix("/api");
        let Some(below) = below.filter(|below| below.is_empty() || below.starts_with('/')) else {
            return Err(ApiError::unknown_resource(path));
        };
        let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
        let method = match self.exchange.request.method() {
            &Method::HEAD => &Method::GET,
            other => other,
        };
        match (parts.as_slice(), method) {
            (["service-management", "qos", rest @ ..] | ["service-instance", rest @ ..], &Method::GET) => {
                self.check(rest).await
            }
            ([], &Method::GET) => self.services(),
            ([], &Method::POST) => self.categorise(payload).await,
            (["service", rest @ ..], &Method::GET) => self.service(rest),
            (["gui"], &Method::POST) => self.register(payload).await,
            (["gui", "service", rest @ ..], &Method::DELETE) => self.delete(rest).await,
            (["gui", "sla-template"], &Method::GET) => self.templates(),
            (["gui", "service-instance"], &Method::POST) => self.launch(payload).await,
            ([], _) => Err(self.exchange.invalid_method("GET, HEAD, POST")),
            (["gui"] | ["gui", "service-instance"], _) => Err(self.exchange.invalid_method("POST")),
            (["gui", "service", ..], _) => Err(self.exchange.invalid_method("DELETE")),
            (["service-management", "qos", ..] | ["service-instance" | "service", ..] | ["gui", "sla-template"], _) => {
                Err(self.exchange.invalid_method("GET, HEAD"))
            }
            _ => Err(ApiError::unknown_resource(path)),
        }
    }
}

/// An answer as the original's: what has come of it in words, and something to go with it.
fn told(status: StatusCode, text: &str, id: Option<&str>, with: &[(&str, Value)]) -> HttpResponse {
    let mut body: Map<String, Value> = message(status, text, id);
    body.extend(with.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    HttpResponse::build(status).json(body)
}
