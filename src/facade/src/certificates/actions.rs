//! `certificate/<serial>/revoke` and `user/<name>/certify`.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Payload};
use mf2c_actors::ca_client::{CaClientError, CertifyUser};
use mf2c_actors::certificate_authority::{AuthorityError, Revoke, RevokeTarget};
use mf2c_actors::ports::LinkError;
use mf2c_actors::resource_store::EditResource;
use mf2c_domain::caller::Caller;
use mf2c_domain::filter::{Comparison, Filter, Literal, Op};
use mf2c_domain::id::ResourceId;
use mf2c_domain::path::Path;
use mf2c_domain::people::account::Account;
use mf2c_domain::query::Query;
use mf2c_domain::resource::Action;
use mf2c_domain::resource::types::area::certificate;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Code, WireError};
use mf2c_store::{Document, StoreError};
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value};

use super::Authorities;
use crate::cimi::body::{Kind, object, unsupported};
use crate::cimi::{Api, Exchange};
use crate::error::{ApiError, message};
use crate::people::users::{nothing_else, stored, take};

const DAY: u64 = 86_400;
/// How long a user's certificate holds if nothing is said, in seconds.
const USUAL_TTL: u64 = 30 * DAY;
/// How long it holds at most, in seconds: what browsers accept of servers too (CA/Browser Forum, 2020).
const LONGEST_TTL: u64 = 397 * DAY;
/// The most certificates of one user that have neither ended nor been revoked.
const MOST_OF_ONE: usize = 100;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 200;
/// The largest body, in bytes: a request of 16 KiB in PEM fits.
const LARGEST_BODY: usize = 32 << 10;

/// Ends a certificate: 200.
pub(crate) async fn revoke(
    exchange: &Exchange<'_>,
    id: &ResourceId,
    action: &Action,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let _ = may_change(exchange, id)?;
    let mut sent = sent(exchange, payload).await?;
    let reason = take(&mut sent, "reason")?;
    nothing_else(&sent)?;
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
        return Err(ApiError::bad_request(format!(
            "`reason` is too long: expected {LONGEST_REASON} characters at most"
        )));
    }
    let record = stored(exchange, id);
    if !(action.when)(&record, exchange.api.world.clock.now()) {
        let text = format!("{id} has ended or been revoked already, nothing is left to do");
        return Err(ApiError::new(StatusCode::CONFLICT, text).about(id.as_str()));
    }
    let revoke = Revoke {
        target: RevokeTarget::Serial(id.name().to_owned()),
        reason: reason.clone(),
        by: exchange.caller.clone(),
    };
    let revoked = authorities(exchange)?.revoke.send(revoke).await.map_err(|_| StoreError::Stopping)?;
    match revoked {
        Ok(_) => {}
        // The area's authority is elsewhere. A user's certificate counts at this agent alone, by its document.
        Err(AuthorityError::None) if record.get("kind").is_some_and(|kind| kind == "user") => {
            end_here(exchange.api, id, reason).await?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(HttpResponse::Ok().json(message(StatusCode::OK, &format!("{id} revoked"), Some(id.as_str()))))
}

/// Writes into the document of a user's certificate that it counts no longer: it counts at this agent alone, by this document.
async fn end_here(api: &Api, id: &ResourceId, reason: Option<String>) -> Result<(), ApiError> {
    let now = api.world.clock.now().to_string();
    let mut changes = Map::from_iter([("state".to_owned(), "REVOKED".into()), ("revokedAt".to_owned(), now.into())]);
    changes.extend(reason.map(|reason| ("reason".to_owned(), reason.into())));
    let edit = EditResource { id: id.clone(), changes, removed: Vec::new(), if_match: None, by: Caller::agent() };
    api.writer.send(edit).await.map_err(|_| StoreError::Stopping)??;
    Ok(())
}

/// Ends a user's certificate that was made for a purpose which is fulfilled. One that is gone is no error.
pub(crate) async fn end(api: &Api, id: &str, reason: &str) -> Result<(), ApiError> {
    let Some(document) = api.store.get(id).filter(|found| found.id.kind() == certificate::SPEC.name) else {
        return Ok(());
    };
    end_here(api, &document.id, Some(reason.to_owned())).await
}

/// Makes a certificate for a user: 201 with the chain.
pub(crate) async fn certify(
    exchange: &Exchange<'_>,
    id: &ResourceId,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let document = may_change(exchange, id)?;
    let mut sent = sent(exchange, payload).await?;
    let Some(pem) = take(&mut sent, "request")? else {
        let expected = r#"{"request": "-----BEGIN CERTIFICATE REQUEST-----…"}"#;
        return Err(ApiError::bad_request(format!("`request` is missing: expected {expected}")));
    };
    let ttl = sent.remove("ttl").map_or(Ok(USUAL_TTL), |ttl| read_ttl(&ttl))?;
    nothing_else(&sent)?;
    let request = der(&pem)?;
    let body = exchange.api.store.body(&document)?.ok_or_else(|| ApiError::not_found(id.as_str()))?;
    if !Account::read(&body).is_some_and(|account| account.may_sign_in()) {
        let text = format!("{id} may not sign in, so a certificate is of no use: make the user ACTIVE first");
        return Err(ApiError::new(StatusCode::CONFLICT, text).about(id.as_str()));
    }
    let ttl = within(ttl, end_of_proof(exchange), exchange.api.world.clock.now())?;
    let authorities = authorities(exchange)?;
    room_for_one(exchange, id).await?;
    let certify = CertifyUser { name: id.name().to_owned(), request, ttl };
    let made = authorities.certify.send(certify).await.map_err(|_| StoreError::Stopping)??;
    let mut answer = message(StatusCode::CREATED, &format!("{} created", made.id), Some(&made.id));
    answer.insert("certificate".to_owned(), made.chain.into());
    answer.insert("roots".to_owned(), made.roots.into());
    answer.insert("expires".to_owned(), made.until.to_string().into());
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, made.id))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(answer))
}

