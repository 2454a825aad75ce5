//! One request: what it asks for, who sends it, and the headers of every answer.

use std::fmt::Display;
use std::time::Duration;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use md5::{Digest as _, Md5};
use mf2c_domain::caller::Caller;

use super::accept::{Format, negotiate};
use super::form::{LARGEST, Parameters};
use super::path::{Place, Target};
use super::refusal::{Refusal, Refused};
use super::shown::ShownError;
use super::{Credentials, DeltacloudDoor, KNOWN_DRIVERS, KeyType, PASSWORD_DRIVERS, VERSION, html, json, xml};
use crate::caller::caller_of;
use crate::certificates::{bearer, is_foreign_to};
use crate::cimi::{Api, Exchange};
use crate::front::refusal;
use crate::monitor;

pub(super) type Answered = Result<HttpResponse, Refusal>;

const DRIVER: HeaderName = HeaderName::from_static("x-deltacloud-driver");
const PROVIDER: HeaderName = HeaderName::from_static("x-deltacloud-provider");
const RUNTIME: HeaderName = HeaderName::from_static("x-backend-runtime");
/// Answers are kept by nobody but the client, who asks again.
const REVALIDATE: &str = "max-age=0, private, must-revalidate";
/// The longest name of a provider, in bytes.
const LONGEST_PROVIDER: usize = 200;
/// The longest value of a parameter that a refusal repeats, in characters.
const SHOWN: usize = 255;
/// Without it no address can be given.
const NO_HOST: &str = "Unable to find HTTP Host header";

/// See the module.
pub(super) struct Call<'a> {
    pub(super) api: &'a Api,
    pub(super) request: &'a HttpRequest,
    pub(super) door: &'a DeltacloudDoor,
    pub(super) target: Target,
    pub(super) driver: String,
    pub(super) provider: Option<String>,
    pub(super) query: Parameters,
    /// None where the client takes no format that there is.
    format: Option<Format>,
    began: Duration,
}

impl<'a> Call<'a> {
    pub(super) fn new(api: &'a Api, request: &'a HttpRequest, door: &'a DeltacloudDoor) -> Self {
        Self {
            api,
            request,
            door,
            target: Target::read(request.path()),
            driver: door.settings.driver.clone(),
            provider: None,
            query: Parameters::default(),
            format: Some(Format::Xml),
            began: api.world.clock.elapsed(),
        }
    }

    /// Reads what every request may say: the format, the driver and the provider.
    pub(super) fn read(&mut self) -> Result<(), Refusal> {
        self.format = negotiate(None, self.accept(), &Format::ALL);
        self.query = Parameters::of_query(self.request.query_string())?;
        self.format = negotiate(self.query.get("format"), self.accept(), &Format::ALL);
        let said = |name: &HeaderName| self.request.headers().get(name).and_then(|value| value.to_str().ok());
        let driver = self.target.driver.as_deref().or_else(|| said(&DRIVER)).unwrap_or_default().to_ascii_lowercase();
        let provider = self.target.provider.as_deref().or_else(|| said(&PROVIDER)).map(str::to_owned);
        if !driver.is_empty() && driver != self.door.settings.driver {
            let known = KNOWN_DRIVERS.contains(&driver.as_str());
            known.then_some(()).ok_or_else(|| Refusal::bad(format!("Driver '{}' is not known", shortened(&driver))))?;
            self.driver = driver;
        }
        if let Some(provider) = provider.filter(|provider| !provider.is_empty()) {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/ ".contains(&byte);
            let good = provider.len() <= LONGEST_PROVIDER && provider.bytes().all(plain);
            good.then_some(())
                .ok_or_else(|| Refusal::bad("The name of the provider holds something else than a name"))?;
            self.provider = Some(provider);
        }
        Ok(())
    }

