//! Identification as the original's agents ask for it: whose device this is, and what it is called.
//!
//! The original answered 200 to everything and put a status into the body. The word in the body is kept, for its readers
//! look at nothing else, and the status of the answer now says the same.

mod page;
mod record;

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_domain::legacy::identity::{id_key, is_identifier};
use mf2c_store::Store;
use serde::Deserialize;
use serde_json::json;

pub(crate) use page::is_of_a_page;
use record::Record;

/// Where all of it is.
const BASE: &str = "/api/v1/resource-management/identification";

/// What identification is told at start.
pub struct Identification {
    /// Where accounts are looked up.
    pub store: Arc<Store>,
    /// The name of the user whose device this is; none: nobody has said.
    pub user: Option<String>,
    /// The file that remembers the registration.
    pub file: PathBuf,
    /// The identifier of this device, once it is known.
    pub device: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// The names of this machine that its operator knows.
    pub names: Vec<String>,
}

/// Adds the resources to an application.
pub fn configure(services: &mut ServiceConfig, identification: &Data<Identification>) {
    services
        .app_data(identification.clone())
        .service(
            web::resource([format!("{BASE}/registerDevice"), format!("{BASE}/registerDevice/")])
                .route(web::post().to(register))
                .default_service(web::to(|| async { said(Word::Method, "POST here") })),
        )
        .service(
            web::resource([format!("{BASE}/requestID"), format!("{BASE}/requestID/")])
                .route(web::get().to(request))
                .default_service(web::to(|| async { said(Word::Method, "only GET is served here") })),
        )
        .default_service(web::to(|request: HttpRequest| async move {
            let path: String = request.path().chars().take(100).collect();
            said(Word::Unknown, &format!("there is nothing at {path}: try {BASE}/requestID"))
        }));
}

/// The words that the original puts into `status`, those that its web server answered itself, and one for pages in browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Registered,
    NobodysDevice,
    NoSuchUser,
    Unknown,
    Method,
    NotNow,
    Page,
    Failed,
}

impl Word {
    /// The word, and the status of the answer. They differ where the original's word is a status that allows no body.
    fn both(self) -> (&'static str, StatusCode) {
        match self {
            Self::Registered => ("201", StatusCode::CREATED),
            Self::NobodysDevice => ("204", StatusCode::SERVICE_UNAVAILABLE),
            Self::NoSuchUser => ("401", StatusCode::UNAUTHORIZED),
            Self::Unknown => ("404", StatusCode::NOT_FOUND),
            Self::Page => ("403", StatusCode::FORBIDDEN),
            Self::Method => ("405", StatusCode::METHOD_NOT_ALLOWED),
            Self::NotNow => ("412", StatusCode::PRECONDITION_FAILED),
            Self::Failed => ("500", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

fn said(word: Word, message: &str) -> HttpResponse {
    let (word, status) = word.both();
    HttpResponse::build(status).json(json!({"status": word, "message": message}))
}

/// What of an account matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    email_address: Option<String>,
    state: Option<String>,
}

impl Identification {
    /// Reads and writes files.
    fn register(&self) -> Result<(), (Word, String)> {
        let nobody = || (Word::NobodysDevice, "nobody has said whose device this is: set `legacy.user`".to_owned());
        let user = self.user.as_deref().ok_or_else(nobody)?;
        let failed = |error: String| (Word::Failed, error);
        if Record::read(&self.file).map_err(failed)?.is_some_and(|known| known.user == user) {
            return Err((Word::NotNow, "this device is registered already".to_owned()));
        }
        let missing = || (Word::NoSuchUser, format!("there is no user `{user}` (`legacy.user`) who may sign in"));
        let account = self.account(user).map_err(failed)?.ok_or_else(missing)?;
        if account.state.as_deref() != Some("ACTIVE") {
            return Err(missing());
        }
        let email = account.email_address.filter(|email| !email.is_empty());
        let email = email.ok_or_else(|| (Word::Unknown, format!("user `{user}` has no e-mail address")))?;
        let unknown = || (Word::Failed, "this device has no identifier yet: try again in a moment".to_owned());
        let device = (self.device)().ok_or_else(unknown)?;
        Record { user: user.to_owned(), id_key: id_key(&email), device }.write(&self.file).map_err(failed)
    }

    fn account(&self, user: &str) -> Result<Option<Account>, String> {
        let Some(document) = self.store.get(&format!("user/{user}")) else { return Ok(None) };
        let body = self.store.body(&document).map_err(|error| error.to_string())?;
        body.map(|body| serde_json::from_slice(&body)).transpose().map_err(|error| error.to_string())
    }

    fn request(&self) -> Result<Record, (Word, String)> {
        let failed = |error: String| (Word::Failed, error);
        let missing = || (Word::NotNow, "this device is not registered: POST to registerDevice first".to_owned());
        let mut known = Record::read(&self.file).map_err(failed)?.ok_or_else(missing)?;
        if self.user.as_deref().is_some_and(|user| user != known.user) {
            return Err(missing());
        }
        // What certificates name counts, whatever the file remembers.
        if let Some(device) = (self.device)() {
            known.device = device;
        }
        if !is_identifier(&known.id_key) || !is_identifier(&known.device) {
            return Err((Word::NotNow, "IDKey or deviceID is not of 128 hexadecimal digits".to_owned()));
        }
        Ok(known)
    }
}

/// A refusal where a page in a browser asks.
fn refuse_pages(request: &HttpRequest, identification: &Identification) -> Option<HttpResponse> {
    let reason =
        "pages in browsers are not served here, nor who calls this machine by a name that is not in `tls.names`";
    is_of_a_page(request, &identification.names).then(|| said(Word::Page, reason))
}

async fn register(request: HttpRequest, identification: Data<Identification>) -> HttpResponse {
    if let Some(refused) = refuse_pages(&request, &identification) {
        return refused;
    }
    match web::block(move || identification.register()).await {
        Ok(Ok(())) => said(Word::Registered, "this device is registered"),
        Ok(Err((word, message))) => said(word, &message),
        Err(_) => said(Word::Failed, "the agent is stopping"),
    }
}

async fn request(request: HttpRequest, identification: Data<Identification>) -> HttpResponse {
    if let Some(refused) = refuse_pages(&request, &identification) {
        return refused;
    }
    match web::block(move || identification.request()).await {
        Ok(Ok(known)) => HttpResponse::Ok().json(json!({
            "status": "200",
            "CIMIUsrID": known.user,
            "IDKey": known.id_key,
            "deviceID": known.device,
        })),
        Ok(Err((word, message))) => said(word, &message),
        Err(_) => said(Word::Failed, "the agent is stopping"),
    }
}
