//! `/certauths/rest/{ca}`: the eight certificate authorities of the original (cluster specification, a.1).
//!
//! Everything is plain text, also the reasons of refusals. Unlike in the original, nobody is certified unasked: a trusted
//! authority answers administrators, an untrusted one who has a join token.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::legacy::certauths::CaName;

use crate::caller::caller_of;
use crate::cimi::{Api, Exchange};
use crate::error::ApiError;
use crate::monitor;

/// The header that carries a join token.
pub const TOKEN: &str = "mf2c-join-token";
/// The largest body: a request of 16 KiB is a little more than that in PEM.
const MAX_BODY: usize = 32 * 1024;
/// How a request in PEM begins.
const REQUEST: [&str; 2] = ["-----BEGIN CERTIFICATE REQUEST", "-----BEGIN NEW CERTIFICATE REQUEST"];

/// An answer in the making.
pub type Certified = Pin<Box<dyn Future<Output = Result<String, Refused>>>>;

/// Those who certify: they hold the keys and keep the records.
pub trait CertAuths: Send + Sync {
    /// The certificate of an authority, in PEM.
    fn certificate(&self, ca: CaName) -> Certified;

    /// Certifies the key of a request in PEM; gives the certificate. Without a token the device that the request names must
    /// have a token that needs no secret.
    fn sign(&self, ca: CaName, request: String, token: Option<JoinToken>) -> Certified;

    /// Makes a key and certifies it for an administrator; gives both in PEM, the key first.
    fn make(&self, ca: CaName, common_name: String) -> Certified;
}

/// Why nothing is certified. The texts are for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// What was asked for is wrong.
    Wrong(String),
    /// Who asks may not.
    Forbidden(String),
    /// Somebody else has it already.
    Conflict(String),
    /// Too many ask at once.
    Busy,
    /// This agent has nobody who keeps records of certificates.
    NoAuthority(String),
    /// A fault of ours; it is in the log.
    Failed,
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong(reason) => Self::bad_request(reason),
            Refused::Forbidden(reason) => Self::new(StatusCode::FORBIDDEN, reason),
            Refused::Conflict(reason) => Self::new(StatusCode::CONFLICT, reason),
            Refused::Busy => Self::unavailable("many certificates are being made: ask again in a moment", 1),
            Refused::NoAuthority(reason) => Self::unavailable(reason, 60),
            Refused::Failed => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the certificate could not be made: the agent's log says why",
            ),
        }
    }
}

/// Adds the eight to an application, where there are any.
pub fn configure(config: &mut ServiceConfig, doors: Option<&Data<dyn CertAuths>>) {
    let Some(doors) = doors else { return };
    config.app_data(Data::clone(doors)).service(web::resource("/certauths/rest/{ca}").to(answer));
}

/// Makes of those who certify what an application is given.
#[must_use]
pub fn shared(doors: Arc<dyn CertAuths>) -> Data<dyn CertAuths> {
    Data::from(doors)
}

async fn answer(
    request: HttpRequest,
    ca: Path<String>,
    payload: Payload,
    api: Data<Api>,
    doors: Data<dyn CertAuths>,
) -> HttpResponse {
    let caller = caller_of(&request, &api);
    monitor::note_caller(&request, &caller);
    let exchange = Exchange { api: &api, request: &request, caller };
    let mut answer = match certified(&exchange, &ca, payload, doors.get_ref()).await {
        Ok(text) => HttpResponse::Ok().content_type("text/plain").body(text),
        Err(error) => plain(error),
    };
    let headers = answer.headers_mut();
    // Among them are private keys.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

async fn certified(
    exchange: &Exchange<'_>,
    ca: &str,
    payload: Payload,
    doors: &dyn CertAuths,
) -> Result<String, ApiError> {
    // Letter by letter: in the original another case of letters led past the check to a private key.
    let ca = CaName::parse(ca).ok_or_else(|| {
        let known = "expected it2, uc1, uc2 or uc3 with trustedca or untrustedca, in small letters";
        ApiError::new(StatusCode::NOT_FOUND, format!("there is no such certificate authority: {known}"))
    })?;
    match *exchange.request.method() {
        Method::GET | Method::HEAD => Ok(doors.certificate(ca).await?),
        Method::POST if ca.trusted => {
            only_administrators(exchange)?;
            Ok(doors.make(ca, text(exchange, payload).await?).await?)
        }
        Method::POST => {
            let token = join_token(exchange.request)?;
            let request = text(exchange, payload).await?;
            if !REQUEST.iter().any(|first| request.trim_start().starts_with(first)) {
                let message = "the body is no certificate request: expected PKCS#10 in PEM, which begins with \
                               -----BEGIN CERTIFICATE REQUEST-----";
                return Err(ApiError::bad_request(message));
            }
            Ok(doors.sign(ca, request, token).await?)
        }
        _ => Err(exchange.invalid_method("GET, HEAD, POST")),
    }
}

fn only_administrators(exchange: &Exchange<'_>) -> Result<(), ApiError> {
    let caller = &exchange.caller;
    if caller.is_admin() {
        return Ok(());
    }
    let (status, who) = match caller.identity() {
        None => (StatusCode::UNAUTHORIZED, "sign in as one"),
        Some(_) => (StatusCode::FORBIDDEN, "you are none"),
    };
    Err(ApiError::new(status, format!("a trusted authority certifies for administrators of this agent only: {who}")))
}

/// The token in the one header of its name.
fn join_token(request: &HttpRequest) -> Result<Option<JoinToken>, ApiError> {
    let mut tokens = request.headers().get_all(TOKEN);
    let (Some(token), None) = (tokens.next(), tokens.next()) else {
        return match request.headers().contains_key(TOKEN) {
            true => Err(ApiError::bad_request(format!("there is more than one header {TOKEN}"))),
            false => Ok(None),
        };
    };
    let token = token.to_str().unwrap_or_default().parse();
    token.map(Some).map_err(|error| ApiError::new(StatusCode::UNAUTHORIZED, format!("{TOKEN}: {error}")))
}

async fn text(exchange: &Exchange<'_>, payload: Payload) -> Result<String, ApiError> {
    // Some clients of the original do not say what they send.
    let kind = exchange.request.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("text/plain")) {
        let message = "unsupported content type: expected `content-type: text/plain`";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let bytes = exchange.bytes(payload, MAX_BODY).await?;
    String::from_utf8(bytes.to_vec()).map_err(|_| ApiError::bad_request("the body is not UTF-8: expected plain text"))
}

/// The same refusal as elsewhere, in the words alone.
fn plain(error: ApiError) -> HttpResponse {
    let document = error.document();
    let message = document.get("message").and_then(serde_json::Value::as_str).unwrap_or_default();
    let mut answer = error.into_response().set_body(format!("{message}\n")).map_into_boxed_body();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
