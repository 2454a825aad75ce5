//! `/openapi.json`: the description of the whole API, written when somebody first asks for it.

use std::sync::{Arc, OnceLock};

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use mf2c_store::StoreError;
use sha2::{Digest as _, Sha256};

use super::Exchange;
use super::member::{JSON, is_known};
use crate::error::ApiError;

/// The document, as soon as somebody has asked for it: it takes megabytes to write.
#[derive(Clone)]
pub struct OpenApi {
    version: &'static str,
    written: Arc<OnceLock<Written>>,
}

/// The document as it is sent, with its entity tag.
struct Written {
    text: Bytes,
    tag: String,
}

impl OpenApi {
    /// The description of this version.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        Self { version, written: Arc::default() }
    }

    fn written(&self) -> &Written {
        self.written.get_or_init(|| {
            let text = Bytes::from(mf2c_domain::resource::openapi(self.version).to_string());
            let digest = Sha256::digest(&text);
            Written { text, tag: digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect() }
        })
    }
}

/// 200 with the document, or 304 for who knows it.
pub(super) async fn answer(exchange: &Exchange<'_>) -> Result<HttpResponse, ApiError> {
    if *exchange.request.method() != Method::GET && *exchange.request.method() != Method::HEAD {
        return Err(exchange.invalid_method("GET, HEAD"));
    }
    let document = &exchange.api.openapi;
    if document.written.get().is_none() {
        // It takes a while.
        let document = document.clone();
        web::block(move || drop(document.written().text.clone())).await.map_err(|_| StoreError::Stopping)?;
    }
    let document = document.written();
    let known = is_known(exchange, &document.tag);
    let mut response = HttpResponseBuilder::new(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    response.insert_header((header::ETAG, format!("\"{}\"", document.tag)));
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-cache")));
    if known {
        return Ok(response.finish());
    }
    Ok(response.insert_header((header::CONTENT_TYPE, JSON)).body(document.text.clone()))
}
