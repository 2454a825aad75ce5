//! `/openapi.json`: the description of the whole API, written once at the start.

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::Exchange;
use super::member::{JSON, is_known};
use crate::error::ApiError;

/// The document as it is sent, with its entity tag.
pub struct OpenApi {
    text: Bytes,
    tag: String,
}

impl OpenApi {
    /// The description of this version.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let text = Bytes::from(mf2c_domain::resource::openapi(version).to_string());
        let digest = Sha256::digest(&text);
        let tag = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { text, tag }
    }
}

/// 200 with the document, or 304 for who knows it.
pub(super) fn answer(exchange: &Exchange<'_>) -> Result<HttpResponse, ApiError> {
    if *exchange.request.method() != Method::GET && *exchange.request.method() != Method::HEAD {
        return Err(exchange.invalid_method("GET, HEAD"));
    }
    let document = &exchange.api.openapi;
    let known = is_known(exchange, &document.tag);
    let mut response = HttpResponseBuilder::new(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    response.insert_header((header::ETAG, format!("\"{}\"", document.tag)));
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-cache")));
    if known {
        return Ok(response.finish());
    }
    Ok(response.insert_header((header::CONTENT_TYPE, JSON)).body(document.text.clone()))
}
