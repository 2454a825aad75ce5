//! DETER's testbed API: services of SOAP over TLS, with the paths, names and faults of the original (facades
//! specification, part 3), upon the users, the documents and the services of this agent.
//!
//! A certificate of the area is optional in the handshake. Whoever shows none, or one whose key nobody has signed in
//! with, is told so by a fault. Every fault has the status 500, also for what the client did wrong.

mod api_info;
mod call;
mod documents;
mod experiments;
mod fault;
mod notifications;
mod path;
mod places;
mod projects;
mod resources;
mod testbed;
mod types;
mod users;

use std::sync::Arc;

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use mf2c_domain::query::decode_pairs;
use mf2c_soap::{Detail, Envelope, Form, MOST_BYTES, Operation, Refusal, Request, Service, Side, Value, Version};
use tokio::sync::{Mutex, OwnedSemaphorePermit};

use crate::cimi::Api;
use crate::lm::Manager;
use crate::monitor;
use call::Call;
use experiments::Bell;
pub use experiments::Realizer;
use fault::Fault;
use path::{BASES, Route};
use places::{LARGE, Places, Sent};
use users::{Challenges, KeyMaker};
pub use users::{MadeKey, MakeKey};

/// The target namespace of most descriptions; its slash is where the original has it.
const SLASHED: &str = "http://api.testbed.deterlab/net/";
/// That of ApiInfo's.
const UNSLASHED: &str = "http://api.testbed.deterlab.net/";

/// The services.
static SERVICES: [&Service; 6] = [
    &api_info::SERVICE,
    &users::SERVICE,
    &projects::SERVICE,
    &experiments::SERVICE,
    &experiments::REALIZATIONS,
    &resources::SERVICE,
];

/// The most that somebody sends who is not signed in, in bytes: he has nothing large to say.
const MOST_OF_STRANGERS: usize = 1 << 20;
/// The most that an answer takes, in bytes.
const MOST_ANSWER: usize = 16 << 20;

/// What the operator has set.
#[derive(Debug, Clone)]
pub struct DeterSettings {
    /// How long somebody stays signed in, in seconds.
    pub session: u64,
    /// What addresses of pages begin with that may stand in mails and messages before a number.
    pub url_prefixes: Vec<String>,
}

/// The door.
#[derive(Clone)]
pub struct DeterDoor {
    settings: DeterSettings,
    challenges: Arc<Challenges>,
    keys: KeyMaker,
    roots: ShownRoots,
    /// The way to who carries out what experiments shall become.
    realizer: Bell,
    places: Arc<Places>,
    /// Held from when the experiments are counted until there is one more, or more in one.
    counting: Arc<Mutex<()>>,
}

/// The authorities in PEM by which clients know this agent and the certificates of its users; none where it has none.
pub type ShownRoots = Arc<dyn Fn() -> Option<String> + Send + Sync>;

impl DeterDoor {
    /// A door to these rooms, and who works behind it, to be set to work where the door is opened.
    #[must_use]
    pub fn new(manager: Manager, roots: ShownRoots, keys: MakeKey, settings: DeterSettings) -> (Self, Realizer) {
        let (realizer, behind) = Realizer::new(manager);
        let (challenges, keys) = (Arc::default(), KeyMaker::new(keys));
        (Self { settings, challenges, keys, roots, realizer, places: Arc::default(), counting: Arc::default() }, behind)
    }
}

/// Adds the services to an application that has nothing else.
pub fn configure(services: &mut ServiceConfig, door: &Data<DeterDoor>, api: &Data<Api>) {
    services.app_data(Data::clone(door)).app_data(Data::clone(api)).default_service(web::to(answer));
}