fn may_change(exchange: &Exchange<'_>, id: &ResourceId) -> Result<Arc<Document>, ApiError> {
    let document = exchange.api.store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
    if document.acl.can_modify(&exchange.caller) { Ok(document) } else { Err(ApiError::forbidden(id.as_str())) }
}

/// The JSON object of a request; an empty one where there is no body.
async fn sent(exchange: &Exchange<'_>, payload: Payload) -> Result<Map<String, Value>, ApiError> {
    let bytes = exchange.bytes(payload, exchange.api.settings.body.min(LARGEST_BODY)).await?;
    match exchange.content() {
        _ if bytes.is_empty() => Ok(Map::new()),
        Kind::Json => object(&bytes),
        _ => Err(unsupported()),
    }
}

fn read_ttl(ttl: &Value) -> Result<u64, ApiError> {
    ttl.as_u64().filter(|ttl| (1..=LONGEST_TTL).contains(ttl)).ok_or_else(|| {
        let text = format!("`ttl` is wrong: expected seconds, from 1 to {LONGEST_TTL} (397 days)");
        ApiError::bad_request(text)
    })
}

/// The request in DER. Whether it is a good one, the authority knows.
fn der(pem: &str) -> Result<Vec<u8>, ApiError> {
    // What older tools call it.
    let pem = pem.replace("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST");
    let read = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes());
    read.map(|der| der.as_ref().to_vec()).map_err(|_| {
        let text = "`request` is no certificate request in PEM: expected -----BEGIN CERTIFICATE REQUEST-----, as \
                    `openssl req -new` and `mf2c user cert` make it";
        ApiError::bad_request(text)
    })
}

/// What is made with a key or a certificate that ends does not outlive it.
fn end_of_proof(exchange: &Exchange<'_>) -> Option<Timestamp> {
    if exchange.caller.certificate().is_some() {
        return exchange.caller.ends();
    }
    let session = ResourceId::parse(exchange.caller.session()?).ok()?;
    let key = ResourceId::parse(stored(exchange, &session).get("credential")?.as_str()?).ok()?;
    let expiry = stored(exchange, &key).get("expiry")?.as_str()?.to_owned();
    Some(Timestamp::parse(&expiry).unwrap_or_default())
}