    pub(super) async fn answer(&self, payload: Payload) -> Answered {
        if let Place::Refused(token) = &self.target.place {
            let (status, sentence) = refusal::describe(token);
            let sentence = if token == "host" { NO_HOST } else { sentence };
            return Err(Refusal::new(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), sentence));
        }
        if !self.request.headers().contains_key(header::HOST) && self.request.uri().authority().is_none() {
            return Err(Refusal::bad(NO_HOST));
        }
        if self.target.place == Place::Unknown {
            return Err(Refusal::not_found());
        }
        let methods = self.target.place.methods();
        if !methods.split(", ").any(|allowed| allowed == self.request.method().as_str()) {
            return Err(Refusal::method(methods));
        }
        self.routed(payload).await
    }

    async fn routed(&self, payload: Payload) -> Answered {
        let method = match *self.request.method() {
            Method::HEAD => &Method::GET,
            ref other => other,
        };
        match (&self.target.place, method.as_str()) {
            (_, "OPTIONS") => Ok(self.options()),
            (Place::EntryPoint, "POST") => self.choose_driver(payload).await,
            (Place::EntryPoint, _) => self.entry_point().await,
            (Place::Drivers, _) => self.drivers(),
            (Place::Driver(id), _) => self.describe_driver(id),
            (Place::Keys, "POST") => self.create(payload).await,
            (Place::Keys, _) => self.list().await,
            (Place::NewKey, _) => self.form().await,
            (Place::Key(name), "GET") => self.show(name).await,
            (Place::Key(name), "DELETE") => self.delete(name).await,
            (Place::Key(name), _) => self.by_form(name, payload).await,
            (Place::Root | Place::Refused(_) | Place::Unknown, _) => {
                Ok(HttpResponse::MovedPermanently().insert_header((header::LOCATION, "/api")).finish())
            }
        }
    }

    fn accept(&self) -> Option<&str> {
        // Clients that send several send one after the other; the first is what they mean most.
        self.request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok())
    }

    /// The format of the answer.
    pub(super) fn format(&self) -> Result<Format, Refusal> {
        self.format.ok_or(Refusal::NotAcceptable)
    }

    /// The format where only a page can be had.
    pub(super) fn page_only(&self) -> Result<Format, Refusal> {
        negotiate(self.query.get("format"), self.accept(), &[Format::Html]).ok_or(Refusal::NotAcceptable)
    }

    /// Which keys are made here. A client that names another driver gets no more than the operator gives.
    pub(super) fn key_type(&self) -> KeyType {
        if PASSWORD_DRIVERS.contains(&self.driver.as_str()) { KeyType::Password } else { self.door.settings.key_type }
    }

    /// The request of this caller, as the handlers of CIMI take it.
    pub(super) fn exchange(&self, caller: Caller) -> Exchange<'a> {
        Exchange { api: self.api, request: self.request, caller }
    }

    /// The address of the entry point, with a slash: `https://host:port/api/`.
    pub(super) fn base(&self) -> String {
        self.exchange(Caller::anonymous()).base_uri()
    }

    /// The parameters of the body, and those of the query that are not in it.
    pub(super) async fn parameters(&self, exchange: &Exchange<'_>, payload: Payload) -> Result<Parameters, Refusal> {
        let body = exchange.bytes(payload, self.api.settings.body.min(LARGEST)).await?;
        let content_type = self.request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Parameters::of_body(content_type, &body)?.or(self.query.clone()))
    }

    /// Who asks; 401 for nobody. A browser sends what it knows to whoever's page asks for it: what changes something must come
    /// from a page of this door, or from no page.
    pub(super) async fn caller(&self) -> Result<Caller, Refusal> {
        let reads = [Method::GET, Method::HEAD].contains(self.request.method());
        let base = self.base();
        let origin = base.strip_suffix("/api/").unwrap_or(&base);
        if !reads && is_foreign_to(self.request.headers(), origin, &self.api.settings.cors_origins) {
            let text = "the request comes from a page of another site: it must be named in `api.cors_origins`";
            return Err(Refusal::new(StatusCode::FORBIDDEN, text));
        }
        let caller = self.recognized().await?;
        monitor::note_caller(self.request, &caller);
        Ok(caller)
    }

    async fn recognized(&self) -> Result<Caller, Refusal> {
        let mut headers = self.request.headers().get_all(header::AUTHORIZATION);
        if let Some(sent) = headers.next() {
            let credentials = Credentials::read(sent.as_bytes()).filter(|_| headers.next().is_none());
            let credentials = credentials.ok_or_else(|| Refusal::unauthorized("Authentication Failure"))?;
            return Ok(self.door.basic.check(self.api, self.request, credentials).await?);
        }
        let caller = caller_of(self.request, self.api);
        if caller.identity().is_some() {
            return Ok(caller);
        }
        Err(match bearer(self.request, self.api) {
            Some(Err(unfit)) => Refusal::unauthorized(format!("Unauthorized: {unfit}")),
            _ => Refusal::unauthorized("Unauthorized"),
        })
    }

    fn options(&self) -> HttpResponse {
        let allowed = match self.target.place {
            // Deltacloud's server names the collections there.
            Place::EntryPoint => "drivers,keys",
            ref place => place.methods(),
        };
        HttpResponse::Ok().insert_header((header::ALLOW, allowed)).finish()
    }

    /// 200 or 201 with a document; 304 for a client that has the same one.
    pub(super) fn document(&self, status: StatusCode, format: Format, body: impl Display) -> HttpResponse {
        let body = body.to_string();
        let tag: String = Md5::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        let known = self.request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let is_known = known
            .unwrap_or_default()
            .split(',')
            .any(|known| known.trim().trim_start_matches("W/").trim_matches('"') == tag);
        let same = is_known && status == StatusCode::OK;
        let mut response = HttpResponse::build(if same { StatusCode::NOT_MODIFIED } else { status });
        // Without quotes, as Deltacloud's server has it.
        response.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, REVALIDATE));
        if same {
            return response.finish();
        }
        response.insert_header((header::CONTENT_TYPE, format.content_type())).body(body)
    }

    /// The same for one of the three formats.
    pub(super) fn rendered<T: ?Sized>(
        &self,
        status: StatusCode,
        shown: &T,
        xml: fn(&T) -> String,
        json: fn(&T) -> serde_json::Value,
        html: impl FnOnce(&T) -> String,
    ) -> Answered {
        let format = self.format()?;
        Ok(match format {
            Format::Xml => self.document(status, format, xml(shown)),
            Format::Json => self.document(status, format, json(shown)),
            Format::Html => self.document(status, format, html(shown)),
        })
    }

    pub(super) fn refused(&self, refusal: Refusal) -> HttpResponse {
        let refused = match refusal {
            Refusal::Document(refused) => refused,
            Refusal::NotAcceptable => return HttpResponse::NotAcceptable().finish(),
            Refusal::Text(status, text) => {
                return HttpResponse::build(status).content_type("text/html;charset=utf-8").body(text);
            }
        };
        let mut response = HttpResponse::build(refused.status);
        if refused.challenge {
            let host = self.api.settings.names.first().map_or("localhost", String::as_str);
            let realm = format!("Basic realm=\"{}-deltacloud@{}\"", self.driver, host.replace(['"', '\\'], ""));
            response.insert_header((header::WWW_AUTHENTICATE, realm));
        }
        if let Some(allow) = refused.allow {
            response.insert_header((header::ALLOW, allow));
        }
        if let Some(seconds) = refused.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        let (format, shown) = (self.format.unwrap_or(Format::Xml), self.shown(refused));
        response.insert_header((header::CONTENT_TYPE, format.content_type())).body(match format {
            Format::Xml => xml::error(&shown),
            Format::Json => json::error(&shown).to_string(),
            Format::Html => html::error(&shown),
        })
    }

    fn shown(&self, Refused { status, message, .. }: Refused) -> ShownError {
        let id = match &self.target.place {
            Place::Key(id) | Place::Driver(id) => Some(id.as_str()),
            _ => None,
        };
        let said = ["id", "name", "format"].map(|name| (name, self.query.get(name)));
        let parameters =
            said.into_iter().map(|(name, value)| if name == "id" { (name, id.or(value)) } else { (name, value) });
        ShownError {
            status: status.as_u16(),
            message,
            url: self.request.path().to_owned(),
            driver: self.driver.clone(),
            provider: self.provider.clone().unwrap_or_else(|| "default".to_owned()),
            parameters: parameters.filter_map(|(name, value)| Some((name, shortened(value?)))).collect(),
        }
    }

    /// Adds what every answer says.
    pub(super) fn finished(&self, mut response: HttpResponse) -> HttpResponse {
        let headers = response.headers_mut();
        let mut insert = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        insert(header::SERVER, &format!("Apache-Deltacloud/{VERSION}"));
        insert(DRIVER, &self.driver);
        if let Some(provider) = &self.provider {
            insert(PROVIDER, provider);
        }
        if matches!(self.target.place, Place::Keys | Place::Key(_)) {
            let took = self.api.world.clock.elapsed().saturating_sub(self.began);
            insert(RUNTIME, &format!("{:.6}", took.as_secs_f64()));
        }
        insert(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        insert(header::VARY, "accept, authorization");
        insert(header::CONTENT_SECURITY_POLICY, html::POLICY);
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        }
        response
    }
}

/// A client's text as a refusal repeats it.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