async fn answer(request: HttpRequest, payload: Payload, api: Data<Api>, door: Data<DeterDoor>) -> HttpResponse {
    let call = Call::new(&request, &api, &door);
    monitor::note_caller(&request, &call.exchange.caller);
    let mut answer = match Route::of(request.path()) {
        Some(route) => routed(&call, &route, payload).await,
        None => {
            HttpResponse::NotFound().body(format!("there is nothing at this address: see {}/Users?wsdl\n", BASES[0]))
        }
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

async fn routed(call: &Call<'_>, route: &Route<'_>, payload: Payload) -> HttpResponse {
    let request = call.exchange.request;
    let query = request.query_string();
    if let (Some(asked), Method::GET | Method::HEAD | Method::POST) = (route.unknown, request.method().clone()) {
        let form = match claimed(request) {
            Some(Claimed::Document(form)) if request.method() == Method::POST => form,
            _ => Form::Bare,
        };
        return unknown(route.service, form, asked);
    }
    match *request.method() {
        Method::GET | Method::HEAD if route.operation.is_none() && is_asked(query, "wsdl") => {
            xml(route.service.wsdl(&base(call, route)))
        }
        Method::GET | Method::HEAD if route.operation.is_none() && is_asked(query, "xsd") => xml(route.service.xsd()),
        Method::GET | Method::HEAD => match route.operation.filter(|operation| operation.query) {
            Some(operation) => done(call, route.service, Form::Bare, operation, pairs(operation, query)).await,
            None => verb_refused("this is asked for by POST, with an envelope of SOAP; descriptions are at ?wsdl"),
        },
        Method::POST => posted(call, route, payload).await,
        _ => verb_refused("expected POST with an envelope of SOAP"),
    }
}

/// Whether a query asks for a description: `?wsdl`, `?xsd=xsd0`.
fn is_asked(query: &str, what: &str) -> bool {
    let name = query.split(['&', '=']).next().unwrap_or_default();
    name.get(..what.len()).is_some_and(|start| start.eq_ignore_ascii_case(what))
        && name[what.len()..].bytes().all(|byte| byte.is_ascii_digit())
}

fn xml(document: String) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/xml;charset=UTF-8")).body(document)
}

fn verb_refused(sentence: &str) -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "POST")).body(format!("{sentence}\n"))
}

/// The address of the services, as the client has reached them.
fn base(call: &Call<'_>, route: &Route<'_>) -> String {
    let reached = call.exchange.base_uri();
    format!("{}{}", reached.strip_suffix("/api/").unwrap_or(&reached), route.base)
}

/// What a body claims to be, where that is something that is read here.
fn claimed(request: &HttpRequest) -> Option<Claimed> {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return Some(Claimed::Document(Form::Soap(Version::V11)));
    };
    let essence = value.to_str().ok()?.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/xml" => Some(Claimed::Document(Form::Soap(Version::V11))),
        "application/soap+xml" => Some(Claimed::Document(Form::Soap(Version::V12))),
        "application/xml" => Some(Claimed::Document(Form::Bare)),
        "application/x-www-form-urlencoded" => Some(Claimed::Pairs),
        _ => None,
    }
}

enum Claimed {
    Document(Form),
    Pairs,
}

async fn posted(call: &Call<'_>, route: &Route<'_>, payload: Payload) -> HttpResponse {
    let Some(claimed) = claimed(call.exchange.request) else {
        let reason = "unsupported media type: expected application/soap+xml or text/xml";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, Form::Soap(Version::V12), Side::Sender, reason);
    };
    let said = if let Claimed::Document(form) = claimed { form } else { Form::Bare };
    let most = if call.anybody().is_ok() { MOST_BYTES } else { MOST_OF_STRANGERS };
    let body = match call.exchange.bytes(payload, most).await {
        Ok(body) => body,
        Err(error) => {
            let document = error.document();
            let reason = document.get("message").and_then(|text| text.as_str()).unwrap_or_default();
            return refused(error.status(), said, Side::Sender, reason);
        }
    };
    if let Claimed::Pairs = claimed {
        let Some(operation) = route.operation else { return verb_refused("the address names no operation") };
        let text = std::str::from_utf8(&body).unwrap_or("\u{fffd}");
        return done(call, route.service, Form::Bare, operation, pairs(operation, text)).await;
    }
    match Envelope::read(&body, said) {
        Ok(envelope) => opened(call, route, &envelope).await,
        Err(Refusal { form, side, reason }) => refused(StatusCode::INTERNAL_SERVER_ERROR, form, side, &reason),
    }
}

async fn opened(call: &Call<'_>, route: &Route<'_>, envelope: &Envelope) -> HttpResponse {
    let (form, asked) = (envelope.form(), envelope.operation());
    let service = route.service;
    let Some(operation) = service.operation(asked) else {
        return unknown(service, form, asked);
    };
    if let Some(named) = route.operation.filter(|named| named.name != operation.name) {
        let reason = format!("the address names {} and the envelope {}", named.name, operation.name);
        return refused(StatusCode::INTERNAL_SERVER_ERROR, form, Side::Sender, &reason);
    }
    let request = envelope.request(operation).map_err(|refusal| refusal.reason);
    done(call, service, form, operation, request).await
}