fn within(ttl: u64, end: Option<Timestamp>, now: Timestamp) -> Result<u64, ApiError> {
    let left = end.map_or(ttl, |end| (end.millis().saturating_sub(now.millis()) / 1000).min(ttl));
    if left > 0 {
        return Ok(left);
    }
    let text = "the key or certificate that you are signed in with has ended: sign in anew";
    Err(ApiError::new(StatusCode::CONFLICT, text))
}

/// Refuses more certificates of one user than anybody can look after.
async fn room_for_one(exchange: &Exchange<'_>, id: &ResourceId) -> Result<(), ApiError> {
    let store = Arc::clone(&exchange.api.store);
    if store.count(certificate::SPEC.name) < MOST_OF_ONE {
        return Ok(());
    }
    let query = valid_ones_of(id.name(), exchange.api.world.clock.now());
    // An authority knows those of other agents' users too, who may have the same name: they see none here.
    let user = Caller::new(id.name(), []);
    let found = web::block(move || store.find(&certificate::SPEC, &query, &user)).await;
    let count = found.map_err(|_| StoreError::Stopping)??.count;
    if count < MOST_OF_ONE {
        return Ok(());
    }
    let text = format!("{id} has {count} valid certificates, the most that are allowed: revoke one first");
    Err(ApiError::new(StatusCode::CONFLICT, text).about(id.as_str()))
}

fn valid_ones_of(user: &str, now: Timestamp) -> Query {
    let is = |name: &str, op: Op, value: &str| {
        let value = Literal::text(value);
        Path::parse(name).map(|path| Filter::Compare(Comparison { path, op, value }))
    };
    let parts = [is("user", Op::Eq, user), is("state", Op::Eq, "VALID"), is("notAfter", Op::Gt, &now.to_string())];
    let filter = Filter::And(parts.into_iter().flatten().collect());
    Query { filter: Some(filter), last: Some(0), ..Query::everything() }
}

fn authorities<'a>(exchange: &'a Exchange<'_>) -> Result<&'a Authorities, ApiError> {
    exchange.api.authorities.as_ref().ok_or_else(|| CaClientError::from(LinkError::NoMembership).into())
}

impl From<AuthorityError> for ApiError {
    fn from(error: AuthorityError) -> Self {
        let text = error.to_string();
        match error {
            AuthorityError::None | AuthorityError::Exists | AuthorityError::Member(_) | AuthorityError::Refused(_) => {
                Self::new(StatusCode::CONFLICT, text)
            }
            AuthorityError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, text),
            AuthorityError::Failed(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, text),
        }
    }
}

impl From<CaClientError> for ApiError {
    fn from(error: CaClientError) -> Self {
        let text = error.to_string();
        match error {
            CaClientError::Link(LinkError::NoMembership) | CaClientError::Member(_) => {
                Self::new(StatusCode::CONFLICT, text)
            }
            CaClientError::Link(LinkError::Refused(refusal)) => refused(&refusal),
            CaClientError::Link(LinkError::Unreachable { .. } | LinkError::Untrusted { .. }) => {
                Self::unavailable(text, 10)
            }
            CaClientError::Unusable(_) => Self::bad_request(text),
            CaClientError::Failed(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, text),
        }
    }
}

/// A refusal of the authority: of what was asked, or of this agent.
fn refused(refusal: &WireError) -> ApiError {
    let text = format!("the area's authority refuses: {}", refusal.msg);
    match refusal.code {
        Code::BadFrame | Code::TooLarge | Code::Forbidden | Code::Conflict => ApiError::bad_request(text),
        Code::Busy => {
            let seconds = refusal.retry_after.map_or(1, |millis| millis.div_ceil(1000));
            ApiError::unavailable(text, u32::try_from(seconds).unwrap_or(u32::MAX))
        }
        Code::Auth | Code::Revoked => ApiError::new(StatusCode::CONFLICT, text),
        _ => ApiError::new(StatusCode::BAD_GATEWAY, text),
    }
}
