//! The original's SLA endpoints (`spec/sla.md` 2.1): below `/sla` at the address of the API, and at the root of a listener of
//! their own.
//!
//! They show and change the same documents as `/api/agreement` and its neighbours do, for the same callers. In the original nobody
//! was asked who he is.

mod agreements;
mod create;
mod guard;
mod provider;
mod reading;
mod refusal;
mod rights;
mod route;
mod shape;
mod slo;
mod validate;

use std::borrow::Cow;
use std::sync::Arc;

use actix::Recipient;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_actors::sla_assessor::AskSlo;
use mf2c_domain::query::decode_pairs;
use mf2c_sla::expression::TimeUnit;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::caller::{caller_of, explained};
use crate::cimi::body;
use crate::cimi::{Api, Exchange};
use crate::monitor::{self, MetricsFor};
pub(crate) use guard::{check_new, check_stored, edit, warning};
use refusal::SlaError;
pub(crate) use rights::{is_ours, strip};
use route::Route;

/// Where the endpoints are at the address of the API.
pub const PREFIX: &str = "/sla";
const JSON: &str = "application/json; charset=utf-8";

/// How agreements are taken.
#[derive(Debug, Clone, Copy)]
pub struct SlaRules {
    /// Whether a constraint with a fault is refused.
    pub strict: bool,
    /// Whether the agent makes the ids of what is created at these endpoints; else the body brings them.
    pub external_ids: bool,
    /// The unit of `execution_time`.
    pub unit: TimeUnit,
}

impl SlaRules {
    /// What holds for edits of others, too.
    pub(crate) const fn rules(self) -> mf2c_sla::Rules {
        mf2c_sla::Rules { strict: self.strict, unit: self.unit }
    }
}

impl Default for SlaRules {
    fn default() -> Self {
        Self { strict: true, external_ids: true, unit: TimeUnit::Seconds }
    }
}

/// The way to who assesses agreements; none while it is built anew.
pub type Assessor = Arc<dyn Fn() -> Option<Recipient<AskSlo>> + Send + Sync>;

/// One place where the endpoints are.
#[derive(Clone)]
pub struct SlaDoor {
    prefix: &'static str,
    assessor: Assessor,
    /// Who may read the figures.
    metrics_for: MetricsFor,
    /// Held while the providers are changed.
    providers: Arc<tokio::sync::Mutex<()>>,
}

impl SlaDoor {
    /// Below [`PREFIX`], for the address of the API.
    #[must_use]
    pub fn below(assessor: Assessor, metrics_for: MetricsFor) -> Self {
        Self { prefix: PREFIX, assessor, metrics_for, providers: Arc::default() }
    }

    /// The same endpoints at the root, for a listener of their own.
    #[must_use]
    pub fn at_root(&self) -> Self {
        Self { prefix: "", ..self.clone() }
    }
}

/// Adds the endpoints to an application that has others.
pub fn configure(services: &mut ServiceConfig, door: &Data<SlaDoor>) {
    services.app_data(Data::clone(door));
    services.service(web::resource([PREFIX.to_owned(), format!("{PREFIX}/{{tail:.*}}")]).to(answer));
}

/// Adds the endpoints to an application that has nothing else.
pub fn configure_root(services: &mut ServiceConfig, door: &Data<SlaDoor>, api: &Data<Api>) {
    services.app_data(Data::clone(door)).app_data(Data::clone(api)).default_service(web::to(answer));
}