/// The fault of a request for an operation that the service does not have.
fn unknown(service: &Service, form: Form, asked: &str) -> HttpResponse {
    let asked: String = asked.chars().take(60).collect();
    let reason = format!("{} has no operation {asked}", service.name);
    refused(StatusCode::INTERNAL_SERVER_ERROR, form, Side::Sender, &reason)
}

/// What an operation is given in a query or a form.
fn pairs(operation: &'static Operation, query: &str) -> Result<Request, String> {
    let pairs = if query.is_empty() { vec![] } else { decode_pairs(query).map_err(|error| error.to_string())? };
    Request::of_pairs(operation, pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

async fn done(
    call: &Call<'_>,
    service: &Service,
    form: Form,
    operation: &Operation,
    request: Result<Request, String>,
) -> HttpResponse {
    let request = match request {
        Ok(request) => request,
        Err(reason) => return refused(StatusCode::INTERNAL_SERVER_ERROR, form, Side::Sender, &reason),
    };
    match placed(call, service, operation.name, &request).await {
        Ok((value, place)) => {
            let media = form.media(&format!("{}Response", operation.name));
            let answer = Sent::new(form.reply(operation, &value), place);
            HttpResponse::Ok().insert_header((header::CONTENT_TYPE, media)).body(answer)
        }
        Err(fault) => told(service, operation.name, form, &fault),
    }
}

/// What an operation gives, with the place of its user.
async fn placed(
    call: &Call<'_>,
    service: &Service,
    name: &str,
    request: &Request,
) -> Result<(Value, Option<OwnedSemaphorePermit>), Fault> {
    let place = match call.anybody() {
        Ok(user) => Some(call.door.places.take(user).await?),
        Err(_) => None,
    };
    let value = dispatched(call, service, name, request).await.and_then(bounded)?;
    // Strangers are known by their networks, where that matters: for what they have sent themselves and want to read again.
    let place = match place {
        None if value.weight() > LARGE => {
            let network = mf2c_domain::people::throttle::network(call.source());
            Some(call.door.places.take(&format!("of {network}")).await?)
        }
        place => place,
    };
    Ok((value, place))
}

/// The fault of an operation.
fn told(service: &Service, name: &str, form: Form, fault: &Fault) -> HttpResponse {
    tracing::debug!(service = service.name, operation = name, code = fault.code.number(), "refused");
    let (code, message) = (fault.code.number(), fault.code.message());
    let detail = Detail { service: service.name, code, message, text: &fault.detail };
    let media = form.media(&format!("{name}{}DeterFault", service.name));
    let document = form.fault(Side::Receiver, None, Some(&detail));
    faulty(StatusCode::INTERNAL_SERVER_ERROR, &media).body(document)
}

/// An answer, if it is not too large to be written.
fn bounded(value: Value) -> Result<Value, Fault> {
    let text = || format!("the answer would take more than {} MiB: ask for less", MOST_ANSWER >> 20);
    (value.weight() <= MOST_ANSWER).then_some(value).ok_or_else(|| Fault::request(text()))
}

async fn dispatched(call: &Call<'_>, service: &Service, name: &str, request: &Request) -> Result<Value, Fault> {
    match service.name {
        "ApiInfo" => api_info::answer(call, name, request).await,
        "Users" => users::answer(call, name, request).await,
        "Projects" => projects::answer(call, name, request).await,
        "Experiments" => experiments::answer(call, name, request).await,
        "Realizations" => experiments::answer_realizations(call, name, request).await,
        _ => resources::answer(call, name, request).await,
    }
}

/// A fault of a request that could not be read.
fn refused(status: StatusCode, form: Form, side: Side, reason: &str) -> HttpResponse {
    faulty(status, &form.media("fault")).body(form.fault(side, Some(reason), None))
}

fn faulty(status: StatusCode, media: &str) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    // As the original's: its clients count on it that a connection with a fault ends.
    answer.force_close().insert_header((header::CONTENT_TYPE, media));
    answer
}