async fn answer(request: HttpRequest, payload: Payload, api: Data<Api>, door: Data<SlaDoor>) -> HttpResponse {
    let caller = caller_of(&request, &api);
    monitor::note_caller(&request, &caller);
    let exchange = Exchange { api: &api, request: &request, caller };
    let call = Call { exchange: &exchange, door: &door };
    let mut answer = match call.answer(payload).await {
        Ok(answer) => answer,
        Err(SlaError::Api(error)) => SlaError::Api(explained(error, &request, &api, &exchange.caller)).into_response(),
        Err(error) => error.into_response(),
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// One request.
struct Call<'a> {
    exchange: &'a Exchange<'a>,
    door: &'a SlaDoor,
}

type Answered = Result<HttpResponse, SlaError>;

impl Call<'_> {
    async fn answer(&self, payload: Payload) -> Answered {
        let raw = self.exchange.request.path();
        let Ok(path) = percent_decode_str(raw).decode_utf8() else { return Ok(nothing()) };
        let tail = path.strip_prefix(self.door.prefix).unwrap_or_default();
        let Some(route) = Route::of(tail.trim_end_matches('/')) else { return Ok(nothing()) };
        if tail.len() > 1 && tail.ends_with('/') {
            return Ok(self.without_slash(raw));
        }
        let method = match *self.exchange.request.method() {
            Method::HEAD => Method::GET,
            ref other => other.clone(),
        };
        if !route.methods().split(", ").any(|allowed| allowed == method.as_str()) {
            return Ok(HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, route.methods())).finish());
        }
        self.routed(route, &method, payload).await
    }

    async fn routed(&self, route: Route<'_>, method: &Method, payload: Payload) -> Answered {
        match (route, method.as_str()) {
            (Route::Index, _) => Ok(index()),
            (Route::Health, _) => {
                let scope = self.exchange.api.sla.scope().as_str();
                Ok(HttpResponse::Ok().json(json!({ "status": "ok", "assessment": scope })))
            }
            (Route::Metrics, _) => {
                Ok(monitor::of_agreements(self.door.metrics_for, self.exchange.request, self.exchange.api)?)
            }
            (Route::Providers, "GET") => self.providers().await,
            (Route::Providers, _) => self.add_provider(payload).await,
            (Route::Provider(id), "GET") => self.provider(id).await,
            (Route::Provider(id), _) => self.delete_provider(id).await,
            (Route::Agreements, "GET") => self.agreements().await,
            (Route::Agreements, _) => self.add_agreement(payload).await,
            (Route::Agreement(id), "GET") => self.agreement(id),
            (Route::Agreement(id), "PUT") => self.put_agreement(id, payload).await,
            (Route::Agreement(id), _) => self.delete_agreement(id).await,
            (Route::Details(id), _) => self.details(id),
            (Route::Assessment(id), _) => self.assessment(id),
            (Route::Slo(id), _) => self.slo(id).await,
            (Route::State(id, state), _) => self.move_to(id, state).await,
            (Route::Templates, "GET") => self.templates().await,
            (Route::Templates, _) => self.add_template(payload).await,
            (Route::Template(id), _) => self.template(id),
            (Route::Create, _) => self.create(payload).await,
            (Route::Violations, _) => self.records("sla-violation").await,
            (Route::Penalties, _) => self.records("sla-penalty").await,
            (Route::Validate, _) => self.validate(payload).await,
        }
    }

    /// The original's router sends on who writes a slash at the end.
    fn without_slash(&self, raw: &str) -> HttpResponse {
        // One slash at the beginning: two would lead to another host.
        let path = format!("/{}", raw.trim_matches('/'));
        let query = self.exchange.request.query_string();
        let location = if query.is_empty() { path } else { format!("{path}?{query}") };
        HttpResponse::MovedPermanently().insert_header((header::LOCATION, location)).finish()
    }

    /// The body as a JSON object; without its content type if a program sends it, as the original takes it.
    async fn object(&self, payload: Payload) -> Result<Map<String, Value>, SlaError> {
        let bytes = self.exchange.said(payload).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(SlaError::bad("EOF"));
        }
        Ok(body::object(&bytes)?)
    }

    /// The parameters of the query, without empty ones.
    fn parameters(&self) -> Result<Vec<(String, String)>, SlaError> {
        let raw = self.exchange.request.query_string();
        let mut pairs =
            if raw.is_empty() { vec![] } else { decode_pairs(raw).map_err(crate::error::ApiError::from)? };
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(pairs)
    }
}

fn index() -> HttpResponse {
    let entry = |path: &str, help: &str| json!({ "Method": "GET", "Path": path, "Help": help });
    let index = json!({
        "providers": entry("/providers", "Gets registered providers"),
        "agreements": entry("/agreements", "Gets registered agreements"),
        "templates": entry("/templates", "Gets registered templates"),
    });
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(index.to_string())
}

/// What the original answers where nothing is.
fn nothing() -> HttpResponse {
    HttpResponse::build(StatusCode::NOT_FOUND).content_type("text/plain; charset=utf-8").body("404 page not found\n")
}

/// The short id of a document, or its whole one, as the whole one.
fn whole_id<'i>(kind: &str, id: &'i str) -> Cow<'i, str> {
    match id.split_once('/') {
        Some((named, _)) if named == kind => Cow::Borrowed(id),
        _ => Cow::Owned(format!("{kind}/{id}")),
    }
}
